package receiver_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	stdimage "image"
	"image/color"
	"image/jpeg"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func TestConsent(t *testing.T) {
	t.Parallel()
	b := serve(t, newStore(t), nowhere{})
	ada := read[api.PersonDetail](b.post("/api/v1/people", body("name", "Ada")).expect(http.StatusCreated)).ID
	path := fmt.Sprintf("/api/v1/people/%d/consent", ada)
	if got := read[api.Consent](b.get(path).expect(http.StatusOK)); got.State != api.ConsentNone || got.Person.Name != "Ada" || got.Basis != nil || got.From != nil {
		t.Errorf("at first: %+v", got)
	}
	b.do(http.MethodDelete, path, "").refused(http.StatusNotFound, "not_found")
	got := read[api.Consent](b.do(http.MethodPut, path, `{"basis":"consent","until":"2900-01-01T00:00:00Z"}`).expect(http.StatusOK))
	if got.State != api.ConsentGiven || *got.Basis != api.BasisConsent || got.Until.Year() != 2900 || got.From == nil || got.RecordedAt == nil {
		t.Errorf("recorded: %+v", got)
	}
	for _, bad := range []string{
		`{}`, `{"basis":"because"}`, `{"basis":"consent","until":"2000-01-01T00:00:00Z"}`, `{"basis":"consent","note":"Ada Lovelace"}`, `{"basis":"consent","until":"soon"}`,
	} {
		if a := b.do(http.MethodPut, path, bad); a.code != http.StatusBadRequest && a.code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", bad, a.code, a.body)
		}
	}
	if list := read[api.ConsentList](b.get("/api/v1/consents?lapsing_within=30").expect(http.StatusOK)).Consents; len(list) != 0 {
		t.Errorf("lapsing: %+v", list)
	}
	if list := read[api.ConsentList](b.get("/api/v1/consents").expect(http.StatusOK)).Consents; len(list) != 1 || list[0].Person.ID != ada {
		t.Errorf("all: %+v", list)
	}
	b.get("/api/v1/consents?lapsing_within=0").refused(http.StatusBadRequest, "invalid_request")
	if got := read[api.Consent](b.do(http.MethodDelete, path, "").expect(http.StatusOK)); got.State != api.ConsentWithdrawn || got.WithdrawnAt == nil {
		t.Errorf("withdrawn: %+v", got)
	}
	b.get("/api/v1/people/99/consent").refused(http.StatusNotFound, "not_found")
}

func TestRetention(t *testing.T) {
	t.Parallel()
	b := serve(t, newStore(t), nowhere{})
	if got := read[api.Retention](b.get("/api/v1/retention").expect(http.StatusOK)); len(got.Rules) != 0 || got.Declared || got.LastRun != nil {
		t.Errorf("at first: %+v", got)
	}
	rules := `{"rules":[{"outcome":"unknown_person","days":30},{"outcome":"failed","days":7,"corrected":true}]}`
	plan := read[api.RetentionPlan](b.do(http.MethodPut, "/api/v1/retention?dry_run=true", rules).expect(http.StatusOK))
	if !plan.DryRun || plan.Images != 0 || plan.Oldest != nil || len(plan.Rules) != 2 {
		t.Errorf("tried: %+v", plan)
	}
	if got := read[api.Retention](b.get("/api/v1/retention").expect(http.StatusOK)); len(got.Rules) != 0 {
		t.Errorf("a dry run stored %+v", got)
	}
	b.do(http.MethodPut, "/api/v1/retention", rules).expect(http.StatusOK)
	if got := read[api.Retention](b.get("/api/v1/retention").expect(http.StatusOK)); len(got.Rules) != 2 || got.Rules[1].Corrected == nil || !*got.Rules[1].Corrected {
		t.Errorf("stored: %+v", got)
	}
	for _, bad := range []string{`{}`, `{"rules":null}`, `{"rules":[{"outcome":"queued","days":1}]}`, `{"rules":[{"outcome":"no_face","days":0}]}`, `{"rules":[],"all":true}`} {
		if a := b.do(http.MethodPut, "/api/v1/retention", bad); a.code != http.StatusBadRequest && a.code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", bad, a.code, a.body)
		}
	}
	opts := options()
	opts.Retention = faces.Retention{{Outcome: "no_face", Days: 3}}
	declared := serveWith(t, newStore(t), nowhere{}, opts)
	if got := read[api.Retention](declared.get("/api/v1/retention").expect(http.StatusOK)); !got.Declared || len(got.Rules) != 1 {
		t.Errorf("declared: %+v", got)
	}
	declared.do(http.MethodPut, "/api/v1/retention", rules).refused(http.StatusConflict, "conflict")
	declared.do(http.MethodPut, "/api/v1/retention?dry_run=true", rules).expect(http.StatusOK)
}

