// Package fakeengine is a face engine for tests. It takes coloured squares for
// faces, and a colour for a person. Draw makes the pictures and Studio opens
// the engines. No shipped program imports it.
package fakeengine

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"sync"
	"sync/atomic"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/pixels"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// Model returns the model set of the fake engines.
func Model() faces.Model {
	return faces.Model{ID: "fake-1", Size: Size, Threshold: 0.2, Margin: 0.02}
}

// Studio opens engines and counts what they do. The zero value works.
type Studio struct {
	// Recognize replaces Find if it is not nil. It gets the pixels as a JPEG.
	// Several engines call it at the same time.
	Recognize func(jpeg []byte) ([]engine.PixelFace, error)
	// Blind engines find no face in engine.Portrait, which the recognizer uses
	// to check an engine. All others find its face, whatever Recognize does.
	// Neither counts as a call.
	Blind atomic.Bool
	// Boxes makes engines that describe the faces in boxes, too. Those of the real
	// model set of release 0.1.0 do not.
	Boxes bool
	// Decode decodes JPEGs before Go's decoder does. It may be nil.
	Decode func(data []byte, width, height, eighths int) (*image.YCbCr, error)

	calls, opened, closed, trims atomic.Int64
}

// Open returns a new engine. It has the signature that recognizer.New expects.
func (s *Studio) Open() (engine.Engine, error) {
	s.opened.Add(1)
	if s.Boxes {
		return &boxes{pixels.New(&fake{studio: s}, picture.Defaults())}, nil
	}
	return pixels.New(&fake{studio: s}, picture.Defaults()), nil
}

// Calls returns the number of pictures processed.
func (s *Studio) Calls() int { return int(s.calls.Load()) }

// Opened returns the number of engines opened.
func (s *Studio) Opened() int { return int(s.opened.Load()) }

// Closed returns the number of engines closed.
func (s *Studio) Closed() int { return int(s.closed.Load()) }

// Trims returns the number of calls of Trim.
func (s *Studio) Trims() int { return int(s.trims.Load()) }

// fake is one engine. It panics where a real one would crash the process.
type fake struct {
	studio *Studio
	state  atomic.Int32
}

const (
	free int32 = iota
	busy
	closed
)

// Look implements engine.PixelEngine.
func (f *fake) Look(m *image.YCbCr) (engine.PixelsSeen, error) {
	if !f.state.CompareAndSwap(free, busy) {
		panic("fake engine: Look on an engine that is in use or closed")
	}
	defer f.state.Store(free)
	if isPortrait(m) {
		if f.studio.Blind.Load() {
			return engine.PixelsSeen{}, nil
		}
		return engine.PixelsSeen{Faces: []engine.PixelFace{{Box: image.Rect(0, 0, 1, 1), Descriptor: make(faces.Descriptor, Size)}}}, nil
	}
	f.studio.calls.Add(1)
	find := f.studio.Recognize
	if find == nil {
		find = Find
	}
	found, err := find(JPEG(m))
	return engine.PixelsSeen{Faces: found}, err
}

// DecodeJPEG implements engine.JPEGDecoder.
func (f *fake) DecodeJPEG(data []byte, width, height, eighths int) (*image.YCbCr, error) {
	if f.studio.Decode == nil {
		return nil, errors.New("this studio has no JPEG decoder")
	}
	return f.studio.Decode(data, width, height, eighths)
}

// Trim implements engine.Trimmer.
func (f *fake) Trim() { f.studio.trims.Add(1) }

// Close implements engine.PixelEngine.
func (f *fake) Close() {
	if !f.state.CompareAndSwap(free, closed) {
		panic("fake engine: Close on an engine that is in use or closed")
	}
	f.studio.closed.Add(1)
}

// isPortrait reports whether a picture looks like engine.Portrait, at any size.
func isPortrait(img image.Image) bool {
	a, b := thumbnail(img), portraitThumbnail()
	difference := 0
	for i := range a {
		difference += max(int(a[i]), int(b[i])) - min(int(a[i]), int(b[i]))
	}
	return difference < 12*len(a)
}

var portraitThumbnail = sync.OnceValue(func() [64]uint8 {
	img, err := jpeg.Decode(bytes.NewReader(engine.Portrait()))
	if err != nil {
		panic(err) // cannot happen: the file is embedded
	}
	return thumbnail(img)
})

// thumbnail returns the brightness of 8 x 8 pixels of a picture.
func thumbnail(img image.Image) (t [64]uint8) {
	b := img.Bounds()
	for i := range t {
		x, y := b.Min.X+(2*(i%8)+1)*b.Dx()/16, b.Min.Y+(2*(i/8)+1)*b.Dy()/16
		t[i] = color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y
	}
	return t
}

