package receiver_test

import (
	"database/sql"
	"errors"
	"fmt"
	"image/color"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/api"
	apiclient "github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// place puts faces into a group, as the job does, at a distance.
func place(t *testing.T, file, model string, distance float64, found ...int64) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec := func(query string, args ...any) {
		if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range found {
		exec("insert or replace into face_groups (face_id, model, group_key) values (?, ?, ?)", id, model, found[0])
	}
	exec("insert or replace into group_sizes (model, group_key, faces) values (?, ?, ?)", model, found[0], len(found))
	now := time.Now().UTC()
	exec("insert or replace into grouping (model, state, distance, faces, total, started_at, updated_at) values (?, 'ready', ?, ?, ?, ?, ?)", model, distance, len(found), len(found), now, now)
}

// stranger posts an image with one face that nobody knows, and returns the face's id.
// The recognizer would take the face for a good known picture.
func (s *school) stranger(name string) int64 {
	s.t.Helper()
	id := s.postOne(name).ID
	c, err := s.store.Claim(s.t.Context(), "test", []int64{id}, time.Minute)
	if err != nil {
		s.t.Fatal(err)
	}
	f := goodFace()
	f.Descriptor = faces.Descriptor{float32(id)}
	out := faces.Decide(faces.Recognition{Width: 640, Height: 480, Model: model, Sightings: []faces.Sighting{f}},
		func(string) (faces.Person, bool) { return faces.Person{}, false })
	if _, err := s.store.Finish(s.t.Context(), []store.Result{{Lease: c.Claimed[0].Lease, Outcome: out}}); err != nil {
		s.t.Fatal(err)
	}
	sized := model
	sized.Size = 1
	if err := s.store.UseModel(s.t.Context(), sized); err != nil {
		s.t.Fatal(err)
	}
	s.recognizer.seen[fmt.Sprintf("%s/%s %+v", root, name, f.Box)] = []faces.Sighting{goodFace()}
	return read[api.ImageDetail](s.get(fmt.Sprintf("/api/v1/images/%d", id)).expect(http.StatusOK)).Faces[0].ID
}

// strangers posts n images of one stranger, whose faces are in a group.
func (s *school) strangers(n int) []int64 {
	s.t.Helper()
	var found []int64
	for i := range n {
		found = append(found, s.stranger(fmt.Sprintf("%d-%d.jpg", len(s.recognizer.seen), i)))
	}
	place(s.t, s.file, model.ID, 0.4, found...)
	return found
}

// written counts the files of known pictures.
func (s *school) written() (n int) {
	s.t.Helper()
	err := filepath.WalkDir(filepath.Join(s.known, faces.WrittenFolder), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	return n
}

func TestGroups(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	empty := read[api.GroupList](s.get("/api/v1/groups").expect(http.StatusOK))
	if len(empty.Groups) != 0 || empty.Grouping.Complete || empty.Grouping.UpdatedAt != nil {
		t.Errorf("before the first picture: %+v", empty)
	}
	large := s.strangers(3)
	small := []int64{s.stranger("x.jpg"), s.stranger("y.jpg")}
	place(t, s.file, model.ID, 0.4, small...)
	first := read[api.GroupList](s.get("/api/v1/groups?limit=1&samples=2").expect(http.StatusOK))
	if g := first.Groups[0]; len(first.Groups) != 1 || g.Key != large[0] || g.Faces != 3 || g.Images != 3 || len(g.Samples) != 2 || first.Next == nil || !first.Grouping.Complete {
		t.Errorf("the first page: %+v", first)
	}
	rest := read[api.GroupList](s.get("/api/v1/groups?after=" + *first.Next).expect(http.StatusOK))
	if len(rest.Groups) != 1 || rest.Groups[0].Key != small[0] || rest.Next != nil {
		t.Errorf("the rest: %+v", rest)
	}
	if got := read[api.GroupList](s.get("/api/v1/groups?min_faces=3").expect(http.StatusOK)); len(got.Groups) != 1 {
		t.Errorf("large ones: %+v", got)
	}
	at := fmt.Sprintf("/api/v1/groups/%d", large[0])
	a := s.get(at + "?limit=2").expect(http.StatusOK)
	g := read[api.GroupDetail](a)
	if g.Version != first.Groups[0].Version || a.header.Get("ETag") != `"`+g.Version+`"` || g.Distance != 0.4 || len(g.Members) != 2 || !g.Members[0].Stored || g.Next == nil {
		t.Errorf("a group: %+v", g)
	}
	if next := read[api.GroupDetail](s.get(fmt.Sprintf("%s?limit=2&after=%d", at, *g.Next)).expect(http.StatusOK)); len(next.Members) != 1 || next.Next != nil || next.Members[0].Face.ID != large[2] {
		t.Errorf("the second page of a group: %+v", next)
	}
	s.get("/api/v1/groups/99").refused(http.StatusNotFound, "not_found")
	s.get("/api/v1/groups/99/suggestions").refused(http.StatusNotFound, "not_found")
	for _, wrong := range []string{
		"?limit=0", "?limit=1001", "?limit=x", "?min_faces=0", "?min_faces=-1", "?samples=13", "?samples=-1", "?after=1", "?after=-1-2", "?after=1-2-3", "?after=x-y", "?after=1%00-2",
		"?after=99999999999999999999-1", "?key=1", "/0", "/-1", "/x", "/1%00", "/99999999999999999999", "/1?distance=x", "/1?distance=NaN", "/1?distance=", "/1?distance=9", "/1?distance=Inf", "/1?limit=0",
	} {
		if a := s.get("/api/v1/groups" + wrong); a.code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", wrong, a.code, a.body)
		}
	}
}

func TestNameGroup(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	found := s.strangers(6)
	at := fmt.Sprintf("/api/v1/groups/%d", found[0])
	tag := s.get(at).expect(http.StatusOK).header.Get("ETag")
	s.post(at+"/name", body("name", "Ada")).refused(http.StatusPreconditionRequired, "precondition_required")
	s.post(at+"/name", body("name", "Ada"), "If-Match", `"stale"`).refused(http.StatusPreconditionFailed, "stale")

	send := []string{"If-Match", tag, "Idempotency-Key", "name-them"}
	a := s.post(at+"/name", body("name", "Ada"), send...).expect(http.StatusOK)
	done := read[api.GroupChange](a)
	if done.Says != api.GroupIs || done.Person == nil || done.Person.Name != "Ada" || !done.NewPerson || done.Faces != 6 || done.ChangedImages.Count != 6 ||
		done.Left != 0 || len(done.Enrolled) != 3 || len(done.NotEnrolled) != 0 {
		t.Errorf("named: %s", a.body)
	}
	again := s.post(at+"/name", body("name", "Ada"), send...).expect(http.StatusOK)
	if string(again.body) != string(a.body) || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("sent again: %s", again.body)
	}
	if n := s.written(); n != 3 {
		t.Errorf("%d known pictures were written, want 3", n)
	}
	s.post(at+"/name", body("name", "Eve"), "If-Match", tag).refused(http.StatusPreconditionFailed, "stale")
	if got := read[api.GroupList](s.get("/api/v1/groups").expect(http.StatusOK)); len(got.Groups) != 0 {
		t.Errorf("a group that was named is listed: %+v", got)
	}

	undo := fmt.Sprintf("/api/v1/group-changes/%d/undo", done.ID)
	undone := read[api.UndoneGroupChange](s.post(undo, "", "Idempotency-Key", "take-it-back").expect(http.StatusOK))
	if undone.Says != api.GroupIs || undone.Faces != 6 || undone.ChangedImages.Count != 6 || undone.DeletedKnownPictures != 3 || undone.EmptyPerson == nil || undone.EmptyPerson.Name != "Ada" {
		t.Errorf("undone: %+v", undone)
	}
	if n := s.written(); n != 0 {
		t.Errorf("%d known pictures are left, want 0", n)
	}
	s.post(undo, "").refused(http.StatusConflict, "conflict")
	s.post("/api/v1/group-changes/99/undo", "").refused(http.StatusNotFound, "not_found")
	s.post("/api/v1/group-changes/x/undo", "").refused(http.StatusBadRequest, "invalid_request")
}

