package store

import (
	"context"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
)

type auditRow struct {
	ID        int64
	CreatedAt time.Time
	KeyID     string
	UserID    int64
	Action    string
	Target    string
	TargetIDs string `gorm:"column:target_ids"` // separated by commas
	RequestID string
}

func (auditRow) TableName() string { return "audit_log" }

func (r auditRow) entry() access.Entry {
	e := access.Entry{
		ID: r.ID, At: r.CreatedAt, Action: access.Action(r.Action), Target: r.Target,
		Actor: access.Actor{KeyID: r.KeyID, UserID: r.UserID, RequestID: r.RequestID},
	}
	if r.TargetIDs != "" {
		e.TargetIDs = strings.Split(r.TargetIDs, ",")
	}
	return e
}

// audit notes in the audit log what the actor of the transaction's context does, and
// in the context's attempt, if it has one, that it does something. It notes nothing if
// nobody asked for the change.
func (s *Store) audit(tx *gorm.DB, action access.Action, target string, ids ...string) error {
	if err := s.noteAttempt(tx); err != nil {
		return err
	}
	actor, ok := access.ActorOf(tx.Statement.Context)
	if !ok {
		return nil
	}
	return tx.Create(&auditRow{
		CreatedAt: s.now(), KeyID: actor.KeyID, UserID: actor.UserID, RequestID: actor.RequestID,
		Action: string(action), Target: target, TargetIDs: strings.Join(ids, ","),
	}).Error
}

// auditIDs is audit for things with numbers. It notes nothing about none of them.
func (s *Store) auditIDs(tx *gorm.DB, action access.Action, target string, ids ...int64) error {
	if len(ids) == 0 {
		return nil
	}
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.FormatInt(id, 10)
	}
	return s.audit(tx, action, target, texts...)
}

// Audit returns entries of the audit log with ids below before, newest first. A
// before of 0 means from the newest.
func (s *Store) Audit(ctx context.Context, before int64, limit int) ([]access.Entry, error) {
	list, err := newestJobs(ctx, s, before, limit, auditRow.entry)
	return list, wrap(err, "read the audit log")
}

// KeepsOpenIngest reports whether the database was in use before there were API
// keys, so that the original's two routes needed none.
func (s *Store) KeepsOpenIngest(ctx context.Context) (bool, error) {
	var values []string
	err := s.read(ctx, func(tx *gorm.DB) error {
		values = nil
		return tx.Table("settings").Where("name = ?", "open_ingest").Pluck("value", &values).Error
	})
	return len(values) > 0, wrap(err, "read a setting")
}
