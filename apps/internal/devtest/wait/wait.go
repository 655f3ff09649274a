// Package wait lets tests wait for a condition instead of for a time.
package wait

import (
	"testing"
	"time"
)

const (
	// patience is far longer than any condition takes on a busy machine.
	patience = time.Minute
	pause    = 2 * time.Millisecond
)

// Until returns when done reports true. It fails the test if that takes longer than
// a minute; what says what was awaited.
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	within(t, patience, pause, what, done)
}

// Within is Until with another limit, for what takes longer, or where time is that of
// a bubble of testing/synctest. It looks about a thousand times.
func Within(t testing.TB, limit time.Duration, what string, done func() bool) {
	t.Helper()
	within(t, limit, max(pause, limit/1000), what, done)
}

func within(t testing.TB, limit, pause time.Duration, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	timeout := time.After(limit)
	for !done() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("waited %s in vain until %s", limit, what)
		}
	}
}