// The answer says why a face is no known picture; the corrections stand all the same.
func TestNameGroupWithoutKnownPictures(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	found := s.strangers(3)
	for picture := range s.recognizer.seen {
		small := goodFace()
		small.Quality.Size = 30
		s.recognizer.seen[picture] = []faces.Sighting{small}
	}
	at := fmt.Sprintf("/api/v1/groups/%d/name", found[0])
	bob := s.person("Bob").ID
	one := read[api.GroupChange](s.post(at, fmt.Sprintf(`{"person_id":%d,"face_ids":[%d]}`, bob, found[0]), "If-Match", "*").expect(http.StatusOK))
	if one.Faces != 1 || one.Left != 2 || one.NewPerson || len(one.Enrolled) != 0 || len(one.NotEnrolled) != 1 || one.NotEnrolled[0].Refusals[0].Reason != api.RefusalReason(faces.EnrolTooSmall) {
		t.Errorf("refused: %+v", one)
	}
	s.recognizer.mu.Lock()
	s.recognizer.away = true
	s.recognizer.mu.Unlock()
	two := read[api.GroupChange](s.post(at, fmt.Sprintf(`{"person_id":%d}`, bob), "If-Match", "*").expect(http.StatusOK))
	if two.Faces != 2 || len(two.NotEnrolled) != 1 || !strings.Contains(two.NotEnrolled[0].Message, "no recognizer") {
		t.Errorf("without a recognizer: %+v", two)
	}
	none := s.strangers(2)
	calls := s.recognizer.calls
	three := read[api.GroupChange](s.post(fmt.Sprintf("/api/v1/groups/%d/name", none[0]), `{"name":"Cleo","enrol":0}`, "If-Match", "*").expect(http.StatusOK))
	if three.Faces != 2 || len(three.Enrolled)+len(three.NotEnrolled) != 0 || s.recognizer.calls != calls {
		t.Errorf("no face was to be enrolled: %+v", three)
	}
}

