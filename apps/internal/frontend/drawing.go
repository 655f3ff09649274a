package frontend

import (
	"image"
	"strconv"
	"unicode/utf8"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// drawing is the overlay that shows where the faces are. All lengths are in
// pixels of the picture.
type drawing struct {
	Width, Height int
	Font          int  // height of the labels
	Over          bool // it lies over the picture
	Faces         []drawnFace

	taken []image.Rectangle // space used by labels
}

// drawnFace is one face of a drawing: a box, its landmarks and a label.
type drawnFace struct {
	Number int
	ID     int64
	Tone   string
	Box    faces.Box
	Points []faces.Point // landmarks
	Dot    int           // radius of a landmark
	Title  string        // the full name
	Label  string        // the name, shortened to maxLabel characters
	X, Y   int           // start or end of the label's baseline
	Anchor string        // start or end
}

// maxLabel is the maximum length of a label in characters.
const maxLabel = 20

// draw returns nil if the size or the faces of the picture are unknown.
func draw(img faces.Image, views []faceView) *drawing {
	if img.Width <= 0 || img.Height <= 0 || len(img.Faces) == 0 {
		return nil
	}
	const lines = 34 // labels that fit below one another in a square picture
	d := &drawing{Width: img.Width, Height: img.Height, Font: max(max(img.Width, img.Height)/lines, 1)}
	for i, f := range img.Faces {
		v := views[i]
		title := strconv.Itoa(v.Number) + " " + v.Name
		d.add(drawnFace{Number: v.Number, ID: f.ID, Tone: v.Outcome.Tone, Box: f.Box, Points: f.Landmarks, Dot: max(f.Box.Width/40, 1), Title: title}, title, maxLabel)
	}
	return d
}

// drawSmall draws the faces over a thumbnail: names only, and larger.
func (l *language) drawSmall(img faces.Image) *drawing {
	if img.Width <= 0 || img.Height <= 0 || len(img.Faces) == 0 {
		return nil
	}
	const (
		lines  = 22
		letter = 12
	)
	d := &drawing{Width: img.Width, Height: img.Height, Font: max(max(img.Width, img.Height)/lines, 1)}
	for i, f := range img.Faces {
		if f.Reason.IsDismissed() {
			continue
		}
		name := ""
		if f.Person != nil && len(img.Faces) > 1 { // the line below names a single face
			name = l.personName(*f.Person)
		}
		d.add(drawnFace{Number: i + 1, Tone: toneOf(f.Reason.Status(), f.Reason), Box: f.Box, Title: name}, name, letter)
	}
	return d
}

// add adds a face and places its label of at most limit characters.
func (d *drawing) add(f drawnFace, label string, limit int) {
	f.Label, f.X, f.Anchor = faces.Truncate(label, limit), f.Box.X, "start"
	width := utf8.RuneCountInString(f.Label) * d.Font * 6 / 10 // average width of a bold letter
	left := f.Box.X
	if left+width > d.Width {
		left, f.X, f.Anchor = f.Box.X+f.Box.Width-width, f.Box.X+f.Box.Width, "end"
	}
	if label != "" {
		f.Y = d.place(left, width, f.Box)
	}
	d.Faces = append(d.Faces, f)
}

// place returns the baseline of a label. It tries above and below the box, then
// one and two lines farther away, and uses the inside of the box if all of
// these overlap another label.
func (d *drawing) place(left, width int, box faces.Box) int {
	const descent = 4 // a letter reaches 1/4 of its height below the baseline
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
