// Package schedule says when requests are due: a rate over time, and arrivals at that
// rate. The answers have no influence on it.
package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxRate is the largest rate, in requests a second.
const MaxRate = 100_000

// Part is a time in which the rate goes from one to another evenly.
type Part struct {
	From, To float64 // requests a second
	Over     time.Duration
}

// count returns how many requests are due in the first t of the part.
func (p Part) count(t time.Duration) float64 {
	s, whole := t.Seconds(), p.Over.Seconds()
	if whole == 0 {
		return 0
	}
	return p.From*s + (p.To-p.From)*s*s/(2*whole)
}

// Profile is a rate over time: parts, one after another.
type Profile []Part

// Constant returns a profile of one rate.
func Constant(rate float64, over time.Duration) Profile { return Profile{{rate, rate, over}} }

// Length returns how long the profile takes.
func (p Profile) Length() time.Duration {
	sum := time.Duration(0)
	for _, part := range p {
		sum += part.Over
	}
	return sum
}

// Count returns how many requests are due before a time.
func (p Profile) Count(before time.Duration) float64 {
	sum := 0.0
	for _, part := range p {
		if before <= 0 {
			break
		}
		sum += part.count(min(before, part.Over))
		before -= part.Over
	}
	return sum
}

// RateAt returns the rate at a time. After the end it is 0.
func (p Profile) RateAt(at time.Duration) float64 {
	for _, part := range p {
		if at < part.Over {
			return part.From + (part.To-part.From)*at.Seconds()/part.Over.Seconds()
		}
		at -= part.Over
	}
	return 0
}

// First returns the rate at the beginning.
func (p Profile) First() float64 { return p.RateAt(0) }

// String describes the profile.
func (p Profile) String() string {
	var words []string
	for _, part := range p {
		if part.From == part.To {
			words = append(words, fmt.Sprintf("%g/s for %s", part.From, part.Over))
			continue
		}
		words = append(words, fmt.Sprintf("%g/s to %g/s over %s", part.From, part.To, part.Over))
	}
	return strings.Join(words, ", then ")
}

// Check returns an error if nothing is due, or a rate is too high.
func (p Profile) Check() error {
	for _, part := range p {
		for _, rate := range []float64{part.From, part.To} {
			if !(rate >= 0 && rate <= MaxRate) { // also true for NaN
				return fmt.Errorf("a rate is %g; it must be 0 to %d requests a second", rate, MaxRate)
			}
		}
		if part.Over <= 0 {
			return fmt.Errorf("a part of the rate takes %s; it must take longer than 0", part.Over)
		}
	}
	if p.Count(p.Length()) <= 0 {
		return fmt.Errorf("no request is due with the rate %s", p)
	}
	return nil
}

// ParseRamp reads FROM:TO:OVER, such as 10:200:1m. The profile stays at the last rate
// until its length is reached; 0 means that it ends with the ramp.
func ParseRamp(text string, length time.Duration) (Profile, error) {
	fields := strings.Split(text, ":")
	if len(fields) != 3 {
		return nil, fmt.Errorf("the ramp %q is not FROM:TO:OVER, such as 10:200:1m", text)
	}
	from, err := parseRate(fields[0])
	if err != nil {
		return nil, err
	}
	to, err := parseRate(fields[1])
	if err != nil {
		return nil, err
	}
	over, err := time.ParseDuration(fields[2])
	if err != nil {
		return nil, fmt.Errorf("how long the ramp takes: %w", err)
	}
	p := Profile{{from, to, over}}
	switch {
	case length == 0 || length == over:
	case length < over:
		return nil, fmt.Errorf("the ramp takes %s, which is longer than the whole run of %s", over, length)
	default:
		p = append(p, Part{to, to, length - over})
	}
	return p, p.Check()
}

// ParseSteps reads RATE:TIME,RATE:TIME, such as 50:30s,100:30s.
func ParseSteps(text string) (Profile, error) {
	var p Profile
	for step := range strings.SplitSeq(text, ",") {
		rate, over, ok := strings.Cut(strings.TrimSpace(step), ":")
		if !ok {
			return nil, fmt.Errorf("the step %q is not RATE:TIME, such as 50:30s", step)
		}
		r, err := parseRate(rate)
		if err != nil {
			return nil, err
		}
		d, err := time.ParseDuration(over)
		if err != nil {
			return nil, fmt.Errorf("how long the step %q takes: %w", step, err)
		}
		p = append(p, Part{r, r, d})
	}
	return p, p.Check()
}

func parseRate(text string) (float64, error) {
	rate, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("the rate %q is not a number", text)
	}
	return rate, nil
}
