package capacity

import (
	"math"
	"math/rand/v2"
	"time"
)

const (
	daySeconds = 24 * 60 * 60
	// peakAt is the second of the day at which most images come.
	peakAt = 14 * 60 * 60
)

// Load is how many images come in a day, and when: one hill, whose top is Peak times the mean.
type Load struct {
	Images float64
	Peak   float64 // more than 1
}

// Mean returns the images a second, over the whole day.
func (l Load) Mean() float64 { return l.Images / daySeconds }

// Curve returns the rate at each second of the day, in images a second. It is a bell around the
// clock (von Mises), with the width at which the day has exactly l.Images.
func Curve(l Load) []float64 {
	low, high := 0.0, 1e4
	var rates []float64
	for range 60 {
		middle := (low + high) / 2
		var sum float64
		rates, sum = bell(middle)
		if sum > daySeconds/l.Peak { // too wide
			low = middle
		} else {
			high = middle
		}
	}
	for i := range rates {
		rates[i] *= l.Mean() * l.Peak
	}
	return rates
}

// bell returns a bell of height 1 around the clock, and its sum.
func bell(narrow float64) (list []float64, sum float64) {
	list = make([]float64, daySeconds)
	for i := range list {
		list[i] = math.Exp(narrow * (math.Cos(2*math.Pi*float64(i-peakAt)/daySeconds) - 1))
		sum += list[i]
	}
	return list, sum
}

// Fleet is the pods that work on images.
type Fleet struct {
	// Rate is how many images one pod answers in a second.
	Rate float64
	// Least and Most bound the number of pods. If they differ, the number follows the load as a
	// HorizontalPodAutoscaler sets it.
	Least, Most int
	// Target is the share of its time that a pod should work.
	Target float64
	// Start is the time from the decision to add a pod until it answers.
	Start time.Duration
	// No pod answers for DownFor, from DownFrom after midnight on.
	DownFrom, DownFor time.Duration
}

// PodRate is how many pictures a recognizer with two engines answers in a second: 120 ms of CPU
// time each, measured over gRPC (docs/benchmarks.md).
const PodRate = 2 / 0.120

// Plan is a fleet with a name.
type Plan struct {
	Name  string
	Fleet Fleet
}

// Fleets returns the fleets that docs/capacity.md compares.
func Fleets(l Load) []Plan {
	mean := int(math.Ceil(l.Mean() / PodRate))
	fixed := func(pods int) Fleet { return Fleet{Rate: PodRate, Least: pods, Most: pods} }
	follow := Fleet{Rate: PodRate, Least: 2, Most: 4 * mean, Target: 0.7, Start: time.Minute}
	slow, outage := follow, follow
	slow.Start = 10 * time.Minute
	outage.DownFrom, outage.DownFor = 12*time.Hour, time.Hour
	return []Plan{
		{"as many as the mean needs", fixed(mean)},
		{"twice as many", fixed(2 * mean)},
		{"as many as the peak needs", fixed(int(math.Ceil(l.Peak * l.Mean() / PodRate)))},
		{"by CPU (70 %), ready after 1 minute", follow},
		{"the same, ready after 10 minutes", slow},
		{"ready after 1 minute, and none works from 12:00 to 13:00", outage},
	}
}

// The behaviour of a HorizontalPodAutoscaler with default settings, and the window of
// overlays/components/autoscaling.
const (
	scaleEvery     = 15  // seconds
	tolerance      = 0.1 // of the target
	scaleDownAfter = 300 // seconds
	growAtLeast    = 4   // pods in one step, or twice as many
)

// Day is what a day was like.
type Day struct {
	Answered  float64       // images
	Queue     float64       // the most images that waited at once
	Wait      time.Duration // the longest wait
	Late      float64       // the share of images that waited for more than a minute
	Pods      int           // the most pods
	PodHours  float64
	Recovered time.Duration // from the end of the outage until nothing waited; 0 without one
}

// Run simulates the second of two equal days in steps of a second; the first one only brings the
// queue and the fleet into their state. Images come at random around the curve (Poisson) and are
// answered in the order in which they came. Equal seeds are equal days.
func Run(l Load, f Fleet, seed uint64) Day {
	s := &simulation{fleet: f, ready: f.Least, rng: rand.New(rand.NewPCG(seed, seed))}
	rates := Curve(l)
	for ofDay, rate := range rates {
		s.step(ofDay, rate, false)
	}
	s.day = Day{}
	for ofDay, rate := range rates {
		s.step(ofDay, rate, true)
	}
	s.day.Late /= s.day.Answered
	return s.day
}