// Kernel is the search kernel in plain Go.
type Kernel = nearest.Plain

// cell is the side, in pixels, of the squares that Find examines.
const cell = 4

// Find returns the coloured squares of a JPEG from left to right. Boxes are
// exact to one cell. Like the real engine, it refuses a JPEG without three
// components.
func Find(raw []byte) ([]engine.PixelFace, error) {
	img, err := jpeg.Decode(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", engine.ErrUnreadable, err)
	}
	if _, ok := img.(*image.YCbCr); !ok {
		return nil, fmt.Errorf("%w: %T does not have three components", engine.ErrUnreadable, img)
	}
	var found []engine.PixelFace
	for _, box := range squares(img) {
		middle := image.Pt((box.Min.X+box.Max.X)/2, (box.Min.Y+box.Max.Y)/2)
		found = append(found, engine.PixelFace{
			Box: box, Landmarks: landmarks(box), Descriptor: Describe(rgba(img.At(middle.X, middle.Y))),
		})
	}
	return found, nil
}

// Size is the length of a descriptor. Only its first three numbers are not
// zero.
const Size = 128

// Describe returns the descriptor of a colour. Its first numbers are red, green
// and blue from 0 to 1, so that the distance of two descriptors is that of
// their colours. Colours are rounded to absorb the errors of JPEG.
func Describe(c color.RGBA) faces.Descriptor {
	c = Round(c)
	d := make(faces.Descriptor, Size)
	d[0], d[1], d[2] = float32(c.R)/255, float32(c.G)/255, float32(c.B)/255
	return d
}

// step is the distance between two colours that Describe distinguishes.
const step = 15

// Round returns the nearest colour that Describe distinguishes: its values are
// multiples of 15.
func Round(c color.RGBA) color.RGBA {
	near := func(v uint8) uint8 { return uint8((int(v) + step/2) / step * step) }
	return color.RGBA{R: near(c.R), G: near(c.G), B: near(c.B), A: 255}
}

func rgba(c color.Color) color.RGBA { return color.RGBAModel.Convert(c).(color.RGBA) }

// isColoured reports whether a colour belongs to a face and not to the grey
// background.
func isColoured(c color.RGBA) bool {
	return int(max(c.R, c.G, c.B))-int(min(c.R, c.G, c.B)) > 45
}

// squares returns the bounds of every connected coloured area, from left to
// right.
func squares(img image.Image) []image.Rectangle {
	b := img.Bounds()
	columns, rows := (b.Dx()+cell-1)/cell, (b.Dy()+cell-1)/cell
	coloured := make([]bool, columns*rows)
	for i := range coloured {
		x, y := i%columns*cell+cell/2, i/columns*cell+cell/2
		coloured[i] = isColoured(rgba(img.At(b.Min.X+min(x, b.Dx()-1), b.Min.Y+min(y, b.Dy()-1))))
	}
	var list []image.Rectangle
	for x := range columns { // by columns, for the order from left to right
		for y := range rows {
			if area := flood(coloured, columns, x, y); !area.Empty() {
				pixels := image.Rect(area.Min.X*cell, area.Min.Y*cell, area.Max.X*cell, area.Max.Y*cell)
				list = append(list, pixels.Add(b.Min).Intersect(b))
			}
		}
	}
	return list
}

// flood clears the coloured area around a cell and returns its bounds in cells.
func flood(coloured []bool, columns, x, y int) image.Rectangle {
	var area image.Rectangle
	todo := []image.Point{{X: x, Y: y}}
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		at := p.Y*columns + p.X
		if p.X < 0 || p.X >= columns || p.Y < 0 || at >= len(coloured) || !coloured[at] {
			continue
		}
		coloured[at] = false
		area = area.Union(image.Rect(p.X, p.Y, p.X+1, p.Y+1))
		todo = append(todo, p.Add(image.Pt(1, 0)), p.Add(image.Pt(-1, 0)), p.Add(image.Pt(0, 1)), p.Add(image.Pt(0, -1)))
	}
	return area
}

// landmarks returns five points in a box: the corners of the eyes and the nose.
func landmarks(box image.Rectangle) []image.Point {
	at := func(x, y int) image.Point {
		return image.Pt(box.Min.X+box.Dx()*x/10, box.Min.Y+box.Dy()*y/10)
	}
	return []image.Point{at(8, 3), at(6, 3), at(2, 3), at(4, 3), at(5, 6)}
}

var _ engine.PixelEngine = (*fake)(nil)
