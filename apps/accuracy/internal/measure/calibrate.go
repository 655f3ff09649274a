package measure

import (
	"context"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
)

// Point is what a threshold does.
type Point struct {
	Threshold      float64
	FarThreshold   float64 // 0 where the set has none
	Named          Rate    // pictures of known people, by the whole rule
	StrangersNamed Rate    // the same pictures without their person
	PairsLost      Rate    // pairs of one person's pictures farther apart than Threshold
	PairsTaken     Rate    // pairs of two people's within it
}

// calibrate moves the threshold, and the far threshold with it, and answers
// every picture by each.
func (l *lab) calibrate(ctx context.Context) ([]Point, error) {
	points := thresholds(l.Model.Threshold)
	for i := range points {
		m := l.Model.WithRule(points[i].Threshold, 0)
		points[i].FarThreshold = m.FarThreshold
		l.pairs(&points[i])
	}
	err := l.each(ctx, "calibration", func(ctx context.Context, e engine.Engine, p photo, file []byte) error {
		seen, err := e.Look(ctx, file, engine.Ask)
		if err != nil {
			return err
		}
		known, stranger := l.without(p)
		for i := range points {
			m := l.Model.WithRule(points[i].Threshold, 0)
			a, err := answer(ctx, e, seen, known, m)
			if err != nil {
				return err
			}
			b, err := answer(ctx, e, seen, stranger, m)
			if err != nil {
				return err
			}
			l.mu.Lock()
			points[i].Named.Add(judge(a, p.person.ID).Named)
			points[i].StrangersNamed.Add(judge(b, 0).Misnamed)
			l.mu.Unlock()
		}
		return nil
	})
	return points, err
}

// thresholds returns points from two thirds to four thirds of a threshold, in
// round numbers.
func thresholds(around float64) []Point {
	const steps = 24
	var points []Point
	for i := range steps + 1 {
		t := around * (2.0/3 + 2.0/3*float64(i)/steps)
		points = append(points, Point{Threshold: math.Round(t*1000) / 1000})
	}
	return points
}

// pairs counts the pairs of known pictures.
func (l *lab) pairs(p *Point) {
	known := l.known()
	for i, a := range known {
		for _, b := range known[:i] {
			d := distance(wide(a.descriptors[0]), wide(b.descriptors[0]))
			if a.person.ID == b.person.ID {
				p.PairsLost.Add(d > p.Threshold)
			} else {
				p.PairsTaken.Add(d <= p.Threshold)
			}
		}
	}
}

// Proposal is a threshold for a wanted share of strangers named.
type Proposal struct {
	Wanted float64
	Point  Point
	OK     bool // some threshold keeps the share
	// Shown says that so many strangers were asked that the wanted share lies
	// above the interval, and not just above the share measured.
	Shown bool
}

// Propose returns the largest threshold up to which no more than the wanted
// share of strangers was named.
func Propose(points []Point, wanted float64) Proposal {
	p := Proposal{Wanted: wanted}
	for _, at := range points {
		if at.StrangersNamed.Share() > wanted {
			break
		}
		_, high := at.StrangersNamed.Interval()
		p.Point, p.OK, p.Shown = at, true, high <= wanted
	}
	return p
}
