package frontend_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// raw opens the database of an album as another program does.
func (a *album) raw() *sql.DB {
	a.t.Helper()
	db, err := sql.Open("sqlite", "file:"+a.file+"?_pragma=busy_timeout(10000)")
	a.check(err)
	a.t.Cleanup(func() { db.Close() })
	return db
}

// group makes unknown faces of an album a group, as the job does.
func (a *album) group(ids ...int64) {
	a.t.Helper()
	db := a.raw()
	for _, id := range ids {
		_, err := db.ExecContext(a.t.Context(), "insert into face_groups (face_id, model, group_key) values (?, ?, ?)", id, model.ID, ids[0])
		a.check(err)
	}
	_, err := db.ExecContext(a.t.Context(), "insert into group_sizes (model, group_key, faces) values (?, ?, ?)", model.ID, ids[0], len(ids))
	a.check(err)
}

// groupNamed says who the face of a group is.
func groupNamed(face int64, name string) store.GroupStatement {
	return store.GroupStatement{Model: model.ID, Key: face, Says: store.GroupIs, Name: name}
}

// grouping stores how far the job is.
func (a *album) grouping(state, detail string, done, total int) {
	a.t.Helper()
	a.check(a.UseModel(a.t.Context(), model))
	_, err := a.raw().ExecContext(a.t.Context(), "insert or replace into `grouping` (model, state, detail, distance, faces, total, started_at, updated_at) values (?, ?, ?, 0.5, ?, ?, ?, ?)",
		model.ID, state, detail, done, total, noon, noon)
	a.check(err)
}

// The page says how far the job is, and what to do where there is no group.
func TestUnknownSaysHowFarTheJobIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		state, detail, selector, says string
		none                          bool // no image was processed yet
	}{
		"nothing yet":      {selector: ".empty", says: "No groups yet", none: true},
		"not begun":        {selector: ".empty", says: "Groups have not been made yet."},
		"the first run":    {state: "building", selector: ".inwork", says: "Faces are being compared; groups may still grow. 3 of 8 faces"},
		"it waits":         {state: "waiting", detail: "no <b>recognizer</b>", selector: ".waits", says: "Groups are not up to date: no <b>recognizer</b>"},
		"there is nobody":  {state: "ready", selector: ".empty", says: "Nobody unknown to name"},
		"what to do next":  {state: "ready", selector: ".empty a", says: "See pictures with unknown faces"},
		"and while it was": {state: "building", selector: ".empty", says: "This page updates itself."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAlbum(t, "Anna")
			if !c.none {
				a.answer(root+"/a.jpg", sight(10))
			}
			if c.state != "" {
				a.grouping(c.state, c.detail, 3, 8)
			}
			page := do(t, receiverOf(t, a, nothing), local(t, http.MethodGet, "/unknown", ""))
			if got := page.words(c.selector); page.Code != http.StatusOK || !strings.Contains(got, c.says) {
				t.Errorf("code %d, %q, want %q", page.Code, got, c.says)
			}
		})
	}
}

