package receiver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/api"
	apiclient "github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// keyed sends a request with an idempotency key.
func (c *client) keyed(key, method, path, body string, headers ...string) answer {
	c.t.Helper()
	return c.do(method, path, body, append([]string{"Idempotency-Key", key}, headers...)...)
}

// repeated expects the same answer as before, with the mark of a repeat.
func (a answer) repeated(before answer) {
	a.t.Helper()
	if a.code != before.code || string(a.body) != string(before.body) {
		a.t.Errorf("got %d %s, want %d %s", a.code, a.body, before.code, before.body)
	}
	for _, name := range []string{"Content-Type", "Etag", "Location"} {
		if got, want := a.header.Get(name), before.header.Get(name); got != want {
			a.t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if a.header.Get("Idempotency-Replayed") != "true" || before.header.Get("Idempotency-Replayed") != "" {
		a.t.Errorf("replayed: %q, the first: %q", a.header.Get("Idempotency-Replayed"), before.header.Get("Idempotency-Replayed"))
	}
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const people = "/api/v1/people"
	first := b.keyed("k1", http.MethodPost, people, `{"name":"Ada"}`).expect(http.StatusCreated)
	b.keyed("k1", http.MethodPost, people, `{"name":"Ada"}`).repeated(first)
	b.keyed("k1", http.MethodPost, people, `{"name":"Bob"}`).refused(http.StatusUnprocessableEntity, "idempotency_key_reused")
	b.keyed("k1", http.MethodPost, people, `{"name":"Ada","and":"much more than before"}`).refused(http.StatusUnprocessableEntity, "idempotency_key_reused")
	b.keyed("k1", http.MethodPost, people, "").refused(http.StatusUnprocessableEntity, "idempotency_key_reused")
	b.keyed("k1", http.MethodPost, "/image/post", `{"name":"Ada"}`).refused(http.StatusUnprocessableEntity, "idempotency_key_reused")
	if list := read[api.PersonList](b.get(people)); len(list.People) != 1 {
		t.Errorf("there are %d people", len(list.People))
	}

	// An error of the client's is an answer, too.
	refused := b.keyed("k2", http.MethodPost, people, `{"name":"Ada"}`).expect(http.StatusConflict)
	b.keyed("k2", http.MethodPost, people, `{"name":"Ada"}`).repeated(refused)

	// If-Match counts: with another one it is another request.
	path := fmt.Sprintf("%s/%d", people, read[api.PersonDetail](first).ID)
	tag := first.header.Get("ETag")
	renamed := b.keyed("k3", http.MethodPatch, path, `{"name":"Ada King"}`, "If-Match", tag).expect(http.StatusOK)
	b.keyed("k3", http.MethodPatch, path, `{"name":"Ada King"}`, "If-Match", tag).repeated(renamed)
	b.keyed("k3", http.MethodPatch, path, `{"name":"Ada King"}`, "If-Match", "*").refused(http.StatusUnprocessableEntity, "idempotency_key_reused")

	// An answer without a body.
	img := b.postOne("a.jpg")
	path = fmt.Sprintf("/api/v1/images/%d", img.ID)
	gone := b.keyed("k4", http.MethodDelete, path, "")
	b.keyed("k4", http.MethodDelete, path, "").repeated(gone)
	b.do(http.MethodDelete, path, "").refused(http.StatusNotFound, "not_found")

	// Where nothing changes, the header is not looked at.
	b.keyed("k1", http.MethodGet, people, "").expect(http.StatusOK)
}

func TestIdempotencyKeyIsChecked(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, key := range map[string]string{"empty": "", "a space": "a b", "too long": strings.Repeat("k", 256), "no ASCII": "schlüssel"} {
		t.Run(name, func(t *testing.T) {
			b.keyed(key, http.MethodPost, "/image/post", `{"path":"a.jpg"}`).refused(http.StatusBadRequest, "invalid_request")
		})
	}
	b.keyed(strings.Repeat("k", 255), http.MethodPost, "/image/post", `{"path":"a.jpg"}`).expect(http.StatusAccepted)
	b.keyed(`"8e03978e-40d5-43dd-bc93-6894a57f9324"`, http.MethodPost, "/images/post", `{"paths":[{"path":"a.jpg"}]}`).expect(http.StatusAccepted)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/image/post", strings.NewReader(`{"path":"a.jpg"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header["Idempotency-Key"] = []string{"one", "two"}
	res, err := b.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("two keys: %d", res.StatusCode)
	}
}

// The repeat of an upload has another boundary, and often other sizes of packets.
func TestIdempotencyKeyOfUploads(t *testing.T) {
	t.Parallel()
	b := newUploadBench(t)
	send := func(key string, parts ...upload) answer {
		kind, body := form(t, parts...)
		return b.keyed(key, http.MethodPost, "/api/v1/images", body, "Content-Type", kind)
	}
	ada := upload{"file", "ada.jpg", jpegFile(strings.Repeat("ada", 20_000))}
	bob := upload{"file", "bob.jpg", jpegFile("bob")}
	first := send("k", ada, bob).expect(http.StatusAccepted)
	send("k", ada, bob).repeated(first)
	send("k", bob, ada).refused(http.StatusUnprocessableEntity, "idempotency_key_reused")
	send("k", ada).refused(http.StatusUnprocessableEntity, "idempotency_key_reused")
	send("k", ada, upload{"file", "eve.jpg", bob.content}).refused(http.StatusUnprocessableEntity, "idempotency_key_reused")
	send("k", ada, upload{"file", "bob.jpg", jpegFile("b0b")}).refused(http.StatusUnprocessableEntity, "idempotency_key_reused")
	if got := b.files(); len(got) != 2 {
		t.Errorf("the files are %v", got)
	}
}

func TestIdempotencyKeyUnderWay(t *testing.T) {
	t.Parallel()
	b := newUploadBench(t)
	kind, body := form(t, upload{"file", "ada.jpg", jpegFile("ada")})
	from, to := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/api/v1/images", from)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Idempotency-Key", "k")
	done := make(chan int)
	go func() {
		res, err := b.http.Do(req)
		if err != nil {
			t.Error(err)
			done <- 0
			return
		}
		res.Body.Close()
		done <- res.StatusCode
	}()
	if _, err := io.WriteString(to, body[:40]); err != nil {
		t.Fatal(err)
	}
	again := func() answer {
		return b.keyed("k", http.MethodPost, "/api/v1/images", body, "Content-Type", kind)
	}
	wait.Until(t, "the receiver to read the first request", func() bool { return b.metric("rollcall_uploaded_bytes_total") > 0 })
	early := again()
	early.refused(http.StatusConflict, "idempotency_key_in_use")
	if early.header.Get("Retry-After") == "" {
		t.Error("it does not say when to come again")
	}
	if _, err := io.WriteString(to, body[40:]); err != nil {
		t.Fatal(err)
	}
	to.Close()
	if code := <-done; code != http.StatusAccepted {
		t.Errorf("the first request: %d", code)
	}
	if last := again().expect(http.StatusAccepted); last.header.Get("Idempotency-Replayed") != "true" {
		t.Error("the first request's answer is not kept")
	}
}

