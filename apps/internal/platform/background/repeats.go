package background

import "time"

// Repeats tells a problem that is new from one that was logged a moment ago. The zero
// value works. It is not safe for concurrent use.
type Repeats struct{ until map[string]time.Time }

const (
	// repeatAfter is the time after which the same problem is logged again.
	repeatAfter = time.Minute
	// maxRepeats is how many problems are remembered.
	maxRepeats = 100
)

// New reports whether a problem was not new within the last minute.
func (r *Repeats) New(problem string) bool {
	if time.Now().Before(r.until[problem]) {
		return false
	}
	if r.until == nil || len(r.until) >= maxRepeats {
		r.until = map[string]time.Time{}
	}
	r.until[problem] = time.Now().Add(repeatAfter)
	return true
}
