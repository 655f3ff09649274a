package mariadbtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	// serverVariable names a running server as user:password@host:port. Tests
	// use it in place of one they start.
	serverVariable = "ROLLCALL_TEST_MYSQL"
	// requireVariable makes a test fail that would otherwise be skipped.
	requireVariable = "ROLLCALL_TEST_REQUIRE"

	startTimeout = time.Minute
	dropTimeout  = 30 * time.Second
)

// DB is the address of an empty database.
type DB struct {
	Host     string
	Port     int
	Name     string
	User     string
	Password string
}

// DSN returns the data source name for github.com/go-sql-driver/mysql. Times
// are read as time.Time in UTC.
func (db DB) DSN() string {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(db.Host, strconv.Itoa(db.Port))
	cfg.User, cfg.Passwd, cfg.DBName = db.User, db.Password, db.Name
	cfg.ParseTime = true
	return cfg.FormatDSN()
}

// Database returns a new database on the server that all tests of this binary
// share. The first call starts the server. The database is dropped when the
// test ends. The TestMain of the package should end with Main.
//
// If no MariaDB server is installed, the test is skipped, or fails if
// ROLLCALL_TEST_REQUIRE is set. ROLLCALL_TEST_MYSQL (user:password@host:port)
// names a running server to use instead.
func Database(tb testing.TB) DB {
	tb.Helper()
	server, err := shared.login()
	switch {
	case errors.Is(err, ErrNotInstalled) && os.Getenv(requireVariable) == "":
		tb.Skipf("needs a database server: %v", err)
	case err != nil:
		tb.Fatalf("database server for tests: %v", err)
	}
	name := "rollcall_test_" + strings.ToLower(rand.Text()[:12])
	if err := server.exec(tb.Context(), "CREATE DATABASE "+quote(name)+" CHARACTER SET utf8mb4"); err != nil {
		tb.Fatalf("create a database: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
		defer cancel()
		if err := server.exec(ctx, "DROP DATABASE IF EXISTS "+quote(name)); err != nil {
			tb.Errorf("drop the database: %v", err)
		}
	})
	return DB{Host: server.host, Port: server.port, Name: name, User: server.user, Password: server.password}
}

// Main runs the tests, stops the shared server, removes its data and returns
// the exit code:
//
//	func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }
//
// Without it, the server still dies with the test binary, but its data stays
// until the next test binary starts a server.
func Main(m *testing.M) int {
	code := m.Run()
	if err := shared.close(); err != nil {
		fmt.Fprintln(os.Stderr, "mariadbtest:", err)
		return max(code, 1)
	}
	return code
}

// shared is the server of this test binary. Starting a server is slow, creating
// a database is not.
var shared sharedServer

type sharedServer struct {
	mu     sync.Mutex // guards the fields below
	tried  bool
	err    error
	at     login
	server *Server  // nil if ROLLCALL_TEST_MYSQL names the server
	dir    *os.File // its locked folder
}

// login returns how to reach the server. The first call starts it.
func (s *sharedServer) login() (login, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.tried {
		s.tried = true
		s.err = s.start()
	}
	return s.at, s.err
}

func (s *sharedServer) start() error {
	if v := os.Getenv(serverVariable); v != "" {
		at, err := parseLogin(v)
		s.at = at
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	dir, err := makeDir(ctx)
	if err != nil {
		return err
	}
	server, err := Start(ctx, dir.Name(), nil)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir.Name()), dir.Close())
	}
	s.server, s.dir, s.at = server, dir, server.login()
	return nil
}

func (s *sharedServer) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		return nil
	}
	err := errors.Join(s.server.Close(), os.RemoveAll(s.dir.Name()), s.dir.Close())
	s.server = nil
	return err
}

// parseLogin parses user:password@host:port. The password may contain any
// character.
func parseLogin(s string) (login, error) {
	const form = serverVariable + " must be user:password@host:port"
	at := strings.LastIndex(s, "@")
	if at < 0 {
		return login{}, errors.New(form)
	}
	user, password, ok := strings.Cut(s[:at], ":")
	host, port, err := net.SplitHostPort(s[at+1:])
	if !ok || user == "" || err != nil {
		return login{}, errors.New(form)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return login{}, errors.New(form)
	}
	return login{host: host, port: number, user: user, password: password}, nil
}

// quote quotes a name for MySQL and MariaDB.
func quote(name string) string {
	return "`" + strings.ReplaceAll(name, "`", "``") + "`"
}
