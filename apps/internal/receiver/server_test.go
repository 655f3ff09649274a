package receiver_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// fakeStore answers what a database in trouble does.
type fakeStore struct {
	receiver.PeopleStore      // is not called
	receiver.IdempotencyStore // likewise
	receiver.WebhookStore     // likewise
	receiver.GroupStore       // likewise
	receiver.ErasureStore     // likewise
	answer                    func() error
}

func (s fakeStore) AddUploads(context.Context, []string, []string) ([]faces.Image, error) {
	return nil, s.answer()
}

func (s fakeStore) AddTraced(ctx context.Context, paths, names, _ []string) ([]faces.Image, error) {
	return s.AddUploads(ctx, paths, names)
}
func (s fakeStore) Image(context.Context, int64) (faces.Image, error) {
	return faces.Image{}, s.answer()
}
func (s fakeStore) PageOfImages(context.Context, store.Filter) (store.ImagePage, error) {
	return store.ImagePage{}, s.answer()
}
func (s fakeStore) StoredFace(context.Context, int64) (store.FoundFace, error) {
	return store.FoundFace{}, s.answer()
}
func (s fakeStore) FoundFaces(context.Context, []int64) (map[int64]store.FoundFace, error) {
	return nil, s.answer()
}
func (s fakeStore) DeleteImage(context.Context, int64) (string, error) { return "", s.answer() }
func (s fakeStore) SelectImages(context.Context, store.Filter) ([]store.Selected, int64, error) {
	return nil, 0, s.answer()
}
func (s fakeStore) SelectByID(context.Context, []int64) ([]store.Selected, error) {
	return nil, s.answer()
}
func (s fakeStore) DeleteImages(context.Context, []store.Selected) ([]store.Selected, error) {
	return nil, s.answer()
}
func (s fakeStore) HasPath(context.Context, string) (bool, error) { return false, s.answer() }
func (s fakeStore) HasOutcomes(context.Context) (bool, error)     { return false, s.answer() }
func (s fakeStore) Picture(context.Context, int64) (store.Picture, error) {
	return store.Picture{}, s.answer()
}
func (s fakeStore) PictureOfFace(context.Context, int64) (store.Picture, error) {
	return store.Picture{}, s.answer()
}
func (s fakeStore) Owners(context.Context, []string) (map[string]faces.Person, error) {
	return nil, s.answer()
}
func (s fakeStore) CountKnownPeople(context.Context, int) (int, error) { return 0, s.answer() }
func (s fakeStore) ModelInUse(context.Context) (faces.Model, bool, error) {
	return faces.Model{}, false, s.answer()
}
func (s fakeStore) Models(context.Context) (map[string]faces.Model, error) { return nil, s.answer() }

func (s fakeStore) CorrectFace(context.Context, faces.Statement) (store.Corrected, error) {
	return store.Corrected{}, s.answer()
}
func (s fakeStore) DrawFace(context.Context, faces.Drawing) (store.Corrected, error) {
	return store.Corrected{}, s.answer()
}
func (s fakeStore) UndoCorrection(context.Context, int64, string) (store.Corrected, error) {
	return store.Corrected{}, s.answer()
}
func (s fakeStore) FaceCorrections(context.Context, int64) ([]faces.Correction, error) {
	return nil, s.answer()
}
func (s fakeStore) ImageCorrections(context.Context, int64) ([]store.PlacedCorrection, error) {
	return nil, s.answer()
}
func (s fakeStore) RequestRescans(context.Context, []int64, bool) (store.Rescans, error) {
	return store.Rescans{}, s.answer()
}
func (s fakeStore) Retry(context.Context, store.RetryFilter) ([]int64, error) {
	return nil, s.answer()
}
func (s fakeStore) RequestRescan(context.Context, string, bool) (history.Rescan, error) {
	return history.Rescan{}, s.answer()
}
func (s fakeStore) ChangeRescanState(context.Context, int64, history.RescanState) (history.Rescan, error) {
	return history.Rescan{}, s.answer()
}
func (s fakeStore) Rescan(context.Context, int64) (history.Rescan, error) {
	return history.Rescan{}, s.answer()
}
func (s fakeStore) Rescans(context.Context, int64, int) ([]history.Rescan, error) {
	return nil, s.answer()
}
func (s fakeStore) RescanResults(context.Context, int64, int64, int, history.ResultState) ([]history.RescanResult, error) {
	return nil, s.answer()
}
func (s fakeStore) RequestRematch(context.Context, history.Cause, bool, bool) (history.Job, error) {
	return history.Job{}, s.answer()
}
func (s fakeStore) RequestTrial(context.Context, float64, float64) (history.Job, error) {
	return history.Job{}, s.answer()
}
func (s fakeStore) ChangeRematchState(context.Context, int64, history.State) (history.Job, error) {
	return history.Job{}, s.answer()
}
func (s fakeStore) Rematch(context.Context, int64) (history.Job, error) {
	return history.Job{}, s.answer()
}
func (s fakeStore) Rematches(context.Context, int64, int) ([]history.Job, error) {
	return nil, s.answer()
}
func (s fakeStore) RematchSummary(context.Context, int64, int) ([]history.Movement, error) {
	return nil, s.answer()
}
func (s fakeStore) RematchChanges(context.Context, int64, int64, int) ([]history.ImageChange, error) {
	return nil, s.answer()
}
func (s fakeStore) Directory(context.Context) (access.Directory, error) {
	return access.Directory{}, s.answer()
}
func (s fakeStore) TouchKeys(context.Context, map[string]time.Time) error { return s.answer() }
func (s fakeStore) AddKey(context.Context, access.Key) (access.Key, error) {
	return access.Key{}, s.answer()
}
func (s fakeStore) Keys(context.Context, int64, int) ([]access.Key, error) { return nil, s.answer() }
func (s fakeStore) Key(context.Context, string) (access.Key, error)        { return access.Key{}, s.answer() }
func (s fakeStore) RevokeKey(context.Context, string) (access.Key, error) {
	return access.Key{}, s.answer()
}
func (s fakeStore) Users(context.Context, int64, int) ([]access.User, error) { return nil, s.answer() }
func (s fakeStore) User(context.Context, string) (access.User, error) {
	return access.User{}, s.answer()
}
func (s fakeStore) SetUser(context.Context, string, access.Role) (access.User, error) {
	return access.User{}, s.answer()
}
func (s fakeStore) DeleteUser(context.Context, string) (access.User, error) {
	return access.User{}, s.answer()
}
func (s fakeStore) AuditOf(context.Context, store.AuditFilter) ([]access.Entry, error) {
	return nil, s.answer()
}

