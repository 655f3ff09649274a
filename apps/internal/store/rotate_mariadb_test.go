package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// rotating is a database whose user's password changes, and what stands for the cluster.
type rotating struct {
	server *mariadbtest.Server
	admin  *sql.DB
	dir    string // of the Secret's file, and of a kubectl
}

// kubectl does what rotate.sh wants of the real one, with the files of a folder, and notes
// how it was called. What is executed in the database's pod runs here.
const kubectl = `#!/bin/sh
cd "${0%/*}" || exit 1
echo "$*" >>calls
case "$*" in
*"get secret mysql-credentials"*userpassword*) cat userpassword ;;
*"get secret mysql-credentials"*annotations*) cat owner ;;
*"patch secret mysql-credentials"*--patch-file=/dev/stdin) sed -n 's/.*"userpassword":"\([^"]*\)".*/\1/p' >new && mv new userpassword ;;
*"exec mysql-0 -c mysql -- cat /etc/rollcall/mysql/userpassword") cat userpassword ;;
*"exec -i mysql-0 -c mysql -- /bin/sh -c "*) exec mariadb --defaults-file=admin.cnf --batch --skip-column-names ;;
*) echo "unexpected: $*" >&2; exit 1 ;;
esac
`

// startRotating starts a server of its own: users and their passwords are not part of a
// database.
func startRotating(t *testing.T) *rotating {
	t.Helper()
	if _, err := exec.LookPath("mariadb"); err != nil {
		t.Skip("needs the client of MariaDB")
	}
	mariadbtest.Database(t) // says why where there is no MariaDB
	server, err := mariadbtest.Start(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, server.Close)
	if err := server.CreateDatabase(t.Context(), "rollcall"); err != nil {
		t.Fatal(err)
	}
	r := &rotating{server: server, dir: t.TempDir()}
	r.admin = rawMariaDB(t, mariadbtest.DB{Host: "127.0.0.1", Port: server.Port(), User: server.User(), Password: server.Password()})
	mustExec(t, r.admin, "create user app identified by 'first'")
	mustExec(t, r.admin, "grant all on rollcall.* to app")
	r.write(t, "kubectl", kubectl)
	r.write(t, "owner", "argocd.argoproj.io/sync-wave ")
	r.write(t, "admin.cnf", fmt.Sprintf("[client]\nhost=127.0.0.1\nport=%d\nuser=%s\npassword=\"%s\"\n", server.Port(), server.User(), server.Password()))
	r.write(t, "userpassword", "app:first")
	return r
}