// What is hostile in an address or a form changes nothing, and is answered in words.
func TestUnknownRefusesInWords(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna")
	var ids []int64
	for i := range 3 {
		img, err := a.Image(t.Context(), a.answer(fmt.Sprintf("%s/%d.jpg", root, i), sight(10)))
		a.check(err)
		ids = append(ids, img.Faces[0].ID)
	}
	a.group(ids...)
	a.grouping("ready", "", 3, 3)
	var asked atomic.Int64
	h := receiverOf(t, a, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			asked.Add(1)
		}
		w.WriteHeader(http.StatusNotFound)
	})
	for name, c := range map[string]struct {
		method, target, form string
		code                 int
		says                 string
	}{
		"no key":               {http.MethodGet, "/unknown/x", "", 404, "Page not found"},
		"no group":             {http.MethodGet, "/unknown/99", "", 404, "This group is not there any more"},
		"no cursor":            {http.MethodGet, "/unknown?after=1-drop", "", 404, "Page not found"},
		"a negative cursor":    {http.MethodGet, "/unknown?after=-1-2", "", 404, "Page not found"},
		"made-up changes":      {http.MethodGet, "/unknown?said=99+x&since=-1&skipped=%3Cb%3E", "", 200, "Unknown"},
		"a distance of text":   {http.MethodGet, "/unknown/1?distance=NaN", "", 200, "3 faces of somebody unknown"},
		"another key, a face":  {http.MethodGet, "/unknown/99?with=2", "", 200, "3 faces of somebody unknown"},
		"a face without group": {http.MethodGet, "/unknown/99?with=77", "", 404, "This group is not there any more"},
		"no version":           {http.MethodPost, "/unknown/1/ignore", "scope=group", 400, "This was not saved"},
		"no face":              {http.MethodPost, "/unknown/1/ignore", "version=v&scope=selected", 400, "This was not saved"},
		"no id":                {http.MethodPost, "/unknown/1/ignore", "version=v&scope=selected&face=1+or+1", 400, "This was not saved"},
		"no name":              {http.MethodPost, "/unknown/1/name", "version=v&scope=group&name=++", 400, "This was not saved"},
		"no person":            {http.MethodPost, "/unknown/1/name", "version=v&person_id=x", 400, "This was not saved"},
		"a split of all":       {http.MethodPost, "/unknown/1/split", "version=v&scope=group", 400, "This was not saved"},
		"no groups":            {http.MethodPost, "/unknown/ignore", "", 400, "This was not saved"},
		"a group of text":      {http.MethodPost, "/unknown/ignore", "group=x.v", 400, "This was not saved"},
		"too many groups":      {http.MethodPost, "/unknown/ignore", strings.Repeat("group=1.v&", 31), 400, "This was not saved"},
		"nothing to undo":      {http.MethodPost, "/unknown/undo", "changes=x", 404, "Page not found"},
	} {
		page := do(t, h, local(t, c.method, c.target, c.form))
		if got := page.words("h1"); page.Code != c.code || got != c.says {
			t.Errorf("%s: got %d %q, want %d %q", name, page.Code, got, c.code, c.says)
		}
		if n := page.Find("main b, main [onerror]").Length(); n > 0 {
			t.Errorf("%s: text became %d elements", name, n)
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("the receiver was asked %d times to change something", n)
	}
}

// Viewers see groups, and can change nothing.
func TestUnknownForViewers(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna")
	var ids []int64
	for i := range 3 {
		img, err := a.Image(t.Context(), a.answer(fmt.Sprintf("%s/%d.jpg", root, i), sight(10)))
		a.check(err)
		ids = append(ids, img.Faces[0].ID)
	}
	a.group(ids...)
	a.grouping("ready", "", 3, 3)
	h := receiverOf(t, a, nothing, func(o *frontend.Options) { o.Everybody = access.Viewer })
	for target, want := range map[string]string{"/unknown": ".group", "/unknown/1": ".member"} {
		page := do(t, h, local(t, http.MethodGet, target, ""))
		if page.Find(want).Length() == 0 || page.Find("main form[method=post], main input[type=checkbox]").Length() > 0 {
			t.Errorf("%s: %d of %s, and %d forms", target, page.Find(want).Length(), want, page.Find("main form[method=post]").Length())
		}
	}
	if page := do(t, h, local(t, http.MethodPost, "/unknown/1/ignore", "version=v")); page.Code != http.StatusForbidden {
		t.Errorf("a viewer who ignores a group gets %d, want 403", page.Code)
	}
}

// A person of whom nobody knows but their name, and a name like markup, in what was said.
func TestUnknownEscapesNames(t *testing.T) {
	t.Parallel()
	const name = `<img src=x onerror=alert(1)>"'`
	a := newAlbum(t, "Anna")
	img, err := a.Image(t.Context(), a.answer(root+"/a.jpg", sight(10)))
	a.check(err)
	a.group(img.Faces[0].ID)
	say, err := a.ChangeGroup(t.Context(), groupNamed(img.Faces[0].ID, name))
	a.check(err)
	page := do(t, receiverOf(t, a, nothing), local(t, http.MethodGet, "/unknown?"+url.Values{"said": {strconv.FormatInt(say.ID, 10)}}.Encode(), ""))
	if got := page.words(".notice bdi"); got != name+": 1 face in 1 picture." || page.Find("[onerror]").Length() > 0 {
		t.Errorf("the page says %q", got)
	}
}

