package receiver_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// shown is what the API says of one image that is looked at again.
type shown struct {
	image
	File *struct {
		Size   int64
		SHA256 string
	}
	Rescan *struct{ State, Reason, Detail string }
}

func (b *bench) shown(id int64) shown {
	b.t.Helper()
	return read[shown](b.get(fmt.Sprintf("/api/v1/images/%d", id)).expect(http.StatusOK))
}

// answered posts a path and gives it an outcome.
func (b *bench) answered(path string, out faces.Outcome) int64 {
	b.t.Helper()
	id := b.postOne(path).ID
	b.finish(id, out)
	return id
}

// finishRescan gives an image that is looked at again its outcome.
func (b *bench) finishRescan(id int64, r store.Result) {
	b.t.Helper()
	c, err := b.store.Claim(b.t.Context(), "test", []int64{id}, time.Minute)
	if err != nil || len(c.Claimed) != 1 || c.Claimed[0].Rescan == nil {
		b.t.Fatalf("claim image %d: %+v, %v", id, c, err)
	}
	r.Lease = c.Claimed[0].Lease
	if stale, err := b.store.Finish(b.t.Context(), []store.Result{r}); err != nil || len(stale) > 0 {
		b.t.Fatalf("finish image %d: %v, %v", id, stale, err)
	}
}

func TestRetryImage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	answered := b.answered("a.jpg", faces.Outcome{Reason: faces.NoFace})
	failed := b.answered("b.jpg", faces.Failure(faces.Fault(faces.NotFound, "no file")))
	waiting := b.postOne("c.jpg").ID
	b.drain()
	retry := func(id int64) shown {
		t.Helper()
		return read[shown](b.post(fmt.Sprintf("/api/v1/images/%d/retry", id), "").expect(http.StatusAccepted))
	}
	if got := retry(answered); got.Reason != "no_face" || !got.Queued || got.Rescan == nil || got.Rescan.State != "waiting" {
		t.Errorf("an answer: %+v", got)
	}
	if got := retry(failed); got.Reason != "queued" || !got.Queued || got.Rescan != nil {
		t.Errorf("a failure: %+v", got)
	}
	if got := retry(waiting); got.Reason != "queued" || !got.Queued {
		t.Errorf("one that waits: %+v", got)
	}
	expectIDs(t, "queued", b.drain(), []int64{answered, failed})
	b.post("/api/v1/images/99/retry", "").refused(http.StatusNotFound, "not_found")
	b.post("/api/v1/images/x/retry", "").refused(http.StatusBadRequest, "invalid_request")

	b.finishRescan(answered, store.Result{Outcome: faces.Failure(faces.Fault(faces.NotFound, "there is no such file"))})
	got := b.shown(answered)
	want := &struct{ State, Reason, Detail string }{"failed", "not_found", "there is no such file"}
	if diff := cmp.Diff(want, got.Rescan); diff != "" || got.Reason != "no_face" {
		t.Errorf("a look that failed leaves %s; its rescan (-want +got):\n%s", got.Reason, diff)
	}
	retry(answered)
	file := faces.File{Size: 7, Modified: 1, SHA256: "ab"}
	b.finishRescan(answered, store.Result{Outcome: faces.Outcome{Reason: faces.UnknownPerson}, File: file})
	if got := b.shown(answered); got.Reason != "unknown_person" || got.Rescan != nil || got.File == nil || got.File.Size != 7 || got.File.SHA256 != "ab" {
		t.Errorf("answered again: %+v", got)
	}
}

