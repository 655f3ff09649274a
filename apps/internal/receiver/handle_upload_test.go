package receiver_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/api"
	apiclient "github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/volume"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
	"github.com/rollcall-faces/rollcall/apps/internal/uploads"
)

const maxUpload = 64 << 10

// uploadBench is a receiver with a folder of unknown people that is really there.
type uploadBench struct {
	*bench
	folder string
}

func uploadOptions(folder string) receiver.Options {
	opts := options()
	opts.UnknownPeople = folder
	opts.Upload = receiver.UploadOptions{MaxFile: maxUpload, MaxFiles: 5000, AtOnce: 64}
	return opts
}

func newUploadBench(t *testing.T) uploadBench {
	t.Helper()
	folder := t.TempDir()
	return uploadBench{bench: newBenchWith(t, newStore(t), uploadOptions(folder)), folder: folder}
}

// upload is one part of a form.
type upload struct {
	field, name string
	content     []byte
}

// jpeg is a picture as far as its first bytes go.
func jpegFile(text string) []byte { return []byte("\xff\xd8\xff\xe0" + text) }

// form encodes parts, as an HTTP library does.
func form(t *testing.T, parts ...upload) (kind, body string) {
	t.Helper()
	var text bytes.Buffer
	w := multipart.NewWriter(&text)
	for _, p := range parts {
		var part io.Writer
		var err error
		if p.name == "" {
			part, err = w.CreateFormField(p.field)
		} else {
			part, err = w.CreateFormFile(p.field, p.name)
		}
		if err != nil {
			t.Fatal(err)
		}
		_, _ = part.Write(p.content) // a bytes.Buffer does not fail
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), text.String()
}

func (c *client) upload(parts ...upload) answer {
	c.t.Helper()
	kind, body := form(c.t, parts...)
	return c.do(http.MethodPost, "/api/v1/images", body, "Content-Type", kind)
}

func uploaded(a answer) []image {
	a.t.Helper()
	return read[struct{ Images []image }](a.expect(http.StatusAccepted)).Images
}

// files are all files below uploads/, without the lock of the work folder.
func (b uploadBench) files() []string {
	b.t.Helper()
	return filesIn(b.t, b.folder)
}

