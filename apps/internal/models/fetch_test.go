package models_test

// This file tests Fetch against real HTTP servers on this machine.

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/models"
)

const (
	resnet    = "/resnet.bz2"
	landmarks = "/landmarks.bz2"
	detector  = "/detector.bz2"
)

// archives returns the content of the three archives by their server path.
func archives(t *testing.T) map[string][]byte {
	t.Helper()
	return map[string][]byte{
		resnet:    testdata(t, "resnet.bz2"),
		landmarks: testdata(t, "landmarks.bz2"),
		detector:  testdata(t, "detector.bz2"),
	}
}

func testdata(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// unpacked is what a complete folder holds: the archives' content.
func unpacked() map[string]string {
	return map[string]string{
		resnetName: "a tiny resnet\n", landmarksName: "tiny landmarks\n", detectorName: "a tiny detector\n",
		"model.json": `{"id":"test-1","threshold":0.5,"margin":0.01,"cnn_detector":true}` + "\n",
	}
}

// lockText is a lock file for archives under base.
func lockText(base string, content map[string][]byte) []byte {
	file := func(name, path string) map[string]string {
		sum := sha256.Sum256(content[path])
		return map[string]string{"name": name, "url": base + path, "sha256": hex.EncodeToString(sum[:])}
	}
	text, err := json.Marshal(map[string]any{
		"id": "test-1", "threshold": 0.5, "margin": 0.01, "cnn_detector": true,
		"files": []any{file(resnetName, resnet), file(landmarksName, landmarks), file(detectorName, detector)},
	})
	if err != nil {
		panic(err) // maps of texts and numbers always marshal
	}
	return text
}

func mustLock(t *testing.T, base string, content map[string][]byte) models.Lock {
	t.Helper()
	lock, err := models.ParseLock(lockText(base, content))
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

// server serves archives and remembers the requests for each. A test's special
// handlers come first; each answers true where it has dealt with the request.
type server struct {
	*httptest.Server
	content map[string][]byte
	special func(w http.ResponseWriter, r *http.Request, nth int) bool

	mu       sync.Mutex
	requests map[string][]*http.Request // guarded by mu
}

func newServer(t *testing.T, special func(w http.ResponseWriter, r *http.Request, nth int) bool) *server {
	t.Helper()
	s := &server{content: archives(t), special: special, requests: make(map[string][]*http.Request)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests[r.URL.Path] = append(s.requests[r.URL.Path], r)
	nth := len(s.requests[r.URL.Path])
	s.mu.Unlock()
	if s.special != nil && s.special(w, r, nth) {
		return
	}
	content, ok := s.content[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", etag(content))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// seen returns the requests for path so far.
func (s *server) seen(path string) []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[path]
}

func etag(content []byte) string {
	sum := sha256.Sum256(content)
	return `"` + hex.EncodeToString(sum[:4]) + `"`
}

// cut sends the first n bytes of content and then cuts the connection.
func cut(w http.ResponseWriter, content []byte, n int) {
	w.Header().Set("ETag", etag(content))
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	_, _ = w.Write(content[:n])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// quick are options that do not make a test wait.
func quick() models.FetchOptions {
	return models.FetchOptions{Backoff: time.Millisecond}
}

// folder returns the files in dir and their content, but for the lock file.
func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, e := range entries {
		if e.Name() == ".fetch.lock" {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(content)
	}
	return files
}

func wantComplete(t *testing.T, dir string) {
	t.Helper()
	if diff := cmp.Diff(unpacked(), folder(t, dir)); diff != "" {
		t.Errorf("folder (-want +got):\n%s", diff)
	}
}

// wantNoSet fails where a model file or a manifest is in dir.
func wantNoSet(t *testing.T, dir string) {
	t.Helper()
	for name := range folder(t, dir) {
		if strings.HasSuffix(name, ".dat") || strings.HasSuffix(name, ".json") || strings.HasSuffix(name, ".tmp") {
			t.Errorf("%s is in place", name)
		}
	}
}

func TestFetch(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	dir := filepath.Join(t.TempDir(), "new", "folder")
	lock := mustLock(t, s.URL, s.content)
	if err := models.Fetch(t.Context(), lock, dir, quick()); err != nil {
		t.Fatal(err)
	}
	wantComplete(t, dir)
	set, err := models.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if set.Official {
		t.Error("a set with another id than the official lock's counts as official")
	}
}

func TestFetchFromMirror(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(_ http.ResponseWriter, r *http.Request, _ int) bool {
		r.URL.Path = "/" + path.Base(r.URL.Path)
		return false
	})
	dir := t.TempDir()
	opts := quick()
	opts.BaseURL = s.URL + "/mirror/"
	if err := models.Fetch(t.Context(), mustLock(t, "http://elsewhere.invalid", s.content), dir, opts); err != nil {
		t.Fatal(err)
	}
	wantComplete(t, dir)
	if got, want := len(s.seen("/mirror/resnet.bz2")), 1; got != want {
		t.Errorf("%d requests to the mirror, want %d", got, want)
	}
}

func TestFetchOfCompleteFolderAsksNobody(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	dir := t.TempDir()
	lock := mustLock(t, s.URL, s.content)
	if err := models.Fetch(t.Context(), lock, dir, quick()); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := models.Fetch(t.Context(), lock, dir, quick()); err != nil {
		t.Errorf("the second fetch: %v", err)
	}
}

func TestFetchReplacesAnotherSet(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	dir := writeSet(t, nil)
	if err := models.Fetch(t.Context(), mustLock(t, s.URL, s.content), dir, quick()); err != nil {
		t.Fatal(err)
	}
	wantComplete(t, dir)
}

func TestFailedFetchKeepsTheOldSet(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if r.URL.Path != detector {
			return false
		}
		http.NotFound(w, r)
		return true
	})
	dir := writeSet(t, nil)
	if err := models.Fetch(t.Context(), mustLock(t, s.URL, s.content), dir, quick()); err == nil {
		t.Fatal("no error")
	}
	if _, err := models.Load(dir); err != nil {
		t.Errorf("the old set: %v", err)
	}
}

func TestFetchUsesArchivesPutThereByHand(t *testing.T) {
	t.Parallel()
	content := archives(t)
	dir := t.TempDir()
	for name, archive := range content {
		if err := os.WriteFile(filepath.Join(dir, name), archive, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := models.Fetch(t.Context(), mustLock(t, closedServer(t), content), dir, quick()); err != nil {
		t.Fatal(err)
	}
	wantComplete(t, dir)
}

func TestFetchContinuesAfterACutConnection(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	s.special = func(w http.ResponseWriter, r *http.Request, nth int) bool {
		if r.URL.Path == landmarks && nth == 1 {
			cut(w, s.content[landmarks], 20)
		}
		return false
	}
	dir := t.TempDir()
	if err := models.Fetch(t.Context(), mustLock(t, s.URL, s.content), dir, quick()); err != nil {
		t.Fatal(err)
	}
	wantComplete(t, dir)
	seen := s.seen(landmarks)
	if got, want := len(seen), 2; got != want {
		t.Fatalf("%d requests, want %d", got, want)
	}
	if got, want := seen[1].Header.Get("Range"), "bytes=20-"; got != want {
		t.Errorf("Range %q, want %q", got, want)
	}
	if got, want := seen[1].Header.Get("If-Range"), etag(s.content[landmarks]); got != want {
		t.Errorf("If-Range %q, want %q", got, want)
	}
}

// interrupted returns a folder in which a fetch of the first archive was
// cancelled after 20 bytes.
func interrupted(t *testing.T, content []byte) string {
	t.Helper()
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		cut(w, content, 20)
		return true
	})
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	opts := quick()
	opts.Report = func(p models.Progress) {
		if p.Done == 20 {
			cancel()
		}
	}
	err := models.Fetch(ctx, mustLock(t, s.URL, s.content), dir, opts)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want %v", err, context.Canceled)
	}
	wantNoSet(t, dir)
	if got, want := folder(t, dir)["resnet.bz2.part"], string(content[:20]); got != want {
		t.Fatalf("the part is %q, want %q", got, want)
	}
	return dir
}

func TestFetchContinuesAnEarlierRun(t *testing.T) {
	t.Parallel()
	first := testdata(t, "resnet.bz2")
	other := bytes.Repeat([]byte("x"), 30)
	ranged := func(r *http.Request) bool { return r.Header.Get("Range") != "" }
	for _, tc := range []struct {
		name     string
		began    []byte // the archive as the earlier run saw it
		special  func(w http.ResponseWriter, r *http.Request, nth int) bool
		requests int
	}{
		{name: "the same file", began: first, requests: 1},
		{name: "the file has changed", began: other, requests: 1},
		{
			name: "a server without ranges", began: first, requests: 1,
			special: func(w http.ResponseWriter, r *http.Request, _ int) bool {
				r.Header.Del("Range")
				return false
			},
		},
		{
			name: "the file has changed and the server mixes", began: other, requests: 2,
			special: func(w http.ResponseWriter, r *http.Request, _ int) bool {
				r.Header.Del("If-Range")
				return false
			},
		},
		{
			name: "the server refuses the range", began: first, requests: 2,
			special: func(w http.ResponseWriter, r *http.Request, _ int) bool {
				if ranged(r) {
					w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				}
				return ranged(r)
			},
		},
		{
			name: "the server answers another range", began: first, requests: 2,
			special: func(w http.ResponseWriter, r *http.Request, _ int) bool {
				if ranged(r) {
					w.Header().Set("Content-Range", "bytes 0-9/52")
					w.WriteHeader(http.StatusPartialContent)
				}
				return ranged(r)
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := interrupted(t, tc.began)
			var asked string
			s := newServer(t, nil)
			s.special = func(w http.ResponseWriter, r *http.Request, nth int) bool {
				if r.URL.Path != resnet {
					return false
				}
				if nth == 1 {
					asked = r.Header.Get("Range") + " " + r.Header.Get("If-Range")
				}
				return tc.special != nil && tc.special(w, r, nth)
			}
			if err := models.Fetch(t.Context(), mustLock(t, s.URL, s.content), dir, quick()); err != nil {
				t.Fatal(err)
			}
			wantComplete(t, dir)
			if got, want := asked, "bytes=20- "+etag(tc.began); got != want {
				t.Errorf("asked for %q, want %q", got, want)
			}
			if got, want := len(s.seen(resnet)), tc.requests; got != want {
				t.Errorf("%d requests, want %d", got, want)
			}
		})
	}
}

// Without a validator nobody can tell whether a part still fits.
func TestFetchStartsOverWithoutAValidator(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	s.special = func(w http.ResponseWriter, r *http.Request, nth int) bool {
		if r.URL.Path != resnet {
			return false
		}
		if nth == 1 {
			w.Header().Set("Content-Length", fmt.Sprint(len(s.content[resnet])))
			_, _ = w.Write(s.content[resnet][:20])
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		return false
	}
	dir := t.TempDir()
	if err := models.Fetch(t.Context(), mustLock(t, s.URL, s.content), dir, quick()); err != nil {
		t.Fatal(err)
	}
	wantComplete(t, dir)
	if got, want := s.seen(resnet)[1].Header.Get("Range"), ""; got != want {
		t.Errorf("Range %q, want %q", got, want)
	}
}

func TestFetchRefusesAWrongChecksum(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	lock := mustLock(t, s.URL, s.content)
	s.content[resnet] = s.content[landmarks]
	dir := t.TempDir()
	err := models.Fetch(t.Context(), lock, dir, quick())
	if !errors.Is(err, models.ErrChecksum) || errors.Is(err, models.ErrUnavailable) {
		t.Fatalf("error %v, want only %v", err, models.ErrChecksum)
	}
	if got := folder(t, dir); len(got) != 0 {
		t.Errorf("the folder is not empty: %q", got)
	}
	if got, want := len(s.seen(resnet)), 1; got != want {
		t.Errorf("%d requests, want %d", got, want)
	}
}

// A network that wants a login answers every address with its page: that is no
// damaged archive, the models just cannot be had here.
func TestFetchBehindALoginPage(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<html>Please log in</html>")
		return true
	})
	err := models.Fetch(t.Context(), mustLock(t, s.URL, s.content), t.TempDir(), models.FetchOptions{})
	if !errors.Is(err, models.ErrUnavailable) || !strings.Contains(err.Error(), "web page") {
		t.Errorf("got %v, want ErrUnavailable that tells of a web page", err)
	}
}

