package receiver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	stdimage "image"
	"image/color"
	"image/jpeg"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
)

// picture gets a JPEG.
func (l *lab) picture(path string, headers ...string) (stdimage.Image, answer) {
	l.t.Helper()
	a := l.do(http.MethodGet, path, "", headers...)
	if a.code != http.StatusOK || a.header.Get("Content-Type") != "image/jpeg" {
		l.t.Fatalf("GET %s: %d %s", path, a.code, a.body)
	}
	m, err := jpeg.Decode(bytes.NewReader(a.body))
	if err != nil {
		l.t.Fatalf("GET %s: %v", path, err)
	}
	return m, a
}

func TestPictures(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.write(filepath.Join(l.dir, "wide.png"), fakeengine.PNG(fakeengine.Draw(1700, 340, fakeengine.Face{Box: stdimage.Rect(600, 100, 720, 220), Colour: red})))
	id := l.queue("wide.png")
	face := read[api.ImageDetail](l.get(fmt.Sprintf("/api/v1/images/%d", id)).expect(http.StatusOK)).Faces[0].ID
	for _, c := range []struct {
		path, name string
		want       stdimage.Point
	}{
		{fmt.Sprintf("/api/v1/images/%d/picture", id), "picture-1.jpg", stdimage.Pt(1600, 320)},
		{fmt.Sprintf("/api/v1/images/%d/picture?size=2048", id), "picture-1.jpg", stdimage.Pt(1700, 340)},
		{fmt.Sprintf("/api/v1/images/%d/thumbnail", id), "thumbnail-1.jpg", stdimage.Pt(320, 64)},
		{fmt.Sprintf("/api/v1/images/%d/thumbnail?size=32", id), "thumbnail-1.jpg", stdimage.Pt(32, 6)},
		{fmt.Sprintf("/api/v1/faces/%d/crop", face), fmt.Sprintf("face-%d.jpg", face), stdimage.Pt(160, 160)},
		{fmt.Sprintf("/api/v1/faces/%d/crop?size=64&margin=0", face), fmt.Sprintf("face-%d.jpg", face), stdimage.Pt(64, 64)},
	} {
		m, a := l.picture(c.path)
		if m.Bounds().Size() != c.want {
			t.Errorf("%s: %v, want %v", c.path, m.Bounds().Size(), c.want)
		}
		for name, want := range map[string]string{
			"Content-Disposition": "inline; filename=" + c.name, "X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=300",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", c.path, name, got, want)
			}
		}
	}
	m, _ := l.picture(fmt.Sprintf("/api/v1/faces/%d/crop?size=64&margin=0", face))
	if got := color.RGBAModel.Convert(m.At(32, 32)).(color.RGBA); got.R < 200 || got.G > 80 {
		t.Errorf("the face has the colour %v", got)
	}
}

