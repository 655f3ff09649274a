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
		CreatedAt: s.now(), KeyID: actor.KeyID, UserID: actor.UserID, RequestID: auditedRequest(actor.RequestID),
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

// AuditFilter selects entries of the audit log. The zero value selects all.
type AuditFilter struct {
	Target       string // a kind of thing
	TargetID     string // with Target, one of its ids
	Since, Until time.Time
	Before       int64 // an id; 0 means from the newest
	Limit        int
}

// Audit returns entries of the audit log with ids below before, newest first. A
// before of 0 means from the newest.
func (s *Store) Audit(ctx context.Context, before int64, limit int) ([]access.Entry, error) {
	return s.AuditOf(ctx, AuditFilter{Before: before, Limit: limit})
}

// AuditOf returns entries of the audit log, newest first.
func (s *Store) AuditOf(ctx context.Context, f AuditFilter) ([]access.Entry, error) {
	var rows []auditRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return withLimit(f.where(tx), f.Limit).Order("id DESC").Find(&rows).Error
	})
	list := make([]access.Entry, len(rows))
	for i, r := range rows {
		list[i] = r.entry()
	}
	return list, wrap(err, "read the audit log")
}

func (f AuditFilter) where(q *gorm.DB) *gorm.DB {
	if f.Before > 0 {
		q = q.Where("id < ?", f.Before)
	}
	if f.Target != "" {
		q = q.Where("target = ?", f.Target)
	}
	if id := f.TargetID; id != "" { // unlike LIKE, INSTR means the same on all databases and has no wildcards
		q = q.Where("(target_ids = ? OR INSTR(target_ids, ?) = 1 OR INSTR(target_ids, ?) > 0 OR SUBSTR(target_ids, ?) = ?)",
			id, id+",", ","+id+",", -len(id)-1, ","+id)
	}
	if !f.Since.IsZero() {
		q = q.Where("created_at >= ?", f.Since.UTC())
	}
	if !f.Until.IsZero() {
		q = q.Where("created_at < ?", f.Until.UTC())
	}
	return q
}

// auditedRequest returns the id of a request as the audit log keeps it. Clients may
// choose ids, also such that have a name in them: those are left out.
func auditedRequest(id string) string {
	const shortest = 16
	if id == requestOfRetention {
		return id
	}
	if len(id) < shortest || strings.Trim(id, "0123456789abcdefABCDEF-") != "" || !strings.ContainsAny(id, "0123456789") {
		return ""
	}
	return id
}

// requestOfRetention is the request id of what the rules of retention delete.
const requestOfRetention = "retention"

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