func TestFetchRetries(t *testing.T) {
	t.Parallel()
	status := func(code, times int) func(http.ResponseWriter, *http.Request, int) bool {
		return func(w http.ResponseWriter, _ *http.Request, nth int) bool {
			if nth <= times {
				w.WriteHeader(code)
			}
			return nth <= times
		}
	}
	for _, tc := range []struct {
		name     string
		special  func(w http.ResponseWriter, r *http.Request, nth int) bool
		requests int
		wantErr  string
	}{
		{name: "unavailable twice", special: status(503, 2), requests: 3},
		{name: "too many requests once", special: status(429, 1), requests: 2},
		{name: "reset before the answer", requests: 2, special: func(_ http.ResponseWriter, _ *http.Request, nth int) bool {
			if nth == 1 {
				panic(http.ErrAbortHandler)
			}
			return false
		}},
		{name: "unavailable for good", special: status(502, 99), requests: 4, wantErr: "502 Bad Gateway"},
		{name: "not found", special: status(404, 99), requests: 1, wantErr: "404 Not Found"},
		{name: "forbidden", special: status(403, 99), requests: 1, wantErr: "403 Forbidden"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, tc.special)
			dir := t.TempDir()
			err := models.Fetch(t.Context(), mustLock(t, s.URL, s.content), dir, quick())
			if got, want := len(s.seen(resnet)), tc.requests; got != want {
				t.Errorf("%d requests, want %d", got, want)
			}
			if tc.wantErr == "" {
				if err != nil {
					t.Fatal(err)
				}
				wantComplete(t, dir)
				return
			}
			if !errors.Is(err, models.ErrUnavailable) || !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("error %v, want %v with %q", err, models.ErrUnavailable, tc.wantErr)
			}
			wantNoSet(t, dir)
		})
	}
}

