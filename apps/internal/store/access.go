package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

type keyRow struct {
	ID           int64
	PublicID     string
	Name         string
	SecretSHA256 []byte `gorm:"column:secret_sha256"`
	Scopes       string // separated by commas
	Rate         *float64
	Burst        int
	MaxBody      int64
	CreatedAt    time.Time
	ExpiresAt    *time.Time
	RevokedAt    *time.Time
	LastUsedAt   *time.Time
}

func (keyRow) TableName() string { return "api_keys" }

func (r keyRow) key() access.Key {
	k := access.Key{
		Number: r.ID, ID: r.PublicID, Name: r.Name, Limits: access.Limits{Rate: r.Rate, Burst: r.Burst, MaxBody: r.MaxBody},
		CreatedAt: r.CreatedAt, ExpiresAt: timeOrZero(r.ExpiresAt), RevokedAt: timeOrZero(r.RevokedAt), LastUsedAt: timeOrZero(r.LastUsedAt),
	}
	copy(k.Hash[:], r.SecretSHA256)
	for name := range strings.SplitSeq(r.Scopes, ",") { // a newer program may know more scopes
		k.Scopes |= access.ScopesOf(access.Scope(name))
	}
	return k
}

func timeOrZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Microsecond)
	return &t
}

type userRow struct {
	ID        int64
	Name      string
	Role      string
	CreatedAt time.Time
	UpdatedAt time.Time
}

func (userRow) TableName() string { return "users" }

func (r userRow) user() access.User {
	return access.User{ID: r.ID, Name: r.Name, Role: access.Role(r.Role), CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt}
}

// Directory returns all API keys and users.
func (s *Store) Directory(ctx context.Context) (access.Directory, error) {
	var keys []keyRow
	var users []userRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		keys, users = nil, nil
		if err := tx.Order("id").Find(&keys).Error; err != nil {
			return err
		}
		return tx.Order("id").Find(&users).Error
	})
	if err != nil {
		if old := s.CheckSchema(ctx); old != nil {
			err = old // it says what to do about a missing table
		}
		return access.Directory{}, fmt.Errorf("read the API keys: %w", err)
	}
	var d access.Directory
	for _, r := range keys {
		d.Keys = append(d.Keys, r.key())
	}
	for _, r := range users {
		d.Users = append(d.Users, r.user())
	}
	return d, nil
}

// NextKeyExpiry returns when the next key expires, of those that were used since a time
// and made for at least madeFor. It is zero if there is none.
func (s *Store) NextKeyExpiry(ctx context.Context, usedSince time.Time, madeFor time.Duration) (next time.Time, err error) {
	var rows []keyRow
	err = s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Select("id", "created_at", "expires_at").Where("revoked_at IS NULL AND expires_at > ? AND last_used_at >= ?", s.now(), usedSince.UTC()).
			Order("expires_at").Find(&rows).Error
	})
	for _, r := range rows {
		if r.ExpiresAt.Sub(r.CreatedAt) >= madeFor {
			return *r.ExpiresAt, nil
		}
	}
	return time.Time{}, wrap(err, "find the key that expires next")
}

// AddKey stores a new API key and returns it with its number.
func (s *Store) AddKey(ctx context.Context, k access.Key) (access.Key, error) {
	row := keyRow{
		PublicID: k.ID, Name: k.Name, SecretSHA256: k.Hash[:], Scopes: k.Scopes.String(),
		Rate: k.Limits.Rate, Burst: k.Limits.Burst, MaxBody: k.Limits.MaxBody, CreatedAt: s.now(), ExpiresAt: timeOrNull(k.ExpiresAt),
	}
	err := s.tx(ctx, func(tx *gorm.DB) error {
		row.ID = 0
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		return s.audit(tx, access.KeyCreated, "key", k.ID)
	})
	if err != nil {
		return access.Key{}, fmt.Errorf("store API key %s: %w", k.ID, err)
	}
	return row.key(), nil
}

// Keys returns API keys with numbers below before, newest first. A before of 0
// means from the newest.
func (s *Store) Keys(ctx context.Context, before int64, limit int) ([]access.Key, error) {
	list, err := newestJobs(ctx, s, before, limit, keyRow.key)
	return list, wrap(err, "list the API keys")
}

// Key returns the API key with a public id.
func (s *Store) Key(ctx context.Context, id string) (access.Key, error) {
	var row keyRow
	err := s.read(ctx, func(tx *gorm.DB) (err error) {
		row, err = keyByID(tx, id)
		return err
	})
	if err != nil {
		return access.Key{}, fmt.Errorf("read an API key: %w", err)
	}
	return row.key(), nil
}

