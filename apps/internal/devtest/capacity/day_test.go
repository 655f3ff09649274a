package capacity_test

import (
	"math"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/capacity"
)

// large is the load of docs/capacity.md.
var large = capacity.Load{Images: 100_000_000, Peak: 3}

func TestDays(t *testing.T) {
	t.Parallel()
	meanHours := 24 * large.Mean() / capacity.PodRate
	checks := map[string]func(t *testing.T, d capacity.Day){
		"as many as the mean needs": func(t *testing.T, d capacity.Day) {
			if d.Wait < 4*time.Hour {
				t.Errorf("the longest wait is %s, shorter than the hill of the day", d.Wait)
			}
		},
		"twice as many": func(t *testing.T, d capacity.Day) {
			if d.Wait < 10*time.Minute || d.Wait > 4*time.Hour {
				t.Errorf("the longest wait is %s", d.Wait)
			}
		},
		"as many as the peak needs": func(t *testing.T, d capacity.Day) {
			if d.Wait > 2*time.Second {
				t.Errorf("the longest wait is %s", d.Wait)
			}
		},
		"by CPU (70 %), ready after 1 minute": func(t *testing.T, d capacity.Day) {
			if d.Wait > 30*time.Second || d.PodHours > 1.6*meanHours {
				t.Errorf("the longest wait is %s, and %.0f pod hours were used", d.Wait, d.PodHours)
			}
		},
		"the same, ready after 10 minutes": func(t *testing.T, d capacity.Day) {
			if d.PodHours > 1.8*meanHours {
				t.Errorf("%.0f pod hours were used", d.PodHours)
			}
		},
		"ready after 1 minute, and none works from 12:00 to 13:00": func(t *testing.T, d capacity.Day) {
			if d.Wait < time.Hour/2 || d.Recovered == 0 || d.Recovered > 4*time.Hour {
				t.Errorf("the longest wait is %s, and it took %s until nothing waited", d.Wait, d.Recovered)
			}
		},
	}
	for _, plan := range capacity.Fleets(large) {
		t.Run(plan.Name, func(t *testing.T) {
			t.Parallel()
			d := capacity.Run(large, plan.Fleet, 1)
			if math.Abs(d.Answered/large.Images-1) > 0.01 {
				t.Errorf("%.0f images were answered", d.Answered)
			}
			checks[plan.Name](t, d)
			t.Logf("%+v", d)
		})
	}
}

// A queue that is longer than the work can clear grows by exactly what is too much: the part of
// the curve above a fixed capacity can be computed.
func TestQueueIsTheAreaAboveTheCapacity(t *testing.T) {
	t.Parallel()
	const capacityOfMean = 2.0
	pods := int(capacityOfMean * large.Mean() / capacity.PodRate)
	d := capacity.Run(large, capacity.Fleet{Rate: capacity.PodRate, Least: pods, Most: pods}, 1)
	able := float64(pods) * capacity.PodRate
	// The bell with a mean of 1 and a top of 3, integrated where it is above the capacity.
	above := 0.0
	for _, rate := range capacity.Curve(large) {
		above += max(0, rate-able)
	}
	if math.Abs(d.Queue/above-1) > 0.01 {
		t.Errorf("%.0f images waited at most, computed %.0f", d.Queue, above)
	}
}

func TestCurve(t *testing.T) {
	t.Parallel()
	sum, top := 0.0, 0.0
	for _, rate := range capacity.Curve(large) {
		sum, top = sum+rate, max(top, rate)
	}
	if math.Abs(sum/large.Images-1) > 1e-6 || math.Abs(top/(3*large.Mean())-1) > 1e-6 {
		t.Errorf("the day has %.0f images and a peak of %.0f a second", sum, top)
	}
}
