package cli_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/cli"
)

var model = faces.Model{ID: "m1", Threshold: 0.5, Margin: 0.125}

// eyes is a recognizer that finds in a picture what its content says, in words: "no
// face", "two faces", "small", "no picture"; otherwise one good face. Pictures with
// "slow" in them wait until they are released.
type eyes struct {
	mu    sync.Mutex // guards calls and away
	calls int
	away  bool
}

func (e *eyes) Match(context.Context, faces.MatchQuery) ([][]faces.Neighbour, error) {
	return nil, faces.Fault(faces.Internal, "nobody asks for this")
}

func (e *eyes) RecognizeContent(_ context.Context, content []byte, _ faces.Model) (faces.Recognition, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls++
	if e.away {
		return faces.Recognition{}, faces.Fault(faces.RecognizerUnavailable, "no recognizer answers")
	}
	good := faces.Sighting{Quality: faces.Quality{Score: 0.9, Size: 120, Sharpness: 0.8, Detection: 0.95}}
	rec := faces.Recognition{Width: 640, Height: 480, Model: model}
	switch text := string(content); {
	case strings.Contains(text, "no picture"):
		return rec, faces.Fault(faces.UnsupportedFormat, "this is no picture")
	case strings.Contains(text, "no face"):
	case strings.Contains(text, "two faces"):
		rec.Sightings = []faces.Sighting{good, good}
	case strings.Contains(text, "small"):
		good.Quality.Size = 30
		rec.Sightings = []faces.Sighting{good}
	default:
		rec.Sightings = []faces.Sighting{good}
	}
	return rec, nil
}

func (e *eyes) Render(context.Context, string, faces.Rendering) (faces.Rendered, error) {
	return faces.Rendered{}, faces.Fault(faces.NotFound, "nothing is rendered here")
}

func (e *eyes) RenderContent(context.Context, []byte, faces.Rendering) (faces.Rendered, error) {
	return faces.Rendered{}, faces.Fault(faces.NotFound, "nothing is rendered here")
}

func (e *eyes) Ping(context.Context) error { return nil }

func (e *eyes) count() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.calls
}

// nowhere is a queue that takes nothing.
type nowhere struct{}

func (nowhere) Publish(context.Context, []int64) bool { return false }

// office is a receiver with a database, and somebody at a command line.
type office struct {
	t      *testing.T
	store  *store.Store
	server *receiver.Server
	eyes   *eyes
	known  string // KNOWN_PEOPLE
	file   string // of the database
	url    string
	api    *client.Client
	env    map[string]string
	before func(w http.ResponseWriter, req *http.Request) bool // answers a request itself, or returns false
	mu     sync.Mutex                                          // guards before
}

func newOffice(t *testing.T, change ...func(*receiver.Options)) *office {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rollcall.db")
	s, err := store.OpenSQLite(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	opts := receiver.Options{
		Address: "127.0.0.1:8000", UnknownPeople: "/unknown_people", KnownPeople: t.TempDir(), MaxBody: 64 << 10, MaxPaths: 1000, MaxIdentify: 32 << 10,
	}
	for _, f := range change {
		f(&opts)
	}
	if _, err := s.Migrate(t.Context(), opts.UnknownPeople); err != nil {
		t.Fatal(err)
	}
	if err := s.UseModel(t.Context(), model); err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, store: s, file: file, eyes: &eyes{}, known: opts.KnownPeople}
	reg := prometheus.NewRegistry()
	server := receiver.New(s, nowhere{}, o.eyes, opts, slog.New(slog.DiscardHandler), reg)
	t.Cleanup(server.Close)
	o.server = server
	handler := server.Handler(reg, func(context.Context) error { return nil })
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		o.mu.Lock()
		before := o.before
		o.mu.Unlock()
		if before == nil || !before(w, req) {
			handler.ServeHTTP(w, req)
		}
	}))
	t.Cleanup(listener.Close)
	o.url, o.api = listener.URL, client.New(listener.URL)
	o.env = map[string]string{"ROLLCALL_SERVER": o.url}
	return o
}

func (o *office) intercept(f func(w http.ResponseWriter, req *http.Request) bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.before = f
}

// outcome is what a run of the program printed.
type outcome struct {
	t           *testing.T
	code        int
	out, errors string
}

// run runs a command as somebody who is not at a terminal does.
func (o *office) run(args ...string) outcome {
	o.t.Helper()
	return run(o.t.Context(), o.t, o.env, cli.Streams{}, args...)
}