func filesIn(t *testing.T, folder string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(folder, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() != "lock" {
			found = append(found, strings.TrimPrefix(name, folder+"/"))
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// stored is where a content is stored.
func stored(content []byte, ext string) string {
	sum := fmt.Sprintf("%x", sha256.Sum256(content))
	return "uploads/" + sum[:2] + "/" + sum + "." + ext
}

// nothing expects that a request has left nothing at all.
func (b uploadBench) nothing(what string) {
	b.t.Helper()
	if got := b.files(); len(got) > 0 {
		b.t.Errorf("%s leaves %v", what, got)
	}
	if list := read[struct{ Images []image }](b.get("/api/v1/images")).Images; len(list) > 0 {
		b.t.Errorf("%s leaves the rows %v", what, list)
	}
}

func TestUpload(t *testing.T) {
	t.Parallel()
	b := newUploadBench(t)
	one, two := jpegFile("one"), []byte("\x89PNG\r\n\x1a\ntwo")
	got := uploaded(b.upload(upload{"file", "a.jpg", one}, upload{"files", "b.jpg", two}, upload{"file", "again.jpg", one}))
	if len(got) != 3 || got[0].ID != got[2].ID || got[0].ID == got[1].ID {
		t.Fatalf("got %+v", got)
	}
	for i, want := range []string{stored(one, "jpg"), stored(two, "png"), stored(one, "jpg")} {
		if got[i].Path != b.folder+"/"+want || got[i].Reason != "queued" || !got[i].Queued {
			t.Errorf("got %+v, want %s, queued", got[i], want)
		}
	}
	want := []string{stored(one, "jpg"), stored(two, "png")}
	slices.Sort(want)
	if diff := cmp.Diff(want, b.files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	text, err := os.ReadFile(got[0].Path)
	if err != nil || !bytes.Equal(text, one) {
		t.Errorf("the file is %q, %v", text, err)
	}
	if info, err := os.Stat(got[0].Path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the file has the mode %v, %v", info.Mode(), err)
	}
	expectIDs(t, "queued", b.drain(), []int64{got[0].ID, got[1].ID})
	before, err := os.Stat(got[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	again := uploaded(b.upload(upload{"file", "other name.jpg", one}))
	after, err := os.Stat(got[0].Path)
	if err != nil || again[0].ID != got[0].ID || !after.ModTime().Equal(before.ModTime()) || !os.SameFile(before, after) {
		t.Errorf("the same content again is %+v, its file %v and then %v, %v", again[0], before.ModTime(), after.ModTime(), err)
	}
	if diff := cmp.Diff(want, b.files()); diff != "" {
		t.Errorf("files after the second upload (-want +got):\n%s", diff)
	}
	// A path can be posted, too, by the same route, and is the same image.
	posted := read[struct{ Images []image }](b.post("/api/v1/images", body("paths", []map[string]string{{"path": stored(one, "jpg")}})).expect(http.StatusAccepted))
	if posted.Images[0].ID != got[0].ID {
		t.Errorf("the posted path is image %d, want %d", posted.Images[0].ID, got[0].ID)
	}
	if n := b.metric("rollcall_uploaded_files_total"); n != 4 {
		t.Errorf("%v files are counted, want 4", n)
	}
}

// Each file that is refused has an entry of its own, and harms no other.
func TestUploadRefusesFiles(t *testing.T) {
	t.Parallel()
	b := newUploadBench(t)
	large := append(jpegFile(""), make([]byte, maxUpload-4)...)
	parts := []upload{
		{"file", "good.jpg", jpegFile("good")},
		{"file", "empty.jpg", nil},
		{"file", "text.jpg", []byte("no picture")},
		{"file", "short.jpg", []byte{0xff}},
		{"file", "too large.jpg", append(large, 0)},
		{"file", "large.jpg", large},
		{"file", "program", []byte("\x7fELF")},
		{"file", "video.heic", []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom")},
		{"file", "good.heic", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")},
	}
	codes := []string{"", "unsupported_format", "unsupported_format", "unsupported_format", "body_too_large", "", "unsupported_format", "unsupported_format", ""}
	got := uploaded(b.upload(parts...))
	if len(got) != len(parts) {
		t.Fatalf("%d entries for %d files", len(got), len(parts))
	}
	for i, img := range got {
		code := ""
		if img.Error != nil {
			code = img.Error.Code
			if img.Path != parts[i].name || img.Error.Message == "" {
				t.Errorf("%s: got %+v", parts[i].name, img)
			}
		}
		if code != codes[i] {
			t.Errorf("%s: got %q, want %q", parts[i].name, code, codes[i])
		}
	}
	if files := b.files(); len(files) != 3 {
		t.Errorf("files: %v", files)
	}
	if images := uploaded(b.upload(parts[1])); images[0].Error == nil {
		t.Errorf("one refused file alone: %+v", images)
	}
}

// A request that is refused as a whole leaves nothing.
func TestUploadIsWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	opts := uploadOptions(folder)
	opts.Upload.MaxFiles = 50
	b := uploadBench{bench: newBenchWith(t, newStore(t), opts), folder: folder}
	good := upload{"file", "good.jpg", jpegFile("good")}
	kind, text := form(t, good, good)
	many := make([]upload, 51)
	for i := range many {
		many[i] = good
	}
	_, tooMany := form(t, many...)
	manyKind := "multipart/form-data; boundary=" + strings.TrimPrefix(strings.SplitN(tooMany, "\r\n", 2)[0], "--")
	otherKind, other := form(t, good, upload{"comment", "", []byte("hello")})
	noNameKind, noName := form(t, good, upload{"file", "", jpegFile("")})
	otherFileKind, otherFile := form(t, good, upload{"picture", "a.jpg", jpegFile("")})
	for _, tt := range []struct{ name, kind, body, code string }{
		{"no parts", "multipart/form-data; boundary=b", "--b--\r\n", "invalid_request"},
		{"an empty body", "multipart/form-data; boundary=b", "", "invalid_request"},
		{"no boundary", "multipart/form-data", text, "invalid_request"},
		{"another boundary", "multipart/form-data; boundary=other", text, "invalid_request"},
		{"another kind", "multipart/mixed; boundary=b", text, "invalid_request"},
		{"a field", otherKind, other, "invalid_request"},
		{"a file without a name", noNameKind, noName, "invalid_request"},
		{"a file in another field", otherFileKind, otherFile, "invalid_request"},
		{"cut in a file", kind, text[:len(text)/2], "invalid_request"},
		{"cut in the last boundary", kind, text[:len(text)-6], "invalid_request"},
		{"cut after a file", kind, text[:strings.LastIndex(text, "--")-50], "invalid_request"},
		{"too many files", manyKind, tooMany, "invalid_request"},
		{"a part without an end", kind, strings.Split(text, "\r\n--")[0] + strings.Repeat("x", 3*maxUpload+2<<20), "body_too_large"},
		{"a start without an end", "multipart/form-data; boundary=b", strings.Repeat("x\r\n", 400<<10), "body_too_large"},
		{"an end without an end", kind, text + strings.Repeat("x\r\n", 400<<10), "body_too_large"},
		{"endless headers", "multipart/form-data; boundary=b", "--b\r\n" + strings.Repeat("X: y\r\n", 200<<10), ""},
	} {
		got := b.do(http.MethodPost, "/api/v1/images", tt.body, "Content-Type", tt.kind)
		if tt.code != "" {
			got.refused(got.code, tt.code)
		}
		if got.code != http.StatusBadRequest && got.code != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: got %d", tt.name, got.code)
		}
		b.nothing(tt.name)
	}
	zipped := b.do(http.MethodPost, "/api/v1/images", text, "Content-Type", kind, "Content-Encoding", "gzip")
	zipped.refused(http.StatusUnsupportedMediaType, "unsupported_encoding")
}

// uploadsEnded is how many requests for an upload have ended.
func (c *client) uploadsEnded() (n uint64) {
	c.t.Helper()
	families, err := c.metrics.Gather()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "rollcall_http_request_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "method" && l.GetValue() == http.MethodPost {
					n += m.GetHistogram().GetSampleCount()
				}
			}
		}
	}
	return n
}

// metric is the sum of a metric's values.
func (c *client) metric(name string) (sum float64) {
	c.t.Helper()
	families, err := c.metrics.Gather()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetHistogram().GetSampleSum()
			}
		}
	}
	return sum
}

