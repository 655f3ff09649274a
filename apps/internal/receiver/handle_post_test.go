package receiver_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
)

// These two lines are what other programs send, for ever.
func TestPostAsCurlDoes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	one := b.post("/image/post", `{"path":"/unknown_people/unknown0001.jpg"}`).expect(http.StatusAccepted)
	want := map[string]any{
		"id": 1.0, "path": "/unknown_people/unknown0001.jpg", "status": "pending", "reason": "queued",
		"person": nil, "attempts": 0.0, "queued": true,
	}
	expectFields(t, read[map[string]any](one), want)

	many := b.post("/images/post", `{"paths":[{"path":"unknown0002.jpg"},{"path":"/unknown_people/unknown0001.jpg"}]}`).expect(http.StatusAccepted)
	list := read[map[string][]map[string]any](many)
	if len(list) != 1 || len(list["images"]) != 2 {
		t.Fatalf("got %s", many.body)
	}
	expectFields(t, list["images"][1], want)
	want["id"], want["path"] = 2.0, "/unknown_people/unknown0002.jpg"
	expectFields(t, list["images"][0], want)
	expectIDs(t, "queued", b.drain(), []int64{1, 2})
}

// expectFields compares all fields but the times, which must be there.
func expectFields(t *testing.T, got, want map[string]any) {
	t.Helper()
	for _, name := range []string{"created_at", "updated_at"} {
		if at, _ := got[name].(string); !strings.HasSuffix(at, "Z") {
			t.Errorf("%s is %v, want a time in UTC", name, got[name])
		}
		delete(got, name)
	}
	delete(got, "version") // an image's digest, see TestVersions
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestContentTypeDoesNotMatter(t *testing.T) {
	t.Parallel()
	c := serve(t, newStore(t), nowhere{})
	for _, kind := range []string{"application/json", "application/json; charset=utf-8", "text/plain", "multipart/form-data", ""} {
		c.post("/image/post", `{"path":"a.jpg"}`, "Content-Type", kind).expect(http.StatusAccepted)
	}
}

func TestSamePathIsOneImage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.postOne("dir/a.jpg")
	for _, path := range []string{
		"dir/a.jpg", "/unknown_people/dir/a.jpg", "./dir/a.jpg", "dir//a.jpg", "dir/../dir/./a.jpg",
		"/unknown_people/../unknown_people/dir/a.jpg", "//unknown_people/dir/a.jpg", "dir/a.jpg/",
	} {
		if got := b.postOne(path); got.ID != first.ID || got.Path != "/unknown_people/dir/a.jpg" || !got.Queued {
			t.Errorf("%s: got %+v, want image %d", path, got, first.ID)
		}
	}
	for _, path := range []string{"dir/A.jpg", "a.jpg", "dir/a.jpg ", "dir/%61.jpg", "dir/à.jpg", "dir/a\u0300.jpg", `dir\a.jpg`} {
		if got := b.postOne(path); got.ID == first.ID {
			t.Errorf("%q is image %d, too", path, first.ID)
		}
	}
}

// Posts that come at the same time are stored together; each gets the answer that it
// would get alone.
func TestPostsAtOnce(t *testing.T) {
	t.Parallel()
	const clients, shared = 60, 4
	b := newBench(t)
	var all sync.WaitGroup
	answers := make([]answer, clients)
	pathOf := func(n int) string {
		switch n % 3 {
		case 0:
			return fmt.Sprintf("/unknown_people/shared%d.jpg", n%shared)
		case 1:
			return fmt.Sprintf("/unknown_people/own%d.jpg", n)
		default:
			return fmt.Sprintf("../refused%d.jpg", n)
		}
	}
	for n := range clients {
		all.Go(func() { answers[n] = b.post("/image/post", fmt.Sprintf(`{"path":%q}`, pathOf(n))) })
	}
	all.Wait()
	ids := map[string]float64{}
	for n, got := range answers {
		if n%3 == 2 {
			got.refused(http.StatusUnprocessableEntity, "path_not_allowed")
			continue
		}
		img := read[map[string]any](got.expect(http.StatusAccepted))
		path, id := img["path"].(string), img["id"].(float64)
		if path != pathOf(n) || img["queued"] != true {
			t.Errorf("%s got %s", pathOf(n), got.body)
		}
		if ids[path] != 0 && ids[path] != id {
			t.Errorf("%s has the ids %v and %v", path, ids[path], id)
		}
		ids[path] = id
	}
	if queued := b.drain(); len(queued) != len(ids) {
		t.Errorf("%d images are queued, want %d", len(queued), len(ids))
	}
}

