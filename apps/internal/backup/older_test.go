package backup_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/backup"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// A backup of an older schema is restored as if the database itself had been migrated.
// So a backup can be taken by the new program before the migration.
func TestRestoreOlderSchema(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, open func(*testing.T) *system) {
		for _, version := range []int{1, 9} {
			from := open(t)
			from.fill(version)
			data, taken := from.take()
			head, _, err := backup.Verify(strings.NewReader(string(data)), nil)
			must(t, err)
			if head.Schema != version || taken.Schema != version || rowsOf(taken.End, "images") == 0 {
				t.Fatalf("schema %d: the archive is of schema %d, with %d images", version, head.Schema, rowsOf(taken.End, "images"))
			}
			to := open(t).migrated()
			to.UnknownPeople = unknownPeople
			_, err = to.restore(data)
			must(t, err)
			must(t, to.db.Ping(t.Context()))
			if n := to.count("select count(*) from schema_migrations"); n != store.SchemaVersion {
				t.Errorf("schema %d: %d versions were applied, want %d", version, n, store.SchemaVersion)
			}
			_, err = from.db.Migrate(t.Context(), unknownPeople)
			must(t, err)
			_, inPlace := from.take()
			_, restored := to.take()
			if diff := cmp.Diff(inPlace.Tables, restored.Tables); diff != "" {
				t.Errorf("schema %d: tables (-migrated in place +restored):\n%s", version, diff)
			}
		}
	})
}

// The head of an archive has the schema, and is written before the files. If the rows are of
// another one, nobody could restore it, so there is no archive.
func TestMigratedWhileFilesAreCopied(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, open func(*testing.T) *system) {
		from := open(t)
		from.fill(9)
		o := backup.Options{Folders: from.Folders, Log: quiet, Before: func(step string) error {
			if step != "snapshot" {
				return nil
			}
			_, err := from.db.Migrate(t.Context(), unknownPeople)
			return err
		}}
		_, err := backup.Take(t.Context(), from.db, o, new(strings.Builder))
		if err == nil || !strings.Contains(err.Error(), "begin the backup again") {
			t.Errorf("schemas differ, and: %v", err)
		}
		o.Before = nil
		if _, err := backup.Take(t.Context(), from.db, o, new(strings.Builder)); err != nil {
			t.Error(err)
		}
	})
}

// fill makes a database of an older version, from the dumps of the store's tests. Its known
// pictures have no files.
func (s *system) fill(version int) {
	s.Helper()
	kind := map[string]string{store.KindMySQL: "mariadb", store.KindSQLite: "sqlite"}[s.db.Kind()]
	dump, err := os.ReadFile("../store/testdata/schema-" + strconv.Itoa(version) + "." + kind + ".sql")
	must(s.T, err)
	if kind == "mariadb" && s.count("select version() like '%MariaDB%'") == 0 {
		s.Skip("the dumps are MariaDB's; the store's tests read them on MySQL, too")
	}
	for statement := range strings.SplitSeq(string(dump), ";\n") {
		if strings.TrimSpace(statement) != "" {
			s.exec(statement)
		}
	}
	must(s.T, writeFile(s.KnownPeople, "Grace/1.jpg", []byte("grace"))) // its volume is mounted
}
