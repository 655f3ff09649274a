package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/commandtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/child"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// runAsProgram makes the test binary act as the program, so that tests can start,
// signal and kill the real processes.
const runAsProgram = "ROLLCALL_TEST_RUN_STANDALONE"

func TestMain(m *testing.M) {
	child.Main() // workers of a test that runs the program in this process
	if os.Getenv(runAsProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestProgram(t *testing.T) {
	t.Parallel()
	commandtest.Test(t, spec)
}

// instance is a running standalone.
type instance struct {
	t         *testing.T
	cmd       *exec.Cmd
	api, page string

	mu  sync.Mutex // guards out and log
	out bytes.Buffer
	log bytes.Buffer
}

// Write collects standard error.
func (i *instance) Write(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.log.Write(p)
}

func (i *instance) logs() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.log.String()
}

func (i *instance) output() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.out.String()
}

type outWriter struct{ i *instance }

func (w outWriter) Write(p []byte) (int, error) {
	w.i.mu.Lock()
	defer w.i.mu.Unlock()
	return w.i.out.Write(p)
}

// start runs standalone on free ports. Its data folder is data; more
// arguments and variables are added.
func start(t *testing.T, data string, env []string, args ...string) *instance {
	t.Helper()
	i := &instance{t: t, api: free(t), page: free(t)}
	_, port, _ := net.SplitHostPort(i.page)
	models, err := modelset.SourceFolder()
	if err != nil {
		t.Fatal(err)
	}
	// The program runs in another folder, where it would find neither of them.
	library, err := modelset.Settings{Library: os.Getenv("ROLLCALL_ONNXRUNTIME")}.FindLibrary()
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"-data", data}, args...)
	i.cmd = exec.Command(os.Args[0], args...)
	i.cmd.Dir = t.TempDir()
	i.cmd.Env = append(os.Environ(), append([]string{runAsProgram + "=1", "ROLLCALL_MODELS=" + models, "ROLLCALL_ONNXRUNTIME=" + library,
		"ROLLCALL_LISTEN_ADDRESS=" + i.api, "FRONTEND_PORT=" + port, "ROLLCALL_ADMIN_ADDRESS=127.0.0.1:0",
		"ROLLCALL_LOG_FORMAT=json", "ROLLCALL_GALLERY_REFRESH=300ms"}, env...)...)
	i.cmd.Stdout, i.cmd.Stderr = outWriter{i}, i
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := i.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = i.cmd.Process.Kill()
		_ = i.cmd.Wait()
		if t.Failed() {
			t.Logf("standard output:\n%s\nlog:\n%s", i.output(), i.logs())
		}
	})
	return i
}

// taken are the ports that free has given to tests.
var taken sync.Map

// free returns an address on which nobody listens. A program binds it later, and again after
// it was killed, so its port is below those that the system gives to connections.
func free(t *testing.T) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000))
		if _, given := taken.LoadOrStore(address, true); given {
			continue
		}
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("there is no free port")
	return ""
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	wait.Within(t, 3*time.Minute, what, ok) // the first start unpacks the models
}

func (i *instance) welcomed() bool { return strings.Contains(i.output(), "Ctrl-C stops") }

func (i *instance) get(route string, v any) int {
	i.t.Helper()
	return i.do(http.MethodGet, route, "", v)
}

// do sends a request as curl -d does and reads the JSON of the answer.
func (i *instance) do(method, route, body string, v any) int {
	i.t.Helper()
	return i.doIf("", method, route, body, v)
}

