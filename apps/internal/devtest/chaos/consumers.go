package chaos

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

// consumer is a program of others that gets events, with the link of its connections.
// What the stream sends and what is sent to the webhook goes through it.
type consumer struct {
	*program
	link *link
}

// first returns the faults that a consumer must live through in each run: it is cut
// off, killed, and away for a time.
func (c consumer) first(away time.Duration) []card {
	return []card{
		{fault: fault{kindCut, c.link.name, c.link.cut, 0, 1}},
		{fault: fault{kindKill, c.name, c.kill, 0, 1}, lasts: time.Second},
		{fault: fault{kindStop, c.name, c.stop, 0, 1}, lasts: away},
		{fault: fault{kindCut, c.link.name, c.link.cut, 0, 1}},
	}
}

// faults returns the faults that a consumer has from then on.
func (c consumer) faults() []fault {
	const longest, longestLink = 3 * time.Second, 4 * time.Second
	return []fault{
		{kindKill, c.name, c.kill, longest, 3}, {kindPause, c.name, c.freeze, longest, 2}, {kindStop, c.name, c.stop, longest, 1},
		{kindCut, c.link.name, c.link.cut, time.Millisecond, 3}, {kindRefuse, c.link.name, c.link.refuse, longestLink, 1}, {kindHold, c.link.name, c.link.hold, longestLink, 1},
	}
}

// told is an event as a consumer writes it down.
type told struct {
	ID    int64         `json:"id"`
	Type  api.EventType `json:"type"`
	Image int64         `json:"image,omitempty"`
	// Position is where a consumer of the stream goes on.
	Position string `json:"position,omitempty"`
	// Reset is set where the consumer was told that events are missing.
	Reset bool `json:"reset,omitempty"`
}

// consume listens to the events and appends each to a file, until ctx ends. After a
// kill it goes on after the last line that is whole.
func consume(ctx context.Context, url, file string) error {
	seen, size, err := readTold(file)
	if err != nil {
		return err
	}
	if err := os.Truncate(file, size); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	position := "0"
	if len(seen) > 0 {
		position = seen[len(seen)-1].Position
	}
	for m, err := range client.New(url).FollowEventsFrom(ctx, position) {
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		case m.Event == nil && m.Reset == nil:
			continue
		}
		line := told{ID: m.After, Position: m.Position, Reset: m.Reset != nil}
		if m.Event != nil {
			line.Type = m.Event.Type
			if m.Event.Image != nil {
				line.Image = m.Event.Image.ID
			}
		}
		text, err := json.Marshal(line)
		if err != nil {
			return err
		}
		if _, err := out.Write(append(text, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// readTold reads what a consumer has written, and the length of its whole lines.
func readTold(file string) (list []told, size int64, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	for r := bufio.NewReader(bytes.NewReader(whole)); ; {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return list, int64(len(whole)), nil
		}
		var t told
		if err := json.Unmarshal(line, &t); err != nil {
			return nil, 0, fmt.Errorf("%s: %w", file, err)
		}
		list = append(list, t)
	}
}

// awaitEvents waits until every event has an id and a consumer has seen the last one.
func (d *database) awaitEvents(ctx context.Context, file string) error {
	for {
		var waiting, newest int64
		err := d.db.QueryRowContext(ctx, "SELECT (SELECT COUNT(*) FROM outbox), (SELECT last_seq FROM event_state WHERE id = 1)").Scan(&waiting, &newest)
		if err != nil {
			return fmt.Errorf("read the state of the events: %w", err)
		}
		seen, _, err := readTold(file)
		if err != nil {
			return err
		}
		var last int64
		if len(seen) > 0 {
			last = seen[len(seen)-1].ID
		}
		if waiting == 0 && last == newest {
			return nil
		}
		if !pause(ctx, 500*time.Millisecond) { // the file is read as a whole
			return fmt.Errorf("%d events have no id, and the newest id is %d; the consumer has seen %d", waiting, newest, last)
		}
	}
}

// judgeEvents compares what a consumer has seen with what the trigger has noted: each
// change of each image, once and in its order. With ascending, all ids are in order.
// The trigger does not note each correction of a face, so of an image that was
// corrected, which confirmed tells, the events image.changed are only looked for.
func (d *database) judgeEvents(ctx context.Context, name string, seen []told, ascending bool, confirmed map[int64]bool, report *Report) error {
	byImage := map[int64][]api.EventType{}
	var last int64
	for _, t := range seen {
		switch {
		case t.Reset:
			report.violate("%s was told at %d that events are gone", name, t.ID)
		case ascending && t.ID <= last:
			report.violate("%s has seen event %d after event %d", name, t.ID, last)
		case t.Image != 0:
			byImage[t.Image] = append(byImage[t.Image], t.Type)
		}
		last = t.ID
	}
	if err := d.judgeIDs(ctx, name, seen, report); err != nil {
		return err
	}
	want, err := d.changes(ctx)
	if err != nil {
		return err
	}
	for id, sure := range confirmed {
		others := slices.DeleteFunc(slices.Clone(byImage[id]), func(e api.EventType) bool { return e == api.EventImageChanged })
		if sure && len(others) == len(byImage[id]) {
			report.violate("%s has seen no image.changed of image %d, which was corrected", name, id)
		}
		byImage[id] = others
	}
	for id, changes := range want {
		if !slices.Equal(changes, byImage[id]) {
			report.violate("%s has seen of image %d: %v; it was: %v", name, id, byImage[id], changes)
		}
		delete(byImage, id)
	}
	for id, changes := range byImage {
		report.violate("%s has seen %v of image %d, which has no row", name, changes, id)
	}
	report.Events[name] = len(seen)
	return nil
}

// judgeIDs checks that a consumer has seen each id that was given to an event.
func (d *database) judgeIDs(ctx context.Context, name string, seen []told, report *Report) error {
	var newest int64
	if err := d.db.QueryRowContext(ctx, "SELECT last_seq FROM event_state WHERE id = 1").Scan(&newest); err != nil {
		return fmt.Errorf("read the newest id of an event: %w", err)
	}
	ids := map[int64]bool{}
	for _, t := range seen {
		ids[t.ID] = true
	}
	missing := 0
	for id := int64(1); id <= newest; id++ {
		if !ids[id] {
			missing++
		}
	}
	if missing > 0 || int64(len(ids)) != newest {
		report.violate("%s has seen %d ids of events and misses %d; the newest is %d", name, len(ids), missing, newest)
	}
	return nil
}

// changes returns the events that each image must have had.
func (d *database) changes(ctx context.Context) (map[int64][]api.EventType, error) {
	rows, err := d.images(ctx)
	if err != nil {
		return nil, err
	}
	changes := make(map[int64][]api.EventType, len(rows))
	for _, r := range rows {
		changes[r.id] = []api.EventType{api.EventImageAccepted}
	}
	steps, err := d.steps(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range steps {
		switch kind := s.kind(); {
		case kind == "answered" && s.to.reason.IsAnswer():
			changes[s.image] = append(changes[s.image], api.EventImageAnswered)
		case kind == "answered":
			changes[s.image] = append(changes[s.image], api.EventImageFailed)
		case kind == "new round":
			changes[s.image] = append(changes[s.image], api.EventImageRetried)
		}
	}
	return changes, nil
}
