package chaos

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
	// longestPass is the maximum duration of an undisturbed pass.
	longestPass = time.Minute
)

// redeemer runs a pass of the redeemer every passEvery, as a CronJob does.
type redeemer struct {
	pass   command
	report *Report
	asked  atomic.Bool // retry failed images, as an operator would
	stop   context.CancelFunc
	loop   sync.WaitGroup
	// spoil receives what to do to the next pass.
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

// askForFailed makes every following pass retry the images that failed because
// of a service, as an operator would. Otherwise the run would wait hours for
// their next round.
func (r *redeemer) askForFailed() { r.asked.Store(true) }

// run runs one pass.
func (r *redeemer) run(ctx context.Context) {
	pass := r.pass
	if r.asked.Load() {
		pass.args = []string{"-reason", strings.Join([]string{
			string(faces.RecognizerUnavailable), string(faces.Timeout), string(faces.Internal)}, ",")}
	}
	// The exit code is ignored: only the images' outcomes count.
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
	case <-c.Done():
		return
	case <-ctx.Done():
	}
	select {
	case <-c.Done():
	case <-time.After(longestPass):
		r.report.violate("a pass of the redeemer took more than %s", longestPass)
		_ = c.Kill() // fails only if it has just ended
	case <-ctx.Done():
		_ = c.Kill()
	}
}

// kill kills the next pass at a random moment.
func (r *redeemer) kill(ctx context.Context, _ time.Duration) error {
	return r.toNextPass(ctx, func(c *child) error { return c.Kill() })
}

// freeze pauses the next pass at a random moment for d.
func (r *redeemer) freeze(ctx context.Context, d time.Duration) error {
	return r.toNextPass(ctx, func(c *child) error { return c.freeze(ctx, d) })
}

// toNextPass waits for a pass and calls do at a random moment of it. A pass
// takes some tens of milliseconds.
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
