package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// PostImage asks about one picture. A path that is refused is an *api.Error.
func (c *Client) PostImage(ctx context.Context, path string) (api.PostedImage, error) {
	return call[api.PostedImage](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.PostImage(ctx, api.PicturePath{Path: path})
	})
}

// PostImages asks about several pictures. It returns one entry for each path,
// in the same order. Entries of paths that were refused have an Error.
func (c *Client) PostImages(ctx context.Context, paths ...string) ([]api.PostedEntry, error) {
	body := api.PicturePaths{Paths: make([]api.PicturePath, len(paths))}
	for i, p := range paths {
		body.Paths[i].Path = p
	}
	answer, err := call[api.PostedImages](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.PostImages(ctx, body)
	})
	if err == nil && len(answer.Images) != len(paths) {
		err = fmt.Errorf("the receiver answered %d entries for %d paths", len(answer.Images), len(paths))
	}
	return answer.Images, err
}

// ListImages returns a page of images. Next of the page, sent as After, gets the
// next one.
func (c *Client) ListImages(ctx context.Context, filter api.ListImagesParams) (api.ImageList, error) {
	return call[api.ImageList](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ListImages(ctx, &filter)
	})
}

// AllImages iterates over all images of a filter, page by page. It ends with
// the first error.
func (c *Client) AllImages(ctx context.Context, filter api.ListImagesParams) iter.Seq2[api.Image, error] {
	return func(yield func(api.Image, error) bool) {
		for {
			page, err := c.ListImages(ctx, filter)
			if err != nil {
				yield(api.Image{}, err)
				return
			}
			for _, img := range page.Images {
				if !yield(img, nil) {
					return
				}
			}
			if page.Next == nil {
				return
			}
			filter.After = page.Next
		}
	}
}

// GetImage returns an image with its faces.
func (c *Client) GetImage(ctx context.Context, id int64) (api.ImageDetail, error) {
	return call[api.ImageDetail](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.GetImage(ctx, id)
	})
}

// RetryImage retries an image, whatever its outcome.
func (c *Client) RetryImage(ctx context.Context, id int64) (api.PostedImage, error) {
	return call[api.PostedImage](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.RetryImage(ctx, id)
	})
}

// RetryImages retries all images of a filter and returns their number.
func (c *Client) RetryImages(ctx context.Context, filter api.RetryFilter) (int, error) {
	answer, err := act[api.RetriedImages](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.RetryImages(ctx, filter)
	})
	return answer.Images, err
}

// ImageCorrections returns all corrections of an image's faces, oldest first.
func (c *Client) ImageCorrections(ctx context.Context, id int64) ([]api.ImageCorrection, error) {
	answer, err := call[api.ImageCorrectionList](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.ListImageCorrections(ctx, id)
	})
	return answer.Corrections, err
}