func TestAuditByThing(t *testing.T) {
	t.Parallel()
	b := serve(t, newStore(t), nowhere{})
	for _, name := range []string{"Ada", "Bob"} {
		b.post("/api/v1/people", body("name", name)).expect(http.StatusCreated)
	}
	for query, want := range map[string]int{"": 2, "?target=person&target_id=2": 1, "?target=image": 0, "?since=2900-01-01T00:00:00Z": 0, "?until=2900-01-01T00:00:00Z": 2} {
		if got := len(read[api.AuditList](b.get("/api/v1/audit" + query).expect(http.StatusOK)).Entries); got != want {
			t.Errorf("%s: %d entries, want %d", query, got, want)
		}
	}
	b.get("/api/v1/audit?target_id=2").refused(http.StatusBadRequest, "invalid_request")
	b.get("/api/v1/audit?since=yesterday").refused(http.StatusBadRequest, "invalid_request")
}

// exported is an archive, read and checked against its manifest.
type exported struct {
	files   map[string][]byte
	order   []string
	missing []string
}

func (l *lab) export(path string) exported {
	l.t.Helper()
	a := l.do(http.MethodGet, path, "")
	if a.code != http.StatusOK || a.header.Get("Content-Type") != "application/zip" {
		l.t.Fatalf("GET %s: %d %s", path, a.code, a.body)
	}
	return readArchive(l.t, a.body)
}

func readArchive(t *testing.T, content []byte) exported {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	e := exported{files: map[string][]byte{}}
	for _, f := range r.File {
		file, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(file)
		if err != nil {
			t.Fatal(err)
		}
		if !filepath.IsLocal(f.Name) || strings.ContainsAny(f.Name, `\:*?"<>|`) || e.files[f.Name] != nil {
			t.Errorf("the file name %q is hostile, or there twice", f.Name)
		}
		e.files[f.Name], e.order = text, append(e.order, f.Name)
	}
	var m struct {
		Files []struct {
			Path, SHA256 string
			Size         int
		}
		Missing []struct {
			What, Why string
			ID        int64
		}
	}
	if err := json.Unmarshal(e.files["manifest.json"], &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Files) != len(r.File)-1 || e.order[len(e.order)-1] != "manifest.json" {
		t.Errorf("the manifest has %d files of %v", len(m.Files), e.order)
	}
	for _, f := range m.Files {
		if sum := sha256.Sum256(e.files[f.Path]); hex.EncodeToString(sum[:]) != f.SHA256 || f.Size != len(e.files[f.Path]) {
			t.Errorf("%s is not what the manifest says", f.Path)
		}
	}
	for _, f := range m.Missing {
		e.missing = append(e.missing, fmt.Sprintf("%s %d %s", f.What, f.ID, f.Why))
	}
	return e
}

