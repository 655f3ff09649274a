package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// landed names the dumps in testdata, by version of the schema. The program
// that brought each version filled and dumped them: people, known pictures,
// images of every outcome, faces, corrections, jobs. A version's dump is made
// before the next version is written.
var landed = map[int]string{1: "schema-1", 2: "release-0.1.0", 3: "schema-3", 4: "schema-4", 5: "schema-5", 6: "schema-6", 7: "schema-7", 8: "schema-8", 9: "schema-9", 10: "schema-10"}

func TestEveryLandedSchemaIsKept(t *testing.T) {
	t.Parallel()
	for v := 1; v < store.SchemaVersion; v++ {
		if landed[v] == "" {
			t.Errorf("there is no dump of a database of version %d", v)
		}
	}
}

// TestUpgradeFromEveryLandedSchema has several programs upgrade a database at
// once. It ends as a new one, and each row of before is as it was.
func TestUpgradeFromEveryLandedSchema(t *testing.T) {
	t.Parallel()
	for version, name := range landed {
		t.Run(name+" on MariaDB", func(t *testing.T) {
			t.Parallel()
			db := mariadbtest.Database(t)
			raw, cfg := rawMariaDB(t, db), settings(t, db)
			fillFrom(t, raw, "testdata/"+name+".mariadb.sql")
			tables := textsOf(t, raw, "select table_name from information_schema.tables where table_schema = database()")
			checkUpgrade(t, raw, version, tables, func() (*store.Store, error) { return store.OpenMySQL(cfg) })
			fresh := mariadbtest.Database(t)
			migrate(t, openMariaDB(t, fresh))
			if diff := cmp.Diff(definitions(t, rawMariaDB(t, fresh)), definitions(t, raw)); diff != "" {
				t.Errorf("the tables (-new +upgraded):\n%s", diff)
			}
		})
		t.Run(name+" on SQLite", func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "rollcall.db")
			raw := rawSQLite(t, file)
			fillFrom(t, raw, "testdata/"+name+".sqlite.sql")
			tables := textsOf(t, raw, "select name from sqlite_master where type = 'table' and name not like 'sqlite\\_%' escape '\\'")
			checkUpgrade(t, raw, version, tables, func() (*store.Store, error) { return store.OpenSQLite(file) })
			if diff := cmp.Diff(newSQLiteSchema(t), sqliteSchema(t, raw)); diff != "" {
				t.Errorf("the schema (-new +upgraded):\n%s", diff)
			}
		})
	}
}

func checkUpgrade(t *testing.T, raw *sql.DB, version int, tables []string, open func() (*store.Store, error)) {
	t.Helper()
	wantText(t, raw, "select max(version) from schema_migrations", fmt.Sprint(version))
	queries := map[string]string{}
	for _, table := range tables {
		queries[table] = "select " + strings.Join(columnsOf(t, raw, table), ", ") + " from " + table
	}
	queries["schema_migrations"] += fmt.Sprintf(" where version <= %d", version)
	before := rowsOf(t, raw, queries)
	if applied := migrateAtOnce(t, open); applied != store.SchemaVersion-version {
		t.Errorf("versions were applied %d times, want %d", applied, store.SchemaVersion-version)
	}
	if diff := cmp.Diff(before, rowsOf(t, raw, queries)); diff != "" {
		t.Errorf("rows (-before +after):\n%s", diff)
	}
	s, err := open()
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, s.Close)
	checkAnswers(t, s, raw)
	// Known pictures have public ids, each its own: those of before version 8 that of
	// their row, and others a random one.
	wantText(t, raw, "select count(*) from person_images where public_id is null or length(public_id) <> 36", "0")
	for _, p := range publicPictures(t, s) {
		id, err := uuid.Parse(p.PublicID)
		isOfRow := id.Version() == 8
		if err != nil || id.Variant() != uuid.RFC4122 || !isOfRow && (version < 8 || id.Version() != 4) {
			t.Errorf("known picture %d has the public id %q, %v", p.ID, p.PublicID, err)
		}
	}
	// Pictures were posted without a key so far.
	if open, err := s.KeepsOpenIngest(t.Context()); err != nil || !open {
		t.Errorf("the routes of the original stay open: %v, %v", open, err)
	}
}

func publicPictures(t *testing.T, s *store.Store) []store.PublicPicture {
	t.Helper()
	list, total, err := s.PublicPictures(t.Context(), 0, 0, 0)
	if err != nil || total == 0 || int64(len(list)) != total {
		t.Fatalf("%d of %d known pictures, %v", len(list), total, err)
	}
	return list
}

