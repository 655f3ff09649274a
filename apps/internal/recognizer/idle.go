package recognizer

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
)

// idleDelay is how long the engines must be idle before memory is released.
// That takes a few milliseconds, for which nobody should have to wait.
const idleDelay = time.Second

// releaseWhenIdle returns memory to the system each time the engines become idle.
// Otherwise the process would keep the memory of the last pictures.
func (r *Recognizer) releaseWhenIdle(ctx context.Context) {
	var done time.Time // the idle period that has been handled
	background.Every(ctx, idleDelay, func(context.Context) {
		since, idle := r.pool.idleSince()
		if !idle || since.Equal(done) || time.Since(since) < idleDelay {
			return
		}
		done = since
		debug.FreeOSMemory()
		r.pool.trim()
	})
}
