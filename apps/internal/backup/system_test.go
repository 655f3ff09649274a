package backup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/backup"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/eraser"
	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
	"github.com/rollcall-faces/rollcall/apps/internal/wholefile"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }

// unknownPeople is in the paths of images. Uploaded pictures are in a folder of each test.
const unknownPeople = "/unknown_people"

var (
	quiet = slog.New(slog.DiscardHandler)
	model = faces.Model{ID: "test-1", Size: 4, Threshold: 0.5, Margin: 0.0625}
)

// onBoth runs a test on both kinds of databases. open returns a database without tables.
func onBoth(t *testing.T, run func(t *testing.T, open func(*testing.T) *system)) {
	t.Helper()
	for name, open := range map[string]func(*testing.T) *system{"SQLite": onSQLite, "MariaDB": onMariaDB} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, open)
		})
	}
}

// system is a database and its folders.
type system struct {
	*testing.T
	db  *store.Store
	raw *sql.DB
	backup.Folders
}

func onSQLite(t *testing.T) *system {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rollcall.db")
	db, err := store.OpenSQLite(file)
	must(t, err)
	raw, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?_pragma=busy_timeout(10000)")
	must(t, err)
	return newSystem(t, db, raw)
}

func onMariaDB(t *testing.T) *system {
	t.Helper()
	return onMySQL(t, mariadbtest.Database(t))
}

func onMySQL(t *testing.T, at mariadbtest.DB) *system {
	t.Helper()
	r := config.NewReader(config.Map(map[string]string{
		"MYSQL_CONNECTION": at.Host, "MYSQL_PORT": strconv.Itoa(at.Port), "MYSQL_DBNAME": at.Name,
		"MYSQL_USERPASSWORD": at.User + ":" + at.Password, "ROLLCALL_DB_CONNECTIONS": "8",
	}))
	cfg := config.ReadDatabase(r)
	must(t, r.Err())
	db, err := store.OpenMySQL(cfg)
	must(t, err)
	raw, err := sql.Open("mysql", at.DSN())
	must(t, err)
	return newSystem(t, db, raw)
}

func newSystem(t *testing.T, db *store.Store, raw *sql.DB) *system {
	t.Helper()
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if err := raw.Close(); err != nil {
			t.Error(err)
		}
	})
	return &system{T: t, db: db, raw: raw, Folders: backup.Folders{KnownPeople: t.TempDir(), UnknownPeople: t.TempDir()}}
}

// migrated returns a system with tables.
func (s *system) migrated() *system {
	s.Helper()
	_, err := s.db.Migrate(s.Context(), s.UnknownPeople)
	must(s.T, err)
	must(s.T, s.db.UseModel(s.Context(), model))
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// take backs the system up.
func (s *system) take(change ...func(*backup.Options)) ([]byte, backup.Taken) {
	s.Helper()
	o := backup.Options{Folders: s.Folders, Log: quiet}
	for _, c := range change {
		c(&o)
	}
	var out bytes.Buffer
	taken, err := backup.Take(s.Context(), s.db, o, &out)
	must(s.T, err)
	return out.Bytes(), taken
}

// restore restores an archive into the system.
func (s *system) restore(archive []byte, change ...func(*backup.RestoreOptions)) (backup.Restored, error) {
	s.Helper()
	o := backup.RestoreOptions{Folders: s.Folders, Log: quiet}
	for _, c := range change {
		c(&o)
	}
	return backup.Restore(s.Context(), s.db, bytes.NewReader(archive), o)
}

func (s *system) count(query string, args ...any) (n int) {
	s.Helper()
	if err := s.raw.QueryRowContext(s.Context(), query, args...).Scan(&n); err != nil {
		s.Fatalf("%s: %v", query, err)
	}
	return n
}

func (s *system) exec(query string, args ...any) {
	s.Helper()
	if _, err := s.raw.ExecContext(s.Context(), query, args...); err != nil {
		s.Fatalf("%s: %v", query, err)
	}
}

// answered posts a path and answers it with a face of a person, by their known picture.
func (s *system) answered(ctx context.Context, path, known string) (int64, error) {
	images, err := s.db.AddImages(ctx, []string{path})
	if err != nil {
		return 0, err
	}
	owners, err := s.db.AllOwners(ctx)
	if err != nil {
		return 0, err
	}
	out := faces.Decide(faces.Recognition{Width: 800, Height: 600, Model: model, Gallery: "g1", Sightings: []faces.Sighting{
		{
			Box: faces.Box{X: 10, Width: 80, Height: 80}, Descriptor: faces.Descriptor{1, 0.5, 0.25, float32(images[0].ID)},
			Neighbours: []faces.Neighbour{{Image: known, Distance: 0.25}},
		},
		{Box: faces.Box{X: 200, Width: 80, Height: 80}, Descriptor: faces.Descriptor{0, 0.1, 0.3, 1}},
	}}, func(image string) (faces.Person, bool) { p, ok := owners[image]; return p, ok })
	claim, err := s.db.Claim(ctx, "test", []int64{images[0].ID}, time.Minute)
	if err != nil || len(claim.Claimed) != 1 {
		return 0, fmt.Errorf("claim: %d, %w", len(claim.Claimed), err)
	}
	_, err = s.db.Finish(ctx, []store.Result{{Lease: claim.Claimed[0].Lease, Outcome: out}})
	return images[0].ID, err
}

// enrolled adds a person with a known picture, as a receiver does: the file, then the row.
func (s *system) enrolled(ctx context.Context, name string) (faces.Enrolled, error) {
	p, err := s.db.AddPerson(ctx, name)
	if err != nil {
		return faces.Enrolled{}, err
	}
	content := []byte("\xff\xd8\xff a picture of " + name)
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:])
	file := faces.WrittenFolder + "/" + hash[:2] + "/" + hash + ".jpeg"
	if err := writeFile(s.KnownPeople, file, content); err != nil {
		return faces.Enrolled{}, err
	}
	e, _, err := s.db.AddKnownPicture(ctx, faces.Enrolled{
		KnownImage: faces.KnownImage{Name: file, PersonID: p.ID}, Source: faces.SourceUpload, SHA256: hash,
	})
	return e, err
}

// upload stores an uploaded picture and its image.
func (s *system) upload(text string) string {
	s.Helper()
	content := []byte("\xff\xd8\xff " + text)
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:])
	name := "uploads/" + hash[:2] + "/" + hash + ".jpeg"
	must(s.T, writeFile(s.UnknownPeople, name, content))
	_, err := s.db.AddImages(s.Context(), []string{s.UnknownPeople + "/" + name})
	must(s.T, err)
	return name
}

func writeFile(folder, name string, content []byte) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	return wholefile.Write(root, name, content)
}

// contents returns the files below a folder, by name.
func contents(t *testing.T, folder string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(folder, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		text, err := io.ReadAll(f)
		rel, _ := filepath.Rel(folder, name)
		found[rel] = string(text)
		return err
	})
	must(t, err)
	return found
}

// erase erases a person, and writes the ledger, as a receiver does.
func (s *system) erase(person int64) erasure.Entry {
	s.Helper()
	var entry erasure.Entry
	_, _, err := s.db.Erase(s.Context(), store.EraseRequest{ID: erasure.NewID(), Person: person, Version: faces.AnyVersion, Images: erasure.Keep},
		func(e erasure.Entry) error {
			entry = e
			return eraser.NewLedger(s.KnownPeople).Write(e)
		})
	must(s.T, err)
	return entry
}
