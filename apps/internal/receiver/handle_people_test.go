package receiver_test

import (
	"bytes"
	"context"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// scripted is a recognizer that knows what is in each picture, by its content.
type scripted struct {
	mu    sync.Mutex // guards the fields below
	seen  map[string][]faces.Sighting
	near  map[string][]faces.Neighbour // by the bytes of a descriptor
	away  bool
	calls int
}

func (s *scripted) RecognizeContent(_ context.Context, content []byte, _ faces.Model) (faces.Recognition, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.away {
		return faces.Recognition{}, faces.Fault(faces.RecognizerUnavailable, "no recognizer answers")
	}
	found, ok := s.seen[string(content)]
	if !ok {
		return faces.Recognition{}, faces.Fault(faces.UnsupportedFormat, "this is no picture")
	}
	return faces.Recognition{Width: 640, Height: 480, Sightings: found, Model: model}, nil
}

// Match returns what is near the first number of a descriptor, see near.
func (s *scripted) Match(_ context.Context, q faces.MatchQuery) ([][]faces.Neighbour, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list [][]faces.Neighbour
	for _, d := range q.Descriptors {
		list = append(list, s.near[string(d)])
	}
	return list, nil
}

func (s *scripted) Render(_ context.Context, path string, how faces.Rendering) (faces.Rendered, error) {
	return faces.Rendered{JPEG: fmt.Appendf(nil, "%s %+v", path, how.Crop)}, nil
}

func (s *scripted) RenderContent(context.Context, []byte, faces.Rendering) (faces.Rendered, error) {
	return faces.Rendered{JPEG: []byte("known")}, nil
}

func (s *scripted) Ping(context.Context) error { return nil }

// school is a receiver with a folder of known people and a scripted recognizer.
type school struct {
	*client
	known      string
	recognizer *scripted
	store      *store.Store
	file       string // of the database
}

func newSchool(t *testing.T) *school {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rollcall.db")
	s := &school{store: newStoreAt(t, file), file: file, known: t.TempDir(), recognizer: &scripted{seen: map[string][]faces.Sighting{}}}
	opts := options()
	opts.KnownPeople = s.known
	server := httptest.NewServer(handlerWith(t, s.store, nowhere{}, s.recognizer, opts))
	t.Cleanup(server.Close)
	s.client = &client{t: t, http: server.Client(), url: server.URL}
	return s
}

// goodFace is a face that may be enrolled.
func goodFace(near ...any) faces.Sighting {
	f := seen(0, near...)
	f.Quality = faces.Quality{Score: 0.9, Size: 120, Sharpness: 0.8, Detection: 0.95}
	return f
}

func (s *school) person(name string) api.PersonDetail {
	s.t.Helper()
	a := s.post("/api/v1/people", body("name", name)).expect(http.StatusCreated)
	p := read[api.PersonDetail](a)
	if got, want := a.header.Get("Location"), fmt.Sprintf("/api/v1/people/%d", p.ID); got != want {
		s.t.Errorf("Location %q, want %q", got, want)
	}
	return p
}

func (s *school) addPicture(person int64, content string) answer {
	s.t.Helper()
	return s.do(http.MethodPost, fmt.Sprintf("/api/v1/people/%d/known-pictures", person), content, "Content-Type", "image/jpeg")
}

func TestPeople(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	ada := s.person(" Ada  ")
	if diff := cmp.Diff(api.PersonDetail{ID: ada.ID, Name: "Ada"}, ada); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	at := fmt.Sprintf("/api/v1/people/%d", ada.ID)
	tag := s.get(at).expect(http.StatusOK).header.Get("ETag")

	s.do(http.MethodPatch, at, body("name", "Ada Lovelace")).refused(http.StatusPreconditionRequired, "precondition_required")
	renamed := s.do(http.MethodPatch, at, body("name", "Ada Lovelace"), "If-Match", tag).expect(http.StatusOK)
	if got := read[api.PersonDetail](renamed).Name; got != "Ada Lovelace" {
		t.Errorf("name %q", got)
	}
	s.do(http.MethodPatch, at, body("name", "Augusta"), "If-Match", tag).refused(http.StatusPreconditionFailed, "stale")
	s.do(http.MethodDelete, at, "", "If-Match", tag).refused(http.StatusPreconditionFailed, "stale")
	s.do(http.MethodPatch, at, `{"nickname":"x"}`, "If-Match", "*").refused(http.StatusBadRequest, "invalid_request")
	s.do(http.MethodPatch, at, body("hidden", true), "If-Match", "*").expect(http.StatusOK)
	for query, want := range map[string]int{"": 0, "?hidden=true": 1, "?hidden=all": 1, "?hidden=all&q=LOVE": 1, "?hidden=all&name=Ada": 0} {
		if got := read[api.PersonList](s.get("/api/v1/people" + query).expect(http.StatusOK)).People; len(got) != want {
			t.Errorf("%q: %d people, want %d", query, len(got), want)
		}
	}
	s.get("/api/v1/people?hidden=maybe").refused(http.StatusBadRequest, "invalid_request")
	s.post("/api/v1/people", body("name", "ADA lovelace")).refused(http.StatusConflict, "conflict")
	s.post("/api/v1/people", body("name", " ")).refused(http.StatusBadRequest, "invalid_request")
	s.do(http.MethodDelete, at, "", "If-Match", "*").expect(http.StatusOK)
	s.get(at).refused(http.StatusNotFound, "not_found")
}

func TestPeopleInPages(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	for i := range 5 {
		s.person(fmt.Sprintf("person %d", i))
	}
	var names []string
	for path := "/api/v1/people?limit=2"; path != ""; {
		page := read[api.PersonList](s.get(path).expect(http.StatusOK))
		for _, p := range page.People {
			names = append(names, p.Name)
		}
		path = ""
		if page.Next != nil {
			path = fmt.Sprintf("/api/v1/people?limit=2&after=%d", *page.Next)
		}
	}
	if want := []string{"person 0", "person 1", "person 2", "person 3", "person 4"}; !cmp.Equal(names, want) {
		t.Errorf("names %v", names)
	}
}

func TestMergeAndUndo(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	ada, lovelace := s.person("Ada"), s.person("Ada Lovelace")
	s.recognizer.seen["picture"] = []faces.Sighting{goodFace()}
	s.addPicture(lovelace.ID, "picture").expect(http.StatusCreated)
	at := fmt.Sprintf("/api/v1/people/%d/merge", ada.ID)
	request := func(version int64) string {
		return fmt.Sprintf(`{"person_id":%d,"version":%d,"name":"Ada Lovelace"}`, lovelace.ID, version)
	}
	s.post(at, request(lovelace.Version), "If-Match", "*").refused(http.StatusPreconditionFailed, "stale") // it has a picture since
	merged := read[api.MergedPerson](s.post(at, request(lovelace.Version+1), "If-Match", `"0"`).expect(http.StatusOK))
	if merged.Person.Name != "Ada Lovelace" || merged.Person.ID != ada.ID || merged.Person.KnownPictures != 1 {
		t.Errorf("merged: %+v", merged.Person)
	}
	list := read[api.MergeList](s.get(at + "s").expect(http.StatusOK))
	if len(list.Merges) != 1 || list.Merges[0].ID != merged.Merge.ID {
		t.Errorf("merges: %+v", list)
	}
	undo := fmt.Sprintf("/api/v1/merges/%d/undo", merged.Merge.ID)
	back := read[api.MergedPerson](s.post(undo, "").expect(http.StatusOK))
	if back.Person.ID != lovelace.ID || back.Person.KnownPictures != 1 || back.Merge.UndoneAt == nil {
		t.Errorf("back: %+v", back)
	}
	s.post(undo, "").refused(http.StatusConflict, "conflict")
	s.post(at, "{}", "If-Match", "*").refused(http.StatusBadRequest, "invalid_request")
	fresh := s.person("Grace") // version 0, which a missing number must not mean
	for _, body := range []string{`{"person_id":%d}`, `{"person_id":%d,"version":null}`} {
		s.post(at, fmt.Sprintf(body, fresh.ID), "If-Match", "*").refused(http.StatusBadRequest, "invalid_request")
	}
}

func TestKnownPictures(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	ada, bob := s.person("Ada"), s.person("Bob")
	s.recognizer.seen["one"] = []faces.Sighting{goodFace()}
	first := read[api.AddedKnownPicture](s.addPicture(ada.ID, "one").expect(http.StatusCreated)).KnownPicture
	file := filepath.Join(s.known, filepath.FromSlash(first.Path))
	if text, err := os.ReadFile(file); err != nil || string(text) != "one" {
		t.Errorf("file: %q, %v", text, err)
	}
	again := read[api.AddedKnownPicture](s.addPicture(ada.ID, "one").expect(http.StatusOK)).KnownPicture
	if again.ID != first.ID || s.recognizer.calls != 1 {
		t.Errorf("again: %+v, %d calls", again, s.recognizer.calls)
	}
	s.addPicture(bob.ID, "one").refused(http.StatusConflict, "conflict")
	s.addPicture(99, "one").refused(http.StatusNotFound, "not_found")
	s.addPicture(ada.ID, "").refused(http.StatusBadRequest, "invalid_request")
	s.addPicture(ada.ID, "text").refused(http.StatusUnprocessableEntity, "unsupported_format")

	at := fmt.Sprintf("/api/v1/people/%d/known-pictures", ada.ID)
	list := read[api.KnownPictureList](s.get(at).expect(http.StatusOK)).KnownPictures
	if len(list) != 1 || list[0].Source != api.SourceUpload {
		t.Errorf("list: %+v", list)
	}
	gone := s.do(http.MethodDelete, fmt.Sprintf("%s/%d", at, first.ID), "")
	if gone.code != http.StatusNoContent {
		t.Errorf("delete: %d %s", gone.code, gone.body)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	s.do(http.MethodDelete, fmt.Sprintf("%s/%d", at, first.ID), "").refused(http.StatusNotFound, "not_found")
}

func TestKnownPictureForms(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	s.recognizer.seen["one"] = []faces.Sighting{goodFace()}
	at := fmt.Sprintf("/api/v1/people/%d/known-pictures", s.person("Ada").ID)
	form := func(fields ...string) answer {
		t.Helper()
		var text bytes.Buffer
		w := multipart.NewWriter(&text)
		for i, f := range fields {
			part, err := w.CreateFormFile("file", fmt.Sprintf("%d.jpg", i))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = part.Write([]byte(f))
		}
		w.Close()
		return s.do(http.MethodPost, at, text.String(), "Content-Type", w.FormDataContentType())
	}
	form("one").expect(http.StatusCreated)
	form().refused(http.StatusBadRequest, "invalid_request")
	form("one", "one").refused(http.StatusBadRequest, "invalid_request")

	if err := os.WriteFile(filepath.Join(s.known, "two.jpg"), []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.recognizer.seen["two"] = []faces.Sighting{goodFace()}
	added := read[api.AddedKnownPicture](s.post(at, body("path", "two.jpg")).expect(http.StatusCreated))
	if added.KnownPicture.Path != "two.jpg" || added.KnownPicture.Source != api.SourcePath {
		t.Errorf("by path: %+v", added.KnownPicture)
	}
	s.post(at, body("path", "../../etc/passwd")).refused(http.StatusNotFound, "not_found")
	s.post(at, body("path", "gone.jpg")).refused(http.StatusNotFound, "not_found")
	s.do(http.MethodDelete, fmt.Sprintf("%s/%d", at, added.KnownPicture.ID), "")
	if _, err := os.Stat(filepath.Join(s.known, "two.jpg")); err != nil {
		t.Errorf("a file that Rollcall did not write is gone: %v", err)
	}
}

// A face of an image becomes a known picture of its own.
func TestKnownPictureOfAFace(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	id := s.postOne("a.jpg").ID
	c, err := s.store.Claim(t.Context(), "test", []int64{id}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	out := faces.Decide(faces.Recognition{Width: 640, Height: 480, Model: model, Sightings: []faces.Sighting{goodFace()}},
		func(string) (faces.Person, bool) { return faces.Person{}, false })
	if _, err := s.store.Finish(t.Context(), []store.Result{{Lease: c.Claimed[0].Lease, Outcome: out}}); err != nil {
		t.Fatal(err)
	}
	face := read[api.ImageDetail](s.get(fmt.Sprintf("/api/v1/images/%d", id)).expect(http.StatusOK)).Faces[0]
	s.recognizer.seen[fmt.Sprintf("%s/a.jpg %+v", root, goodFace().Box)] = []faces.Sighting{goodFace()}
	at := fmt.Sprintf("/api/v1/people/%d/known-pictures", s.person("Ada").ID)
	added := read[api.AddedKnownPicture](s.post(at, body("face_id", face.ID)).expect(http.StatusCreated)).KnownPicture
	if added.Source != api.SourceFace || !strings.HasPrefix(added.Path, faces.WrittenFolder+"/") {
		t.Errorf("added: %+v", added)
	}
	s.post(at, body("face_id", face.ID+1)).refused(http.StatusNotFound, "not_found")
	s.post(at, `{"face_id":1,"path":"a.jpg"}`).refused(http.StatusBadRequest, "invalid_request")
	s.post(at, `{}`).refused(http.StatusBadRequest, "invalid_request")
}

// A proxy that compresses makes an ETag weak. An empty one names nothing.
func TestIfMatchOfPeople(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	at := fmt.Sprintf("/api/v1/people/%d", s.person("Ada").ID)
	for _, tag := range []string{`""`, `W/""`, `"x"`, `"-1"`, `"7"`} {
		s.do(http.MethodPatch, at, body("name", "Bob"), "If-Match", tag).refused(http.StatusPreconditionFailed, "stale")
	}
	s.do(http.MethodPatch, at, body("name", "Bob"), "If-Match", `W/"0"`).expect(http.StatusOK)
}

// What a client names by its path is not read whatever it is.
func TestKnownPicturesByPathAreLimited(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	at := fmt.Sprintf("/api/v1/people/%d/known-pictures", s.person("Ada").ID)
	s.recognizer.seen["one"] = []faces.Sighting{goodFace()}
	written := read[api.AddedKnownPicture](s.addPicture(s.person("Bob").ID, "one").expect(http.StatusCreated)).KnownPicture.Path
	s.post(at, body("path", written)).refused(http.StatusUnprocessableEntity, "path_not_allowed")
	if err := os.WriteFile(filepath.Join(s.known, "large.tiff"), make([]byte, options().MaxIdentify+1), 0o600); err != nil {
		t.Fatal(err)
	}
	calls := s.recognizer.calls
	s.post(at, body("path", "large.tiff")).refused(http.StatusRequestEntityTooLarge, "body_too_large")
	if s.recognizer.calls != calls {
		t.Error("a recognizer was asked about a file that is too large")
	}
}

func TestRefusedKnownPictures(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	ada, bob := s.person("Ada"), s.person("Bob")
	s.recognizer.seen["ada"] = []faces.Sighting{goodFace()}
	known := read[api.AddedKnownPicture](s.addPicture(ada.ID, "ada").expect(http.StatusCreated)).KnownPicture.Path
	small := goodFace()
	small.Quality.Size = 30
	for content, c := range map[string]struct {
		found []faces.Sighting
		want  []api.RefusalReason
	}{
		"nobody":     {nil, []api.RefusalReason{"no_face"}},
		"two":        {[]faces.Sighting{goodFace(), goodFace()}, []api.RefusalReason{"several_faces"}},
		"small":      {[]faces.Sighting{small}, []api.RefusalReason{"too_small"}},
		"like Ada":   {[]faces.Sighting{goodFace(known, 0.3)}, []api.RefusalReason{"looks_like_other"}},
		"not so far": {[]faces.Sighting{goodFace(known, 0.9)}, nil},
	} {
		s.recognizer.seen[content] = c.found
		a := s.addPicture(bob.ID, content)
		if c.want == nil {
			a.expect(http.StatusCreated)
			continue
		}
		problem := read[api.ErrorResponse](a.expect(http.StatusUnprocessableEntity)).Error
		var got []api.RefusalReason
		for _, r := range problem.Refusals {
			got = append(got, r.Reason)
		}
		if diff := cmp.Diff(c.want, got); diff != "" || problem.Code != api.CodePictureRefused || problem.Message == "" {
			t.Errorf("%s: %+v (-want +got):\n%s", content, problem, diff)
		}
	}
	at := fmt.Sprintf("/api/v1/people/%d/known-pictures", bob.ID)
	send := func(query, content string) answer {
		return s.do(http.MethodPost, at+query, content, "Content-Type", "image/jpeg")
	}
	send("?accept=no_face", "nobody").refused(http.StatusBadRequest, "invalid_request")
	send("?accept=ugly", "nobody").refused(http.StatusBadRequest, "invalid_request")
	send("?dry_run=perhaps", "small").refused(http.StatusBadRequest, "invalid_request")
	dry := read[api.AddedKnownPicture](send("?accept=too_small&dry_run=true", "small").expect(http.StatusOK))
	if dry.KnownPicture != nil || len(dry.Accepted) != 1 {
		t.Errorf("dry run: %+v", dry)
	}
	send("?accept=too_small", "small").expect(http.StatusCreated)
	s.recognizer.seen["the same"] = []faces.Sighting{goodFace(known, 0.05)}
	if got := read[api.ErrorResponse](s.addPicture(ada.ID, "the same").expect(http.StatusUnprocessableEntity)).Error.Refusals[0].Reason; got != "duplicate" {
		t.Errorf("the same again: %s", got)
	}
}

func TestKnownPicturesWithoutAService(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	ada := s.person("Ada")
	s.recognizer.away = true
	s.addPicture(ada.ID, "x").refused(http.StatusServiceUnavailable, "recognizer_unavailable")
	s.recognizer.away = false
	s.recognizer.seen["x"] = []faces.Sighting{goodFace()}
	if err := os.RemoveAll(s.known); err != nil {
		t.Fatal(err)
	}
	s.addPicture(ada.ID, "x").refused(http.StatusServiceUnavailable, "unavailable")
	if list := read[api.KnownPictureList](s.get(fmt.Sprintf("/api/v1/people/%d/known-pictures", ada.ID))); len(list.KnownPictures) != 0 {
		t.Errorf("a row without a file: %+v", list)
	}
}

func TestDeletedPeopleLeaveNoFiles(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	ada := s.person("Ada")
	s.recognizer.seen["one"] = []faces.Sighting{goodFace()}
	path := read[api.AddedKnownPicture](s.addPicture(ada.ID, "one").expect(http.StatusCreated)).KnownPicture.Path
	gone := read[api.DeletedPerson](s.do(http.MethodDelete, fmt.Sprintf("/api/v1/people/%d", ada.ID), "", "If-Match", "*").expect(http.StatusOK))
	if gone.DeletedPictures != 1 || len(gone.LeftFiles) != 0 {
		t.Errorf("gone: %+v", gone)
	}
	if _, err := os.Stat(filepath.Join(s.known, path)); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	if !strings.HasPrefix(path, faces.WrittenFolder+"/") {
		t.Errorf("path %s", path)
	}
}

// handlerWith returns a handler with a recognizer.
func handlerWith(t *testing.T, s receiver.Store, q receiver.Queue, r receiver.Recognizer, opts receiver.Options) http.Handler {
	t.Helper()
	reg := prometheus.NewRegistry()
	server := receiver.New(s, q, r, opts, quiet, reg)
	t.Cleanup(server.Close)
	return server.Handler(reg, func(context.Context) error { return nil })
}

// Of clients that change one person at once, having seen the same version, one wins and
// the others are told.
func TestClientsChangeOnePersonAtOnce(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	ada := s.person("Ada")
	at := fmt.Sprintf("%s/api/v1/people/%d", s.url, ada.ID)
	const clients = 8
	codes := make(chan int, clients)
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, at, strings.NewReader(body("name", fmt.Sprintf("Ada %d", n))))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("If-Match", fmt.Sprintf("%q", fmt.Sprint(ada.Version)))
			res, err := s.http.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			codes <- res.StatusCode
		})
	}
	all.Wait()
	close(codes)
	got := map[int]int{}
	for code := range codes {
		got[code]++
	}
	if want := map[int]int{http.StatusOK: 1, http.StatusPreconditionFailed: clients - 1}; !cmp.Equal(got, want) {
		t.Errorf("answers %v, want %v", got, want)
	}
	now := read[api.PersonDetail](s.get(fmt.Sprintf("/api/v1/people/%d", ada.ID)).expect(http.StatusOK))
	if now.Version != ada.Version+1 || !strings.HasPrefix(now.Name, "Ada ") {
		t.Errorf("the person is %+v", now)
	}
}

