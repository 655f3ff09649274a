package receiver_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/compreface"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
)

// caller is a program that was written for CompreFace.
type caller struct {
	*school
	key string
}

// vectorModel is the model set of these tests. Its vectors have two numbers.
var vectorModel = faces.Model{ID: "m1", Size: 2, Threshold: 0.5, Margin: 0.125, Floors: faces.Floors{Size: 20}}

func newCaller(t *testing.T, change ...func(*receiver.Options)) *caller {
	t.Helper()
	s := &school{store: newStore(t), known: t.TempDir(), recognizer: &scripted{
		seen: map[string][]faces.Sighting{}, near: map[string][]faces.Neighbour{},
	}}
	opts := options()
	opts.Address, opts.KnownPeople = "0.0.0.0:8000", s.known
	for _, c := range change {
		c(&opts)
	}
	server := httptest.NewServer(handlerWith(t, s.store, nowhere{}, s.recognizer, opts))
	t.Cleanup(server.Close)
	s.client = &client{t: t, http: server.Client(), url: server.URL}
	if err := s.store.UseModel(t.Context(), vectorModel); err != nil {
		t.Fatal(err)
	}
	g := &guarded{client: s.client, store: s.store}
	return &caller{school: s, key: g.key(access.Limits{}, access.Read, access.People)}
}

// reply is what such a program gets.
type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

func (c *caller) call(method, path, kind string, body []byte) reply {
	c.t.Helper()
	return c.callAs(c.key, method, path, kind, body)
}

func (c *caller) callAs(key, method, path, kind string, body []byte) reply {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("x-api-key", key)
	}
	req.Header.Set("Content-Type", kind)
	res, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return reply{t: c.t, status: res.StatusCode, header: res.Header, body: text}
}

func (c *caller) ask(path string) reply {
	c.t.Helper()
	return c.call(http.MethodGet, path, "", nil)
}

func (c *caller) remove(path string) reply {
	c.t.Helper()
	return c.call(http.MethodDelete, path, "", nil)
}

func (c *caller) sendJSON(method, path string, body any) reply {
	c.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.call(method, path, "application/json", text)
}

// upload sends a form. A part whose name has a "." is a field and no file.
func (c *caller) upload(path string, parts ...string) reply {
	c.t.Helper()
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	for i := 0; i < len(parts); i += 2 {
		name, isField := strings.CutPrefix(parts[i], ".")
		var part io.Writer
		var err error
		if isField {
			part, err = w.CreateFormField(name)
		} else {
			part, err = w.CreateFormFile(name, "../a.jpg")
		}
		if err != nil {
			c.t.Fatal(err)
		}
		if _, err := io.WriteString(part, parts[i+1]); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		c.t.Fatal(err)
	}
	return c.call(http.MethodPost, path, w.FormDataContentType(), out.Bytes())
}

// is expects an answer, as JSON.
func (r reply) is(status int, want string) {
	r.t.Helper()
	var got, wanted any
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		r.t.Fatalf("%v in %s", err, want)
	}
	if err := json.Unmarshal(r.body, &got); err != nil || r.status != status {
		r.t.Fatalf("got %d %s, want %d", r.status, r.body, status)
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		r.t.Errorf("(-want +got):\n%s", diff)
	}
}

// fails expects an error of CompreFace's shape, and returns its message.
func (r reply) fails(status, code int) string {
	r.t.Helper()
	var got map[string]any
	if err := json.Unmarshal(r.body, &got); err != nil {
		r.t.Fatalf("got %d %s", r.status, r.body)
	}
	if r.status != status || got["code"] != float64(code) || len(got) != 2 {
		r.t.Errorf("got %d %s, want %d with the code %d", r.status, r.body, status, code)
	}
	message, _ := got["message"].(string)
	if message == "" {
		r.t.Errorf("no message: %s", r.body)
	}
	return message
}

// into decodes an answer.
func into[T any](r reply, status int) (v T) {
	r.t.Helper()
	if err := json.Unmarshal(r.body, &v); err != nil || r.status != status {
		r.t.Fatalf("got %d %s, want %d", r.status, r.body, status)
	}
	return v
}

// shows makes a picture show faces.
func (c *caller) shows(picture string, sightings ...faces.Sighting) {
	c.recognizer.mu.Lock()
	defer c.recognizer.mu.Unlock()
	c.recognizer.seen[picture] = sightings
}

// sighted is a good face of some size at a place, with all people near it.
func sighted(x, size int, descriptor faces.Descriptor, near ...any) faces.Sighting {
	f := goodFace(near...)
	f.Box = faces.Box{X: x, Y: 10, Width: size, Height: size}
	f.Descriptor, f.Horizon = descriptor, math.Inf(1)
	return f
}