// faultyAdds fails if one of the paths is at fault.
type faultyAdds struct{ receiver.Store }

func (f faultyAdds) AddUploads(ctx context.Context, paths, names []string) ([]faces.Image, error) {
	if slices.Contains(paths, "/unknown_people/fault.jpg") {
		return nil, errors.New("incorrect string value")
	}
	return f.Store.AddUploads(ctx, paths, names)
}

// A post that cannot be stored does not make those fail that come at the same time.
func TestOnePostAtFault(t *testing.T) {
	t.Parallel()
	c := serve(t, faultyAdds{newStore(t)}, nowhere{})
	var all sync.WaitGroup
	answers := make([]answer, 30)
	for n := range answers {
		all.Go(func() {
			path := fmt.Sprintf("fine%d.jpg", n)
			if n == 7 {
				path = "fault.jpg"
			}
			answers[n] = c.post("/image/post", fmt.Sprintf(`{"path":%q}`, path))
		})
	}
	all.Wait()
	for n, got := range answers {
		if n == 7 {
			got.refused(http.StatusInternalServerError, "internal")
			continue
		}
		got.expect(http.StatusAccepted)
	}
}

func TestBulkKeepsTheOrder(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	old := b.postOne("m.jpg")
	got := b.postAll("z.jpg", "a.jpg", "z.jpg", "m.jpg", "/unknown_people/a.jpg", "k.jpg")
	var paths []string
	for _, img := range got {
		paths = append(paths, strings.TrimPrefix(img.Path, root+"/"))
		if img.Status != "pending" || img.Reason != "queued" || !img.Queued {
			t.Errorf("got %+v", img)
		}
	}
	if diff := cmp.Diff([]string{"z.jpg", "a.jpg", "z.jpg", "m.jpg", "a.jpg", "k.jpg"}, paths); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
	if got[0].ID != got[2].ID || got[1].ID != got[4].ID || got[3].ID != old.ID {
		t.Errorf("one path has two ids: %v", ids(got))
	}
	expectIDs(t, "queued", b.drain(), []int64{1, 2, 3, 4})
}

func TestAnsweredImageKeepsItsOutcome(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enrol("Ada")
	outcomes := map[string]faces.Outcome{
		"ada.jpg":     {Reason: faces.Identified, Person: &faces.Person{ID: 1, Name: "Ada"}},
		"nobody.jpg":  {Reason: faces.NoFace},
		"unsure.jpg":  {Reason: faces.Uncertain},
		"corrupt.jpg": faces.Failure(faces.Fault(faces.CorruptImage, "no JPEG")),
		"late.jpg":    faces.Failure(faces.Fault(faces.Timeout, "took too long")),
	}
	for path, out := range outcomes {
		b.finish(b.postOne(path).ID, out)
	}
	b.drain()
	var again []int64
	for path, out := range outcomes {
		got := b.postOne(path)
		// The file may have changed since, unless it is looked at anyway.
		lookAgain := !out.Reason.Transient()
		if got.Status != out.Reason.Status().String() || got.Reason != string(out.Reason) || got.Queued != lookAgain {
			t.Errorf("%s: got %+v, want what it was: %s", path, got, out.Reason)
		}
		if lookAgain {
			again = append(again, got.ID)
		}
		if (got.Person != nil) != (out.Person != nil) || got.Person != nil && got.Person.Name != out.Person.Name {
			t.Errorf("%s: got the person %+v, want %+v", path, got.Person, out.Person)
		}
	}
	slices.Sort(again)
	expectIDs(t, "queued to be looked at again", b.drain(), again)
	for path := range outcomes {
		b.postOne(path)
	}
	expectIDs(t, "queued already", b.drain(), nil)
}

// The file may have been read before it changed.
func TestImageAtWorkIsLookedAtAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.postOne("a.jpg").ID
	b.drain()
	if _, err := b.store.Claim(t.Context(), "test", []int64{id}, 1<<40); err != nil {
		t.Fatal(err)
	}
	if got := b.postOne("a.jpg"); got.Status != "processing" || got.Reason != "" || !got.Queued {
		t.Errorf("got %+v", got)
	}
	expectIDs(t, "queued", b.drain(), []int64{id})
}