func TestFetchEndsAStall(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		first int // bytes that are sent before the stall
	}{
		{name: "before the answer", first: 0},
		{name: "midway", first: 20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, nil)
			s.special = func(w http.ResponseWriter, r *http.Request, _ int) bool {
				if tc.first > 0 {
					_, _ = w.Write(s.content[resnet][:tc.first])
					_ = http.NewResponseController(w).Flush()
				}
				<-r.Context().Done() // the client gives up
				return true
			}
			opts := quick()
			opts.StallTimeout, opts.Attempts = 50*time.Millisecond, 2
			err := models.Fetch(t.Context(), mustLock(t, s.URL, s.content), t.TempDir(), opts)
			if !errors.Is(err, models.ErrUnavailable) || !strings.Contains(err.Error(), "stopped sending") {
				t.Errorf("error %v, want %v for a stall", err, models.ErrUnavailable)
			}
		})
	}
}

func TestConcurrentFetchesWorkOnce(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	lock := mustLock(t, s.URL, s.content)
	dir := t.TempDir()
	const fetches = 4
	errs := make(chan error, fetches)
	for range fetches {
		go func() { errs <- models.Fetch(t.Context(), lock, dir, quick()) }()
	}
	for range fetches {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	wantComplete(t, dir)
	for name := range s.content {
		if got, want := len(s.seen(name)), 1; got != want {
			t.Errorf("%s: %d requests, want %d", name, got, want)
		}
	}
}

func TestFetchThatWaitsCanBeCancelled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other := flock.New(filepath.Join(dir, ".fetch.lock"))
	if err := other.Lock(); err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	ctx, cancel := context.WithCancel(t.Context())
	opts := quick()
	opts.Report = func(p models.Progress) {
		if strings.Contains(p.Note, "waiting") {
			cancel()
		}
	}
	err := models.Fetch(ctx, mustLock(t, closedServer(t), archives(t)), dir, opts)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func TestFetchLimitsSizes(t *testing.T) {
	t.Parallel()
	bomb := testdata(t, "zeros.bz2") // 1 MiB unpacked
	unannounced := func(w http.ResponseWriter, r *http.Request, _ int) bool {
		_ = http.NewResponseController(w).Flush() // from here on it is chunked
		_, _ = w.Write(bytes.Repeat([]byte("x"), 100))
		return true
	}
	for _, tc := range []struct {
		name    string
		special func(w http.ResponseWriter, r *http.Request, nth int) bool
		limit   func(o *models.FetchOptions)
		wantErr error
	}{
		{name: "archive at the limit", limit: func(o *models.FetchOptions) { o.MaxArchive = 56 }},
		{name: "archive above it", limit: func(o *models.FetchOptions) { o.MaxArchive = 44 }, wantErr: models.ErrTooLarge},
		{name: "archive of unannounced size", special: unannounced, limit: func(o *models.FetchOptions) { o.MaxArchive = 99 }, wantErr: models.ErrTooLarge},
		{name: "content at the limit", limit: func(o *models.FetchOptions) { o.MaxUnpacked = 1 << 20 }},
		{name: "content above it", limit: func(o *models.FetchOptions) { o.MaxUnpacked = 1<<20 - 1 }, wantErr: models.ErrTooLarge},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, tc.special)
			s.content[resnet] = bomb
			opts := quick()
			tc.limit(&opts)
			dir := t.TempDir()
			err := models.Fetch(t.Context(), mustLock(t, s.URL, s.content), dir, opts)
			if !errors.Is(err, tc.wantErr) {
				t.Fatalf("error %v, want %v", err, tc.wantErr)
			}
			if err != nil {
				wantNoSet(t, dir)
				if _, ok := folder(t, dir)["resnet.bz2.part"]; ok {
					t.Error("the part of an archive that is too large is still there")
				}
			}
		})
	}
}

