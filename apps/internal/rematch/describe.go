package rematch

import (
	"context"
	"errors"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

const (
	// describeBatch is how many drawn faces are described before the next job and
	// correction get their turn.
	describeBatch = 8
	// describePause is the time to the next try if the service failed, or is of an older
	// release.
	describePause = time.Minute
	// describeLater is the time to the next try if the picture was at fault: its file may
	// come back.
	describeLater = 12 * time.Hour
)

// describe has recognizers describe faces that users drew. Then refine decides them as
// any other face.
func (r *Rematcher) describe(ctx context.Context, now *history.KnownPeople) (worked bool, err error) {
	if time.Now().Before(r.describeFrom) {
		return false, nil
	}
	if r.redrawn != r.token {
		if err := r.store.RecheckDrawn(ctx, r.token); err != nil {
			return false, err
		}
		r.redrawn = r.token
	}
	list, err := r.store.UndescribedFaces(ctx, r.token, now.Basis.Model, describeBatch)
	if err != nil {
		return false, err
	}
	for _, u := range list {
		if err := r.describeOne(ctx, u, now); err != nil || time.Now().Before(r.describeFrom) {
			return worked, err
		}
		worked = true
	}
	return worked, nil
}

// describeOne describes one face, or postpones it. It sets describeFrom if the next face
// would fare no better.
func (r *Rematcher) describeOne(ctx context.Context, u history.Undescribed, now *history.KnownPeople) error {
	d, err := r.recognizer.DescribeFace(ctx, u.Path, u.Box, u.File)
	switch reason := faces.ReasonOf(err); {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, faces.ErrNotOffered):
		r.describeFrom = time.Now().Add(describePause)
		r.log.Warn("drawn faces are not described yet", "error", err)
		return nil
	case errors.Is(err, faces.ErrNotAsked):
		r.describeFrom = time.Now().Add(r.opts.Poll)
		return err
	case err != nil && (reason.Permanent() || faces.ErrorCode(err) == faces.CodeInvalid):
		r.log.Info("a drawn face cannot be described", "face", u.FaceID, "image", u.ImageID, "error", err)
		return r.store.PostponeDrawn(ctx, r.token, u, time.Now().Add(describeLater))
	case err != nil:
		// The picture itself may be the reason: others get their turn first.
		r.describeFrom = time.Now().Add(r.opts.Poll)
		return errors.Join(err, r.store.PostponeDrawn(ctx, r.token, u, time.Now().Add(describePause)))
	case d.Changed || d.File.SHA256 != u.File.SHA256:
		r.log.Info("a drawn face is not described: its file has changed", "face", u.FaceID, "image", u.ImageID)
		return r.store.PostponeDrawn(ctx, r.token, u, time.Time{})
	case d.Model.ID != now.Basis.Model:
		return r.store.PostponeDrawn(ctx, r.token, u, time.Now().Add(describePause))
	}
	ok, err := r.store.DescribeDrawn(ctx, r.token, u, d)
	if ok {
		r.log.Info("drawn face described", "face", u.FaceID, "image", u.ImageID, "by_landmarks", d.ByLandmarks)
	}
	return err
}
