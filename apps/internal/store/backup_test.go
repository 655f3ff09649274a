package store_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Whoever adds a table decides whether a backup keeps it, and why not.
func TestBackupKnowsEveryTable(t *testing.T) {
	t.Parallel()
	kept, left := store.BackupTables()
	for name, s := range map[string]*store.Store{
		"SQLite":  openSQLite(t, filepath.Join(t.TempDir(), "rollcall.db")),
		"MariaDB": openMariaDB(t, mariadbtest.Database(t)),
	} {
		migrate(t, s)
		tables, err := s.Tables(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range tables {
			if !slices.Contains(kept, table) && left[table] == "" && table != "sqlite_sequence" {
				t.Errorf("%s: backup_tables.go does not say whether a backup keeps the table %s", name, table)
			}
		}
		for _, table := range kept {
			if left[table] != "" || !slices.Contains(tables, table) {
				t.Errorf("%s: there is no table %s, or it is kept and left out", name, table)
			}
		}
		for table := range left {
			if !slices.Contains(tables, table) {
				t.Errorf("%s: there is no table %s", name, table)
			}
		}
	}
}

// Files are copied for each text, which can take hours: no statement is open meanwhile, so
// the connection can take another one.
func TestEachTextKeepsNothingOpen(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*store.Store{
		"SQLite":  openSQLite(t, filepath.Join(t.TempDir(), "rollcall.db")),
		"MariaDB": openMariaDB(t, mariadbtest.Database(t)),
	} {
		migrate(t, s)
		want := []string{"a.jpg", "b.jpg", "c.jpg"}
		if _, err := s.AddImages(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			done <- s.Browse(t.Context(), func(snapshot *store.Snapshot) error {
				images := snapshot.Tables[slices.IndexFunc(snapshot.Tables, func(t store.TableInfo) bool { return t.Name == "images" })]
				var got []string
				err := snapshot.EachText(t.Context(), images, "path", func(text string) error {
					got = append(got, text)
					return snapshot.EachText(t.Context(), images, "path", func(string) error { return nil })
				})
				if !slices.Equal(got, want) {
					t.Errorf("%s: %q", name, got)
				}
				return err
			})
		}()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(time.Minute): // MariaDB's driver takes no second statement, and database/sql waits for the first
			t.Fatalf("%s: a statement is open", name)
		}
	}
}