// doIf is do with an If-Match, unless that is empty.
func (i *instance) doIf(match, method, route, body string, v any) int {
	i.t.Helper()
	req, err := http.NewRequestWithContext(i.t.Context(), method, "http://"+i.api+route, strings.NewReader(body))
	if err != nil {
		i.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if match != "" {
		req.Header.Set("If-Match", match)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		i.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		i.t.Fatalf("%s %s: %s: %q", method, route, res.Status, text)
	}
	return res.StatusCode
}

// image is what the tests read of an image.
type image struct {
	ID       int64
	Path     string
	Status   string
	Reason   string
	Detail   string
	Model    string
	Attempts int
	Person   *struct{ Name string }
	Faces    []struct {
		Box    struct{ X, Y, Width, Height int }
		Person *struct{ Name string }
	}
	Error *struct{ Code, Message string }
}

func (i *instance) post(path string) image {
	i.t.Helper()
	body, _ := json.Marshal(map[string]string{"path": path})
	var img image
	if code := i.do(http.MethodPost, "/image/post", string(body), &img); code != http.StatusAccepted {
		i.t.Fatalf("POST %s: %d %+v", path, code, img.Error)
	}
	return img
}

// answered posts a path and waits for its answer.
func (i *instance) answered(path string) image {
	i.t.Helper()
	id := i.post(path).ID
	var img image
	eventually(i.t, "the answer for "+path, func() bool {
		img = image{}
		i.get(fmt.Sprintf("/api/v1/images/%d", id), &img)
		return img.Status != "processing" && img.Reason != "queued"
	})
	return img
}

// checkNoTrouble fails if the log has a warning: false warnings would hide real
// ones.
func (i *instance) checkNoTrouble() {
	i.t.Helper()
	for line := range strings.Lines(i.logs()) {
		if !strings.Contains(line, `"level":"INFO"`) {
			i.t.Errorf("a healthy run logs %s", line)
		}
	}
}

// stop asks it to stop, as Ctrl-C does, and checks that it does so cleanly.
func (i *instance) stop(sig os.Signal) {
	i.t.Helper()
	if err := i.cmd.Process.Signal(sig); err != nil {
		i.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- i.cmd.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			i.t.Fatalf("stopped with %v, want a clean exit", err)
		}
	case <-time.After(time.Minute):
		i.t.Fatal("it did not stop within a minute")
	}
}

// The first start answers the samples: every known person is recognized and every
// stranger is unknown. The second start changes nothing.
func TestAnswersTheSamples(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	first := start(t, data, nil)
	eventually(t, "the welcome", first.welcomed)
	expected, err := samples.Expected()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range expected {
		img := first.answered(name)
		if img.Reason != want.Reason || len(img.Faces) != want.Faces {
			t.Errorf("%s: %s with %d faces, want %s with %d", name, img.Reason, len(img.Faces), want.Reason, want.Faces)
		}
		var names []string
		for _, f := range img.Faces {
			if f.Person != nil {
				names = append(names, f.Person.Name)
			}
			if f.Box.Width < 50 || f.Box.X < 0 || f.Box.Y < 0 {
				t.Errorf("%s: a box of %+v", name, f.Box)
			}
		}
		if got, want := set(names), set(want.People); got != want {
			t.Errorf("%s shows %s, want %s", name, got, want)
		}
		if img.Model != modelset.Default {
			t.Errorf("%s was answered by model %q", name, img.Model)
		}
	}
	if out := first.output(); !strings.Contains(out, fmt.Sprintf("%d of %d sample pictures are answered as expected", len(expected), len(expected))) ||
		!strings.Contains(out, "http://"+first.page+"/") {
		t.Errorf("the table lacks something:\n%s", out)
	}
	first.checkNoTrouble()
	first.checkDashboard(len(expected))
	before := first.post("unknown0001.jpg")
	first.stop(syscall.SIGINT)

	second := start(t, data, nil)
	eventually(t, "the second welcome", second.welcomed)
	after := second.post("unknown0001.jpg")
	if after.ID != before.ID || after.Reason != before.Reason || after.Attempts != before.Attempts {
		t.Errorf("after a restart %+v, before %+v", after, before)
	}
	if strings.Contains(second.logs(), "image answered") {
		t.Error("the second start answered pictures again")
	}
	second.stop(syscall.SIGTERM)
}

func set(names []string) string {
	m := map[string]string{}
	for _, n := range names {
		m[n] = n
	}
	var list []string
	for _, p := range []string{"Ada", "Bruno", "Clara", "Emil", "Mei", "Otto"} {
		if m[p] != "" {
			list = append(list, p)
		}
	}
	return strings.Join(list, ",")
}

