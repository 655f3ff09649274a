package operations

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	slowest    = 10        // images of a Tally
	slowFor    = time.Hour // how long an image is one of them
	tallyKeeps = 15        // minutes that wait for a database that is away
)

// Tally counts what a processor finished, by minute and outcome, and remembers which
// images took longest. It is safe for concurrent use.
type Tally struct {
	now func() time.Time

	mu      sync.Mutex // guards the fields below
	minutes map[int64]map[faces.Reason]int64
	changed map[int64]bool // minutes with numbers that are not stored yet
	slow    []Slow
}

// NewTally returns an empty Tally. now is the clock; nil means time.Now.
func NewTally(now func() time.Time) *Tally {
	if now == nil {
		now = time.Now
	}
	return &Tally{now: now, minutes: map[int64]map[faces.Reason]int64{}, changed: map[int64]bool{}}
}

// Add counts an image that has its outcome.
func (t *Tally) Add(image int64, reason faces.Reason, took time.Duration) {
	now := t.now()
	minute := now.Unix() / int64(time.Minute/time.Second)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.minutes[minute] == nil {
		t.minutes[minute] = map[faces.Reason]int64{}
		for m := range t.minutes {
			if m < minute-tallyKeeps {
				delete(t.minutes, m)
				delete(t.changed, m)
			}
		}
	}
	t.minutes[minute][reason]++
	t.changed[minute] = true
	t.noteSlow(Slow{Image: image, Took: took.Milliseconds(), At: now.UTC().Truncate(time.Millisecond)})
}

// noteSlow keeps an image if it is one of the slowest. The caller holds mu.
func (t *Tally) noteSlow(s Slow) {
	if len(t.slow) == slowest && s.Took <= t.slow[slowest-1].Took && s.At.Sub(t.slow[0].At) < slowFor {
		return
	}
	t.slow = slices.DeleteFunc(t.slow, func(o Slow) bool { return o.Image == s.Image || s.At.Sub(o.At) >= slowFor })
	t.slow = append(t.slow, s)
	slices.SortStableFunc(t.slow, func(a, b Slow) int { return cmp.Compare(b.Took, a.Took) })
	t.slow = t.slow[:min(len(t.slow), slowest)]
}

// Slowest returns the images of the last hour that took longest, the slowest first.
func (t *Tally) Slowest() []Slow {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	return slices.DeleteFunc(slices.Clone(t.slow), func(s Slow) bool { return now.Sub(s.At) >= slowFor })
}

// Take returns the numbers that are not stored yet. Those that cannot be stored are
// given back with GiveBack.
func (t *Tally) Take() []store.MinuteOutcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []store.MinuteOutcome
	for m := range t.changed {
		for r, n := range t.minutes[m] {
			list = append(list, store.MinuteOutcome{Minute: m, Reason: r, Images: n})
		}
	}
	clear(t.changed)
	slices.SortFunc(list, func(a, b store.MinuteOutcome) int {
		return cmp.Or(cmp.Compare(a.Minute, b.Minute), cmp.Compare(a.Reason, b.Reason))
	})
	return list
}

// GiveBack makes Take return numbers again that could not be stored.
func (t *Tally) GiveBack(list []store.MinuteOutcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range list {
		if t.minutes[m.Minute] != nil {
			t.changed[m.Minute] = true
		}
	}
}