// A picture that a client or this receiver has is not asked for again, until its
// file changes.
func TestPicturesAreKept(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.postOne("group.png").ID
	path := fmt.Sprintf("/api/v1/images/%d/thumbnail?size=64", id)
	asked := func(what string, want int64) {
		t.Helper()
		if got := l.renders.Swap(0); got != want {
			t.Errorf("%s: %d calls to the recognizer, want %d", what, got, want)
		}
	}
	// Nobody has looked at the file yet: the recognizer must be asked for its state.
	_, first := l.picture(path)
	tag := first.header.Get("ETag")
	if a := l.do(http.MethodGet, path, "", "If-None-Match", tag); a.code != http.StatusNotModified || len(a.body) != 0 {
		t.Errorf("%d %s, want 304", a.code, a.body)
	}
	asked("an unknown file", 2)
	id = l.queue("group.png")
	if _, a := l.picture(path); a.header.Get("ETag") != tag || !bytes.Equal(a.body, first.body) {
		t.Errorf("ETag %s, want %s", a.header.Get("ETag"), tag)
	}
	for _, sent := range []string{tag, `"other", ` + tag, "W/" + tag, "*"} {
		if a := l.do(http.MethodGet, path, "", "If-None-Match", sent); a.code != http.StatusNotModified || a.header.Get("ETag") != tag || a.header.Get("Cache-Control") == "" {
			t.Errorf("If-None-Match: %s: %d, ETag %s", sent, a.code, a.header.Get("ETag"))
		}
	}
	asked("a known file", 0)
	if _, a := l.picture(path, "If-None-Match", `"other"`); a.header.Get("ETag") != tag {
		t.Errorf("ETag %s, want %s", a.header.Get("ETag"), tag)
	}
	asked("kept", 0)
	if _, a := l.picture(path + "5"); a.header.Get("ETag") == tag {
		t.Error("another size has the same ETag")
	}
	asked("another size", 1)
	face := read[api.ImageDetail](l.get(fmt.Sprintf("/api/v1/images/%d", id)).expect(http.StatusOK)).Faces[0].ID
	crop := fmt.Sprintf("/api/v1/faces/%d/crop?size=40", face)
	l.picture(crop)
	l.picture(crop)
	asked("a face", 1)

	for size, now := range map[int][]byte{41: fakeengine.Group(blue), 42: fakeengine.PNG(fakeengine.Draw(8, 8))} {
		l.write(filepath.Join(l.dir, "group.png"), now)
		l.do(http.MethodGet, fmt.Sprintf("/api/v1/faces/%d/crop?size=%d", face, size), "").refused(http.StatusConflict, "conflict")
	}
	if _, a := l.picture(fmt.Sprintf("/api/v1/images/%d/thumbnail?size=63", id), "If-None-Match", tag); a.header.Get("ETag") == tag {
		t.Error("another file has the same ETag")
	}
}

func TestPicturesRefuse(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	id := l.queue("group.png")
	face := read[api.ImageDetail](l.get(fmt.Sprintf("/api/v1/images/%d", id)).expect(http.StatusOK)).Faces[0].ID
	l.write(filepath.Join(l.dir, "half.png"), fakeengine.Portrait(red)[:100])
	l.write(filepath.Join(l.dir, "page.jpg"), []byte("<script>alert(1)</script>"))
	if err := os.Symlink("/etc/hostname", filepath.Join(l.dir, "link.jpg")); err != nil {
		t.Fatal(err)
	}
	posted := l.postAll("none.png", "half.png", "page.jpg", "link.jpg")
	of := func(i int) string { return fmt.Sprintf("/api/v1/images/%d/picture", posted[i].ID) }
	for _, c := range []struct {
		name, path string
		status     int
		code       string
	}{
		{"no such image", "/api/v1/images/999/picture", http.StatusNotFound, "not_found"},
		{"no such face", "/api/v1/faces/999/crop", http.StatusNotFound, "not_found"},
		{"no id", "/api/v1/images/x/thumbnail", http.StatusBadRequest, "invalid_request"},
		{"too small", fmt.Sprintf("/api/v1/images/%d/picture?size=31", id), http.StatusBadRequest, "invalid_request"},
		{"too large", fmt.Sprintf("/api/v1/images/%d/thumbnail?size=2049", id), http.StatusBadRequest, "invalid_request"},
		{"no number", fmt.Sprintf("/api/v1/images/%d/picture?size=big", id), http.StatusBadRequest, "invalid_request"},
		{"no margin", fmt.Sprintf("/api/v1/faces/%d/crop?margin=NaN", face), http.StatusBadRequest, "invalid_request"},
		{"a negative margin", fmt.Sprintf("/api/v1/faces/%d/crop?margin=-1", face), http.StatusBadRequest, "invalid_request"},
		{"a margin too large", fmt.Sprintf("/api/v1/faces/%d/crop?margin=4.1", face), http.StatusBadRequest, "invalid_request"},
		{"a margin of a whole picture", fmt.Sprintf("/api/v1/images/%d/picture?margin=1", id), http.StatusBadRequest, "invalid_request"},
		{"no file", of(0), http.StatusNotFound, "not_found"},
		{"half a file", of(1), http.StatusUnprocessableEntity, "corrupt_image"},
		{"no picture", of(2), http.StatusUnprocessableEntity, "unsupported_format"},
		{"a link out of the folder", of(3), http.StatusUnprocessableEntity, "path_not_allowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := l.do(http.MethodGet, c.path, "")
			a.t = t
			a.refused(c.status, c.code)
			if a.header.Get("ETag") != "" || a.header.Get("Cache-Control") != "" {
				t.Error("the error may be kept")
			}
		})
	}
}

