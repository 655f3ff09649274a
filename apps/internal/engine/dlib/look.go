package dlib

// This file owns how a picture is looked at: our detector looks for places on
// the whole picture, then go-face looks at a small cut-out around each, confirms
// the face and describes it. So the dear part is done once, by the quicker
// detector, and every face that is answered is one that go-face has found.

import (
	"cmp"
	"errors"
	"image"
	"math"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

const (
	// doubtful is the least score of a place that go-face is asked about. Brightness
	// alone scores a little below colour: of the 50 faces that dlib finds in 25
	// photographs, one scores -0.09; the next places, from -0.25 on, are none.
	doubtful = -0.1

	// A cut-out shows the face and half its side around it, of which the
	// descriptor's chip takes up to about that much where a face is tilted. A face
	// larger than described is made smaller: the chip has 150 pixels for 1.4
	// times the box, so nothing is lost, and go-face detects faster.
	margin    = 0.5
	described = 125.0 // pixels

	// quality of the cut-outs' JPEGs, the one form that go-face takes. They are
	// small, and descriptors move less than at 95.
	quality = 98

	// sameFace is the smallest overlap (intersection over union) of a box with
	// the place that it confirms.
	sameFace = 0.4
)

// sizes are by how much a cut-out is scaled at each attempt: a face on the edge
// of what the detector takes for one may be seen at another size.
func sizes() []float64 { return []float64{1, 0.85, 1.2} }

// Look implements engine.PixelEngine.
func (e *Engine) Look(m *image.YCbCr) (engine.PixelsSeen, error) {
	if e.rec == nil {
		return engine.PixelsSeen{}, errors.New("look at a picture: the engine is closed") // C++ would crash
	}
	begin := time.Now()
	places, err := e.detector.Detect(m, doubtful)
	seen := engine.PixelsSeen{Detect: time.Since(begin)}
	if err != nil {
		return seen, err
	}
	begin = time.Now()
	seen.Faces, err = e.describeAll(m, places)
	for i := range seen.Faces {
		seen.Faces[i].Sharpness = sharpness(m, seen.Faces[i].Box)
	}
	seen.Describe = time.Since(begin)
	if e.looks++; e.looks%trimEvery == 0 {
		e.Trim()
	}
	return seen, err
}

// describeAll describes the faces at the places where go-face sees one. Where
// it does not see what is a face to dlib's detector, it looks at the whole
// picture, once.
func (e *Engine) describeAll(m *image.YCbCr, places []Candidate) ([]engine.PixelFace, error) {
	var found []engine.PixelFace
	var missed []image.Rectangle
	for _, c := range places {
		f, err := e.describe(m, c.Box)
		switch {
		case err != nil:
			return nil, err
		case f != nil:
			found = append(found, *f)
		case c.Score >= 0:
			missed = append(missed, c.Box)
		}
	}
	if len(missed) > 0 {
		whole, err := e.see(m, m.Rect, 1)
		if err != nil {
			return nil, err
		}
		for _, box := range missed {
			if f := nearest(whole, box); f != nil {
				found = append(found, *f)
			}
		}
	}
	return fromLeft(distinct(found)), nil
}

// describe returns the face at a place, or nil where go-face sees none.
func (e *Engine) describe(m *image.YCbCr, box image.Rectangle) (*engine.PixelFace, error) {
	side := float64(max(box.Dx(), box.Dy()))
	area := box.Inset(-int(margin * side))
	for _, by := range sizes() {
		found, err := e.see(m, area, by*min(1, described/side))
		if err != nil {
			return nil, err
		}
		if f := nearest(found, box); f != nil {
			return f, nil
		}
	}
	return nil, nil
}

// see lets go-face look at a part of a picture, scaled, and returns what it
// found in the picture's pixels.
func (e *Engine) see(m *image.YCbCr, area image.Rectangle, scale float64) ([]engine.PixelFace, error) {
	part, shown := picture.Crop(m, area, scale)
	if part.Rect.Empty() {
		return nil, nil
	}
	jpeg, err := picture.EncodeJPEG(part, quality)
	if err != nil {
		return nil, err
	}
	found, err := e.Recognize(jpeg)
	if err != nil {
		return nil, err
	}
	for i := range found {
		mapBack(&found[i], part.Rect, shown)
	}
	return found, nil
}

// mapBack puts a face of a part into the pixels of the whole.
func mapBack(f *engine.PixelFace, part, shown image.Rectangle) {
	x, y := float64(shown.Dx())/float64(part.Dx()), float64(shown.Dy())/float64(part.Dy())
	at := func(p image.Point) image.Point {
		return image.Pt(int(math.Round(float64(p.X)*x)), int(math.Round(float64(p.Y)*y))).Add(shown.Min)
	}
	f.Box = image.Rectangle{Min: at(f.Box.Min), Max: at(f.Box.Max)}
	for i, p := range f.Landmarks {
		f.Landmarks[i] = at(p)
	}
}

// nearest returns the face that overlaps a box the most, or nil.
func nearest(found []engine.PixelFace, box image.Rectangle) *engine.PixelFace {
	var best *engine.PixelFace
	share := sameFace
	for i := range found {
		if s := overlap(found[i].Box, box); s >= share {
			best, share = &found[i], s
		}
	}
	return best
}

// distinct leaves one of faces that two places were confirmed by.
func distinct(found []engine.PixelFace) []engine.PixelFace {
	var kept []engine.PixelFace
	for _, f := range found {
		if nearest(kept, f.Box) == nil {
			kept = append(kept, f)
		}
	}
	return kept
}

func fromLeft(found []engine.PixelFace) []engine.PixelFace {
	slices.SortStableFunc(found, func(a, b engine.PixelFace) int {
		return cmp.Or(cmp.Compare(a.Box.Min.X, b.Box.Min.X), cmp.Compare(a.Box.Min.Y, b.Box.Min.Y))
	})
	return found
}

// overlap is the intersection of two boxes over their union.
func overlap(a, b image.Rectangle) float64 {
	area := func(r image.Rectangle) float64 { return float64(r.Dx()) * float64(r.Dy()) }
	both := area(a.Intersect(b))
	return both / (area(a) + area(b) - both)
}

// sharpSide is the side of a face in pixels at which its sharpness is measured:
// that of the box in the chip that is described.
const sharpSide = 105.0

// sharpness returns 0 (blurred) to 1 (sharp) for the face in a box: the
// variance of the Laplacian, which is what blur takes away first (Pech-Pacheco
// and others, Diatom autofocusing in brightfield microscopy, 2000), over the
// variance of the brightness, so that a dark picture is not called blurred. A
// face that has to be enlarged to be described is blurred by that.
func sharpness(m *image.YCbCr, box image.Rectangle) float64 {
	inside := box.Intersect(m.Rect)
	if inside.Empty() {
		return 0
	}
	face, _ := picture.Crop(m, inside, sharpSide/float64(max(box.Dx(), box.Dy())))
	at := func(x, y int) float64 { return float64(face.Y[y*face.YStride+x]) }
	var edges, brightness spread
	for y := 1; y < face.Rect.Dy()-1; y++ {
		for x := 1; x < face.Rect.Dx()-1; x++ {
			brightness.add(at(x, y))
			edges.add(at(x-1, y) + at(x+1, y) + at(x, y-1) + at(x, y+1) - 4*at(x, y))
		}
	}
	if brightness.variance() < 1 { // nothing to be seen
		return 0
	}
	ratio := edges.variance() / brightness.variance()
	return ratio / (ratio + halfSharp)
}

// halfSharp is the ratio of variances that counts as 0.5.
const halfSharp = 0.03

// spread is the variance of values.
type spread struct{ n, sum, squares float64 }

func (s *spread) add(v float64) { s.n++; s.sum += v; s.squares += v * v }

func (s *spread) variance() float64 {
	if s.n == 0 {
		return 0
	}
	mean := s.sum / s.n
	return max(0, s.squares/s.n-mean*mean)
}
