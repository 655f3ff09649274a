// Package standard is the default engine. YuNet finds faces, and two
// networks, dlib's ResNet and MobileFaceNet, describe each. All three run on
// ONNX Runtime. go-face, the reference, describes known pictures and faces
// that are hard to decide about.
package standard

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/align"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/find"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// MaxFaces is how many faces of a picture are described, largest first, so
// that a crowd does not take a minute.
const MaxFaces = 128

// Opener opens a picture file; picture.Open is one.
type Opener func(file []byte) (Picture, error)

// Render renders a picture file; picture.Render is one.
type Render func(ctx context.Context, file []byte, r faces.Rendering) (faces.Rendered, error)

// Picture is an open picture file; see picture.Picture.
type Picture interface {
	Size() image.Point
	Decode(side int) (*picture.RGB, error)
	Regions(parts []image.Rectangle) ([]*picture.RGB, []image.Rectangle, error)
	Warning() string
	Release()
}

// Engine finds and describes faces on one core. It is not safe for concurrent
// use.
type Engine struct {
	open      Opener
	render    Render
	finder    *find.Finder
	describer *Describer
	cutouts   [][]byte // of the faces of the last picture, for Reexamine
}

// Look implements engine.Engine.
func (e *Engine) Look(ctx context.Context, file []byte, purpose engine.Purpose) (engine.Seen, error) {
	e.cutouts = nil
	p, err := e.open(file)
	if err != nil {
		return engine.Seen{}, err
	}
	defer p.Release()
	size := p.Size()
	seen := engine.Seen{Width: size.X, Height: size.Y}
	begin := time.Now()
	pixels, err := p.Decode(find.Side(size))
	seen.Decode = time.Since(begin)
	if err != nil {
		return seen, err
	}
	begin = time.Now()
	found, err := e.finder.Find(ctx, pixels, size)
	seen.Detect = time.Since(begin)
	if err != nil {
		return seen, err
	}
	seen.Omitted = max(0, len(found)-MaxFaces)
	found = fromLeft(found[:len(found)-seen.Omitted])
	sources, took, err := sourcesOf(p, pixels, found)
	seen.Decode += took
	if err != nil {
		return seen, err
	}
	begin = time.Now()
	seen.Faces, err = e.describe(ctx, sources, purpose, size)
	seen.Describe = time.Since(begin)
	seen.Warning = p.Warning()
	return seen, err
}

// describe describes faces, each from its source.
func (e *Engine) describe(ctx context.Context, sources []source, purpose engine.Purpose, size image.Point) ([]engine.Face, error) {
	list := make([]engine.Face, len(sources))
	aligned := make([]aligned, len(sources))
	for i, s := range sources {
		aligned[i] = alignFace(s)
		list[i] = s.describeShape(size, aligned[i])
		e.cutouts = append(e.cutouts, aligned[i].cutout)
	}
	descriptors, err := e.describer.Describe(ctx, aligned, purpose)
	if err != nil {
		return nil, err
	}
	for i, d := range descriptors {
		list[i].Descriptor = d
	}
	return list, nil
}