// checkAnswers reads all images as the programs do, and goes on with one.
func checkAnswers(t *testing.T, s *store.Store, raw *sql.DB) {
	t.Helper()
	withFaces := 0
	queryRaw(t, raw, "select id, path, reason from images", func(rows *sql.Rows) error {
		var id int64
		var path, reason string
		if err := rows.Scan(&id, &path, &reason); err != nil {
			return err
		}
		img, err := s.Image(t.Context(), id)
		if err != nil {
			return fmt.Errorf("image %d: %w", id, err)
		}
		isOriginals := strings.HasSuffix(path, "/original.jpg") // whose program sets the status alone
		if img.Path != path || !isOriginals && string(img.Reason) != reason {
			t.Errorf("image %d, %s, %s, reads %+v", id, path, reason, img)
		}
		for _, f := range img.Faces {
			if f.Reason == faces.Identified && f.Person == nil {
				t.Errorf("image %d: nobody is in an identified face: %+v", id, f)
			}
		}
		withFaces += min(1, len(img.Faces))
		return nil
	})
	if withFaces == 0 {
		t.Error("no image has a face")
	}
	queued, err := s.AddImages(t.Context(), []string{"/unknown_people/queued.jpg"})
	if err != nil {
		t.Fatal(err)
	}
	claim, err := s.Claim(t.Context(), "test", []int64{queued[0].ID}, time.Minute)
	if err != nil || len(claim.Claimed) != 1 {
		t.Errorf("the image that waited cannot be claimed: %+v, %v", claim, err)
	}
}

// migrateAtOnce migrates from three programs and returns how many versions they
// applied together.
func migrateAtOnce(t *testing.T, open func() (*store.Store, error)) (applied int) {
	t.Helper()
	const programs = 3
	var all sync.WaitGroup
	counts, errs := make([]int, programs), make([]error, programs)
	for i := range programs {
		all.Go(func() {
			s, err := open()
			if err != nil {
				errs[i] = err
				return
			}
			names, err := s.Migrate(context.WithoutCancel(t.Context()), unknownRoot)
			counts[i], errs[i] = len(names), errors.Join(err, s.Close())
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, n := range counts {
		applied += n
	}
	return applied
}

func TestUpgradeOriginalFromManyAtOnce(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Database(t)
	raw, cfg := rawMariaDB(t, db), settings(t, db)
	execRaw(t, raw, original...)
	execRaw(t, raw, originalRows...)
	if applied := migrateAtOnce(t, func() (*store.Store, error) { return store.OpenMySQL(cfg) }); applied != store.SchemaVersion {
		t.Errorf("versions were applied %d times, want %d", applied, store.SchemaVersion)
	}
	checkUpgraded(t, openMariaDB(t, db), raw)
	if diff := cmp.Diff(newMySQLSchema(t), mysqlSchema(t, raw)); diff != "" {
		t.Errorf("the schema (-new +upgraded):\n%s", diff)
	}
}

var nextNumber = regexp.MustCompile(` AUTO_INCREMENT=\d+`)

// definitions returns how each table is made, widths and character sets
// included.
func definitions(t *testing.T, raw *sql.DB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, table := range textsOf(t, raw, "select table_name from information_schema.tables where table_schema = database()") {
		queryRaw(t, raw, "show create table "+table, func(rows *sql.Rows) error {
			var name, definition string
			err := rows.Scan(&name, &definition)
			all[table] = nextNumber.ReplaceAllString(definition, "")
			return err
		})
	}
	return all
}

func columnsOf(t *testing.T, raw *sql.DB, table string) []string {
	t.Helper()
	rows, err := raw.QueryContext(t.Context(), "select * from "+table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err := errors.Join(err, rows.Err()); err != nil {
		t.Fatal(err)
	}
	return names
}

// rowsOf returns the rows of each query, in the order of their first column.
func rowsOf(t *testing.T, raw *sql.DB, queries map[string]string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for name, query := range queries {
		queryRaw(t, raw, query+" order by 1, 2", func(rows *sql.Rows) error {
			names, err := rows.Columns()
			if err != nil {
				return err
			}
			values, pointers := make([]sql.NullString, len(names)), make([]any, len(names))
			for i := range values {
				pointers[i] = &values[i]
			}
			err = rows.Scan(pointers...)
			all[name] = append(all[name], fmt.Sprint(values))
			return err
		})
	}
	return all
}
