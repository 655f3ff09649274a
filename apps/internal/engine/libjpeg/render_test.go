package libjpeg_test

import (
	"bytes"
	"image"
	"image/jpeg"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/libjpeg"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// checkRendered checks that a rendering is a JPEG of a size that has no metadata.
func checkRendered(t *testing.T, name string, got faces.Rendered, long int) {
	t.Helper()
	c, err := jpeg.DecodeConfig(bytes.NewReader(got.JPEG))
	if err != nil || c.Width != got.Width || c.Height != got.Height || max(c.Width, c.Height) != long {
		t.Errorf("%s: %d x %d, said to have %d x %d, want a side of %d: %v", name, c.Width, c.Height, got.Width, got.Height, long, err)
	}
	for _, trace := range []string{"Exif", "http://ns.adobe.com", "ICC_PROFILE", "Photoshop"} {
		if bytes.Contains(got.JPEG, []byte(trace)) {
			t.Errorf("%s: the JPEG contains %s", name, trace)
		}
	}
}

// What can be recognized can be rendered, and what cannot fails with its reason.
func TestCasesAreRendered(t *testing.T) {
	t.Parallel()
	root := os.Getenv("ROLLCALL_TEST_CASES")
	if root == "" {
		t.Skip("ROLLCALL_TEST_CASES does not name the folder of cases, which holds real photographs")
	}
	opts := everything()
	opts.Encode = libjpeg.Encode
	rendered := 0
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		file, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		readable := false
		size := image.Point{}
		if p, err := picture.Open(file, opts); err == nil {
			_, err = p.Decode(math.MaxInt32)
			readable, size = err == nil, p.Size()
		}
		whole, err := picture.Render(t.Context(), file, opts, faces.Rendering{Size: 100})
		if (err == nil) != readable || err != nil && !faces.ReasonOf(err).Permanent() {
			t.Errorf("%s: readable: %v, rendered: %v", name, readable, err)
		}
		if err != nil {
			return nil
		}
		rendered++
		checkRendered(t, name, whole, min(100, max(size.X, size.Y)))
		for _, margin := range []float64{0, 0.5} { // at full size, and reduced
			crop := faces.Box{X: size.X / 3, Y: size.Y / 3, Width: max(16, size.X/4), Height: max(16, size.X/4)}
			part, err := picture.Render(t.Context(), file, opts, faces.Rendering{Crop: crop, Margin: margin, Size: 48})
			if err != nil {
				t.Errorf("%s: a part of it: %v", name, err)
				continue
			}
			checkRendered(t, name, part, 48)
		}
		return nil
	})
	if err != nil || rendered < 20 {
		t.Errorf("%d files were rendered: %v", rendered, err)
	}
}

// The largest rendering of noise, which no JPEG makes small, is bounded.
func TestNoiseIsRendered(t *testing.T) {
	t.Parallel()
	const side = faces.MaxRendering
	noise := make([]byte, 3*side*side)
	state := uint32(1)
	for i := range noise {
		state = state*1664525 + 1013904223
		noise[i] = byte(state >> 24)
	}
	file, err := libjpeg.Encode(noise, side, side, 95)
	if err != nil {
		t.Fatal(err)
	}
	opts := everything()
	opts.Encode = libjpeg.Encode
	got, err := picture.Render(t.Context(), file, opts, faces.Rendering{Size: side, Quality: 95})
	if err != nil || len(got.JPEG) > faces.MaxRenderingFile {
		t.Fatalf("%d bytes: %v", len(got.JPEG), err)
	}
	checkRendered(t, "noise", got, side)
}