// Many requests for one picture at the same time are one call.
func TestPictureIsRenderedOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.hold = make(chan struct{})
	path := fmt.Sprintf("%s/api/v1/images/%d/picture", l.url, l.queue("group.png"))
	get := func(ctx context.Context) (int, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody)
		if err != nil {
			return 0, err
		}
		res, err := l.http.Do(req)
		if err != nil {
			return 0, err
		}
		return res.StatusCode, res.Body.Close()
	}
	// The first one gives up: the others get the picture nonetheless.
	ctx, giveUp := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { _, err := get(ctx); gone <- err }()
	wait.Until(t, "the call", func() bool { return l.renders.Load() == 1 })
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if code, err := get(t.Context()); err != nil || code != http.StatusOK {
				t.Errorf("%d, %v", code, err)
			}
		})
	}
	giveUp()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
	close(l.hold)
	all.Wait()
	if got := l.renders.Load(); got != 1 {
		t.Errorf("%d calls to the recognizer, want 1", got)
	}
}

// The pictures that are kept have a bounded size; those used last stay.
func TestKeptPicturesAreBounded(t *testing.T) {
	t.Parallel()
	const limit = 8 << 10
	l := newLab(t, func(o *receiver.Options) { o.RenderCache = limit })
	id := l.queue("group.png")
	for size := 32; size < 96; size++ {
		l.picture(fmt.Sprintf("/api/v1/images/%d/picture?size=%d", id, size))
		if held := gauge(t, l.reg, "rollcall_render_cache_bytes"); held > limit || held == 0 {
			t.Fatalf("%v bytes are kept, at most %d may be", held, limit)
		}
	}
	l.renders.Store(0)
	l.picture(fmt.Sprintf("/api/v1/images/%d/picture?size=95", id))
	l.picture(fmt.Sprintf("/api/v1/images/%d/picture?size=32", id))
	if got := l.renders.Load(); got != 1 {
		t.Errorf("%d calls for the newest and the oldest, want 1", got)
	}
	none := newLab(t, func(o *receiver.Options) { o.RenderCache = 0 })
	path := fmt.Sprintf("/api/v1/images/%d/picture", none.queue("group.png"))
	none.picture(path)
	none.picture(path)
	if got, held := none.renders.Load(), gauge(t, none.reg, "rollcall_render_cache_bytes"); got != 2 || held != 0 {
		t.Errorf("without a cache: %d calls, %v bytes", got, held)
	}
}

func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s in %d", name, testutil.CollectAndCount(reg))
	return 0
}

// absent is a recognizer that does not answer until it is back.
type absent struct {
	receiver.Recognizer
	mu    sync.Mutex // guards the fields below
	calls int
	back  bool
}

func (a *absent) Render(context.Context, string, faces.Rendering) (faces.Rendered, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
	if a.back {
		return faces.Rendered{JPEG: []byte("\xff\xd8\xff")}, nil
	}
	return faces.Rendered{}, faces.Fault(faces.RecognizerUnavailable, "the recognizer cannot be reached").WithCause(errors.New("dial tcp 10.0.0.7"))
}

func (a *absent) Ping(context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.back {
		return nil
	}
	return errors.New("not yet")
}

// old is a recognizer of a release that renders no pictures.
type old struct{ receiver.Recognizer }

func (old) Render(context.Context, string, faces.Rendering) (faces.Rendered, error) {
	fault := faces.Fault(faces.RecognizerUnavailable, "the recognizer is of an older release, which renders no pictures; update it")
	return faces.Rendered{}, fmt.Errorf("%w: %w", faces.ErrNotOffered, fault)
}

