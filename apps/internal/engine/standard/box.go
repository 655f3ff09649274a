package standard

import (
	"context"
	"fmt"
	"image"
	"math"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/align"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/find"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

const (
	// around is how much of the picture is decoded around a box on each side, as a
	// share of its longer side. The cut-out of a face needs as much.
	around = 1.0
	// seenSide is the longer side of a box at which a face is sought in it, in pixels:
	// a smaller box is enlarged, by largestFactor at most.
	seenSide      = 96.0
	largestFactor = 4.0
	// decodedSide is the longer side of a box, in pixels, at which a picture is decoded
	// whose region is too large to be decoded at full size.
	decodedSide = 512.0
)

// DescribeBox implements engine.BoxDescriber.
func (e *Engine) DescribeBox(ctx context.Context, file []byte, box faces.Box) (engine.Seen, error) {
	e.cutouts = nil
	p, err := e.open(file)
	if err != nil {
		return engine.Seen{}, err
	}
	defer p.Release()
	size := p.Size()
	seen := engine.Seen{Width: size.X, Height: size.Y}
	if err := (faces.Drawing{Box: box}).CheckBox(size.X, size.Y); err != nil {
		return seen, err
	}
	begin := time.Now()
	near, err := surroundings(p, box)
	seen.Decode = time.Since(begin)
	if err != nil {
		return seen, err
	}
	begin = time.Now()
	found, ok, err := e.findIn(ctx, near, box)
	seen.Detect = time.Since(begin)
	if err != nil {
		return seen, err
	}
	begin = time.Now()
	if !ok {
		found = find.Face{Box: find.Box{X: float64(box.X), Y: float64(box.Y), Width: float64(box.Width), Height: float64(box.Height)}}
		found.Points = pointsIn(found.Box)
	}
	s := source{face: found, pixels: near.pixels, points: near.inside(found.Points), scale: 1}
	seen.Faces, err = e.describe(ctx, []source{s}, engine.Ask, size)
	seen.Describe = time.Since(begin)
	if err != nil {
		return seen, err
	}
	seen.Faces[0].Box = box
	if !ok {
		f := &seen.Faces[0]
		f.Landmarks = nil
		q := f.Quality
		q.Detection = 1 // the detector gives no score
		f.Quality.Score = score(q)
	}
	seen.Warning = p.Warning()
	return seen, nil
}

// region is a decoded part of a picture.
type region struct {
	pixels *picture.RGB
	corner align.Point // in pixels of the original
	scale  float64     // pixels of the original for each pixel
}

// inside maps points of the original to the region. Whole numbers are the centres of
// pixels.
func (r region) inside(p align.Points) align.Points {
	for i := range p {
		p[i].X = (p[i].X-r.corner.X+0.5)/r.scale - 0.5
		p[i].Y = (p[i].Y-r.corner.Y+0.5)/r.scale - 0.5
	}
	return p
}

// outside maps a face that was found in the region, enlarged by a factor, to the
// original.
func (r region) outside(f find.Face, factor float64) find.Face {
	by := r.scale / factor
	f.Box = find.Box{X: f.Box.X*by + r.corner.X, Y: f.Box.Y*by + r.corner.Y, Width: f.Box.Width * by, Height: f.Box.Height * by}
	for i, p := range f.Points {
		f.Points[i] = align.Point{X: (p.X+0.5)*by - 0.5 + r.corner.X, Y: (p.Y+0.5)*by - 0.5 + r.corner.Y}
	}
	return f
}

// surroundings decodes a box with what is around it, at full size where that is not
// too large.
func surroundings(p Picture, box faces.Box) (region, error) {
	size := p.Size()
	long := max(box.Width, box.Height)
	by := int(math.Ceil(around * float64(long)))
	area := image.Rect(box.X-by, box.Y-by, box.X+box.Width+by, box.Y+box.Height+by).Intersect(image.Rectangle{Max: size})
	if area.Dx()*area.Dy() <= maxRegion {
		parts, covered, err := p.Regions([]image.Rectangle{area})
		if err != nil {
			return region{}, fmt.Errorf("read the surroundings of a box: %w", err)
		}
		return region{parts[0], align.Point{X: float64(covered[0].Min.X), Y: float64(covered[0].Min.Y)}, 1}, nil
	}
	side := max(size.X, size.Y)
	m, err := p.Decode(min(side, max(1, int(float64(side)*decodedSide/float64(long)))))
	if err != nil {
		return region{}, err
	}
	scale := float64(size.X) / float64(m.Width)
	part := image.Rect(int(float64(area.Min.X)/scale), int(float64(area.Min.Y)/scale),
		int(math.Ceil(float64(area.Max.X)/scale)), int(math.Ceil(float64(area.Max.Y)/scale))).Intersect(image.Rect(0, 0, m.Width, m.Height))
	return region{m.Crop(part), align.Point{X: float64(part.Min.X) * scale, Y: float64(part.Min.Y) * scale}, scale}, nil
}

// findIn returns the face that the detector finds at the place of a box, in pixels of
// the original. It looks at the surroundings only, and enlarges a small box.
func (e *Engine) findIn(ctx context.Context, near region, box faces.Box) (find.Face, bool, error) {
	m := near.pixels
	factor := min(largestFactor, seenSide*near.scale/float64(max(box.Width, box.Height)))
	if factor > 1 {
		width := max(1, int(math.Round(float64(m.Width)*factor)))
		factor = float64(width) / float64(m.Width)
		m = m.Resize(width, max(1, int(math.Round(float64(m.Height)*factor))))
	} else {
		factor = 1
	}
	list, err := e.finder.Find(ctx, m, image.Pt(m.Width, m.Height))
	if err != nil {
		return find.Face{}, false, err
	}
	boxes := make([]faces.Box, len(list))
	for i, f := range list {
		list[i] = near.outside(f, factor)
		b := list[i].Box
		boxes[i] = faces.Box{X: int(math.Round(b.X)), Y: int(math.Round(b.Y)), Width: int(math.Round(b.Width)), Height: int(math.Round(b.Height))}
	}
	if at := faces.Places(boxes, []faces.Correction{{Box: box}}); at[0] >= 0 {
		return list[at[0]], true, nil
	}
	return find.Face{}, false, nil
}

// pointsIn returns where eyes, nose and mouth usually are in a box around a face.
// These are the means of what YuNet finds in its boxes.
func pointsIn(b find.Box) align.Points {
	p := align.Points{{X: 0.285, Y: 0.36}, {X: 0.735, Y: 0.36}, {X: 0.51, Y: 0.555}, {X: 0.32, Y: 0.74}, {X: 0.70, Y: 0.74}}
	for i := range p {
		p[i] = align.Point{X: b.X + p[i].X*b.Width - 0.5, Y: b.Y + p[i].Y*b.Height - 0.5}
	}
	return p
}
