// Package pixels adapts an engine that takes decoded pixels to engine.Engine,
// which takes picture files. It is for go-face alone, which needs all
// pictures at about the same size.
package pixels

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// Engine decodes pictures for an engine.PixelEngine. It is not safe for
// concurrent use.
type Engine struct {
	pixels engine.PixelEngine
	opts   picture.Options
	last   []faces.Descriptor // of the last picture
}

// New returns an Engine that owns e and closes it. It uses the sizes and
// MaxPixels of opts.
func New(e engine.PixelEngine, opts picture.Options) *Engine {
	if d, ok := e.(engine.JPEGDecoder); ok {
		opts.JPEG = d.DecodeJPEG
	}
	return &Engine{pixels: e, opts: opts}
}

// Look implements engine.Engine.
func (e *Engine) Look(ctx context.Context, file []byte, purpose engine.Purpose) (engine.Seen, error) {
	e.last = nil
	seen, enlarged, err := e.look(file, e.opts)
	if err != nil {
		return seen, err
	}
	if purpose == engine.Enrol && enlarged && len(seen.Faces) == 1 && ctx.Err() == nil {
		seen.Faces[0].Variants = e.asItIs(file)
	}
	for _, f := range seen.Faces {
		e.last = append(e.last, f.Descriptor)
	}
	return seen, nil
}

// asItIs describes the one face of a picture without enlarging the picture. A
// picture to be recognized may show the face at either size, and faces match
// best at equal sizes. On our photographs this halves the number of known
// faces that are missed.
func (e *Engine) asItIs(file []byte) []faces.Descriptor {
	opts := e.opts
	opts.EnlargeBelow = 0
	seen, _, err := e.look(file, opts)
	if err != nil || len(seen.Faces) != 1 { // too small to be found without enlarging
		return nil
	}
	return []faces.Descriptor{seen.Faces[0].Descriptor}
}

// look decodes a picture and finds and describes its faces. It also reports
// whether the picture was enlarged.
func (e *Engine) look(file []byte, opts picture.Options) (seen engine.Seen, enlarged bool, err error) {
	begin := time.Now()
	prepared, err := picture.Decode(file, opts)
	seen = engine.Seen{Width: prepared.Width, Height: prepared.Height, Decode: time.Since(begin)}
	if err != nil {
		return seen, false, err
	}
	begin = time.Now()
	found, err := e.pixels.Look(prepared.Pixels)
	seen.Detect, seen.Describe = found.Detect, time.Since(begin)-found.Detect
	prepared.Pixels = nil // large, and no longer needed
	if prepared.Memory > largePicture {
		debug.FreeOSMemory()
	}
	if errors.Is(err, engine.ErrUnreadable) {
		err = faces.Fault(faces.CorruptImage, "the picture cannot be decoded").WithCause(err)
	}
	if err != nil {
		return seen, false, err
	}
	for _, f := range found.Faces {
		seen.Faces = append(seen.Faces, original(f, prepared))
	}
	return seen, prepared.PreparedWidth > prepared.Width, nil
}

// largePicture is the memory in bytes from which a garbage collection after a
// picture is cheap compared with decoding it.
const largePicture = 32 << 20

// original maps a face to pixels of the original.
func original(f engine.PixelFace, p picture.Prepared) engine.Face {
	face := engine.Face{Box: p.Box(f.Box), Descriptor: f.Descriptor}
	for _, at := range f.Landmarks {
		face.Landmarks = append(face.Landmarks, p.Point(at))
	}
	face.Quality = qualityOf(face.Box, f)
	return face
}

// Reexamine implements engine.Engine. The reference network has already
// described every face, so it returns those descriptors.
func (e *Engine) Reexamine(_ context.Context, numbers []int) ([]faces.Descriptor, error) {
	list := make([]faces.Descriptor, len(numbers))
	for i, n := range numbers {
		if n < 0 || n >= len(e.last) {
			return nil, fmt.Errorf("describe face %d again: the last picture has %d", n, len(e.last))
		}
		list[i] = e.last[n]
	}
	return list, nil
}

// Render implements engine.Renderer.
func (e *Engine) Render(ctx context.Context, file []byte, r faces.Rendering) (faces.Rendered, error) {
	e.last = nil
	return picture.Render(ctx, file, e.opts, r)
}

// Trim implements engine.Trimmer.
func (e *Engine) Trim() {
	if t, ok := e.pixels.(engine.Trimmer); ok {
		t.Trim()
	}
}

// Close implements engine.Engine.
func (e *Engine) Close() { e.pixels.Close() }