// knows adds a person with a known picture, and returns its id.
func (c *caller) knows(name, picture string) string {
	c.t.Helper()
	c.shows(picture, sighted(0, 120, faces.Descriptor{0, 0}))
	r := c.upload("/api/v1/recognition/faces?subject="+url.QueryEscape(name), "file", picture)
	got := into[struct {
		ImageID string `json:"image_id"`
		Subject string
	}](r, http.StatusCreated)
	if _, err := uuid.Parse(got.ImageID); err != nil || got.Subject != name {
		c.t.Fatalf("added: %s", r.body)
	}
	return got.ImageID
}

// fileOf returns the name of a person's known picture, as recognizers know it.
func (c *caller) fileOf(name string) string {
	c.t.Helper()
	list, _, err := c.store.PublicPictures(c.t.Context(), 0, 0, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, p := range list {
		if p.Owner.Name == name {
			return p.Name
		}
	}
	c.t.Fatalf("%s has no known picture", name)
	return ""
}

const (
	recognizePath = "/api/v1/recognition/recognize"
	facesPath     = "/api/v1/recognition/faces"
	subjectsPath  = "/api/v1/recognition/subjects"
)

// The table of calls, the routes that are served, and the page for users are the same.
func TestCallersRoutesAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/compreface.md")
	if err != nil {
		t.Fatal(err)
	}
	opts := options()
	opts.KeyInAddress = true
	served := map[string]bool{}
	for _, r := range handler(newStore(t), nowhere{}, opts).(httpapi.Lenient).Routes() {
		if compreface.Owns(r.Path) {
			served[r.Method+" "+r.Path] = true
		}
	}
	for _, r := range compreface.Routes() {
		if !served[r.Method+" "+r.Path] {
			t.Errorf("%s %s is not served", r.Method, r.Path)
		}
		delete(served, r.Method+" "+r.Path)
		path := strings.NewReplacer(":id", "{id}", ":key", "{key}", "*name", "{name}").Replace(r.Path)
		if row := fmt.Sprintf("| `%s %s` | `%s` |", r.Method, strings.TrimPrefix(path, "/api/v1"), r.Scope); !strings.Contains(string(page), row) {
			t.Errorf("docs/compreface.md has no row %s", row)
		}
	}
	if len(served) > 0 {
		t.Errorf("served, but not in the table: %v", served)
	}
}

