package processor

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// lane says how an image may be called beside others.
type lane int

const (
	// fresh images have not been tried before.
	fresh lane = iota
	// retry is for images that failed before, perhaps because they are slow. They
	// get a small share of the calls while fresh images wait.
	retry
	// alone is for images whose recognizer went away in the middle of the call. An
	// image that crashes recognizers fails by itself there, and takes no attempt of
	// another image with it.
	alone
	laneCount
)

const (
	// retryShare is the part of the calls that retries get while there are fresh
	// images. There are two calls for each engine, so that this is a quarter of the
	// engines.
	retryShare = 8
	// retryRest is how long the retries rest after a call, as a multiple of its
	// time: slow images spend their own time and hardly that of fresh ones.
	retryRest = 3
)

var (
	errLanesClosed = errors.New("no more images are taken")
	// errCrowded returns an image to the queue: too many retries wait already. They
	// would fill the room for fresh images.
	errCrowded = errors.New("too many retries wait")
)

// lanes decides which image is called next. It is safe for concurrent use.
//
// mu guards the state and is also the Cond's lock. Every change of the state
// broadcasts.
type lanes struct {
	calls   int // at the same time
	retries int // that may wait

	mu        sync.Mutex // guards the fields below
	cond      *sync.Cond
	waiting   [laneCount][]task
	running   [laneCount]int
	retried   bool      // the last image that started was a retry
	restUntil time.Time // no retry starts before, while there are fresh images
	closed    bool
}

func newLanes(calls, retries int) *lanes {
	l := &lanes{calls: calls, retries: max(calls, retries)}
	l.cond = sync.NewCond(&l.mu)
	return l
}

// push adds an image. It waits while there are enough fresh images. It returns
// errCrowded for a retry that has no room, or ctx's error.
func (l *lanes) push(ctx context.Context, t task, in lane) error {
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock() // so that the broadcast cannot fall between a waiter's check and its Wait
		defer l.mu.Unlock()
		l.cond.Broadcast()
	})
	defer stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for in == fresh && len(l.waiting[fresh]) >= l.calls && !l.closed && ctx.Err() == nil {
		l.cond.Wait()
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case l.closed:
		return errLanesClosed
	case in != fresh && len(l.waiting[in]) >= l.retries:
		return errCrowded
	}
	l.waiting[in] = append(l.waiting[in], t)
	l.cond.Broadcast()
	return nil
}

// next waits until an image may be called and returns it. Each image must be
// given back to done. ok is false once the lanes are closed and empty.
func (l *lanes) next() (t task, in lane, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if in, ok := l.choose(); ok {
			t := l.take(in)
			l.running[in]++
			l.retried = in == retry
			l.cond.Broadcast()
			return t, in, true
		}
		if l.closed && l.len() == 0 {
			return task{}, 0, false
		}
		l.cond.Wait()
	}
}

// take removes the oldest of the images with the fewest attempts: an image that
// was unlucky once does not wait for those that fail again and again. The caller
// holds mu.
func (l *lanes) take(in lane) task {
	next := 0
	for i, t := range l.waiting[in] {
		if t.Attempts < l.waiting[in][next].Attempts {
			next = i
		}
	}
	t := l.waiting[in][next]
	l.waiting[in] = slices.Delete(l.waiting[in], next, next+1)
	return t
}

// choose returns the lane of which an image may start now. The caller holds mu.
func (l *lanes) choose() (in lane, ok bool) {
	total := l.running[fresh] + l.running[retry] + l.running[alone]
	switch {
	case len(l.waiting[alone]) > 0:
		return alone, total == 0 // the others end first
	case l.running[alone] > 0 || total >= l.calls:
		return 0, false
	case len(l.waiting[retry]) > 0 && l.mayRetry():
		return retry, true
	default:
		return fresh, len(l.waiting[fresh]) > 0
	}
}

// mayRetry reports whether a retry may start. The caller holds mu.
func (l *lanes) mayRetry() bool {
	if len(l.waiting[fresh])+l.running[fresh] == 0 {
		return l.running[retry] < max(1, l.calls-1) // one call stays free for a fresh image
	}
	turn := !l.retried || len(l.waiting[fresh]) == 0 // of two, where there is one call only
	return turn && l.running[retry] < max(1, l.calls/retryShare) && !time.Now().Before(l.restUntil)
}

// done says that the call of an image has ended.
func (l *lanes) done(in lane, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running[in]--
	if in == retry {
		l.restUntil = time.Now().Add(retryRest * took)
	}
	l.cond.Broadcast()
}

// close makes push fail. The images that wait are still called.
func (l *lanes) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.cond.Broadcast()
}

// drain closes the lanes and returns the images that wait.
func (l *lanes) drain() []task {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	list := slices.Concat(l.waiting[:]...)
	clear(l.waiting[:])
	l.cond.Broadcast()
	return list
}

// Len returns the number of images that wait.
func (l *lanes) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.len()
}

func (l *lanes) len() int {
	return len(l.waiting[fresh]) + len(l.waiting[retry]) + len(l.waiting[alone])
}

// suspects remembers the rescans whose recognizer went away in the middle of a call:
// each may have crashed it. Other processors do not know of it; for them, the rescan
// is a retry. What new images are suspected of is in their rows.
type suspects struct {
	mu   sync.Mutex
	seen map[int64]bool
}

// maxSuspects bounds the memory: an image may go to another processor and stay
// remembered here.
const maxSuspects = 10_000

func (s *suspects) add(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil || len(s.seen) >= maxSuspects {
		s.seen = map[int64]bool{}
	}
	s.seen[id] = true
}

// take reports whether an image is suspected, and forgets it.
func (s *suspects) take(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.seen[id]
	delete(s.seen, id)
	return ok
}
