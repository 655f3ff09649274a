package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// sequencedRow is an event that readers see.
type sequencedRow struct {
	Seq      int64
	EventRow eventRow `gorm:"embedded"`
}

func (sequencedRow) TableName() string { return "events" }

// SequenceEvents gives committed events their ids, at most limit of them, and
// returns how many. Until then nobody reads them. Programs that call it at once wait
// for each other.
//
// An id of AUTO_INCREMENT says in which order rows were inserted, and not in which
// order they become visible. All rows that are visible here get larger ids than all
// that were visible before, so a reader that goes by id misses none. Two events of
// one image are in order: the second was inserted after the first was committed.
func (s *Store) SequenceEvents(ctx context.Context, limit int) (int, error) {
	n := 0
	err := s.tx(ctx, func(tx *gorm.DB) error {
		n = 0
		state, err := lockEventState(tx)
		if err != nil {
			return err
		}
		n, err = sequence(tx, state, limit)
		return err
	})
	return n, wrap(err, "number the events")
}

func sequence(tx *gorm.DB, state eventState, limit int) (int, error) {
	var rows []struct {
		ID       int64
		EventRow eventRow `gorm:"embedded"`
	}
	if err := tx.Table("outbox").Select("id, " + eventColumns).Order("id").Limit(limit).Find(&rows).Error; err != nil || len(rows) == 0 {
		return 0, err
	}
	ids := make([]int64, len(rows))
	events := make([]sequencedRow, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
		events[i] = sequencedRow{Seq: state.LastSeq + int64(i) + 1, EventRow: r.EventRow}
	}
	for part := range chunks(events) {
		if err := tx.Create(&part).Error; err != nil {
			return 0, err
		}
	}
	for part := range chunks(ids) {
		if err := tx.Exec("DELETE FROM outbox WHERE id IN ?", part).Error; err != nil {
			return 0, err
		}
	}
	last := state.LastSeq + int64(len(rows))
	return len(rows), tx.Model(&eventState{}).Where("id = 1").UpdateColumn("last_seq", last).Error
}

// EventPage is a page of events.
type EventPage struct {
	Events []faces.Event // in ascending order
	// Next is where to go on: the page has all events up to it.
	Next int64
	// Before and Last are the checks of the event with the id that was asked for, and of
	// that with the id Next. They are empty where there is none any more.
	Before, Last string
	// Has is which events can be read. If it does not have the id that was asked for,
	// events after that id are missing: they were deleted, or it is of another database.
	Has faces.EventRange
}

// scannedEvents is how many events a page of some types looks at.
const scannedEvents = 50_000

// Events returns a page of at most limit events with ids larger than after. No types
// are all types.
func (s *Store) Events(ctx context.Context, after int64, types []faces.EventType, limit int) (EventPage, error) {
	var page EventPage
	err := s.read(ctx, func(tx *gorm.DB) error {
		before, err := readEventState(tx) // events up to its last can be read from now on
		if err != nil {
			return err
		}
		page = EventPage{Next: max(after, min(before.LastSeq, max(after, before.SweptSeq)+scannedEvents))}
		q := tx.Where("seq > ? AND seq <= ?", after, page.Next)
		if len(types) > 0 {
			q = q.Where("type IN ?", types)
		}
		var rows []sequencedRow
		if err := q.Order("seq").Limit(limit).Find(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			page.Events = append(page.Events, r.EventRow.event(r.Seq))
		}
		if len(rows) == limit {
			page.Next = rows[limit-1].Seq
		}
		if err := page.addChecks(tx, after); err != nil {
			return err
		}
		if err := nameEvents(tx, page.Events); err != nil {
			return err
		}
		now, err := readEventState(tx) // what was deleted meanwhile is then known to be missing
		page.Has = now.eventRange()
		return err
	})
	return page, wrap(err, "read events")
}

// addChecks adds the checks of the events at both ends of a page.
func (p *EventPage) addChecks(tx *gorm.DB, after int64) error {
	var rows []sequencedRow
	if err := tx.Where("seq IN ?", []int64{after, p.Next}).Find(&rows).Error; err != nil {
		return err
	}
	for _, r := range rows {
		check := r.EventRow.event(r.Seq).Check()
		if r.Seq == after {
			p.Before = check
		}
		if r.Seq == p.Next {
			p.Last = check
		}
	}
	return nil
}

func readEventState(tx *gorm.DB) (eventState, error) {
	return oneRow[eventState](tx.Where("id = 1"), "event state", 1)
}

// nameEvents adds what the rows of events do not have: paths and names.
func nameEvents(tx *gorm.DB, list []faces.Event) error {
	var images, people []int64
	for _, e := range list {
		if e.ImageID != 0 {
			images = append(images, e.ImageID)
		}
		people = append(append(people, e.People...), e.PersonID, e.OtherID)
	}
	paths := map[int64]string{}
	for part := range chunks(unique(images)) {
		var rows []imageRow
		if err := tx.Select("id", "path").Where("id IN ?", part).Find(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			paths[r.ID] = r.Path
		}
	}
	names, err := personNames(tx, people)
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Path, list[i].Names = paths[list[i].ImageID], names
	}
	return nil
}

// EventRange returns which events can be read.
func (s *Store) EventRange(ctx context.Context) (faces.EventRange, error) {
	var state eventState
	err := s.read(ctx, func(tx *gorm.DB) (err error) {
		state, err = readEventState(tx)
		return err
	})
	return state.eventRange(), wrap(err, "read the state of the events")
}

// EventBacklog returns how many events have no id yet, and since when the oldest of
// them waits. It stops counting at limit.
func (s *Store) EventBacklog(ctx context.Context, limit int) (n int, since time.Time, err error) {
	var rows []struct{ CreatedAt time.Time }
	err = s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Table("outbox").Select("created_at").Order("id").Limit(limit).Find(&rows).Error
	})
	if len(rows) > 0 {
		since = rows[0].CreatedAt
	}
	return len(rows), since, wrap(err, "count the events without an id")
}

// EventLimits says which events are kept.
type EventLimits struct {
	MaxAge  time.Duration
	MaxRows int64
}

// SweepEvents deletes a batch of events that are older than the limits allow, or
// beyond their number. more reports whether to call it again.
func (s *Store) SweepEvents(ctx context.Context, keep EventLimits) (more bool, err error) {
	const batch = 10 * chunk
	err = s.tx(ctx, func(tx *gorm.DB) error {
		state, err := lockEventState(tx)
		if err != nil {
			return err
		}
		until := min(state.SweptSeq+batch, state.LastSeq) // of this batch
		var young []int64
		err = tx.Model(&sequencedRow{}).Where("seq <= ? AND created_at >= ?", until, s.now().Add(-keep.MaxAge)).
			Order("seq").Limit(1).Pluck("seq", &young).Error
		if err != nil {
			return err
		}
		last := until
		if len(young) > 0 {
			last = young[0] - 1
		}
		last = min(max(last, state.LastSeq-keep.MaxRows), until)
		if more = last == until && last > state.SweptSeq; last <= state.SweptSeq {
			return nil
		}
		if err := tx.Where("seq <= ?", last).Delete(&sequencedRow{}).Error; err != nil {
			return err
		}
		return tx.Model(&eventState{}).Where("id = 1").UpdateColumn("swept_seq", last).Error
	})
	return more, wrap(err, "delete old events")
}
