package cli_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/cli"
)

// SearchFaces finds the first two faces, whatever they are.
func (e *eyes) SearchFaces(_ context.Context, q faces.FaceQuery) ([][]faces.NearFace, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.away {
		return nil, faces.Errorf(faces.CodeUnavailable, "the index of stored faces is being filled")
	}
	return [][]faces.NearFace{{{ID: 1}, {ID: 2}}}, nil
}

func TestSearch(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for i, place := range []float32{0, 0.25} {
		images, err := o.store.AddImages(t.Context(), []string{fmt.Sprintf("/unknown_people/%d.jpg", i)})
		if err != nil {
			t.Fatal(err)
		}
		o.seeBy(model, images[0].ID, faces.Sighting{Box: faces.Box{X: 7, Width: 80, Height: 80}, Descriptor: faces.Descriptor{place}})
	}
	o.run("search", "--face", "1").expect(cli.ExitOK, "0.250  /unknown_people/1.jpg  face 2 at 7,0 (80×80): nobody known")
	o.run("search", "--face", "1", "-o", "json").expect(cli.ExitOK, `"distance": 0.25`, `"within_threshold": true`)
	o.run("search", "--face", "1", "--max-distance", "0.1").expect(cli.ExitOK, "No stored face is within the distance 0.100.")
	o.eyes.mu.Lock()
	o.eyes.away = true
	o.eyes.mu.Unlock()
	o.run("search", "--face", "1", "--retry-for", "0s").expect(cli.ExitFailed, "503", "is being filled")
}

func TestSearchRefuses(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	dir := folder(t, map[string]string{"none.jpg": "no face", "notes.txt": "no picture"})
	o.run("search", filepath.Join(dir, "none.jpg")).expect(cli.ExitRefused, "none.jpg: refused: picture_refused", "no face was found")
	o.run("search", filepath.Join(dir, "notes.txt")).expect(cli.ExitRefused, "unsupported_format")
	o.run("search", filepath.Join(dir, "gone.jpg")).expect(cli.ExitFailed, "gone.jpg")
	o.run("search", "--face", "99").expect(cli.ExitFailed, "404")
	for _, wrong := range [][]string{{"search"}, {"search", "a.jpg", "b.jpg"}, {"search", "a.jpg", "--face", "1"}} {
		o.run(wrong...).expect(cli.ExitFailed, "give one FILE, or --face")
	}
}
