package frontend

import (
	"fmt"
	"math"
	"strconv"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// card is one image in the grid.
type card struct {
	row
	Ratio  string   // class that gives the picture its room before it is loaded
	Width  int      // of the thumbnail in the proportions of the picture
	Height int      //
	Alt    string   // what the picture shows, in words
	Boxes  *drawing // nil if there are none
	Who    string   // people and unknown faces, in one line
	Live   bool     // the outcome is still to come
}

func (s *Server) cards(images []faces.Image, q query) []card {
	list := make([]card, len(images))
	for i, img := range images {
		list[i] = s.card(img, q)
	}
	return list
}

func (s *Server) card(img faces.Image, q query) card {
	c := card{row: s.row(img, q), Live: isWaiting(img)}
	c.Ratio, c.Width, c.Height = proportions(img.Width, img.Height)
	c.Alt = c.Path
	c.Who = s.who(img)
	if c.Thumb != "" {
		c.Boxes = s.drawSmall(img)
	}
	return c
}

// who names the people of an image and counts the other faces.
func (l *language) who(img faces.Image) string {
	switch {
	case img.Status == faces.Failed:
		return "" // its reason is beside the name of the file
	case img.Person == nil:
		return l.besides(img)
	case len(img.Faces) < 2:
		return l.personName(*img.Person)
	}
	name := l.personName(*img.Person)
	if others := l.people(img, img.Person); others != "" {
		name = l.words("short.and", name, others)
	}
	return l.warned(name, img.Warning)
}

// Pictures that are wider or higher are shown in part; see ratios.css.
const (
	ratioStep = 0.05
	narrowest = 0.5
	broadest  = 2.5
	thumbSide = 480 // pixels of the longest side of a thumbnail
	usual     = 4.0 / 3
)

// proportions returns the class of a picture's proportions, and the size that its
// thumbnail has.
func proportions(width, height int) (class string, w, h int) {
	ratio := usual
	if width > 0 && height > 0 {
		ratio = float64(width) / float64(height)
	}
	shown := math.Round(min(max(ratio, narrowest), broadest)/ratioStep) * ratioStep
	w, h = thumbSide, int(math.Round(thumbSide/ratio))
	if ratio < 1 {
		w, h = int(math.Round(thumbSide*ratio)), thumbSide
	}
	return fmt.Sprintf("ar-%d", int(math.Round(100*shown))), max(w, 1), max(h, 1)
}

// thumbnail returns the address of an image's thumbnail; "" if no picture can be shown.
func (s *Server) thumbnail(img faces.Image) string {
	if !s.canShow(img) {
		return ""
	}
	return "/images/" + strconv.FormatInt(img.ID, 10) + "/thumbnail"
}

// canShow reports whether an image has a picture that can be read.
func (s *Server) canShow(img faces.Image) bool {
	return s.hasPictures() && !img.Reason.Permanent()
}