func (old) RecognizeContent(context.Context, []byte, faces.Model) (faces.Recognition, error) {
	return faces.Recognition{Width: 7}, nil
}

// In a rollout, recognizers that cannot render answer questions all the same.
func TestRecognizerOfAnOlderRelease(t *testing.T) {
	t.Parallel()
	b := newBenchAsking(t, newStore(t), old{}, options())
	path := fmt.Sprintf("/api/v1/images/%d/picture", b.postOne("a.jpg").ID)
	for range 5 {
		b.get(path).refused(http.StatusServiceUnavailable, "recognizer_unavailable")
	}
	l := &lab{client: b.client, t: t}
	l.send("/api/v1/identify", "image/png", fakeengine.Portrait(red)).expect(http.StatusOK)
}

// Without a recognizer only what needs one is refused, and soon without asking.
func TestRecognizerAway(t *testing.T) {
	t.Parallel()
	kind, pair := pictureForm(t, "a", fakeengine.Portrait(red), "b", fakeengine.Portrait(red))
	for name, rec := range map[string]receiver.Recognizer{"none": nil, "away": &absent{}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBenchAsking(t, newStore(t), rec, options())
			id := b.postOne("a.jpg").ID
			path := fmt.Sprintf("/api/v1/images/%d/picture", id)
			for range 6 {
				a := b.get(path)
				a.refused(http.StatusServiceUnavailable, "recognizer_unavailable")
				if a.header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			}
			if a, ok := rec.(*absent); ok {
				if a.calls != 3 {
					t.Errorf("%d calls before the circuit opened, want 3", a.calls)
				}
				a.mu.Lock()
				a.back = true
				a.mu.Unlock()
				wait.Until(t, "the recognizer to be asked again", func() bool { return b.get(path).code == http.StatusOK })
				return
			}
			l := &lab{client: b.client, t: t}
			l.send("/api/v1/identify", "image/png", fakeengine.Portrait(red)).refused(http.StatusServiceUnavailable, "recognizer_unavailable")
			l.send("/api/v1/compare", kind, pair).refused(http.StatusServiceUnavailable, "recognizer_unavailable")
			b.get("/readyz").expect(http.StatusOK)
			b.postOne("b.jpg")
		})
	}
}

// A known picture is shown beside the face that it matched.
func TestKnownPicture(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	people := read[api.PersonList](l.get("/api/v1/people?name=Ann").expect(http.StatusOK)).People
	ann := people[0].ID
	known := read[api.KnownPictureList](l.get(fmt.Sprintf("/api/v1/people/%d/known-pictures", ann)).expect(http.StatusOK)).KnownPictures[0].ID
	path := fmt.Sprintf("/api/v1/people/%d/known-pictures/%d/picture", ann, known)
	m, a := l.picture(path + "?size=32")
	if m.Bounds().Dx() != 32 {
		t.Errorf("got %v, want 32 pixels", m.Bounds())
	}
	tag := a.header.Get("ETag")
	if got := l.do(http.MethodGet, path+"?size=32", "", "If-None-Match", tag).code; got != http.StatusNotModified || tag == "" {
		t.Errorf("with the tag %s: %d, want 304", tag, got)
	}
	l.picture(path + "?size=32")
	if n := l.renders.Load(); n != 1 {
		t.Errorf("rendered %d times, want once", n)
	}
	for _, none := range []string{
		fmt.Sprintf("/api/v1/people/%d/known-pictures/%d/picture", ann, known+100), // nobody's
		fmt.Sprintf("/api/v1/people/%d/known-pictures/%d/picture", ann+1, known),   // somebody else's
		fmt.Sprintf("/api/v1/people/4711/known-pictures/%d/picture", known),
	} {
		l.get(none).expect(http.StatusNotFound)
	}
	l.get(path + "?size=7").expect(http.StatusBadRequest)
}