func (s fakeStore) Consent(context.Context, int64) (faces.Consent, faces.ConsentState, error) {
	return faces.Consent{}, faces.ConsentNone, s.answer()
}

func (s fakeStore) SetConsent(context.Context, faces.Consent) (faces.Consent, faces.ConsentState, error) {
	return faces.Consent{}, faces.ConsentNone, s.answer()
}

func (s fakeStore) WithdrawConsent(context.Context, int64) (faces.Consent, error) {
	return faces.Consent{}, s.answer()
}

func (s fakeStore) Consents(context.Context, time.Duration, int64, int) ([]store.PersonConsent, error) {
	return nil, s.answer()
}

func (s fakeStore) Retention(context.Context) (faces.Retention, faces.RetentionRun, error) {
	return nil, faces.RetentionRun{}, s.answer()
}

func (s fakeStore) SetRetention(context.Context, faces.Retention) error { return s.answer() }

func (s fakeStore) ExpiredImages(context.Context, faces.Retention, int64, int) ([]store.Expired, error) {
	return nil, s.answer()
}

func (s fakeStore) NoteExport(context.Context, int64) error { return s.answer() }

func (s fakeStore) FacesOf(context.Context, int64, int64, int) ([]store.PersonFace, error) {
	return nil, s.answer()
}

func (s fakeStore) CorrectionsOf(context.Context, int64, int64, int) ([]faces.Correction, error) {
	return nil, s.answer()
}
func (s fakeStore) KeepsOpenIngest(context.Context) (bool, error) { return false, s.answer() }

// everyRoute calls each route that needs the database.
func everyRoute(c *client, check func(a answer)) {
	check(c.post("/image/post", `{"path":"a.jpg"}`))
	check(c.post("/images/post", `{"paths":[{"path":"a.jpg"}]}`))
	check(c.get("/api/v1/images"))
	check(c.get("/api/v1/images/1"))
	check(c.post("/api/v1/faces/1/person", `{"name":"Ada"}`))
	check(c.post("/api/v1/faces/1/not-person", `{"person_id":1}`))
	check(c.get("/api/v1/faces/1/corrections"))
	check(c.do(http.MethodDelete, "/api/v1/corrections/1", ""))
	check(c.post("/api/v1/rematches", ""))
	check(c.get("/api/v1/rematches"))
	check(c.get("/api/v1/rematches/1"))
	check(c.post("/api/v1/rematches/1/apply", ""))
	check(c.post("/api/v1/rematches/1/undo", ""))
	check(c.post("/api/v1/images/1/retry", ""))
	check(c.post("/api/v1/images/retry", `{"status":"failed"}`))
	check(c.post("/api/v1/images/delete", `{"status":"failed","limit":10}`))
	check(c.get("/api/v1/images/1/corrections"))
	check(c.post("/api/v1/rescans", ""))
	check(c.get("/api/v1/rescans"))
	check(c.get("/api/v1/rescans/1"))
	check(c.post("/api/v1/rescans/1/pause", ""))
	check(c.post("/api/v1/rescans/1/resume", ""))
	check(c.post("/api/v1/rescans/1/cancel", ""))
	check(c.post("/api/v1/keys", `{"name":"ci","scopes":["ingest"]}`))
	check(c.get("/api/v1/keys"))
	check(c.get("/api/v1/keys/abc"))
	check(c.do(http.MethodDelete, "/api/v1/keys/abc", ""))
	check(c.get("/api/v1/users"))
	check(c.do(http.MethodPut, "/api/v1/users/ada", `{"role":"viewer"}`))
	check(c.get("/api/v1/users/ada"))
	check(c.do(http.MethodDelete, "/api/v1/users/ada", ""))
	check(c.get("/api/v1/audit"))
}

