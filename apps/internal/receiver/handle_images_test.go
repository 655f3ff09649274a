package receiver_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

var model = faces.Model{ID: "m1", Threshold: 0.5, Margin: 0.125}

// enrol makes people known, each by the picture "<name>.jpg".
func (b *bench) enrol(names ...string) {
	b.t.Helper()
	wanted := map[string]string{}
	for _, n := range names {
		wanted[n+".jpg"] = n
	}
	if _, err := b.store.SyncKnownImages(b.t.Context(), wanted, func(string) bool { return true }); err != nil {
		b.t.Fatal(err)
	}
}

// see gives an image the outcome of what was seen in it.
func (b *bench) see(id int64, seen ...faces.Sighting) {
	b.t.Helper()
	var images []string
	for _, s := range seen {
		for _, n := range s.Neighbours {
			images = append(images, n.Image)
		}
	}
	owners, err := b.store.Owners(b.t.Context(), images)
	if err != nil {
		b.t.Fatal(err)
	}
	b.finish(id, faces.Decide(faces.Recognition{Width: 800, Height: 600, Sightings: seen, Model: model},
		func(image string) (faces.Person, bool) { p, ok := owners[image]; return p, ok }))
}

func TestImage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enrol("Ada", "Bruno")
	id := b.postOne("a.jpg").ID
	b.see(id, faces.Sighting{
		Box: faces.Box{X: 10, Y: 20, Width: 30, Height: 40}, Landmarks: []faces.Point{{X: 11, Y: 22}},
		Neighbours: []faces.Neighbour{{Image: "Ada.jpg", Distance: 0.25}, {Image: "Bruno.jpg", Distance: 0.5}},
	}, faces.Sighting{Box: faces.Box{X: 100, Y: 20, Width: 30, Height: 40}})
	got := read[map[string]any](b.get(fmt.Sprintf("/api/v1/images/%d", id)).expect(http.StatusOK))
	ada := map[string]any{"id": 1.0, "name": "Ada"}
	want := map[string]any{
		"id": 1.0, "path": "/unknown_people/a.jpg", "status": "processed", "reason": "identified",
		"detail": "Ada, 1 unknown", "person": ada, "width": 800.0, "height": 600.0, "model": "m1", "attempts": 1.0,
		"faces": []any{
			map[string]any{
				"id": 1.0, "box": map[string]any{"x": 10.0, "y": 20.0, "width": 30.0, "height": 40.0},
				"landmarks": []any{map[string]any{"x": 11.0, "y": 22.0}}, "reason": "identified", "person": ada,
				"distance": 0.25, "matched_image": "Ada.jpg", "model": "m1", "corrected": false, "quality": nil,
				"explanation": "distance 0.250", "rule": nil,
				"best":   map[string]any{"person": ada, "distance": 0.25},
				"second": map[string]any{"person": map[string]any{"id": 2.0, "name": "Bruno"}, "distance": 0.5},
			},
			map[string]any{
				"id": 2.0, "box": map[string]any{"x": 100.0, "y": 20.0, "width": 30.0, "height": 40.0},
				"landmarks": []any{}, "reason": "unknown_person", "person": nil,
				"distance": nil, "matched_image": "", "model": "m1", "best": nil, "second": nil, "corrected": false, "quality": nil,
				"explanation": "there is no known person near this face", "rule": nil,
			},
		},
	}
	expectFields(t, got, want)
}

