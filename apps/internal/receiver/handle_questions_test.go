package receiver_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image/color"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/api"
	apiclient "github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
)

// A picture gets the answer that it gets by the queue, whatever way it is sent, and
// nothing is stored.
func TestIdentify(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for name, file := range map[string][]byte{
		"two, one known": fakeengine.Group(red, green), "nobody known": fakeengine.Portrait(green), "no face": fakeengine.Group(),
		"twins": fakeengine.Group(red, red),
	} {
		l.write(filepath.Join(l.dir, name+".png"), file)
		queued := l.get(fmt.Sprintf("/api/v1/images/%d", l.queue(name+".png"))).expect(http.StatusOK)
		want := withoutIDs(t, queued)
		kind, body := pictureForm(t, "picture", file)
		for how, a := range map[string]answer{
			"image/png": l.send("/api/v1/identify", "image/png", file), "application/octet-stream": l.send("/api/v1/identify", "application/octet-stream", file),
			"as curl does": l.send("/api/v1/identify", "application/x-www-form-urlencoded", file), "a form": l.send("/api/v1/identify", kind, body),
		} {
			if diff := cmp.Diff(want, withoutIDs(t, a.expect(http.StatusOK))); diff != "" {
				t.Errorf("%s, %s (-queue +now):\n%s", name, how, diff)
			}
		}
	}
	if list := read[api.ImageList](l.get("/api/v1/images").expect(http.StatusOK)); len(list.Images) != 4 {
		t.Errorf("%d images are stored, 4 were posted", len(list.Images))
	}
}

// withoutIDs returns what an answer says about a picture and its faces.
func withoutIDs(t *testing.T, a answer) map[string]any {
	t.Helper()
	all := read[map[string]any](a)
	list, _ := all["faces"].([]any)
	for _, f := range list {
		delete(f.(map[string]any), "id")
	}
	seen := map[string]any{}
	for _, name := range []string{"status", "reason", "detail", "person", "width", "height", "model", "faces"} {
		seen[name] = all[name]
	}
	return seen
}

// The processor's own threshold applies, too.
func TestIdentifyByTheRuleInUse(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	file := fakeengine.Portrait(color.RGBA{R: 240, G: 120, B: 30}) // rather near to Ann
	strict := read[api.SeenPicture](l.send("/api/v1/identify", "image/png", file).expect(http.StatusOK))
	if strict.Person != nil || strict.Reason != api.ReasonUnknownPerson {
		t.Fatalf("got %+v", strict)
	}
	m := fakeengine.Model()
	m.Threshold = 0.5
	if err := l.store.UseModel(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	lax := read[api.SeenPicture](l.send("/api/v1/identify", "image/png", file).expect(http.StatusOK))
	if lax.Person == nil || lax.Faces[0].Rule.Threshold != 0.5 {
		t.Errorf("got %+v", lax)
	}
}

func TestIdentifyRefuses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	good := fakeengine.Portrait(red)
	kindOfTwo, two := pictureForm(t, "a", good, "b", good)
	kindOfNone, none := pictureForm(t)
	kindOfEmpty, empty := pictureForm(t, "a", []byte{})
	kind, one := pictureForm(t, "a", good)
	for name, c := range map[string]struct {
		kind   string
		body   []byte
		status int
		code   string
	}{
		"nothing":          {"image/png", nil, http.StatusBadRequest, "invalid_request"},
		"no picture":       {"image/png", []byte("<script>"), http.StatusUnprocessableEntity, "unsupported_format"},
		"half a picture":   {"image/png", good[:100], http.StatusUnprocessableEntity, "corrupt_image"},
		"a bomb":           {"image/png", bomb(good), http.StatusUnprocessableEntity, "image_too_large"},
		"too large":        {"image/png", make([]byte, 33<<10), http.StatusRequestEntityTooLarge, "body_too_large"},
		"a form of two":    {kindOfTwo, two, http.StatusBadRequest, "invalid_request"},
		"an empty form":    {kindOfNone, none, http.StatusBadRequest, "invalid_request"},
		"an empty file":    {kindOfEmpty, empty, http.StatusBadRequest, "invalid_request"},
		"half a form":      {kind, one[:len(one)-80], http.StatusBadRequest, "invalid_request"},
		"no boundary":      {"multipart/form-data", one, http.StatusBadRequest, "invalid_request"},
		"another boundary": {"multipart/form-data; boundary=x", one, http.StatusBadRequest, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			a := l.send("/api/v1/identify", c.kind, c.body)
			a.t = t
			a.refused(c.status, c.code)
		})
	}
	kind, large := pictureForm(t, "a", make([]byte, 33<<10))
	l.send("/api/v1/identify", kind, large).refused(http.StatusRequestEntityTooLarge, "body_too_large")
}

