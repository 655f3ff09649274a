package receiver

import (
	"context"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
)

// knownSweepEvery is the time between sweeps of the known pictures.
const knownSweepEvery = time.Hour

// KnownPictures returns the part of a program that deletes known pictures whose
// row is missing, because a receiver was killed at the wrong moment. It begins at
// once.
func (s *Server) KnownPictures() lifecycle.Part {
	var cancel context.CancelFunc
	done := make(chan struct{})
	return lifecycle.Part{Name: "known pictures", Start: func(ctx context.Context, _ func(error)) error {
		ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
		go func() {
			defer close(done)
			s.sweepKnown(ctx)
		}()
		return nil
	}, Stop: func(context.Context) error {
		cancel()
		<-done
		return nil
	}}
}

func (s *Server) sweepKnown(ctx context.Context) {
	if s.known.folder == "" {
		return
	}
	sweep := func(ctx context.Context) {
		switch n, err := s.known.sweep(ctx, time.Now(), s.store.ListedPictures); {
		case ctx.Err() != nil:
		case err != nil:
			s.log.Warn("the folder of known people was not swept", "pause", knownSweepEvery, "error", err)
		case n > 0:
			s.log.Info("known pictures without a row were deleted", "files", n)
		}
	}
	sweep(ctx)
	background.Every(ctx, knownSweepEvery, sweep)
}
