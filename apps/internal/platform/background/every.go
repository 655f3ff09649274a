package background

import (
	"context"
	"time"
)

// Every calls f after each pause, until ctx ends. It returns when ctx has ended and f has
// returned. A call that takes longer than a pause delays the next one. No call begins after
// ctx has ended.
func Every(ctx context.Context, pause time.Duration, f func(ctx context.Context)) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if ctx.Err() != nil { // select takes either one where both are ready
				return
			}
			f(ctx)
		}
	}
}
