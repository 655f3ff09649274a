package recognizerclient

import (
	"context"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

const (
	// maxAnswer bounds the size of an answer in bytes. Most answers are far
	// smaller. If many known pictures are equally near, Match repeats the
	// call with fewer faces.
	maxAnswer = 64 << 20
	// matchChunk is how many faces one call carries: about a megabyte, so
	// that the overhead of a call does not matter.
	matchChunk = 2000
	// matchCalls is how many calls run concurrently, to use all recognizers.
	matchCalls = 4
)

// Match returns the known pictures nearest to each descriptor, in the given
// order. It fails with faces.CodeConflict if the recognizer uses another
// model set or other known pictures than the query.
func (c *Client) Match(ctx context.Context, q faces.MatchQuery) ([][]faces.Neighbour, error) {
	near := make([][]faces.Neighbour, len(q.Descriptors))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(matchCalls)
	for from := 0; from < len(q.Descriptors); from += matchChunk {
		to := min(from+matchChunk, len(q.Descriptors))
		group.Go(func() error { return c.match(ctx, q, q.Descriptors[from:to], near[from:to]) })
	}
	return near, group.Wait()
}

func (c *Client) match(ctx context.Context, q faces.MatchQuery, descriptors [][]byte, into [][]faces.Neighbour) error {
	callCtx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	res, err := c.recognizer.Match(callCtx, &recognizerv1.MatchRequest{
		ModelId: q.Model, GalleryVersion: q.Gallery, Descriptors: descriptors, ImageNames: q.Images,
		Neighbours: limitMessage(q.Limit), MaxDescriptorSize: faces.MaxDescriptorSize,
	})
	switch {
	case status.Code(err) == codes.ResourceExhausted && len(descriptors) > 1:
		half := len(descriptors) / 2
		if err := c.match(ctx, q, descriptors[:half], into[:half]); err != nil {
			return err
		}
		return c.match(ctx, q, descriptors[half:], into[half:])
	case err != nil:
		return matchError(err)
	case len(res.GetMatches()) != len(descriptors):
		return faces.Fault(faces.Internal, "the recognizer answered for %d of %d faces", len(res.GetMatches()), len(descriptors))
	case q.Gallery != "" && res.GetGalleryVersion() != q.Gallery: // a recognizer that does not know the field
		return faces.Errorf(faces.CodeConflict, "the recognizer matched against other known pictures")
	}
	for i, m := range res.GetMatches() {
		into[i] = neighbourList(m.GetNeighbours())
	}
	return nil
}

// KnownPictures returns all known pictures that can be matched, from one
// version of the gallery. It fails with faces.CodeConflict if they change
// meanwhile.
func (c *Client) KnownPictures(ctx context.Context) (faces.KnownSet, error) {
	var set faces.KnownSet
	for after := ""; ; {
		page, err := c.knownPage(ctx, set.Gallery, after)
		if err != nil {
			return faces.KnownSet{}, err
		}
		set.Gallery, set.Model = page.GetGalleryVersion(), model(page.GetModel())
		if len(page.GetImages()) == 0 {
			return set, nil
		}
		for _, img := range page.GetImages() {
			set.Pictures = append(set.Pictures, faces.KnownPicture{Image: img.GetImageName(), Content: img.GetContentId()})
		}
		after = set.Pictures[len(set.Pictures)-1].Image
	}
}

func (c *Client) knownPage(ctx context.Context, gallery, after string) (*recognizerv1.ListKnownImagesResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	page, err := c.recognizer.ListKnownImages(ctx, &recognizerv1.ListKnownImagesRequest{GalleryVersion: gallery, After: after})
	if err != nil {
		return nil, matchError(err)
	}
	return page, nil
}

// GalleryInUse returns the model set and the gallery version of one of the
// recognizers, chosen by the load balancer.
func (c *Client) GalleryInUse(ctx context.Context) (faces.Model, string, error) {
	info, err := c.Info(ctx)
	return info.Model, info.Gallery, err
}

func matchError(err error) error {
	if status.Code(err) == codes.FailedPrecondition {
		return faces.Errorf(faces.CodeConflict, "the recognizer uses another model set or other known pictures").WithCause(err)
	}
	return domainError(err)
}

func neighbourList(list []*recognizerv1.Neighbour) []faces.Neighbour {
	if len(list) == 0 {
		return nil
	}
	near := make([]faces.Neighbour, len(list))
	for i, n := range list {
		near[i] = faces.Neighbour{Image: n.GetImageName(), Distance: float64(n.GetDistance()), Parts: faces.PartsOf(n.GetParts())}
	}
	return near
}
