package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// bytes sends a request and returns the answer as it is.
func (i *instance) bytes(method, route string, body []byte, want int) (http.Header, []byte) {
	i.t.Helper()
	req, err := http.NewRequestWithContext(i.t.Context(), method, "http://"+i.api+route, bytes.NewReader(body))
	if err != nil {
		i.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		i.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	if res.StatusCode != want {
		i.t.Fatalf("%s %s: %d, want %d: %.300s", method, route, res.StatusCode, want, text)
	}
	return res.Header, text
}

// answerOf returns what JSON says about a picture: without the ids, the path and
// the times, which only a stored picture has.
func answerOf(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	list, _ := all["faces"].([]any)
	for _, f := range list {
		delete(f.(map[string]any), "id")
	}
	seen := map[string]any{}
	for _, name := range []string{"status", "reason", "detail", "warning", "omitted", "person", "width", "height", "model", "faces"} {
		seen[name] = all[name]
	}
	return seen
}

// sameAnswer posts a picture, and sends its bytes to be identified at once.
func (i *instance) sameAnswer(dir, name string) image {
	i.t.Helper()
	img := i.answered(name)
	file, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		i.t.Fatal(err)
	}
	_, queued := i.bytes(http.MethodGet, fmt.Sprintf("/api/v1/images/%d", img.ID), nil, http.StatusOK)
	_, now := i.bytes(http.MethodPost, "/api/v1/identify", file, http.StatusOK)
	if diff := cmp.Diff(answerOf(i.t, queued), answerOf(i.t, now)); diff != "" {
		i.t.Errorf("%s (-queue +now):\n%s", name, diff)
	}
	return img
}

// The samples get the same answer by the queue and at once, to the last digit.
func TestIdentifyIsTheQueuesAnswer(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	i := start(t, data, nil)
	eventually(t, "the welcome", i.welcomed)
	expected, err := samples.Expected()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(data, "samples", "unknown")
	identified := 0
	for name := range expected {
		if img := i.sameAnswer(dir, name); img.Person != nil {
			identified++
			i.checkPictures(img)
		}
	}
	if len(expected) != 10 || identified == 0 {
		t.Errorf("%d samples, %d identified", len(expected), identified)
	}
	i.checkTurned(dir)
	i.checkCompare(dir)
	var list struct{ Images []any }
	if i.get("/api/v1/images", &list); len(list.Images) != 11 {
		t.Errorf("%d images are stored, 11 were posted", len(list.Images))
	}
	i.checkNoTrouble()
	i.stop(syscall.SIGINT)
}

// checkPictures checks the pictures of an image, and that a crop of a known face
// still shows that person.
func (i *instance) checkPictures(img image) {
	i.t.Helper()
	head, picture := i.bytes(http.MethodGet, fmt.Sprintf("/api/v1/images/%d/thumbnail?size=200", img.ID), nil, http.StatusOK)
	if c, err := jpeg.DecodeConfig(bytes.NewReader(picture)); err != nil || max(c.Width, c.Height) != 200 || head.Get("ETag") == "" {
		i.t.Errorf("the thumbnail of %s: %+v, %v", img.Path, c, err)
	}
	var detail struct {
		Faces []struct {
			ID     int64
			Person *struct{ Name string }
		}
	}
	i.get(fmt.Sprintf("/api/v1/images/%d", img.ID), &detail)
	for _, f := range detail.Faces {
		_, crop := i.bytes(http.MethodGet, fmt.Sprintf("/api/v1/faces/%d/crop?size=400&margin=0.6", f.ID), nil, http.StatusOK)
		if c, err := jpeg.DecodeConfig(bytes.NewReader(crop)); err != nil || max(c.Width, c.Height) != 400 {
			i.t.Errorf("the crop of face %d: %+v, %v", f.ID, c, err)
		}
		if f.Person == nil {
			continue
		}
		var seen image
		_, text := i.bytes(http.MethodPost, "/api/v1/identify", crop, http.StatusOK)
		if err := json.Unmarshal(text, &seen); err != nil || !seen.shows(f.Person.Name) {
			i.t.Errorf("the crop of %s in %s is answered %s, %v", f.Person.Name, img.Path, text, err)
		}
	}
}