// answer runs a command at a terminal, with these lines as answers.
func (o *office) answer(lines string, args ...string) outcome {
	o.t.Helper()
	return run(o.t.Context(), o.t, o.env, cli.Streams{In: strings.NewReader(lines), Asks: true}, args...)
}

func run(ctx context.Context, t *testing.T, env map[string]string, s cli.Streams, args ...string) outcome {
	t.Helper()
	var out, errs bytes.Buffer
	s.Out, s.Err = &out, &errs
	code := cli.Run(ctx, args, config.Map(env), s)
	return outcome{t: t, code: code, out: out.String(), errors: errs.String()}
}

// expect checks the exit code, and that each text is in the output.
func (r outcome) expect(code int, texts ...string) outcome {
	r.t.Helper()
	if r.code != code {
		r.t.Errorf("exit code %d, want %d\nout: %s\nerr: %s", r.code, code, r.out, r.errors)
	}
	for _, text := range texts {
		if !strings.Contains(r.out+r.errors, text) {
			r.t.Errorf("%q is not in\nout: %s\nerr: %s", text, r.out, r.errors)
		}
	}
	return r
}

// folder makes files with contents below a new folder.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// people returns the number of known pictures of all people, by name.
func (o *office) people() map[string]int {
	o.t.Helper()
	all := api.ListPeopleParamsHiddenAllPeople
	pictures := map[string]int{}
	for p, err := range o.api.AllPeople(o.t.Context(), api.ListPeopleParams{Hidden: &all}) {
		if err != nil {
			o.t.Fatal(err)
		}
		pictures[p.Name] = p.KnownPictures
	}
	return pictures
}

// enrol makes people known, each by the picture "<name>.jpg", without the program.
func (o *office) enrol(names ...string) {
	o.t.Helper()
	wanted := map[string]string{}
	for _, n := range names {
		wanted[n+".jpg"] = n
	}
	if _, err := o.store.SyncKnownImages(o.t.Context(), wanted, func(string) bool { return true }); err != nil {
		o.t.Fatal(err)
	}
}

// see gives an image the answer of what was seen in it, as a processor does.
func (o *office) see(id int64, seen ...faces.Sighting) {
	o.t.Helper()
	o.seeBy(model, id, seen...)
}

func (o *office) seeBy(model faces.Model, id int64, seen ...faces.Sighting) {
	o.t.Helper()
	var images []string
	for _, s := range seen {
		for _, n := range s.Neighbours {
			images = append(images, n.Image)
		}
	}
	owners, err := o.store.Owners(o.t.Context(), images)
	if err != nil {
		o.t.Fatal(err)
	}
	o.finish(id, faces.Decide(faces.Recognition{Width: 800, Height: 600, Sightings: seen, Model: model},
		func(image string) (faces.Person, bool) { p, ok := owners[image]; return p, ok }))
}

func (o *office) finish(id int64, out faces.Outcome) {
	o.t.Helper()
	c, err := o.store.Claim(o.t.Context(), "test", []int64{id}, time.Minute)
	if err != nil || len(c.Claimed) != 1 {
		o.t.Fatalf("claim image %d: %+v, %v", id, c, err)
	}
	if stale, err := o.store.Finish(o.t.Context(), []store.Result{{Lease: c.Claimed[0].Lease, Outcome: out}}); err != nil || len(stale) > 0 {
		o.t.Fatalf("finish image %d: %v, %v", id, stale, err)
	}
}

// seen is a face at a place with neighbours at distances.
func seen(x int, near ...any) faces.Sighting {
	s := faces.Sighting{Box: faces.Box{X: x, Width: 40, Height: 40}}
	for i := 0; i < len(near); i += 2 {
		s.Neighbours = append(s.Neighbours, faces.Neighbour{Image: near[i].(string), Distance: near[i+1].(float64)})
	}
	return s
}

// post posts a path without the program.
func (o *office) post(path string) int64 {
	o.t.Helper()
	img, err := o.api.PostImage(o.t.Context(), path)
	if err != nil {
		o.t.Fatal(err)
	}
	return img.ID
}

// unavailable answers as a receiver whose database is away.
func unavailable(w http.ResponseWriter) bool {
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, `{"error":{"code":"unavailable","message":"the database is away"},"request_id":"r"}`)
	return true
}

// nobody answers as a receiver that knows no people, whatever the key is.
func nobody(w http.ResponseWriter) bool {
	_, _ = io.WriteString(w, `{"people":[],"next":null}`)
	return true
}