// One bad path costs its own entry only, whatever is bad about it.
func TestBulkWithBadPaths(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	a := b.post("/images/post", `{"paths":[{"path":"a.jpg"},{"path":"../b.jpg"},{},{"path":""},{"path":null},null,{"path":"/etc/passwd"},`+
		`{"path":"`+strings.Repeat("é", 751)+`"},{"path":"c.jpg"}]}`).expect(http.StatusAccepted)
	var got []string
	for _, e := range read[struct{ Images []image }](a).Images {
		switch {
		case e.Error != nil && (e.Error.Message == "" || e.ID != 0):
			t.Errorf("got %+v", e)
		case e.Error != nil:
			got = append(got, e.Error.Code)
		default:
			got = append(got, fmt.Sprintf("%d %s %v", e.ID, e.Path, e.Queued))
		}
	}
	want := []string{
		"1 /unknown_people/a.jpg true", "path_not_allowed", "invalid_request", "invalid_request", "invalid_request",
		"invalid_request", "path_not_allowed", "path_too_long", "2 /unknown_people/c.jpg true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	if len(a.body) > 2500 {
		t.Errorf("the answer has %d bytes: what was sent is told at length", len(a.body))
	}
	expectIDs(t, "queued", b.drain(), []int64{1, 2})

	all := b.post("/images/post", `{"paths":[{"path":".."}]}`).expect(http.StatusAccepted)
	entries := read[struct{ Images []map[string]any }](all).Images
	if len(entries) != 1 {
		t.Fatalf("got %s", all.body)
	}
	if diff := cmp.Diff([]string{"error", "path"}, keys(entries[0])); diff != "" {
		t.Errorf("keys of a bad entry (-want +got):\n%s", diff)
	}
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	longest := strings.Repeat("é", faces.MaxPathLength-len(root)-1)
	for _, c := range []struct {
		name, path, body string
		code             int
		errorCode        string
	}{
		{"no body", "/image/post", "", 400, "invalid_request"},
		{"blank body", "/image/post", " \n\t", 400, "invalid_request"},
		{"no JSON", "/image/post", "path=a.jpg", 400, "invalid_request"},
		{"half of it", "/image/post", `{"path":"a.jp`, 400, "invalid_request"},
		{"rubbish behind it", "/image/post", `{"path":"a.jpg"}}`, 400, "invalid_request"},
		{"two of them", "/image/post", `{"path":"a.jpg"}{"path":"b.jpg"}`, 400, "invalid_request"},
		{"not UTF-8", "/image/post", "{\"path\":\"\xff.jpg\"}", 400, "invalid_request"},
		{"UTF-16", "/image/post", "\xff\xfe{\x00}\x00", 400, "invalid_request"},
		{"null", "/image/post", `null`, 400, "invalid_request"},
		{"string", "/image/post", `"a.jpg"`, 400, "invalid_request"},
		{"list", "/image/post", `[{"path":"a.jpg"}]`, 400, "invalid_request"},
		{"nested too deeply", "/image/post", strings.Repeat("[", 20_000), 400, "invalid_request"},
		{"no path", "/image/post", `{}`, 400, "invalid_request"},
		{"another name", "/image/post", `{"paths":[{"path":"a.jpg"}]}`, 400, "invalid_request"},
		{"path null", "/image/post", `{"path":null}`, 400, "invalid_request"},
		{"path empty", "/image/post", `{"path":""}`, 400, "invalid_request"},
		{"path a number", "/image/post", `{"path":7}`, 400, "invalid_request"},
		{"path a list", "/image/post", `{"path":["a.jpg"]}`, 400, "invalid_request"},
		{"path an object", "/image/post", `{"path":{"path":"a.jpg"}}`, 400, "invalid_request"},
		{"path too long", "/image/post", body("path", strings.Repeat("a", 5000)), 422, "path_too_long"},
		{"path too long under the root", "/image/post", body("path", longest+"é"), 422, "path_too_long"},
		{"parent", "/image/post", `{"path":".."}`, 422, "path_not_allowed"},
		{"out of the root", "/image/post", `{"path":"../secret.jpg"}`, 422, "path_not_allowed"},
		{"out of the root, later", "/image/post", `{"path":"a/../../secret.jpg"}`, 422, "path_not_allowed"},
		{"out of the root, absolute", "/image/post", `{"path":"/unknown_people/../etc/passwd"}`, 422, "path_not_allowed"},
		{"out of the root, escaped", "/image/post", `{"path":"\u002e\u002e\u002fetc\/passwd"}`, 422, "path_not_allowed"},
		{"absolute", "/image/post", `{"path":"/etc/passwd"}`, 422, "path_not_allowed"},
		{"the root", "/image/post", `{"path":"/unknown_people"}`, 422, "path_not_allowed"},
		{"the root with a slash", "/image/post", `{"path":"/unknown_people/"}`, 422, "path_not_allowed"},
		{"the root, relative", "/image/post", `{"path":"."}`, 422, "path_not_allowed"},
		{"the root, by a detour", "/image/post", `{"path":"a/.."}`, 422, "path_not_allowed"},
		{"beside the root", "/image/post", `{"path":"/unknown_people2/a.jpg"}`, 422, "path_not_allowed"},
		{"the file system's root", "/image/post", `{"path":"/"}`, 422, "path_not_allowed"},
		{"zero byte", "/image/post", `{"path":"a\u0000.jpg"}`, 422, "path_not_allowed"},
		{"body too large", "/image/post", `{"path":"a.jpg"}` + strings.Repeat(" ", 64<<10), 413, "body_too_large"},
		{"body far too large", "/images/post", strings.Repeat("x", 4<<20), 413, "body_too_large"},

		{"bulk: no body", "/images/post", "", 400, "invalid_request"},
		{"bulk: null", "/images/post", `null`, 400, "invalid_request"},
		{"bulk: no paths", "/images/post", `{"path":"a.jpg"}`, 400, "invalid_request"},
		{"bulk: paths null", "/images/post", `{"paths":null}`, 400, "invalid_request"},
		{"bulk: paths empty", "/images/post", `{"paths":[]}`, 400, "invalid_request"},
		{"bulk: paths a string", "/images/post", `{"paths":"a.jpg"}`, 400, "invalid_request"},
		{"bulk: paths an object", "/images/post", `{"paths":{"path":"a.jpg"}}`, 400, "invalid_request"},
		{"bulk: strings", "/images/post", `{"paths":["a.jpg"]}`, 400, "invalid_request"},
		{"bulk: a number in it", "/images/post", `{"paths":[{"path":"a.jpg"},{"path":7}]}`, 400, "invalid_request"},
		{"bulk: too many", "/images/post", body("paths", make([]struct{}, 101)), 400, "invalid_request"},

		{"no such route", "/image/posts", `{"path":"a.jpg"}`, 404, "not_found"},
		{"two slashes at the end", "/image/post//", `{"path":"a.jpg"}`, 404, "not_found"},
		{"other case", "/Image/Post", `{"path":"a.jpg"}`, 404, "not_found"},
		{"post where one reads", "/api/v1/images/1", `{}`, 405, "method_not_allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &client{t: t, http: b.http, url: b.url}
			b.post(c.path, c.body).refused(c.code, c.errorCode)
			if got := b.postOne("good.jpg"); got.ID != 1 {
				t.Errorf("after it a good request got %+v", got)
			}
		})
	}
	expectIDs(t, "queued", b.drain(), []int64{1})
}

