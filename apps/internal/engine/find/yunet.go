package find

import (
	"cmp"
	"fmt"
	"image"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/align"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// Network is YuNet. Its input has the shape [1, height, width, 3] in the
// order blue, green, red, with sides that are multiples of 32. Its output has
// the shape [faces, 15].
type Network interface {
	Run(input []uint8, shape []int64, out []float32) (numbers []float32, outShape []int64, err error)
}

const (
	// step: both sides of YuNet's input are multiples of it.
	step = 32
	// perFace is the length of YuNet's output for a face: score, x, y, width,
	// height, then x and y of the right eye, left eye, nose, and right and
	// left corner of the mouth.
	perFace = 15
	// sameFace is the overlap (intersection over union) from which two boxes
	// are the same face.
	sameFace = 0.45
	// maxRaw bounds how many boxes are compared in pairs, so that a hostile
	// picture full of face-like patterns does not take seconds.
	maxRaw = 1000
)

// Box is a rectangle in pixels. It may extend beyond the picture.
type Box struct{ X, Y, Width, Height float64 }

func (b Box) area() float64 { return b.Width * b.Height }

// shared returns the area of the intersection of two boxes.
func (b Box) shared(other Box) float64 {
	width := min(b.X+b.Width, other.X+other.Width) - max(b.X, other.X)
	height := min(b.Y+b.Height, other.Y+other.Height) - max(b.Y, other.Y)
	if width <= 0 || height <= 0 {
		return 0
	}
	return width * height
}

// overlap returns the intersection over union of two boxes.
func (b Box) overlap(other Box) float64 {
	both := b.shared(other)
	return both / (b.area() + other.area() - both)
}

// Face is a face that was found, in pixels of the searched picture.
type Face struct {
	Score float64 // YuNet's confidence, 0 to 1
	// Worth is the score times how upright the face was in the picture that
	// YuNet saw, 0 to 1. The landmarks of a face that is not upright are
	// guesses.
	Worth  float64
	Box    Box // axis-aligned, however the face is rotated
	Points align.Points

	turn int // rotation in which it was found, in eighths of a circle
}

// yunet runs the network on pictures of any size. It reuses its buffers.
type yunet struct {
	network Network
	input   []byte
	output  []float32
}

const (
	// maxRun bounds the area of the network's input, in pixels. The network
	// needs about 80 bytes of memory a pixel.
	maxRun = 1_200_000
	// shared is the overlap of neighbouring tiles, in pixels. Larger faces
	// are found by the search at the smaller size.
	shared = 96
)

// detect returns the faces in a picture that have at least a score, best
// first, without duplicates. It splits a large picture into tiles.
func (y *yunet) detect(m *picture.RGB, least float64) ([]Face, error) {
	columns, rows := grid(m.Width, m.Height)
	var all []Face
	for row := range rows {
		for column := range columns {
			area := image.Rectangle{
				Min: image.Pt(column*(m.Width-shared)/columns, row*(m.Height-shared)/rows),
				Max: image.Pt((column+1)*(m.Width-shared)/columns+shared, (row+1)*(m.Height-shared)/rows+shared),
			}.Intersect(image.Rect(0, 0, m.Width, m.Height))
			list, err := y.detectTile(m.Crop(area), least)
			if err != nil {
				return nil, err
			}
			all = append(all, moved(list, area.Min)...)
		}
	}
	return distinct(all), nil
}

// grid returns the number of columns and rows of tiles for a picture. No tile
// is larger than maxRun, and tiles are about square.
func grid(width, height int) (columns, rows int) {
	columns, rows = 1, 1
	for (width/columns+shared)*(height/rows+shared) > maxRun && columns*rows < width*height {
		if width/columns >= height/rows {
			columns++
		} else {
			rows++
		}
	}
	return columns, rows
}

func moved(list []Face, by image.Point) []Face {
	x, y := float64(by.X), float64(by.Y)
	for i := range list {
		list[i].Box.X += x
		list[i].Box.Y += y
		for j := range list[i].Points {
			list[i].Points[j].X += x
			list[i].Points[j].Y += y
		}
	}
	return list
}

// detectTile returns the faces in a picture that fits the network's input.
func (y *yunet) detectTile(m *picture.RGB, least float64) ([]Face, error) {
	width, height := roundUp(m.Width), roundUp(m.Height)
	y.fill(m, width, height)
	numbers, shape, err := y.network.Run(y.input, []int64{1, int64(height), int64(width), 3}, y.output[:0])
	if err != nil {
		return nil, fmt.Errorf("find faces: %w", err)
	}
	y.output = numbers
	if len(shape) != 2 || shape[1] != perFace {
		return nil, fmt.Errorf("find faces: the network returned the shape %v, want [faces, %d]", shape, perFace)
	}
	return candidates(numbers, least), nil
}

func roundUp(side int) int { return (side + step - 1) / step * step }

// fill copies a picture into the network's input as blue, green, red, and
// pads it with black on the right and at the bottom.
func (y *yunet) fill(m *picture.RGB, width, height int) {
	if need := 3 * width * height; cap(y.input) < need {
		y.input = make([]byte, need)
	} else {
		y.input = y.input[:need]
	}
	for row := range height {
		dst := y.input[3*width*row:][:3*width]
		if row >= m.Height {
			clear(dst)
			continue
		}
		src := m.Pix[m.Stride*row:][:3*m.Width]
		for x := 0; x < len(src); x += 3 {
			d, s := dst[x:x+3:x+3], src[x:x+3:x+3]
			d[0], d[1], d[2] = s[2], s[1], s[0]
		}
		clear(dst[len(src):])
	}
}

// candidates decodes the network's output.
func candidates(numbers []float32, least float64) []Face {
	var list []Face
	for ; len(numbers) >= perFace; numbers = numbers[perFace:] {
		if !(float64(numbers[0]) >= least) { // also true for NaN
			continue
		}
		f := Face{Score: float64(numbers[0]), Box: Box{
			X: float64(numbers[1]), Y: float64(numbers[2]), Width: float64(numbers[3]), Height: float64(numbers[4]),
		}}
		for i := range f.Points {
			f.Points[i] = align.Point{X: float64(numbers[5+2*i]), Y: float64(numbers[6+2*i])}
		}
		f.Worth = f.Score * uprightness(f.Points)
		if f.Box.Width >= 1 && f.Box.Height >= 1 {
			list = append(list, f)
		}
	}
	return list
}

func bestFirst(list []Face) []Face {
	slices.SortStableFunc(list, func(a, b Face) int { return cmp.Compare(b.Worth, a.Worth) })
	return list
}

// distinct keeps the best box of each face (greedy non-maximum suppression).
func distinct(list []Face) []Face {
	var kept []Face
	list = bestFirst(list)
	for _, f := range list[:min(len(list), maxRaw)] {
		if !slices.ContainsFunc(kept, func(k Face) bool { return k.Box.overlap(f.Box) > sameFace }) {
			kept = append(kept, f)
		}
	}
	return kept
}