// raw sends a request as it is written, and closes the connection.
func (c *client) raw(text string) {
	c.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		c.t.Fatal(err)
	}
	conn.Close()
}

func TestUploadHangsUp(t *testing.T) {
	t.Parallel()
	b := newUploadBench(t)
	kind, text := form(t, upload{"file", "one.jpg", jpegFile("one")}, upload{"file", "two.jpg", append(jpegFile(""), make([]byte, maxUpload-4)...)})
	head := "POST /api/v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + kind + "\r\n"
	for name, request := range map[string]string{
		"in a file":                          head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(text)) + text[:len(text)/2],
		"before the end":                     head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(text)) + text[:len(text)-4],
		"after a length that is too large":   head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(text)+1000) + text[:len(text)-20],
		"after a length that is too small":   head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(text)-1000) + text,
		"in a chunk":                         head + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n", len(text)) + text[:len(text)/2],
		"in the middle of a wrong chunk":     head + "Transfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n", len(text)/2) + text,
		"with the first file and a boundary": head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(text)) + text[:strings.Index(text[10:], "\r\n--")+80],
	} {
		before := b.uploadsEnded()
		b.raw(request)
		wait.Until(t, "the upload ends that hung up "+name, func() bool { return b.uploadsEnded() > before })
		b.nothing("hanging up " + name)
	}
}

