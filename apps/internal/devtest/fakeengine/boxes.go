package fakeengine

import (
	"context"
	"image/color"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/pixels"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// boxes is an engine that describes boxes: the square at the place of a box, by its
// landmarks, or else black, by the box alone.
type boxes struct{ *pixels.Engine }

// DescribeBox implements engine.BoxDescriber.
func (b *boxes) DescribeBox(ctx context.Context, file []byte, box faces.Box) (engine.Seen, error) {
	seen, err := b.Look(ctx, file, engine.Ask)
	if err != nil {
		return seen, err
	}
	if err := (faces.Drawing{Box: box}).CheckBox(seen.Width, seen.Height); err != nil {
		return seen, err
	}
	all := make([]faces.Box, len(seen.Faces))
	for i, f := range seen.Faces {
		all[i] = f.Box
	}
	f := engine.Face{Descriptor: Describe(color.RGBA{A: 255}), Quality: faces.Quality{Score: 0.5, Size: min(box.Width, box.Height), Sharpness: 0.5}}
	if at := faces.Places(all, []faces.Correction{{Box: box}}); at[0] >= 0 {
		f = seen.Faces[at[0]]
	}
	f.Box = box
	seen.Faces = []engine.Face{f}
	return seen, nil
}