// RevokeKey revokes an API key for ever. Revoking a revoked key changes nothing.
func (s *Store) RevokeKey(ctx context.Context, id string) (access.Key, error) {
	var row keyRow
	err := s.tx(ctx, func(tx *gorm.DB) (err error) {
		row, err = keyByID(tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}), id)
		if err != nil || row.RevokedAt != nil {
			return err
		}
		row.RevokedAt = timeOrNull(s.now())
		if err := tx.Model(&keyRow{}).Where("id = ?", row.ID).UpdateColumn("revoked_at", row.RevokedAt).Error; err != nil {
			return err
		}
		return s.audit(tx, access.KeyRevoked, "key", id)
	})
	if err != nil {
		return access.Key{}, fmt.Errorf("revoke an API key: %w", err)
	}
	return row.key(), nil
}

func keyByID(tx *gorm.DB, id string) (keyRow, error) {
	missing := faces.Errorf(faces.CodeMissing, "there is no API key %.40q", id)
	if !access.IsID(id) {
		return keyRow{}, missing
	}
	return oneNamed[keyRow](tx.Where("public_id = ?", id), missing)
}

// oneNamed returns the row that a query finds, or the error missing.
func oneNamed[row any](q *gorm.DB, missing error) (row, error) {
	var rows []row
	err := q.Limit(1).Find(&rows).Error
	if err == nil && len(rows) == 0 {
		err = missing
	}
	if err != nil {
		var none row
		return none, err
	}
	return rows[0], nil
}

// TouchKeys notes when keys were used last. Keys that are not stored here, because
// a file declares them, are passed over.
func (s *Store) TouchKeys(ctx context.Context, used map[string]time.Time) error {
	err := s.retry(ctx, func(tx *gorm.DB) error {
		for id, at := range used {
			at = at.UTC().Truncate(time.Microsecond)
			err := tx.Model(&keyRow{}).Where("public_id = ? AND (last_used_at IS NULL OR last_used_at < ?)", id, at).
				UpdateColumn("last_used_at", at).Error
			if err != nil {
				return err
			}
		}
		return nil
	})
	return wrap(err, "note the use of API keys")
}

// SetUser adds a user, or changes the role of one.
func (s *Store) SetUser(ctx context.Context, name string, role access.Role) (access.User, error) {
	if err := access.CheckUserName(name); err != nil {
		return access.User{}, err
	}
	var row userRow
	err := s.tx(ctx, func(tx *gorm.DB) (err error) {
		now := s.now()
		err = tx.Clauses(clause.OnConflict{
			Columns: []clause.Column{{Name: "name"}}, DoUpdates: clause.AssignmentColumns([]string{"role", "updated_at"}),
		}).Create(&userRow{Name: name, Role: string(role), CreatedAt: now, UpdatedAt: now}).Error
		if err != nil {
			return err
		}
		if row, err = userByName(tx, name); err != nil {
			return err
		}
		return s.audit(tx, access.UserSet, "user", fmt.Sprint(row.ID))
	})
	if err != nil {
		return access.User{}, fmt.Errorf("store a user: %w", err)
	}
	return row.user(), nil
}

// User returns the user with a name.
func (s *Store) User(ctx context.Context, name string) (access.User, error) {
	var row userRow
	err := s.read(ctx, func(tx *gorm.DB) (err error) {
		row, err = userByName(tx, name)
		return err
	})
	if err != nil {
		return access.User{}, fmt.Errorf("read a user: %w", err)
	}
	return row.user(), nil
}

// Users returns users with ids below before, newest first. A before of 0 means from
// the newest.
func (s *Store) Users(ctx context.Context, before int64, limit int) ([]access.User, error) {
	list, err := newestJobs(ctx, s, before, limit, userRow.user)
	return list, wrap(err, "list the users")
}

// DeleteUser deletes a user and returns what the user was. Nobody gets the id again,
// so the audit log stays clear.
func (s *Store) DeleteUser(ctx context.Context, name string) (access.User, error) {
	var row userRow
	err := s.tx(ctx, func(tx *gorm.DB) (err error) {
		row, err = userByName(tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}), name)
		if err != nil {
			return err
		}
		if err := tx.Where("id = ?", row.ID).Delete(&userRow{}).Error; err != nil {
			return err
		}
		if err := forgetSignIn(tx, row.ID); err != nil {
			return err
		}
		return s.audit(tx, access.UserDeleted, "user", fmt.Sprint(row.ID))
	})
	if err != nil {
		return access.User{}, fmt.Errorf("delete a user: %w", err)
	}
	return row.user(), nil
}

func userByName(tx *gorm.DB, name string) (userRow, error) {
	missing := faces.Errorf(faces.CodeMissing, "there is no user %.150q", name)
	if access.CheckUserName(name) != nil {
		return userRow{}, missing
	}
	return oneNamed[userRow](tx.Where("name = ?", name), missing)
}