// pictures returns the names of the pictures.
func (e exported) pictures() (names []string) {
	for _, name := range e.order {
		if strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	return names
}

// newExport is a lab in which Ann, of a hostile name, is in a picture with others.
func newExport(t *testing.T) (l *lab, ann, group int64) {
	t.Helper()
	known := ""
	l = newLab(t, func(o *receiver.Options) {
		known = filepath.Join(filepath.Dir(o.UnknownPeople), "known")
		o.KnownPeople, o.MaxIdentify = known, 1<<20
	})
	wide := fakeengine.Draw(960, 240, fakeengine.Face{Box: stdimage.Rect(60, 60, 180, 180), Colour: red}, fakeengine.Face{Box: stdimage.Rect(660, 60, 780, 180), Colour: green})
	hostile := "..%2f..  \u202egnp.exe:`$(rm -rf)`.png"
	l.write(filepath.Join(l.dir, hostile), fakeengine.PNG(wide))
	group = l.queue(hostile)
	people := read[api.PersonList](l.get("/api/v1/people?name=Ann").expect(http.StatusOK)).People
	ann = people[0].ID
	l.do(http.MethodPatch, fmt.Sprintf("/api/v1/people/%d", ann), body("name", "../../etc/Ann \u202e"), "If-Match", "*")
	return l, ann, group
}

func TestExport(t *testing.T) {
	t.Parallel()
	l, ann, group := newExport(t)
	e := l.export(fmt.Sprintf("/api/v1/people/%d/export", ann))
	want := []string{"known-pictures/1-1.png", fmt.Sprintf("images/%d-2f__________gnp_exe____rm_-rf.png", group)}
	got := e.pictures()
	if len(got) != 2 || got[0] != want[0] || !strings.HasPrefix(got[1], fmt.Sprintf("images/%d-", group)) || !strings.HasSuffix(got[1], ".png") {
		t.Errorf("pictures %q, want such as %q", got, want)
	}
	original, err := os.ReadFile(filepath.Join(l.dir, "..%2f..  \u202egnp.exe:`$(rm -rf)`.png"))
	if err != nil || !bytes.Equal(e.files[got[1]], original) {
		t.Errorf("the picture is not the original file (%v)", err)
	}
	for _, name := range []string{"person.json", "known-pictures.json", "faces.json", "images.json", "corrections.json", "audit.json"} {
		if !json.Valid(e.files[name]) {
			t.Errorf("%s is no JSON: %s", name, e.files[name])
		}
		if bytes.Contains(e.files[name], []byte("Bob")) {
			t.Errorf("%s tells of somebody else: %s", name, e.files[name])
		}
	}
	var found []struct {
		ImageID    int64  `json:"image_id"`
		Is         bool   `json:"is_the_person"`
		Descriptor []byte `json:"descriptor"`
	}
	if err := json.Unmarshal(e.files["faces.json"], &found); err != nil {
		t.Fatal(err)
	}
	own := slices.IndexFunc(found, func(f struct {
		ImageID    int64  `json:"image_id"`
		Is         bool   `json:"is_the_person"`
		Descriptor []byte `json:"descriptor"`
	}) bool {
		return f.Is
	})
	if own < 0 || len(found[own].Descriptor) == 0 || found[own].ImageID != group {
		t.Errorf("faces: %s", e.files["faces.json"])
	}
	if !bytes.Contains(e.files["audit.json"], []byte("person.export")) {
		t.Errorf("the export is not in the audit log: %s", e.files["audit.json"])
	}
}

// A file that is missing, or another one by now, is listed.
func TestExportWithoutFiles(t *testing.T) {
	t.Parallel()
	l, ann, group := newExport(t)
	l.write(filepath.Join(l.dir, "second.png"), fakeengine.Portrait(red))
	second := l.queue("second.png")
	l.write(filepath.Join(l.dir, "second.png"), fakeengine.Portrait(blue))
	for _, name := range []string{filepath.Join(l.dir, "..%2f..  \u202egnp.exe:`$(rm -rf)`.png"), filepath.Join(l.dir, "../known/Ann/1.png")} {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for _, query := range []string{"", "?blur_others=true"} {
		e := l.export(fmt.Sprintf("/api/v1/people/%d/export%s", ann, query))
		if len(e.pictures()) != 0 || len(e.missing) != 3 {
			t.Errorf("pictures %v, missing %q", e.pictures(), e.missing)
		}
		if all := strings.Join(e.missing, "; "); !strings.Contains(all, fmt.Sprintf("image %d not_found", group)) || !strings.Contains(all, fmt.Sprintf("image %d the file", second)) {
			t.Errorf("missing: %s", all)
		}
	}
	l.get("/api/v1/people/99/export").refused(http.StatusNotFound, "not_found")
}

func TestExportBlursOthers(t *testing.T) {
	t.Parallel()
	l, ann, _ := newExport(t)
	plain := l.export(fmt.Sprintf("/api/v1/people/%d/export", ann))
	e := l.export(fmt.Sprintf("/api/v1/people/%d/export?blur_others=true", ann))
	if len(e.pictures()) != 2 || len(e.missing) != 0 {
		t.Fatalf("pictures %v, missing %q", e.pictures(), e.missing)
	}
	before, _, err := stdimage.Decode(bytes.NewReader(plain.files[plain.pictures()[1]]))
	if err != nil {
		t.Fatal(err)
	}
	after, err := jpeg.Decode(bytes.NewReader(e.files[e.pictures()[1]]))
	if err != nil || after.Bounds() != before.Bounds() {
		t.Fatalf("%v, %v", err, after.Bounds())
	}
	// Ann's face is as it was; where the other one is, there are few colours.
	if d := farthest(before, after, stdimage.Rect(65, 65, 175, 175)); d > 60 {
		t.Errorf("the person's own face differs by %d", d)
	}
	colours := map[color.RGBA]bool{}
	for y := 65; y < 175; y += 5 {
		for x := 665; x < 775; x += 5 {
			c := color.RGBAModel.Convert(after.At(x, y)).(color.RGBA)
			colours[color.RGBA{R: c.R / 32, G: c.G / 32, B: c.B / 32, A: 255}] = true
		}
	}
	if len(colours) > 16 {
		t.Errorf("the other face has still %d colours", len(colours))
	}
	if d := farthest(before, after, stdimage.Rect(640, 40, 800, 200)); d < 60 {
		t.Errorf("the other face differs by %d only", d)
	}
}

// farthest returns the largest difference of a colour in a part of two pictures.
func farthest(a, b stdimage.Image, part stdimage.Rectangle) (most int) {
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			p, q := color.RGBAModel.Convert(a.At(x, y)).(color.RGBA), color.RGBAModel.Convert(b.At(x, y)).(color.RGBA)
			for _, d := range []int{int(p.R) - int(q.R), int(p.G) - int(q.G), int(p.B) - int(q.B)} {
				most = max(most, d, -d)
			}
		}
	}
	return most
}

// brokenStore fails in the middle of an export.
type brokenStore struct{ *store.Store }

func (brokenStore) CorrectionsOf(context.Context, int64, int64, int) ([]faces.Correction, error) {
	return nil, errors.New("the database is gone")
}

// An export that fails in the middle breaks the connection, so that nobody takes what
// arrived for an archive.
func TestExportBreaksOff(t *testing.T) {
	t.Parallel()
	l := serve(t, brokenStore{newStore(t)}, nowhere{})
	ann := read[api.PersonDetail](l.post("/api/v1/people", body("name", "Ann")).expect(http.StatusCreated)).ID
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("%s/api/v1/people/%d/export", l.url, ann), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := l.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d bytes arrived, and %v", len(text), err)
	}
	if _, err := zip.NewReader(bytes.NewReader(text), int64(len(text))); err == nil {
		t.Error("what arrived is an archive")
	}
}
