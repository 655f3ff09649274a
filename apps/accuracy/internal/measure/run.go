package measure

import (
	"context"
	"errors"
	"fmt"
)

// Report is everything that was measured.
type Report struct {
	Model       string
	Rule        string
	Known       int // pictures that can be known
	People      int
	Groups      []*Tally // by group of people
	PeopleIn    map[string]int
	Refused     []string
	Whole       Tally
	Worse       map[string][]*Tally // by series of variants
	Galleries   []*GalleryTally
	Crowd       Crowd
	Group       GroupFaces
	Bench       Bench
	Calibration []Point
	Proposal    Proposal
}

// Run measures.
func Run(ctx context.Context, o Options) (r *Report, err error) {
	l, err := newLab(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	m := o.Model
	r = &Report{Model: m.ID, PeopleIn: map[string]int{}, Rule: fmt.Sprintf("distance at most %.2f, or at most %.2f with the second person more than %.2f farther; the second person at least %.2f farther",
		m.Threshold, m.FarThreshold, m.FarMargin, m.Margin)}
	if r.Refused, err = l.enrol(ctx); err != nil {
		return nil, err
	}
	r.Known, r.People = len(l.photos), len(l.people)
	counted := map[int64]bool{}
	for _, p := range l.photos {
		if !counted[p.person.ID] {
			counted[p.person.ID] = true
			r.PeopleIn[p.group]++
		}
	}
	if r.Group, err = l.groups(ctx); err != nil {
		return nil, fmt.Errorf("groups: %w", err)
	}
	if r.Bench, err = l.bench(ctx); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if r.Whole, r.Groups, r.Worse, err = l.series(ctx); err != nil {
		return nil, fmt.Errorf("people: %w", err)
	}
	if r.Calibration, err = l.calibrate(ctx); err != nil {
		return nil, fmt.Errorf("calibrate: %w", err)
	}
	r.Proposal = Propose(r.Calibration, o.Wanted)
	if r.Galleries, r.Crowd, err = l.galleries(ctx); err != nil {
		return nil, fmt.Errorf("galleries: %w", err)
	}
	return r, nil
}