func TestRetryByFilter(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var want []int64
	for i := range 3 {
		want = append(want, b.answered(fmt.Sprintf("a%d.jpg", i), faces.Outcome{Reason: faces.NoFace, Model: "lite"}))
	}
	failed := b.answered("b.jpg", faces.Failure(faces.Fault(faces.CorruptImage, "half")))
	b.drain()
	retry := func(filter string) int {
		t.Helper()
		return read[struct{ Images int }](b.post("/api/v1/images/retry", filter).expect(http.StatusAccepted)).Images
	}
	if n := retry(`{"reason":"no_face"}`); n != 3 {
		t.Errorf("%d images, want 3", n)
	}
	expectIDs(t, "queued", b.drain(), want)
	for filter, n := range map[string]int{
		`{"status":"failed"}`: 1, `{"model":"lite"}`: 3, `{"q":"A1"}`: 1, `{"ids":[1,2,99]}`: 2, `{"person_id":7}`: 0,
		`{"status":"pending","q":"b.jpg"}`: 0,
	} {
		if got := retry(filter); got != n {
			t.Errorf("%s: %d images, want %d", filter, got, n)
		}
	}
	if got := b.shown(failed); got.Reason != "queued" {
		t.Errorf("the failed one is %s", got.Reason)
	}
	for _, filter := range []string{
		`{}`, ``, `null`, `[]`, `{"ids":[]}`, `{"staus":"failed"}`, `{"status":"odd"}`, `{"reason":"odd"}`, `{"person_id":-1}`, `{"ids":["a"]}`,
		`{"ids":[1` + strings.Repeat(",1", 10_000) + `]}`,
	} {
		b.post("/api/v1/images/retry", filter).refused(http.StatusBadRequest, "invalid_request")
	}
}

// A file that was mended, put there or replaced is noticed when it is posted.
func TestPostAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	file := faces.File{Size: 7, Modified: 1, SHA256: "ab"}
	for _, reason := range []faces.Reason{faces.NotFound, faces.CorruptImage, faces.NoFace} {
		path := string(reason) + ".jpg"
		id := b.answered(path, faces.Outcome{Reason: reason})
		b.postOne(path)
		b.finishRescan(id, store.Result{Unchanged: true, File: file})
		if got := b.shown(id); got.Reason != string(reason) || got.Rescan != nil {
			t.Errorf("%s, unchanged: %+v", path, got)
		}
		b.postOne(path)
		b.finishRescan(id, store.Result{Outcome: faces.Outcome{Reason: faces.UnknownPerson}, File: file})
		if got := b.shown(id); got.Reason != "unknown_person" {
			t.Errorf("%s, changed: %+v", path, got)
		}
	}
}

// job is what the API says of a rescan.
type job struct {
	ID      int64
	State   string
	Cause   string
	Model   string
	Full    bool
	Detail  string
	Total   int64
	Done    int64
	Results []struct {
		ImageID int64 `json:"image_id"`
		State   string
		From    struct{ Reason string }
		To      struct{ Reason string }
		Detail  string
	}
	Next *int64
}