// Reexamine implements engine.Engine.
func (e *Engine) Reexamine(ctx context.Context, numbers []int) ([]faces.Descriptor, error) {
	list := make([]faces.Descriptor, len(numbers))
	for i, n := range numbers {
		if n < 0 || n >= len(e.cutouts) {
			return nil, fmt.Errorf("describe face %d again: the last picture has %d", n, len(e.cutouts))
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		d, err := e.describer.Again(n, e.cutouts[n])
		if err != nil {
			return nil, err
		}
		list[i] = d
	}
	return list, nil
}

// Render implements engine.Renderer.
func (e *Engine) Render(ctx context.Context, file []byte, r faces.Rendering) (faces.Rendered, error) {
	e.cutouts = nil
	return e.render(ctx, file, r)
}

// Close implements engine.Engine.
func (e *Engine) Close() { e.describer.Close() }

func fromLeft(list []find.Face) []find.Face {
	slices.SortStableFunc(list, func(a, b find.Face) int {
		return cmp.Or(cmp.Compare(a.Box.X, b.Box.X), cmp.Compare(a.Box.Y, b.Box.Y))
	})
	return list
}

// source is a face and the pixels that it is cut out of.
type source struct {
	face   find.Face // in pixels of the picture that was searched
	pixels *picture.RGB
	points align.Points // in pixels of pixels
	scale  float64      // pixels of the original for each pixel of the searched picture
}

const (
	// enlarged is the factor of enlargement to the cut-out from which a face
	// is decoded again at full size.
	enlarged = 1.15
	// maxRegion bounds the pixels that are decoded again at a time: 36 MB.
	maxRegion = 12 << 20
)

// sourcesOf returns the pixels to cut each face out of. That is the searched
// picture, or a region of the original at full size if the face needs more
// pixels and the file has them. It also returns the time that decoding took.
func sourcesOf(p Picture, pixels *picture.RGB, found []find.Face) ([]source, time.Duration, error) {
	size := p.Size()
	scale := float64(size.X) / float64(pixels.Width)
	list := make([]source, len(found))
	var small []int
	for i, f := range found {
		list[i] = source{face: f, pixels: pixels, points: f.Points, scale: scale}
		if scale > enlarged && cutoutScale(f.Points) > enlarged {
			small = append(small, i)
		}
	}
	begin := time.Now()
	for group := range groups(list, small, size) {
		parts, covered, err := p.Regions(group.areas)
		if err != nil {
			return nil, time.Since(begin), fmt.Errorf("read faces at full size: %w", err)
		}
		for j, i := range group.faces {
			list[i].pixels = parts[j]
			list[i].points = movePoints(list[i].face.Points, scale, covered[j].Min)
		}
	}
	return list, time.Since(begin), nil
}

// cutoutScale returns the factor by which a face is enlarged to its cut-out.
func cutoutScale(p align.Points) float64 { return align.Between(p, align.Cutout()).Scale() }

// group is a number of faces that are decoded together, and the region of
// each.
type group struct {
	faces []int
	areas []image.Rectangle
}

// groups yields the faces in groups that are small enough to be decoded
// together.
func groups(list []source, numbers []int, size image.Point) iter.Seq[group] {
	return func(yield func(group) bool) {
		var g group
		pixels := 0
		for _, i := range numbers {
			area := cutoutArea(list[i]).Intersect(image.Rectangle{Max: size})
			if area.Empty() {
				continue
			}
			g.faces, g.areas = append(g.faces, i), append(g.areas, area)
			if pixels += area.Dx() * area.Dy(); pixels > maxRegion {
				if !yield(g) {
					return
				}
				g, pixels = group{}, 0
			}
		}
		if len(g.faces) > 0 {
			yield(g)
		}
	}
}

// cutoutArea returns the region of the original that a face's cut-out shows.
func cutoutArea(s source) image.Rectangle {
	back := align.Between(s.face.Points, align.Cutout()).Inverse()
	last := float64(align.CutoutSide - 1)
	area := image.Rectangle{}
	for i, corner := range []align.Point{{X: 0, Y: 0}, {X: last, Y: 0}, {X: 0, Y: last}, {X: last, Y: last}} {
		p := back.Apply(corner)
		at := image.Pt(int(math.Floor(p.X*s.scale)), int(math.Floor(p.Y*s.scale)))
		one := image.Rectangle{Min: at, Max: at.Add(image.Pt(2, 2))}
		if i == 0 {
			area = one
		} else {
			area = area.Union(one)
		}
	}
	return area
}

// movePoints maps points of the searched picture to a region of the original
// that starts at corner.
func movePoints(p align.Points, scale float64, corner image.Point) align.Points {
	for i := range p {
		// Whole numbers are the centres of pixels, not their corners.
		p[i].X = (p[i].X+0.5)*scale - 0.5 - float64(corner.X)
		p[i].Y = (p[i].Y+0.5)*scale - 0.5 - float64(corner.Y)
	}
	return p
}