func TestAtTheLimits(t *testing.T) {
	t.Parallel()
	c := serve(t, newStore(t), nowhere{})
	c.postOne(strings.Repeat("é", faces.MaxPathLength-len(root)-1))
	full := `{"path":"a.jpg"}`
	c.post("/image/post", full+strings.Repeat(" ", 64<<10-len(full))).expect(http.StatusAccepted)
	paths := make([]string, 100)
	for i := range paths {
		paths[i] = fmt.Sprintf("%d.jpg", i)
	}
	c.postAll(paths...)
}

// The message names the field and what it must be.
func TestMessagesExplain(t *testing.T) {
	t.Parallel()
	c := serve(t, newStore(t), nowhere{})
	for _, test := range []struct{ path, body, want string }{
		{"/image/post", `{"path":7}`, `"path" must be a string, not a JSON number`},
		{"/images/post", `{"paths":"a.jpg"}`, `"paths" must be a list, not a JSON string`},
		{"/images/post", `{"paths":["a.jpg"]}`, `"paths" must be an object with "path", not a JSON string`},
		{"/images/post", `{"paths":[{"path":true}]}`, `"paths.path" must be a string, not a JSON bool`},
		// The wrong entries behind the limit are not decoded.
		{"/images/post", `{"paths":[` + strings.Repeat("null,", 101) + `7]}`, `one post may have 100 paths, and this one has more; send several posts`},
		{"/images/post", `{"paths":[` + strings.Repeat("{},", 20_000) + `"a"]}`, `one post may have 100 paths, and this one has more; send several posts`},
		{"/images/post", `[]`, `the body must be a JSON object, not a JSON array`},
		{"/image/post", `{"path":"a"]`, `the body is not JSON: invalid character ']' after object key:value pair (at byte 12)`},
		{"/image/post", `{"path":"/etc/passwd"}`, `the path is not below /unknown_people; send a path relative to that folder`},
	} {
		got := read[image](c.post(test.path, test.body))
		if got.Error == nil || got.Error.Message != test.want {
			t.Errorf("%s: got %+v, want %s", test.body, got.Error, test.want)
		}
	}
}