// An answer says how it came about: by which rule, how far each network is
// apart, which floor of quality a face fails, and what was wrong with the file.
func TestImageExplainsItself(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enrol("Ada", "Bruno")
	m := faces.Model{
		ID: "both", Size: 320, Networks: "dlib,mobilefacenet", Threshold: 0.75, Margin: 0.0625, FarThreshold: 1, FarMargin: 0.125,
		Floors: faces.Floors{Size: 24},
	}
	if err := b.store.UseModel(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	owners, err := b.store.Owners(t.Context(), []string{"Ada.jpg", "Bruno.jpg"})
	if err != nil {
		t.Fatal(err)
	}
	face := func(x, size int, distance float64) faces.Sighting {
		return faces.Sighting{
			Box: faces.Box{X: x, Width: size, Height: size}, Quality: faces.Quality{Score: 0.5, Size: size, Sharpness: 0.5, Detection: 0.75, CutOff: 0.25},
			Neighbours: []faces.Neighbour{
				{Image: "Ada.jpg", Distance: distance, Parts: faces.Parts{0.5, 0.75}}, {Image: "Bruno.jpg", Distance: 1.5, Parts: faces.Parts{1}},
			},
		}
	}
	id := b.postOne("a.jpg").ID
	b.finish(id, faces.Decide(faces.Recognition{
		Width: 800, Height: 600, Model: m, Omitted: 2, Warning: "the file ends early", People: 2,
		Sightings: []faces.Sighting{face(0, 40, 0.875), face(100, 18, 0.5), face(200, 40, 0.9375)},
	}, func(image string) (faces.Person, bool) { p, ok := owners[image]; return p, ok }))
	got := read[map[string]any](b.get(fmt.Sprintf("/api/v1/images/%d", id)).expect(http.StatusOK))
	for name, want := range map[string]any{
		"reason": "identified", "detail": "Ada, Ada?, Ada?; the file ends early", "warning": "the file ends early", "omitted": 2.0,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	ada, bruno := map[string]any{"id": 1.0, "name": "Ada"}, map[string]any{"id": 2.0, "name": "Bruno"}
	rule := map[string]any{"threshold": 0.75, "margin": 0.0625, "far_threshold": 1.0, "far_margin": 0.125}
	for i, want := range []map[string]any{
		{"reason": "identified", "explanation": "distance 0.875, beyond the threshold of 0.750 but within 1.000, and the second person is more than 0.125 farther"},
		{"reason": "too_small", "explanation": "too small to be named: 18 px, at least 24 are needed", "person": nil},
		{"reason": "uncertain", "explanation": "distance 0.938, but another face of this picture fits the same person better", "person": nil},
	} {
		f := got["faces"].([]any)[i].(map[string]any)
		want["rule"] = rule
		want["second"] = map[string]any{"person": bruno, "distance": 1.5, "parts": []any{map[string]any{"network": "dlib", "distance": 1.0}}}
		if i == 1 {
			want["best"] = map[string]any{"person": ada, "distance": 0.5, "parts": []any{
				map[string]any{"network": "dlib", "distance": 0.5}, map[string]any{"network": "mobilefacenet", "distance": 0.75},
			}}
			want["quality"] = map[string]any{
				"score": 0.5, "size": 18.0, "sharpness": 0.5, "yaw": 0.0, "roll": 0.0, "detection": 0.75, "cut_off": 0.25,
				"floor": map[string]any{"measure": "size", "value": 18.0, "limit": 24.0},
			}
		}
		for name, value := range want {
			if diff := cmp.Diff(value, f[name]); diff != "" {
				t.Errorf("face %d, %s (-want +got):\n%s", i, name, diff)
			}
		}
	}
	// The image's list is filtered by reasons of images only.
	res := b.get("/api/v1/images?reason=too_small").expect(http.StatusBadRequest)
	if !strings.Contains(string(res.body), "a reason of a face, not of an image") {
		t.Errorf("a face's reason as a filter of images: %s", res.body)
	}
}

func TestImageWithoutFaces(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.postOne("a.jpg")
	expectFields(t, read[map[string]any](b.get("/api/v1/images/1").expect(http.StatusOK)), map[string]any{
		"id": 1.0, "path": "/unknown_people/a.jpg", "status": "pending", "reason": "queued", "person": nil,
		"attempts": 0.0, "faces": []any{},
	})
	b.finish(1, faces.Failure(faces.Fault(faces.CorruptImage, "no JPEG")))
	expectFields(t, read[map[string]any](b.get("/api/v1/images/1").expect(http.StatusOK)), map[string]any{
		"id": 1.0, "path": "/unknown_people/a.jpg", "status": "failed", "reason": "corrupt_image", "detail": "no JPEG",
		"person": nil, "attempts": 1.0, "faces": []any{},
	})
}

func TestNoSuchImage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.postOne("a.jpg")
	for id, want := range map[string]int{
		"2": 404, "9223372036854775807": 404, "0": 400, "-1": 400, "one": 400, "1.0": 400, "0x1": 400, "9223372036854775808": 400,
		"1%20": 400, "1'--": 400,
	} {
		code := map[int]string{400: "invalid_request", 404: "not_found"}[want]
		b.get("/api/v1/images/"+id).refused(want, code)
	}
}

type page struct {
	Images []image
	Next   *int64
}

func (b *bench) list(query string) page {
	b.t.Helper()
	return read[page](b.get("/api/v1/images" + query).expect(http.StatusOK))
}

func TestFilters(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enrol("Ada", "Bruno")
	b.postAll("waits.jpg", "ada.jpg", "both.jpg", "nobody.jpg", "corrupt.jpg", "stranger_100%.jpg", "ADA2.jpg")
	sight := func(person string) faces.Sighting {
		return faces.Sighting{Neighbours: []faces.Neighbour{{Image: person + ".jpg", Distance: 0.25}}}
	}
	b.see(2, sight("Ada"))
	b.see(3, sight("Bruno"), sight("Ada"))
	b.see(4)
	b.finish(5, faces.Failure(faces.Fault(faces.CorruptImage, "no JPEG")))
	b.see(6, faces.Sighting{})
	b.see(7, sight("Ada"))
	for query, want := range map[string][]int64{
		"":                                    {7, 6, 5, 4, 3, 2, 1},
		"?order=newest":                       {7, 6, 5, 4, 3, 2, 1},
		"?order=oldest":                       {1, 2, 3, 4, 5, 6, 7},
		"?status=pending":                     {6, 4, 1},
		"?status=processed":                   {7, 3, 2},
		"?status=failed":                      {5},
		"?status=processing":                  {},
		"?reason=queued":                      {1},
		"?reason=no_face":                     {4},
		"?reason=corrupt_image":               {5},
		"?status=pending&reason=no_face":      {4},
		"?person=Ada":                         {7, 3, 2},
		"?person=1":                           {}, // a name, also when it is a number
		"?person_id=1":                        {7, 3, 2},
		"?person_id=1&person=Bruno":           {},
		"?person=Bruno":                       {3},
		"?person_id=2":                        {3},
		"?person_id=99":                       {},
		"?person=ada":                         {},
		"?person=Ada&q=2":                     {7},
		"?q=ada":                              {7, 2},
		"?q=100%25":                           {6},
		"?q=%25":                              {6},
		"?q=_":                                {7, 6, 5, 4, 3, 2, 1}, // the root's own name has one
		"?q=%27%20OR%201%3D1":                 {},
		"?q=%ff":                              {},
		"?status=&reason=&person=&person_id=": {7, 6, 5, 4, 3, 2, 1},
		"?limit=2":                            {7, 6},
		"?limit=2&after=6":                    {5, 4},
		"?limit=2&after=2&order=oldest":       {3, 4},
		"?status=pending&limit=1&after=6":     {4},
		"?after=1":                            {},
		"?after=0":                            {7, 6, 5, 4, 3, 2, 1},
		"?limit=1000":                         {7, 6, 5, 4, 3, 2, 1},
		"?after=9223372036854775807&q=ADA":    {7, 2},
	} {
		expectIDs(t, query, ids(b.list(query).Images), want)
	}
	first := b.list("?person=Bruno").Images
	if len(first) != 1 || first[0].Person == nil || first[0].Person.Name != "Bruno" {
		t.Errorf("got %+v, want Bruno by name", first)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if got := b.get("/api/v1/images").expect(http.StatusOK); string(got.body) != `{"images":[],"next":null}` {
		t.Errorf("nothing is shown as %s", got.body)
	}
	paths := make([]string, 7)
	for i := range paths {
		paths[i] = fmt.Sprintf("%d.jpg", i)
	}
	all := ids(b.postAll(paths...))
	for _, order := range []string{"oldest", "newest"} {
		for limit := 1; limit <= 8; limit++ {
			var got []int64
			pages := 0
			for after := int64(0); ; {
				p := b.list(fmt.Sprintf("?limit=%d&order=%s&after=%d", limit, order, after))
				got = append(got, ids(p.Images)...)
				if pages++; p.Next == nil || pages > 7 {
					break
				}
				after = *p.Next
			}
			if want := (7 + limit - 1) / limit; pages != want {
				t.Errorf("limit %d: %d pages, want %d", limit, pages, want)
			}
			if order == "newest" {
				slices.Reverse(got)
			}
			if diff := cmp.Diff(all, got); diff != "" {
				t.Errorf("limit %d, %s (-want +got):\n%s", limit, order, diff)
			}
		}
	}
}

func TestBadFilters(t *testing.T) {
	t.Parallel()
	c := serve(t, newStore(t), nowhere{})
	for _, query := range []string{
		"status=done", "status=0", "reason=bored", "reason=Queued", "person_id=0", "person_id=-1", "person_id=Ada", "status=processed&reason=no_face", "status=failed&reason=queued", "after=x", "after=-1", "after=1.5",
		"after=9223372036854775808", "limit=0", "limit=-1", "limit=1001", "limit=many", "order=random", "order=DESC",
	} {
		c.get("/api/v1/images?"+query).refused(http.StatusBadRequest, "invalid_request")
	}
}

// A filter with a typing mistake must not select everything. The wire routes take
// anything, because the original's clients may send it.
func TestUnknownQueryParameters(t *testing.T) {
	t.Parallel()
	c := serve(t, newStore(t), nowhere{})
	for _, path := range []string{"/api/v1/images?staus=failed", "/api/v1/images/1?limit=2", "/api/v1/rescans?status=failed", "/api/v1/images?limit=2&Limit=3", "/api/v1/images?%zz"} {
		if got := c.do(http.MethodGet, path, ""); got.code != http.StatusBadRequest {
			t.Errorf("%s: got %d %s", path, got.code, got.body)
		}
	}
	if got := c.post("/image/post?staus=failed", `{"path":"a.jpg"}`); got.code != http.StatusAccepted {
		t.Errorf("a wire route: got %d %s", got.code, got.body)
	}
}

// A status and a reason that no image has together are a mistake, and not a list
// of no images.
func TestContradictingFilters(t *testing.T) {
	t.Parallel()
	c := serve(t, newStore(t), nowhere{})
	for name, a := range map[string]answer{
		"list":  c.get("/api/v1/images?status=processed&reason=no_face"),
		"retry": c.post("/api/v1/images/retry", `{"status":"processed","reason":"no_face"}`),
	} {
		a.refused(http.StatusBadRequest, "invalid_request")
		if text := string(a.body); !strings.Contains(text, "processed") || !strings.Contains(text, "no_face") {
			t.Errorf("%s: %s does not name the pair", name, text)
		}
	}
}

// Numbers are names, too, and everybody in a picture finds it.
func TestPersonFilters(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.enrol("007", "20231234")
	owners, err := b.store.Owners(t.Context(), []string{"007.jpg", "20231234.jpg"})
	if err != nil {
		t.Fatal(err)
	}
	face := func(p faces.Person) faces.Face {
		return faces.Face{Reason: faces.Identified, Person: &p, Best: &faces.Candidate{Person: p}}
	}
	bond, date := owners["007.jpg"], owners["20231234.jpg"] // 1 and 2
	both := b.answered("both.jpg", faces.Outcome{Reason: faces.Identified, Person: &bond, Faces: []faces.Face{face(bond), face(date)}})
	one := b.answered("one.jpg", faces.Outcome{Reason: faces.Identified, Person: &bond, Faces: []faces.Face{face(bond)}})
	for query, want := range map[string][]int64{
		"person=007": {one, both}, "person=20231234": {both}, "person=2": {},
		"person_id=2": {both}, "person_id=002": {both}, "person_id=1": {one, both},
	} {
		list := read[struct{ Images []struct{ ID int64 } }](b.get("/api/v1/images?" + query).expect(http.StatusOK))
		got := []int64{}
		for _, img := range list.Images {
			got = append(got, img.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	for _, filter := range []string{`{"person":"20231234"}`, `{"person_id":2}`, `{"person":"20231234","person_id":2}`} {
		if got := read[struct{ Images int }](b.post("/api/v1/images/retry", filter).expect(http.StatusAccepted)).Images; got != 1 {
			t.Errorf("%s: %d images, want 1", filter, got)
		}
	}
}

func TestTimesAndOrder(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	posted := b.postAll("a.jpg", "b.jpg", "c.jpg")
	b.finish(posted[1].ID, faces.Outcome{Reason: faces.Uncertain})
	at := read[map[string]any](b.get("/api/v1/images/1"))["created_at"].(string)
	for query, want := range map[string][]int64{
		"created_after=" + at:                       {3, 2, 1},
		"created_before=" + at:                      {},
		"created_after=2020-01-01T05:30:00%2B05:30": {3, 2, 1},
		"created_before=2020-01-01T00:00:00Z":       {},
		"created_after=&created_before=":            {3, 2, 1},
		"order=uncertain":                           {2, 3, 1},
		"order=uncertain&q=a":                       {1},
		"order=uncertain&limit=2":                   {2, 3},
	} {
		expectIDs(t, query, ids(read[struct{ Images []image }](b.get("/api/v1/images?"+query).expect(http.StatusOK)).Images), want)
	}
	var all []int64
	for next := "0"; next != ""; {
		page := read[struct {
			Images []image
			Next   *int64
		}](b.get("/api/v1/images?order=uncertain&limit=1&after=" + next).expect(http.StatusOK))
		all, next = append(all, ids(page.Images)...), ""
		if page.Next != nil {
			next = fmt.Sprint(*page.Next)
		}
	}
	expectIDs(t, "page by page", all, []int64{2, 3, 1})
	for _, query := range []string{
		"created_after=yesterday", "created_after=2026-05-04", "created_before=2026-05-04T12:00:00", "created_before=2026-05-04T12:00:00+02:00", "order=doubt",
	} {
		b.get("/api/v1/images?"+query).refused(http.StatusBadRequest, "invalid_request")
	}
}
