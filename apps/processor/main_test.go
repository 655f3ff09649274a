package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/commandtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/queuetest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
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
		"ROLLCALL_LOG_LEVEL": "loud", "ROLLCALL_LOG_FORMAT": "xml", "ROLLCALL_ADMIN_ADDRESS": "9001",
		"ROLLCALL_SHUTDOWN_TIMEOUT": "20", "MYSQL_PORT": "0", "MYSQL_USERPASSWORD": "hunter2", "ROLLCALL_DB_CONNECTIONS": "none",
		"NSQ_LOOKUP_ADDRESS": "nsqlookupd", "ROLLCALL_RECOGNIZER_TIMEOUT": "soon", "ROLLCALL_CALLS": "0", "ROLLCALL_BATCH": "0",
		"ROLLCALL_IN_FLIGHT": "0", "ROLLCALL_ATTEMPTS": "0", "ROLLCALL_LEASE": "0s", "ROLLCALL_THRESHOLD": "NaN", "ROLLCALL_MARGIN": "-1",
		"ROLLCALL_BREAKER_FAILURES": "0", "ROLLCALL_BREAKER_PAUSE": "-1s", "ROLLCALL_BREAKER_PAUSE_MAX": "x",
	}
	code, _, stderr := commandtest.Run(t, spec(), bad)
	if code != command.ExitFailed {
		t.Errorf("exit code %d, want %d", code, command.ExitFailed)
	}
	for name := range bad {
		if !strings.Contains(stderr, "  "+name+": ") {
			t.Errorf("%s is not named in: %v", name, stderr)
		}
	}
	for _, name := range []string{"MYSQL_CONNECTION", "GRPC_ADDRESS"} {
		if !strings.Contains(stderr, "  "+name+": is not set") {
			t.Errorf("%s is not named in: %v", name, stderr)
		}
	}
	if strings.Contains(stderr, "hunter2") {
		t.Errorf("the password is told: %s", stderr)
	}
}

// A processor whose queue was paused can work, and says why nothing comes.
func TestSaysThatTheQueueIsPaused(t *testing.T) {
	t.Parallel()
	db, queue := mariadbtest.Database(t), queuetest.Start(t)
	migrate(t, db)
	queue.Command("topic/create?topic=images")
	queue.Command("topic/pause?topic=images")
	env := databaseSettings(db)
	env["NSQ_LOOKUP_ADDRESS"], env["GRPC_ADDRESS"], env["ROLLCALL_ADMIN_ADDRESS"] = queue.Lookupd(), "127.0.0.1:1", "127.0.0.1:0"
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	logs, stderr := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- command.Run(ctx, spec(), nil, config.Map(env), io.Discard, stderr)
		stderr.Close()
	}()
	var line struct{ Msg, Admin string }
	if err := json.NewDecoder(logs).Decode(&line); err != nil || line.Admin == "" {
		t.Fatalf("the first line of the log is %+v, %v", line, err)
	}
	go io.Copy(io.Discard, logs) //nolint:errcheck // ends with the program
	wait.Until(t, "it says that the topic is paused", func() bool {
		code, body := get(t, line.Admin, "/readyz?verbose")
		return code == http.StatusOK && strings.Contains(body, "/topic/unpause?topic=images")
	})
	if _, metrics := get(t, line.Admin, "/metrics"); !strings.Contains(metrics, `rollcall_queue_paused{what="topic"} 1`) {
		t.Errorf("the pause is not in the metrics:\n%s", metrics)
	}
	stop()
	if code := <-done; code != command.ExitOK {
		t.Errorf("exit code %d, want %d", code, command.ExitOK)
	}
}

// databaseSettings are those of a processor on a database.
func databaseSettings(db mariadbtest.DB) map[string]string {
	return map[string]string{
		"MYSQL_CONNECTION": db.Host, "MYSQL_PORT": strconv.Itoa(db.Port), "MYSQL_DBNAME": db.Name,
		"MYSQL_USERPASSWORD": db.User + ":" + db.Password,
	}
}

func migrate(t *testing.T, db mariadbtest.DB) {
	t.Helper()
	r := config.NewReader(config.Map(databaseSettings(db)))
	cfg := config.ReadDatabase(r)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	st, err := store.OpenMySQL(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if _, err := st.Migrate(t.Context(), "/unknown_people"); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, address, path string) (code int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true // an idle connection would hold up the stop
	res, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// It waits for its database, reports that, and stops cleanly while waiting.
func TestWaitsForDatabase(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	logs, stderr := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- command.Run(ctx, spec(), nil, config.Map(map[string]string{
			"MYSQL_CONNECTION": "127.0.0.1", "MYSQL_PORT": "1", "MYSQL_USERPASSWORD": "nobody:hunter2",
			"NSQ_LOOKUP_ADDRESS": "127.0.0.1:1", "GRPC_ADDRESS": "127.0.0.1:1", "ROLLCALL_ADMIN_ADDRESS": "127.0.0.1:0",
		}), io.Discard, stderr)
		stderr.Close()
	}()
	var line struct{ Msg, Admin string }
	lines := json.NewDecoder(logs)
	if err := lines.Decode(&line); err != nil || line.Admin == "" {
		t.Fatalf("the first line of the log is %+v, %v", line, err)
	}
	admin := line.Admin
	for line.Msg != "waiting for the database" {
		if err := lines.Decode(&line); err != nil {
			t.Fatalf("it does not say that it waits: %v", err)
		}
	}
	go io.Copy(io.Discard, logs) //nolint:errcheck // ends with the program
	for path, want := range map[string]int{
		"/healthz": http.StatusOK, "/readyz": http.StatusServiceUnavailable, "/metrics": http.StatusOK,
	} {
		if code, _ := get(t, admin, path); code != want {
			t.Errorf("%s: got %d, want %d", path, code, want)
		}
	}
	stop()
	if code := <-done; code != command.ExitOK {
		t.Errorf("exit code %d, want %d", code, command.ExitOK)
	}
}
