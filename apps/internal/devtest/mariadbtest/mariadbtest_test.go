package mariadbtest_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }

func TestDatabasesAreSeparate(t *testing.T) {
	t.Parallel()
	one, two := open(t, mariadbtest.Database(t)), open(t, mariadbtest.Database(t))
	exec(t, one, "CREATE TABLE images (id BIGINT PRIMARY KEY)")
	exec(t, two, "CREATE TABLE images (id BIGINT PRIMARY KEY)")
	exec(t, one, "INSERT INTO images VALUES (1)")
	if got := count(t, two); got != 0 {
		t.Errorf("the other database has %d rows, want 0", got)
	}
}

func TestDatabaseIsDroppedAfterTheTest(t *testing.T) {
	t.Parallel()
	var gone mariadbtest.DB
	t.Run("the test", func(t *testing.T) { gone = mariadbtest.Database(t) })
	if gone.Name == "" {
		t.Skip("the test was skipped: no database server")
	}
	err := open(t, gone).PingContext(t.Context())
	var refusal *mysql.MySQLError
	if !errors.As(err, &refusal) || refusal.Number != 1049 {
		t.Errorf("Ping() = %v, want error 1049, unknown database", err)
	}
}

func TestDatabaseHoldsEveryCharacter(t *testing.T) {
	t.Parallel()
	db := open(t, mariadbtest.Database(t))
	const want = "Zoë 𝒳 😀"
	exec(t, db, "CREATE TABLE person (name VARCHAR(99))")
	exec(t, db, "INSERT INTO person VALUES (?)", want)
	var got string
	if err := db.QueryRowContext(t.Context(), "SELECT name FROM person").Scan(&got); err != nil || got != want {
		t.Errorf("read back %q, %v, want %q", got, err, want)
	}
}

func TestRestartKeepsDataAndPort(t *testing.T) {
	t.Parallel()
	s := start(t)
	if err := s.CreateDatabase(t.Context(), "kept`name"); err != nil {
		t.Fatalf("make a database: %v", err)
	}
	db := open(t, database(s, "kept`name"))
	exec(t, db, "CREATE TABLE images (id BIGINT PRIMARY KEY)")
	exec(t, db, "INSERT INTO images VALUES (7)")
	port := s.Port()

	if err := s.Kill(); err != nil {
		t.Fatalf("Kill() = %v", err)
	}
	if err := db.PingContext(t.Context()); err == nil {
		t.Error("the server answers though it was killed")
	}
	if err := s.Kill(); err != nil {
		t.Errorf("a second Kill() = %v, want nil", err)
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatalf("Restart() = %v", err)
	}
	if s.Port() != port {
		t.Errorf("the port became %d, want %d", s.Port(), port)
	}
	if got := count(t, db); got != 1 {
		t.Errorf("%d rows after the restart, want 1", got)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	s := start(t)
	db := open(t, database(s, ""))
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatalf("Ping() = %v", err)
	}
	if err := s.Pause(); err != nil {
		t.Fatalf("Pause() = %v", err)
	}
	// The signal stops one thread after the other: the last may still answer.
	silent := func() bool {
		short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := db.ExecContext(short, "SELECT 1")
		return errors.Is(err, context.DeadlineExceeded)
	}
	for tries := 0; !silent(); tries++ {
		if tries == 20 {
			t.Fatal("a paused server goes on answering")
		}
	}
	if err := s.Resume(); err != nil {
		t.Fatalf("Resume() = %v", err)
	}
	exec(t, db, "SELECT 1")
}

func TestOnlyThePasswordOpens(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, tt := range []struct{ name, user, password string }{
		{"wrong password", s.User(), s.Password() + "x"},
		{"no password", s.User(), ""},
		{"root without a password", "root", ""},
		{"nobody", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db := database(s, "")
			db.User, db.Password = tt.user, tt.password
			err := open(t, db).PingContext(t.Context())
			var refusal *mysql.MySQLError
			if !errors.As(err, &refusal) || refusal.Number != 1045 && refusal.Number != 1698 {
				t.Errorf("Ping() = %v, want error 1045 or 1698, access denied", err)
			}
		})
	}
}

func TestStartTakesUpAnOldFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := startIn(t, dir)
	if err := first.CreateDatabase(t.Context(), "kept"); err != nil {
		t.Fatalf("make a database: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatalf("Close() = %v", err)
	}
	if err := open(t, database(startIn(t, dir), "kept")).PingContext(t.Context()); err != nil {
		t.Errorf("the database is gone: %v", err)
	}
}

func TestStartSaysWhyNot(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := mariadbtest.Start(ctx, t.TempDir(), nil); !errors.Is(err, context.Canceled) && !errors.Is(err, mariadbtest.ErrNotInstalled) {
		t.Errorf("Start() = %v, want %v", err, context.Canceled)
	}
}

func start(t *testing.T) *mariadbtest.Server {
	t.Helper()
	return startIn(t, t.TempDir())
}

func startIn(t *testing.T, dir string) *mariadbtest.Server {
	t.Helper()
	s, err := mariadbtest.Start(t.Context(), dir, nil)
	switch {
	case errors.Is(err, mariadbtest.ErrNotInstalled) && os.Getenv("ROLLCALL_TEST_REQUIRE") == "":
		t.Skip(err)
	case err != nil:
		t.Fatalf("Start() = %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	return s
}

func database(s *mariadbtest.Server, name string) mariadbtest.DB {
	host, port, _ := net.SplitHostPort(s.Addr())
	number, _ := strconv.Atoi(port)
	return mariadbtest.DB{Host: host, Port: number, Name: name, User: s.User(), Password: s.Password()}
}

func open(t *testing.T, at mariadbtest.DB) *sql.DB {
	t.Helper()
	cfg, err := mysql.ParseDSN(at.DSN())
	if err != nil {
		t.Fatalf("ParseDSN: %v", err)
	}
	cfg.Logger = &mysql.NopLogger{} // lost connections are what some tests are about
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatalf("NewConnector: %v", err)
	}
	db := sql.OpenDB(connector)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func exec(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func count(t *testing.T, db *sql.DB) int {
	t.Helper()
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM images").Scan(&n); err != nil {
		t.Fatalf("count: %v", err)
	}
	return n
}