// bomb returns a PNG that claims to be 60,000 pixels wide and high.
func bomb(png []byte) []byte {
	file := bytes.Clone(png)
	copy(file[16:24], "\x00\x00\xea\x60\x00\x00\xea\x60")
	binary.BigEndian.PutUint32(file[29:], crc32.ChecksumIEEE(file[12:29]))
	return file
}

func TestCompare(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	ask := func(a, b []byte) api.Comparison {
		t.Helper()
		kind, body := pictureForm(t, "a", a, "b", b)
		return read[api.Comparison](l.send("/api/v1/compare", kind, body).expect(http.StatusOK))
	}
	got := ask(fakeengine.Portrait(red), fakeengine.Group(green, red))
	if got.A.Person == nil || got.A.Person.Name != "Ann" || len(got.B.Faces) != 2 || got.OmittedPairs != 0 {
		t.Errorf("got %+v", got)
	}
	verdicts := map[int]api.Verdict{}
	for _, p := range got.Pairs {
		verdicts[p.B] = p.Verdict
	}
	if diff := cmp.Diff(map[int]api.Verdict{0: api.VerdictDifferent, 1: api.VerdictSame}, verdicts); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
	if got := ask(fakeengine.Group(), fakeengine.Portrait(red)); len(got.Pairs) != 0 || got.Pairs == nil || got.A.Reason != api.ReasonNoFace {
		t.Errorf("nobody: %+v", got)
	}
	if list := read[api.ImageList](l.get("/api/v1/images").expect(http.StatusOK)); len(list.Images) != 0 {
		t.Errorf("%d images are stored", len(list.Images))
	}
}

func TestCompareRefuses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	good := fakeengine.Portrait(red)
	for name, c := range map[string]struct {
		parts  []any
		status int
		code   string
	}{
		"one":           {[]any{"a", good}, http.StatusBadRequest, "invalid_request"},
		"three":         {[]any{"a", good, "b", good, "c", good}, http.StatusBadRequest, "invalid_request"},
		"twice a":       {[]any{"a", good, "a", good}, http.StatusBadRequest, "invalid_request"},
		"another name":  {[]any{"a", good, "c", good}, http.StatusBadRequest, "invalid_request"},
		"b is damaged":  {[]any{"a", good, "b", good[:100]}, http.StatusUnprocessableEntity, "corrupt_image"},
		"a is too long": {[]any{"a", make([]byte, 33<<10), "b", good}, http.StatusRequestEntityTooLarge, "body_too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			kind, body := pictureForm(t, c.parts...)
			a := l.send("/api/v1/compare", kind, body)
			a.t = t
			a.refused(c.status, c.code)
			if name == "b is damaged" && !bytes.Contains(a.body, []byte("picture b: ")) {
				t.Errorf("the picture is not named: %s", a.body)
			}
		})
	}
	l.send("/api/v1/compare", "image/png", good).refused(http.StatusBadRequest, "invalid_request")
}

// The Go client asks for pictures and answers, too.
func TestGoClientOfPictures(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.queue("group.png")
	c, ctx := apiclient.New(l.url), t.Context()
	size, margin := 48, 0.1
	face := must(c.GetImage(ctx, id)).Faces[0].ID
	for name, jpeg := range map[string][]byte{
		"picture": must(c.GetPicture(ctx, id, api.GetPictureParams{})), "thumbnail": must(c.GetThumbnail(ctx, id, api.GetThumbnailParams{Size: &size})),
		"crop": must(c.GetFaceCrop(ctx, face, api.GetFaceCropParams{Size: &size, Margin: &margin})),
	} {
		if !bytes.HasPrefix(jpeg, []byte("\xff\xd8\xff")) {
			t.Errorf("%s: %d bytes, and no JPEG", name, len(jpeg))
		}
	}
	file, err := os.ReadFile(filepath.Join(l.dir, "group.png"))
	if err != nil {
		t.Fatal(err)
	}
	if got := must(c.Identify(ctx, file)); got.Person == nil || got.Person.Name != "Ann" || len(got.Faces) != 2 {
		t.Errorf("got %+v", got)
	}
	if got := must(c.Compare(ctx, file, fakeengine.Portrait(red))); len(got.Pairs) != 2 {
		t.Errorf("got %+v", got)
	}
	if text, err := json.Marshal(must(c.GetImage(ctx, id)).Faces[0]); err != nil || !bytes.HasPrefix(text, []byte(`{"id":`)) {
		t.Errorf("a face begins with another field than its id: %s, %v", text, err)
	}
}
