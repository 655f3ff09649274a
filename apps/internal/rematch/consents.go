package rematch

import (
	"context"
	"errors"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
)

// sweepEvery is the pause between two looks for consents that have ended.
const sweepEvery = 5 * time.Second

// sweepConsents takes back the answers of ended consents that no re-match has taken
// back, whatever the mode and although no recognizer may answer. It does nothing if
// somebody has just done so.
func (r *Rematcher) sweepConsents(ctx context.Context, token int64) {
	now := time.Now().UnixNano()
	if last := r.swept.Load(); now-last < int64(sweepEvery) || !r.swept.CompareAndSwap(last, now) {
		return
	}
	more, err := r.store.SweepConsents(ctx, token)
	if more {
		r.swept.Store(0)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, history.ErrLeaseLost) {
		r.log.Warn("cannot take back the answers of ended consents yet", "error", err)
	}
}

// keepSweeping sweeps while a long job runs.
func (r *Rematcher) keepSweeping(ctx context.Context, token int64) {
	background.Every(ctx, sweepEvery, func(ctx context.Context) { r.sweepConsents(ctx, token) })
}
