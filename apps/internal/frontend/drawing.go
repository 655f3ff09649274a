package frontend

// This file owns the drawing of where the faces are in a picture, in the
// picture's own pixels.

import (
	"image"
	"strconv"
	"unicode/utf8"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

type drawing struct {
	Width, Height int
	Font          int // height of the labels
	Faces         []drawnFace

	taken []image.Rectangle // by labels
}

type drawnFace struct {
	Tone   string
	Box    faces.Box
	Points []faces.Point // landmarks
	Dot    int           // radius of a landmark
	Title  string        // the whole name
	Label  string        // what fits
	X, Y   int           // of the label's baseline
	Anchor string        // start or end
}

// maxLabel is how many characters of a name stand beside its box.
const maxLabel = 20

// draw returns nil for a picture whose size or faces are not known.
func draw(img faces.Image, views []faceView) *drawing {
	if img.Width <= 0 || img.Height <= 0 || len(img.Faces) == 0 {
		return nil
	}
	d := &drawing{Width: img.Width, Height: img.Height, Font: max(max(img.Width, img.Height)/34, 1)}
	for i, f := range img.Faces {
		d.Faces = append(d.Faces, d.face(f, views[i]))
	}
	return d
}

func (d *drawing) face(f faces.Face, v faceView) drawnFace {
	title := strconv.Itoa(v.Number) + " " + v.Name
	drawn := drawnFace{
		Tone: v.Outcome.Tone, Box: f.Box, Points: f.Landmarks, Dot: max(f.Box.Width/40, 1),
		Title: title, Label: shorten(title, maxLabel), X: f.Box.X, Anchor: "start",
	}
	width := utf8.RuneCountInString(drawn.Label) * d.Font * 6 / 10 // a bold letter, on average
	left := f.Box.X
	if left+width > d.Width {
		left, drawn.X, drawn.Anchor = f.Box.X+f.Box.Width-width, f.Box.X+f.Box.Width, "end"
	}
	drawn.Y = d.place(left, width, f.Box)
	return drawn
}

// place returns the baseline of a label: above the box or below it, one line
// farther away where another label is in the way, else inside the box.
func (d *drawing) place(left, width int, box faces.Box) int {
	const descent = 4 // the part of a letter's height under the baseline is 1/4
	line := d.Font + d.Font/descent
	top, bottom := box.Y-d.Font/descent, box.Y+box.Height+d.Font
	for _, y := range []int{top, bottom, top - line, bottom + line, top - 2*line, bottom + 2*line} {
		label := image.Rect(left, y-d.Font, left+width, y+d.Font/descent)
		if label.Min.Y >= 0 && label.Max.Y <= d.Height && !d.overlaps(label) {
			d.taken = append(d.taken, label)
			return y
		}
	}
	return max(box.Y, 0) + d.Font
}

func (d *drawing) overlaps(label image.Rectangle) bool {
	for _, other := range d.taken {
		if label.Overlaps(other) {
			return true
		}
	}
	return false
}

func shorten(text string, limit int) string {
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	return string(runes[:limit-1]) + "…"
}