func (i *instance) checkDashboard(images int) {
	i.t.Helper()
	req, err := http.NewRequestWithContext(i.t.Context(), http.MethodGet, "http://"+i.page+"/?view=table", nil)
	if err != nil {
		i.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		i.t.Fatal(err)
	}
	defer res.Body.Close()
	doc, err := goquery.NewDocumentFromReader(res.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	if got := doc.Find("tbody tr").Length(); got != images {
		i.t.Errorf("the dashboard has %d rows, want %d", got, images)
	}
	if text := doc.Find("body").Text(); !strings.Contains(text, modelset.Default) || !strings.Contains(text, "unknown0001.jpg") {
		i.t.Error("the dashboard names neither model nor picture")
	}
}

// Every kind of bad picture gets its reason, and the next picture works.
func TestBadPicturesGetTheirReason(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	known, unknown, outside := filepath.Join(dir, "known"), filepath.Join(dir, "unknown"), filepath.Join(dir, "outside")
	unpack(t, dir)
	good, err := os.ReadFile(filepath.Join(unknown, "unknown0001.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"empty.jpg": nil, "text.jpg": []byte("this is not a picture\n"), "truncated.jpg": good[:len(good)/2],
		"bomb.png": pngHeader(100_000, 100_000), "fine.jpg": good,
	} {
		if err := os.WriteFile(filepath.Join(unknown, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(unknown, "folder.jpg"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(outside, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(outside, "secret.jpg"), good, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "secret.jpg"), filepath.Join(unknown, "link.jpg")); err != nil {
		t.Fatal(err)
	}
	i := start(t, filepath.Join(dir, "data"), nil, "-known", known, "-unknown", unknown, "-ask=false")
	eventually(t, "the welcome", i.welcomed)
	for path, want := range map[string]string{
		"empty.jpg": "unsupported_format", "text.jpg": "unsupported_format", "truncated.jpg": "corrupt_image",
		"bomb.png": "image_too_large", "folder.jpg": "unsupported_format", "link.jpg": "path_not_allowed",
		"nowhere.jpg": "not_found", "fine.jpg/x.jpg": "not_found",
	} {
		if img := i.answered(path); img.Status != "failed" || img.Reason != want || img.Detail == "" || img.Attempts != 1 {
			t.Errorf("%s: %s/%s %q after %d attempt(s), want failed/%s at the first", path, img.Status, img.Reason, img.Detail, img.Attempts, want)
		}
		if img := i.answered("fine.jpg"); img.Reason != "identified" {
			t.Errorf("after %s a good picture is %s", path, img.Reason)
		}
	}
}

func unpack(t *testing.T, dir string) {
	t.Helper()
	if err := samples.Extract(dir); err != nil {
		t.Fatal(err)
	}
}

// pngHeader is a PNG that claims a size and has no pixels.
func pngHeader(width, height uint32) []byte {
	be := func(v uint32) []byte { return []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)} }
	head := append([]byte("IHDR"), append(append(be(width), be(height)...), 8, 2, 0, 0, 0)...)
	png := append([]byte("\x89PNG\r\n\x1a\n"), be(13)...)
	return append(append(png, head...), be(crc(head))...)
}

// crc is the CRC-32 of a PNG's chunk (ISO 3309, polynomial 0xEDB88320).
func crc(data []byte) uint32 {
	sum := ^uint32(0)
	for _, b := range data {
		sum ^= uint32(b)
		for range 8 {
			sum = sum>>1 ^ 0xEDB88320*(sum&1)
		}
	}
	return ^sum
}

// A crash in C++ only kills a worker process. It is replaced, and its picture is
// answered.
func TestSurvivesAWorkersDeath(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unpack(t, dir)
	i := start(t, filepath.Join(dir, "data"), []string{"ROLLCALL_BREAKER_PAUSE=200ms"},
		"-known", filepath.Join(dir, "known"), "-unknown", filepath.Join(dir, "unknown"), "-ask=false")
	eventually(t, "the welcome", i.welcomed)
	expected, err := samples.Expected()
	if err != nil {
		t.Fatal(err)
	}
	for name := range expected {
		i.post(name)
	}
	child := i.childPID()
	if err := syscall.Kill(child, syscall.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	for name, want := range expected {
		if img := i.answered(name); img.Reason != want.Reason {
			t.Errorf("%s is %s, want %s", name, img.Reason, want.Reason)
		}
	}
	if slices.Contains(i.children(), child) {
		t.Error("the worker that was killed is still there")
	}
	if !strings.Contains(i.logs(), "a worker process is replaced") {
		t.Error("the log does not tell that a worker ended")
	}
	i.stop(syscall.SIGTERM)
}

var statParent = regexp.MustCompile(`^\d+ \(.*\) \S (\d+) `)

// childPID finds a worker among the system's processes.
func (i *instance) childPID() int {
	i.t.Helper()
	var found []int
	eventually(i.t, "a child process", func() bool {
		found = i.children()
		return len(found) > 0
	})
	return found[0]
}

// children returns the living child processes.
func (i *instance) children() []int {
	i.t.Helper()
	var found []int
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		m := statParent.FindSubmatch(text)
		if m == nil || string(m[1]) != fmt.Sprint(i.cmd.Process.Pid) || bytes.Contains(text, []byte(") Z ")) {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Dir(name), "/proc/"))
		if err != nil {
			i.t.Fatal(err)
		}
		found = append(found, pid)
	}
	return found
}

// After SIGTERM or SIGKILL at any moment, the next start continues.
func TestNextStartContinues(t *testing.T) {
	t.Parallel()
	for name, sig := range map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "SIGKILL": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			unpack(t, dir)
			args := []string{"-known", filepath.Join(dir, "known"), "-unknown", filepath.Join(dir, "unknown"), "-ask=false"}
			// The next start must not wait for the leases of a dead run.
			env := []string{"ROLLCALL_LEASE=1h"}
			first := start(t, filepath.Join(dir, "data"), env, args...)
			eventually(t, "the welcome", first.welcomed)
			expected, err := samples.Expected()
			if err != nil {
				t.Fatal(err)
			}
			for name := range expected {
				first.post(name)
			}
			// In the middle of the work: one image is answered, others are not.
			eventually(t, "the first answer", func() bool { return strings.Contains(first.logs(), "image answered") })
			if sig == syscall.SIGTERM {
				first.stop(sig)
			} else {
				_ = first.cmd.Process.Signal(sig)
				_ = first.cmd.Wait()
			}
			second := start(t, filepath.Join(dir, "data"), env, args...)
			eventually(t, "the second welcome", second.welcomed)
			for name, want := range expected {
				if img := second.answered(name); img.Reason != want.Reason {
					t.Errorf("%s is %s, want %s", name, img.Reason, want.Reason)
				}
			}
			second.stop(syscall.SIGTERM)
		})
	}
}

