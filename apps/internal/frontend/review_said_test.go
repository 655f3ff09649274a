package frontend_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
)

// changesAsked is a receiver that notes which changes it is asked for, and refuses some.
type changesAsked struct {
	mu    sync.Mutex
	paths []string
	codes map[string]string // of errors, by path
}

func (r *changesAsked) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if req.Method == http.MethodGet {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, path, _ := strings.Cut(req.URL.Path, "/v1")
	path = req.Method + " " + path
	r.paths = append(r.paths, path)
	if code := r.codes[path]; code != "" {
		w.WriteHeader(map[string]int{"not_found": http.StatusNotFound, "conflict": http.StatusConflict}[code])
		_, _ = fmt.Fprintf(w, `{"error":{"code":%q,"message":"x"}}`, code)
		return
	}
	if strings.Contains(path, "known-pictures") {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	_, _ = fmt.Fprint(w, `{"correction":{"id":77}}`)
}

// asked returns the changes since the last call, in order.
func (r *changesAsked) asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	paths := r.paths
	r.paths = nil
	return paths
}

// assigned assigns a face to a person, and returns the id of the correction.
func (a *album) assigned(face, person int64) int64 {
	a.t.Helper()
	done, err := a.CorrectFace(a.t.Context(), faces.Statement{FaceID: face, PersonID: person})
	a.check(err)
	return done.Correction.ID
}

// learns makes a known picture of a face.
func (a *album) learns(face, person int64) int64 {
	a.t.Helper()
	e, _, err := a.AddKnownPicture(a.t.Context(), faces.Enrolled{
		KnownImage: faces.KnownImage{Name: fmt.Sprintf("of face %d.jpg", face), PersonID: person}, Source: faces.SourceUpload, FaceID: face,
	})
	a.check(err)
	return e.ID
}

// An address says that something was done, and undoes it, only if it was done lately.
func TestReviewUndoesOnlyAnswers(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Ada")
	ada := a.people["Ada.jpg"].ID
	old, face, other := a.strange("old.jpg"), a.strange("now.jpg"), a.strange("other.jpg")
	grouped := []int64{a.strange("g1.jpg"), a.strange("g2.jpg")}
	a.group(grouped...)
	a.setClock(noon.Add(-2 * time.Hour))
	long, foreign := a.assigned(old, ada), a.learns(other, ada)
	longChange, err := a.ChangeGroup(t.Context(), groupNamed(grouped[0], "Bea"))
	a.check(err)
	a.setClock(noon)
	now := a.assigned(face, ada)
	own := a.learns(face, ada)
	undone := a.assigned(other, ada)
	_, err = a.UndoCorrection(t.Context(), undone, "")
	a.check(err)
	to := &changesAsked{}
	h := receiverOf(t, a, to.ServeHTTP)
	undo := fmt.Sprintf("DELETE /corrections/%d", now)
	for name, c := range map[string]struct {
		key  string
		asks []string // nil: there is nothing to undo
	}{
		"an answer":                      {fmt.Sprintf("c%dk%d-%d", now, ada, own), []string{undo, fmt.Sprintf("DELETE /people/%d/known-pictures/%d", ada, own)}},
		"a known picture of long ago":    {fmt.Sprintf("c%dk%d-%d", now, ada, foreign), []string{undo}},
		"made up":                        {fmt.Sprintf("c4711k%d-%d", ada, own), nil},
		"a correction of long ago":       {fmt.Sprintf("c%dk%d-%d", long, ada, own), nil},
		"one that is undone":             {fmt.Sprintf("c%d", undone), nil},
		"a change of a group, made up":   {"g4711", nil},
		"a change of a group, long past": {fmt.Sprintf("g%d", longChange.ID), nil},
	} {
		forms := getLocal(t, h, "/review?only=groups&said="+c.key).Find("[data-review-undo]").Length()
		if want := min(len(c.asks), 1); forms != want {
			t.Errorf("%s: %d forms to undo it, want %d", name, forms, want)
		}
		done := do(t, h, local(t, http.MethodPost, "/review/undo", "undo="+c.key))
		if got := to.asked(); !slices.Equal(got, c.asks) {
			t.Errorf("%s: asked for %q, want %q", name, got, c.asks)
		}
		if want := map[bool]int{true: http.StatusConflict, false: http.StatusSeeOther}[c.asks == nil]; done.Code != want {
			t.Errorf("%s: %d, want %d", name, done.Code, want)
		}
	}
}

func getLocal(t *testing.T, h http.Handler, target string) answered {
	t.Helper()
	return do(t, h, local(t, http.MethodGet, target, ""))
}

// An undo of several parts goes on after one that is gone, or fails.
func TestReviewUndoGoesOn(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Ada")
	ada := a.people["Ada.jpg"].ID
	var ids []int64
	for i := range 3 {
		ids = append(ids, a.assigned(a.strange(fmt.Sprintf("%d.jpg", i)), ada))
	}
	path := func(i int) string { return fmt.Sprintf("DELETE /corrections/%d", ids[i]) }
	to := &changesAsked{}
	h := receiverOf(t, a, to.ServeHTTP)
	for name, c := range map[string]struct {
		codes map[string]string
		want  int
	}{
		"one is gone": {map[string]string{path(0): "not_found"}, http.StatusSeeOther},
		"one fails":   {map[string]string{path(0): "not_found", path(1): "conflict"}, http.StatusConflict},
	} {
		to.codes = c.codes
		done := do(t, h, local(t, http.MethodPost, "/review/undo", fmt.Sprintf("undo=c%d_%d_%d", ids[0], ids[1], ids[2])))
		if got, want := to.asked(), []string{path(0), path(1), path(2)}; !slices.Equal(got, want) || done.Code != c.want {
			t.Errorf("%s: %d, asked for %q, want %d and %q", name, done.Code, got, c.want, want)
		}
	}
}

