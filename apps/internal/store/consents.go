package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// WithConsentRequired makes the Store match nobody of whom no consent is recorded.
func WithConsentRequired(required bool) Option {
	return func(s *Store) { s.consentRequired = required }
}

// consentRow is the consent of a person. See the migration.
type consentRow struct {
	PersonID    int64 `gorm:"primaryKey;autoIncrement:false"`
	Basis       string
	FromAt      time.Time
	UntilAt     *time.Time
	WithdrawnAt *time.Time
	KeyID       string
	UserID      int64
	RecordedAt  time.Time
	ChangedAt   time.Time
	Told        string // the faces.ConsentState that an event has told of
	Swept       bool
}

func (consentRow) TableName() string { return "consents" }

func (r consentRow) consent() faces.Consent {
	c := faces.Consent{
		Person: r.PersonID, Basis: faces.ConsentBasis(r.Basis), From: r.FromAt.UTC(), Recorded: r.RecordedAt.UTC(),
		KeyID: r.KeyID, UserID: r.UserID,
	}
	if r.UntilAt != nil {
		c.Until = r.UntilAt.UTC()
	}
	if r.WithdrawnAt != nil {
		c.Withdrawn = r.WithdrawnAt.UTC()
	}
	return c
}

// Consent returns the consent of a person, and its state now. Of a person without one
// the state is faces.ConsentNone.
func (s *Store) Consent(ctx context.Context, person int64) (c faces.Consent, state faces.ConsentState, err error) {
	err = s.read(ctx, func(tx *gorm.DB) error {
		if _, err := profileOf(tx, person); err != nil {
			return err
		}
		row, err := findConsent(tx, person)
		c = row.consent()
		return err
	})
	return c, c.State(s.now()), wrap(err, fmt.Sprintf("read the consent of person %d", person))
}

// findConsent returns the row of a person, or the zero row.
func findConsent(tx *gorm.DB, person int64) (consentRow, error) {
	var rows []consentRow
	if err := tx.Where("person_id = ?", person).Limit(1).Find(&rows).Error; err != nil || len(rows) == 0 {
		return consentRow{}, err
	}
	return rows[0], nil
}

// SetConsent records the consent of a person in place of the one before. A zero From
// is now.
func (s *Store) SetConsent(ctx context.Context, c faces.Consent) (done faces.Consent, state faces.ConsentState, err error) {
	now := s.now()
	c.Recorded = now
	if c.From.IsZero() {
		c.From = now
	}
	if err := c.Check(); err != nil {
		return c, "", err
	}
	if actor, ok := access.ActorOf(ctx); ok {
		c.KeyID, c.UserID = actor.KeyID, actor.UserID
	}
	c.From, c.Until, c.Withdrawn = micro(c.From), micro(c.Until), time.Time{}
	state = c.State(now)
	row := consentRow{
		PersonID: c.Person, Basis: string(c.Basis), FromAt: c.From, KeyID: c.KeyID, UserID: c.UserID,
		RecordedAt: now, ChangedAt: now, Told: string(state),
	}
	if !c.Until.IsZero() {
		row.UntilAt = &c.Until
	}
	err = s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := lockPerson(tx, c.Person, faces.AnyVersion); err != nil {
			return err
		}
		if err := tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error; err != nil {
			return err
		}
		if err := addPersonEvent(tx, faces.PersonConsent, c.Person, 0, now); err != nil {
			return err
		}
		return s.auditIDs(tx, access.ConsentRecorded, "person", c.Person)
	})
	return c, state, wrap(err, fmt.Sprintf("record the consent of person %d", c.Person))
}

