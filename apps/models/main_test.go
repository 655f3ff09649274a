package main

// This file tests the program's promises: what it prints and its exit code.

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/config"
	"github.com/rollcall-faces/rollcall/apps/internal/models"
)

const lite = "../recognizer/models/lite"

// writeOfficial makes dir look like a complete official set.
func writeOfficial(t *testing.T, dir string) {
	t.Helper()
	lock, err := models.OfficialLock()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"model.json": `{"id":"` + lock.ID + `","threshold":0.6,"margin":0.02,"cnn_detector":true}`}
	for _, f := range lock.Files {
		files[f.Name] = "x"
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// closedServer returns the address of a port that nobody listens on.
func closedServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return "http://" + l.Addr().String()
}

func TestRealMain(t *testing.T) {
	t.Parallel()
	impostor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("not the file that the lock names"))
	}))
	t.Cleanup(impostor.Close)
	offline := closedServer(t)
	for _, tc := range []struct {
		name       string
		args       []string // after -dir and a new folder
		mirror     string
		complete   bool
		code       int
		wantStdout string
		wantStderr []string // every one of them
	}{
		{
			name: "no network", args: []string{"-lite", lite}, mirror: offline, code: exitOK,
			wantStderr: []string{"could not be fetched", offline, "rollcall-lite-1", "weaker", "MODEL_CARD.md", "make models"},
		},
		{
			name: "no network, quiet", args: []string{"-lite", lite, "-quiet"}, mirror: offline, code: exitOK,
			wantStderr: []string{"could not be fetched"},
		},
		{
			name: "no network but required", args: []string{"-lite", lite, "-required"}, mirror: offline, code: exitFailed,
			wantStderr: []string{"required", offline},
		},
		{
			name: "no network and no lite set", args: []string{"-lite", "no such folder"}, mirror: offline, code: exitFailed,
			wantStderr: []string{"neither", offline, "no such folder"},
		},
		{
			name: "another file", args: []string{"-lite", lite}, mirror: impostor.URL, code: exitFailed,
			wantStderr: []string{"checksum mismatch"},
		},
		{name: "already there", complete: true, mirror: offline, code: exitOK, wantStdout: "already"},
		{name: "already there, quiet", args: []string{"-quiet"}, complete: true, mirror: offline, code: exitOK},
		{name: "a wrong option", args: []string{"-wrong"}, code: exitUsage, wantStderr: []string{"-wrong", "models -h"}},
		{name: "a stray word", args: []string{"now"}, code: exitUsage, wantStderr: []string{`"now"`}},
		{
			name: "a wrong mirror", mirror: "ftp://example.org", code: exitUsage,
			wantStderr: []string{"ROLLCALL_MODELS_URL", "ftp://example.org"},
		},
		{name: "help", args: []string{"-h"}, code: exitOK, wantStdout: "ROLLCALL_MODELS_URL"},
		{name: "version", args: []string{"-version"}, code: exitOK, wantStdout: "models "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if tc.complete {
				writeOfficial(t, dir)
			}
			var stdout, stderr bytes.Buffer
			env := config.Map(map[string]string{"ROLLCALL_MODELS_URL": tc.mirror})
			code := realMain(t.Context(), append([]string{"-dir", dir}, tc.args...), env, &stdout, &stderr)
			if code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			if got := stdout.String(); !strings.Contains(got, tc.wantStdout) || tc.wantStdout == "" && got != "" {
				t.Errorf("stdout %q, want %q in it", got, tc.wantStdout)
			}
			for _, want := range tc.wantStderr {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("stderr %q, want %q in it", &stderr, want)
				}
			}
			if len(tc.wantStderr) == 0 && stderr.Len() > 0 {
				t.Errorf("stderr %q, want nothing", &stderr)
			}
		})
	}
}

func TestNothingIsInPlaceAfterAFailure(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := config.Map(map[string]string{"ROLLCALL_MODELS_URL": closedServer(t)})
	var out bytes.Buffer
	realMain(t.Context(), []string{"-dir", dir, "-lite", lite}, env, &out, &out)
	if _, err := models.Load(dir); !errors.Is(err, models.ErrIncomplete) {
		t.Errorf("error %v, want %v", err, models.ErrIncomplete)
	}
}

// The lite models are committed: no option may overwrite them.
func TestLiteFolderIsNotATarget(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	code := realMain(t.Context(), []string{"-dir", lite + "/", "-lite", lite}, config.Map(nil), &out, &out)
	if code != exitUsage || !strings.Contains(out.String(), "must not replace") {
		t.Errorf("exit code %d and %q, want a refusal", code, &out)
	}
}

func TestInterruptKeepsThePart(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		_, _ = w.Write([]byte("the first bytes"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	t.Cleanup(slow.Close)
	dir := t.TempDir()
	env := config.Map(map[string]string{"ROLLCALL_MODELS_URL": slow.URL})
	stderr := &onWrite{f: interrupt} // the first progress line is there: now interrupt
	var stdout bytes.Buffer
	code := realMain(ctx, []string{"-dir", dir, "-lite", lite}, env, &stdout, stderr)
	if got, want := code, exitInterrupted; got != want {
		t.Errorf("exit code %d, want %d", got, want)
	}
	if !strings.Contains(stderr.String(), "next run resumes") {
		t.Errorf("stderr %q does not say that the next run resumes", stderr)
	}
	part, err := os.ReadFile(filepath.Join(dir, "dlib_face_recognition_resnet_model_v1.dat.bz2.part"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(part), "the first bytes"; got != want {
		t.Errorf("the part is %q, want %q", got, want)
	}
}

// onWrite is a buffer that calls f on every write.
type onWrite struct {
	bytes.Buffer
	f func()
}

func (w *onWrite) Write(p []byte) (int, error) {
	w.f()
	return w.Buffer.Write(p)
}

// A success needs archives that fit to the lock, so this one is of the tests.
func TestProvideFetches(t *testing.T) {
	t.Parallel()
	const testdata = "../internal/models/testdata"
	files := httptest.NewServer(http.FileServer(http.Dir(testdata)))
	t.Cleanup(files.Close)
	text := strings.ReplaceAll(`{
		"id": "test-1", "threshold": 0.5, "margin": 0.01, "cnn_detector": true,
		"files": [
			{"name": "dlib_face_recognition_resnet_model_v1.dat", "url": "URL/resnet.bz2",
			 "sha256": "46cdf81a0aaef0cd768a4b5b208991828100130f7c17329452f12e162372d474"},
			{"name": "shape_predictor_5_face_landmarks.dat", "url": "URL/landmarks.bz2",
			 "sha256": "e6ff79ff6d1db6793a6c81ade2d860201ee3f954f164605b0e48c9b7b5dad37b"},
			{"name": "mmod_human_face_detector.dat", "url": "URL/detector.bz2",
			 "sha256": "e459272b8a9c9e1a36bda445882ee3311fe0accabd5fe4a82060fc33ca7cf289"}
		]}`, "URL", files.URL)
	lock, err := models.ParseLock([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	opts := options{dir: t.TempDir(), lite: lite}
	for _, want := range []string{"are in", "already"} {
		var stdout, stderr bytes.Buffer
		if err := provide(t.Context(), lock, opts, &stdout, &stderr); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("stdout %q, want %q in it", &stdout, want)
		}
	}
}