// Adding, removing and moving known pictures between starts changes the known
// people.
func TestKnownPeopleChangeBetweenStarts(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unpack(t, dir)
	known, unknown := filepath.Join(dir, "known"), filepath.Join(dir, "unknown")
	if err := os.Rename(filepath.Join(known, "Bruno"), filepath.Join(dir, "away")); err != nil {
		t.Fatal(err)
	}
	args := []string{"-known", known, "-unknown", unknown, "-ask=false"}
	first := start(t, filepath.Join(dir, "data"), nil, args...)
	eventually(t, "the welcome", first.welcomed)
	if img := first.answered("unknown0002.jpg"); img.Reason != "unknown_person" {
		t.Errorf("with Bruno away his picture is %s", img.Reason)
	}
	first.stop(syscall.SIGTERM)

	// Bruno comes back under another name, Ada is removed, and a landscape has no face.
	if err := os.Rename(filepath.Join(dir, "away"), filepath.Join(known, "Bruno Z")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(known, "Ada")); err != nil {
		t.Fatal(err)
	}
	landscape, err := os.ReadFile(filepath.Join(unknown, "unknown0006.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(known, "Bruno Z", "hill.jpg"), landscape, 0o600); err != nil {
		t.Fatal(err)
	}
	copyFile(t, filepath.Join(unknown, "unknown0002.jpg"), filepath.Join(unknown, "again.jpg"))
	second := start(t, filepath.Join(dir, "data"), nil, args...)
	eventually(t, "the second welcome", second.welcomed)
	if img := second.answered("again.jpg"); img.Person == nil || img.Person.Name != "Bruno Z" {
		t.Errorf("after his folder was renamed Bruno is %+v (%s)", img.Person, img.Reason)
	}
	if img := second.answered("unknown0001.jpg"); img.Reason != "unknown_person" {
		t.Errorf("with Ada's folder gone her picture is %s", img.Reason)
	}
	if log := second.logs(); !strings.Contains(log, "Bruno Z/hill.jpg") || !strings.Contains(log, "no face") {
		t.Error("a known picture without a face is not reported by name")
	}
	second.stop(syscall.SIGTERM)
}

// A person who becomes known while it runs is found in images answered before.
// Corrections apply, and all of it can be undone.
func TestHistoryFollows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unpack(t, dir)
	known, unknown := filepath.Join(dir, "known"), filepath.Join(dir, "unknown")
	if err := os.Rename(filepath.Join(known, "Bruno"), filepath.Join(dir, "away")); err != nil {
		t.Fatal(err)
	}
	i := start(t, filepath.Join(dir, "data"), []string{"ROLLCALL_REMATCH_DELAY=100ms"}, "-known", known, "-unknown", unknown, "-ask=false")
	eventually(t, "the welcome", i.welcomed)
	bruno, ada := i.answered("unknown0002.jpg"), i.answered("unknown0001.jpg")
	if bruno.Reason != "unknown_person" || ada.Person == nil || ada.Person.Name != "Ada" {
		t.Fatalf("with Bruno away the pictures are %s and %s", bruno.Reason, ada.Reason)
	}
	is := func(id int64, name string) func() bool {
		return func() bool {
			var img image
			i.get(fmt.Sprintf("/api/v1/images/%d", id), &img)
			return img.Person != nil && img.Person.Name == name || img.Person == nil && img.Reason == name
		}
	}
	if err := os.Rename(filepath.Join(dir, "away"), filepath.Join(known, "Bruno")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "Bruno is found in his old picture", is(bruno.ID, "Bruno"))
	if !is(ada.ID, "Ada")() {
		t.Error("Ada's picture changed")
	}

	var said struct {
		Correction struct{ ID int64 }
		Error      *struct{ Code, Message string }
	}
	var img struct{ Faces []struct{ ID int64 } }
	i.get(fmt.Sprintf("/api/v1/images/%d", ada.ID), &img)
	if code := i.do(http.MethodPost, fmt.Sprintf("/api/v1/faces/%d/person", img.Faces[0].ID), `{"name":"Bruno"}`, &said); code != http.StatusOK {
		t.Fatalf("correct a face: %d %+v", code, said.Error)
	}
	if !is(ada.ID, "Bruno")() {
		t.Error("what somebody said does not count at once")
	}
	if code := i.do(http.MethodDelete, fmt.Sprintf("/api/v1/corrections/%d", said.Correction.ID), "", &said); code != http.StatusOK {
		t.Fatalf("undo a correction: %d %+v", code, said.Error)
	}
	eventually(t, "Ada is herself again", is(ada.ID, "Ada"))

	var list struct {
		Rematches []struct {
			ID     int64
			State  string
			Images int
		}
	}
	eventually(t, "the re-match is applied", func() bool {
		i.get("/api/v1/rematches", &list)
		return len(list.Rematches) > 0 && list.Rematches[0].State == "applied"
	})
	if got := list.Rematches[0].Images; got != 1 {
		t.Errorf("it changed %d images", got)
	}
	var job struct{ State string }
	i.do(http.MethodPost, fmt.Sprintf("/api/v1/rematches/%d/undo", list.Rematches[0].ID), "", &job)
	eventually(t, "the re-match is undone", is(bruno.ID, "unknown_person"))
	i.stop(syscall.SIGTERM)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRefusesToShareItsData(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	first := start(t, data, nil, "-ask=false")
	eventually(t, "the welcome", first.welcomed)
	second := start(t, data, nil, "-ask=false")
	if err := second.cmd.Wait(); err == nil || !strings.Contains(second.logs(), "another standalone uses the data folder") {
		t.Errorf("a second start on the same data ended with %v: %s", err, second.logs())
	}
}

// Where other machines can reach it, it wants a key, from its own posts, too.
func TestNeedsAKeyElsewhere(t *testing.T) {
	t.Parallel()
	data, known, unknown := t.TempDir(), t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(unknown, "a.jpg"), []byte("no picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free(t))
	env := []string{"ROLLCALL_LISTEN_ADDRESS=0.0.0.0:" + port}
	refused := start(t, data, env, "-known", known, "-unknown", unknown)
	if err := refused.cmd.Wait(); err == nil || !strings.Contains(refused.logs(), "there is no API key") {
		t.Fatalf("without a key it ended with %v: %s", err, refused.logs())
	}
	code, key, stderr := commandtest.Run(t, spec(), nil, "keys", "create", "-data", data, "-name", "me", "-scopes", "read")
	if code != command.ExitOK {
		t.Fatalf("exit code %d, stderr %q", code, stderr)
	}
	i := start(t, data, env, "-known", known, "-unknown", unknown)
	eventually(t, "the welcome", i.welcomed)
	if !strings.Contains(i.output(), "corrupt_image") && !strings.Contains(i.output(), "unsupported_format") {
		t.Errorf("its own post has no answer: %s", i.output())
	}
	for want, key := range map[int]string{http.StatusOK: strings.TrimSpace(key), http.StatusUnauthorized: ""} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+"/api/v1/images/1", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", key)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("got %s, want %d", res.Status, want)
		}
	}
}