// WithdrawConsent ends the consent of a person now. The record stays, or the person
// would be matched as one of whom there is none.
func (s *Store) WithdrawConsent(ctx context.Context, person int64) (c faces.Consent, err error) {
	err = s.tx(ctx, func(tx *gorm.DB) error {
		if _, err := lockPerson(tx, person, faces.AnyVersion); err != nil {
			return err
		}
		row, err := findConsent(tx, person)
		if err != nil {
			return err
		}
		now := s.now()
		if row.PersonID == 0 {
			return faces.Errorf(faces.CodeMissing, "no consent of person %d is recorded, so there is none to withdraw; record one first, "+
				"or delete their known pictures, so that they are not recognized", person)
		}
		if row.WithdrawnAt != nil {
			c = row.consent()
			return nil
		}
		row.WithdrawnAt, row.ChangedAt, row.Told, row.Swept = &now, now, string(faces.ConsentWithdrawn), false
		c = row.consent()
		if err := tx.Save(&row).Error; err != nil {
			return err
		}
		if err := addPersonEvent(tx, faces.PersonConsent, person, 0, now); err != nil {
			return err
		}
		return s.auditIDs(tx, access.ConsentWithdrawn, "person", person)
	})
	return c, wrap(err, fmt.Sprintf("withdraw the consent of person %d", person))
}

// PersonConsent is a consent with its person.
type PersonConsent struct {
	faces.Consent
	Name  string
	State faces.ConsentState
}

// Consents returns consents by the id of their person, with ids above after. A
// positive within leaves out those that do not lapse within this time from now.
func (s *Store) Consents(ctx context.Context, within time.Duration, after int64, limit int) ([]PersonConsent, error) {
	type named struct {
		ConsentRow consentRow `gorm:"embedded"`
		Name       string
	}
	var rows []named
	now := s.now()
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		q := tx.Table("consents").Select("consents.*, person.name").Joins("JOIN person ON person.id = consents.person_id").
			Where("consents.person_id > ?", after)
		if within > 0 {
			q = q.Where("consents.withdrawn_at IS NULL AND consents.until_at > ? AND consents.until_at <= ?", now, now.Add(within))
		}
		return withLimit(q, limit).Order("consents.person_id").Find(&rows).Error
	})
	list := make([]PersonConsent, len(rows))
	for i, r := range rows {
		c := r.ConsentRow.consent()
		list[i] = PersonConsent{Consent: c, Name: r.Name, State: c.State(now)}
	}
	return list, wrap(err, "list consents")
}

// micro returns a time as columns keep it.
func micro(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Microsecond)
}

// forgetConsents deletes the record of a deleted person, and of all who were merged into
// them.
func forgetConsents(tx *gorm.DB, person int64) error {
	gone, err := goneWith(tx, person)
	if err != nil {
		return err
	}
	return tx.Where("person_id IN ?", gone).Delete(&consentRow{}).Error
}

// mergeConsents makes the one who stays after a merge matched no longer than both were
// to be. The record of the one who goes stays with their id: undoing the merge finds it.
func mergeConsents(tx *gorm.DB, goes, stays int64, now time.Time) error {
	theirs, err := findConsent(tx, goes)
	if err != nil || theirs.PersonID == 0 {
		return err
	}
	own, err := findConsent(tx, stays)
	if err != nil {
		return err
	}
	row := stricter(own, theirs)
	row.PersonID, row.ChangedAt, row.Swept = stays, now, false
	row.Told = string(row.consent().State(now))
	if err := tx.Save(&row).Error; err != nil || row.Told == own.Told {
		return err
	}
	return addPersonEvent(tx, faces.PersonConsent, stays, 0, now)
}

// sweepAgain makes the sweep look at the answers of people again, once re-matches have
// had their time. Undoing a merge gives answers to somebody whose consent may have ended,
// and been swept, before the merge.
func sweepAgain(tx *gorm.DB, people []int64, now time.Time) error {
	return tx.Model(&consentRow{}).Where("person_id IN ?", people).
		UpdateColumns(map[string]any{"swept": false, "changed_at": now}).Error
}

// stricter returns the one of two consents that ends first. A zero row is none.
func stricter(a, b consentRow) consentRow {
	switch {
	case a.PersonID == 0 || a.WithdrawnAt == nil && b.WithdrawnAt != nil:
		return b
	case a.WithdrawnAt != nil || b.UntilAt == nil:
		return a
	case a.UntilAt == nil || b.UntilAt.Before(*a.UntilAt):
		return b
	default:
		return a
	}
}
