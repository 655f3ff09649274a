// Package signin knows who is signed in to the dashboard: passwords, one-time codes,
// sessions, an OpenID provider, and how often somebody may try. It has no pages.
//
//	s, err := signin.New(db, users, signin.Options{Lifetime: 7 * 24 * time.Hour})
//	who, err := s.Password(ctx, "ada", "correct horse battery staple", address)
//	cookie, err := s.Begin(ctx, who, access.ByPassword, browser)
//
// Users and their roles are the receiver's: they are changed by its API only. How a
// user signs in is this package's.
package signin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Store is the part of the database that is about signing in.
type Store interface {
	User(ctx context.Context, name string) (access.User, error)
	Password(ctx context.Context, name string) (access.User, string, error)
	SetPassword(ctx context.Context, userID int64, hash string) error
	RehashPassword(ctx context.Context, userID int64, old, hash string) error
	Identity(ctx context.Context, identity access.Hash) (access.User, error)
	LinkIdentity(ctx context.Context, userID int64, identity access.Hash) error
	CanSignIn(ctx context.Context) (admin, anybody bool, err error)
	Accounts(ctx context.Context, limit int) ([]access.Account, error)
	AddCode(ctx context.Context, c access.Code) error
	CodeUser(ctx context.Context, kind access.CodeKind, code access.Hash) (access.User, error)
	UseCode(ctx context.Context, kind access.CodeKind, code access.Hash, userID int64, hash string) error
	Session(ctx context.Context, token access.Hash) (access.SessionOf, error)
	Sessions(ctx context.Context, userID int64, limit int) ([]access.SessionOf, error)
	AddSession(ctx context.Context, x access.Session) error
	ChangeSession(ctx context.Context, old access.Hash, x access.Session) error
	DeleteSession(ctx context.Context, token access.Hash) error
	RevokeSession(ctx context.Context, id, userID int64) error
	RevokeOtherSessions(ctx context.Context, userID int64, keep access.Hash) error
	SweepSignIn(ctx context.Context) error
}

// Users changes users and their roles, by the receiver's API.
type Users interface {
	// SetRole adds a user, or changes the role of one, on behalf of the dashboard.
	SetRole(ctx context.Context, name string, role access.Role) (access.User, error)
}

// Options configures a Service.
type Options struct {
	Log      *slog.Logger          // nil discards the logs
	Registry prometheus.Registerer // nil for none
	BasePath string                // of the dashboard; it makes the cookies' names its own
	Secure   bool                  // cookies are sent over https only
	Idle     time.Duration         // a session that is not used for this time ends; 0 means 8 h
	Lifetime time.Duration         // a session ends after this time; 0 means 7 days
	Provider ProviderOptions       // the zero value means none
	Limits   Limits                // the zero value means the defaults
	Now      func() time.Time      // nil means time.Now
}

// Service signs users in and out. It is safe for concurrent use.
type Service struct {
	store     Store
	users     Users
	opts      Options
	log       *slog.Logger
	passwords *passwords
	attempts  *attempts
	sessions  *sessions
	provider  *provider // nil without one
	signIns   *prometheus.CounterVec
}

// New returns a Service.
func New(s Store, users Users, opts Options) (*Service, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Idle == 0 {
		opts.Idle = 8 * time.Hour
	}
	if opts.Lifetime == 0 {
		opts.Lifetime = 7 * 24 * time.Hour
	}
	v := &Service{
		store: s, users: users, opts: opts, log: opts.Log, passwords: newPasswords(), attempts: newAttempts(opts.Limits, opts.Now),
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_sign_ins_total", Help: "Attempts to sign in to the dashboard, by way and result.",
		}, []string{"way", "result"}),
	}
	v.sessions = newSessions(s, opts)
	if opts.Provider.Issuer != "" {
		v.provider = newProvider(opts.Provider, opts.Now)
	}
	if opts.Registry != nil {
		if err := opts.Registry.Register(v.signIns); err != nil {
			return nil, fmt.Errorf("register the metrics of sign-in: %w", err)
		}
	}
	return v, nil
}

// Why somebody is not let in. What they say is the same for a user who does not exist.
var (
	// ErrWrong is a wrong name or password.
	ErrWrong = errors.New("user name or password is wrong")
	// ErrCode is a one-time code that does not work.
	ErrCode = errors.New("the code is wrong, was used already, or has expired")
	// ErrBusy is that too many sign in at this moment.
	ErrBusy = errors.New("too many people are signing in at this moment; try again in a few seconds")
)

// Password returns the user with a name and a password. A wrong one is ErrWrong; a
// *WaitError means that there were too many tries. from is the client's address.
func (v *Service) Password(ctx context.Context, name, password, from string) (access.User, error) {
	u, err := v.password(ctx, name, password, from)
	v.count(access.ByPassword, err)
	switch {
	case err == nil:
		v.log.InfoContext(ctx, "signed in", "user", u.ID, "way", access.ByPassword, "from", from)
	case errors.Is(err, ErrWrong), errors.As(err, new(*WaitError)):
		v.log.WarnContext(ctx, "a sign-in was refused", "way", access.ByPassword, "from", from, "error", err)
	}
	return u, err
}

func (v *Service) password(ctx context.Context, name, password, from string) (access.User, error) {
	giveBack, err := v.attempts.take(name, from)
	if err != nil {
		return access.User{}, err
	}
	u, hash, err := v.store.Password(ctx, name)
	if err != nil && faces.ErrorCode(err) != faces.CodeMissing {
		giveBack()
		return access.User{}, err
	}
	ok, weak, err := v.passwords.check(ctx, hash, password)
	switch {
	case err != nil:
		giveBack()
		return access.User{}, err
	case !ok:
		return access.User{}, ErrWrong
	}
	giveBack()
	if weak {
		v.strengthen(ctx, u.ID, hash, password)
	}
	return u, nil
}

