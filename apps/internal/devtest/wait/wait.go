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
	tick := time.NewTicker(pause)
	defer tick.Stop()
	timeout := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
