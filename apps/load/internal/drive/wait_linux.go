package drive

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// spare is more than a timer of Go is late on an idle machine.
const spare = 2 * time.Millisecond

// waitPrecisely waits with a timer until shortly before, and then with the clock of the
// kernel. Timers alone are late by up to a millisecond, which is as much as an answer
// takes.
func waitPrecisely(ctx context.Context, until time.Time) {
	if time.Until(until) > spare {
		WaitByTimer(ctx, until.Add(-spare))
	}
	for ctx.Err() == nil {
		rest := time.Until(until)
		if rest <= 0 {
			return
		}
		pause := unix.NsecToTimespec(rest.Nanoseconds())
		_ = unix.Nanosleep(&pause, nil) // a signal ends it early; the loop goes on
	}
}
