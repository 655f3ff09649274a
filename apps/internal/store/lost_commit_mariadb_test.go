package store_test

import (
	"context"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// breakable returns a store whose connection can be broken after the server's answer to
// a statement, and the same database without a way in between.
func breakable(t *testing.T) (s *store.Store, breakAfter func(prefix string), direct *store.Store) {
	t.Helper()
	db := mariadbtest.Database(t)
	direct = openMariaDB(t, db)
	migrate(t, direct)
	p := newProxy(t, net.JoinHostPort(db.Host, strconv.Itoa(db.Port)))
	t.Cleanup(func() {
		if !p.broke() {
			t.Error("the connection was not broken")
		}
	})
	db.Port = p.port()
	return openMariaDB(t, db), p.breakAfter, direct
}

// attempting begins a request with an idempotency key.
func attempting(t *testing.T, s *store.Store) (context.Context, store.Attempt) {
	t.Helper()
	a, before, err := s.BeginAttempt(t.Context(), store.Fingerprint{1}, store.Fingerprint{2}, time.Minute, time.Hour)
	if err != nil || before != nil {
		t.Fatalf("%+v, %v", before, err)
	}
	return store.WithAttempt(t.Context(), a), a
}

// TestLostCommitOfAnAttempt lets the server commit the change of a request with an
// idempotency key, and breaks the connection in place of the answer: the request gets
// the answer of its change, as if nothing had happened.
func TestLostCommitOfAnAttempt(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(ctx context.Context, t *testing.T, s *store.Store) error{
		"a person is added": func(ctx context.Context, t *testing.T, s *store.Store) error {
			p, err := s.AddPerson(ctx, "Ada")
			if err == nil && (p.ID == 0 || p.Name != "Ada") {
				t.Errorf("the answer is %+v", p)
			}
			return err
		},
		"people become one": func(ctx context.Context, t *testing.T, s *store.Store) error {
			m, p, err := s.MergePeople(ctx, store.MergeRequest{Person: 1, Merged: 2, PersonVersion: faces.AnyVersion, MergedVersion: faces.AnyVersion})
			if err == nil && (m.ID == 0 || p.ID != 1) {
				t.Errorf("the answer is %+v, %+v", m, p)
			}
			return err
		},
		"a person is deleted": func(ctx context.Context, t *testing.T, s *store.Store) error {
			gone, err := s.DeletePerson(ctx, 2, faces.AnyVersion)
			if err == nil && gone.Person.Name != "Zoe" {
				t.Errorf("the answer is %+v", gone)
			}
			return err
		},
		"a webhook is added": func(ctx context.Context, t *testing.T, s *store.Store) error {
			w, err := s.AddWebhook(ctx, faces.Webhook{Name: "badges", URL: "https://example.com/"})
			if err == nil && w.ID == 0 {
				t.Errorf("the answer is %+v", w)
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, breakAfter, direct := breakable(t)
			if name != "a person is added" {
				for _, n := range []string{"Anna", "Zoe"} {
					if _, err := direct.AddPerson(t.Context(), n); err != nil {
						t.Fatal(err)
					}
				}
			}
			ctx, _ := attempting(t, s)
			ctx = access.WithActor(ctx, access.Actor{KeyID: "k"})
			breakAfter("COMMIT")
			if err := change(ctx, t, s); err != nil {
				t.Error(err)
			}
			log, err := direct.Audit(t.Context(), 0, 10)
			if err != nil || len(log) != 1 {
				t.Errorf("the change is %d times in the audit log, %v", len(log), err)
			}
		})
	}
}

// TestLostCommitOfACallerWhoHasGone ends the caller's time in the moment of the commit.
// The answer is the one of the change, so that it can be kept for the next request.
func TestLostCommitOfACallerWhoHasGone(t *testing.T) {
	t.Parallel()
	s, breakAfter, _ := breakable(t)
	ctx, a := attempting(t, s)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	breakAfter("COMMIT")
	p, err := s.AddPerson(&endsAfterCommit{Context: ctx, store: s, attempt: a, end: cancel}, "Ada")
	if err != nil || p.Name != "Ada" {
		t.Errorf("the answer is %+v, %v", p, err)
	}
}

// endsAfterCommit is a context that has ended as soon as the attempt's change is there.
type endsAfterCommit struct {
	context.Context
	store   *store.Store
	attempt store.Attempt
	end     context.CancelFunc
}

func (c *endsAfterCommit) Err() error {
	if c.Context.Err() == nil {
		if list, err := c.store.People(context.WithoutCancel(c.Context)); err == nil && len(list) > 0 {
			c.end()
		}
	}
	return c.Context.Err()
}
