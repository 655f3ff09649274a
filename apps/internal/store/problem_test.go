package store_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/volume"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// smallDisk mounts a file system of 3 MB, or skips the test.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	volume.Mount(t, dir, 3<<20)
	return dir
}

// fillUp writes a file until the disk is full. free deletes it.
func fillUp(t *testing.T, dir string) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	f.Close()
	return func() {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
}

// expectProblem checks what a caller, /readyz and the metric say.
func expectProblem(t *testing.T, s *store.Store, err error, want store.Problem, says string) {
	t.Helper()
	if faces.ErrorCode(err) != faces.CodeUnavailable || !strings.Contains(faces.ErrorMessage(err), says) {
		t.Errorf("the caller gets %q (%v), want unavailable and %q", faces.ErrorMessage(err), err, says)
	}
	ping := s.Ping(t.Context())
	if faces.ErrorCode(ping) != faces.CodeUnavailable || !strings.Contains(faces.ErrorMessage(ping), says) {
		t.Errorf("the probe of readiness says %v, want %q", ping, says)
	}
	expectMetric(t, s, want)
}

func expectMetric(t *testing.T, s *store.Store, want store.Problem) {
	t.Helper()
	lines := "# HELP rollcall_database_problem 1 for what keeps the database from working: unreachable, locked, full, read_only or damaged.\n" +
		"# TYPE rollcall_database_problem gauge\n"
	for _, p := range store.Problems() {
		value := "0"
		if p == want {
			value = "1"
		}
		lines += `rollcall_database_problem{kind="` + string(p) + `"} ` + value + "\n"
	}
	if err := testutil.CollectAndCompare(store.Collector(s), strings.NewReader(lines), "rollcall_database_problem"); err != nil {
		t.Errorf("the metric: %v", err)
	}
}

// recovered waits until the database is said to work again, and checks that it
// does.
func recovered(t *testing.T, s *store.Store) {
	t.Helper()
	wait.Until(t, "the database works again", func() bool { return s.Ping(t.Context()) == nil })
	if _, err := s.AddImages(t.Context(), []string{"/unknown_people/after.jpg"}); err != nil {
		t.Error(err)
	}
	expectMetric(t, s, store.NoProblem)
}

func TestSQLiteFullDisk(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	s := openSQLite(t, filepath.Join(dir, "rollcall.db"))
	migrate(t, s)
	added(t, s, 10)
	free := fillUp(t, dir)
	_, err := s.AddImages(t.Context(), manyPaths(5000))
	expectProblem(t, s, err, store.Full, "disk is full")
	if list, err := s.ListImages(t.Context(), store.Filter{}); len(list) != 10 {
		t.Errorf("reads: %d images, %v", len(list), err)
	}
	free()
	recovered(t, s)
}

// A program that holds SQLite's lock for long makes writes wait, and no read.
func TestSQLiteReadsDoNotWaitForWrites(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "rollcall.db")
	s := openSQLite(t, file)
	migrate(t, s)
	id := added(t, s, 1)[0]
	raw := rawSQLite(t, file)
	conn, err := raw.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	written := make(chan error, 1)
	go func() { _, err := s.AddImages(ctx, manyPaths(3)); written <- err }()
	begin := time.Now()
	for range 20 {
		if _, err := s.Image(t.Context(), id); err != nil {
			t.Error(err)
		}
		if err := s.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("20 reads took %s beside a lock", took)
	}
	select {
	case err := <-written:
		t.Errorf("the write did not wait: %v", err)
	default:
	}
	if _, err := conn.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Error(err)
	}
	if err := <-written; err != nil {
		t.Errorf("the write after the lock: %v", err)
	}
	cancel()
}

// damage overwrites a part of the file, as a bad disk or an interrupted copy does.
func damage(t *testing.T, file string, at int64, n int) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(make([]byte, n), at); err != nil {
		t.Fatal(err)
	}
}