// The same content, by many clients at once, is one image with one file.
func TestSameUploadAtOnce(t *testing.T) {
	t.Parallel()
	b := newUploadBench(t)
	content := append(jpegFile("same"), make([]byte, 30_000)...)
	ids := make([]int64, 24)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			got := uploaded(b.upload(upload{"file", "a.jpg", content}))
			ids[i] = got[0].ID
		})
	}
	all.Wait()
	if distinct := slices.Compact(slices.Sorted(slices.Values(ids))); len(distinct) != 1 {
		t.Errorf("the images are %v", distinct)
	}
	if diff := cmp.Diff([]string{stored(content, "jpg")}, b.files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestUploadManyFiles(t *testing.T) {
	t.Parallel()
	b := newUploadBench(t)
	parts := make([]upload, 2000)
	for i := range parts {
		parts[i] = upload{"files", fmt.Sprintf("%d.jpg", i), jpegFile(fmt.Sprint(i))}
	}
	got := uploaded(b.upload(parts...))
	for i, img := range got {
		if img.Error != nil || img.Path != b.folder+"/"+stored(parts[i].content, "jpg") {
			t.Fatalf("file %d: got %+v", i, img)
		}
	}
	if n := len(b.files()); len(got) != 2000 || n != 2000 {
		t.Errorf("%d entries and %d files for 2000", len(got), n)
	}
}

// Names of files are text for the answer, and nothing else.
func TestHostileFileNames(t *testing.T) {
	t.Parallel()
	b := newUploadBench(t)
	for _, name := range []string{
		"../../../etc/passwd", "/etc/passwd", `..\..\a.jpg`, "a\x00.jpg", ".", "..", ".tmp-x", "uploads", strings.Repeat("x", 70_000), "\xff\xfe.jpg",
		"a\r\nX-Header: 1.jpg", "=?utf-8?q?a?=", "<script>.jpg", "CON", "a/b/c.jpg", "\u202egpj.exe", "'; drop table images; --",
	} {
		for _, content := range [][]byte{jpegFile("hostile"), []byte("no picture")} {
			got := b.upload(upload{"file", name, content})
			if got.code != http.StatusAccepted && got.code != http.StatusBadRequest {
				t.Errorf("%.50q: got %d: %.200s", name, got.code, got.body)
			}
			if len(got.body) > 2000 {
				t.Errorf("%.50q: the answer has %d bytes", name, len(got.body))
			}
		}
	}
	if diff := cmp.Diff([]string{stored(jpegFile("hostile"), "jpg")}, b.files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// A full volume refuses what does not fit, and leaves nothing of it.
func TestUploadToAFullVolume(t *testing.T) {
	t.Parallel()
	b := newUploadBench(t)
	volume.Mount(t, b.folder, 80<<10)
	big, small := append(jpegFile("big"), make([]byte, 60_000)...), jpegFile("small")
	other := append(jpegFile("other"), make([]byte, 60_000)...)
	got := uploaded(b.upload(upload{"file", "big", big}, upload{"file", "other", other}, upload{"file", "small", small}))
	if got[0].Error != nil || got[1].Error == nil || got[1].Error.Code != "insufficient_storage" || got[2].Error != nil {
		t.Errorf("got %+v", got)
	}
	if n := len(b.files()); n != 2 {
		t.Errorf("%d files, want 2: %v", n, b.files())
	}
	b.postOne("a.jpg") // posting paths goes on
}

func TestUploadNeedsRoom(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	volume.Mount(t, folder, 1<<20)
	opts := uploadOptions(folder)
	opts.Upload.MinFree = uploads.Room{Share: 0.5}
	b := uploadBench{bench: newBenchWith(t, newStore(t), opts), folder: folder}
	if got := uploaded(b.upload(upload{"file", "a.jpg", jpegFile("a")})); got[0].Error != nil {
		t.Errorf("with room: %+v", got)
	}
	if b.server.Warnings() != nil {
		t.Errorf("with room: %v", b.server.Warnings())
	}
	if err := os.WriteFile(folder+"/filler", make([]byte, 600<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the volume is nearly full", func() bool { return b.server.Warnings() != nil })
	b.upload(upload{"file", "b.jpg", jpegFile("b")}).refused(http.StatusInsufficientStorage, "insufficient_storage")
	if n := b.metric("rollcall_uploads_refused"); n != 1 {
		t.Errorf("the metric is %v, want 1", n)
	}
	if got := fmt.Sprint(b.server.Warnings()); !strings.Contains(got, "ROLLCALL_MIN_FREE") {
		t.Errorf("the warning is %s", got)
	}
	b.postOne("a.jpg")
	if err := os.Remove(folder + "/filler"); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "there is room again", func() bool { return b.server.Warnings() == nil })
	if got := uploaded(b.upload(upload{"file", "b.jpg", jpegFile("b")})); got[0].Error != nil {
		t.Errorf("with room again: %+v", got)
	}
}

func TestUploadWithoutAVolume(t *testing.T) {
	t.Parallel()
	file := upload{"file", "a.jpg", jpegFile("a")}
	t.Run("no folder", func(t *testing.T) {
		t.Parallel()
		b := newBenchWith(t, newStore(t), uploadOptions(t.TempDir()+"/missing"))
		b.upload(file).refused(http.StatusServiceUnavailable, "unavailable")
		b.postOne("a.jpg")
	})
	t.Run("read-only", func(t *testing.T) {
		t.Parallel()
		b := newUploadBench(t)
		volume.Mount(t, b.folder, 0)
		volume.ReadOnly(t, b.folder)
		b.upload(file).refused(http.StatusServiceUnavailable, "unavailable")
		if got := fmt.Sprint(b.server.Warnings()); !strings.Contains(got, "read-only") {
			t.Errorf("the warning is %s", got)
		}
		b.postOne("a.jpg")
	})
	t.Run("unmounted", func(t *testing.T) {
		t.Parallel()
		b := newUploadBench(t)
		volume.Mount(t, b.folder, 0)
		id := uploaded(b.upload(file))[0].ID
		volume.Unmount(t, b.folder)
		wait.Until(t, "it is noticed", func() bool { return b.server.Warnings() != nil })
		b.upload(upload{"file", "b.jpg", jpegFile("b")}).refused(http.StatusServiceUnavailable, "unavailable")
		b.do(http.MethodDelete, fmt.Sprintf("/api/v1/images/%d", id), "").refused(http.StatusServiceUnavailable, "unavailable")
		b.get(fmt.Sprintf("/api/v1/images/%d", id)).expect(http.StatusOK)
		if files := b.files(); len(files) > 0 {
			t.Errorf("files on the empty mount point: %v", files)
		}
		b.postOne("a.jpg")
	})
}

// Without their rows, files do not stay.
func TestUploadWithoutDatabase(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	down := faces.Errorf(faces.CodeUnavailable, "the database is away")
	st := brokenAdds{newStore(t), down}
	c := serveWith(t, st, nowhere{}, uploadOptions(folder))
	c.upload(upload{"file", "a.jpg", jpegFile("a")}, upload{"file", "b.jpg", jpegFile("b")}).refused(http.StatusServiceUnavailable, "unavailable")
	if got := filesIn(t, folder); len(got) > 0 {
		t.Errorf("files: %v", got)
	}
}

// brokenAdds is a database that takes no images.
type brokenAdds struct {
	receiver.Store
	err error
}

func (b brokenAdds) AddUploads(context.Context, []string, []string) ([]faces.Image, error) {
	return nil, b.err
}

func TestGoClientUploads(t *testing.T) {
	t.Parallel()
	b := newUploadBench(t)
	c, ctx, local := apiclient.New(b.url), t.Context(), t.TempDir()
	for name, content := range map[string][]byte{"a.jpg": jpegFile("a"), "b.txt": []byte("text"), "large.jpg": append(jpegFile(""), make([]byte, 3*maxUpload)...)} {
		if err := os.WriteFile(local+"/"+name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := must(c.UploadFiles(ctx, local+"/a.jpg", local+"/b.txt", local+"/large.jpg"))
	if got[0].ID != 1 || !got[0].Queued || got[1].Error == nil || got[1].Path != "b.txt" || got[2].Error.Code != api.CodeBodyTooLarge {
		t.Errorf("got %+v", got)
	}
	if _, err := c.UploadFiles(ctx, local+"/a.jpg", local+"/missing.jpg"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if err := c.DeleteImage(ctx, 1); err != nil {
		t.Error(err)
	}
	var problem *api.Error
	if err := c.DeleteImage(ctx, 1); !errors.As(err, &problem) || problem.Code != api.CodeNotFound {
		t.Errorf("deleted twice: %v", err)
	}
	b.nothing("deleting it")
}

func TestDeleteImage(t *testing.T) {
	t.Parallel()
	b := newUploadBench(t)
	own := b.folder + "/own.jpg"
	if err := os.WriteFile(own, jpegFile("own"), 0o600); err != nil {
		t.Fatal(err)
	}
	posted := b.postOne("own.jpg")
	got := uploaded(b.upload(upload{"file", "a.jpg", jpegFile("a")}, upload{"file", "b.jpg", jpegFile("b")}))
	for _, id := range []int64{posted.ID, got[0].ID} {
		url := fmt.Sprintf("/api/v1/images/%d", id)
		if a := b.do(http.MethodDelete, url, ""); a.code != http.StatusNoContent || len(a.body) > 0 {
			t.Errorf("got %d: %s", a.code, a.body)
		}
		b.get(url).refused(http.StatusNotFound, "not_found")
		b.do(http.MethodDelete, url, "").refused(http.StatusNotFound, "not_found")
		b.do(http.MethodPost, url+"/retry", "").refused(http.StatusNotFound, "not_found")
	}
	want := []string{"own.jpg", stored(jpegFile("b"), "jpg")}
	if diff := cmp.Diff(want, b.files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if again := uploaded(b.upload(upload{"file", "a.jpg", jpegFile("a")})); again[0].ID <= got[1].ID {
		t.Errorf("uploaded again: %+v", again)
	}
	b.do(http.MethodDelete, "/api/v1/images/x", "").refused(http.StatusBadRequest, "invalid_request")
}

func TestUploadKeepsNames(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	b := uploadBench{bench: newBenchAsking(t, newStore(t), renders{}, uploadOptions(folder)), folder: folder}
	names := []struct{ sent, want, header string }{
		{"Ada Lovelace.JPG", "Ada Lovelace.JPG", "Ada%20Lovelace.jpg"},
		{"Ame\u0301lie.heic", "Am\u00e9lie.heic", "Am%C3%A9lie.jpg"},
		{`C:\Users\Ada\a.jpg`, "a.jpg", "a.jpg"},
		{`../../"><script>alert('x')<.jpg`, `"><script>alert('x')<.jpg`, "%22%3E%3Cscript%3Ealert%28%27x%27%29%3C.jpg"},
		{"a;b,c=d%0d%0aX-Evil: 1.jpg", "a;b,c=d%0d%0aX-Evil: 1.jpg", "a%3Bb%2Cc%3Dd%250d%250aX-Evil%3A%201.jpg"},
		{"noend", "noend", "noend.jpg"},
		{".jpg", ".jpg", ".jpg.jpg"},
	}
	var parts []upload
	for i, n := range names {
		parts = append(parts, upload{"file", n.sent, jpegFile(fmt.Sprint(i))})
	}
	got := uploaded(b.upload(append(parts, upload{"file", "again.jpg", jpegFile("0")})...))
	uploaded(b.upload(upload{"file", "another name.jpg", jpegFile("0")}))
	for i, n := range names {
		img := read[api.ImageDetail](b.get(fmt.Sprintf("/api/v1/images/%d", got[i].ID)).expect(http.StatusOK))
		if img.FileName != n.want {
			t.Errorf("%q is kept as %q, want %q", n.sent, img.FileName, n.want)
		}
		header := b.get(fmt.Sprintf("/api/v1/images/%d/picture", img.ID)).header.Get("Content-Disposition")
		if want := fmt.Sprintf("inline; filename=picture-%d.jpg; filename*=UTF-8''%s", img.ID, n.header); header != want {
			t.Errorf("%q is saved as %q, want %q", n.sent, header, want)
		}
		if _, params, err := mime.ParseMediaType(header); err != nil || n.want != ".jpg" && !strings.HasPrefix(params["filename"], strings.TrimSuffix(n.want, filepath.Ext(n.want))) {
			t.Errorf("%q is read as %v, %v", header, params, err)
		}
	}
	if list := read[api.ImageList](b.get("/api/v1/images?order=oldest&limit=1")).Images; list[0].FileName != names[0].want {
		t.Errorf("listed: %+v", list)
	}

	// An image that was posted by its path gets the name of the first upload of its file.
	posted := b.postOne(stored(jpegFile("later"), "jpg"))
	uploaded(b.upload(upload{"file", "later.jpg", jpegFile("later")}))
	if img := read[api.ImageDetail](b.get(fmt.Sprintf("/api/v1/images/%d", posted.ID))); img.FileName != "later.jpg" {
		t.Errorf("uploaded later: %+v", img)
	}
}

// renders renders anything.
type renders struct{ receiver.Recognizer }

func (renders) Render(context.Context, string, faces.Rendering) (faces.Rendered, error) {
	return faces.Rendered{JPEG: jpegFile("rendered"), File: faces.File{Size: 1, SHA256: "ab"}}, nil
}

func TestDeleteImages(t *testing.T) {
	t.Parallel()
	b := newUploadBench(t)
	own := b.folder + "/own.jpg"
	if err := os.WriteFile(own, jpegFile("own"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.postOne("own.jpg")
	var parts []upload
	for i := range 450 { // more than one part
		parts = append(parts, upload{"file", "a.jpg", jpegFile(fmt.Sprint(i))})
	}
	got := uploaded(b.upload(parts...))
	b.finish(got[0].ID, faces.Failure(faces.Fault(faces.CorruptImage, "it is damaged")))
	remove := func(query, filter string) int {
		t.Helper()
		return read[api.DeletedImages](b.post("/api/v1/images/delete"+query, filter).expect(http.StatusOK)).Images
	}
	for _, tt := range []struct {
		name, query, filter string
		want, left          int
	}{
		{"how many a filter selects", "?dry_run=true", `{"all":true}`, 451, 451},
		{"how many, with a limit", "?dry_run=true", `{"status":"pending","limit":7}`, 7, 451},
		{"how many ids", "?dry_run=true", fmt.Sprintf(`{"ids":[%d,%d,9999]}`, got[1].ID, got[1].ID), 1, 451},
		{"by ids", "", fmt.Sprintf(`{"ids":[%d,%d,9999]}`, got[1].ID, got[1].ID), 1, 450},
		{"by a reason", "", `{"reason":"corrupt_image","limit":10}`, 1, 449},
		{"not more than the limit", "", `{"status":"pending","q":"uploads/","limit":203}`, 203, 246},
		{"by time", "", `{"created_before":"2001-01-01T00:00:00Z","all":true}`, 0, 246},
		{"who is in them", "", `{"person":"Ada","all":true}`, 0, 246},
	} {
		if n := remove(tt.query, tt.filter); n != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, n, tt.want)
		}
		if n := read[api.DeletedImages](b.post("/api/v1/images/delete?dry_run=true", `{"all":true}`)).Images; n != tt.left {
			t.Errorf("%s: %d images are left, want %d", tt.name, n, tt.left)
		}
	}
	if n := remove("", `{"all":true}`); n != 246 {
		t.Errorf("%d images deleted at last", n)
	}
	if diff := cmp.Diff([]string{"own.jpg"}, b.files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if log := read[api.AuditList](b.get("/api/v1/audit?limit=1")).Entries; len(log) != 1 || log[0].Action != "image.delete" || len(log[0].TargetIDs) == 0 {
		t.Errorf("the audit log says %+v", log)
	}
}

// repeating deletes images and loses the answer of the database: the second try of the
// same transaction finds no rows.
type repeating struct{ *store.Store }

func (s repeating) DeleteImages(ctx context.Context, list []store.Selected) ([]store.Selected, error) {
	if _, err := s.Store.DeleteImages(ctx, list); err != nil {
		return nil, err
	}
	return s.Store.DeleteImages(ctx, list)
}

func TestDeleteImagesWhoseCommitIsNotConfirmed(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	st := newStore(t)
	c := serveWith(t, repeating{st}, nowhere{}, uploadOptions(folder))
	b := uploadBench{bench: &bench{client: c, store: st}, folder: folder}
	got := uploaded(b.upload(upload{"file", "a.jpg", jpegFile("a")}, upload{"file", "b.jpg", jpegFile("b")}))
	b.post("/api/v1/images/delete", fmt.Sprintf(`{"ids":[%d]}`, got[0].ID)).expect(http.StatusOK)
	if diff := cmp.Diff([]string{stored(jpegFile("b"), "jpg")}, b.files()); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestDeletionsThatSelectTooMuch(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.postOne("a.jpg")
	for name, filter := range map[string]string{
		"nothing": ``, "an empty filter": `{}`, "no bound": `{"status":"failed"}`, "a bound of 0": `{"status":"failed","limit":0}`,
		"a negative bound": `{"limit":-1}`, "a slip": `{"reasn":"queued","all":true}`, "both bounds": `{"all":true,"limit":1}`,
		"all is false": `{"all":false}`, "no ids": `{"ids":[]}`, "ids and a filter": `{"ids":[1],"status":"failed"}`, "ids and all": `{"ids":[1],"all":true}`,
		"a reason of another status": `{"status":"failed","reason":"queued","all":true}`, "a person of no id": `{"person_id":-1,"all":true}`,
		"a time before all": `{"created_before":"0000-01-01T00:00:00Z","all":true}`, "no time": `{"created_before":"today","all":true}`,
		"too many ids": `{"ids":[1` + strings.Repeat(",1", 10_000) + `]}`,
	} {
		t.Run(name, func(t *testing.T) {
			b.post("/api/v1/images/delete", filter).refused(http.StatusBadRequest, "invalid_request")
		})
	}
	b.post("/api/v1/images/delete?dry_run=maybe", `{"all":true}`).refused(http.StatusBadRequest, "invalid_request")
	b.post("/api/v1/images/delete?dryrun=true", `{"all":true}`).refused(http.StatusBadRequest, "invalid_request")
	b.get("/api/v1/images/1").expect(http.StatusOK)
}

// While some upload a picture and others delete it, an image always has its file, and
// in the end there is no file without an image.
func TestUploadsAndDeletions(t *testing.T) {
	t.Parallel()
	b := newUploadBench(t)
	content := jpegFile("again and again")
	const times = 30
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range times {
				got := uploaded(b.upload(upload{"file", "a.jpg", content}))
				if a := b.do(http.MethodDelete, fmt.Sprintf("/api/v1/images/%d", got[0].ID), ""); a.code != http.StatusNoContent && a.code != http.StatusNotFound {
					t.Errorf("delete: %d: %s", a.code, a.body)
				}
			}
		})
		all.Go(func() {
			for range times {
				uploaded(b.upload(upload{"file", "a.jpg", content}))
			}
		})
	}
	all.Wait()
	list := read[struct{ Images []image }](b.get("/api/v1/images")).Images
	if files := b.files(); len(files) != len(list) || len(list) > 1 {
		t.Errorf("%d images and the files %v", len(list), files)
	}
	uploaded(b.upload(upload{"file", "a.jpg", content}))
	if files := b.files(); len(files) != 1 {
		t.Errorf("in the end: %v", files)
	}
}

// How long a client sends its files is not the time of the stage.
func TestSlowClientIsNoSlowStage(t *testing.T) {
	t.Parallel()
	b := newUploadBench(t)
	kind, text := form(t, upload{"file", "a.jpg", jpegFile(strings.Repeat("x", 4096))})
	body, pipe := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+"/api/v1/images", body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	answered := make(chan int, 1)
	go func() {
		res, err := b.http.Do(req)
		if err != nil {
			t.Error(err)
			answered <- 0
			return
		}
		res.Body.Close()
		answered <- res.StatusCode
	}()
	sent, last := 0, time.Now()
	for piece := range slices.Chunk([]byte(text), 100) {
		last = time.Now()
		if _, err := pipe.Write(piece); err != nil {
			t.Fatal(err)
		}
		sent += len(piece)
		wait.Until(t, "the receiver has read it", func() bool { return b.metric("rollcall_uploaded_bytes_total") >= float64(sent) })
	}
	pipe.Close()
	code, whole := <-answered, time.Since(last)
	if took := b.metric("rollcall_stage_seconds"); code != http.StatusAccepted || took <= 0 || took > whole.Seconds() {
		t.Errorf("status %d, the stage took %g s, and the answer came %s after the end", code, took, whole)
	}
}
