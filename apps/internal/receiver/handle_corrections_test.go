package receiver_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// seen is a face at a place with neighbours at distances.
func seen(x int, near ...any) faces.Sighting {
	s := faces.Sighting{Box: faces.Box{X: x, Width: 40, Height: 40}}
	for i := 0; i < len(near); i += 2 {
		s.Neighbours = append(s.Neighbours, faces.Neighbour{Image: near[i].(string), Distance: near[i+1].(float64)})
	}
	return s
}

// said is what the API answers to a correction.
type said struct {
	Correction struct {
		ID       int64
		Says     string
		Person   struct{ ID int64 }
		UndoneAt *time.Time `json:"undone_at"`
	}
	Face *struct {
		ID        int64
		Reason    string
		Corrected bool
		Person    *struct {
			ID   int64
			Name string
		}
		Distance *float64
	}
	Image image
}

func (s said) person() string {
	if s.Face == nil || s.Face.Person == nil {
		return ""
	}
	return s.Face.Person.Name
}

func TestCorrections(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enrol("Ada", "Bruno")
	if err := b.store.UseModel(t.Context(), model); err != nil { // as a processor does
		t.Fatal(err)
	}
	b.postOne("a.jpg")
	b.see(1, seen(0, "Ada.jpg", 0.25, "Bruno.jpg", 0.4375), seen(100))
	post := func(path, body string) said {
		b.t.Helper()
		return read[said](b.post("/api/v1/faces/"+path, body).expect(http.StatusOK))
	}

	not := post("1/not-person", `{"person_id":1}`)
	if not.person() != "Bruno" || not.Correction.Says != "is_not" || !not.Face.Corrected || not.Image.Person.Name != "Bruno" {
		t.Errorf("not Ada: %+v", not)
	}
	if again := post("1/not-person", `{"person_id":1}`); again.Correction.ID != not.Correction.ID {
		t.Errorf("the same said twice is %d and %d", not.Correction.ID, again.Correction.ID)
	}
	named := post("2/person", `{"name":"Clara"}`)
	if named.person() != "Clara" || named.Correction.Says != "is" || named.Face.Distance != nil {
		t.Errorf("somebody new: %+v", named)
	}
	if by := post("2/person", `{"person_id":2}`); by.person() != "Bruno" {
		t.Errorf("by id: %+v", by)
	}
	if by := post("2/person", `{"name":"Clara"}`); by.Face.Person.ID != named.Face.Person.ID {
		t.Errorf("a name that is known made another person: %+v", by)
	}
	list := read[struct {
		Corrections []struct {
			Says   string
			Person struct{ Name string }
		}
	}](b.get("/api/v1/faces/2/corrections").expect(http.StatusOK)).Corrections
	if len(list) != 3 || list[0].Person.Name != "Clara" || list[1].Person.Name != "Bruno" || list[2].Says != "is" {
		t.Errorf("said of the face: %+v", list)
	}

	undone := read[said](b.do(http.MethodDelete, fmt.Sprintf("/api/v1/corrections/%d", not.Correction.ID), "").expect(http.StatusOK))
	if undone.person() != "Ada" || undone.Correction.UndoneAt == nil || undone.Face.Corrected {
		t.Errorf("undone: %+v", undone)
	}
	b.do(http.MethodDelete, fmt.Sprintf("/api/v1/corrections/%d", not.Correction.ID), "").expect(http.StatusOK)
	if got := b.list("?person=Clara").Images; len(got) != 1 {
		t.Errorf("images whose person somebody confirmed: %+v", got)
	}
}

