package dlib

// Detection has two steps. Our detector searches the whole picture for
// candidates. go-face then searches a small cut-out around each, confirms the
// face and describes it. The expensive step over the whole picture is thus
// done only once, by the faster detector, and every face returned was found
// by go-face.

import (
	"cmp"
	"errors"
	"image"
	"math"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/quality"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

const (
	// doubtful is the lowest score of a candidate that go-face checks.
	// Without colour, scores are a little lower. Of the 50 faces that dlib
	// finds in 25 photographs, one scores -0.09. The next candidates score
	// -0.25 or less and are not faces.
	doubtful = -0.1

	// A cut-out shows the face and a margin of half its side, which is about
	// as much as the descriptor's chip uses if the face is tilted. A face
	// larger than described is reduced. The chip has 150 pixels for 1.4 times
	// the box, so nothing is lost, and go-face detects faster.
	margin    = 0.5
	described = 125.0 // pixels

	// jpegQuality is that of the cut-outs; go-face takes nothing but JPEGs.
	// They are small, and descriptors change less than at 95.
	jpegQuality = 98

	// sameFace is the smallest overlap (intersection over union) of a face
	// with the candidate that it confirms.
	sameFace = 0.4
)

// sizes returns the scales of a cut-out to try. A face that the detector
// barely misses may be found at another size.
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

// describeAll describes the candidates that go-face confirms. If go-face does
// not find a candidate that dlib's detector accepts, it searches the whole
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

// describe returns the face at a candidate's box, or nil if go-face finds
// none.
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

// see has go-face search a scaled part of a picture. It returns faces in the
// picture's pixels.
func (e *Engine) see(m *image.YCbCr, area image.Rectangle, scale float64) ([]engine.PixelFace, error) {
	part, shown := picture.Crop(m, area, scale)
	if part.Rect.Empty() {
		return nil, nil
	}
	jpeg, err := picture.EncodeJPEG(part, jpegQuality)
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

// mapBack maps a face of a part to pixels of the whole picture.
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

// distinct keeps one of the faces that were found for two candidates.
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
	slices.SortStableFunc(found, func(a, b engine.PixelFace) int { return byLeftEdge(a.Box, b.Box) })
	return found
}

func byLeftEdge(a, b image.Rectangle) int {
	return cmp.Or(cmp.Compare(a.Min.X, b.Min.X), cmp.Compare(a.Min.Y, b.Min.Y))
}

// overlap is the intersection of two boxes over their union.
func overlap(a, b image.Rectangle) float64 {
	area := func(r image.Rectangle) float64 { return float64(r.Dx()) * float64(r.Dy()) }
	both := area(a.Intersect(b))
	return both / (area(a) + area(b) - both)
}

// sharpSide is the side in pixels at which the sharpness of a face is
// measured: that of the box in the chip.
const sharpSide = 105.0

// sharpness rates the face in a box from 0 (blurred) to 1 (sharp). A face that
// must be enlarged to be described is rated as blurred.
func sharpness(m *image.YCbCr, box image.Rectangle) float64 {
	inside := box.Intersect(m.Rect)
	if inside.Empty() {
		return 0
	}
	face, _ := picture.Crop(m, inside, sharpSide/float64(max(box.Dx(), box.Dy())))
	at := func(x, y int) float64 { return float64(face.Y[y*face.YStride+x]) }
	var edges quality.Edges
	for y := 1; y < face.Rect.Dy()-1; y++ {
		for x := 1; x < face.Rect.Dx()-1; x++ {
			edges.Add(at, x, y)
		}
	}
	return edges.Sharpness()
}