func TestCallersNeedTheirScopes(t *testing.T) {
	t.Parallel()
	c := newCaller(t, func(o *receiver.Options) { o.KeyInAddress = true })
	g := &guarded{client: c.client, store: c.store}
	admin := g.key(access.Limits{}, access.Admin)
	other, _, err := access.NewKey("other", access.ScopesOf(access.Admin), access.Limits{}, time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range compreface.Routes() {
		send := func(key string) reply {
			path := strings.NewReplacer(":id", uuid.NewString(), "*name", "nobody", ":key", key).Replace(r.Path)
			if r.Path == compreface.StaticPath {
				return c.callAs("", r.Method, path, "", nil)
			}
			return c.callAs(key, r.Method, path, "", nil)
		}
		what := r.Method + " " + r.Path
		if r.Path != compreface.StaticPath { // without a key it is another path
			send("").fails(http.StatusBadRequest, 20)
		}
		send("00000000-0000-0000-0000-000000000002").fails(http.StatusNotFound, 10)
		send("rollcall_"+other.ID+"_"+strings.Repeat("A", 43)).fails(http.StatusNotFound, 10)
		others := slices.DeleteFunc(access.AllScopes(), func(s access.Scope) bool { return s == r.Scope || s == access.Admin })
		if message := send(g.key(access.Limits{}, others...)).fails(http.StatusForbidden, 0); !strings.Contains(message, "lacks the scope "+string(r.Scope)) {
			t.Errorf("%s: %s", what, message)
		}
		for _, key := range []string{admin, g.key(access.Limits{}, r.Scope)} {
			if a := send(key); a.status == http.StatusForbidden || strings.Contains(string(a.body), `"code":10}`) || strings.Contains(string(a.body), `"code":20}`) {
				t.Errorf("%s with the right scope: %d %s", what, a.status, a.body)
			}
		}
	}
}

func TestCallersAnswersOfTheServer(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	g := &guarded{client: c.client, store: c.store}
	c.call(http.MethodGet, recognizePath, "", nil).fails(http.StatusNotFound, 0) // a wrong method
	c.call(http.MethodPatch, subjectsPath, "", nil).fails(http.StatusNotFound, 0)
	c.ask("/api/v1/recognition/nothing").fails(http.StatusNotFound, 0)
	c.ask("/api/v1/detection").fails(http.StatusNotFound, 0)
	c.upload(recognizePath, "file", strings.Repeat("a", 40<<10)).fails(http.StatusRequestEntityTooLarge, 0)
	c.upload(recognizePath, "file", strings.Repeat("a", 70<<10)).fails(http.StatusRequestEntityTooLarge, 0)
	once := 1.0 / 3600
	slow := g.key(access.Limits{Rate: &once, Burst: 1}, access.Read)
	c.callAs(slow, http.MethodGet, subjectsPath, "", nil).is(http.StatusOK, `{"subjects":[]}`)
	again := c.callAs(slow, http.MethodGet, subjectsPath, "", nil)
	again.fails(http.StatusTooManyRequests, 0)
	if again.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	c.recognizer.away = true
	c.upload(recognizePath, "file", "a").fails(http.StatusInternalServerError, 41)
}

// Where keys are off, programs may send none.
func TestCallersWithoutKeys(t *testing.T) {
	t.Parallel()
	c := newCaller(t, func(o *receiver.Options) { o.Address = "127.0.0.1:8000" })
	c.callAs("", http.MethodGet, subjectsPath, "", nil).is(http.StatusOK, `{"subjects":[]}`)
	c.callAs("a key of the old server", http.MethodGet, subjectsPath, "", nil).fails(http.StatusNotFound, 10)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+subjectsPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", "http://evil.example")
	res, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	reply{t: t, status: res.StatusCode, body: text}.fails(http.StatusForbidden, 0)
}

func TestCallersRecognize(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	c.shows("group", sighted(300, 60, faces.Descriptor{1, 0}), sighted(10, 100, faces.Descriptor{0, 1}))
	c.upload(recognizePath, "file", "group").is(http.StatusOK, `{"result":[
		{"box":{"probability":0.95,"x_min":10,"y_min":10,"x_max":110,"y_max":110},"subjects":[]},
		{"box":{"probability":0.95,"x_min":300,"y_min":10,"x_max":360,"y_max":70},"subjects":[]}]}`) // nobody is known
	c.knows("Ada", "ada")
	c.knows("Bob", "bob")
	ada, bob := c.fileOf("Ada"), c.fileOf("Bob")
	c.shows("group",
		sighted(300, 60, faces.Descriptor{1, 0}, ada, 0.3, bob, 0.9, ada, 0.31),
		sighted(10, 100, faces.Descriptor{0, 1}, bob, 0.9, ada, 1.0),
		sighted(200, 30, faces.Descriptor{1, 1}, ada, 0.4, bob, 0.9))
	type subject struct {
		Subject    string
		Similarity float64
	}
	type answer struct {
		Result []struct {
			Box       map[string]float64
			Subjects  []subject
			Embedding []float64
			Landmarks [][]int
			Execution map[string]float64 `json:"execution_time"`
		}
		Versions map[string]string `json:"plugins_versions"`
	}
	all := into[answer](c.upload(recognizePath+"?prediction_count=5", "file", "group"), http.StatusOK)
	if len(all.Result) != 3 || all.Result[0].Box["x_min"] != 10 || all.Result[2].Box["x_min"] != 200 {
		t.Fatalf("not the largest first: %+v", all)
	}
	for i, want := range [][]string{{"Bob", "Ada"}, {"Ada", "Bob"}, {"Ada", "Bob"}} {
		got := all.Result[i].Subjects
		if len(got) != 2 || got[0].Subject != want[0] || got[1].Subject != want[1] || got[0].Similarity < got[1].Similarity {
			t.Errorf("face %d: %+v, want %v, each once", i, got, want)
		}
		for n, s := range got {
			if named := i == 1 && n == 0; named != (s.Similarity >= 0.5) || !named && s.Similarity > 0.49 {
				t.Errorf("face %d: %+v", i, s)
			}
		}
	}
	if r := all.Result[0]; r.Embedding != nil || r.Landmarks != nil || r.Execution != nil || all.Versions != nil {
		t.Errorf("what nobody asked for: %+v", r)
	}
	for query, want := range map[string]int{"": 3, "?limit=0": 3, "?limit=2": 2, "?&limit=1": 1, "?limit=9": 3, "?limit=": 3, "?limit=1?status=true": 1} {
		got := into[answer](c.upload(recognizePath+query, "file", "group"), http.StatusOK)
		if len(got.Result) != want || len(got.Result[0].Subjects) != 1 {
			t.Errorf("%q: %+v", query, got.Result)
		}
	}
	full := into[answer](c.upload(recognizePath+"?det_prob_threshold=0.8?status=true", "file", "group", ".face_plugins", "landmarks,calculator,age", ".limit", "1"), http.StatusOK)
	if len(full.Result) != 1 || !cmp.Equal(full.Result[0].Embedding, []float64{0, 1}) || full.Versions["calculator"] != "m1" || full.Result[0].Execution == nil {
		t.Errorf("with everything: %+v", full)
	}
}

// The outcome decides: a client that takes 0.5 for a match agrees with Rollcall.
func TestCallersSimilarityAgreesWithTheRule(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	c.knows("Ada", "ada")
	c.knows("Bob", "bob")
	ada, bob := c.fileOf("Ada"), c.fileOf("Bob")
	small := sighted(0, 120, faces.Descriptor{1, 0}, ada, 0.1, bob, 0.9)
	small.Quality.Size = 10
	for name, tt := range map[string]struct {
		face faces.Sighting
		want string // of the first person
		min  float64
		max  float64
	}{
		"named":              {sighted(0, 120, nil, ada, 0.2, bob, 0.9), "Ada", 0.9, 1},
		"at the threshold":   {sighted(0, 120, nil, ada, 0.5, bob, 0.9), "Ada", 0.5, 0.5},
		"too close to call":  {sighted(0, 120, nil, bob, 0.31, ada, 0.3), "Ada", 0.49, 0.49},
		"of too low quality": {small, "Ada", 0.49, 0.49},
		"a stranger":         {sighted(0, 120, nil, bob, 0.9), "Bob", 0, 0.01},
	} {
		c.shows("question", tt.face)
		got := into[struct {
			Result []struct {
				Subjects []struct {
					Subject    string
					Similarity float64
				}
			}
		}](c.upload(recognizePath+"?prediction_count=2", "file", "question"), http.StatusOK)
		first := got.Result[0].Subjects[0]
		if first.Subject != tt.want || first.Similarity < tt.min || first.Similarity > tt.max {
			t.Errorf("%s: %+v", name, first)
		}
		if name == "too close to call" && len(got.Result[0].Subjects) != 2 {
			t.Errorf("%s: both people are wanted: %+v", name, got.Result[0].Subjects)
		}
	}
}

// A stranger, of whom a recognizer lists few neighbours, still has a nearest person:
// clients read the first one without a look.
func TestCallersNeverGetNobody(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	c.knows("Ada", "ada")
	c.knows("Bob", "bob")
	far := sighted(0, 120, faces.Descriptor{3, 4}, "somebody's who was deleted.jpg", 0.9)
	far.Horizon = 1
	c.shows("stranger", far)
	c.recognizer.near[string(far.Descriptor.Bytes())] = []faces.Neighbour{{Image: "x.jpg", Distance: 0.9}, {Image: c.fileOf("Bob"), Distance: 1}, {Image: c.fileOf("Ada"), Distance: 1.1}}
	for n, want := range map[int]int{1: 1, 2: 2, 7: 2} {
		got := into[struct {
			Result []struct{ Subjects []map[string]any }
		}](c.upload(fmt.Sprintf("%s?prediction_count=%d", recognizePath, n), "file", "stranger"), http.StatusOK)
		if list := got.Result[0].Subjects; len(list) != want || list[0]["subject"] != "Bob" {
			t.Errorf("%d: %v", n, list)
		}
	}
}

func TestCallersPictures(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	c.knows("Ada", "ada")
	c.shows("\xff\xd8\xff picture", sighted(0, 120, faces.Descriptor{1, 0}, c.fileOf("Ada"), 0.2))
	c.shows("empty room")
	encoded := base64.StdEncoding.EncodeToString([]byte("\xff\xd8\xff picture"))
	for name, body := range map[string]string{
		"base64":                 encoded,
		"without padding":        strings.TrimRight(encoded, "="),
		"in lines":               encoded[:8] + "\r\n" + encoded[8:],
		"for addresses":          base64.URLEncoding.EncodeToString([]byte("\xff\xd8\xff picture")),
		"a data: URL":            "data:image/jpeg;base64," + encoded,
		"a data: URL, longer":    "data:image/jpeg;name=a.jpg;base64," + encoded,
		"a data: URL of no type": "data:;base64," + encoded,
	} {
		r := c.sendJSON(http.MethodPost, recognizePath, map[string]any{"file": body, "more": 1})
		if r.status != http.StatusOK {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
		if r := c.call(http.MethodPost, "/api/v1/detection/detect/?&limit=1", "text/plain", []byte(`{"file":"`+strings.ReplaceAll(body, "\r\n", "")+`"}`)); r.status != http.StatusOK {
			t.Errorf("%s, as text: %d %s", name, r.status, r.body)
		}
	}
	if r := c.upload(recognizePath, "file", "data:image/jpeg;base64,"+encoded); r.status != http.StatusOK {
		t.Errorf("a data: URL in a form: %d %s", r.status, r.body)
	}
	for name, tt := range map[string]struct {
		reply  reply
		status int
		code   int
	}{
		"no face":               {c.upload(recognizePath, "file", "empty room"), 400, 28},
		"no face that is clear": {c.upload(recognizePath+"?det_prob_threshold=0.99", "file", "\xff\xd8\xff picture"), 400, 28},
		"no face to detect":     {c.upload("/api/v1/detection/detect", "file", "empty room"), 400, 28},
		"no picture":            {c.upload(recognizePath, "file", "text"), 400, 21},
		"no base64":             {c.sendJSON(http.MethodPost, recognizePath, map[string]string{"file": "%%%"}), 400, 21},
		"a number":              {c.sendJSON(http.MethodPost, recognizePath, map[string]int{"file": 7}), 400, 21},
		"no part":               {c.upload(recognizePath, "picture", "empty room"), 400, 34},
		"an empty part":         {c.upload(recognizePath, "file", ""), 400, 34},
		"no field":              {c.sendJSON(http.MethodPost, recognizePath, map[string]int{}), 400, 34},
		"no body":               {c.call(http.MethodPost, recognizePath, "", nil), 400, 34},
		"the file alone":        {c.call(http.MethodPost, recognizePath, "image/jpeg", []byte("\xff\xd8\xff picture")), 400, 34},
		"half a form":           {c.call(http.MethodPost, recognizePath, "multipart/form-data; boundary=x", []byte("--x\r\nContent-Disp")), 400, 0},
		"half an object":        {c.call(http.MethodPost, recognizePath, "application/json", []byte(`{"file":"`)), 400, 0},
		"a limit below 0":       {c.upload(recognizePath+"?limit=-1", "file", "\xff\xd8\xff picture"), 400, 26},
		"no predictions":        {c.upload(recognizePath, "file", "\xff\xd8\xff picture", ".prediction_count", "0"), 400, 26},
		"too much base64":       {c.sendJSON(http.MethodPost, recognizePath, map[string]string{"file": strings.Repeat("A", 50<<10)}), 413, 0},
	} {
		t.Run(name, func(t *testing.T) {
			tt.reply.t = t
			message := tt.reply.fails(tt.status, tt.code)
			if tt.code == 28 && message != "No face is found in the given image" {
				t.Errorf("message %q: clients compare it", message)
			}
		})
	}
}

func TestCallersDetect(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	face := sighted(600, 100, faces.Descriptor{1, 0})
	face.Landmarks = []faces.Point{{X: 610, Y: 20}, {X: 630, Y: 20}}
	c.shows("one", face)
	const box = `"box":{"probability":0.95,"x_min":600,"y_min":10,"x_max":640,"y_max":110}` // cut at the picture's edge
	for _, query := range []string{"", "?face_plugins=undefined", "?face_plugins=age,gender,mask"} {
		c.upload("/api/v1/detection/detect"+query, "file", "one").is(http.StatusOK, `{"result":[{`+box+`}]}`)
	}
	c.upload("/api/v1/detection/detect", ".face_plugins", "landmarks", "file", "one").is(http.StatusOK, `{"result":[{`+box+`,"landmarks":[[610,20],[630,20]]}]}`)
}

func TestCallersFaces(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	ids := map[string]string{}
	for n := range 3 {
		picture := fmt.Sprintf("\xff\xd8\xffada %d", n)
		ids[picture] = c.knows("Ada L", picture)
	}
	bob := c.knows("Bob?", "\xff\xd8\xffbob")
	if again := c.knows("Bob?", "\xff\xd8\xffbob"); again != bob {
		t.Errorf("the same picture again has another id: %s, %s", bob, again)
	}
	type page struct {
		Faces []struct {
			ImageID string `json:"image_id"`
			Subject string
		}
		PageNumber    int `json:"page_number"`
		PageSize      int `json:"page_size"`
		TotalPages    int `json:"total_pages"`
		TotalElements int `json:"total_elements"`
	}
	for query, want := range map[string][5]int{ // faces, page, size, pages, elements
		"":                          {4, 0, 20, 1, 4},
		"/":                         {4, 0, 20, 1, 4},
		"?page=1&size=3":            {1, 1, 3, 2, 4},
		"?page=7&size=3":            {0, 7, 3, 2, 4},
		"?page=9223372036854775807": {0, math.MaxInt, 20, 1, 4},
		"?size=99999":               {4, 0, 1000, 1, 4},
		"?subject=Ada%20L&size=2":   {2, 0, 2, 2, 3},
		"?subject=Bob?":             {1, 0, 20, 1, 1},
		"?subject=Nobody":           {0, 0, 20, 0, 0},
	} {
		got := into[page](c.ask(facesPath+query), http.StatusOK)
		if is := [5]int{len(got.Faces), got.PageNumber, got.PageSize, got.TotalPages, got.TotalElements}; is != want || got.Faces == nil {
			t.Errorf("%q: %+v, want %v", query, got, want)
		}
	}
	c.ask(facesPath+"?page=-1").fails(400, 26)
	c.ask(facesPath+"?size=0").fails(400, 26)

	for picture, id := range ids {
		r := c.ask(facesPath + "/" + strings.ToUpper(id) + "/img")
		if r.status != http.StatusOK || string(r.body) != picture || r.header.Get("Content-Type") != "image/jpeg" {
			t.Errorf("the file of %q: %d %q %s", picture, r.status, r.body, r.header.Get("Content-Type"))
		}
	}
	c.ask(facesPath+"/"+uuid.NewString()+"/img").fails(404, 44)
	c.ask(facesPath+"/7/img").fails(400, 26)

	first := ids["\xff\xd8\xffada 0"]
	c.remove(facesPath+"/"+first).is(http.StatusOK, `{"image_id":"`+first+`","subject":"Ada L"}`)
	c.remove(facesPath+"/"+first).fails(404, 44)
	second := ids["\xff\xd8\xffada 1"]
	c.sendJSON(http.MethodPost, facesPath+"/delete", []string{uuid.NewString(), second, "7", second}).is(http.StatusOK, `[{"image_id":"`+second+`","subject":"Ada L"}]`)
	c.sendJSON(http.MethodPost, facesPath+"/delete", []string{}).is(http.StatusOK, `[]`)
	c.sendJSON(http.MethodPost, facesPath+"/delete", "all").fails(400, 0)
	for _, none := range []string{"Nobody", "undefined", "None"} {
		c.remove(facesPath+"?subject="+none).is(http.StatusOK, `{"deleted":0}`)
	}
	c.remove(facesPath+"?subject=Ada+L").is(http.StatusOK, `{"deleted":1}`)
	c.remove(facesPath).is(http.StatusOK, `{"deleted":1}`)
	c.ask(subjectsPath).is(http.StatusOK, `{"subjects":["Ada L","Bob?"]}`)
	if files, err := filepath.Glob(filepath.Join(c.known, faces.WrittenFolder, "*", "*")); err != nil || len(files) != 0 {
		t.Errorf("files that are left: %v, %v", files, err)
	}
	entries, err := c.store.Audit(t.Context(), 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	count := map[access.Action]int{}
	for _, e := range entries {
		if e.KeyID != "" && e.RequestID != "" {
			count[e.Action]++
		}
	}
	if count[access.KnownPictureAdded] != 4 || count[access.KnownPictureDeleted] != 4 || count[access.PersonAdded] != 2 {
		t.Errorf("audit log: %v", count)
	}
}

// What CompreFace has a code for gets it; Rollcall's other rules say what is wrong. A
// picture that is refused leaves nobody behind.
func TestCallersPicturesThatAreRefused(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	c.knows("Ada", "ada")
	small := sighted(0, 120, faces.Descriptor{1, 0})
	small.Quality.Size = 30
	c.shows("nobody")
	c.shows("two", sighted(0, 120, nil), sighted(200, 120, nil))
	c.shows("small", small)
	c.shows("looks like Ada", sighted(0, 120, nil, c.fileOf("Ada"), 0.3))
	c.shows("ada again", sighted(0, 120, nil, c.fileOf("Ada"), 0.1))
	c.shows("good", sighted(0, 120, nil))
	for name, tt := range map[string]struct {
		query, picture string
		status, code   int
	}{
		"no face":                  {"?subject=Eve", "nobody", 400, 28},
		"several faces":            {"?subject=Eve", "two", 400, 31},
		"a small face":             {"?subject=Eve", "small", 400, 0},
		"the face of another":      {"?subject=Eve", "looks like Ada", 400, 0},
		"the same face":            {"?subject=Ada", "ada again", 400, 0},
		"the picture of another":   {"?subject=Eve", "ada", 400, 0},
		"not clear enough":         {"?subject=Eve&det_prob_threshold=0.99", "good", 400, 28},
		"no picture":               {"?subject=Eve", "text", 400, 21},
		"no part":                  {"?subject=Eve", "", 400, 34},
		"no subject":               {"", "good", 400, 33},
		"a subject of spaces":      {"?subject=%20", "good", 400, 33},
		"another spelling of Ada":  {"?subject=ADA", "good", 400, 0},
		"a name that is too long":  {"?subject=" + strings.Repeat("a", 300), "good", 400, 26},
		"a threshold that is none": {"?subject=Eve?det_prob_threshold=2", "good", 400, 26},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.upload(facesPath+tt.query, "file", tt.picture)
			r.t = t
			if message := r.fails(tt.status, tt.code); tt.code == 0 && strings.Contains(message, "Ada") && tt.picture != "good" {
				t.Errorf("the message has somebody's name: %s", message)
			}
		})
	}
	c.ask(subjectsPath).is(http.StatusOK, `{"subjects":["Ada"]}`)
	r := c.upload(facesPath, ".subject", "Eve", ".det_prob_threshold", "0.5", "file", "good")
	into[map[string]string](r, http.StatusCreated)
}

func TestCallersSubjects(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	c.ask(subjectsPath).is(http.StatusOK, `{"subjects":[]}`)
	c.sendJSON(http.MethodPost, subjectsPath+"/", map[string]string{"subject": "Ada"}).is(http.StatusCreated, `{"subject":"Ada"}`) // .NET
	c.sendJSON(http.MethodPost, subjectsPath, map[string]string{"subject": "Ada"}).fails(400, 43)
	c.sendJSON(http.MethodPost, subjectsPath, map[string]string{"subject": " "}).fails(400, 26)
	c.sendJSON(http.MethodPost, subjectsPath, []int{}).fails(400, 0)
	c.sendJSON(http.MethodPost, subjectsPath, map[string]string{"subject": strings.Repeat("a", 300)}).fails(400, 26)
	c.knows("Bob & Co / Söhne", "bob")
	bob := subjectsPath + "/" + url.PathEscape("Bob & Co / Söhne")
	c.sendJSON(http.MethodPut, bob, map[string]string{"subject": "Bob", "api_endpoint": "x"}).is(http.StatusOK, `{"updated":true}`) // Python
	c.sendJSON(http.MethodPut, bob, map[string]string{"subject": "Bob"}).fails(404, 42)
	c.sendJSON(http.MethodPut, subjectsPath+"/Bob", map[string]string{"subject": "Bob"}).is(http.StatusOK, `{"updated":true}`)
	c.sendJSON(http.MethodPut, subjectsPath+"/Bob", map[string]string{"subject": ""}).fails(400, 26)
	c.sendJSON(http.MethodPut, subjectsPath+"/Bob", map[string]string{"subject": "Ada"}).is(http.StatusOK, `{"updated":true}`) // merges
	c.ask(subjectsPath).is(http.StatusOK, `{"subjects":["Ada"]}`)
	if got := into[struct{ Faces []map[string]string }](c.ask(facesPath+"?subject=Ada"), http.StatusOK); len(got.Faces) != 1 {
		t.Errorf("after the merge: %v", got)
	}
	c.remove(subjectsPath+"/Nobody").fails(404, 42)
	c.remove(subjectsPath+"/Ada").is(http.StatusOK, `{"subject":"Ada"}`)
	c.knows("Eve", "eve")
	c.sendJSON(http.MethodPost, subjectsPath, map[string]string{"subject": "Mallory"})
	c.remove(subjectsPath).is(http.StatusOK, `{"deleted":2}`)
	c.ask(facesPath).is(http.StatusOK, `{"faces":[],"page_number":0,"page_size":20,"total_pages":0,"total_elements":0}`)
}

// A program whose variable is empty does not delete everybody.
func TestCallersDeleteOnlyWhatIsNamed(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	c.knows("Ada", "ada")
	for _, path := range []string{
		facesPath + "?subject=", facesPath + "?subject", facesPath + "?subject=%20", facesPath + "?subject=&subject=Ada",
		facesPath + "?subject=?det_prob_threshold=0.8", facesPath + "?x=1&subject=", facesPath + "/", facesPath + "/?subject=Ada", facesPath + "%2F",
		subjectsPath + "/", subjectsPath + "/?x=1", subjectsPath + "%2F", subjectsPath + "?subject=Ada", subjectsPath + "?subject=",
	} {
		c.remove(path).fails(400, 26)
	}
	for _, path := range []string{subjectsPath + "//", subjectsPath + "/%20", subjectsPath + "/%2F"} {
		c.remove(path).fails(404, 42)
	}
	c.ask(subjectsPath).is(http.StatusOK, `{"subjects":["Ada"]}`)
	c.remove(facesPath).is(http.StatusOK, `{"deleted":1}`)
	c.remove(subjectsPath).is(http.StatusOK, `{"deleted":1}`)
}

func TestCallersVerify(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	id := c.knows("Ada", "ada") // its face is at 0, 0
	c.shows("source", sighted(0, 120, faces.Descriptor{0, 0}))
	c.shows("target", sighted(0, 90, faces.Descriptor{0, 1}), sighted(200, 60, faces.Descriptor{0, 0.25}), sighted(300, 100, faces.Descriptor{1, 1}))
	c.shows("empty")
	type face struct {
		Box        map[string]float64
		Similarity float64
		Subject    string
	}
	type answer struct {
		Result []struct {
			Source  face   `json:"source_image_face"`
			Matches []face `json:"face_matches"`
		}
	}
	const path = "/api/v1/verification/verify"
	for query, want := range map[string][]float64{"": {200, 300, 0}, "?limit=1": {300}, "?limit=2": {300, 0}} {
		got := into[answer](c.upload(path+query, "source_image", "source", "target_image", "target"), http.StatusOK).Result
		var order []float64
		for _, m := range got[0].Matches {
			order = append(order, m.Box["x_min"])
			if near := m.Box["x_min"] == 200; near != (m.Similarity >= 0.5) || m.Subject != "" {
				t.Errorf("%q: %+v", query, m)
			}
		}
		if len(got) != 1 || !slices.Equal(order, want) || got[0].Source.Box["x_max"] != 120 {
			t.Errorf("%q: %+v, want %v", query, got, want)
		}
	}
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	into[answer](c.sendJSON(http.MethodPost, path, map[string]string{"source_image": encode("source"), "target_image": "data:image/png;base64," + encode("target")}), http.StatusOK)
	c.upload(path, "source_image", "target", "target_image", "source").fails(400, 31)
	c.upload(path, "source_image", "empty", "target_image", "source").fails(400, 28)
	c.upload(path, "source_image", "source", "target_image", "empty").fails(400, 28)
	c.upload(path, "source_image", "source").fails(400, 34)

	stored := into[struct{ Result []face }](c.upload(facesPath+"/"+id+"/verify", "file", "target"), http.StatusOK).Result
	if len(stored) != 3 || stored[0].Subject != "Ada" || stored[0].Similarity < 0.5 || stored[1].Similarity > 0.49 {
		t.Errorf("with the known picture: %+v", stored)
	}
	c.upload(facesPath+"/"+uuid.NewString()+"/verify", "file", "target").fails(404, 44)
	c.upload(facesPath+"/"+id+"/verify", "file", "empty").fails(400, 28)
	if err := os.Remove(filepath.Join(c.known, filepath.FromSlash(c.fileOf("Ada")))); err != nil {
		t.Fatal(err)
	}
	c.upload(facesPath+"/"+id+"/verify", "file", "target").fails(404, 44)
	c.ask(facesPath+"/"+id+"/img").fails(404, 44)
}

func TestCallersVectors(t *testing.T) {
	t.Parallel()
	c := newCaller(t)
	id := c.knows("Ada", "ada") // its face is at 0, 0
	c.knows("Bob", "bob")
	near, far := faces.Descriptor{0, 0.25}, faces.Descriptor{0, 9}
	c.recognizer.near[string(near.Bytes())] = []faces.Neighbour{{Image: c.fileOf("Ada"), Distance: 0.25}, {Image: c.fileOf("Bob"), Distance: 2}}
	c.recognizer.near[string(far.Bytes())] = []faces.Neighbour{{Image: c.fileOf("Bob"), Distance: 8}, {Image: c.fileOf("Ada"), Distance: 9}}
	vectors := map[string]any{"embeddings": []faces.Descriptor{near, far}}
	c.sendJSON(http.MethodPost, "/api/v1/recognition/embeddings/recognize?prediction_count=2", vectors).is(http.StatusOK, `{"result":[
		{"embedding":[0,0.25],"similarities":[{"subject":"Ada","similarity":0.99959},{"subject":"Bob","similarity":0}]},
		{"embedding":[0,9],"similarities":[{"subject":"Bob","similarity":0},{"subject":"Ada","similarity":0}]}]}`)
	const compared = `{"result":[{"embedding":[0,0.25],"similarity":0.99959},{"embedding":[0,9],"similarity":0}]}`
	c.sendJSON(http.MethodPost, "/api/v1/recognition/embeddings/faces/"+id+"/verify", vectors).is(http.StatusOK, compared)
	c.sendJSON(http.MethodPost, "/api/v1/verification/embeddings/verify", map[string]any{"source": []int{0, 0}, "targets": []faces.Descriptor{near, far}}).is(http.StatusOK, compared)
	for _, path := range []string{"/api/v1/recognition/embeddings/recognize", "/api/v1/recognition/embeddings/faces/" + id + "/verify"} {
		c.sendJSON(http.MethodPost, path, map[string]any{"embeddings": [][]int{{1, 2, 3}}}).fails(400, 26)
		c.sendJSON(http.MethodPost, path, map[string]any{"embeddings": [][]int{}}).fails(400, 26)
		c.sendJSON(http.MethodPost, path, map[string]any{"embeddings": "x"}).fails(400, 0)
		c.sendJSON(http.MethodPost, path, map[string]any{"embeddings": make([][2]int, 1001)}).fails(400, 26)
	}
	c.sendJSON(http.MethodPost, "/api/v1/recognition/embeddings/faces/"+uuid.NewString()+"/verify", vectors).fails(404, 44)
	c.sendJSON(http.MethodPost, "/api/v1/verification/embeddings/verify", map[string]any{"source": []int{0}, "targets": []faces.Descriptor{near}}).fails(400, 26)
	c.sendJSON(http.MethodPost, "/api/v1/verification/embeddings/verify", map[string]any{"source": []int{0, 0}}).fails(400, 26)
}

func TestCallersKeyInAddress(t *testing.T) {
	t.Parallel()
	off := newCaller(t)
	id := off.knows("Ada", "\xff\xd8\xffada")
	if message := off.callAs("", http.MethodGet, "/api/v1/static/"+off.key+"/images/"+id, "", nil).fails(404, 0); strings.Contains(message, off.key) {
		t.Errorf("the answer repeats the key: %s", message)
	}
	on := newCaller(t, func(o *receiver.Options) { o.KeyInAddress = true })
	id = on.knows("Ada", "\xff\xd8\xffada")
	r := on.callAs("", http.MethodGet, "/api/v1/static/"+on.key+"/images/"+id, "", nil)
	if r.status != http.StatusOK || string(r.body) != "\xff\xd8\xffada" || r.header.Get("Content-Type") != "image/jpeg" || r.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("got %d %q %v", r.status, r.body, r.header)
	}
	on.callAs("", http.MethodGet, "/api/v1/static/"+on.key+"/images/"+uuid.NewString(), "", nil).fails(404, 44)
	on.callAs(on.key, http.MethodGet, "/api/v1/static/wrong/images/"+id, "", nil).fails(404, 10)
}
