package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/color"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/commandtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/smallsystem"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/load/internal/report"
)

func TestCommand(t *testing.T) {
	t.Parallel()
	commandtest.Test(t, spec)
}

func TestArguments(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"a mode that is none":       {[]string{"-mode", "burst"}, `-mode is "burst"; it must be paths, upload or mix`},
		"an upload of nothing":      {[]string{"-mode", "upload"}, "-mode upload needs -files"},
		"files of paths":            {[]string{"-files", "x"}, "-files is for -mode upload"},
		"a bad mix":                 {[]string{"-mode", "mix", "-mix", "x=1"}, "-mix: the mix has"},
		"no rate":                   {[]string{"-rate", "0"}, "-rate: no request is due"},
		"a rate below 0":            {[]string{"-rate", "-1"}, "-rate: a rate is -1"},
		"a bad ramp":                {[]string{"-ramp", "1"}, "-ramp: the ramp"},
		"bad steps":                 {[]string{"-steps", "1"}, "-steps: the step"},
		"a ramp and steps":          {[]string{"-ramp", "1:2:3s", "-steps", "1:1s"}, "choose -ramp or -steps"},
		"steps and a duration":      {[]string{"-steps", "1:1s", "-duration", "1s"}, "leave -duration out"},
		"other arrivals":            {[]string{"-arrivals", "bursts"}, "-arrivals is"},
		"no batch":                  {[]string{"-batch", "0"}, "-batch is 0"},
		"nothing in flight":         {[]string{"-in-flight", "0"}, "-in-flight is 0"},
		"no time":                   {[]string{"-timeout", "0s"}, "-timeout is 0s"},
		"a warm-up below 0":         {[]string{"-warmup", "-1s"}, "-warmup, -settle and -max-p99"},
		"a share above 100 %":       {[]string{"-max-errors", "101%"}, "-max-errors is"},
		"a share that is none":      {[]string{"-max-errors", "few"}, "-max-errors is"},
		"a pattern without numbers": {[]string{"-pattern", "a.jpg"}, "-pattern has no {n}"},
		"a list that is not there":  {[]string{"-list", "/none"}, "read the list of paths"},
		"no pictures":               {[]string{"-mode", "upload", "-files", "internal"}, "-files has no JPEG"},
		"an address that is none":   {[]string{"-server", "here"}, "-server is not an address"},
		"nobody there":              {[]string{"-server", "http://127.0.0.1:1"}, "http://127.0.0.1:1 cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := commandtest.Run(t, spec(), nil, c.args...)
			if code != command.ExitFailed || !strings.Contains(stderr, c.want) || stdout != "" {
				t.Errorf("exit code %d, stdout %q, stderr %q; want %q", code, stdout, stderr, c.want)
			}
		})
	}
}