// second is the images that came in one second.
type second struct {
	at     int
	images float64
}

// simulation is the state of a fleet and its queue.
type simulation struct {
	fleet    Fleet
	rng      *rand.Rand
	waiting  []second // those who wait, oldest first
	queue    float64  // how many they are
	ready    int
	starting []int     // the second at which each of them is ready, in order
	busy     float64   // of the last scaleEvery seconds: pod seconds of work
	had      float64   // pod seconds of all pods in that time
	wishes   []float64 // wanted numbers of the last scaleDownAfter seconds
	clock    int
	day      Day
	restored int // the clock at the end of the outage, while images wait since; 0 otherwise
}

func (s *simulation) step(ofDay int, rate float64, outage bool) {
	for len(s.starting) > 0 && s.starting[0] <= s.clock {
		s.ready, s.starting = s.ready+1, s.starting[1:]
	}
	down := outage && s.isDown(ofDay)
	able := float64(s.ready) * s.fleet.Rate
	if down {
		able = 0
	}
	arrived := poisson(s.rng, rate)
	s.waiting, s.queue = append(s.waiting, second{s.clock, arrived}), s.queue+arrived
	answered := s.answer(able)
	s.day.Queue = max(s.day.Queue, s.queue)
	s.day.Pods = max(s.day.Pods, s.ready+len(s.starting))
	s.day.PodHours += float64(s.ready+len(s.starting)) / 3600
	s.noteOutage(down)
	s.busy += answered / s.fleet.Rate
	s.had += float64(s.ready)
	s.clock++
	if s.clock%scaleEvery == 0 && s.fleet.Most > s.fleet.Least && !down {
		s.scale()
	}
}

func (s *simulation) isDown(ofDay int) bool {
	at := time.Duration(ofDay) * time.Second
	return at >= s.fleet.DownFrom && at < s.fleet.DownFrom+s.fleet.DownFor
}

// answer answers those who came first, as many as the fleet is able to, and returns how many.
func (s *simulation) answer(able float64) float64 {
	left := able
	for left > 0 && len(s.waiting) > 0 {
		first := &s.waiting[0]
		n := min(left, first.images)
		wait := time.Duration(s.clock-first.at) * time.Second
		s.day.Wait = max(s.day.Wait, wait)
		if wait > time.Minute {
			s.day.Late += n
		}
		left, first.images = left-n, first.images-n
		if first.images > 0 {
			break
		}
		s.waiting = s.waiting[1:]
	}
	answered := able - left
	s.day.Answered, s.queue = s.day.Answered+answered, s.queue-answered
	return answered
}

func (s *simulation) noteOutage(down bool) {
	switch {
	case down:
		s.restored = s.clock + 1
	case s.restored > 0 && s.queue < float64(s.ready)*s.fleet.Rate: // less than a second's work
		s.day.Recovered = time.Duration(s.clock-s.restored) * time.Second
		s.restored = 0
	}
}

// scale sets the number of pods by how busy they were.
func (s *simulation) scale() {
	now := s.ready + len(s.starting)
	ratio := s.busy / s.had / s.fleet.Target
	s.busy, s.had = 0, 0
	wanted := float64(now)
	if math.Abs(ratio-1) > tolerance {
		wanted = math.Ceil(ratio * float64(s.ready))
	}
	wanted = min(max(wanted, float64(s.fleet.Least)), float64(s.fleet.Most), float64(max(2*now, now+growAtLeast)))
	s.wishes = append(s.wishes, wanted)
	if n := scaleDownAfter / scaleEvery; len(s.wishes) > n {
		s.wishes = s.wishes[len(s.wishes)-n:]
	}
	for range int(wanted) - now {
		s.starting = append(s.starting, s.clock+int(s.fleet.Start/time.Second))
	}
	largest := 0.0
	for _, w := range s.wishes {
		largest = max(largest, w)
	}
	if int(largest) < now && len(s.starting) == 0 {
		s.ready = int(largest)
	}
}

// poisson draws a number around a mean of many.
func poisson(rng *rand.Rand, mean float64) float64 {
	return max(0, math.Round(mean+math.Sqrt(mean)*rng.NormFloat64()))
}