// Where the API asks for keys, the dashboard on loopback does not do everything for
// everybody: keys in the database count, too.
func TestStandaloneWithStoredKeysAsksToSignIn(t *testing.T) {
	t.Parallel()
	data, known, unknown := t.TempDir(), t.TempDir(), t.TempDir()
	_, port, _ := net.SplitHostPort(free(t))
	env := []string{"ROLLCALL_LISTEN_ADDRESS=0.0.0.0:" + port}
	if refused := start(t, data, env, "-known", known, "-unknown", unknown); refused.cmd.Wait() == nil { // it makes the database
		t.Fatalf("without a key it ends well: %s", refused.logs())
	}
	code, _, stderr := commandtest.Run(t, spec(), nil, "keys", "create", "-data", data, "-name", "me", "-scopes", "read")
	if code != command.ExitOK {
		t.Fatalf("exit code %d, stderr %q", code, stderr)
	}
	i := start(t, data, env, "-known", known, "-unknown", unknown)
	eventually(t, "the welcome", i.welcomed)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+i.page+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req) // follows no redirect
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if to := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || to != "/sign-in" {
		t.Errorf("got %s to %q, want a redirect to the sign-in page", res.Status, to)
	}
}

func TestWrongFolders(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string // what the message must name
	}{
		"only one given":    {[]string{"-known", t.TempDir()}, "-unknown"},
		"known not there":   {[]string{"-known", "/no/such", "-unknown", t.TempDir()}, "-known (KNOWN_PEOPLE): folder /no/such does not exist"},
		"unknown is a file": {[]string{"-known", t.TempDir(), "-unknown", file}, "-unknown (UNKNOWN_PEOPLE): " + file + " is not a folder"},
		"data is a file":    {[]string{"-data", file}, "another one with -data"},
		"data below a file": {[]string{"-known", t.TempDir(), "-unknown", t.TempDir(), "-data", file + "/x"}, "another one with -data"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := commandtest.Run(t, spec(), nil, append([]string{"-data", t.TempDir()}, c.args...)...)
			if code != command.ExitFailed || !strings.Contains(stderr, c.want) {
				t.Errorf("exit code %d, stderr %q, want %q", code, stderr, c.want)
			}
		})
	}
}