func TestFetchRefusesABrokenArchive(t *testing.T) {
	t.Parallel()
	s := newServer(t, nil)
	s.content[detector] = []byte("not bzip2, but what the lock names")
	dir := t.TempDir()
	err := models.Fetch(t.Context(), mustLock(t, s.URL, s.content), dir, quick())
	if err == nil || !strings.Contains(err.Error(), "unpack detector.bz2") {
		t.Errorf("error %v, want one about unpacking detector.bz2", err)
	}
	wantNoSet(t, dir)
}

func TestFetchWithoutNetworkFailsAtOnce(t *testing.T) {
	t.Parallel()
	opts := models.FetchOptions{Report: func(p models.Progress) {
		if p.Note != "" {
			t.Errorf("it tries again: %s", p.Note)
		}
	}}
	err := models.Fetch(t.Context(), mustLock(t, closedServer(t), archives(t)), t.TempDir(), opts)
	if !errors.Is(err, models.ErrUnavailable) {
		t.Errorf("error %v, want %v", err, models.ErrUnavailable)
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

func TestProgressLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	report := models.NewProgress(&out)
	for _, p := range []models.Progress{
		{File: "a", Done: 1e6, Total: 20e6},
		{File: "a", Done: 2e6, Total: 20e6},
		{File: "a", Done: 11e6, Total: 20e6},
		{Note: "cut; trying again"},
		{File: "a", Done: 12e6, Total: 20e6},
		{File: "a", Done: 20e6, Total: 20e6},
		{File: "b", Done: 1e5, Total: -1},
		{},
	} {
		report(p)
	}
	want := `a: 1.0 of 20.0 MB
a: 11.0 of 20.0 MB
cut; trying again
a: 12.0 of 20.0 MB
a: 20.0 of 20.0 MB
b: 0.1 MB
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}
