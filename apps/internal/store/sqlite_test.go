package store_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/storetest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const unknownRoot = "/unknown_people"

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Test(t, func(t *testing.T, opts ...store.Option) (*store.Store, *sql.DB) {
		file := filepath.Join(t.TempDir(), "rollcall.db")
		s := openSQLite(t, file, opts...)
		migrate(t, s)
		return s, rawSQLite(t, file)
	})
}

func openSQLite(t *testing.T, file string, opts ...store.Option) *store.Store {
	t.Helper()
	s, err := store.OpenSQLite(file, opts...)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, s.Close)
	return s
}

// rawSQLite opens a file as another program does.
func rawSQLite(t *testing.T, file string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, db.Close)
	return db
}

func closeAfter(t *testing.T, close func() error) {
	t.Helper()
	t.Cleanup(func() {
		if err := close(); err != nil {
			t.Error(err)
		}
	})
}

func migrate(t *testing.T, s *store.Store) []string {
	t.Helper()
	applied, err := s.Migrate(t.Context(), unknownRoot)
	if err != nil {
		t.Fatal(err)
	}
	return applied
}

func TestSQLiteMigrate(t *testing.T) {
	t.Parallel()
	checkMigrate(t, openSQLite(t, filepath.Join(t.TempDir(), "rollcall.db")))
}

// checkMigrate migrates an empty database.
func checkMigrate(t *testing.T, s *store.Store) {
	t.Helper()
	for name, check := range map[string]func(context.Context) error{"CheckSchema": s.CheckSchema, "Ping": s.Ping} {
		err := check(t.Context())
		if got, want := faces.ErrorCode(err), faces.CodeUnavailable; got != want {
			t.Errorf("%s before Migrate: code %q, want %q (%v)", name, got, want, err)
		}
	}
	if got := len(migrate(t, s)); got != store.SchemaVersion {
		t.Errorf("the first Migrate applied %d steps, want %d", got, store.SchemaVersion)
	}
	if got := migrate(t, s); len(got) != 0 {
		t.Errorf("the second Migrate applied %v", got)
	}
	for name, check := range map[string]func(context.Context) error{"CheckSchema": s.CheckSchema, "Ping": s.Ping} {
		if err := check(t.Context()); err != nil {
			t.Errorf("%s after Migrate: %v", name, err)
		}
	}
}

func TestSQLiteMigrateFromManyAtOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "rollcall.db")
	checkMigrateAtOnce(t, func() (*store.Store, error) { return store.OpenSQLite(file) })
}

// checkMigrateAtOnce migrates one empty database from several stores.
func checkMigrateAtOnce(t *testing.T, open func() (*store.Store, error)) {
	t.Helper()
	var all sync.WaitGroup
	applied, errs := make([]int, 4), make([]error, 4)
	for i := range applied {
		all.Go(func() {
			s, err := open()
			if err != nil {
				errs[i] = err
				return
			}
			steps, err := s.Migrate(t.Context(), unknownRoot)
			applied[i], errs[i] = len(steps), errors.Join(err, s.CheckSchema(t.Context()), s.Close())
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	sum := 0
	for _, n := range applied {
		sum += n
	}
	if sum != store.SchemaVersion {
		t.Errorf("steps were applied %d times, want %d (%v)", sum, store.SchemaVersion, applied)
	}
}

func TestSQLiteKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "with space, % and ?.db")
	first := openSQLite(t, file)
	migrate(t, first)
	added, err := first.AddImages(t.Context(), []string{"/unknown_people/a.jpg"})
	if err != nil {
		t.Fatal(err)
	}
	second := openSQLite(t, file)
	migrate(t, second)
	got, err := second.Image(t.Context(), added[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Path != added[0].Path {
		t.Errorf("path %q, want %q", got.Path, added[0].Path)
	}
}
