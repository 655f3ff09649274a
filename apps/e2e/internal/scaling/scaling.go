// Package scaling says how the replicas of programs followed a load that rises and falls,
// from samples that were taken meanwhile.
package scaling

import (
	"fmt"
	"strings"
	"time"
)

// Replicas are the pods of a program.
type Replicas struct {
	Wanted   int // by its Deployment
	Ready    int
	Stopping int // they finish what they have
}

// Sample is what was seen at one time.
type Sample struct {
	At       time.Duration // since the load began
	Posts    int           // since the sample before
	Waiting  float64       // pictures without an outcome; NaN if nobody told
	Depth    float64       // messages that wait in the queue; NaN if nobody told
	Oldest   time.Duration // how long the picture has waited that has waited longest
	Replicas map[string]Replicas
}

// Run is a load, and what was seen while it was there.
type Run struct {
	Rise, Fall time.Duration // when the load rose, and when it fell
	Samples    []Sample
}

// Followed says how a program followed the load.
type Followed struct {
	Program     string
	Least, Most int // ready pods: before the load rose, and at most
	// Rose is how long after the rise of the load one more was ready, Full how long it took until
	// there were most. 0 if there never were more.
	Rose, Full time.Duration
	// Fell is how long it took from when the load was low and nothing waited in the queue
	// until there were as few as before, the stopped ones gone. 0 if they stayed.
	Fell time.Duration
}

// Follow says how a program followed.
func (r Run) Follow(program string) Followed {
	f := Followed{Program: program}
	for _, s := range r.Samples {
		if n := s.Replicas[program].Ready; s.At <= r.Rise {
			f.Least, f.Most = n, n
		}
	}
	for _, s := range r.Samples {
		n := s.Replicas[program].Ready
		if s.At > r.Rise && n > f.Least && f.Rose == 0 {
			f.Rose = s.At - r.Rise
		}
		if n > f.Most {
			f.Most, f.Full = n, s.At-r.Rise
		}
	}
	if f.Rose > 0 {
		f.Fell = r.fell(program, f.Least)
	}
	return f
}

// fell returns how long it took to get back to the least replicas for good.
func (r Run) fell(program string, least int) time.Duration {
	at := time.Duration(0)
	for _, s := range r.Samples {
		switch p := s.Replicas[program]; {
		case s.At < r.Idle() || p.Ready+p.Stopping > least || p.Wanted > least:
			at = 0
		case at == 0:
			at = s.At - r.Idle()
		}
	}
	return at
}

// Idle returns when the load was low again and nothing waited in the queue any more, or
// the time of the last sample.
func (r Run) Idle() time.Duration {
	idle := r.Fall
	for _, s := range r.Samples {
		if s.At >= r.Fall && s.Depth > 0 {
			idle = s.At
		}
	}
	return idle
}

// Limits are how long it may take.
type Limits struct{ Rise, Fall time.Duration }

// Check returns an error if a program did not follow, or too late.
func (f Followed) Check(l Limits) error {
	switch {
	case f.Rose == 0:
		return fmt.Errorf("%s: there were never more than %d", f.Program, f.Least)
	case f.Rose > l.Rise:
		return fmt.Errorf("%s: one more was ready after %s, not within %s", f.Program, f.Rose, l.Rise)
	case f.Fell == 0:
		return fmt.Errorf("%s: there are still more than %d", f.Program, f.Least)
	case f.Fell > l.Fall:
		return fmt.Errorf("%s: there were %d again after %s, not within %s", f.Program, f.Least, f.Fell, l.Fall)
	}
	return nil
}

// Table returns a table of Markdown.
func Table(list []Followed) string {
	var s strings.Builder
	s.WriteString("| program | replicas | one more ready after | most ready after | as few as before after |\n| --- | --- | ---: | ---: | ---: |\n")
	for _, f := range list {
		if f.Rose == 0 {
			fmt.Fprintf(&s, "| %s | %d | – | – | – |\n", f.Program, f.Least)
			continue
		}
		fmt.Fprintf(&s, "| %s | %d to %d | %s | %s | %s |\n", f.Program, f.Least, f.Most, seconds(f.Rose), seconds(f.Full), seconds(f.Fell))
	}
	return s.String()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }
