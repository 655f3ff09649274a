// Package drive sends requests when they are due, whatever became of those before: the
// open model.
package drive

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/load/internal/measure"
)

// Request is one request.
type Request struct {
	Kind string
	// Send sends the request that was due at a time and returns the code of its error,
	// or "" for an answer.
	Send func(ctx context.Context, due time.Time) (code string)
}

// Options configures a run. All fields but Wait are required.
type Options struct {
	// Arrivals are the times when requests are due, from the beginning of the run.
	Arrivals iter.Seq[time.Duration]
	Length   time.Duration // of the run
	// Next returns the request that is due at a time. It is called for one after the
	// other and must return at once.
	Next func(at time.Duration) Request
	// InFlight is how many requests may have no answer at the same time. One that is due
	// when there are as many is not sent and counts as an error. It is never sent later:
	// its time would say how long this program waited, not how long the system took.
	InFlight int
	Timeout  time.Duration // of a request, from when it was sent
	Grace    time.Duration // for requests under way when the run is interrupted
	Recorder *measure.Recorder
	// Wait returns at a time, or when ctx is done. nil is a precise one.
	Wait func(ctx context.Context, until time.Time)
}

// Run sends the requests and waits for their answers. When ctx is cancelled it sends no
// more, and gives up those under way after the grace. It returns how long it sent.
func Run(ctx context.Context, o Options) time.Duration {
	if o.Wait == nil {
		o.Wait = waitPrecisely
	}
	r := &run{Options: o, begin: time.Now(), places: make(chan struct{}, o.InFlight)}
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(o.Grace, stop) })()
	took := r.sendAll(ctx, sending)
	o.Recorder.Stop(took)
	r.all.Wait()
	return took
}

// run is a run under way.
type run struct {
	Options
	begin  time.Time
	places chan struct{} // one for each request without an answer
	all    sync.WaitGroup
}

// sendAll sends each request when it is due and returns how long that took.
func (r *run) sendAll(ctx, sending context.Context) time.Duration {
	for at := range r.Arrivals {
		r.Wait(ctx, r.begin.Add(at))
		if ctx.Err() != nil {
			return min(time.Since(r.begin), r.Length)
		}
		request := r.Next(at)
		select {
		case r.places <- struct{}{}:
			r.all.Go(func() {
				defer func() { <-r.places }()
				r.send(sending, request, at)
			})
		default:
			r.Recorder.Overflow(request.Kind, at)
		}
	}
	r.Wait(ctx, r.begin.Add(r.Length)) // the rate is that of the whole length
	return min(time.Since(r.begin), r.Length)
}

// send sends one request and records it.
func (r *run) send(ctx context.Context, request Request, at time.Duration) {
	due := r.begin.Add(at)
	r.Recorder.Start(request.Kind, at, time.Since(due))
	limited, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	code := request.Send(limited, due)
	if code != "" && ctx.Err() != nil {
		r.Recorder.CutOff(at)
		return
	}
	r.Recorder.End(request.Kind, at, time.Since(due), code)
}

// WaitByTimer waits with a timer, which may be late by about a millisecond.
func WaitByTimer(ctx context.Context, until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