// Somebody with ten thousand known pictures is listed in pages, merged, split and
// deleted like others.
func TestTenThousandKnownPictures(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	const pictures = 10_000
	owners := make(map[string]string, pictures)
	for i := range pictures {
		owners[fmt.Sprintf("Ada/%05d.jpg", i)] = "Ada"
	}
	if _, err := s.store.SyncKnownImages(t.Context(), owners, func(string) bool { return true }); err != nil {
		t.Fatal(err)
	}
	people := read[api.PersonList](s.get("/api/v1/people?name=Ada").expect(http.StatusOK)).People
	if len(people) != 1 || people[0].KnownPictures != pictures {
		t.Fatalf("people: %+v", people)
	}
	count := func(person int64) int {
		seen := map[int64]bool{}
		for path := fmt.Sprintf("/api/v1/people/%d/known-pictures?limit=1000", person); path != ""; {
			page := read[api.KnownPictureList](s.get(path).expect(http.StatusOK))
			if len(page.KnownPictures) > 1000 {
				t.Errorf("a page has %d known pictures", len(page.KnownPictures))
			}
			for _, p := range page.KnownPictures {
				seen[p.ID] = true
			}
			path = ""
			if page.Next != nil {
				path = fmt.Sprintf("/api/v1/people/%d/known-pictures?limit=1000&after=%d", person, *page.Next)
			}
		}
		return len(seen)
	}
	ada, bob := people[0], s.person("Bob")
	if got := count(ada.ID); got != pictures {
		t.Errorf("%d known pictures are listed", got)
	}
	request := fmt.Sprintf(`{"person_id":%d,"version":-1}`, ada.ID)
	merged := read[api.MergedPerson](s.post(fmt.Sprintf("/api/v1/people/%d/merge", bob.ID), request, "If-Match", "*").expect(http.StatusOK))
	if merged.Person.KnownPictures != pictures || count(bob.ID) != pictures {
		t.Errorf("after the merge: %+v", merged)
	}
	s.post(fmt.Sprintf("/api/v1/merges/%d/undo", merged.Merge.ID), "").expect(http.StatusOK)
	if got := count(ada.ID); got != pictures {
		t.Errorf("%d known pictures are back", got)
	}
	gone := read[api.DeletedPerson](s.do(http.MethodDelete, fmt.Sprintf("/api/v1/people/%d", ada.ID), "", "If-Match", "*").expect(http.StatusOK))
	if len(gone.LeftFiles) > pictures {
		t.Errorf("%d files are left", len(gone.LeftFiles))
	}
	s.get(fmt.Sprintf("/api/v1/people/%d", ada.ID)).refused(http.StatusNotFound, "not_found")
}
