package store_test

import (
	"database/sql"
	"fmt"
	"io"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// The ids of one statement do not follow each other on a cluster of several databases that
// are written to, such as Galera. Images get their own ids all the same.
func TestIDsThatDoNotFollowEachOther(t *testing.T) {
	t.Parallel()
	const name = "scattered"
	server, err := mariadbtest.Start(t.Context(), t.TempDir(), io.Discard, "--auto-increment-increment=3", "--auto-increment-offset=2")
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, server.Close)
	if err := server.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	db := mariadbtest.DB{Host: "127.0.0.1", Port: server.Port(), Name: name, User: server.User(), Password: server.Password()}
	s := openMariaDB(t, db)
	migrate(t, s)
	raw := rawMariaDB(t, db)
	for _, images := range []int{1, 2, 60, 1100} {
		var paths []string
		for i := range images {
			paths = append(paths, fmt.Sprintf("/unknown_people/%d/%d.jpg", images, i))
		}
		checkIDs(t, s, raw, paths)
	}
}

// checkIDs adds paths and compares their ids with the rows.
func checkIDs(t *testing.T, s *store.Store, raw *sql.DB, paths []string) {
	t.Helper()
	got, err := s.AddImages(t.Context(), paths)
	if err != nil {
		t.Fatal(err)
	}
	for i, img := range got {
		var path string
		if err := raw.QueryRowContext(t.Context(), "SELECT path FROM images WHERE id = ?", img.ID).Scan(&path); err != nil {
			t.Fatal(err)
		}
		if path != paths[i] || img.Path != path || i > 0 && img.ID != got[i-1].ID+3 {
			t.Fatalf("image %d of %d: %s has the id %d, which is that of %s", i, len(paths), paths[i], img.ID, path)
		}
	}
	var events int
	if err := raw.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM outbox JOIN images ON images.id = image_id WHERE images.id BETWEEN ? AND ?",
		got[0].ID, got[len(got)-1].ID).Scan(&events); err != nil || events != len(paths) {
		t.Errorf("%d events of %d images, %v", events, len(paths), err)
	}
}
