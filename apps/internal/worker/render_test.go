package worker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// A picture is rendered in the child, within the budget of every picture.
func TestRender(t *testing.T) {
	t.Parallel()
	how := faces.Rendering{Crop: faces.Box{X: 1, Y: 2, Width: 3, Height: 4}, Margin: 0.25, Size: 160, Quality: 80, Blur: []faces.Box{{X: 5, Y: 6, Width: 7, Height: 8}}}
	e, _ := startWorker(t, options("child"))
	renderer := e.(engine.Renderer)
	got, err := renderer.Render(t.Context(), []byte("show"), how)
	if want := "{Crop:{X:1 Y:2 Width:3 Height:4} Margin:0.25 Size:160 Quality:80 Blur:[{X:5 Y:6 Width:7 Height:8}]}"; err != nil || string(got.JPEG[3:]) != want || got.Width != 160 || got.Height != 3 {
		t.Errorf("got %q, %v", got.JPEG, err)
	}
	if got, err = renderer.Render(t.Context(), []byte("large"), how); err != nil || len(got.JPEG) != faces.MaxRenderingFile {
		t.Errorf("%d bytes: %v", len(got.JPEG), err)
	}
	if _, err := renderer.Render(t.Context(), []byte("invalid no such part"), how); faces.ErrorCode(err) != faces.CodeInvalid || faces.ErrorMessage(err) != "no such part" {
		t.Errorf("a wrong request: %v", err)
	}
	if _, err := renderer.Render(t.Context(), []byte("fault film"), how); faces.ReasonOf(err) != faces.UnsupportedFormat {
		t.Errorf("a picture's fault: %v", err)
	}
	if _, err := e.Reexamine(t.Context(), []int{1}); err == nil {
		t.Error("the picture of the last Look is still known")
	}
}

// A picture that breaks its child while it is rendered fails as it does when it is
// looked at.
func TestRenderBreakingPictures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file string
		reason     faces.Reason
		message    string
	}{
		{"takes too long", "hang", faces.ImageTooLarge, "took more than"},
		{"segmentation fault", "segfault", faces.CorruptImage, "makes the recognizer crash"},
		{"panics", "panic", faces.CorruptImage, "index out of range"},
		{"what comes back is no JPEG", "no-jpeg", faces.CorruptImage, "no JPEG"},
		{"what comes back has no size", "no-size", faces.CorruptImage, "impossible sizes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			opts := options("child")
			opts.Probe = []byte("pid")
			if c.file == "hang" {
				opts.PictureTimeout = 400 * time.Millisecond
			}
			e, _ := startWorker(t, opts)
			_, err := e.(engine.Renderer).Render(t.Context(), []byte(c.file), faces.Rendering{Size: 64})
			if faces.ReasonOf(err) != c.reason || !strings.Contains(err.Error(), c.message) {
				t.Errorf("error %v, want %s, %q", err, c.reason, c.message)
			}
			if _, err := e.(engine.Renderer).Render(t.Context(), []byte("show"), faces.Rendering{Size: 64}); err != nil {
				t.Errorf("the next picture: %v", err)
			}
		})
	}
}
