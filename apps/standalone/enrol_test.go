package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/volume"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// newEnroller returns an enroller on a new folder, with a database if it is to
// write.
func newEnroller(t *testing.T, db *store.Store) (e *enroller, log *bytes.Buffer) {
	t.Helper()
	log = &bytes.Buffer{}
	known := t.TempDir()
	folder, err := picturefiles.Open(known, "known people")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	s := &system{log: slog.New(slog.NewTextHandler(log, nil)), store: db}
	s.known = known
	return &enroller{system: s, folder: folder, told: map[string]bool{}}, log
}

func put(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// What file servers and Windows leave in shared folders is nobody.
func TestFoldersThatAreNotPeople(t *testing.T) {
	t.Parallel()
	e, log := newEnroller(t, nil)
	for _, name := range []string{
		"Raj/1.png", "Raj/sub/2.png", "Penny/1.png", "loose.png",
		"@eaDir/penny1.png", "#recycle/Raj/raj1.png", "#snapshot/1.png", "lost+found/1.png", "$RECYCLE.BIN/1.png", "System Volume Information/1.png",
		"__MACOSX/1.png", ".hidden/1.png", "Raj/@eaDir/1.png", "Raj/Thumbs.db", "Penny/desktop.ini", "M\xfcller/1.png", "Raj/J\xf6rg.png",
	} {
		put(t, filepath.Join(e.known, name))
	}
	for name, target := range map[string]string{"Anna": "Raj", "Raj/up": "..", "Raj/gone.png": "nowhere", "Raj/other.png": "1.png"} {
		if err := os.Symlink(target, filepath.Join(e.known, name)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		got, err := e.people(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"Raj/1.png": "Raj", "Raj/sub/2.png": "Raj", "Raj/other.png": "Raj", "Penny/1.png": "Penny"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("people (-want +got):\n%s", diff)
		}
	}
	for _, words := range []string{"loose.png", "not UTF-8"} {
		if !strings.Contains(log.String(), words) {
			t.Errorf("the log does not say %q:\n%s", words, log)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 3 {
		t.Errorf("%d lines of log, want one for each of 3 problems:\n%s", n, log)
	}
}

// A volume that goes away takes nobody with it.
func TestVolumeOfKnownPeopleGoesAway(t *testing.T) {
	t.Parallel()
	db, err := store.OpenSQLite(filepath.Join(t.TempDir(), "rollcall.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Migrate(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	e, _ := newEnroller(t, db)
	enrol := func() error { t.Helper(); return e.enrol(t.Context()) }
	known := func() int {
		t.Helper()
		owners, err := db.Owners(t.Context(), []string{"Raj/1.png"})
		if err != nil {
			t.Fatal(err)
		}
		return len(owners)
	}
	volume.Mount(t, e.known, 0)
	put(t, filepath.Join(e.known, "Raj/1.png"))
	if err := enrol(); err != nil || known() != 1 {
		t.Fatalf("enrolled %d, %v", known(), err)
	}
	volume.Unmount(t, e.known)
	if err := enrol(); err == nil || known() != 1 {
		t.Errorf("unmounted: %d known, error %v; want 1 and an error", known(), err)
	}
	volume.Mount(t, e.known, 0)
	if err := enrol(); err != nil || known() != 1 {
		t.Errorf("another volume, empty: %d known, error %v; want 1", known(), err)
	}
	put(t, filepath.Join(e.known, "Penny/1.png"))
	if err := enrol(); err != nil || known() != 0 {
		t.Errorf("with others: %d known, error %v; want 0", known(), err)
	}
}
