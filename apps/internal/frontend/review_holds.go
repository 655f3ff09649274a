package frontend

import (
	"sync"
	"time"
)

const (
	// holdFor is how long a question is kept for the reviewer who sees it, or will see it
	// next.
	holdFor  = 3 * time.Minute
	maxHolds = 10_000
)

// holds keeps reviewers out of each other's way: a question that one of them sees is not
// the next one of another. They are in the memory of this process only, because nothing
// depends on them. Two reviewers on two dashboards, or with the same link, may well see one
// question; then the answer that comes first counts, by the version that each has seen, and
// the other reviewer is told and moves on. A table of them would be written with every
// question for no more than that. It is safe for concurrent use.
type holds struct {
	now func() time.Time

	mu   sync.Mutex // guards the fields below
	held map[string]hold
}

type hold struct {
	by    string
	until time.Time
}

func newHolds(now func() time.Time) *holds { return &holds{now: now, held: map[string]hold{}} }

// take keeps a question for a reviewer, unless another one has it.
func (x *holds) take(question, by string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := x.now()
	if old, ok := x.held[question]; ok && old.by != by && now.Before(old.until) {
		return
	}
	if len(x.held) >= maxHolds {
		for q, old := range x.held {
			if !now.Before(old.until) {
				delete(x.held, q)
			}
		}
	}
	if len(x.held) < maxHolds {
		x.held[question] = hold{by: by, until: now.Add(holdFor)}
	}
}

// drop ends a hold: the question is answered, or skipped.
func (x *holds) drop(question, by string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.held[question].by == by {
		delete(x.held, question)
	}
}

// isHeld reports whether another reviewer has a question.
func (x *holds) isHeld(question, by string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	old, ok := x.held[question]
	return ok && old.by != by && x.now().Before(old.until)
}