// "No" is about the chosen faces, or those that the reviewer has seen, and no others.
func TestReviewNoIsAboutWhatWasSeen(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Ada")
	a.check(a.UseModel(t.Context(), model))
	ids := []int64{a.strange("1.jpg"), a.strange("2.jpg"), a.strange("3.jpg")}
	a.group(ids...)
	g, err := a.Group(t.Context(), model.ID, ids[0])
	a.check(err)
	to := &changesAsked{}
	h := receiverOf(t, a, to.ServeHTTP)
	path := func(i int) string { return fmt.Sprintf("POST /faces/%d/not-person", ids[i]) }
	for name, c := range map[string]struct {
		seen, face string
		asks       []string
		state      string
	}{
		"the whole group":    {fmt.Sprintf("%s %d %d %d", g.Version, ids[0], ids[1], ids[2]), "", []string{path(0), path(1), path(2)}, "stays"},
		"a chosen face":      {fmt.Sprintf("%s %d %d %d", g.Version, ids[0], ids[1], ids[2]), fmt.Sprint(ids[1]), []string{path(1)}, "stays"},
		"one has come since": {fmt.Sprintf("old %d %d", ids[0], ids[2]), "", []string{path(0), path(2)}, "stays"},
		"all have":           {"old 4711", "", nil, "changed"},
		"a chosen one left":  {"old 4711", "4711", nil, "changed"},
	} {
		form := url.Values{"say": {"no"}, "person_id": {fmt.Sprint(a.people["Ada.jpg"].ID)}, "seen": {c.seen}}
		if c.face != "" {
			form.Set("face", c.face)
		}
		req := local(t, http.MethodPost, fmt.Sprintf("/review/g3-%d", ids[0]), form.Encode())
		req.Header.Set("Accept", "application/json")
		done := do(t, h, req)
		asked := to.asked()
		slices.Sort(asked)
		if !slices.Equal(asked, c.asks) || !strings.Contains(done.Text, `"state":"`+c.state+`"`) {
			t.Errorf("%s: asked for %q, want %q; %d, %s, want %s", name, asked, c.asks, done.Code, done.Text, c.state)
		}
	}
}

// Only whoever looks at a question keeps it from others, and as long as they look.
func TestReviewHoldsForThoseWhoLook(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Ada", "Bea")
	a.check(a.UseModel(t.Context(), model))
	for _, name := range []string{"1.jpg", "2.jpg", "3.jpg"} {
		a.doubted(name, 0.5, 0.51)
	}
	now := noon
	h := serve(t, a.Store, func(o *frontend.Options) {
		o.Everybody, o.Now = access.AdminRole, func() time.Time { return now }
	})
	ask := func(method, target, who string) *httptest.ResponseRecorder {
		req := request(t, method, target)
		if who != "" {
			req.AddCookie(&http.Cookie{Name: "rollcall_reviewer", Value: who})
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		return rec
	}
	first := func(who string) string { return ask(http.MethodGet, "/review", who).Header().Get("Location") }
	want := first("")
	ask(http.MethodGet, want, "")
	ask(http.MethodHead, want, "")
	ask(http.MethodHead, want, "one")
	if got := first("two"); got != want {
		t.Fatalf("the question is at %s, want %s: nobody looks at it", got, want)
	}
	ask(http.MethodGet, want, "one")
	for range 3 {
		if got := first("two"); got == want {
			t.Fatalf("both reviewers are at %s at %s", got, now)
		}
		now = now.Add(2 * time.Minute)
		if got := ask(http.MethodGet, "/review/held?question="+strings.TrimPrefix(want, "/review/"), "one"); got.Code != http.StatusNoContent {
			t.Fatalf("the question is not kept: %d", got.Code)
		}
	}
	now = now.Add(4 * time.Minute)
	if got := first("two"); got != want {
		t.Errorf("the question is at %s, want %s: nobody looks at it any more", got, want)
	}
}

// A name that was typed by mistake leaves a person behind when it is undone: the reviewer is
// told of somebody of whom nothing is left, and of nobody else.
func TestReviewUndoTellsOfEmptyPeople(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Ada")
	mistake, err := a.AddPerson(t.Context(), "Adda")
	a.check(err)
	kept, err := a.AddPerson(t.Context(), "Bea")
	a.check(err)
	a.assigned(a.strange("of bea.jpg"), kept.ID)
	h := receiverOf(t, a, func(w http.ResponseWriter, req *http.Request) {
		var id int64
		if _, err := fmt.Sscanf(req.URL.Path, "/api/v1/corrections/%d", &id); err != nil {
			http.NotFound(w, req)
			return
		}
		_, err := a.UndoCorrection(req.Context(), id, "")
		a.check(err)
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"correction":{"id":77}}`)
	})
	for i, c := range []struct {
		person int64
		told   bool
	}{{mistake.ID, true}, {kept.ID, false}, {a.people["Ada.jpg"].ID, false}} {
		correction := a.assigned(a.strange(fmt.Sprintf("%d.jpg", i)), c.person)
		req := local(t, http.MethodPost, "/review/undo", fmt.Sprintf("undo=c%d", correction))
		req.Header.Set("Accept", "application/json")
		done := do(t, h, req)
		if done.Code != http.StatusOK || strings.Contains(done.Text, "Nothing is left of") != c.told {
			t.Errorf("person %d: %d, %s, want %v that nothing is left", c.person, done.Code, done.Text, c.told)
		}
	}
}
