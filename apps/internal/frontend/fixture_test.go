package frontend_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const root = "/unknown_people"

var (
	noon  = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	model = faces.Model{ID: "test-set-1", Threshold: 0.6, Margin: 0.05}
)

// album is a store and the people in it.
type album struct {
	*store.Store
	t      *testing.T
	now    atomic.Pointer[time.Time]
	people map[string]faces.Person // by known image
	file   string                  // of the database
}

// newAlbum returns an empty store in which the named people are known, each by
// the image "<name>.jpg".
func newAlbum(t *testing.T, people ...string) *album {
	t.Helper()
	a := &album{t: t, file: filepath.Join(t.TempDir(), "rollcall.db")}
	a.setClock(noon)
	var err error
	a.Store, err = store.OpenSQLite(a.file,
		store.WithClock(func() time.Time { return *a.now.Load() }))
	a.check(err)
	t.Cleanup(func() { a.Close() })
	_, err = a.Migrate(t.Context(), root)
	a.check(err)
	wanted := map[string]string{}
	var images []string
	for _, p := range people {
		wanted[p+".jpg"] = p
		images = append(images, p+".jpg")
	}
	_, err = a.SyncKnownImages(t.Context(), wanted, func(string) bool { return true })
	a.check(err)
	a.people, err = a.Owners(t.Context(), images)
	a.check(err)
	return a
}

func (a *album) check(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *album) setClock(now time.Time) { a.now.Store(&now) }

// post adds pictures, which are then queued.
func (a *album) post(paths ...string) []int64 {
	a.t.Helper()
	images, err := a.AddImages(a.t.Context(), paths)
	a.check(err)
	ids := make([]int64, len(images))
	for i, img := range images {
		ids[i] = img.ID
	}
	return ids
}

// claim claims a queued picture.
func (a *album) claim(id int64) store.Lease {
	a.t.Helper()
	c, err := a.Claim(a.t.Context(), "test", []int64{id}, time.Minute)
	a.check(err)
	if len(c.Claimed) != 1 {
		a.t.Fatalf("image %d cannot be claimed: %+v", id, c)
	}
	return c.Claimed[0].Lease
}

// answer adds a picture in which the given faces are found.
func (a *album) answer(path string, seen ...faces.Sighting) int64 {
	a.t.Helper()
	return a.finish(path, faces.Decide(
		faces.Recognition{Width: 800, Height: 600, Sightings: seen, Model: model},
		func(image string) (faces.Person, bool) { p, ok := a.people[image]; return p, ok },
	))
}

// fail adds a picture that fails.
func (a *album) fail(path string, r faces.Reason, detail string) int64 {
	a.t.Helper()
	return a.finish(path, faces.Failure(faces.Fault(r, "%s", detail)))
}

func (a *album) finish(path string, outcome faces.Outcome) int64 {
	a.t.Helper()
	id := a.post(path)[0]
	stale, err := a.Finish(a.t.Context(), []store.Result{{Lease: a.claim(id), Outcome: outcome}})
	a.check(err)
	if len(stale) > 0 {
		a.t.Fatalf("the lease on image %d was lost", id)
	}
	return id
}

// sight returns a face at x with neighbours at distances: sight(10, "Anna", 0.3).
func sight(x int, near ...any) faces.Sighting {
	s := faces.Sighting{Box: faces.Box{X: x, Y: 100, Width: 120, Height: 130}, Landmarks: []faces.Point{{X: x + 30, Y: 140}}}
	for i := 0; i < len(near); i += 2 {
		s.Neighbours = append(s.Neighbours, faces.Neighbour{Image: near[i].(string) + ".jpg", Distance: near[i+1].(float64)})
	}
	return s
}

// serve returns the dashboard's handler over s. Its clock stands at 12:01.
func serve(t *testing.T, s frontend.Store, change ...func(*frontend.Options)) http.Handler {
	t.Helper()
	opts := frontend.Options{CountsFor: -1, UnknownPeople: root, Now: func() time.Time { return noon.Add(time.Minute) }}
	for _, f := range change {
		f(&opts)
	}
	srv, err := frontend.New(s, opts)
	if err != nil {
		t.Fatal(err)
	}
	return srv.Handler()
}

// answered is an answer of the dashboard.
type answered struct {
	*goquery.Document
	Code   int
	Header http.Header
	Text   string
}

func get(t *testing.T, h http.Handler, target string) answered {
	t.Helper()
	return do(t, h, request(t, http.MethodGet, target))
}

func do(t *testing.T, h http.Handler, req *http.Request) answered {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	text := rec.Body.String()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return answered{Document: doc, Code: rec.Code, Header: rec.Header(), Text: text}
}

// words returns the text of what selector finds, with single spaces.
func (a answered) words(selector string) string {
	return strings.Join(strings.Fields(a.Find(selector).Text()), " ")
}

// each returns the text of each element that selector finds.
func (a answered) each(selector string) []string {
	return a.Find(selector).Map(func(_ int, s *goquery.Selection) string {
		return strings.Join(strings.Fields(s.Text()), " ")
	})
}

// request returns a request to the dashboard by the name of its Service.
func request(t *testing.T, method, target string) *http.Request {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	req.Host = "frontend"
	return req
}
