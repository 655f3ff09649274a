package measure_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/load/internal/measure"
)

// Percentiles are exact to three digits.
func TestPercentiles(t *testing.T) {
	t.Parallel()
	r := measure.New(measure.Options{Length: time.Minute})
	rng := rand.New(rand.NewPCG(1, 1))
	times := make([]time.Duration, 10_000)
	for i := range times {
		times[i] = time.Duration(rng.ExpFloat64() * float64(20*time.Millisecond)).Truncate(time.Microsecond)
		at := time.Duration(i) * time.Millisecond
		r.Start("post", at, 0)
		r.End("post", at, times[i], "")
	}
	slices.Sort(times)
	got := r.Result().Latency
	for _, c := range []struct {
		name  string
		got   time.Duration
		share float64
	}{{"p50", got.P50, 0.5}, {"p90", got.P90, 0.9}, {"p99", got.P99, 0.99}, {"p99.9", got.P999, 0.999}, {"max", got.Max, 1}} {
		want := times[int(c.share*float64(len(times)))-1]
		if off := (c.got - want).Abs(); off > want/500+10*time.Microsecond {
			t.Errorf("%s: %s, want %s", c.name, c.got, want)
		}
	}
	if !slices.IsSortedFunc(got.Curve, func(a, b measure.Point) int { return int(a.Time - b.Time) }) {
		t.Error("the curve does not ascend")
	}
}

// The warm-up is not counted. Requests are in the part of the run in which they were due,
// answers in the one in which they came.
func TestWarmUpAndWindows(t *testing.T) {
	t.Parallel()
	const warm, second = 5 * time.Second, time.Second
	r := measure.New(measure.Options{WarmUp: warm, Length: 10 * second})
	send := func(at, took time.Duration, code string) {
		r.Start("post", at, 0)
		r.End("post", at, took, code)
	}
	send(warm-1, second, "")
	r.Overflow("post", warm-1)
	send(warm, 100*time.Millisecond, "")
	send(warm+500*time.Millisecond, 3*second, "")
	send(warm+2*second, second, "internal")
	r.Overflow("get", warm+2*second)
	r.Accept(warm, 1, 0)
	r.Outcome(warm, 5*second, false)
	r.Accept(warm+second, 2, 1)
	r.Outcome(warm+second, second, true)

	got := r.Result()
	if got.Scheduled != 4 || got.Sent != 3 || got.Answered != 2 || got.Failed != 2 || got.Latency.Count != 2 {
		t.Errorf("%+v", got)
	}
	if o := got.Outcomes; o.Accepted != 3 || o.Before != 1 || o.Answered != 1 || o.Failed != 1 || o.Missing() != 0 {
		t.Errorf("outcomes %+v", o)
	}
	want := []string{"0s: 2 due, 2 answered, 0 failed", "1s: 0 due, 0 answered, 0 failed", "2s: 2 due, 0 answered, 2 failed", "3s: 0 due, 1 answered, 0 failed"}
	var have []string
	for _, w := range got.Windows {
		have = append(have, fmt.Sprintf("%s: %d due, %d answered, %d failed", w.From, w.Scheduled, w.Answered, w.Failed))
	}
	if !slices.Equal(have, want) {
		t.Errorf("windows %q, want %q", have, want)
	}
	if len(got.Kinds) != 2 || got.Kinds[0].Name != "get" || got.Kinds[0].Failed != 1 || got.Kinds[1].Answered != 2 {
		t.Errorf("kinds %+v", got.Kinds)
	}
}

// A system that can do 50 requests a second is answering for as long again after the last of 100 a
// second was sent. Those answers do not count for its rate, and those of the warm-up do.
func TestAnswersInTime(t *testing.T) {
	t.Parallel()
	const warm, length = 2 * time.Second, 10 * time.Second
	for stop, want := range map[time.Duration]int64{warm + length: 500, warm + 4*time.Second: 200, warm / 2: 0} {
		r := measure.New(measure.Options{WarmUp: warm, Length: length})
		for n := range 1200 {
			r.Start("post", time.Duration(n)*10*time.Millisecond, 0)
		}
		r.Stop(stop)
		for n := range 1200 {
			at, answered := time.Duration(n)*10*time.Millisecond, time.Duration(n)*20*time.Millisecond
			r.End("post", at, answered-at, "")
		}
		if got := r.Result(); got.InTime != want || got.Answered != 1000 {
			t.Errorf("stopped at %s: %d answers in time, %d in all; want %d and 1000", stop, got.InTime, got.Answered, want)
		}
	}
}

// A long run has as many windows as fit into a plot.
func TestLongRuns(t *testing.T) {
	t.Parallel()
	for length, want := range map[time.Duration]time.Duration{
		time.Second: time.Second, time.Minute: time.Second, 10 * time.Minute: 5 * time.Second, 12 * time.Hour: 6 * time.Minute,
	} {
		if got := measure.New(measure.Options{Length: length}).Result().Window; got != want {
			t.Errorf("%s: windows of %s, want %s", length, got, want)
		}
	}
}

// A refusal is quick, so its time is not a latency.
func TestRefusalsHaveNoLatency(t *testing.T) {
	t.Parallel()
	r := measure.New(measure.Options{Length: time.Minute})
	for _, code := range []string{"", "internal", measure.CodeTimeout, measure.CodeConnection} {
		r.Start("post", 0, 0)
		r.End("post", 0, time.Second, code)
	}
	if got := r.Result(); got.Latency.Count != 2 || got.Failed != 3 {
		t.Errorf("%d latencies, %d failed", got.Latency.Count, got.Failed)
	}
}

// The number of codes is bounded, whatever a server sends.
func TestCodesAreBounded(t *testing.T) {
	t.Parallel()
	r := measure.New(measure.Options{Length: time.Minute})
	for n := range 1000 {
		r.Start("post", 0, 0)
		r.End("post", 0, time.Second, fmt.Sprintf("code_%d", n))
	}
	got, sum := r.Result().Errors, int64(0)
	for _, n := range got {
		sum += n
	}
	if len(got) > 50 || sum != 1000 || got[measure.CodeOther] == 0 {
		t.Errorf("%d codes, %d errors", len(got), sum)
	}
}

// Live has what happened since the last look, and what is counted.
func TestLive(t *testing.T) {
	t.Parallel()
	r := measure.New(measure.Options{WarmUp: time.Second, Length: time.Minute})
	r.Start("post", 0, 0)
	r.Start("post", 2*time.Second, 0)
	r.End("post", 0, time.Second, "")
	r.Accept(0, 1, 0)
	first := r.Live()
	if first.Sent != 2 || first.Answered != 1 || first.InFlight != 1 || first.Latency.Count != 1 || first.All.Count != 0 || first.Waiting != 1 {
		t.Errorf("first %+v", first)
	}
	r.End("post", 2*time.Second, time.Second, "internal")
	r.Outcome(0, time.Second, false)
	second := r.Live()
	if second.Sent != 0 || second.Failed != 1 || second.InFlight != 0 || second.Latency.Count != 0 || second.Errors["internal"] != 1 || second.Waiting != 0 || second.Outcomes != 1 {
		t.Errorf("second %+v", second)
	}
}