func TestRescans(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.answered("a.jpg", faces.Outcome{Reason: faces.NoFace, Model: "old"})
	b.answered("b.jpg", faces.Outcome{Reason: faces.NoFace, Model: "old"})
	post := func(path, body string) job {
		t.Helper()
		return read[job](b.post("/api/v1/rescans"+path, body).expect(http.StatusAccepted))
	}
	if got := post("", ""); got.State != "waiting" || got.Cause != "request" || got.Model != "" || got.Full {
		t.Errorf("asked for: %+v", got)
	}
	b.post("/api/v1/rescans", "").refused(http.StatusConflict, "conflict")
	for _, turn := range []struct{ path, state string }{
		{"/1/pause", "paused"}, {"/1/pause", "paused"}, {"/1/resume", "waiting"}, {"/1/cancel", "cancelled"}, {"/1/cancel", "cancelled"},
	} {
		if got := post(turn.path, ""); got.State != turn.state {
			t.Errorf("%s: %+v, want %s", turn.path, got, turn.state)
		}
	}
	b.post("/api/v1/rescans/1/resume", "").refused(http.StatusConflict, "conflict")
	b.post("/api/v1/rescans/9/pause", "").refused(http.StatusNotFound, "not_found")
	b.post("/api/v1/rescans/x/pause", "").refused(http.StatusBadRequest, "invalid_request")
	second := post("", `{"model":"new","full":true}`)
	if second.Model != "new" || !second.Full {
		t.Errorf("asked for: %+v", second)
	}

	// A processor works on it.
	ctx := t.Context()
	token, _, err := b.store.LeaseRematch(ctx, "test", 0, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.BeginRescan(ctx, token, second.ID, "new"); err != nil {
		t.Fatal(err)
	}
	taken, _, err := b.store.TakeRescanImages(ctx, token, second.ID, 10)
	if err != nil || len(taken) != 2 {
		t.Fatalf("took %v: %v", taken, err)
	}
	b.finishRescan(1, store.Result{Outcome: faces.Failure(faces.Fault(faces.NotFound, "there is no such file"))})
	b.finishRescan(2, store.Result{Outcome: faces.Outcome{Reason: faces.UnknownPerson, Model: "new"}})
	get := func(query string) job {
		t.Helper()
		return read[job](b.get(fmt.Sprintf("/api/v1/rescans/%d%s", second.ID, query)).expect(http.StatusOK))
	}
	got := get("")
	if got.State != "running" || got.Total != 2 || got.Done != 2 || len(got.Results) != 2 || got.Next != nil {
		t.Fatalf("got %+v", got)
	}
	if r := got.Results[0]; r.ImageID != 2 || r.State != "changed" || r.From.Reason != "no_face" || r.To.Reason != "unknown_person" {
		t.Errorf("the newest: %+v", r)
	}
	if r := got.Results[1]; r.ImageID != 1 || r.State != "failed" || r.To.Reason != "not_found" || r.Detail != "there is no such file" {
		t.Errorf("the other: %+v", r)
	}
	if got := get("?limit=1"); len(got.Results) != 1 || got.Next == nil || *got.Next != 2 {
		t.Errorf("a page: %+v", got)
	}
	if got := get("?after=2"); len(got.Results) != 1 || got.Results[0].ImageID != 1 {
		t.Errorf("the next page: %+v", got)
	}
	if got := get("?state=failed"); len(got.Results) != 1 || got.Results[0].ImageID != 1 {
		t.Errorf("those that failed: %+v", got)
	}
	b.get("/api/v1/rescans/2?state=odd").refused(http.StatusBadRequest, "invalid_request")
	b.get("/api/v1/rescans/9").refused(http.StatusNotFound, "not_found")
	list := read[struct{ Rescans []job }](b.get("/api/v1/rescans").expect(http.StatusOK)).Rescans
	if len(list) != 2 || list[0].ID != second.ID {
		t.Errorf("listed: %+v", list)
	}
}

func TestImageCorrections(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enrol("Ada")
	face := func(x int) faces.Face {
		return faces.Face{Box: faces.Box{X: x, Width: 40, Height: 40}, Descriptor: faces.Descriptor{1}, Reason: faces.UnknownPerson, Model: "old"}
	}
	id := b.answered("a.jpg", faces.Outcome{Reason: faces.UnknownPerson, Model: "old", Faces: []faces.Face{face(0), face(100)}})
	img, err := b.store.Image(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range img.Faces {
		b.post(fmt.Sprintf("/api/v1/faces/%d/person", f.ID), `{"name":"Ada"}`).expect(http.StatusOK)
	}
	b.post(fmt.Sprintf("/api/v1/images/%d/retry", id), "").expect(http.StatusAccepted)
	b.finishRescan(id, store.Result{Outcome: faces.Outcome{Reason: faces.UnknownPerson, Model: "new", Faces: []faces.Face{face(105)}}})
	got := read[struct {
		Corrections []struct {
			ID     int64
			Says   string
			FaceID *int64 `json:"face_id"`
		}
	}](b.get(fmt.Sprintf("/api/v1/images/%d/corrections", id)).expect(http.StatusOK)).Corrections
	if len(got) != 2 || got[0].Says != "is" || got[0].FaceID != nil || got[1].FaceID == nil {
		t.Errorf("got %+v", got)
	}
	b.get("/api/v1/images/99/corrections").refused(http.StatusNotFound, "not_found")
}
