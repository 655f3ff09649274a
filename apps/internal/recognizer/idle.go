package recognizer

// This file owns giving memory back while nothing is asked: what the last
// pictures left behind would else stay with the process until the next ones.

import (
	"context"
	"runtime/debug"
	"time"
)

// restAfter is how long nothing is asked before memory is given back. It takes
// a few milliseconds, which nobody then waits for.
const restAfter = time.Second

// keepSmall gives memory back each time the engines come to rest.
func (r *Recognizer) keepSmall(ctx context.Context) {
	ticker := time.NewTicker(restAfter)
	defer ticker.Stop()
	var done time.Time // the rest for which it was given back
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		since, idle := r.pool.idleSince()
		if !idle || since.Equal(done) || time.Since(since) < restAfter {
			continue
		}
		done = since
		debug.FreeOSMemory()
		r.pool.trim()
	}
}