// shows reports whether one of the faces is a person's.
func (img image) shows(name string) bool {
	for _, f := range img.Faces {
		if f.Person != nil && f.Person.Name == name {
			return true
		}
	}
	return false
}

// checkTurned checks that a picture whose camera was turned comes out upright, and
// without what the camera wrote.
func (i *instance) checkTurned(dir string) {
	i.t.Helper()
	file, err := os.ReadFile(filepath.Join(dir, "unknown0001.jpg"))
	if err != nil {
		i.t.Fatal(err)
	}
	exif := "Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00GPS secret"
	turned := fmt.Appendf(nil, "\xff\xd8\xff\xe1\x00%c%s%s", len(exif)+2, exif, file[2:])
	if err := os.WriteFile(filepath.Join(dir, "turned.jpg"), turned, 0o600); err != nil {
		i.t.Fatal(err)
	}
	stored, err := jpeg.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		i.t.Fatal(err)
	}
	img := i.answered("turned.jpg")
	_, picture := i.bytes(http.MethodGet, fmt.Sprintf("/api/v1/images/%d/picture?size=2048", img.ID), nil, http.StatusOK)
	upright, err := jpeg.DecodeConfig(bytes.NewReader(picture))
	if err != nil || upright.Width != stored.Height || upright.Height != stored.Width {
		i.t.Errorf("upright %d x %d, stored %d x %d: %v", upright.Width, upright.Height, stored.Width, stored.Height, err)
	}
	if bytes.Contains(picture, []byte("secret")) || bytes.Contains(picture, []byte("Exif")) {
		i.t.Error("the picture still has what the camera wrote")
	}
}

// checkCompare compares two pictures of one person, and of two people.
func (i *instance) checkCompare(dir string) {
	i.t.Helper()
	known := filepath.Join(filepath.Dir(dir), "known")
	for _, c := range []struct{ a, b, want string }{{"Ada/1.jpg", "Ada/2.jpg", "same"}, {"Ada/1.jpg", "Bruno/1.jpg", "different"}} {
		var files [2][]byte
		for n, name := range []string{c.a, c.b} {
			var err error
			if files[n], err = os.ReadFile(filepath.Join(known, name)); err != nil {
				i.t.Fatal(err)
			}
		}
		got, err := client.New("http://"+i.api).Compare(i.t.Context(), files[0], files[1])
		if err != nil || len(got.Pairs) != 1 || string(got.Pairs[0].Verdict) != c.want {
			i.t.Errorf("%s and %s: %+v, %v, want %s", c.a, c.b, got, err, c.want)
		}
	}
}

// Photographs get the same answer by the queue and at once.
func TestIdentifyPhotographs(t *testing.T) {
	t.Parallel()
	from := os.Getenv("ROLLCALL_TEST_FACES")
	if from == "" {
		t.Skip("ROLLCALL_TEST_FACES names no folder of photographs")
	}
	dir := t.TempDir()
	known, unknown := filepath.Join(dir, "known"), filepath.Join(dir, "unknown")
	for to, name := range map[string]string{
		filepath.Join(known, "Bona/1.jpg"): "bench/bona2.jpg", filepath.Join(known, "Jimin/1.jpg"): "bench/jimin.jpg",
		filepath.Join(unknown, "bona.jpg"): "bench/bona3.jpg", filepath.Join(unknown, "jimin.jpg"): "bench/jimin3.jpg",
		filepath.Join(unknown, "joy.jpg"): "bench/joy.jpg", filepath.Join(unknown, "group1.jpg"): "groups/bbt1.jpg", filepath.Join(unknown, "group2.jpg"): "groups/bbt2.jpg",
	} {
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		copyFile(t, filepath.Join(from, name), to)
	}
	i := start(t, t.TempDir(), nil, "-known", known, "-unknown", unknown, "-ask=false")
	eventually(t, "the welcome", i.welcomed)
	for _, name := range []string{"bona.jpg", "jimin.jpg", "joy.jpg", "group1.jpg", "group2.jpg"} {
		img := i.sameAnswer(unknown, name)
		if len(img.Faces) == 0 {
			t.Errorf("%s: no face", name)
		}
		i.checkPictures(img)
	}
	i.stop(syscall.SIGINT)
}
