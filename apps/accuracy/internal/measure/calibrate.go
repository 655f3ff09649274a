package measure

import (
	"context"
	"math"
	"path/filepath"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
)

// Point is the effect of one threshold.
type Point struct {
	Threshold      float64
	FarThreshold   float64 // 0 if the set has none
	Named          Rate    // pictures of known people, by the whole rule
	StrangersNamed Rate    // the same pictures without their person, and the faces of bench/
	PairsLost      Rate    // pairs of pictures of one person farther apart than Threshold
	PairsTaken     Rate    // pairs of pictures of two people within Threshold
}

// calibrate answers every picture with each threshold. The far threshold moves
// by the same amount.
func (l *lab) calibrate(ctx context.Context, bench *Bench) ([]Point, error) {
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
	if err != nil {
		return nil, err
	}
	return points, l.calibrateBench(ctx, bench, points)
}

// calibrateBench adds the faces of bench/, each asked about with the faces of
// the other pictures as known people.
func (l *lab) calibrateBench(ctx context.Context, bench *Bench, points []Point) error {
	return l.eachFile(ctx, filepath.Join(l.Dir, "bench"), func(e engine.Engine, name string, seen engine.Seen) error {
		others := bench.gallery(l, name)
		for i := range points {
			o, err := answer(ctx, e, seen, others, l.Model.WithRule(points[i].Threshold, 0))
			if err != nil {
				return err
			}
			bench.count(name, o, points[i].StrangersNamed.Add)
		}
		return nil
	})
}

// thresholds returns points from 2/3 to 4/3 of a threshold, rounded to 0.001.
func thresholds(around float64) []Point {
	const steps = 24
	var points []Point
	for i := range steps + 1 {
		t := around * (2.0/3 + 2.0/3*float64(i)/steps)
		points = append(points, Point{Threshold: math.Round(t*1000) / 1000})
	}
	return points
}

// pairs counts the pairs of known pictures on each side of the threshold.
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

// Proposal is a threshold for a wanted share of named strangers.
type Proposal struct {
	Wanted float64
	Point  Point
	OK     bool // a threshold with this share was found
	// Shown reports whether the upper end of the confidence interval is at most
	// Wanted too, not only the measured share.
	Shown bool
}

// Propose returns the largest threshold up to which at most the wanted share of
// strangers was named.
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
