package background_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
)

func TestLoopPauses(t *testing.T) {
	t.Parallel()
	const poll, work = time.Minute, time.Second
	for _, tt := range []struct {
		name   string
		more   bool
		paused func(time.Duration) time.Duration
		want   time.Duration // between the starts of two rounds
	}{
		{"nothing left", false, nil, poll + work},
		{"more to do", true, nil, work},
		{"more to do, half of the time", true, background.Half, 2 * work},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				rounds := make(chan time.Time)
				l := background.New(background.Options{
					What: "testing", Poll: poll, Paused: tt.paused, Log: slog.New(slog.DiscardHandler),
					Round: func(ctx context.Context) bool {
						select {
						case rounds <- time.Now():
						case <-ctx.Done():
						}
						time.Sleep(work)
						return tt.more
					},
				})
				l.Start()
				first, second := <-rounds, <-rounds
				if got := second.Sub(first); got != tt.want {
					t.Errorf("%s between two rounds, want %s", got, tt.want)
				}
				if err := l.Stop(t.Context()); err != nil {
					t.Error(err)
				}
				if !l.Stopping() {
					t.Error("it does not say that it stops")
				}
			})
		})
	}
}

func TestLoopOutlivesAPanic(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	forgotten := false
	l := background.New(background.Options{
		What: "testing", Log: slog.New(slog.NewTextHandler(&log, nil)),
		Round:    func(context.Context) bool { panic("no luck") },
		Panicked: func() { forgotten = true },
	})
	if l.Once(t.Context()) {
		t.Error("there is more to do after a panic")
	}
	if !forgotten || !strings.Contains(log.String(), "no luck") || !strings.Contains(log.String(), "testing") {
		t.Errorf("forgotten: %v, log: %s", forgotten, &log)
	}
}

// A round that does not heed its context does not keep a program from ending.
func TestStopDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		free, begun := make(chan struct{}), make(chan struct{})
		l := background.New(background.Options{What: "testing", Log: slog.New(slog.DiscardHandler), Round: func(context.Context) bool {
			close(begun)
			<-free
			return false
		}})
		l.Start()
		<-begun
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := l.Stop(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "stop testing") {
			t.Errorf("the error is %v", err)
		}
		close(free)
	})
}

func TestEvery(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		work time.Duration // of each call
		want []time.Duration
	}{
		{"quick calls", 0, []time.Duration{time.Minute, 2 * time.Minute, 3 * time.Minute}},
		{"calls longer than the pause", 90 * time.Second, []time.Duration{time.Minute, 150 * time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Second)
				defer cancel()
				begin := time.Now()
				var called []time.Duration
				background.Every(ctx, time.Minute, func(context.Context) {
					called = append(called, time.Since(begin))
					time.Sleep(tt.work)
				})
				if !slices.Equal(called, tt.want) {
					t.Errorf("called after %s, want %s", called, tt.want)
				}
				if ctx.Err() == nil {
					t.Error("it returned before the context ended")
				}
			})
		})
	}
}

func TestRepeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var r background.Repeats
		for _, step := range []struct {
			after   time.Duration
			problem string
			want    bool
		}{
			{0, "a", true}, {0, "a", false}, {59 * time.Second, "a", false}, {0, "b", true}, {2 * time.Second, "a", true}, {0, "b", false},
		} {
			time.Sleep(step.after)
			if got := r.New(step.problem); got != step.want {
				t.Errorf("%s after %s: %v, want %v", step.problem, step.after, got, step.want)
			}
		}
		for i := range 10_000 { // problems that are all different are not kept for ever
			if !r.New(fmt.Sprint(i)) {
				t.Fatalf("problem %d is not new", i)
			}
		}
	})
}
