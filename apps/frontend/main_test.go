package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/commandtest"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

func TestProgram(t *testing.T) {
	t.Parallel()
	commandtest.Test(t, spec)
}

func TestWrongSettings(t *testing.T) {
	t.Parallel()
	code, _, stderr := commandtest.Run(t, spec(), map[string]string{"FRONTEND_PORT": "x"})
	if code != command.ExitFailed {
		t.Errorf("exit code %d, want %d", code, command.ExitFailed)
	}
	for _, name := range []string{"FRONTEND_PORT", "MYSQL_CONNECTION", "MYSQL_USERPASSWORD"} {
		if !strings.Contains(stderr, name) {
			t.Errorf("%s is not named in: %v", name, stderr)
		}
	}
}

// The program serves without its database, reports that, and stops cleanly.
func TestServesWithoutDatabase(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	logs, stderr := io.Pipe()
	done := make(chan int, 1)
	go func() {
		done <- command.Run(ctx, spec(), nil, config.Map(map[string]string{
			"MYSQL_CONNECTION": "127.0.0.1", "MYSQL_PORT": "1", "MYSQL_USERPASSWORD": "nobody:secret",
			"FRONTEND_PORT": "0", "ROLLCALL_FRONTEND_HOST": "127.0.0.1", "ROLLCALL_ADMIN_ADDRESS": "127.0.0.1:0",
		}), io.Discard, stderr)
		stderr.Close()
	}()
	var serving struct{ Address, Admin string }
	lines := json.NewDecoder(logs)
	if err := lines.Decode(&serving); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, logs) //nolint:errcheck // ends with the program

	client := &http.Client{Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	for url, want := range map[string]int{
		serving.Address + "/":      http.StatusServiceUnavailable,
		serving.Admin + "/healthz": http.StatusOK,
		serving.Admin + "/readyz":  http.StatusServiceUnavailable,
		serving.Admin + "/metrics": http.StatusOK,
	} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("GET %s: got %d, want %d", url, res.StatusCode, want)
		}
	}
	stop()
	if code := <-done; code != command.ExitOK {
		t.Errorf("exit code %d, want %d", code, command.ExitOK)
	}
}

// A dashboard that other machines can reach says what it needs, or what it shows to them.
func TestNeedsAKeyOrToBeToldOtherwise(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "key")
	for name, tc := range map[string]struct {
		settings map[string]string
		says     string // in the log, or as the error
	}{
		"no key":                 {nil, "ROLLCALL_OPEN_DASHBOARD=true, if everybody"},
		"a Secret nobody made":   {map[string]string{"ROLLCALL_KEY_FILE": missing}, "ROLLCALL_OPEN_DASHBOARD=true, if everybody"},
		"told to be open":        {map[string]string{"ROLLCALL_OPEN_DASHBOARD": "true"}, "everybody who can reach the dashboard may see"},
		"told so, with a Secret": {map[string]string{"ROLLCALL_OPEN_DASHBOARD": "true", "ROLLCALL_KEY_FILE": missing}, "everybody who can reach the dashboard may see"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			env := map[string]string{
				"MYSQL_CONNECTION": "127.0.0.1", "MYSQL_PORT": "1", "MYSQL_USERPASSWORD": "nobody:secret",
				"FRONTEND_PORT": "0", "ROLLCALL_ADMIN_ADDRESS": "127.0.0.1:0",
			}
			maps.Copy(env, tc.settings)
			out, stderr := io.Pipe()
			done := make(chan int, 1)
			go func() {
				done <- command.Run(ctx, spec(), nil, config.Map(env), io.Discard, stderr)
				stderr.Close()
			}()
			var said strings.Builder
			lines := bufio.NewScanner(out)
			for lines.Scan() && !strings.Contains(said.String(), tc.says) {
				said.WriteString(lines.Text() + "\n")
			}
			go io.Copy(io.Discard, out) //nolint:errcheck // ends with the program
			stop()
			if code := <-done; !strings.Contains(said.String(), tc.says) || (code == command.ExitOK) != (tc.settings["ROLLCALL_OPEN_DASHBOARD"] == "true") {
				t.Errorf("exit code %d; it says:\n%s", code, said.String())
			}
		})
	}
}
