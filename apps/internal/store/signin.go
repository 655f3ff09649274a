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

type passwordRow struct {
	UserID    int64 `gorm:"primaryKey;autoIncrement:false"`
	Hash      string
	UpdatedAt time.Time
}

func (passwordRow) TableName() string { return "user_passwords" }

type identityRow struct {
	IdentitySHA256 []byte `gorm:"column:identity_sha256;primaryKey"`
	UserID         int64
	CreatedAt      time.Time
}

func (identityRow) TableName() string { return "user_identities" }

type codeRow struct {
	CodeSHA256 []byte `gorm:"column:code_sha256;primaryKey"`
	Kind       string
	UserID     int64
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

func (codeRow) TableName() string { return "sign_in_codes" }

// Password returns a user and the hash of the user's password, which is "" if the
// user has none.
func (s *Store) Password(ctx context.Context, name string) (u access.User, hash string, err error) {
	err = s.read(ctx, func(tx *gorm.DB) error {
		row, err := userByName(tx, name)
		if err != nil {
			return err
		}
		var list []passwordRow
		err = tx.Where("user_id = ?", row.ID).Limit(1).Find(&list).Error
		u, hash = row.user(), ""
		if len(list) > 0 {
			hash = list[0].Hash
		}
		return err
	})
	if err != nil {
		return access.User{}, "", fmt.Errorf("read a password: %w", err)
	}
	return u, hash, nil
}

// SetPassword stores the hash of a user's password, and ends the user's sessions: who
// has the old password has no way in.
func (s *Store) SetPassword(ctx context.Context, userID int64, hash string) error {
	return wrap(s.tx(ctx, func(tx *gorm.DB) error {
		if err := lockUser(tx, userID); err != nil {
			return err
		}
		return s.setPassword(tx, userID, hash)
	}), "store a password")
}

// RehashPassword stores a stronger hash of the same password. It does nothing if the
// password has changed meanwhile.
func (s *Store) RehashPassword(ctx context.Context, userID int64, old, hash string) error {
	return wrap(s.retry(ctx, func(tx *gorm.DB) error {
		return tx.Model(&passwordRow{}).Where("user_id = ? AND hash = ?", userID, old).UpdateColumn("hash", hash).Error
	}), "store a password's hash")
}

func (s *Store) setPassword(tx *gorm.DB, userID int64, hash string) error {
	err := tx.Clauses(clause.OnConflict{
		Columns: []clause.Column{{Name: "user_id"}}, DoUpdates: clause.AssignmentColumns([]string{"hash", "updated_at"}),
	}).Create(&passwordRow{UserID: userID, Hash: hash, UpdatedAt: s.now()}).Error
	if err != nil {
		return err
	}
	if err := tx.Where("user_id = ?", userID).Delete(&sessionRow{}).Error; err != nil {
		return err
	}
	return s.auditIDs(tx, access.PasswordSet, "user", userID)
}

// lockUser locks the row of a user, so that nobody deletes the user meanwhile.
func lockUser(tx *gorm.DB, id int64) error {
	_, err := oneNamed[userRow](tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Where("id = ?", id),
		faces.Errorf(faces.CodeMissing, "there is no user %d any more", id))
	if err == nil {
		err = holdRows(tx, "users", "updated_at", "INTERVAL 1 SECOND", "id = ?", id)
	}
	return err
}

// Identity returns the user to whom an identity of an OpenID provider is linked.
func (s *Store) Identity(ctx context.Context, identity access.Hash) (access.User, error) {
	var row userRow
	err := s.read(ctx, func(tx *gorm.DB) (err error) {
		row, err = oneNamed[userRow](tx.Where("id = (?)", tx.Model(&identityRow{}).Select("user_id").Where("identity_sha256 = ?", identity[:])),
			faces.Errorf(faces.CodeMissing, "no user has this identity"))
		return err
	})
	if err != nil {
		return access.User{}, fmt.Errorf("read an identity: %w", err)
	}
	return row.user(), nil
}

// LinkIdentity links an identity of an OpenID provider to a user who cannot sign in
// yet. A user who can is never taken over by a name that a provider says: then it is
// an error with faces.CodeConflict.
func (s *Store) LinkIdentity(ctx context.Context, userID int64, identity access.Hash) error {
	return wrap(s.tx(ctx, func(tx *gorm.DB) error {
		if err := lockUser(tx, userID); err != nil {
			return err
		}
		var owners []int64
		if err := tx.Model(&identityRow{}).Where("identity_sha256 = ?", identity[:]).Pluck("user_id", &owners).Error; err != nil {
			return err
		}
		if len(owners) > 0 && owners[0] == userID {
			return nil // another request of the same sign-in
		}
		var ways int64
		err := tx.Raw("SELECT (SELECT COUNT(*) FROM user_passwords WHERE user_id = ?) + (SELECT COUNT(*) FROM user_identities WHERE user_id = ?)",
			userID, userID).Scan(&ways).Error
		if err != nil {
			return err
		}
		if ways > 0 || len(owners) > 0 {
			return faces.Errorf(faces.CodeConflict, "the user has another way to sign in, or the identity is another user's")
		}
		err = tx.Create(&identityRow{IdentitySHA256: identity[:], UserID: userID, CreatedAt: s.now()}).Error
		if err != nil {
			return err
		}
		return s.auditIDs(tx, access.IdentityLinked, "user", userID)
	}), "link an identity")
}

// CanSignIn reports whether an admin can sign in, and whether anybody can.
func (s *Store) CanSignIn(ctx context.Context) (admin, anybody bool, err error) {
	var n struct{ Admins, All int64 }
	err = s.read(ctx, func(tx *gorm.DB) error {
		return tx.Raw("SELECT COALESCE(SUM(CASE WHEN role = ? THEN 1 ELSE 0 END), 0) AS admins, COUNT(*) AS `all` FROM users "+
			"WHERE id IN (SELECT user_id FROM user_passwords) OR id IN (SELECT user_id FROM user_identities)", string(access.AdminRole)).Scan(&n).Error
	})
	return n.Admins > 0, n.All > 0, wrap(err, "look for an admin")
}

// Accounts returns users with what they can sign in with, by name.
func (s *Store) Accounts(ctx context.Context, limit int) ([]access.Account, error) {
	var rows []struct {
		User                        userRow `gorm:"embedded"`
		Password, Provider, Invited int64
	}
	err := s.read(ctx, func(tx *gorm.DB) error {
		rows = nil
		return tx.Raw(`SELECT users.*,
			(SELECT COUNT(*) FROM user_passwords WHERE user_id = users.id) AS password,
			(SELECT COUNT(*) FROM user_identities WHERE user_id = users.id) AS provider,
			(SELECT COUNT(*) FROM sign_in_codes WHERE user_id = users.id AND expires_at > ?) AS invited
			FROM users ORDER BY name LIMIT ?`, s.now(), limit).Scan(&rows).Error
	})
	list := make([]access.Account, len(rows))
	for i, r := range rows {
		list[i] = access.Account{User: r.User.user(), Password: r.Password > 0, Provider: r.Provider > 0, Invited: r.Invited > 0}
	}
	return list, wrap(err, "list the accounts")
}

// mostCodes is how many codes for the first admin are kept: each start of a dashboard
// makes one.
const mostCodes = 20

// AddCode stores a one-time code. A new invitation takes the place of an older one of
// the same user.
func (s *Store) AddCode(ctx context.Context, c access.Code) error {
	return wrap(s.tx(ctx, func(tx *gorm.DB) error {
		old := tx.Where("expires_at <= ?", s.now())
		if c.Kind == access.Invite {
			if err := lockUser(tx, c.UserID); err != nil {
				return err
			}
			old = tx.Where("expires_at <= ? OR user_id = ?", s.now(), c.UserID)
		}
		if err := old.Delete(&codeRow{}).Error; err != nil {
			return err
		}
		var same int64
		err := tx.Model(&codeRow{}).Where("kind = ? AND user_id = 0", string(access.FirstAdmin)).Count(&same).Error
		if err != nil {
			return err
		}
		if same >= mostCodes {
			if err := tx.Where("kind = ?", string(access.FirstAdmin)).Delete(&codeRow{}).Error; err != nil {
				return err
			}
		}
		err = tx.Create(&codeRow{CodeSHA256: c.Hash[:], Kind: string(c.Kind), UserID: c.UserID, CreatedAt: s.now(), ExpiresAt: c.ExpiresAt.UTC().Truncate(time.Microsecond)}).Error
		if err != nil || c.Kind != access.Invite {
			return err
		}
		return s.auditIDs(tx, access.UserInvited, "user", c.UserID)
	}), "store a one-time code")
}

var errNoCode = faces.Errorf(faces.CodeMissing, "the code was used already, has expired, or never was")

// CodeUser returns the user of a one-time code that can be used. The user of a code
// for the first admin is empty.
func (s *Store) CodeUser(ctx context.Context, kind access.CodeKind, code access.Hash) (access.User, error) {
	var u userRow
	err := s.read(ctx, func(tx *gorm.DB) error {
		c, err := s.code(tx, kind, code)
		if err != nil || c.UserID == 0 {
			return err
		}
		u, err = oneNamed[userRow](tx.Where("id = ?", c.UserID), errNoCode)
		return err
	})
	if err != nil {
		return access.User{}, fmt.Errorf("read a one-time code: %w", err)
	}
	return u.user(), nil
}

func (s *Store) code(tx *gorm.DB, kind access.CodeKind, code access.Hash) (codeRow, error) {
	return oneNamed[codeRow](tx.Where("code_sha256 = ? AND kind = ? AND expires_at > ?", code[:], string(kind), s.now()), errNoCode)
}

// UseCode uses up a one-time code and stores the hash of the password that its user
// chose. userID is who becomes the first admin; an invitation has its own.
func (s *Store) UseCode(ctx context.Context, kind access.CodeKind, code access.Hash, userID int64, hash string) error {
	return wrap(s.tx(ctx, func(tx *gorm.DB) error {
		c, err := s.code(tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}), kind, code)
		if err != nil {
			return err
		}
		if kind == access.Invite {
			userID = c.UserID
		}
		if err := lockUser(tx, userID); err != nil {
			return err
		}
		done := tx.Where("kind = ? AND (user_id = ? OR user_id = 0)", string(kind), userID).Delete(&codeRow{})
		if done.Error != nil {
			return done.Error
		}
		if done.RowsAffected == 0 {
			return errNoCode // somebody was faster
		}
		return s.setPassword(tx, userID, hash)
	}), "use a one-time code")
}

// forgetSignIn deletes everything by which a user signs in.
func forgetSignIn(tx *gorm.DB, userID int64) error {
	for _, row := range []any{&sessionRow{}, &passwordRow{}, &identityRow{}, &codeRow{}} {
		if err := tx.Where("user_id = ?", userID).Delete(row).Error; err != nil {
			return err
		}
	}
	return nil
}