// write replaces a file as Kubernetes does: nobody sees half of it.
func (r *rotating) write(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(r.dir, name)
	if err := os.WriteFile(file+".new", []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func (r *rotating) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// open opens a program's store on the file, with connections that end soon.
func (r *rotating) open(t *testing.T, opts ...store.Option) *store.Store {
	t.Helper()
	settings := config.NewReader(config.Map(map[string]string{
		"MYSQL_CONNECTION": "127.0.0.1", "MYSQL_PORT": fmt.Sprint(r.server.Port()), "MYSQL_DBNAME": "rollcall",
		"MYSQL_USERPASSWORD_FILE": filepath.Join(r.dir, "userpassword"),
	}))
	cfg := config.ReadDatabase(settings)
	if err := settings.Err(); err != nil {
		t.Fatal(err)
	}
	s, err := store.OpenMySQL(cfg, append(opts, store.WithConnectionLife(100*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, s.Close)
	return s
}

// script runs rotate.sh and returns what it prints.
func (r *rotating) script(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return r.scriptFor(t, "", args...)
}

// scriptFor is script for a database of another name.
func (r *rotating) scriptFor(t *testing.T, database string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"../../../base/mysql/rotate.sh"}, args...)...)
	cmd.Env = append(os.Environ(), "PATH="+r.dir+":"+os.Getenv("PATH"), "ROTATE_QUIET=1", "ROTATE_PATIENCE=60", "MYSQL_DBNAME="+database)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// login tries user:password.
func (r *rotating) login(t *testing.T, userPassword string) error {
	t.Helper()
	user, password, _ := strings.Cut(userPassword, ":")
	db, err := sql.Open("mysql", mariadbtest.DB{Host: "127.0.0.1", Port: r.server.Port(), Name: "rollcall", User: user, Password: password}.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() // or rotate.sh would wait for it
	return db.PingContext(t.Context())
}

// connections counts those of a user.
func (r *rotating) connections(t *testing.T, user string) (n int) {
	t.Helper()
	row := r.admin.QueryRowContext(t.Context(), "select count(*) from information_schema.processlist where user = ?", user)
	if err := row.Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// use reads and writes all the time. The function that it returns ends that and returns
// the errors.
func use(t *testing.T, s *store.Store) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		all.Go(func() {
			for n := 0; ctx.Err() == nil && errs[i] == nil; n++ {
				_, err := s.AddImages(t.Context(), []string{fmt.Sprintf("/unknown_people/%d-%d.jpg", i, n)})
				errs[i] = errors.Join(err, s.Ping(t.Context()))
			}
		})
	}
	return func() error {
		cancel()
		all.Wait()
		return errors.Join(errs...)
	}
}

func TestMariaDBPasswordRotation(t *testing.T) {
	t.Parallel()
	r := startRotating(t)
	s := r.open(t)
	migrate(t, s)
	stop := use(t, s)
	logins := []string{"app:first"}
	for _, user := range []string{"app-b", "app", "app-b"} {
		out, err := r.script(t)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		now := r.read(t, "userpassword")
		if !strings.HasPrefix(now, user+":") {
			t.Errorf("the Secret has the login %q, want the user %s", now, user)
		}
		if err := r.login(t, now); err != nil {
			t.Errorf("%s: %v", user, err)
		}
		for _, old := range logins {
			if r.login(t, old) == nil {
				t.Errorf("%s works after %s", old, now)
			}
		}
		logins = append(logins, now)
		for _, login := range logins {
			_, password, _ := strings.Cut(login, ":")
			if strings.Contains(out, password) || strings.Contains(r.read(t, "calls"), password) {
				t.Errorf("the password is told in %q or a command line", out)
			}
		}
	}
	if err := stop(); err != nil {
		t.Errorf("while the password changed: %v", err)
	}
}

// Where git or a secrets manager has the Secret, somebody else writes it in between.
// In GRANT, _ and % in the name of a database stand for any characters.
func TestMariaDBPasswordRotationGrantsOneDatabase(t *testing.T) {
	t.Parallel()
	r := startRotating(t)
	for _, name := range []string{"roll_call", "rollXcall", "a%b", "a other b"} {
		mustExec(t, r.admin, "create database `"+name+"`")
	}
	mayUse := func(database string) bool {
		t.Helper()
		user, password, _ := strings.Cut(r.read(t, "next"), ":")
		db, err := sql.Open("mysql", mariadbtest.DB{Host: "127.0.0.1", Port: r.server.Port(), Name: "information_schema", User: user, Password: password}.DSN())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		_, err = db.ExecContext(t.Context(), "use `"+database+"`")
		return err == nil
	}
	for _, tt := range []struct{ database, other string }{{"roll_call", "rollXcall"}, {"a%b", "a other b"}} {
		if out, err := r.scriptFor(t, tt.database, "begin", filepath.Join(r.dir, "next")); err != nil {
			t.Fatalf("%s: %v\n%s", tt.database, err, out)
		}
		if !mayUse(tt.database) || mayUse(tt.other) {
			t.Errorf("a grant on %s: on itself %v, on %s %v", tt.database, mayUse(tt.database), tt.other, mayUse(tt.other))
		}
	}
	for _, hostile := range []string{"a`; drop user app; --", `a\b`, "a'b"} {
		if out, err := r.scriptFor(t, hostile, "begin", filepath.Join(r.dir, "next")); err == nil || !strings.Contains(out, "does not quote") {
			t.Errorf("%s: %v\n%s", hostile, err, out)
		}
	}
}

func TestMariaDBPasswordRotationInSteps(t *testing.T) {
	t.Parallel()
	r := startRotating(t)
	s := r.open(t)
	migrate(t, s)
	for _, owner := range []string{"ExternalSecret ", "kubectl.kubernetes.io/last-applied-configuration "} {
		r.write(t, "owner", owner)
		if out, err := r.script(t); err == nil || !strings.Contains(out, "begin and finish") {
			t.Errorf("%s: %v, %s", owner, err, out)
		}
	}
	stop := use(t, s)
	file := filepath.Join(t.TempDir(), "login")
	if out, err := r.script(t, "begin", file); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := r.login(t, "app:first"); err != nil {
		t.Errorf("the old user after begin: %v", err)
	}
	wanted, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "userpassword", string(wanted))
	wait.Until(t, "the program uses the new user", func() bool { return r.connections(t, "app-b") > 0 })
	if out, err := r.script(t, "begin", file+"2"); err == nil && r.connections(t, "app") > 0 {
		t.Errorf("a second change began while the first was under way: %s", out)
	}
	if out, err := r.script(t, "finish", file); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r.login(t, "app:first") == nil {
		t.Error("the old password works at the end")
	}
	if err := stop(); err != nil {
		t.Errorf("while the password changed: %v", err)
	}
}

// A Secret that is wrong, or is there before the database knows of it, costs nothing.
func TestMariaDBLoginThatIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, file, user string }{
		{"wrong password", "app:wrong", ""},
		{"unknown user", "nobody:first", ""},
		{"locked user", "locked:secret", ""},
		{"no login", "first", ""},
		{"empty", "", ""},
		{"another user, who may", "other:secret", "other"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := startRotating(t)
			mustExec(t, r.admin, "create user locked identified by 'secret' account lock")
			mustExec(t, r.admin, "create user other identified by 'secret'")
			mustExec(t, r.admin, "grant all on rollcall.* to other")
			var log bytes.Buffer
			s := r.open(t, store.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
			migrate(t, s)
			if err := s.Ping(t.Context()); err != nil { // with the login before
				t.Fatal(err)
			}
			before := r.opened(t)
			stop := use(t, s)
			r.write(t, "userpassword", c.file)
			wait.Until(t, "other connections are in use", func() bool { return r.opened(t) > before+20 })
			if c.user != "" {
				wait.Until(t, "the old user has no connection", func() bool { return r.connections(t, "app") == 0 })
			}
			if err := stop(); err != nil {
				t.Error(err)
			}
			if n := strings.Count(log.String(), "the one before is used"); (n == 1) == (c.user != "") {
				t.Errorf("it was logged %d times: %s", n, &log)
			}
		})
	}
}

// opened counts the connections that the server has ever accepted.
func (r *rotating) opened(t *testing.T) (n int) {
	t.Helper()
	var name string
	if err := r.admin.QueryRowContext(t.Context(), "show global status like 'Connections'").Scan(&name, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A user who may not log in is the database's fault, not the request's.
func TestMariaDBUserMayNotLogIn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, change string }{
		{"locked", "alter user app account lock"},
		{"another password", "alter user app identified by 'second'"},
		{"expired password", "alter user app password expire"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := startRotating(t)
			s := r.open(t)
			migrate(t, s)
			mustExec(t, r.admin, c.change)
			mustExec(t, r.admin, "set global disconnect_on_expired_password = 1")
			wait.Until(t, "requests fail", func() bool {
				_, err := s.AddImages(t.Context(), []string{"/unknown_people/1.jpg"})
				if err != nil && faces.ErrorCode(err) != faces.CodeUnavailable {
					t.Fatalf("got %v (%s)", err, cause(err))
				}
				return err != nil
			})
		})
	}
}