// A key of the API is shown once. The answer that shows it is not stored.
func TestIdempotencyKeyOfSecrets(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	st, err := store.OpenSQLite(filepath.Join(folder, "rollcall.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	if _, err := st.Migrate(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	c := serve(t, st, nowhere{})
	const want = `{"name":"ci","scopes":["ingest"]}`
	first := c.keyed("k", http.MethodPost, "/api/v1/keys", want).expect(http.StatusCreated)
	again := c.keyed("k", http.MethodPost, "/api/v1/keys", want)
	again.refused(http.StatusConflict, "answer_not_kept")
	if got := again.header.Get("Location"); got == "" || got != first.header.Get("Location") {
		t.Errorf("it says %q was made, want %q", got, first.header.Get("Location"))
	}
	if list := read[api.KeyList](c.get("/api/v1/keys")); len(list.Keys) != 1 {
		t.Errorf("there are %d keys", len(list.Keys))
	}
	secret := read[struct{ Key string }](first).Key
	if !strings.HasPrefix(secret, "rollcall_") {
		t.Fatalf("%q is no key: this test would prove nothing", secret)
	}
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), secret[len(secret)-20:]) {
			t.Errorf("%s has the secret", f.Name())
		}
	}
}

// Keys of one client have nothing to do with those of another.
func TestIdempotencyKeyOfOthers(t *testing.T) {
	t.Parallel()
	g := guard(t)
	send := func(key, name string, headers ...string) answer {
		return g.with(key, http.MethodPost, "/api/v1/people", body("name", name), append(headers, "Idempotency-Key", "k")...)
	}
	one, two := g.key(access.Limits{}, access.Admin, access.Act), g.key(access.Limits{}, access.People)
	g.with(one, http.MethodPut, "/api/v1/users/eve", `{"role":"reviewer"}`).expect(http.StatusOK)
	first := send(one, "Ada").expect(http.StatusCreated)
	send(two, "Bob").expect(http.StatusCreated)
	send(one, "Cleo", "Rollcall-User", "eve").expect(http.StatusCreated)
	send(one, "Ada").repeated(first)
	// A key that may not do it does not get the answer either.
	g.with(g.key(access.Limits{}, access.Read), http.MethodPost, "/api/v1/people", body("name", "Ada"), "Idempotency-Key", "k").
		refused(http.StatusForbidden, "forbidden")
}

