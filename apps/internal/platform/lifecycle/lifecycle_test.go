package lifecycle_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
)

// diary records events in order.
type diary struct {
	mu    sync.Mutex // guards lines
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) expect(t *testing.T, want ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if diff := cmp.Diff(want, d.lines); diff != "" {
		t.Errorf("what happened (-want +got):\n%s", diff)
	}
}

// part returns a part that records its start and its stop.
func (d *diary) part(name string) lifecycle.Part {
	return lifecycle.Part{
		Name:  name,
		Start: func(context.Context, func(error)) error { d.note("start " + name); return nil },
		Stop:  func(context.Context) error { d.note("stop " + name); return nil },
	}
}

func newProgram(timeout time.Duration, parts ...lifecycle.Part) *lifecycle.Program {
	p := lifecycle.New(slog.New(slog.DiscardHandler), timeout)
	for _, part := range parts {
		p.Add(part)
	}
	return p
}

var errBroken = errors.New("broken")

func TestOrder(t *testing.T) {
	t.Parallel()
	var d diary
	ctx, stop := context.WithCancel(t.Context())
	closeOnly := d.part("file")
	closeOnly.Start = nil
	last := d.part("c")
	last.Start = func(context.Context, func(error)) error { d.note("start c"); stop(); return nil }
	p := newProgram(time.Minute, d.part("a"), closeOnly, lifecycle.Part{Name: "nothing"}, d.part("b"), last)
	if err := p.Run(ctx); err != nil {
		t.Errorf("a clean stop ends with %v", err)
	}
	d.expect(t, "start a", "start b", "start c", "stop c", "stop b", "stop file", "stop a")
}

func TestStartFails(t *testing.T) {
	t.Parallel()
	var d diary
	bad := d.part("bad")
	bad.Start = func(context.Context, func(error)) error { return errBroken }
	err := newProgram(time.Minute, d.part("a"), d.part("b"), bad, d.part("never")).Run(t.Context())
	if !errors.Is(err, errBroken) || err.Error() != "start bad: broken" {
		t.Errorf("got %v", err)
	}
	d.expect(t, "start a", "start b", "stop b", "stop a")
}

func TestAskedToStopWhileStarting(t *testing.T) {
	t.Parallel()
	var d diary
	ctx, stop := context.WithCancel(t.Context())
	slow := d.part("slow")
	slow.Start = func(ctx context.Context, _ func(error)) error {
		stop()
		<-ctx.Done()
		return ctx.Err()
	}
	if err := newProgram(time.Minute, d.part("a"), slow, d.part("never")).Run(ctx); err != nil {
		t.Errorf("a clean stop ends with %v", err)
	}
	d.expect(t, "start a", "stop a")
}

func TestAskedToStopBeforeStarting(t *testing.T) {
	t.Parallel()
	var d diary
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := newProgram(time.Minute, d.part("a")).Run(ctx); err != nil {
		t.Error(err)
	}
	d.expect(t)
}

func TestLateFailure(t *testing.T) {
	t.Parallel()
	var d diary
	bad := d.part("bad")
	bad.Start = func(_ context.Context, fail func(error)) error {
		fail(nil) // not a failure
		fail(errBroken)
		fail(errors.New("a consequence"))
		return nil
	}
	err := newProgram(time.Minute, d.part("a"), bad, d.part("b")).Run(t.Context())
	if !errors.Is(err, errBroken) || err.Error() != "bad: broken" {
		t.Errorf("got %v, want the first failure and whose it is", err)
	}
	d.expect(t, "start a", "start b", "stop b", "stop bad", "stop a")
}

func TestStopFails(t *testing.T) {
	t.Parallel()
	var d diary
	ctx, stop := context.WithCancel(t.Context())
	bad := d.part("bad")
	bad.Start = func(context.Context, func(error)) error { stop(); return nil }
	bad.Stop = func(context.Context) error { return errBroken }
	err := newProgram(time.Minute, d.part("a"), bad).Run(ctx)
	if !errors.Is(err, errBroken) || err.Error() != "stop bad: broken" {
		t.Errorf("got %v", err)
	}
	d.expect(t, "start a", "stop a")
}

// All parts share one deadline. A part that uses it up does not keep the others
// from being asked to stop.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	var d diary
	ctx, stop := context.WithCancel(t.Context())
	var deadlines []time.Time
	deadline := func(ctx context.Context) {
		at, ok := ctx.Deadline()
		if !ok {
			t.Error("no deadline")
		}
		deadlines = append(deadlines, at)
	}
	first := d.part("first")
	first.Stop = func(ctx context.Context) error { deadline(ctx); d.note("stop first"); return ctx.Err() }
	slow := d.part("slow")
	slow.Start = func(context.Context, func(error)) error { stop(); return nil }
	slow.Stop = func(ctx context.Context) error { deadline(ctx); <-ctx.Done(); return ctx.Err() }
	err := newProgram(20*time.Millisecond, first, slow).Run(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the time was up", err)
	}
	d.expect(t, "start first", "stop first")
	if len(deadlines) != 2 || !deadlines[0].Equal(deadlines[1]) {
		t.Errorf("deadlines %v, want one for all", deadlines)
	}
}

// Ready reports the drain while all parts still serve.
func TestReadyFlipsBeforeAnythingStops(t *testing.T) {
	t.Parallel()
	for name, why := range map[string]error{"asked to": nil, "a part failed": errBroken} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			p := newProgram(time.Minute)
			var atStart, atStop error
			p.Add(lifecycle.Part{
				Name: "a",
				Start: func(ctx context.Context, fail func(error)) error {
					atStart = p.Ready(ctx)
					if fail(why); why == nil {
						stop()
					}
					return nil
				},
				Stop: func(ctx context.Context) error { atStop = p.Ready(ctx); return nil },
			})
			if err := p.Run(ctx); !errors.Is(err, why) {
				t.Errorf("got %v, want %v", err, why)
			}
			if atStart != nil || !errors.Is(atStop, lifecycle.ErrDraining) {
				t.Errorf("ready said %v at the start and %v at the stop", atStart, atStop)
			}
		})
	}
}
