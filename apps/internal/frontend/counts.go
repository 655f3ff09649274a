package frontend

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight" // tabs that ask at the same time share one query

	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// countsFor is how long counts are shown before they are counted again. Each open
	// tab asks every three seconds, and a count reads an index of all images.
	countsFor = 2 * time.Second
	// countsShare is how many times longer than the count took it is shown, up to
	// countsAtMost: counting millions of images must not keep the database busy.
	countsShare  = 10
	countsAtMost = 5 * time.Second
	// countsWait is how long a page waits for a count, if there is one that is younger
	// than countsOld: to count a million images takes longer than the rest of a page.
	countsWait = 15 * time.Millisecond
	countsOld  = time.Minute
	// keptFor is how old the totals may be that a program stored for the charts. They are
	// what the first page of this process shows, if the images take long to count.
	keptFor = 10 * time.Minute
)

// counts keeps the numbers of images by outcome for all tabs. It is safe for
// concurrent use.
type counts struct {
	load countImages
	kept countImages   // what a program stored a while ago; may be empty
	age  time.Duration // how long they are shown at least; negative means not at all

	flight singleflight.Group
	mu     sync.Mutex // guards the fields below
	list   []store.Count
	begun  time.Time // when list was counted
	until  time.Time // list is up to date until then
}

type countImages func(ctx context.Context) ([]store.Count, error)

func newCounts(load, kept countImages, age time.Duration) *counts {
	if age == 0 {
		age = countsFor
	}
	return &counts{load: load, kept: kept, age: age}
}

// soon is get for a page, which does not wait long: it may return numbers of the last
// minute, or those that a program stored some minutes ago.
func (c *counts) soon(ctx context.Context) ([]store.Count, error) {
	if c.age < 0 {
		return c.get(ctx)
	}
	c.mu.Lock()
	last, young := c.list, time.Since(c.begun) < countsOld
	c.mu.Unlock()
	waiting, cancel := context.WithTimeout(ctx, countsWait)
	defer cancel()
	list, err := c.get(waiting)
	if err == nil || ctx.Err() != nil || waiting.Err() == nil {
		return list, err
	}
	if young {
		return last, nil
	}
	if list, err := c.kept(ctx); err == nil && len(list) > 0 {
		return list, nil
	}
	return c.get(ctx)
}

// get returns the numbers, which are a few seconds old at most. The caller must not
// change the list.
func (c *counts) get(ctx context.Context) ([]store.Count, error) {
	if c.age < 0 {
		return c.load(ctx)
	}
	if list, ok := c.current(); ok {
		return list, nil
	}
	answer := c.flight.DoChan("", func() (any, error) {
		if list, ok := c.current(); ok { // of a query that has just ended
			return list, nil
		}
		return c.count(context.WithoutCancel(ctx)) // for others, too, when this tab is closed
	})
	select {
	case r := <-answer:
		list, _ := r.Val.([]store.Count)
		return list, r.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *counts) current() ([]store.Count, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.list, time.Now().Before(c.until)
}

func (c *counts) count(ctx context.Context) ([]store.Count, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	begin := time.Now()
	list, err := c.load(ctx)
	if err != nil {
		return nil, err
	}
	took := time.Since(begin)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list, c.begun, c.until = list, begin, time.Now().Add(max(c.age, min(countsShare*took, countsAtMost)))
	return list, nil
}
