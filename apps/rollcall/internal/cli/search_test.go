package cli_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/cli"
)

// SearchFaces finds no stored face.
func (e *eyes) SearchFaces(_ context.Context, q faces.FaceQuery) ([][]faces.NearFace, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.away {
		return nil, faces.Errorf(faces.CodeUnavailable, "the index of stored faces is being filled")
	}
	return make([][]faces.NearFace, len(q.Descriptors)), nil
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
