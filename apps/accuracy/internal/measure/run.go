package measure

import (
	"context"
	"fmt"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Report is the result of all measurements.
type Report struct {
	Model       string
	Rule        string
	Known       int // number of pictures
	People      int
	Groups      []*Tally       // by group of people
	PeopleIn    map[string]int // number of people, by group
	Refused     []string       // known pictures refused, with the problem
	Whole       Tally
	Worse       map[string][]*Tally // by series of variants
	Galleries   []*GalleryTally
	Crowd       Crowd
	Group       GroupFaces
	Bench       Bench
	Grouping    Grouping
	Calibration []Point
	Proposal    Proposal
}

// Run runs all measurements.
func Run(ctx context.Context, o Options) (*Report, error) {
	l, err := newLab(o)
	if err != nil {
		return nil, err
	}
	defer l.close()
	if o.Details != nil {
		fmt.Fprint(o.Details, detailsHead)
	}
	m := o.Model
	r := &Report{Model: m.ID, PeopleIn: map[string]int{}, Rule: ruleOf(m)}
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
	if r.Grouping, err = l.grouping(ctx); err != nil {
		return nil, fmt.Errorf("group faces: %w", err)
	}
	if o.OnlyGrouping {
		return r, nil
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
	if r.Calibration, err = l.calibrate(ctx, &r.Bench); err != nil {
		return nil, fmt.Errorf("calibrate: %w", err)
	}
	r.Proposal = Propose(r.Calibration, o.Wanted)
	if r.Galleries, r.Crowd, err = l.galleries(ctx); err != nil {
		return nil, fmt.Errorf("galleries: %w", err)
	}
	return r, nil
}

// ruleOf describes the rule of a model set.
func ruleOf(m faces.Model) string {
	text := fmt.Sprintf("the distance is at most %.2f", m.Threshold)
	if m.FarThreshold > 0 {
		text += fmt.Sprintf(", or at most %.2f if the second person is more than %.2f farther", m.FarThreshold, m.FarMargin)
	}
	f := m.Floors
	return text + fmt.Sprintf("; the second person is at least %.2f farther; floors: size %d px, sharpness %g, yaw %g°, cut off %g, detection %g",
		m.Margin, f.Size, f.Sharpness, f.Yaw, f.CutOff, f.Detection)
}
