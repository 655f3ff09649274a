package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/internal/rawclient"
)

// UploadFiles uploads files of this machine. It returns one entry for each file, in the
// same order. Entries of files that were refused have an Error. The files are read
// while they are sent, so they may be large and many. An upload can be repeated: the
// same content is the same image.
func (c *Client) UploadFiles(ctx context.Context, names ...string) ([]api.PostedEntry, error) {
	answer, err := call[api.PostedImages](ctx, c, func(ctx context.Context) (*http.Response, error) {
		body, to := io.Pipe()
		defer body.Close() // ends the writer, if the receiver has not read everything
		form := multipart.NewWriter(to)
		local := make(chan error, 1)
		go func() {
			err := writeForm(form, names)
			local <- err
			to.CloseWithError(err) // nil is the end of the body
		}()
		res, err := c.raw.CreateImagesWithBody(ctx, form.FormDataContentType(), body)
		if err == nil {
			return res, nil
		}
		select {
		case wrong := <-local:
			if wrong != nil && !errors.Is(wrong, io.ErrClosedPipe) {
				return nil, wrong // a file that cannot be read
			}
		default:
		}
		return nil, err
	})
	if err == nil && len(answer.Images) != len(names) {
		err = fmt.Errorf("the receiver answered %d entries for %d files", len(answer.Images), len(names))
	}
	return answer.Images, err
}

// UploadBody sends an upload on as it comes: a body of multipart/form-data with the given
// Content-Type. It returns one entry for each file. The body is read while it is sent, and
// is not sent a second time, unless it is Repeatable. After an error the body may still be being
// read.
func (c *Client) UploadBody(ctx context.Context, contentType string, body io.Reader) ([]api.PostedEntry, error) {
	answer, err := once[api.PostedImages](ctx, func(ctx context.Context) (*http.Response, error) {
		return c.raw.CreateImagesWithBody(ctx, contentType, body, repeatable(body))
	})
	return answer.Images, err
}

// Repeatable is a body that is sent with its length. It is sent again if the connection turns out
// to be closed before the receiver has read any of it, and after a redirect.
type Repeatable interface {
	io.Reader
	Size() int64      // in bytes
	Again() io.Reader // the whole body
}

// repeatable tells net/http what it finds out by itself only for types of its own.
func repeatable(body io.Reader) rawclient.RequestEditorFn {
	return func(_ context.Context, req *http.Request) error {
		if b, ok := body.(Repeatable); ok {
			req.ContentLength = b.Size()
			req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(b.Again()), nil }
		}
		return nil
	}
}

func writeForm(form *multipart.Writer, names []string) error {
	for _, name := range names {
		if err := writePart(form, name); err != nil {
			return err
		}
	}
	return form.Close()
}

func writePart(form *multipart.Writer, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	part, err := form.CreateFormFile("file", filepath.Base(name))
	if err != nil {
		return err
	}
	_, err = io.Copy(part, file)
	return err
}

// DeleteImage deletes an image and everything that is stored about it.
func (c *Client) DeleteImage(ctx context.Context, id int64) error {
	_, err := act[struct{}](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.DeleteImage(ctx, id)
	})
	return err
}

// DeleteImages deletes the images of a filter and returns their number. A deletion that
// was interrupted goes on when it is repeated; the number is then that of the last part.
func (c *Client) DeleteImages(ctx context.Context, filter api.DeleteFilter) (int, error) {
	return c.deleteImages(ctx, filter, false)
}

// CountDeletions returns how many images DeleteImages would delete.
func (c *Client) CountDeletions(ctx context.Context, filter api.DeleteFilter) (int, error) {
	return c.deleteImages(ctx, filter, true)
}

func (c *Client) deleteImages(ctx context.Context, filter api.DeleteFilter, dry bool) (int, error) {
	answer, err := act[api.DeletedImages](ctx, c, func(ctx context.Context) (*http.Response, error) {
		return c.raw.DeleteImages(ctx, &api.DeleteImagesParams{DryRun: &dry}, filter)
	})
	return answer.Images, err
}
