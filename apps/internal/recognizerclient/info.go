package recognizerclient

import (
	"context"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// Info is what a recognizer reports about itself.
type Info struct {
	Model       faces.Model
	Gallery     string
	KnownImages int
	Problems    map[string]string // keyed by known picture: why it cannot be matched
	Engines     int
}

// Info asks one recognizer for its model set and its known pictures.
func (c *Client) Info(ctx context.Context) (Info, error) {
	return infoOf(ctx, c.recognizer, c.opts.Timeout)
}

// Info asks the recognizer for its model set and its known pictures.
func (r *Replica) Info(ctx context.Context) (Info, error) {
	return infoOf(ctx, r.recognizer, r.timeout)
}

func infoOf(ctx context.Context, recognizer recognizerv1.RecognizerClient, timeout time.Duration) (Info, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	res, err := recognizer.GetInfo(ctx, &recognizerv1.GetInfoRequest{})
	if err != nil {
		return Info{}, domainError(err)
	}
	info := Info{
		Model: model(res.GetModel()), Gallery: res.GetGalleryVersion(),
		KnownImages: int(res.GetKnownImages()), Engines: int(res.GetEngines()), Problems: map[string]string{},
	}
	for _, p := range res.GetProblems() {
		info.Problems[p.GetImageName()] = p.GetMessage()
	}
	return info, nil
}