func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	check := func(a answer) {
		a.refused(http.StatusServiceUnavailable, "unavailable")
		if got := a.header.Get("Retry-After"); got != "2" {
			t.Errorf("retry after %q, want 2", got)
		}
	}
	t.Run("a server that is not there", func(t *testing.T) {
		t.Parallel()
		db, err := store.OpenMySQL(config.Database{Host: "127.0.0.1", Port: 1, Name: "kube", Login: config.FixedLogin("nobody", ""), MaxConnections: 2})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		c := serve(t, db, nowhere{})
		everyRoute(c, check)
		check(c.get("/readyz"))
		c.get("/healthz").expect(http.StatusOK)
	})
	t.Run("an error with a cause", func(t *testing.T) {
		t.Parallel()
		c := serve(t, fakeStore{answer: func() error {
			return faces.Errorf(faces.CodeUnavailable, "try again later").WithCause(errors.New("dial tcp 10.0.0.1:3306: SELECT"))
		}}, nowhere{})
		everyRoute(c, check)
		check(c.get("/readyz"))
	})
}

func TestInternalErrors(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func() error{
		"error": func() error { return errors.New("SELECT name FROM person: sql: secret") },
		"panic": func() error { panic("SELECT name FROM person") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everyRoute(serve(t, fakeStore{answer: answer}, nowhere{}), checkInternal)
		})
	}
	t.Run("a database that was closed", func(t *testing.T) {
		t.Parallel()
		db := newStore(t)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		everyRoute(serve(t, db, nowhere{}), checkInternal)
	})
}

func checkInternal(a answer) {
	a.t.Helper()
	a.refused(http.StatusInternalServerError, "internal")
	if !strings.Contains(string(a.body), `"message":"internal error"`) {
		a.t.Errorf("got %s", a.body)
	}
}

func TestMethods(t *testing.T) {
	t.Parallel()
	c := serve(t, newStore(t), nowhere{})
	for _, test := range []struct{ method, path, allow string }{
		{http.MethodGet, "/image/post", "POST"},
		{http.MethodPut, "/images/post", "POST"},
		{http.MethodDelete, "/api/v1/images", "POST, GET"},
		{http.MethodOptions, "/image/post", "POST"},
		{"MADEUP", "/image/post", "POST"},
		{http.MethodOptions, "/api/v1/images/retry", "POST"}, // and not those of an image with the id "retry"
		{http.MethodGet, "/api/v1/images/delete", "POST"},
		{http.MethodDelete, "/api/v1/images/retry", "POST"},
		{http.MethodPut, "/api/v1/images/7/retry", "POST"},
		{http.MethodPut, "/api/v1/people/1", "GET, DELETE, PATCH"},
	} {
		a := c.do(test.method, test.path, "")
		a.refused(http.StatusMethodNotAllowed, "method_not_allowed")
		if got := a.header.Get("Allow"); got != test.allow {
			t.Errorf("%s %s: allow %q, want %q", test.method, test.path, got, test.allow)
		}
	}
	c.get("/api/v1/images/deleted").refused(http.StatusBadRequest, "invalid_request") // the id of an image
	for _, path := range []string{"/", "/image", "/api/v1", "/api/v2/images", "/api/v1/images/1/x", "/..%2f..%2fetc/passwd", "/%00"} {
		c.get(path).refused(http.StatusNotFound, "not_found")
	}
}

