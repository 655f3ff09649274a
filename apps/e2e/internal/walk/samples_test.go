package walk

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestEventually(t *testing.T) {
	t.Parallel()
	broken := errors.New("no answer")
	for _, tt := range []struct {
		name string
		took time.Duration // by each look
		ok   func(look int) (missing string, err error)
		want string // the error
		ends time.Duration
	}{
		{"at the third look", 0, func(look int) (string, error) {
			return map[int]string{1: "a", 2: "a"}[look], nil
		}, "", 2 * minPoll},
		{"slow looks have longer pauses", 200 * time.Millisecond, func(look int) (string, error) {
			return map[int]string{1: "a"}[look], nil
		}, "", 2*200*time.Millisecond + idle*200*time.Millisecond},
		{"never", 0, func(int) (string, error) { return "an alert", nil }, "after 1m0s: an alert", time.Minute},
		{"never, and the last look failed", 0, func(int) (string, error) { return "an alert", broken }, "after 1m0s: an alert; no answer", time.Minute},
		{"each look failed", 0, func(int) (string, error) { return "", broken }, "after 1m0s: no answer", time.Minute},
		{"waiting does not mend it", 0, func(int) (string, error) { return "", final{broken} }, "no answer", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begin, look, got := time.Now(), 0, ""
				err := eventually(t.Context(), time.Minute, func(context.Context) (string, error) {
					look++
					time.Sleep(tt.took)
					return tt.ok(look)
				})
				if err != nil {
					got = err.Error()
				}
				if got != tt.want {
					t.Errorf("got the error %q, want %q", got, tt.want)
				}
				if took := time.Since(begin); took != tt.ends {
					t.Errorf("it took %s, want %s", took, tt.ends)
				}
			})
		})
	}
}