func TestBadCorrections(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enrol("Ada")
	b.postOne("a.jpg")
	b.see(1, seen(0, "Ada.jpg", 0.25))
	const invalid = "invalid_request"
	for _, c := range []struct {
		path, body string
		status     int
		code       string
	}{
		{"faces/1/person", ``, 400, invalid},
		{"faces/1/person", `{}`, 400, invalid},
		{"faces/1/person", `{"person_id":1,"name":"Ada"}`, 400, invalid},
		{"faces/1/person", `{"person_id":0}`, 400, invalid},
		{"faces/1/person", `{"person_id":-1}`, 400, invalid},
		{"faces/1/person", `{"person_id":"1"}`, 400, invalid},
		{"faces/1/person", `{"name":""}`, 400, invalid},
		{"faces/1/person", `{"name":"  "}`, 400, invalid},
		{"faces/1/person", `{"name":"` + strings.Repeat("x", 256) + `"}`, 400, invalid},
		{"faces/1/person", `{"name":"ADA"}`, 409, "conflict"},
		{"faces/1/person", `{"person_id":7}`, 404, "not_found"},
		{"faces/7/person", `{"person_id":1}`, 404, "not_found"},
		{"faces/x/person", `{"person_id":1}`, 400, invalid},
		{"faces/0/person", `{"person_id":1}`, 400, invalid},
		{"faces/1/not-person", `{"name":"Ada"}`, 400, invalid},
		{"faces/1/not-person", `{"person_id":7}`, 404, "not_found"},
		{"rematches", `{"apply":1}`, 400, invalid},
		{"rematches", `[`, 400, invalid},
		{"rematches/1/apply", ``, 404, "not_found"},
		{"rematches/x/undo", ``, 400, invalid},
	} {
		b.post("/api/v1/"+c.path, c.body).refused(c.status, c.code)
	}
	b.get("/api/v1/faces/7/corrections").refused(404, "not_found")
	b.do(http.MethodDelete, "/api/v1/corrections/7", "").refused(404, "not_found")
	b.do(http.MethodDelete, "/api/v1/corrections/x", "").refused(400, invalid)
	b.get("/api/v1/rematches/7").refused(404, "not_found")
	b.get("/api/v1/rematches?limit=0").refused(400, invalid)
	b.get("/api/v1/rematches?after=x").refused(400, invalid)
	if people, err := b.store.People(t.Context()); err != nil || len(people) != 1 {
		t.Errorf("a refused correction added people: %v, %v", people, err)
	}
}

// rematch is what the API says of one.
type rematch struct {
	ID      int64
	State   string
	Detail  string
	Apply   bool
	Full    bool
	Images  int64
	Summary []struct {
		From, To struct {
			Reason string
			Person *struct{ Name string }
		}
		Images int64
	}
	Changes []struct {
		ImageID int64 `json:"image_id"`
		State   string
	}
	Next *int64
}

func TestRematches(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enrol("Ada")
	b.postAll("a.jpg", "b.jpg", "c.jpg")
	for id := int64(1); id <= 3; id++ {
		b.see(id, seen(0))
	}
	first := b.post("/api/v1/rematches", "").expect(http.StatusAccepted)
	if got := read[rematch](first); got.State != "requested" || got.Apply || first.header.Get("Location") != "/api/v1/rematches/1" {
		t.Errorf("asked for: %+v", got)
	}
	if got := read[rematch](b.post("/api/v1/rematches", `{"apply":true,"full":true}`).expect(http.StatusAccepted)); !got.Apply || !got.Full || got.ID != 2 {
		t.Errorf("asked for: %+v", got)
	}
	b.post("/api/v1/rematches/1/apply", "").refused(http.StatusConflict, "conflict")
	b.preview(1, 3)
	got := read[rematch](b.get("/api/v1/rematches/1?limit=2").expect(http.StatusOK))
	if got.State != "ready" || got.Images != 3 || len(got.Changes) != 2 || got.Next == nil || *got.Next != 2 || len(got.Summary) != 1 ||
		got.Summary[0].Images != 3 || got.Summary[0].From.Reason != "unknown_person" || got.Summary[0].To.Person.Name != "Ada" {
		t.Errorf("a preview: %+v", got)
	}
	if rest := read[rematch](b.get("/api/v1/rematches/1?limit=2&after=2").expect(http.StatusOK)); len(rest.Changes) != 1 || rest.Next != nil {
		t.Errorf("the rest: %+v", rest)
	}
	b.post("/api/v1/rematches/1/undo", "").refused(http.StatusConflict, "conflict")
	if got := read[rematch](b.post("/api/v1/rematches/1/apply", "").expect(http.StatusAccepted)); got.State != "applying" {
		t.Errorf("applied: %+v", got)
	}
	b.post("/api/v1/rematches/1/apply", "").expect(http.StatusAccepted)
	list := read[struct {
		Rematches []rematch
		Next      *int64
	}](b.get("/api/v1/rematches?limit=1").expect(http.StatusOK))
	if len(list.Rematches) != 1 || list.Rematches[0].ID != 2 || list.Next == nil || *list.Next != 2 {
		t.Errorf("newest: %+v", list)
	}
}