// A web page from elsewhere can make a browser send requests here.
func TestForeignPages(t *testing.T) {
	t.Parallel()
	c := serve(t, newStore(t), nowhere{})
	send := func(headers ...string) answer { return c.post("/image/post", `{"path":"a.jpg"}`, headers...) }
	for _, host := range []string{"localhost", "localhost:8000", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:8000", "127.1.2.3:1", "[::1]", "[::1]:8000"} {
		send("Host", host).expect(http.StatusAccepted)
		send("Host", host, "Origin", "http://"+host).expect(http.StatusAccepted)
	}
	for _, host := range []string{
		"evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example:8000", "10.0.0.1:8000", "0.0.0.0:8000", "[::2]:8000",
	} {
		send("Host", host).refused(http.StatusForbidden, "forbidden")
		send("Host", host, "Origin", "http://"+host).refused(http.StatusForbidden, "forbidden")
	}
	for _, origin := range []string{
		"http://evil.example", "null", "http://localhost:8001", "http://localhost", "https://localhost.evil.example:8000", "localhost:8000", "%",
	} {
		send("Host", "localhost:8000", "Origin", origin).refused(http.StatusForbidden, "forbidden")
	}
	for _, path := range []string{"/healthz", "/readyz", "/api/v1/images", "/nothing"} {
		c.do(http.MethodGet, path, "", "Host", "evil.example").refused(http.StatusForbidden, "forbidden")
	}
}

// In a cluster the server has many names; a page's requests are refused still.
func TestForeignPagesElsewhere(t *testing.T) {
	t.Parallel()
	for _, address := range []string{":8000", "0.0.0.0:8000", "10.0.0.1:8000"} {
		opts := options()
		opts.Address, opts.OpenAPI = address, "true"
		server := httptest.NewServer(handler(newStore(t), nowhere{}, opts))
		t.Cleanup(server.Close)
		c := &client{t: t, http: server.Client(), url: server.URL}
		c.post("/image/post", `{"path":"a.jpg"}`, "Host", "receiver:8000").expect(http.StatusAccepted)
		c.post("/image/post", `{"path":"a.jpg"}`, "Host", "receiver:8000", "Origin", "http://receiver:8000").expect(http.StatusAccepted)
		c.post("/image/post", `{"path":"a.jpg"}`, "Host", "receiver:8000", "Origin", "http://evil.example").refused(http.StatusForbidden, "forbidden")
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	c := serve(t, newStore(t), nowhere{})
	send := func(id string) string {
		a := c.do(http.MethodGet, "/nothing", "", "X-Request-ID", id)
		a.refused(http.StatusNotFound, "not_found")
		return a.header.Get("X-Request-ID")
	}
	for _, id := range []string{"a", "4f2c-11.B_9", strings.Repeat("x", 64)} {
		if got := send(id); got != id {
			t.Errorf("%q comes back as %q", id, got)
		}
	}
	seen := map[string]bool{}
	for _, id := range []string{"", "a b", "<script>", `a"b`, "a;b", "é", "a\tb", strings.Repeat("x", 65), "../../etc"} {
		got := send(id)
		if len(got) != 36 || seen[got] {
			t.Errorf("%q: got %q, want a new id", id, got)
		}
		seen[got] = true
	}
	if got := c.get("/healthz").header.Get("X-Request-ID"); len(got) != 36 {
		t.Errorf("got %q, want an id", got)
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	c := serve(t, s, nowhere{})
	if got := string(c.get("/healthz").expect(http.StatusOK).body); got != `{"status":"ok"}` {
		t.Errorf("got %s", got)
	}
	if got := string(c.get("/readyz").expect(http.StatusOK).body); got != `{"status":"ready"}` {
		t.Errorf("got %s", got)
	}
	if err := s.UseModel(t.Context(), faces.Model{ID: "lite-9", Threshold: 0.4}); err != nil {
		t.Fatal(err)
	}
	if got := string(c.get("/readyz").expect(http.StatusOK).body); got != `{"model":"lite-9","status":"ready"}` {
		t.Errorf("got %s", got)
	}
}

// Whatever clients send, the number of time series stays small.
func TestMetricsStaySmall(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	h := receiver.New(newStore(t), nowhere{}, nil, options(), quiet, reg).Handler(reg, func(context.Context) error { return nil })
	count := func() (n int) {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			n += len(f.GetMetric())
		}
		return n
	}
	send := func(method, path string) {
		req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(`{"path":"a.jpg"}`))
		req.Host = "localhost"
		h.ServeHTTP(httptest.NewRecorder(), req)
	}
	send("AAA", "/nothing/0")
	send(http.MethodGet, "/api/v1/images/1")
	before := count()
	for _, x := range []string{"B", "C", "D", "E"} {
		send(x+x+x, "/nothing/"+x)
		send(http.MethodGet, "/api/v1/images/"+x+"?q="+x)
		send(http.MethodGet, "/api/v1/images/7"+x)
	}
	// One more: a bad id has a code that was not there before.
	if after := count(); after > before+1 {
		t.Errorf("%d time series became %d", before, after)
	}
}
