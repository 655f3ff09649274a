package receiver

import (
	"context"
	"errors"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// keyNote is how often the last use of keys is stored.
	keyNote = time.Minute
	// keyRetry is the pause between two looks for a key while the database cannot be
	// reached.
	keyRetry = 2 * time.Second
	// keyWait limits how long the start waits for the database.
	keyWait = 5 * time.Second
)

// errNoKey is why a receiver refuses to start. The command is that of standalone,
// too.
var errNoKey = errors.New("other machines can reach the REST API, and there is no API key that it would accept. Do one of these:\n" +
	"  - declare keys in a file, such as a mounted Secret, and name it in ROLLCALL_KEYS_FILE\n" +
	"  - make a key in the database: receiver keys create -name NAME -scopes admin (standalone has this command, too)\n" +
	"  - set ROLLCALL_OPEN_API=true, if everybody who can reach it may do everything without a key")

// AccessStore is the part of the database that has keys, users and the audit log.
type AccessStore interface {
	access.Source
	AddKey(ctx context.Context, k access.Key) (access.Key, error)
	Keys(ctx context.Context, before int64, limit int) ([]access.Key, error)
	Key(ctx context.Context, id string) (access.Key, error)
	RevokeKey(ctx context.Context, id string) (access.Key, error)
	SetUser(ctx context.Context, name string, role access.Role) (access.User, error)
	User(ctx context.Context, name string) (access.User, error)
	Users(ctx context.Context, before int64, limit int) ([]access.User, error)
	DeleteUser(ctx context.Context, name string) (access.User, error)
	AuditOf(ctx context.Context, f store.AuditFilter) ([]access.Entry, error)
	KeepsOpenIngest(ctx context.Context) (bool, error)
}

// IsOpen reports whether requests without a key may do everything.
func (o Options) IsOpen() bool {
	switch o.OpenAPI {
	case "true":
		return true
	case "false":
		return false
	default:
		return o.KeysFile == "" && config.IsLoopback(o.Address)
	}
}

// KeysPart returns the part of a program that refuses to start without a usable key
// and stores when keys were used.
func (s *Server) KeysPart() lifecycle.Part {
	w := &keyWatch{server: s, done: make(chan struct{})}
	return lifecycle.Part{Name: "API keys", Start: w.start, Stop: w.stop}
}

// keyWatch is a running KeysPart.
type keyWatch struct {
	server *Server
	cancel context.CancelFunc // nil if it did not start
	done   chan struct{}
}

func (w *keyWatch) start(ctx context.Context, fail func(error)) error {
	limited, release := context.WithTimeout(ctx, keyWait)
	defer release()
	err := w.server.CheckKeys(limited)
	if err != nil && !isUnavailable(err) {
		return err
	}
	ctx, w.cancel = context.WithCancel(context.WithoutCancel(ctx)) // it ends by stop
	go func() {
		defer close(w.done)
		w.server.watchKeys(ctx, err != nil, fail)
	}()
	return nil
}

func (w *keyWatch) stop(ctx context.Context) error {
	if w.cancel == nil {
		return nil
	}
	w.cancel()
	<-w.done
	w.server.noteUse(ctx)
	return nil
}

func isUnavailable(err error) bool {
	return faces.ErrorCode(err) == faces.CodeUnavailable || errors.Is(err, context.DeadlineExceeded)
}

// watchKeys stores from time to time when keys were used. If the database could not
// be asked for keys at the start, it first asks until it can.
func (s *Server) watchKeys(ctx context.Context, unchecked bool, fail func(error)) {
	for {
		pause := keyNote
		if unchecked {
			pause = keyRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		if unchecked {
			err := s.CheckKeys(ctx)
			unchecked = err != nil && isUnavailable(err)
			if err != nil && !unchecked && ctx.Err() == nil {
				fail(err)
			}
			continue
		}
		s.noteUse(ctx)
	}
}

// noteUse stores when keys were used. It is not worth more than a warning.
func (s *Server) noteUse(ctx context.Context) {
	if err := s.keys.NoteUse(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("the last use of API keys is not stored", "error", err)
	}
}

// CheckKeys returns an error if keys are needed and there is none. It warns of what
// is open. An error with faces.CodeUnavailable means that the database cannot say.
func (s *Server) CheckKeys(ctx context.Context) error {
	if s.opts.IsOpen() {
		if !config.IsLoopback(s.opts.Address) {
			s.log.Warn("everybody who can reach the REST API may do everything, because ROLLCALL_OPEN_API is true")
		}
		return nil
	}
	has, err := s.keys.HasKey(ctx)
	if err != nil {
		return err
	}
	open, err := s.ingestIsOpen(ctx)
	if err != nil {
		return err
	}
	kept := open && s.opts.OpenIngest != "true"
	switch {
	case kept:
		s.log.Warn("POST /image/post and /images/post still take pictures without an API key, as before the upgrade; " +
			"set ROLLCALL_OPEN_INGEST to true to keep that, or to false to end it")
	case open:
		s.log.Info("POST /image/post and /images/post take pictures without an API key, because ROLLCALL_OPEN_INGEST is true")
	}
	switch {
	case has:
		return nil
	case kept: // it is of use to those who post, and a key can be made while it runs
		s.log.Warn("there is no API key yet, so all other routes refuse every request; make one: receiver keys create -name NAME -scopes admin")
		return nil
	default:
		return errNoKey
	}
}

// OwnKey returns the text of a key that only this process knows, for calls to its
// own API.
func (s *Server) OwnKey(name string, scopes ...access.Scope) (string, error) {
	return s.keys.OwnKey(name, scopes...)
}
