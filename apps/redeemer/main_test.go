package main

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/commandtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/queuetest"
	"github.com/rollcall-faces/rollcall/apps/internal/eraser"
	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }

func TestProgram(t *testing.T) {
	t.Parallel()
	commandtest.Test(t, spec)
}

func TestWrongSettings(t *testing.T) {
	t.Parallel()
	bad := map[string]string{
		"ROLLCALL_LOG_LEVEL": "loud", "ROLLCALL_LOG_FORMAT": "xml", "MYSQL_PORT": "0", "MYSQL_USERPASSWORD": "hunter2",
		"ROLLCALL_DB_CONNECTIONS": "none", "PRODUCER_ADDRESS": "nsqd", "NSQ_LOOKUP_ADDRESS": ",",
		"ROLLCALL_REDEEM_AFTER": "-1s", "ROLLCALL_REDEEM_STALE": "1s",
	}
	code, stdout, stderr := commandtest.Run(t, spec(), bad)
	if code != command.ExitFailed || stdout != "" {
		t.Errorf("exit code %d, stdout %q", code, stdout)
	}
	for name := range bad {
		if !strings.Contains(stderr, "  "+name+": ") {
			t.Errorf("%s is not named in: %v", name, stderr)
		}
	}
	if !strings.Contains(stderr, "  MYSQL_CONNECTION: ") || strings.Contains(stderr, "hunter2") {
		t.Errorf("stderr: %s", stderr)
	}
}

