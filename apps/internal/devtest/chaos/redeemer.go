package chaos

// This file owns the redeemer: a program that makes one pass and ends, started
// again and again, as a CronJob does.

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const (
	passEvery = 2 * time.Second
	// longestPass is more than any pass may take, while nothing is wrong with it.
	longestPass = time.Minute
)

// redeemer runs passes.
type redeemer struct {
	pass   command
	report *Report
	asked  atomic.Bool // for failed images, as a person does
	stop   context.CancelFunc
	loop   sync.WaitGroup
	// spoil has what is to be done to the next pass.
	spoil chan func(*child) error
}

func startRedeemer(pass command, report *Report) *redeemer {
	ctx, stop := context.WithCancel(context.Background())
	r := &redeemer{pass: pass, report: report, stop: stop, spoil: make(chan func(*child) error)}
	r.loop.Go(func() {
		for pause(ctx, passEvery) {
			r.run(ctx)
		}
	})
	return r
}

// askForFailed makes every pass from here on retry, on a person's request,
// what failed because of a service: nobody wants to wait for the pauses of
// hours that such an image has otherwise.
func (r *redeemer) askForFailed() { r.asked.Store(true) }

func (r *redeemer) run(ctx context.Context) {
	pass := r.pass
	if r.asked.Load() {
		pass.args = []string{"-reason", strings.Join([]string{
			string(faces.RecognizerUnavailable), string(faces.Timeout), string(faces.Internal)}, ",")}
	}
	// Whether a pass succeeds is seen in what becomes of the images.
	c, err := pass.start()
	if err != nil {
		r.report.violate("%v", err)
		return
	}
	select {
	case spoil := <-r.spoil:
		if err := spoil(c); err != nil {
			r.report.violate("redeemer: %v", err)
		}
	case <-c.done:
		return
	case <-ctx.Done():
	}
	select {
	case <-c.done:
	case <-time.After(longestPass):
		r.report.violate("a pass of the redeemer took more than %s", longestPass)
		_ = c.kill() // it can only have ended
	case <-ctx.Done():
		_ = c.kill()
	}
}

// kill ends the next pass as a crash does, at any moment of it.
func (r *redeemer) kill(ctx context.Context, _ time.Duration) error {
	return r.toNextPass(ctx, func(c *child) error { return c.kill() })
}

// freeze pauses the next pass, at any moment of it.
func (r *redeemer) freeze(ctx context.Context, d time.Duration) error {
	return r.toNextPass(ctx, func(c *child) error { return c.freeze(ctx, d) })
}

// toNextPass waits for a pass and does something to it. A pass takes some
// tens of milliseconds.
func (r *redeemer) toNextPass(ctx context.Context, do func(*child) error) error {
	done := make(chan error, 1)
	spoil := func(c *child) error {
		pause(ctx, rand.N(60*time.Millisecond))
		err := do(c)
		done <- err
		return err
	}
	select {
	case r.spoil <- spoil:
		return <-done
	case <-ctx.Done():
		return nil
	}
}

func (r *redeemer) close() error {
	r.stop()
	r.loop.Wait()
	return nil
}
