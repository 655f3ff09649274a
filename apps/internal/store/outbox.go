package store

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// The rows of events are written here, in the transaction of the change. Who changes
// an image holds the lock of its row, so that two events of one image are committed
// in the order of their ids.

// eventColumns are the columns that outbox and events share. Most events have only the
// first of them, and the defaults of the others: a bulk post writes thousands.
const (
	shortEventColumns = "type, created_at, image_id, reason"
	eventColumns      = shortEventColumns + ", cause, people, person_id, other_id"
)

// eventRow has the columns that outbox and events share. It has no id, which GORM
// would read back.
type eventRow struct {
	Type      string
	Cause     string
	CreatedAt time.Time
	ImageID   int64
	Reason    string
	People    string // ids, separated by commas; see maxPeople
	PersonID  int64
	OtherID   int64
}

func (eventRow) TableName() string { return "outbox" }

// maxPeople is the length of the column people. A list of this length is cut.
const maxPeople = 1000

func (r eventRow) event(id int64) faces.Event {
	e := faces.Event{
		ID: id, Type: faces.EventType(r.Type), Cause: faces.EventCause(r.Cause), CreatedAt: r.CreatedAt,
		ImageID: r.ImageID, Reason: faces.Reason(r.Reason), PersonID: r.PersonID, OtherID: r.OtherID,
	}
	people := r.People
	if e.MorePeople = len(people) >= maxPeople; e.MorePeople {
		people = people[:strings.LastIndexByte(people, ',')]
	}
	for text := range strings.SplitSeq(people, ",") {
		if id, err := strconv.ParseInt(text, 10, 64); err == nil {
			e.People = append(e.People, id)
		}
	}
	return e
}

func formatPeople(ids []int64) string {
	texts := make([]string, 0, len(ids))
	for _, id := range unique(ids) {
		texts = append(texts, strconv.FormatInt(id, 10))
	}
	text := strings.Join(texts, ",")
	return text[:min(len(text), maxPeople)]
}

// addEvents writes the events of a transaction. One statement writes up to 500. It does
// without GORM, because each post and each outcome pays for it.
func addEvents(tx *gorm.DB, rows ...eventRow) error {
	for part := range chunks(rows) {
		names, args := eventColumns, make([]any, 0, 8*len(part))
		if !slices.ContainsFunc(part, func(r eventRow) bool { return !r.isShort() }) {
			names = shortEventColumns
		}
		for _, r := range part {
			args = append(args, r.Type, r.CreatedAt, r.ImageID, r.Reason)
			if names == eventColumns {
				args = append(args, r.Cause, r.People, r.PersonID, r.OtherID)
			}
		}
		row := "(" + placeholders(strings.Count(names, ",")+1) + ")"
		query := "INSERT INTO outbox (" + names + ") VALUES " + row + strings.Repeat(", "+row, len(part)-1)
		if _, err := tx.Statement.ConnPool.ExecContext(tx.Statement.Context, query, args...); err != nil {
			return err
		}
	}
	return nil
}

// isShort reports whether shortEventColumns are all of a row.
func (r eventRow) isShort() bool {
	return r == eventRow{Type: r.Type, CreatedAt: r.CreatedAt, ImageID: r.ImageID, Reason: r.Reason}
}

// addImageEvents writes one event for each image.
func addImageEvents(tx *gorm.DB, kind faces.EventType, cause faces.EventCause, reason faces.Reason, ids []int64, now time.Time) error {
	rows := make([]eventRow, len(ids))
	for i, id := range ids {
		rows[i] = eventRow{Type: string(kind), Cause: string(cause), Reason: string(reason), ImageID: id, CreatedAt: now}
	}
	return addEvents(tx, rows...)
}

// addPersonEvent writes an event about a person. other is who was merged, or 0.
func addPersonEvent(tx *gorm.DB, kind faces.EventType, person, other int64, now time.Time) error {
	return addEvents(tx, eventRow{Type: string(kind), PersonID: person, OtherID: other, CreatedAt: now})
}

// addOutcomeEvents writes the events of outcomes. cause is empty for a round. decided
// are the images whose stored answers are no longer those of the results.
func addOutcomeEvents(tx *gorm.DB, results []Result, decided []int64, cause faces.EventCause, now time.Time) error {
	answered := faces.ImageAnswered
	if cause != faces.NoCause {
		answered = faces.ImageChanged
	}
	rows := make([]eventRow, 0, len(results))
	for _, r := range results {
		if slices.Contains(decided, r.ImageID) {
			continue
		}
		kind := faces.ImageFailed
		if r.Reason.IsAnswer() {
			kind = answered
		}
		rows = append(rows, eventRow{Type: string(kind), Cause: string(cause), ImageID: r.ImageID, Reason: string(r.Reason), People: peopleIn(r.Faces), CreatedAt: now})
	}
	if err := addEvents(tx, rows...); err != nil {
		return err
	}
	return addAnswersNow(tx, answered, decided, cause, now)
}