// The page of groups is quick and small, however many faces nobody knows. From 100,000 on,
// as ROLLCALL_TEST_ROWS says, its time is checked.
func TestUnknownIsQuick(t *testing.T) {
	t.Parallel()
	n, err := strconv.Atoi(os.Getenv("ROLLCALL_TEST_ROWS"))
	if err != nil || n < 10_000 {
		n = 10_000
	}
	a := newAlbum(t, "Anna")
	a.grouping("ready", "", n, n)
	db := a.raw()
	series := fmt.Sprintf("(with recursive r(seq) as (select 1 union all select seq + 1 from r where seq < %d) select seq from r)", n)
	for _, query := range []string{
		"insert into faces (image_id, position, x, y, width, height, landmarks, descriptor, descriptor_rest, model, reason, best_person_id, best_distance, matched_image, second_person_id, second_distance, second_image, quality_score, quality_size) " +
			"select seq, 0, 1, 1, 1, 1, '[]', zeroblob(512), zeroblob(2048), '" + model.ID + "', 'unknown_person', -1, 0, '', -1, 0, '', 0.5, 80 from " + series,
		fmt.Sprintf("insert into face_groups (face_id, model, group_key) select seq, '%s', (seq - 1) %% %d + 1 from %s", model.ID, n/100, series),
		"insert into group_sizes (model, group_key, faces) select model, group_key, count(*) from face_groups group by model, group_key",
	} {
		_, err := db.ExecContext(t.Context(), query)
		a.check(err)
	}
	h := receiverOf(t, a, nothing)
	for _, target := range []string{"/unknown", "/unknown?after=100-50", "/unknown/7"} {
		best := time.Hour
		for range 15 {
			begin := time.Now()
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, local(t, http.MethodGet, target, ""))
			best = min(best, time.Since(begin))
			if rec.Code != http.StatusOK || rec.Body.Len() > 100_000 {
				t.Fatalf("%s: code %d, %d bytes, want at most 100,000", target, rec.Code, rec.Body.Len())
			}
		}
		t.Logf("%6.1f ms: %s", float64(best.Microseconds())/1000, target)
		if n >= 100_000 && best > 50*time.Millisecond {
			t.Errorf("%s takes %s, want at most 50 ms", target, best)
		}
	}
}

// What the page says of a name counts pictures that followed by a re-match, and no others.
func TestUnknownCountsWhoFollowed(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna")
	img, err := a.Image(t.Context(), a.answer(root+"/a.jpg", sight(10)))
	a.check(err)
	a.group(img.Faces[0].ID)
	say, err := a.ChangeGroup(t.Context(), groupNamed(img.Faces[0].ID, "Bela"))
	a.check(err)
	has, err := a.EventRange(t.Context())
	a.check(err)
	db := a.raw()
	event := func(seq, image int64, cause faces.EventCause, people string) {
		t.Helper()
		_, err := db.ExecContext(context.Background(), "insert into events (seq, type, cause, created_at, image_id, reason, people) values (?, 'image.changed', ?, ?, ?, 'identified', ?)",
			has.Newest+seq, string(cause), noon, image, people)
		a.check(err)
	}
	bela := strconv.FormatInt(say.Person.ID, 10)
	event(1, img.ID, faces.ByRematch, bela) // was named by hand
	event(2, 101, faces.ByRematch, bela)
	event(3, 102, faces.ByRematch, bela)
	event(4, 102, faces.ByRematch, "") // and is not any more
	event(5, 103, faces.ByRematch, "77")
	event(6, 104, faces.ByCorrection, bela)
	event(7, 101, faces.ByRematch, bela+",77") // again
	_, err = db.ExecContext(t.Context(), "update event_state set last_seq = last_seq + 7")
	a.check(err)
	q := url.Values{"said": {strconv.FormatInt(say.ID, 10)}, "since": {strconv.FormatInt(max(has.Newest, 1), 10)}}
	page := do(t, receiverOf(t, a, nothing), local(t, http.MethodGet, "/unknown?"+q.Encode(), ""))
	if got := page.words(".followed"); got != "1 other picture followed." {
		t.Errorf("the page says %q", got)
	}
}

