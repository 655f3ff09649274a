package traffic

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/load/internal/measure"
)

// Times are those of a post: At since the beginning of the run.
type Times struct {
	At                  time.Duration
	Due, Sent, Answered time.Time
}

// Outcomes tells when posted images have their outcomes. It follows the events. It is
// safe for concurrent use.
type Outcomes struct {
	recorder *measure.Recorder
	answered func(id int64) // may be nil

	mu        sync.Mutex // guards the fields below
	following bool
	missed    bool
	waiting   map[int64]waiting
	// Events of images that nobody waits for yet: the answer to their post is under way,
	// or somebody else posted them. There are two generations, so that they do not pile up.
	early, earlier map[int64]outcome
}

// waiting is an image without an outcome.
type waiting struct {
	at      time.Duration
	before  time.Duration // from when its post was due to when its row was made
	created time.Time     // by the receiver's clock
}

type outcome struct {
	at     time.Time // by the processor's clock
	failed bool
}

// generation is how many early events there are before the oldest are forgotten.
const generation = 50_000

// NewOutcomes returns Outcomes that count the accepted images. Follow makes them see
// outcomes, too.
func NewOutcomes(r *measure.Recorder) *Outcomes {
	return &Outcomes{recorder: r, waiting: map[int64]waiting{}, early: map[int64]outcome{}, earlier: map[int64]outcome{}}
}

// Follow follows the events until ctx ends. It returns once the stream has begun, or
// with the error because of which it cannot.
func (o *Outcomes) Follow(ctx context.Context, c *client.Client) error {
	begun := make(chan error, 1)
	go func() {
		for m, err := range c.FollowEventsFrom(ctx, "", api.EventImageAnswered, api.EventImageFailed) {
			select {
			case begun <- err:
			default:
			}
			if err != nil {
				o.miss()
				return
			}
			o.take(m)
		}
	}()
	const patience = 10 * time.Second
	select {
	case err := <-begun:
		if err == nil {
			o.mu.Lock()
			o.following = true
			o.mu.Unlock()
		}
		return err
	case <-time.After(patience):
		return errors.New("the stream of events does not begin")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// take takes a message of the stream.
func (o *Outcomes) take(m client.EventMessage) {
	if m.Reset != nil {
		o.miss()
	}
	if m.Event == nil || m.Event.Image == nil || m.Event.Type != api.EventImageAnswered && m.Event.Type != api.EventImageFailed {
		return
	}
	id, end := m.Event.Image.ID, outcome{m.Event.CreatedAt, m.Event.Type == api.EventImageFailed}
	if o.answered != nil && !end.failed {
		o.answered(id)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if w, ok := o.waiting[id]; ok {
		delete(o.waiting, id)
		o.end(w, end)
		return
	}
	if len(o.early) >= generation {
		o.early, o.earlier = map[int64]outcome{}, o.early
	}
	o.early[id] = end
}

// posted takes the images of an answer to a post.
func (o *Outcomes) posted(images []api.PostedImage, t Times) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := 0
	for _, img := range images {
		if !img.Waits() && !o.isEarly(img.ID) {
			before++ // somebody posted it long ago
		}
	}
	o.recorder.Accept(t.At, len(images), before)
	if !o.following {
		return
	}
	for _, img := range images {
		if !img.Waits() && !o.isEarly(img.ID) {
			continue
		}
		w := waiting{at: t.At, before: t.made(img.CreatedAt), created: img.CreatedAt}
		if end, ok := o.takeEarly(img.ID); ok {
			o.end(w, end)
			continue
		}
		o.waiting[img.ID] = w
	}
}

func (o *Outcomes) isEarly(id int64) bool {
	_, now := o.early[id]
	_, before := o.earlier[id]
	return now || before
}

func (o *Outcomes) takeEarly(id int64) (outcome, bool) {
	for _, list := range []map[int64]outcome{o.early, o.earlier} {
		if end, ok := list[id]; ok {
			delete(list, id)
			return end, true
		}
	}
	return outcome{}, false
}

// made returns the time from when a post was due to when its row was made. The row has
// the time of the receiver's clock. The row was made after the post was sent and before
// its answer, so clocks that differ make no larger error than the answer took.
func (t Times) made(created time.Time) time.Duration {
	switch {
	case created.Before(t.Sent):
		created = t.Sent
	case created.After(t.Answered):
		created = t.Answered
	}
	return created.Sub(t.Due)
}

// end records an outcome. Both of its times are of Rollcall's clocks, so that ours does not
// matter, and it does not matter how long the event was on its way.
func (o *Outcomes) end(w waiting, end outcome) {
	o.recorder.Outcome(w.at, w.before+max(0, end.at.Sub(w.created)), end.failed)
}

func (o *Outcomes) miss() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.missed = true
}

// Missed reports whether events may be missing.
func (o *Outcomes) Missed() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.missed
}

// Following reports whether outcomes are seen.
func (o *Outcomes) Following() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.following
}

// Waiting returns how many images have no outcome.
func (o *Outcomes) Waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.waiting)
}

// Settle waits until every image has its outcome, or ctx ends.
func (o *Outcomes) Settle(ctx context.Context) {
	const pause = 50 * time.Millisecond
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for o.Waiting() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