// faultyStore fails on demand.
type faultyStore struct {
	*store.Store
	down atomic.Bool // answers cannot be stored, as after kill -9
	full atomic.Bool // people cannot be stored
	late atomic.Bool // the database goes away when a person is stored
}

var errDown = errors.New("the database is away")

func (s *faultyStore) EndAttempt(ctx context.Context, a store.Attempt, k store.KeptAnswer) error {
	if s.down.Load() {
		return errDown
	}
	return s.Store.EndAttempt(ctx, a, k)
}

func (s *faultyStore) AddPerson(ctx context.Context, name string) (faces.Profile, error) {
	if s.full.Load() {
		return faces.Profile{}, faces.Errorf(faces.CodeUnavailable, "try again later")
	}
	p, err := s.Store.AddPerson(ctx, name)
	if s.late.Load() && err == nil {
		err = errDown
	}
	return p, err
}

// clockedStore returns a store with a clock that the test moves.
func clockedStore(t *testing.T) (*store.Store, *atomic.Int64) {
	t.Helper()
	var moved atomic.Int64
	begin := time.Now()
	s, err := store.OpenSQLite(filepath.Join(t.TempDir(), "rollcall.db"), store.WithClock(func() time.Time {
		return begin.Add(time.Duration(moved.Load()))
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if _, err := s.Migrate(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	return s, &moved
}

func TestIdempotencyKeyAfterFailures(t *testing.T) {
	t.Parallel()
	st, moved := clockedStore(t)
	faulty := &faultyStore{Store: st}
	one, two := serve(t, faulty, nowhere{}), serve(t, st, nowhere{})
	send := func(c *client, key, name string) answer {
		return c.keyed(key, http.MethodPost, "/api/v1/people", body("name", name))
	}

	// A failure of ours is no answer.
	faulty.full.Store(true)
	send(one, "k1", "Ada").refused(http.StatusServiceUnavailable, "unavailable")
	faulty.full.Store(false)
	first := send(one, "k1", "Ada").expect(http.StatusCreated)
	send(two, "k1", "Ada").repeated(first)

	// A receiver that dies before it stores the answer: what it did is not done again.
	faulty.down.Store(true)
	send(one, "k2", "Bob").expect(http.StatusCreated)
	send(two, "k2", "Bob").refused(http.StatusConflict, "idempotency_key_in_use")
	moved.Add(int64(2 * time.Minute))
	send(two, "k2", "Bob").refused(http.StatusConflict, "answer_not_kept")
	send(two, "k2", "Eve").refused(http.StatusConflict, "answer_not_kept")

	// The same if it lives, and fails after the change.
	faulty.down.Store(false)
	faulty.late.Store(true)
	send(one, "k3", "Cleo").refused(http.StatusInternalServerError, "internal")
	send(two, "k3", "Cleo").refused(http.StatusConflict, "answer_not_kept")

	// Posting a path may run again.
	faulty.down.Store(true)
	post := func(c *client) answer {
		return c.keyed("k4", http.MethodPost, "/image/post", `{"path":"a.jpg"}`)
	}
	posted := post(one).expect(http.StatusAccepted)
	post(two).refused(http.StatusConflict, "idempotency_key_in_use")
	moved.Add(int64(2 * time.Minute))
	if got := read[image](post(two).expect(http.StatusAccepted)); got.ID != read[image](posted).ID {
		t.Errorf("another image: %+v", got)
	}
}

func TestIdempotencyKeyIsForgotten(t *testing.T) {
	t.Parallel()
	st, moved := clockedStore(t)
	c := serve(t, st, nowhere{})
	send := func() answer {
		return c.keyed("k", http.MethodPost, "/image/post", `{"path":"a.jpg"}`).expect(http.StatusAccepted)
	}
	first := send()
	moved.Add(int64(23 * time.Hour))
	send().repeated(first)
	moved.Add(int64(2 * time.Hour))
	if got := send().header.Get("Idempotency-Replayed"); got != "" {
		t.Error("the answer is kept for more than a day")
	}
}

// Every route that changes something takes a key.
func TestIdempotencyKeyIsDocumented(t *testing.T) {
	t.Parallel()
	documented, err := api.Idempotent()
	if err != nil {
		t.Fatal(err)
	}
	without := []string{"POST /api/v1/identify", "POST /api/v1/compare", "POST /api/v1/search"} // they change nothing
	// These can be repeated without one, and an answer of the first has names of files.
	without = append(without, "POST /api/v1/people/{id}/erase", "POST /api/v1/erasure-ledger")
	for path, item := range theContract(t).doc.Paths.Map() {
		for method := range item.Operations() {
			operation := method + " " + path
			changes := slices.Contains([]string{http.MethodPost, http.MethodPatch, http.MethodDelete}, method) && !slices.Contains(without, operation)
			if diff := cmp.Diff(changes, documented[operation]); diff != "" {
				t.Errorf("%s takes a key (-want +documented): %s", operation, diff)
			}
		}
	}
}

// losing loses the first answer of each request.
type losing struct {
	http.RoundTripper
	lost map[string]bool
}

func (l losing) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := l.RoundTripper.RoundTrip(req)
	key := req.Header.Get("Idempotency-Key")
	if err != nil || l.lost[key] {
		return res, err
	}
	l.lost[key] = true
	res.Body.Close()
	return nil, io.ErrUnexpectedEOF
}

// The Go client repeats what must not happen twice, and it does not.
func TestGoClientRepeats(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enrol("Ada", "Bruno")
	c := apiclient.New(b.url, apiclient.WithRetry(time.Minute), apiclient.WithHTTPClient(&http.Client{Transport: losing{b.http.Transport, map[string]bool{}}}))
	if p := must(c.CreatePerson(t.Context(), "Cleo")); p.Name != "Cleo" {
		t.Errorf("made %+v", p)
	}
	p := must(c.GetPerson(t.Context(), 1))
	merged := must(c.MergePeople(t.Context(), 1, p.Version, api.MergeRequest{PersonID: 2, Version: 0}))
	if len(must(c.Merges(t.Context(), 1))) != 1 {
		t.Error("merged twice")
	}
	must(c.UndoMerge(t.Context(), merged.Merge.ID))
	_, err := c.CreateKey(t.Context(), api.KeyRequest{Name: "ci", Scopes: []api.KeyScope{api.ScopeRead}})
	var problem *api.Error
	if !errors.As(err, &problem) || problem.Code != api.CodeAnswerNotKept {
		t.Errorf("the key whose text was lost: %v", err)
	}
}