// An unreadable folder does not stop the others from being processed.
func TestPicturesInPassesOverUnreadableFolders(t *testing.T) {
	t.Parallel()
	s := &system{log: slog.New(slog.DiscardHandler)}
	good := fstest.MapFS{"a.jpg": {}, "closed/b.jpg": {}, "open/c.jpg": {}, ".hidden/d.jpg": {}, ".e.jpg": {}}
	got, err := s.picturesIn(closedFolder{good})
	if want := []string{"a.jpg", "open/c.jpg"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := s.picturesIn(os.DirFS(filepath.Join(t.TempDir(), "nothing"))); err == nil {
		t.Error("a root that is not there is no error")
	}
}

// closedFolder refuses to list the folder "closed".
type closedFolder struct{ fstest.MapFS }

func (c closedFolder) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == "closed" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return c.MapFS.ReadDir(name)
}

// The error for a port in use names the setting to change.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	err = listen(&lifecycle.HTTP{Name: "REST API", Address: taken.Addr().String()}, "ROLLCALL_LISTEN_ADDRESS")
	if err == nil || !strings.Contains(err.Error(), "ROLLCALL_LISTEN_ADDRESS") {
		t.Errorf("got %v", err)
	}
}

// A .env file in the working directory is read, and the environment wins.
func TestDotEnv(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := "FRONTEND_PORT=not-a-port\nROLLCALL_LOG_LEVEL=loud\n"
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(env ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, os.Args[0], "-data", t.TempDir())
		cmd.Dir, cmd.Env = dir, append(os.Environ(), append(env, runAsProgram+"=1")...)
		out, err := cmd.CombinedOutput()
		if err == nil {
			t.Fatal("it started with bad settings")
		}
		return string(out)
	}
	if out := run(); !strings.Contains(out, "FRONTEND_PORT") || !strings.Contains(out, "ROLLCALL_LOG_LEVEL") {
		t.Errorf(".env was not read: %s", out)
	}
	if out := run("FRONTEND_PORT=0"); strings.Contains(out, "FRONTEND_PORT") || !strings.Contains(out, "ROLLCALL_LOG_LEVEL") {
		t.Errorf("the environment did not win: %s", out)
	}
}