// preview does what a processor does for a preview: all images become Ada's.
func (b *bench) preview(id int64, images int) {
	b.t.Helper()
	ctx := b.t.Context()
	token, ok, err := b.store.LeaseRematch(ctx, "test", 0, time.Minute)
	if err != nil || !ok {
		b.t.Fatal(ok, err)
	}
	job, err := b.store.Rematch(ctx, id)
	if err != nil {
		b.t.Fatal(err)
	}
	var step history.Step
	for i := range images {
		list, err := b.store.ImagesWithFaces(ctx, []int64{int64(i + 1)})
		if err != nil || len(list) != 1 {
			b.t.Fatal(list, err)
		}
		c := history.Change{ImageID: list[0].ID, Before: list[0].Answer, After: list[0].Answer}
		c.After.Reason, c.After.Person = faces.Identified, 1
		step.Changes = append(step.Changes, c)
	}
	if _, _, err := b.store.StepRematch(ctx, token, job, step); err != nil {
		b.t.Fatal(err)
	}
	if err := b.store.EndRematch(ctx, token, job, history.Ready, "", nil, 0); err != nil {
		b.t.Fatal(err)
	}
	if diff := cmp.Diff(history.Ready, must(b.store.Rematch(ctx, id)).State); diff != "" {
		b.t.Fatal(diff)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// ifMatch is a header with the ETag of an answer.
func ifMatch(a answer) []string { return []string{"If-Match", a.header.Get("ETag")} }

// dismissed is what the API answers to a statement, with the version of the image.
type dismissed struct {
	said
	Version       string
	ChangedImages struct {
		Count int
		IDs   []int64
	} `json:"changed_images"`
}

func TestDismissedFaces(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enrol("Ada")
	if err := b.store.UseModel(t.Context(), model); err != nil { // as a processor does
		t.Fatal(err)
	}
	b.postOne("a.jpg")
	b.see(1, seen(0, "Ada.jpg", 0.25), seen(100))
	before := b.get("/api/v1/images/1").expect(http.StatusOK)

	res := b.post("/api/v1/faces/1/ignore", "", ifMatch(before)...).expect(http.StatusOK)
	ignored := read[dismissed](res)
	if ignored.Correction.Says != "ignore" || ignored.Face.Reason != "ignored" || ignored.Face.Distance != nil || ignored.Image.Reason != "unknown_person" {
		t.Errorf("ignored: %+v", ignored)
	}
	if tag := res.header.Get("ETag"); tag != `"`+ignored.Version+`"` || tag == before.header.Get("ETag") ||
		ignored.ChangedImages.Count != 1 || !slices.Equal(ignored.ChangedImages.IDs, []int64{1}) {
		t.Errorf("version %s, changed %+v", res.header.Get("ETag"), ignored.ChangedImages)
	}
	again := read[dismissed](b.post("/api/v1/faces/1/ignore", "", "If-Match", "*").expect(http.StatusOK))
	if again.ChangedImages.Count != 0 || again.Version != ignored.Version || again.Correction.ID != ignored.Correction.ID {
		t.Errorf("ignored twice: %+v", again)
	}
	none := read[dismissed](b.post("/api/v1/faces/2/not-a-face", "{}", ifMatch(res)...).expect(http.StatusOK))
	if none.Correction.Says != "not_a_face" || none.Face.Reason != "not_a_face" || none.Image.Reason != "no_face" || none.Image.Status != "pending" {
		t.Errorf("not a face: %+v", none)
	}
	if list := b.list("?reason=no_face").Images; len(list) != 1 {
		t.Errorf("images in which no face counts: %+v", list)
	}
	said := read[struct {
		Corrections []struct {
			Says   string
			Person *struct{ ID int64 }
		}
	}](b.get("/api/v1/images/1/corrections").expect(http.StatusOK)).Corrections
	if len(said) != 2 || said[0].Says != "ignore" || said[0].Person != nil || said[1].Says != "not_a_face" {
		t.Errorf("said of the image: %+v", said)
	}
	undo := func(c dismissed, version string) dismissed {
		return read[dismissed](b.do(http.MethodDelete, fmt.Sprintf("/api/v1/corrections/%d", c.Correction.ID), "", "If-Match", version).expect(http.StatusOK))
	}
	undone := undo(none, undo(ignored, `"`+none.Version+`"`).version())
	if undone.Image.Reason != "identified" || undone.Image.Person.Name != "Ada" || undone.Face.Reason != "unknown_person" {
		t.Errorf("undone: %+v", undone)
	}
}

func (d dismissed) version() string { return `"` + d.Version + `"` }

// A stale tab changes nothing.
func TestVersions(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enrol("Ada", "Bruno")
	if err := b.store.UseModel(t.Context(), model); err != nil { // as a processor does
		t.Fatal(err)
	}
	b.postOne("a.jpg")
	b.see(1, seen(0, "Ada.jpg", 0.25), seen(100))
	old := ifMatch(b.get("/api/v1/images/1").expect(http.StatusOK))
	said := read[dismissed](b.post("/api/v1/faces/1/person", `{"person_id":2}`, old...).expect(http.StatusOK))
	undo := fmt.Sprintf("/api/v1/corrections/%d", said.Correction.ID)
	for _, tag := range []string{old[1], "W/" + old[1], `"` + strings.Repeat("x", 1000) + `"`, "3"} {
		for path, body := range map[string]string{
			"faces/1/person": `{"person_id":1}`, "faces/2/person": `{"name":"Clara"}`, "faces/1/not-person": `{"person_id":2}`,
			"faces/2/ignore": "", "faces/1/not-a-face": "",
		} {
			b.post("/api/v1/"+path, body, "If-Match", tag).refused(http.StatusPreconditionFailed, "stale")
		}
		b.do(http.MethodDelete, undo, "", "If-Match", tag).refused(http.StatusPreconditionFailed, "stale")
	}
	for _, path := range []string{"faces/1/ignore", "faces/2/not-a-face"} {
		b.post("/api/v1/"+path, "").refused(http.StatusPreconditionRequired, "precondition_required")
	}
	b.post("/api/v1/faces/7/ignore", "", "If-Match", "*").refused(http.StatusNotFound, "not_found")
	b.post("/api/v1/faces/x/not-a-face", "", "If-Match", "*").refused(http.StatusBadRequest, "invalid_request")
	if now := read[dismissed](b.do(http.MethodDelete, undo, "", "If-Match", "W/"+said.version()).expect(http.StatusOK)); now.person() != "Ada" {
		t.Errorf("undone: %+v", now)
	}
	if people, err := b.store.People(t.Context()); err != nil || len(people) != 2 {
		t.Errorf("a stale tab added people: %v, %v", people, err)
	}
}

func TestDrawnFaces(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enrol("Ada")
	if err := b.store.UseModel(t.Context(), model); err != nil {
		t.Fatal(err)
	}
	b.postAll("a.jpg", "b.jpg")
	b.see(1, seen(0, "Ada.jpg", 0.25))
	before := b.get("/api/v1/images/1").expect(http.StatusOK)
	const place = `"box":{"x":200,"y":10,"width":60,"height":80}`

	res := b.post("/api/v1/images/1/faces", `{`+place+`,"name":"Bruno"}`, ifMatch(before)...).expect(http.StatusCreated)
	drawn := read[dismissed](res)
	if drawn.Correction.Says != "drawn" || drawn.person() != "Bruno" || drawn.Face.Distance != nil || drawn.ChangedImages.Count != 1 {
		t.Errorf("drawn: %+v, %+v", drawn, drawn.Face)
	}
	list := read[struct {
		Faces []struct {
			Drawn     bool
			Landmarks []any
			Model     string
		}
	}](b.get("/api/v1/images/1").expect(http.StatusOK)).Faces
	if len(list) != 2 || list[0].Drawn || !list[1].Drawn || len(list[1].Landmarks) > 0 || list[1].Model != "" {
		t.Errorf("faces: %+v", list)
	}
	for _, c := range []struct {
		image        int
		body, tag    string
		status       int
		code, reason string
	}{
		{1, `{` + place + `}`, before.header.Get("ETag"), 412, "stale", "another tab"},
		{1, `{` + place + `}`, "", 428, "precondition_required", "no version"},
		{1, `{` + place + `}`, "*", 409, "conflict", "a face is there"},
		{1, `{"box":{"x":2,"y":1,"width":38,"height":40}}`, "*", 409, "conflict", "a found face is there"},
		{1, `{"box":{"x":790,"y":1,"width":60,"height":60}}`, "*", 400, "invalid_request", "beyond the picture"},
		{1, `{"box":{"x":-1,"y":1,"width":60,"height":60}}`, "*", 400, "invalid_request", "before the picture"},
		{1, `{"box":{"x":300,"y":1,"width":0,"height":60}}`, "*", 400, "invalid_request", "no width"},
		{1, `{"box":{"x":1,"y":1,"width":9223372036854775807,"height":60}}`, "*", 400, "invalid_request", "an overflow"},
		{1, `{"box":{"y":200,"width":60,"height":60}}`, "*", 400, "invalid_request", "no x, which is not 0"},
		{1, `{}`, "*", 400, "invalid_request", "no box"},
		{1, ``, "*", 400, "invalid_request", "no body"},
		{1, `{"box":{"x":400,"y":1,"width":60,"height":60},"name":" "}`, "*", 400, "invalid_request", "no name"},
		{1, `{"box":{"x":400,"y":1,"width":60,"height":60},"name":"Ada","person_id":1}`, "*", 400, "invalid_request", "two names"},
		{1, `{"box":{"x":400,"y":1,"width":60,"height":60},"person_id":99}`, "*", 404, "not_found", "nobody"},
		{1, `{"box":{"x":400,"y":1,"width":60,"height":60},"persom":1}`, "*", 400, "invalid_request", "a typing error"},
		{2, `{` + place + `}`, "*", 409, "conflict", "no answer yet"},
		{3, `{` + place + `}`, "*", 404, "not_found", "no image"},
	} {
		t.Log(c.reason)
		var headers []string
		if c.tag != "" {
			headers = []string{"If-Match", c.tag}
		}
		b.post(fmt.Sprintf("/api/v1/images/%d/faces", c.image), c.body, headers...).refused(c.status, c.code)
	}
	undo := fmt.Sprintf("/api/v1/corrections/%d", drawn.Correction.ID)
	undone := read[dismissed](b.do(http.MethodDelete, undo, "", ifMatch(res)...).expect(http.StatusOK))
	if undone.Face != nil || undone.Image.Person.Name != "Ada" || undone.Correction.UndoneAt == nil {
		t.Errorf("undone: %+v", undone)
	}
}

// Of several clients that have seen one version, one is heard.
func TestClientsAtOnce(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enrol("Ada")
	b.postOne("a.jpg")
	b.see(1, seen(0, "Ada.jpg", 0.25))
	tag := ifMatch(b.get("/api/v1/images/1").expect(http.StatusOK))
	writes := [][2]string{
		{"faces/1/person", `{"name":"Bruno"}`},
		{"faces/1/not-person", `{"person_id":1}`},
		{"faces/1/ignore", ""},
		{"faces/1/not-a-face", ""},
		{"images/1/faces", `{"box":{"x":200,"y":10,"width":60,"height":80}}`},
	}
	codes := make([]int, len(writes))
	var clients sync.WaitGroup
	for i, w := range writes {
		clients.Go(func() { codes[i] = b.post("/api/v1/"+w[0], w[1], tag...).code })
	}
	clients.Wait()
	heard := slices.DeleteFunc(slices.Clone(codes), func(code int) bool { return code == http.StatusPreconditionFailed })
	if len(heard) != 1 || heard[0] != http.StatusOK && heard[0] != http.StatusCreated {
		t.Errorf("the answers are %v, want one success and the rest stale", codes)
	}
	if said, err := b.store.ImageCorrections(t.Context(), 1); err != nil || len(said) != 1 {
		t.Errorf("said: %+v, %v", said, err)
	}
}
