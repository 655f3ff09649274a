package schedule_test

import (
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/schedule"
)

func TestParse(t *testing.T) {
	t.Parallel()
	ramp := func(length time.Duration) func(string) (schedule.Profile, error) {
		return func(text string) (schedule.Profile, error) { return schedule.ParseRamp(text, length) }
	}
	for _, c := range []struct {
		name  string
		parse func(string) (schedule.Profile, error)
		text  string
		want  string // of the profile or of the error
	}{
		{"a ramp", ramp(0), "10:200:1m", "10/s to 200/s over 1m0s"},
		{"a ramp and then its last rate", ramp(3 * time.Minute), "0:20:1m", "0/s to 20/s over 1m0s, then 20/s for 2m0s"},
		{"a ramp that is the whole run", ramp(time.Minute), "9:3:1m", "9/s to 3/s over 1m0s"},
		{"a ramp that is too long", ramp(time.Second), "1:2:1m", "longer than the whole run"},
		{"a ramp without a time", ramp(0), "1:2", "is not FROM:TO:OVER"},
		{"a ramp without a number", ramp(0), "1:many:1m", `the rate "many" is not a number`},
		{"a ramp below 0", ramp(0), "-1:2:1m", "must be 0 to 100000"},
		{"a ramp that never moves", ramp(0), "0:0:1m", "no request is due"},
		{"a ramp of no time", ramp(0), "1:2:0s", "must take longer than 0"},
		{"steps", schedule.ParseSteps, "50:10s, 100:20s", "50/s for 10s, then 100/s for 20s"},
		{"steps with a pause", schedule.ParseSteps, "5:1s,0:1s,5:1s", "5/s for 1s, then 0/s for 1s, then 5/s for 1s"},
		{"a step without a time", schedule.ParseSteps, "50", "is not RATE:TIME"},
		{"a step with a bad time", schedule.ParseSteps, "50:10", "missing unit"},
		{"no number", schedule.ParseSteps, "NaN:10s", "a rate is NaN"},
		{"too many", schedule.ParseSteps, "1e9:10s", "must be 0 to 100000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := c.parse(c.text)
			got := p.String()
			if err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, c.want) || err == nil && got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// profile makes a profile of a few parts from random numbers.
func profile(rng *rand.Rand) schedule.Profile {
	rate := func() float64 { return []float64{0, 1, rng.Float64() * 10, rng.Float64() * 1000}[rng.IntN(4)] }
	p := schedule.Constant(1+rate(), time.Duration(1+rng.IntN(5000))*time.Millisecond)
	for range rng.IntN(4) {
		from, to := rate(), rate()
		if rng.IntN(2) == 0 {
			to = from
		}
		p = append(p, schedule.Part{From: from, To: to, Over: time.Duration(1+rng.IntN(10_000)) * time.Millisecond})
	}
	return p
}

func check(t *testing.T, f any) {
	t.Helper()
	if err := quick.Check(f, &quick.Config{MaxCount: 200}); err != nil {
		t.Error(err)
	}
}

// inOrder reports whether times ascend and lie inside of the profile.
func inOrder(p schedule.Profile, arrivals iter.Seq[time.Duration]) (times []time.Duration, ok bool) {
	times = slices.Collect(arrivals)
	return times, slices.IsSorted(times) && (len(times) == 0 || times[0] >= 0 && times[len(times)-1] <= p.Length())
}

// Even arrivals ascend, and up to each of them as many are due as the rate says.
func TestEvenArrivals(t *testing.T) {
	t.Parallel()
	check(t, func(seed uint64) bool {
		p := profile(rand.New(rand.NewPCG(seed, 1)))
		times, ok := inOrder(p, p.Even())
		whole := p.Count(p.Length())
		if !ok || math.Abs(float64(len(times))-whole) > 1.001 {
			t.Logf("%s: %d arrivals, want %g", p, len(times), whole)
			return false
		}
		for n, at := range times {
			if got := p.Count(at); math.Abs(got-float64(n)) > 0.001 {
				t.Logf("%s: arrival %d is at %s, where %g are due", p, n, at, got)
				return false
			}
		}
		return true
	})
}

// Poisson arrivals ascend, their number is about that of the rate, and a seed repeats them.
func TestPoissonArrivals(t *testing.T) {
	t.Parallel()
	check(t, func(seed uint64) bool {
		p := profile(rand.New(rand.NewPCG(seed, 2)))
		arrivals := func() iter.Seq[time.Duration] { return p.Poisson(rand.New(rand.NewPCG(seed, 3))) }
		times, ok := inOrder(p, arrivals())
		whole := p.Count(p.Length())
		// Six standard deviations, and some more where there are few.
		if !ok || math.Abs(float64(len(times))-whole) > 6*math.Sqrt(whole)+10 {
			t.Logf("%s: %d arrivals, want about %g", p, len(times), whole)
			return false
		}
		return slices.Equal(times, slices.Collect(arrivals()))
	})
}

// The numbers of Poisson arrivals in equal times vary as much as their mean.
func TestPoissonArrivalsVary(t *testing.T) {
	t.Parallel()
	const seconds, rate = 2000, 20
	p := schedule.Constant(rate, seconds*time.Second)
	counts := make([]float64, seconds)
	for at := range p.Poisson(rand.New(rand.NewPCG(1, 2))) {
		counts[min(int(at/time.Second), seconds-1)]++
	}
	sum, squares := 0.0, 0.0
	for _, c := range counts {
		sum, squares = sum+c, squares+(c-rate)*(c-rate)
	}
	if mean, variance := sum/seconds, squares/seconds; math.Abs(mean-rate) > 0.5 || math.Abs(variance-rate) > 3 {
		t.Errorf("mean %g and variance %g, want about %d for both", mean, variance, rate)
	}
}

// Arrivals stop when nobody wants more.
func TestArrivalsStop(t *testing.T) {
	t.Parallel()
	n := 0
	for range schedule.Constant(10, time.Hour).Even() {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d arrivals", n)
	}
}

func TestRateAt(t *testing.T) {
	t.Parallel()
	p := schedule.Profile{{From: 10, To: 30, Over: 10 * time.Second}, {From: 5, To: 5, Over: time.Second}}
	for at, want := range map[time.Duration]float64{0: 10, 5 * time.Second: 20, 10 * time.Second: 5, 11 * time.Second: 0} {
		if got := p.RateAt(at); got != want {
			t.Errorf("at %s: %g, want %g", at, got, want)
		}
	}
}
