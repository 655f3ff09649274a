package main

import (
	"fmt"
	stdimage "image" // image is a type of these tests
	"image/color"
	"image/draw"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// drawnFace is a face of an answer of the API.
type drawnFace struct {
	ID      int64
	Drawn   bool
	Person  *struct{ Name string }
	Quality *struct{ Size int }
}

// smallIn writes a large grey picture with a photograph in it, shrunk to a part.
func smallIn(t *testing.T, photo, to string, parts int) {
	t.Helper()
	in, err := os.Open(photo)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	m, _, err := stdimage.Decode(in)
	if err != nil {
		t.Fatal(err)
	}
	out := stdimage.NewRGBA(stdimage.Rect(0, 0, 1200, 900))
	draw.Draw(out, out.Bounds(), stdimage.NewUniform(color.Gray{Y: 0x80}), stdimage.Point{}, draw.Src)
	b := m.Bounds()
	for y := range b.Dy() * 2 / parts {
		for x := range b.Dx() * 2 / parts {
			out.Set(300+x, 300+y, mean(m, stdimage.Rect(x*parts/2, y*parts/2, (x+1)*parts/2, (y+1)*parts/2).Add(b.Min)))
		}
	}
	file, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := png.Encode(file, out); err != nil {
		t.Fatal(err)
	}
}

// mean returns the mean colour of a part of a picture.
func mean(m stdimage.Image, part stdimage.Rectangle) color.Color {
	var sum [3]uint32
	n := uint32(part.Dx() * part.Dy())
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			r, g, b, _ := m.At(x, y).RGBA()
			sum[0], sum[1], sum[2] = sum[0]+r>>8, sum[1]+g>>8, sum[2]+b>>8
		}
	}
	return color.RGBA{R: uint8(sum[0] / n), G: uint8(sum[1] / n), B: uint8(sum[2] / n), A: 255}
}

// Somebody draws a box around a known person's face, which is too small to be found in
// a large photograph. Within seconds the face has that person's name, and it can be
// enrolled.
func TestDrawnFaceGetsItsName(t *testing.T) {
	t.Parallel()
	photos := os.Getenv("ROLLCALL_TEST_FACES")
	if photos == "" {
		t.Skip("ROLLCALL_TEST_FACES names no folder of photographs")
	}
	dir := t.TempDir()
	known, unknown := filepath.Join(dir, "known"), filepath.Join(dir, "unknown")
	for _, person := range []string{"sheldon", "amy", "raj"} {
		if err := os.CopyFS(filepath.Join(known, person), os.DirFS(filepath.Join(photos, "people", person))); err != nil {
			t.Fatal(err)
		}
	}
	shown := filepath.Join(known, "sheldon", "sheldon1.png")
	if err := os.Mkdir(unknown, 0o755); err != nil {
		t.Fatal(err)
	}
	smallIn(t, shown, filepath.Join(unknown, "party.png"), 7)
	if err := os.Remove(shown); err != nil {
		t.Fatal(err)
	}
	i := start(t, filepath.Join(dir, "data"), []string{"ROLLCALL_REMATCH_DELAY=100ms"}, "-known", known, "-unknown", unknown, "-ask=false")
	eventually(t, "the welcome", i.welcomed)
	img := i.answered("party.png")
	if img.Reason != "no_face" {
		t.Fatalf("before somebody draws: %+v", img)
	}
	route := fmt.Sprintf("/api/v1/images/%d", img.ID)
	var done struct {
		Face drawnFace
	}
	if code := i.doIf("*", http.MethodPost, route+"/faces", `{"box":{"x":300,"y":299,"width":43,"height":44}}`, &done); code != http.StatusCreated || !done.Face.Drawn || done.Face.Person != nil {
		t.Fatalf("draw: %d, %+v", code, done)
	}
	var now struct {
		Reason string
		Faces  []drawnFace
	}
	eventually(t, "the drawn face has a name", func() bool {
		i.get(route, &now)
		return len(now.Faces) == 1 && now.Faces[0].Person != nil
	})
	f := now.Faces[0]
	if f.Person.Name != "sheldon" || !f.Drawn || f.ID != done.Face.ID || now.Reason != "identified" || f.Quality == nil || f.Quality.Size < 20 {
		t.Errorf("the drawn face: %+v of %+v", f, now)
	}
	var people struct {
		People []struct {
			ID   int64
			Name string
		}
	}
	i.get("/api/v1/people", &people)
	for _, p := range people.People {
		if p.Name != "sheldon" {
			continue
		}
		var answer any
		enrol := fmt.Sprintf("/api/v1/people/%d/known-pictures?accept=too_small,blurred", p.ID)
		if code := i.do(http.MethodPost, enrol, fmt.Sprintf(`{"face_id":%d}`, f.ID), &answer); code != http.StatusCreated {
			t.Errorf("enrolled from the drawn face: %d, %v", code, answer)
		}
	}
	i.checkNoTrouble()
	i.stop(syscall.SIGINT)
}