func TestWrongFlags(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no reason", []string{"-reason", ""}, `unknown reason ""`},
		{"unknown reason", []string{"-reason", "bored"}, `unknown reason "bored"`},
		{"one unknown reason", []string{"-reason", "timeout,bored"}, `unknown reason "bored"`},
		{"waiting", []string{"-reason", "queued"}, "queued is not an outcome"},
		{"no id", []string{"-id", ""}, `"" is not an image id`},
		{"word", []string{"-id", "one"}, `"one" is not an image id`},
		{"zero", []string{"-id", "0"}, `"0" is not an image id`},
		{"negative", []string{"-id", "-1"}, `"-1" is not an image id`},
		{"gap", []string{"-id", "1,,2"}, `"" is not an image id`},
		{"all with a value", []string{"-all", "images"}, `unexpected argument "images"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := commandtest.Run(t, spec(), nil, c.args...)
			if code != command.ExitUsage || stdout != "" || !strings.Contains(stderr, c.want) {
				t.Errorf("exit code %d, stdout %q, stderr %q; want %d and %q", code, stdout, stderr, command.ExitUsage, c.want)
			}
		})
	}
}

// settings are those of a redeemer on a database and a queue.
func settings(db mariadbtest.DB, nsqd, lookupd string) map[string]string {
	return map[string]string{
		"MYSQL_CONNECTION": db.Host, "MYSQL_PORT": strconv.Itoa(db.Port), "MYSQL_DBNAME": db.Name,
		"MYSQL_USERPASSWORD": db.User + ":" + db.Password, "PRODUCER_ADDRESS": nsqd, "NSQ_LOOKUP_ADDRESS": lookupd,
	}
}

func TestWithoutDatabase(t *testing.T) {
	t.Parallel()
	db := mariadbtest.DB{Host: "127.0.0.1", Port: 1, Name: "kube", User: "nobody", Password: "hunter2"}
	code, _, stderr := commandtest.Run(t, spec(), settings(db, "127.0.0.1:1", "127.0.0.1:1"))
	if code != command.ExitFailed || !strings.Contains(stderr, "the database cannot be reached") || strings.Contains(stderr, "hunter2") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

func TestOldSchema(t *testing.T) {
	t.Parallel()
	code, _, stderr := commandtest.Run(t, spec(), settings(mariadbtest.Database(t), "127.0.0.1:1", "127.0.0.1:1"))
	if code != command.ExitFailed || !strings.Contains(stderr, "run receiver -migrate") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

// A pass queues images that were never queued, and prints one line.
func TestPass(t *testing.T) {
	t.Parallel()
	db, queue := mariadbtest.Database(t), queuetest.Start(t)
	env := settings(db, queue.NSQD(), queue.Lookupd())
	// An image stored just now is left to the receiver.
	hourAgo := store.WithClock(func() time.Time { return time.Now().Add(-time.Hour) })
	s, err := store.OpenMySQL(config.ReadDatabase(config.NewReader(config.Map(env))), hourAgo)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Migrate(t.Context(), "/unknown_people"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddImages(t.Context(), []string{"/unknown_people/a.jpg", "/unknown_people/b.jpg"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{" 2 image(s) queued", " 0 image(s) queued"} {
		code, stdout, stderr := commandtest.Run(t, spec(), env, "-reason", "timeout, not_found", "-id", "1,2")
		if code != command.ExitOK || strings.Count(stdout, "\n") != 1 || !strings.Contains(stdout, want) {
			t.Errorf("exit code %d, stdout %q, stderr %q; want %q", code, stdout, stderr, want)
		}
	}
	if waiting, _, _ := queue.Depth("images", "ch"); waiting != 2 {
		t.Errorf("%d messages in the queue, want 2", waiting)
	}
	queue.StopNSQD()
	if _, err := s.AddImages(t.Context(), []string{"/unknown_people/c.jpg"}); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := commandtest.Run(t, spec(), env); code != command.ExitFailed {
		t.Errorf("without nsqd: exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

// The search for erased people prints places, and its exit code says whether there are
// any.
func TestVerifyErased(t *testing.T) {
	t.Parallel()
	env := settings(mariadbtest.Database(t), "", "")
	env["KNOWN_PEOPLE"], env["UNKNOWN_PEOPLE"] = t.TempDir(), t.TempDir()
	delete(env, "NSQ_LOOKUP_ADDRESS")
	delete(env, "PRODUCER_ADDRESS")
	s, err := store.OpenMySQL(config.ReadDatabase(config.NewReader(config.Map(env))))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Migrate(t.Context(), "/unknown_people"); err != nil {
		t.Fatal(err)
	}
	search := func(code int, want string) {
		t.Helper()
		got, stdout, stderr := commandtest.Run(t, spec(), env, "-verify-erased")
		if got != code || !strings.Contains(stdout, want) || strings.Contains(stdout+stderr, "Quux") {
			t.Errorf("exit code %d, stdout %q, stderr %q; want %d and %q", got, stdout, stderr, code, want)
		}
	}
	search(command.ExitOK, "erasures searched: 0")
	p, err := s.AddPerson(t.Context(), "Ann Quux")
	if err != nil {
		t.Fatal(err)
	}
	ledger := eraser.NewLedger(env["KNOWN_PEOPLE"])
	e := store.EraseRequest{ID: erasure.NewID(), Person: p.ID, Version: p.Version, Images: erasure.Keep}
	if _, _, err := s.Erase(t.Context(), e, ledger.Write); err != nil {
		t.Fatal(err)
	}
	search(command.ExitOK, "not done yet: 1")
	l, ok, err := s.ClaimErasure(t.Context(), time.Minute)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if err := s.EndErasure(t.Context(), l, nil); err != nil {
		t.Fatal(err)
	}
	search(command.ExitOK, "erasures searched: 1, with something left: 0")
	receipt, err := s.Erasure(t.Context(), e.ID)
	if err != nil || receipt.State != erasure.Verified {
		t.Errorf("receipt %+v, %v", receipt, err)
	}
	if _, err := s.AddImages(t.Context(), []string{"/unknown_people/a.jpg"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddUploads(t.Context(), []string{"/unknown_people/b.jpg"}, []string{"quux, ann.jpg"}); err != nil {
		t.Fatal(err)
	}
	search(command.ExitFailed, "found: images.file_name, name: 1")
	other := l.Entry
	other.ID = erasure.NewID()
	if err := ledger.Write(other); err != nil {
		t.Fatal(err)
	}
	search(command.ExitFailed, other.ID+": the database does not know it")
	delete(env, "KNOWN_PEOPLE")
	code, _, stderr := commandtest.Run(t, spec(), env, "-verify-erased")
	if code != command.ExitFailed || !strings.Contains(stderr, "set KNOWN_PEOPLE and UNKNOWN_PEOPLE") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}