// start starts a small system.
func start(t *testing.T) *smallsystem.System {
	t.Helper()
	s, err := smallsystem.Start(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// execute runs load and returns its summary.
func execute(t *testing.T, server string, args ...string) (code int, s report.Summary, stderr string) {
	t.Helper()
	args = append([]string{"-server", server, "-warmup", "100ms", "-settle", "1m", "-timeout", "1m", "-json"}, args...)
	code, stdout, stderr := commandtest.Run(t, spec(), nil, args...)
	if err := json.Unmarshal([]byte(stdout), &s); err != nil {
		t.Fatalf("exit code %d: %v\n%s%s", code, err, stdout, stderr)
	}
	return code, s, stderr
}

// Pictures are uploaded, every one is answered, and then a mix reads them. The report has
// it all.
func TestUploadAndMix(t *testing.T) {
	t.Parallel()
	system := start(t)
	pictures := t.TempDir()
	for i, c := range []color.RGBA{smallsystem.Ada, smallsystem.Bruno, smallsystem.Grace} {
		if err := os.WriteFile(filepath.Join(pictures, fmt.Sprintf("%d.png", i)), smallsystem.Portrait(c), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "report")
	code, s, stderr := execute(t, system.URL, "-mode", "upload", "-files", pictures, "-rate", "20", "-duration", "1s", "-arrivals", "even",
		"-report", dir, "-max-errors", "0%", "-max-p99", "1m")
	if code != command.ExitOK || s.Scheduled != 20 || s.Answered != 20 || s.Failed != 0 {
		t.Fatalf("exit code %d, %d scheduled, %d answered, errors %v\n%s", code, s.Scheduled, s.Answered, s.Errors, stderr)
	}
	if o := s.Outcomes; o == nil || o.Accepted != 20 || o.Answered != 20 || o.Missing != 0 || o.Time.Count != 20 || o.Time.P50 <= 0 {
		t.Errorf("outcomes %+v", o)
	}
	for _, name := range []string{"report.md", "report.json", "latency.svg", "throughput.svg", "distribution.svg", "outcomes.svg"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() < 200 {
			t.Errorf("%s: %v", name, err)
		}
	}
	code, s, stderr = execute(t, system.URL, "-mode", "mix", "-mix", "post=1,list=1,get=1,thumbnail=1", "-files", pictures, "-rate", "40",
		"-duration", "1s", "-seed", "7", "-batch", "2")
	if code != command.ExitOK || s.Scheduled == 0 || s.Failed != 0 || len(s.Kinds) != 4 || s.Seed != 7 {
		t.Errorf("exit code %d, %d scheduled, errors %v, kinds %+v\n%s", code, s.Scheduled, s.Errors, s.Kinds, stderr)
	}
	if o := s.Outcomes; o == nil || o.Accepted == 0 || o.Answered != o.Accepted {
		t.Errorf("outcomes of the mix %+v", o)
	}
}

// Paths of files that do not exist become failed images, and the program says so.
func TestPaths(t *testing.T) {
	t.Parallel()
	system := start(t)
	code, s, stderr := execute(t, system.URL, "-rate", "20", "-duration", "1s", "-arrivals", "even")
	if code != command.ExitOK || s.Answered != 20 || s.Outcomes.Failed != 20 || s.Outcomes.Missing != 0 {
		t.Errorf("exit code %d, %d answered, errors %v, outcomes %+v\n%s", code, s.Answered, s.Errors, s.Outcomes, stderr)
	}
	if !strings.Contains(stderr, "fail with not_found") || len(s.Notes) == 0 {
		t.Errorf("it does not say what becomes of the paths:\n%s", stderr)
	}

	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte("ada.png\nstranger.png\n../outside.png\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, s, stderr = execute(t, system.URL, "-list", list, "-rate", "9", "-duration", "1s", "-warmup", "0s", "-arrivals", "even", "-max-errors", "10%")
	if code != command.ExitFailed || s.Answered != 6 || s.Errors["path_not_allowed"] != 3 || len(s.Failures) != 1 {
		t.Errorf("exit code %d, %d answered, errors %v, exceeded %q\n%s", code, s.Answered, s.Errors, s.Failures, stderr)
	}
	if !strings.Contains(stderr, "The list has 3 paths") {
		t.Errorf("it does not say that paths come again:\n%s", stderr)
	}
}

// Ctrl-C ends a run with the report of what was measured.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	var posts atomic.Int64
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/key", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"id":"k","name":"n","scopes":["ingest"],"user":null}`)
	})
	mux.HandleFunc("POST /image/post", func(w http.ResponseWriter, _ *http.Request) {
		n := posts.Add(1)
		w.WriteHeader(http.StatusAccepted)
		_, _ = fmt.Fprintf(w, `{"id":%d,"path":"a","status":"pending","reason":"queued","queued":true}`, n)
		if n == 20 {
			interrupt()
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	var stdout, stderr bytes.Buffer
	code := command.Run(ctx, spec(), []string{"-server", server.URL, "-rate", "200", "-duration", "10h", "-warmup", "0s"}, config.Map(nil), &stdout, &stderr)
	text := stdout.String()
	if code != command.ExitOK || !strings.Contains(text, "was interrupted after") || !strings.Contains(text, "answered") {
		t.Errorf("exit code %d\n%s%s", code, text, &stderr)
	}
	if !strings.Contains(stderr.String(), "lacks the scope read, so no outcomes are seen") {
		t.Errorf("it does not say that it sees no outcomes: %s", &stderr)
	}
}
