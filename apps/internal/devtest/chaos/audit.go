package chaos

import (
	"context"
	"fmt"
	"maps"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// judge checks what became of the images, and how, and reports every violation.
func (d *database) judge(ctx context.Context, p *posts, o others, report *Report) error {
	accepted, sent := p.result(), p.sent()
	corrected := o.correcting.ids()
	for id, path := range corrected {
		accepted[path], sent[path] = id, true
	}
	for _, path := range o.correcting.paths() {
		sent[path] = true
	}
	o.uploading.mu.Lock()
	maps.Copy(accepted, o.uploading.accepted)
	maps.Copy(sent, o.uploading.tried)
	o.uploading.mu.Unlock()
	report.Accepted = len(accepted)
	rows, err := d.images(ctx)
	if err != nil {
		return err
	}
	judgeRows(rows, accepted, sent, corrected, report)
	steps, err := d.steps(ctx)
	if err != nil {
		return err
	}
	judgeSteps(rows, steps, corrected, report)
	return nil
}

// image is a row of the table images.
type image struct {
	id     int64
	path   string
	status faces.Status
	reason faces.Reason
	person string
	faces  int
}

func (d *database) images(ctx context.Context) ([]image, error) {
	rows, err := d.db.QueryContext(ctx, `SELECT images.id, path, status, images.reason, COALESCE(person.name, ''), COUNT(faces.id)
		FROM images LEFT JOIN person ON person.id = images.person LEFT JOIN faces ON faces.image_id = images.id
		GROUP BY images.id ORDER BY images.id`)
	if err != nil {
		return nil, fmt.Errorf("read the images: %w", err)
	}
	defer rows.Close()
	var list []image
	for rows.Next() {
		var i image
		if err := rows.Scan(&i.id, &i.path, &i.status, &i.reason, &i.person, &i.faces); err != nil {
			return nil, fmt.Errorf("read the images: %w", err)
		}
		list = append(list, i)
	}
	return list, rows.Err()
}

// judgeRows checks the outcome of each row. Every accepted path must have a
// row, and every row a posted path; a row whose client gave up was never
// accepted.
func judgeRows(rows []image, accepted map[string]int64, sent map[string]bool, corrected map[int64]string, report *Report) {
	byPath := map[string]int64{}
	for _, r := range rows {
		if other, ok := byPath[r.path]; ok {
			report.violate("%s has two rows, %d and %d", r.path, other, r.id)
		}
		byPath[r.path] = r.id
		if !sent[r.path] {
			report.violate("image %d: nobody posted %s", r.id, r.path)
		}
		if _, ok := accepted[r.path]; !ok {
			report.Stored++
		}
		report.Outcomes[r.reason]++
		if _, ok := corrected[r.id]; !ok {
			judgeOutcome(r, report)
		}
	}
	for path, id := range accepted {
		if byPath[path] != id {
			report.violate("image %d (%s) was accepted; the row of the path is %d", id, path, byPath[path])
		}
	}
	report.Rows = len(rows)
}

// judgeOutcome compares an image with the answer that its path must get.
func judgeOutcome(r image, report *Report) {
	want := answerFor(r.path)
	person := ""
	if want.reason == faces.Identified {
		person = personName(want.person)
	}
	switch {
	case r.status == faces.Processing, r.reason == faces.Queued:
		report.violate("image %d (%s) has no outcome: %s %s", r.id, r.path, r.status, r.reason)
	case r.status != want.reason.Status(), r.reason != want.reason:
		report.violate("image %d (%s) is %s %s, want %s", r.id, r.path, r.status, r.reason, want.reason)
	case r.person != person:
		report.violate("image %d (%s) shows %q, want %q", r.id, r.path, r.person, person)
	case r.faces != want.faces:
		report.violate("image %d (%s) has %d faces, want %d", r.id, r.path, r.faces, want.faces)
	}
}

// step is one change of the state of an image.
type step struct {
	image    int64
	from, to state
}

type state struct {
	status faces.Status
	reason faces.Reason
}

// String returns the form that a report shows.
func (s state) String() string { return fmt.Sprintf("%s %q", s.status, string(s.reason)) }

func (s state) queued() bool     { return s.status == faces.Pending && s.reason == faces.Queued }
func (s state) processing() bool { return s.status == faces.Processing && s.reason == faces.NoReason }

// outcome reports whether the state ends a round.
func (s state) outcome() bool {
	return !s.queued() && s.reason != faces.NoReason && s.reason.Status() == s.status
}

func (d *database) steps(ctx context.Context) ([]step, error) {
	rows, err := d.db.QueryContext(ctx,
		"SELECT image_id, old_status, old_reason, new_status, new_reason FROM chaos_audit ORDER BY seq")
	if err != nil {
		return nil, fmt.Errorf("read the steps: %w", err)
	}
	defer rows.Close()
	var list []step
	for rows.Next() {
		var s step
		if err := rows.Scan(&s.image, &s.from.status, &s.from.reason, &s.to.status, &s.to.reason); err != nil {
			return nil, fmt.Errorf("read the steps: %w", err)
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

// kind names a step, or returns "" for one that is not allowed: only the holder
// of the lease writes an outcome, and only a failure caused by a service gets a
// new round.
func (s step) kind() string {
	switch {
	case s.from.queued() && s.to.processing():
		return "claimed"
	case s.from.processing() && s.to.processing():
		return "taken over"
	case s.from.processing() && s.to.queued():
		return "handed back"
	case s.from.processing() && s.to.outcome():
		return "answered"
	case s.from.outcome() && s.from.reason.Transient() && s.to.queued():
		return "new round"
	default:
		return ""
	}
}

// judgeSteps follows every image from its first state. Each step must be
// allowed and start where the one before ended, and the last one must end in
// the state of the row. So no outcome is written twice in a round or over
// another one.
func judgeSteps(rows []image, steps []step, corrected map[int64]string, report *Report) {
	at := make(map[int64]state, len(rows))
	for _, r := range rows {
		at[r.id] = state{faces.Pending, faces.Queued}
	}
	for _, s := range steps {
		kind := s.kind()
		if _, ok := corrected[s.image]; ok && kind == "" && s.from.outcome() && s.to.outcome() {
			kind = "corrected"
		}
		if kind == "" {
			report.violate("image %d changed from %s to %s, which is not allowed", s.image, s.from, s.to)
		}
		if at[s.image] != s.from {
			report.violate("image %d was %s, and its next step is from %s", s.image, at[s.image], s.from)
		}
		at[s.image] = s.to
		report.Steps[kind]++
	}
	for _, r := range rows {
		if last := (state{r.status, r.reason}); at[r.id] != last {
			report.violate("image %d is %s; its last step ended in %s", r.id, last, at[r.id])
		}
	}
}
