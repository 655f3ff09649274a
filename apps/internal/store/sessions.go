package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

type sessionRow struct {
	ID          int64
	TokenSHA256 []byte `gorm:"column:token_sha256"`
	UserID      int64
	Role        string
	Way         string
	Address     string
	Browser     string
	CreatedAt   time.Time
	SeenAt      time.Time
	ExpiresAt   time.Time
	EndsAt      time.Time
}

func (sessionRow) TableName() string { return "sessions" }

func (r sessionRow) session() access.Session {
	x := access.Session{
		ID: r.ID, UserID: r.UserID, Role: access.Role(r.Role), Way: access.Way(r.Way), Address: r.Address, Browser: r.Browser,
		CreatedAt: r.CreatedAt, SeenAt: r.SeenAt, ExpiresAt: r.ExpiresAt, EndsAt: r.EndsAt,
	}
	copy(x.Token[:], r.TokenSHA256)
	return x
}

// sessionOfRow is a session and its user, joined.
type sessionOfRow struct {
	Row         sessionRow `gorm:"embedded"`
	UserName    string
	UserRole    string
	UserCreated time.Time
	UserUpdated time.Time
}

func (r sessionOfRow) session() access.SessionOf {
	return access.SessionOf{Session: r.Row.session(), User: access.User{
		ID: r.Row.UserID, Name: r.UserName, Role: access.Role(r.UserRole), CreatedAt: r.UserCreated, UpdatedAt: r.UserUpdated,
	}}
}

// joinedSessions is a query of the sessions that have not expired, with their users.
func (s *Store) joinedSessions(tx *gorm.DB) *gorm.DB {
	return tx.Table("sessions").
		Select("sessions.*, users.name AS user_name, users.role AS user_role, users.created_at AS user_created, users.updated_at AS user_updated").
		Joins("JOIN users ON users.id = sessions.user_id").Where("sessions.expires_at > ?", s.now())
}

func errNoSession() error { return faces.Errorf(faces.CodeMissing, "there is no such session") }

// Session returns the session with a token, and its user as the user is now.
func (s *Store) Session(ctx context.Context, token access.Hash) (access.SessionOf, error) {
	var rows []sessionOfRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return s.joinedSessions(tx).Where("sessions.token_sha256 = ?", token[:]).Limit(1).Scan(&rows).Error
	})
	if err == nil && len(rows) == 0 {
		err = errNoSession()
	}
	if err != nil {
		return access.SessionOf{}, fmt.Errorf("read a session: %w", err)
	}
	return rows[0].session(), nil
}

// Sessions returns sessions with their users, the one that was used last first:
// those of a user, or all if userID is 0.
func (s *Store) Sessions(ctx context.Context, userID int64, limit int) ([]access.SessionOf, error) {
	var rows []sessionOfRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		q := s.joinedSessions(tx)
		if userID != 0 {
			q = q.Where("sessions.user_id = ?", userID)
		}
		return q.Order("sessions.seen_at DESC, sessions.id DESC").Limit(limit).Scan(&rows).Error
	})
	list := make([]access.SessionOf, len(rows))
	for i, r := range rows {
		list[i] = r.session()
	}
	return list, wrap(err, "list the sessions")
}

// AddSession stores a new session.
func (s *Store) AddSession(ctx context.Context, x access.Session) error {
	return wrap(s.tx(ctx, func(tx *gorm.DB) error {
		if err := lockUser(tx, x.UserID); err != nil {
			return err
		}
		return tx.Create(&sessionRow{
			TokenSHA256: x.Token[:], UserID: x.UserID, Role: string(x.Role), Way: string(x.Way), Address: x.Address, Browser: x.Browser,
			CreatedAt: s.now(), SeenAt: s.now(), ExpiresAt: micro(x.ExpiresAt), EndsAt: micro(x.EndsAt),
		}).Error
	}), "store a session")
}

// ChangeSession notes that the session with the token old is used, and gives it the
// token, role and times of x. A session that was revoked meanwhile stays so: then it
// is an error with faces.CodeMissing.
func (s *Store) ChangeSession(ctx context.Context, old access.Hash, x access.Session) error {
	return wrap(s.retry(ctx, func(tx *gorm.DB) error {
		done := tx.Model(&sessionRow{}).Where("token_sha256 = ?", old[:]).UpdateColumns(map[string]any{
			"token_sha256": x.Token[:], "role": string(x.Role), "seen_at": s.now(), "expires_at": micro(x.ExpiresAt), "ends_at": micro(x.EndsAt),
		})
		if done.Error == nil && done.RowsAffected == 0 {
			return errNoSession()
		}
		return done.Error
	}), "store a session")
}

// DeleteSession ends the session with a token, if there is one.
func (s *Store) DeleteSession(ctx context.Context, token access.Hash) error {
	return wrap(s.retry(ctx, func(tx *gorm.DB) error {
		return tx.Where("token_sha256 = ?", token[:]).Delete(&sessionRow{}).Error
	}), "end a session")
}

// RevokeSession ends a session of a user, or of anybody if userID is 0.
func (s *Store) RevokeSession(ctx context.Context, id, userID int64) error {
	return wrap(s.tx(ctx, func(tx *gorm.DB) error {
		q := tx.Where("id = ?", id)
		if userID != 0 {
			q = q.Where("user_id = ?", userID)
		}
		done := q.Delete(&sessionRow{})
		if done.Error != nil {
			return done.Error
		}
		if done.RowsAffected == 0 {
			return errNoSession()
		}
		return s.auditIDs(tx, access.SessionRevoked, "session", id)
	}), "revoke a session")
}

// RevokeOtherSessions ends all sessions of a user but the one with a token.
func (s *Store) RevokeOtherSessions(ctx context.Context, userID int64, keep access.Hash) error {
	return wrap(s.tx(ctx, func(tx *gorm.DB) error {
		var ids []int64
		others := func() *gorm.DB {
			return tx.Model(&sessionRow{}).Where("user_id = ? AND token_sha256 <> ?", userID, keep[:])
		}
		if err := others().Order("id").Pluck("id", &ids).Error; err != nil {
			return err
		}
		if err := others().Delete(&sessionRow{}).Error; err != nil {
			return err
		}
		return s.auditIDs(tx, access.SessionRevoked, "session", ids...)
	}), "revoke sessions")
}

// SweepSignIn deletes sessions and one-time codes that have expired.
func (s *Store) SweepSignIn(ctx context.Context) error {
	return wrap(s.retry(ctx, func(tx *gorm.DB) error {
		if err := tx.Where("expires_at <= ?", s.now()).Delete(&sessionRow{}).Error; err != nil {
			return err
		}
		return tx.Where("expires_at <= ?", s.now()).Delete(&codeRow{}).Error
	}), "delete expired sessions")
}