// filled closes a database with a few hundred KB in its file.
func filled(t *testing.T) (file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "rollcall.db")
	s, err := store.OpenSQLite(file)
	if err != nil {
		t.Fatal(err)
	}
	migrate(t, s)
	added(t, s, 3000)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestSQLiteDamagedAtTheStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		at int64
		n  int
	}{"pages": {200 << 10, 40 << 10}, "the header": {0, 4096}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filled(t)
			damage(t, file, c.at, c.n)
			before, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := store.OpenSQLite(file)
			if err == nil {
				closeAfter(t, s.Close)
				_, err = s.Migrate(t.Context(), unknownRoot)
			}
			if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "backup") {
				t.Errorf("the start says %v, want the file and what to do", err)
			}
			if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
				t.Errorf("the damaged file has changed (%v)", err)
			}
		})
	}
}

func TestSQLiteDamagedMeanwhile(t *testing.T) {
	t.Parallel()
	file := filled(t)
	s := openSQLite(t, file)
	damage(t, file, 64<<10, 150<<10)
	_, err := s.ListImages(t.Context(), store.Filter{})
	expectProblem(t, s, err, store.Damaged, "damaged")
}

func TestSQLiteIsPrivate(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "rollcall.db")
	if err := os.WriteFile(file, nil, 0o644); err != nil { // as an older release left it
		t.Fatal(err)
	}
	s := openSQLite(t, file)
	migrate(t, s)
	added(t, s, 1)
	for name, want := range map[string]os.FileMode{dir: 0o700, file: 0o600, file + "-wal": 0o600, file + "-shm": 0o600} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want the mode %v", name, info.Mode(), err, want)
		}
	}
}

// The server's errors are raised by triggers: it answers as one whose disk is full.
func TestMariaDBFullDisk(t *testing.T) {
	t.Parallel()
	for name, number := range map[string]string{"disk": "1021", "table": "1114", "write": "1026"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := mariadbtest.Database(t)
			s := openMariaDB(t, db)
			migrate(t, s)
			id := added(t, s, 1)[0]
			raw := rawMariaDB(t, db)
			for _, table := range []string{"images", "rematch_known"} {
				mustExec(t, raw, "create trigger full_"+table+" before insert on "+table+
					" for each row signal sqlstate 'HY000' set mysql_errno = "+number+", message_text = 'no room'")
			}
			_, err := s.AddImages(t.Context(), []string{"/unknown_people/more.jpg"})
			expectProblem(t, s, err, store.Full, "disk is full")
			if _, err := s.Image(t.Context(), id); err != nil {
				t.Errorf("a read: %v", err)
			}
			mustExec(t, raw, "drop trigger full_images")
			mustExec(t, raw, "drop trigger full_rematch_known")
			recovered(t, s)
		})
	}
}

// A server that became a replica refuses writes until the address leads to the new
// primary.
func TestMariaDBReadOnly(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Database(t)
	migrate(t, openMariaDB(t, db))
	raw := rawMariaDB(t, db)
	mustExec(t, raw, "create user read_only_test identified by 'secret'")
	t.Cleanup(func() { _, _ = raw.ExecContext(context.WithoutCancel(t.Context()), "drop user read_only_test") })
	mustExec(t, raw, "grant select, insert, update, delete on "+db.Name+".* to read_only_test")
	db.User, db.Password = "read_only_test", "secret"
	s := openMariaDB(t, db)
	mustExec(t, raw, "set global read_only = 1") // the other tests' user may write nevertheless
	undo := func() { _, _ = raw.ExecContext(context.WithoutCancel(t.Context()), "set global read_only = 0") }
	t.Cleanup(undo)
	_, err := s.AddImages(t.Context(), []string{"/unknown_people/1.jpg"})
	expectProblem(t, s, err, store.ReadOnly, "read-only")
	undo()
	recovered(t, s)
}

func mustExec(t *testing.T, db *sql.DB, query string) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query); err != nil {
		t.Fatal(errors.Join(errors.New(query), err))
	}
}