// Several groups get one name: the person is made once, few faces become known pictures, and
// a group that has changed meanwhile is left alone and told of.
func TestUnknownNamesSeveralGroups(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna")
	var bodies []string
	h := receiverOf(t, a, func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies = append(bodies, fmt.Sprintf("%s %s %s", r.URL.Path, r.Header.Get("If-Match"), text))
		if strings.Contains(r.URL.Path, "/2/") {
			w.WriteHeader(http.StatusPreconditionFailed)
			fmt.Fprint(w, `{"error":{"code":"stale","message":"it has changed"}}`)
			return
		}
		fmt.Fprintf(w, `{"id":%d,"person":{"id":5,"name":"Bela"}}`, 6+len(bodies))
	})
	form := url.Values{"name": {" Bela "}, "group": {"1.a", "2.b", "3.c"}}
	page := do(t, h, local(t, http.MethodPost, "/unknown/name", form.Encode()))
	if got := page.Header.Get("Location"); page.Code != http.StatusSeeOther || !strings.Contains(got, "said=7+9") || !strings.Contains(got, "skipped=1") {
		t.Errorf("got %d to %q, want two changes, and one group that was left alone", page.Code, got)
	}
	want := []string{
		`/api/v1/groups/1/name "a" {"name":"Bela","enrol":1}`,
		`/api/v1/groups/2/name "b" {"person_id":5,"enrol":1}`,
		`/api/v1/groups/3/name "c" {"person_id":5,"enrol":1}`,
	}
	if strings.Join(bodies, "\n") != strings.Join(want, "\n") {
		t.Errorf("the receiver got\n%s\nwant\n%s", strings.Join(bodies, "\n"), strings.Join(want, "\n"))
	}
	page = do(t, h, local(t, http.MethodPost, "/unknown/ignore", "group=2.b"))
	if got := page.words("h1"); page.Code != http.StatusPreconditionFailed || got != "This group has changed meanwhile" {
		t.Errorf("one group that has changed: got %d %q", page.Code, got)
	}
}

// Of several groups, those that had changed are told apart from those after a failure.
func TestUnknownSaysWhatFailed(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna")
	h := receiverOf(t, a, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "/2/"):
			w.WriteHeader(http.StatusPreconditionFailed)
			fmt.Fprint(w, `{"error":{"code":"stale","message":"it has changed"}}`)
		case strings.Contains(r.URL.Path, "/4/"):
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, `{"error":{"code":"internal","message":"it broke"}}`)
		default:
			fmt.Fprint(w, `{"id":7}`)
		}
	})
	form := url.Values{"group": {"1.a", "2.b", "3.c", "4.d", "5.e", "6.f"}}
	page := do(t, h, local(t, http.MethodPost, "/unknown/ignore", form.Encode()))
	to, err := url.Parse(page.Header.Get("Location"))
	a.check(err)
	if q := to.Query(); page.Code != http.StatusSeeOther || q.Get("said") != "7 7" || q.Get("skipped") != "1" || q.Get("untried") != "3" {
		t.Errorf("got %d to %s", page.Code, to)
	}
	img, err := a.Image(t.Context(), a.answer(root+"/a.jpg", sight(10)))
	a.check(err)
	a.group(img.Faces[0].ID)
	say, err := a.ChangeGroup(t.Context(), groupNamed(img.Faces[0].ID, "Bela"))
	a.check(err)
	page = do(t, h, local(t, http.MethodGet, fmt.Sprintf("/unknown?said=%d&skipped=1&untried=3", say.ID), ""))
	if got := page.words(".notice"); !strings.Contains(got, "1 group had changed meanwhile") || !strings.Contains(got, "3 groups were not changed") {
		t.Errorf("the page says %q", got)
	}
}