func TestDismissAndSplitGroups(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	found := s.strangers(6)
	at := fmt.Sprintf("/api/v1/groups/%d", found[0])
	c := apiclient.New(s.url, apiclient.WithHTTPClient(s.http))
	version := func() string {
		t.Helper()
		g, err := c.GetGroup(t.Context(), found[0], api.GetGroupParams{})
		if err != nil {
			t.Fatal(err)
		}
		return g.Version
	}
	part := found[5:]
	ignored, err := c.IgnoreGroup(t.Context(), found[0], version(), api.GroupPart{FaceIDs: &part})
	if err != nil || ignored.Faces != 1 || ignored.Left != 5 || ignored.Says != api.GroupIgnore || ignored.Person != nil {
		t.Errorf("ignored: %+v, %v", ignored, err)
	}
	split, err := c.SplitGroup(t.Context(), found[0], version(), api.GroupSplit{FaceIDs: found[3:5]})
	if err != nil || split.Faces != 5 || split.Left != 3 || split.ChangedImages.Count != 0 {
		t.Errorf("split: %+v, %v", split, err)
	}
	none, err := c.DismissGroup(t.Context(), found[0], version(), api.GroupPart{})
	if err != nil || none.Faces != 3 || none.Left != 0 || none.Says != api.GroupNotAFace {
		t.Errorf("no faces: %+v, %v", none, err)
	}
	for _, id := range []int64{none.ID, split.ID, ignored.ID} {
		if _, err := c.UndoGroupChange(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if f := read[api.ImageList](s.get("/api/v1/images?reason=unknown_person").expect(http.StatusOK)); len(f.Images) != 6 {
		t.Errorf("%d images are as before, want 6", len(f.Images))
	}
	place(t, s.file, model.ID, 0.4, found...)
	ids := strings.TrimSuffix(strings.Repeat("7,", 5001), ",")
	for _, sent := range []struct{ path, body string }{
		{"name", `{}`}, {"name", ``}, {"name", `[]`}, {"name", `{"name":"Ada","person_id":1}`}, {"name", `{"name":" "}`}, {"name", `{"name":"a\u0000b"}`}, {"name", `{"person_id":0}`},
		{"name", `{"name":"Ada","enrol":6}`}, {"name", `{"name":"Ada","enrol":-1}`}, {"name", `{"name":"Ada","faces":[1]}`}, {"name", `{"name":"Ada","face_ids":[]}`},
		{"name", `{"name":"Ada","face_ids":[0]}`}, {"name", `{"name":"Ada","face_ids":["1"]}`}, {"name", `{"name":"Ada","face_ids":[` + ids + `]}`}, {"name", `{"name":"` + strings.Repeat("x", 300) + `"}`},
		{"ignore", `{"face_ids":[]}`}, {"ignore", `{"face_ids":[-1]}`}, {"ignore", `{"faces":[1]}`}, {"not-a-face", `7`},
		{"split", `{}`}, {"split", ``}, {"split", `{"face_ids":[]}`}, {"split", `{"face_ids":[4711]}`}, {"split", fmt.Sprintf(`{"face_ids":[%d],"other_face_ids":[]}`, found[0])},
		{"split", fmt.Sprintf(`{"face_ids":[%d],"other_face_ids":[%d]}`, found[0], found[0])},
	} {
		if a := s.post(at+"/"+sent.path, sent.body, "If-Match", "*"); a.code != http.StatusBadRequest {
			t.Errorf("%s %.80s: %d %s", sent.path, sent.body, a.code, a.body)
		}
	}
	for _, path := range []string{"name", "ignore", "not-a-face", "split"} {
		sent := fmt.Sprintf(`{"face_ids":[%d]}`, found[0])
		if path == "name" {
			sent = `{"name":"Ada"}`
		}
		s.post("/api/v1/groups/99/"+path, sent, "If-Match", "*").refused(http.StatusNotFound, "not_found")
		s.post("/api/v1/groups/99/"+path, sent, "If-Match", `"seen"`).refused(http.StatusPreconditionFailed, "stale")
		s.post(at+"/"+path, sent).refused(http.StatusPreconditionRequired, "precondition_required")
		s.post(at+"/"+path, sent, "If-Match", `""`).refused(http.StatusPreconditionFailed, "stale")
	}
	s.post(at+"/name", `{"person_id":99}`, "If-Match", "*").refused(http.StatusNotFound, "not_found")
	s.post(at+"/ignore", `{"face_ids":[4711]}`, "If-Match", "*").refused(http.StatusPreconditionFailed, "stale")
}

// Two reviewers decide about one group at once: one is told that it has changed.
func TestTwoReviewersOfOneGroup(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	found := s.strangers(4)
	at := fmt.Sprintf("/api/v1/groups/%d", found[0])
	tag := s.get(at).header.Get("ETag")
	codes := make([]int, 4)
	var all sync.WaitGroup
	for i := range codes {
		all.Go(func() {
			codes[i] = s.post(at+"/name", fmt.Sprintf(`{"name":"Reviewer %c","enrol":0}`, 'A'+i), "If-Match", tag).code
		})
	}
	all.Wait()
	count := map[int]int{}
	for _, code := range codes {
		count[code]++
	}
	if diff := cmp.Diff(map[int]int{http.StatusOK: 1, http.StatusPreconditionFailed: 3}, count); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if people := read[api.PersonList](s.get("/api/v1/people").expect(http.StatusOK)).People; len(people) != 1 {
		t.Errorf("people: %+v", people)
	}
}

func TestSuggestPeople(t *testing.T) {
	t.Parallel()
	s := newSchool(t)
	found := s.strangers(3)
	ada, bob, cleo := s.person("Ada").ID, s.person("Bob").ID, s.person("Cleo").ID
	s.recognizer.near = map[string][]faces.Neighbour{}
	for i, person := range []int64{ada, bob, cleo} {
		name := fmt.Sprintf("%d.jpg", i)
		if _, _, err := s.store.AddKnownPicture(t.Context(), faces.Enrolled{KnownImage: faces.KnownImage{Name: name, PersonID: person}, Source: faces.SourcePath}); err != nil {
			t.Fatal(err)
		}
		for _, id := range found {
			f, err := s.store.StoredFace(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			d := string(f.Descriptor.Bytes())
			s.recognizer.near[d] = append(s.recognizer.near[d], faces.Neighbour{Image: name, Distance: model.Threshold - 0.1*float64(i)})
		}
	}
	s.post(fmt.Sprintf("/api/v1/faces/%d/not-person", found[1]), body("person_id", cleo)).expect(http.StatusOK)
	at := fmt.Sprintf("/api/v1/groups/%d/suggestions", found[0])
	got := read[api.Suggestions](s.get(at).expect(http.StatusOK))
	var names []string
	for _, p := range got.Suggestions {
		names = append(names, p.Person.Name)
	}
	if diff := cmp.Diff([]string{"Bob", "Ada"}, names); diff != "" || got.Threshold != model.Threshold {
		t.Errorf("suggested (-want +got):\n%s", diff)
	}
}

// A smaller distance splits a group, a larger one joins other faces, which can be named.
func TestLookAtGroup(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var found []int64
	for i, g := range []uint8{210, 200, 190, 160} {
		name := fmt.Sprintf("green%d.png", i)
		l.write(filepath.Join(l.dir, name), fakeengine.Portrait(color.RGBA{R: 30, G: g, B: 30, A: 255}))
		id := l.queue(name)
		found = append(found, read[api.ImageDetail](l.get(fmt.Sprintf("/api/v1/images/%d", id)).expect(http.StatusOK)).Faces[0].ID)
	}
	place(t, l.file, fakeengine.Model().ID, 0.12, found[:3]...)
	at := fmt.Sprintf("/api/v1/groups/%d", found[0])
	l.get(at+"?distance=0.12").refused(http.StatusServiceUnavailable, "unavailable") // the index is not complete yet
	l.feed()
	look := func(distance string) (ids []int64, g api.GroupDetail) {
		t.Helper()
		wait.Until(t, "the index is complete", func() bool {
			a := l.get(at + "?distance=" + distance)
			if a.code == http.StatusServiceUnavailable {
				return false
			}
			g = read[api.GroupDetail](a.expect(http.StatusOK))
			return true
		})
		for _, m := range g.Members {
			ids = append(ids, m.Face.ID)
		}
		return ids, g
	}
	ids, g := look("0.12")
	if diff := cmp.Diff(found, ids); diff != "" || g.Distance != 0.12 || g.Faces != 4 || g.Images != 4 || !g.Members[2].Stored || g.Members[3].Stored || g.Next != nil {
		t.Errorf("at the usual distance: %+v\n%s", g, diff)
	}
	if ids, _ := look("0.09"); !cmp.Equal(ids, found[:3]) {
		t.Errorf("at a smaller distance: %v, want %v", ids, found[:3])
	}
	for _, beyond := range []string{"0.08", "0.13", "NaN", "-1"} {
		l.get(at+"?distance="+beyond).refused(http.StatusBadRequest, "invalid_request")
	}
	all := fmt.Sprintf(`{"name":"Greta","enrol":0,"face_ids":[%d,%d,%d,%d]}`, found[0], found[1], found[2], found[3])
	if done := read[api.GroupChange](l.post(at+"/name", all, "If-Match", `"`+g.Version+`"`).expect(http.StatusOK)); done.Faces != 4 || done.Left != 0 {
		t.Errorf("named: %+v", done)
	}
}