// peopleIn returns the people of identified faces, for the column people.
func peopleIn(found []faces.Face) string {
	var ids []int64
	for _, f := range found {
		if f.Person != nil {
			ids = append(ids, f.Person.ID)
		}
	}
	return formatPeople(ids)
}

// addChangeEvents writes the events of a re-match, or of another cause.
func addChangeEvents(tx *gorm.DB, changes []history.Change, cause faces.EventCause, now time.Time) error {
	var rows []eventRow
	for _, c := range changes {
		if !c.Visible() {
			continue
		}
		var people []int64
		for _, f := range c.After.Faces {
			if f.Reason == faces.Identified {
				people = append(people, f.BestPerson)
			}
		}
		rows = append(rows, eventRow{
			Type: string(faces.ImageChanged), Cause: string(cause), ImageID: c.ImageID, Reason: string(c.After.Reason),
			People: formatPeople(people), CreatedAt: now,
		})
	}
	return addEvents(tx, rows...)
}

// addCorrectedEvent writes the event of a correction.
func addCorrectedEvent(tx *gorm.DB, img faces.Image, now time.Time) error {
	return addEvents(tx, eventRow{
		Type: string(faces.ImageChanged), Cause: string(faces.ByCorrection), ImageID: img.ID, Reason: string(img.Reason),
		People: peopleIn(img.Faces), CreatedAt: now,
	})
}

// eachShowing locks the images that show a person, changes them in parts, and returns
// their ids. Others may begin to show the person at any moment, so it looks again until
// it finds none that it has not changed: what it changes gets an event.
func eachShowing(tx *gorm.DB, person int64, change func(part []int64) error) (all []int64, err error) {
	done := map[int64]bool{}
	for {
		ids, err := showingNow(tx, person)
		if err != nil {
			return nil, err
		}
		ids = slices.DeleteFunc(ids, func(id int64) bool { return done[id] })
		if len(ids) == 0 {
			slices.Sort(all)
			return all, nil
		}
		for part := range chunks(ids) { // in order of ids, as everybody locks
			if err := lockImages(tx, part); err != nil {
				return nil, err
			}
			if err := change(part); err != nil {
				return nil, err
			}
		}
		for _, id := range ids {
			done[id] = true
		}
		all = append(all, ids...)
	}
}

// showingNow returns the images with a face whose best person is the given one.
func showingNow(tx *gorm.DB, person int64) ([]int64, error) {
	var ids, more []int64
	if err := tx.Model(&faceRow{}).Where("best_person_id = ?", person).Distinct().Pluck("image_id", &ids).Error; err != nil {
		return nil, err
	}
	if err := tx.Model(&imageRow{}).Where("person = ?", person).Pluck("id", &more).Error; err != nil {
		return nil, err
	}
	ids = unique(append(ids, more...))
	slices.Sort(ids)
	return ids, nil
}

// addChangedNow writes events of locked images whose answers were changed by
// statements over many rows.
func addChangedNow(tx *gorm.DB, ids []int64, cause faces.EventCause, now time.Time) error {
	return addAnswersNow(tx, faces.ImageChanged, ids, cause, now)
}

// addAnswersNow writes one event for each image. It reads the answers as they are now.
func addAnswersNow(tx *gorm.DB, kind faces.EventType, ids []int64, cause faces.EventCause, now time.Time) error {
	for part := range chunks(ids) {
		err := tx.Exec("INSERT INTO outbox (type, cause, created_at, image_id, reason, people) "+
			"SELECT ?, ?, ?, images.id, images.reason, COALESCE((SELECT SUBSTR(GROUP_CONCAT(DISTINCT faces.best_person_id), 1, ?) "+
			"FROM faces WHERE faces.image_id = images.id AND faces.reason = ?), '') FROM images WHERE images.id IN ? ORDER BY images.id",
			kind, cause, now, maxPeople, faces.Identified, part).Error
		if err != nil {
			return err
		}
	}
	return nil
}

// eventState is the row that gives events their numbers.
type eventState struct {
	ID       int64
	LastSeq  int64
	SweptSeq int64
}

func (eventState) TableName() string { return "event_state" }

func (s eventState) eventRange() faces.EventRange {
	return faces.EventRange{After: s.SweptSeq, Newest: s.LastSeq}
}

func lockEventState(tx *gorm.DB) (eventState, error) {
	return oneRow[eventState](tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Where("id = 1"), "event state", 1)
}

// stillShowing returns those of the images with a face whose best person is the
// given one.
func stillShowing(tx *gorm.DB, images []int64, person int64) (ids []int64, err error) {
	for part := range chunks(images) {
		var found []int64
		err := tx.Model(&faceRow{}).Where("image_id IN ? AND best_person_id = ?", part, person).Distinct().Order("image_id").Pluck("image_id", &found).Error
		if err != nil {
			return nil, err
		}
		ids = append(ids, found...)
	}
	return ids, nil
}
