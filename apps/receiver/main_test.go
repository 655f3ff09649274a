package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/commandtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/queuetest"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// asReceiver makes the test binary run as the receiver, so that it can be killed.
const asReceiver = "ROLLCALL_TEST_AS_RECEIVER"

func TestMain(m *testing.M) {
	if os.Getenv(asReceiver) != "" {
		main()
		return
	}
	os.Exit(mariadbtest.Main(m))
}

func TestProgram(t *testing.T) {
	t.Parallel()
	commandtest.Test(t, spec)
}

func TestWrongSettings(t *testing.T) {
	t.Parallel()
	bad := map[string]string{
		"ROLLCALL_LOG_LEVEL": "loud", "ROLLCALL_LOG_FORMAT": "xml", "ROLLCALL_ADMIN_ADDRESS": "9000",
		"ROLLCALL_SHUTDOWN_TIMEOUT": "20", "MYSQL_PORT": "0", "MYSQL_USERPASSWORD": "hunter2", "ROLLCALL_DB_CONNECTIONS": "none",
		"PRODUCER_ADDRESS": "nsqd", "ROLLCALL_LISTEN_ADDRESS": ":http", "ROLLCALL_MAX_BODY": "16MB", "ROLLCALL_MAX_PATHS": "-1",
		"ROLLCALL_LINGER": "5", "ROLLCALL_MIGRATE_WAIT": "-1s", "ROLLCALL_GRPC_TOKEN": "short", "ROLLCALL_RECOGNIZER_TIMEOUT": "30",
		"ROLLCALL_OPEN_API": "yes", "ROLLCALL_OPEN_INGEST": "yes", "ROLLCALL_KEY_RATE": "-1", "ROLLCALL_KEY_BURST": "many",
		"ROLLCALL_MAX_UPLOAD": "1GB", "ROLLCALL_MAX_UPLOAD_FILES": "0", "ROLLCALL_UPLOADS": "many", "ROLLCALL_MIN_FREE": "101%",
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

// settings are those of a receiver on a database.
func settings(db mariadbtest.DB) map[string]string {
	return map[string]string{
		"MYSQL_CONNECTION": db.Host, "MYSQL_PORT": strconv.Itoa(db.Port), "MYSQL_DBNAME": db.Name,
		"MYSQL_USERPASSWORD":      db.User + ":" + db.Password,
		"ROLLCALL_LISTEN_ADDRESS": "127.0.0.1:0", "ROLLCALL_ADMIN_ADDRESS": "127.0.0.1:0", "PRODUCER_ADDRESS": "127.0.0.1:1",
	}
}

// noDatabase is a database that does not exist.
var noDatabase = mariadbtest.DB{Host: "127.0.0.1", Port: 1, Name: "kube", User: "nobody", Password: "hunter2"}

func migrate(t *testing.T, db mariadbtest.DB) (printed string) {
	t.Helper()
	code, stdout, stderr := commandtest.Run(t, spec(), settings(db), "-migrate")
	if code != command.ExitOK {
		t.Fatalf("exit code %d, stderr %q", code, stderr)
	}
	return stdout
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Database(t)
	version := fmt.Sprintf("schema version %d: ", store.SchemaVersion)
	if got := migrate(t, db); !strings.HasPrefix(got, version+"images_people_faces") {
		t.Errorf("the first time prints %q", got)
	}
	if got, want := migrate(t, db), version+"nothing to do\n"; got != want {
		t.Errorf("the second time prints %q, want %q", got, want)
	}
}

func TestMigrateWithoutDatabase(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := commandtest.Run(t, spec(), settings(noDatabase), "-migrate")
	if code != command.ExitFailed || stdout != "" || !strings.Contains(stderr, "the database cannot be reached") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	if strings.Contains(stderr, "hunter2") {
		t.Errorf("the password is told: %s", stderr)
	}
}

// -migrate waits for a database that is still starting.
func TestMigrateWaits(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Database(t)
	env := settings(db)
	env["MYSQL_CONNECTION"], env["MYSQL_PORT"] = notAtFirst(t, net.JoinHostPort(db.Host, strconv.Itoa(db.Port)))
	env["ROLLCALL_MIGRATE_WAIT"] = "5m"
	code, stdout, stderr := commandtest.Run(t, spec(), env, "-migrate")
	if code != command.ExitOK || !strings.Contains(stdout, "images_people_faces") {
		t.Errorf("exit code %d, stdout %q", code, stdout)
	}
	if !strings.Contains(stderr, "database not available") {
		t.Errorf("the wait is not told: %s", stderr)
	}
}

// notAtFirst returns the address of a proxy that closes the first connection and
// forwards the others to server.
func notAtFirst(t *testing.T, server string) (host, port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for first := true; ; first = false {
			caller, err := l.Accept()
			if err != nil {
				return
			}
			if first {
				caller.Close()
				continue
			}
			callee, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server)
			if err != nil {
				t.Errorf("dial the database: %v", err)
				return
			}
			go func() { io.Copy(callee, caller); callee.Close() }() //nolint:errcheck // ends with either side
			go func() { io.Copy(caller, callee); caller.Close() }() //nolint:errcheck // ends with either side
		}
	}()
	host, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// running is a receiver that serves.
type running struct {
	t          *testing.T
	api, admin string // host:port
	key        string // sent with requests; "" for none
	stop       context.CancelFunc
	code       chan int
}

func start(t *testing.T, env map[string]string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	r := &running{t: t, stop: stop, code: make(chan int, 1)}
	logs, stderr := io.Pipe()
	go func() {
		r.code <- command.Run(ctx, spec(), nil, config.Map(env), io.Discard, stderr)
		stderr.Close()
	}()
	var line struct{ Msg, Address, Admin string }
	if err := json.NewDecoder(logs).Decode(&line); err != nil || line.Msg != "receiver is listening" {
		t.Fatalf("the first line of the log is %+v, %v", line, err)
	}
	go io.Copy(io.Discard, logs) //nolint:errcheck // ends with the program
	r.api, r.admin = line.Address, line.Admin
	return r
}

// ask sends a request, a POST where there is a body, and expects a code.
func (r *running) ask(address, body string, want int) string {
	r.t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+address, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if r.key != "" {
		req.Header.Set("X-API-Key", r.key)
	}
	req.Close = true // an idle connection would hold up the stop
	res, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if res.StatusCode != want {
		r.t.Errorf("%s %s: got %d, want %d: %s", method, address, res.StatusCode, want, text)
	}
	return string(text)
}

// end asks the receiver to stop, as SIGTERM does.
func (r *running) end() {
	r.t.Helper()
	r.stop()
	if code := <-r.code; code != command.ExitOK {
		r.t.Errorf("exit code %d, want %d", code, command.ExitOK)
	}
}

// It serves without its database, reports that, and stops cleanly.
func TestServesWithoutDatabase(t *testing.T) {
	t.Parallel()
	r := start(t, settings(noDatabase))
	r.ask(r.admin+"/healthz", "", http.StatusOK)
	if got := r.ask(r.admin+"/readyz", "", http.StatusServiceUnavailable); !strings.Contains(got, `"database":"`) {
		t.Errorf("what is missing is not named: %s", got)
	}
	r.ask(r.admin+"/metrics", "", http.StatusOK)
	r.ask(r.api+"/healthz", "", http.StatusOK)
	r.ask(r.api+"/readyz", "", http.StatusServiceUnavailable)
	r.ask(r.api+"/image/post", `{"path":"a.jpg"}`, http.StatusServiceUnavailable)
	r.end()
}

func TestServes(t *testing.T) {
	t.Parallel()
	db, queue := mariadbtest.Database(t), queuetest.Start(t)
	env := settings(db)
	env["PRODUCER_ADDRESS"] = queue.NSQD()
	r := start(t, env)
	if got := r.ask(r.admin+"/readyz", "", http.StatusServiceUnavailable); !strings.Contains(got, "receiver -migrate") {
		t.Errorf("an empty database is not explained: %s", got)
	}
	migrate(t, db)
	got := r.ask(r.api+"/image/post", `{"path":"a.jpg"}`, http.StatusAccepted)
	if !strings.Contains(got, `"path":"/unknown_people/a.jpg"`) || !strings.Contains(got, `"queued":true`) {
		t.Errorf("got %s", got)
	}
	r.ask(r.api+"/readyz", "", http.StatusOK)
	if got := r.ask(r.admin+"/metrics", "", http.StatusOK); !strings.Contains(got, `rollcall_posted_images_total{result="accepted"} 1`) {
		t.Errorf("the image is not counted in:\n%s", got)
	}
	r.end()
	if waiting, _, _ := queue.Depth("images", "ch"); waiting != 1 {
		t.Errorf("%d messages in the queue, want 1", waiting)
	}
}

func TestAddressInUse(t *testing.T) {
	t.Parallel()
	r := start(t, settings(noDatabase))
	env := settings(noDatabase)
	env["ROLLCALL_LISTEN_ADDRESS"], env["ROLLCALL_ADMIN_ADDRESS"] = r.api, r.admin
	code, _, stderr := commandtest.Run(t, spec(), env)
	if code != command.ExitFailed || !strings.Contains(stderr, r.api) || !strings.Contains(stderr, r.admin) {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
	r.end()
}

// Nothing but pictures and questions needs a recognizer.
func TestServesWithoutRecognizer(t *testing.T) {
	t.Parallel()
	db, queue := mariadbtest.Database(t), queuetest.Start(t)
	migrate(t, db)
	env := settings(db)
	env["PRODUCER_ADDRESS"] = queue.NSQD()
	env["GRPC_ADDRESS"], env["ROLLCALL_GRPC_TOKEN"] = "127.0.0.1:1", "a token of this test"
	r := start(t, env)
	r.ask(r.admin+"/readyz", "", http.StatusOK)
	r.ask(r.api+"/readyz", "", http.StatusOK)
	r.ask(r.api+"/image/post", `{"path":"a.jpg"}`, http.StatusAccepted)
	r.end()
}

// One that other machines can reach does not start without a key, and starts with
// one that the command keys has made.
func TestNeedsAKey(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Database(t)
	migrate(t, db)
	env := settings(db)
	env["ROLLCALL_LISTEN_ADDRESS"] = "0.0.0.0:0"
	code, _, stderr := commandtest.Run(t, spec(), env)
	if code != command.ExitFailed || !strings.Contains(stderr, "receiver keys create") {
		t.Fatalf("exit code %d, stderr %q", code, stderr)
	}
	code, stdout, stderr := commandtest.Run(t, spec(), env, "keys", "create", "-name", "ci", "-scopes", "read")
	if code != command.ExitOK {
		t.Fatalf("exit code %d, stderr %q", code, stderr)
	}
	r := start(t, env)
	_, port, err := net.SplitHostPort(r.api)
	if err != nil {
		t.Fatal(err)
	}
	r.api = "127.0.0.1:" + port
	r.ask(r.api+"/api/v1/images", "", http.StatusUnauthorized)
	r.key = strings.TrimSpace(stdout)
	r.ask(r.api+"/api/v1/images", "", http.StatusOK)
	r.ask(r.api+"/image/post", `{"path":"a.jpg"}`, http.StatusForbidden)
	r.end()
	code, stdout, _ = commandtest.Run(t, spec(), env, "keys", "list")
	if line := strings.Split(stdout, "\n")[1]; code != command.ExitOK || strings.HasSuffix(line, "-") {
		t.Errorf("its use is not noted: %q", line)
	}
}

// Without its database a receiver cannot tell whether there is a key. It waits.
func TestKeysWithoutDatabase(t *testing.T) {
	t.Parallel()
	env := settings(noDatabase)
	env["ROLLCALL_OPEN_API"] = "false"
	r := start(t, env)
	r.ask(r.api+"/healthz", "", http.StatusOK)
	r.ask(r.api+"/api/v1/images", "", http.StatusUnauthorized)
	r.ask(r.api+"/image/post", `{"path":"a.jpg"}`, http.StatusServiceUnavailable) // are keys newer than the database?
	r.key = "rollcall_dev_" + strings.Repeat("A", 43)
	r.ask(r.api+"/image/post", `{"path":"a.jpg"}`, http.StatusServiceUnavailable)
	r.end()
}

func TestWrongKeysFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, []byte(`{"keys":[{"name":"a","key":"hunter2","scopes":["read"]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	env := settings(noDatabase)
	env["ROLLCALL_KEYS_FILE"] = file
	code, _, stderr := commandtest.Run(t, spec(), env)
	if code != command.ExitFailed || !strings.Contains(stderr, "ROLLCALL_KEYS_FILE: ") || !strings.Contains(stderr, "key 1") || strings.Contains(stderr, "hunter2") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}
