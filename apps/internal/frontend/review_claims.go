package frontend

import (
	"sync"
	"time"
)

const (
	// claimFor is how long a question is kept for the reviewer who sees it, or will see it
	// next.
	claimFor  = 3 * time.Minute
	maxClaims = 10_000
)

// claims keeps reviewers out of each other's way: a question that one of them sees is not
// the next one of another. They are in the memory of this process only, because nothing
// depends on them. Two reviewers on two dashboards, or with the same link, may well see one
// question; then the answer that comes first counts, by the version that each has seen, and
// the other reviewer is told and moves on. A table of claims would be written with every
// question for no more than that. It is safe for concurrent use.
type claims struct {
	now func() time.Time

	mu   sync.Mutex // guards the fields below
	held map[string]claim
}

type claim struct {
	by    string
	until time.Time
}

func newClaims(now func() time.Time) *claims { return &claims{now: now, held: map[string]claim{}} }

// take claims a question for a reviewer, unless another one has it.
func (c *claims) take(question, by string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if old, ok := c.held[question]; ok && old.by != by && now.Before(old.until) {
		return
	}
	if len(c.held) >= maxClaims {
		for q, old := range c.held {
			if !now.Before(old.until) {
				delete(c.held, q)
			}
		}
	}
	if len(c.held) < maxClaims {
		c.held[question] = claim{by: by, until: now.Add(claimFor)}
	}
}

// drop ends a claim: the question is answered, or skipped.
func (c *claims) drop(question, by string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held[question].by == by {
		delete(c.held, question)
	}
}

// isHeld reports whether another reviewer has a question.
func (c *claims) isHeld(question, by string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	old, ok := c.held[question]
	return ok && old.by != by && c.now().Before(old.until)
}
