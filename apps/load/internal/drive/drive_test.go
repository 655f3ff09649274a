package drive_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/schedule"
	"github.com/rollcall-faces/rollcall/apps/load/internal/drive"
	"github.com/rollcall-faces/rollcall/apps/load/internal/measure"
)

// options are those of a run with a rate of 100 a second, at even distances.
func options(length time.Duration, send func(context.Context, time.Time) string) drive.Options {
	p := schedule.Constant(100, length)
	return drive.Options{
		Arrivals: p.Even(), Length: length, InFlight: 1000, Timeout: 20 * time.Second, Grace: 2 * time.Second,
		Next:     func(time.Duration) drive.Request { return drive.Request{Kind: "post", Send: send} },
		Recorder: measure.New(measure.Options{Length: length}), Wait: drive.WaitByTimer,
	}
}

// take waits as long as an answer takes.
func take(ctx context.Context, d time.Duration) string {
	select {
	case <-time.After(d):
		return ""
	case <-ctx.Done():
		return measure.CodeTimeout
	}
}

// Requests begin when they are due, also while all of those before have no answer.
func TestAnswersDoNotDelayRequests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		o := options(3*time.Second, func(ctx context.Context, due time.Time) string {
			if late := time.Since(due); late != 0 {
				t.Errorf("a request began %s late", late)
			}
			return take(ctx, 2*time.Second)
		})
		took := drive.Run(t.Context(), o)
		if all := time.Since(begin); took != 3*time.Second || all != 4990*time.Millisecond {
			t.Errorf("sent for %s, ended after %s", took, all)
		}
		r := o.Recorder.Result()
		if r.Scheduled != 300 || r.Sent != 300 || r.Answered != 300 || r.Failed != 0 || r.MostInFlight != 201 {
			t.Errorf("%d scheduled, %d sent, %d answered, %d failed, %d in flight", r.Scheduled, r.Sent, r.Answered, r.Failed, r.MostInFlight)
		}
		if r.Late.Max > time.Millisecond || r.LateStarts != 0 {
			t.Errorf("late by up to %s", r.Late.Max)
		}
	})
}

// What does not fit below the limit is an error at once. It is not sent later.
func TestLimitInFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := options(time.Second, func(ctx context.Context, _ time.Time) string { return take(ctx, 10*time.Second) })
		o.InFlight = 30
		drive.Run(t.Context(), o)
		r := o.Recorder.Result()
		if r.Scheduled != 100 || r.Sent != 30 || r.Answered != 30 || r.Failed != 70 || r.Errors[measure.CodeOverflow] != 70 {
			t.Errorf("%d scheduled, %d sent, %d answered, %d failed: %v", r.Scheduled, r.Sent, r.Answered, r.Failed, r.Errors)
		}
		if r.Latency.Count != 30 {
			t.Errorf("%d latencies; only those that were sent have one", r.Latency.Count)
		}
	})
}

// A program that is too slow to send says so, and its lateness is in the latency, too.
func TestLateStarts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := options(time.Second, func(ctx context.Context, _ time.Time) string { return take(ctx, time.Millisecond) })
		next, n := o.Next, 0
		o.Next = func(at time.Duration) drive.Request {
			if n++; n == 11 { // due after 100 ms
				time.Sleep(300 * time.Millisecond)
			}
			return next(at)
		}
		drive.Run(t.Context(), o)
		r := o.Recorder.Result()
		// The eleventh is late by 300 ms, and those after it by 10 ms less each.
		if r.Scheduled != 100 || r.LateStarts != 29 || r.Late.Max < 300*time.Millisecond || r.Late.Max > 301*time.Millisecond {
			t.Errorf("%d scheduled, %d late, by up to %s", r.Scheduled, r.LateStarts, r.Late.Max)
		}
		if r.Latency.Max < 301*time.Millisecond || r.Latency.Max > 302*time.Millisecond {
			t.Errorf("the longest latency is %s", r.Latency.Max)
		}
	})
}

// Ctrl-C ends the sending at once, and what is under way after the grace.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		begin, n := time.Now(), 0
		o := options(time.Minute, func(ctx context.Context, due time.Time) string {
			if due.Sub(begin) < time.Second {
				return take(ctx, time.Second)
			}
			return take(ctx, 10*time.Second)
		})
		next := o.Next
		o.Next = func(at time.Duration) drive.Request { n++; return next(at) }
		time.AfterFunc(1495*time.Millisecond, interrupt)
		took := drive.Run(ctx, o)
		if all := time.Since(begin); took != 1495*time.Millisecond || all != 3495*time.Millisecond {
			t.Errorf("sent for %s, ended after %s", took, all)
		}
		r := o.Recorder.Result()
		if n != 150 || r.Sent != 150 || r.Answered != 100 || r.CutOff != 50 || r.Failed != 0 || r.Latency.Count != 100 {
			t.Errorf("%d due, %d sent, %d answered, %d cut off, %d failed, %d latencies", n, r.Sent, r.Answered, r.CutOff, r.Failed, r.Latency.Count)
		}
	})
}

// A request without an answer fails, and has waited as long as it has.
func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := options(time.Second, func(ctx context.Context, _ time.Time) string { return take(ctx, time.Hour) })
		o.Timeout = 5 * time.Second
		drive.Run(t.Context(), o)
		r := o.Recorder.Result()
		if r.Errors[measure.CodeTimeout] != 100 || r.Latency.Count != 100 || r.Latency.P50 < 5*time.Second {
			t.Errorf("%v, %d latencies, p50 %s", r.Errors, r.Latency.Count, r.Latency.P50)
		}
	})
}

// The precise wait is not early, and ends when the context does.
func TestPreciseWait(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	o := options(50*time.Millisecond, func(_ context.Context, due time.Time) string {
		if time.Now().Before(due) {
			t.Error("a request began early")
		}
		return ""
	})
	o.Wait = nil
	drive.Run(ctx, o)
	cancel()
	o.Length = time.Hour
	if took := drive.Run(ctx, o); took > time.Minute {
		t.Errorf("it waited %s although nobody wanted it to", took)
	}
}