// strengthen stores a hash with the parameters of today. It is not worth a failure.
func (v *Service) strengthen(ctx context.Context, userID int64, old, password string) {
	hash, err := v.passwords.hash(ctx, password)
	if err == nil {
		err = v.store.RehashPassword(ctx, userID, old, hash)
	}
	if err != nil {
		v.log.WarnContext(ctx, "a password keeps its old hash", "user", userID, "error", err)
	}
}

func (v *Service) count(way access.Way, err error) {
	result := "ok"
	switch {
	case errors.As(err, new(*WaitError)):
		result = "throttled"
	case errors.Is(err, ErrBusy):
		result = "busy"
	case faces.ErrorCode(err) == faces.CodeUnavailable:
		result = "unavailable"
	case err != nil:
		result = "refused"
	}
	v.signIns.WithLabelValues(string(way), result).Inc()
}

// ChangePassword gives a user who knows the old password a new one. All sessions of
// the user end.
func (v *Service) ChangePassword(ctx context.Context, u access.User, old, password, from string) error {
	if _, err := v.password(ctx, u.Name, old, from); err != nil {
		return err
	}
	hash, err := v.newPassword(ctx, u.Name, password)
	if err != nil {
		return err
	}
	return v.store.SetPassword(ctx, u.ID, hash)
}

func (v *Service) newPassword(ctx context.Context, name, password string) (string, error) {
	if err := CheckPassword(name, password); err != nil {
		return "", err
	}
	return v.passwords.hash(ctx, password)
}

// Invite makes a one-time code by which a user can choose a password, also instead
// of one that was forgotten. It returns the code and until when it works.
func (v *Service) Invite(ctx context.Context, userID int64) (code string, until time.Time, err error) {
	c, text := access.NewCode(access.Invite, userID, v.opts.Now())
	return text, c.ExpiresAt, v.store.AddCode(ctx, c)
}

// by returns a context whose changes are those of a user.
func by(ctx context.Context, u access.User) context.Context {
	actor, _ := access.ActorOf(ctx)
	actor.UserID = u.ID
	return access.WithActor(ctx, actor)
}

// Accept uses up an invitation: its user gets a password. It returns the user.
func (v *Service) Accept(ctx context.Context, code, password, from string) (access.User, error) {
	giveBack, err := v.attempts.take("", from)
	if err != nil {
		return access.User{}, err
	}
	sum := access.CodeHash(code)
	u, err := v.store.CodeUser(ctx, access.Invite, sum)
	if err != nil {
		return access.User{}, notThisCode(err)
	}
	giveBack()
	hash, err := v.newPassword(ctx, u.Name, password)
	if err != nil {
		return access.User{}, err
	}
	if err := v.store.UseCode(by(ctx, u), access.Invite, sum, u.ID, hash); err != nil {
		return access.User{}, notThisCode(err)
	}
	v.log.InfoContext(ctx, "an invitation was used", "user", u.ID, "from", from)
	return u, nil
}

func notThisCode(err error) error {
	if faces.ErrorCode(err) == faces.CodeMissing {
		return ErrCode
	}
	return err
}

// CanSignIn reports whether an admin can sign in, and whether anybody can.
func (v *Service) CanSignIn(ctx context.Context) (admin, anybody bool, err error) {
	return v.store.CanSignIn(ctx)
}

// FirstAdminCode makes a one-time code for the first admin, or returns "" if an admin
// can sign in already.
func (v *Service) FirstAdminCode(ctx context.Context) (code string, until time.Time, err error) {
	if admin, _, err := v.store.CanSignIn(ctx); err != nil || admin {
		return "", time.Time{}, err
	}
	c, text := access.NewCode(access.FirstAdmin, 0, v.opts.Now())
	return text, c.ExpiresAt, v.store.AddCode(ctx, c)
}

// BecomeFirstAdmin makes the first admin: somebody who has the code.
func (v *Service) BecomeFirstAdmin(ctx context.Context, code, name, password, from string) (access.User, error) {
	giveBack, err := v.attempts.take("", from)
	if err != nil {
		return access.User{}, err
	}
	sum := access.CodeHash(code)
	if _, err := v.store.CodeUser(ctx, access.FirstAdmin, sum); err != nil {
		return access.User{}, notThisCode(err)
	}
	giveBack()
	if err := access.CheckUserName(name); err != nil {
		return access.User{}, err
	}
	hash, err := v.newPassword(ctx, name, password)
	if err != nil {
		return access.User{}, err
	}
	u, err := v.users.SetRole(ctx, name, access.AdminRole)
	if err != nil {
		return access.User{}, err
	}
	if err := v.store.UseCode(by(ctx, u), access.FirstAdmin, sum, u.ID, hash); err != nil {
		return access.User{}, notThisCode(err)
	}
	v.log.InfoContext(ctx, "the first admin can sign in", "user", u.ID, "from", from)
	return u, nil
}

// Accounts returns the users with what they can sign in with.
func (v *Service) Accounts(ctx context.Context) ([]access.Account, error) {
	return v.store.Accounts(ctx, 1000)
}

// User returns the user with a name.
func (v *Service) User(ctx context.Context, name string) (access.User, error) {
	return v.store.User(ctx, name)
}

// Sweep deletes what has expired.
func (v *Service) Sweep(ctx context.Context) error { return v.store.SweepSignIn(ctx) }
