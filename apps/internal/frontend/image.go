package frontend

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// imageView is the body of an image's page.
type imageView struct {
	ID          int64
	Path        string
	FullPath    string
	Outcome     outcome
	Sentence    string
	Next        string // what happens next with an image without an answer
	Detail      string
	Warning     string // what is wrong with a file that could still be read
	Omitted     string // how many faces were left out; "" for none
	Faces       []faceView
	Drawing     *drawing // nil if the picture was never decoded
	Width       int
	Height      int
	Attempts    int
	Model       string
	DuplicateOf int64
	Added       moment
	Changed     moment
	Queued      moment // Exact is "" if it was never queued
}

// faceView is one face and the decision about it.
type faceView struct {
	Number    int
	Name      string
	PersonURL string
	Outcome   outcome
	Why       string // the reason as a sentence
	Box       string
	Best      *candidateView
	Second    *candidateView
	Bar       *bar
	Apart     string // how much farther the second person is than the best
	Margin    string // how much farther it must be; "" if unknown
	Said      string // what a correction says about the face; "" without one
	Quality   string // "" if unknown
	Dismissed bool   // it does not count
}

// candidateView is a person near a face, with the nearest known picture.
type candidateView struct {
	Name     string
	URL      string
	Image    string
	Distance string
	Parts    string // distance by each network; "" if unknown
}

// bar shows a distance beside the threshold. Widths are in units of its
// viewBox.
type bar struct {
	Full      int    // total width
	Fill      int    // width of the distance
	Threshold int    // position of the threshold; 0 if unknown
	Limit     string // the threshold as text
	Text      string // all of it for a screen reader
	Within    bool
}

// image answers with the page of one image.
func (s *Server) image(c *gin.Context) {
	ctx := c.Request.Context()
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil || id < 1 {
		s.problem(c, pageMissing())
		return
	}
	img, err := s.store.Image(ctx, id)
	if faces.ErrorCode(err) == faces.CodeMissing {
		s.problem(c, imageMissing(strconv.FormatInt(id, 10)))
		return
	}
	if err != nil {
		s.failed(c, err)
		return
	}
	model, err := s.model(ctx)
	if err != nil {
		s.failed(c, err)
		return
	}
	models, err := s.store.Models(ctx)
	if err != nil {
		s.failed(c, err)
		return
	}
	s.render(c, http.StatusOK, "image", page{
		Title:   fmt.Sprintf("%s · image %d", s.shownName(img), img.ID),
		Waiting: awaitsOutcome(img.Status, img.Reason), Model: model, Body: s.viewImage(img, models),
	})
}

// viewImage returns the view of an image. models holds the known model sets by
// id.
func (s *Server) viewImage(img faces.Image, models map[string]faces.Model) imageView {
	v := imageView{
		ID: img.ID, Path: s.shownName(img), FullPath: visible(img.Path),
		Outcome: outcomeOf(img.Status, img.Reason), Sentence: sentence(img, models[img.Model]), Next: next(img),
		Detail: visible(faces.Describe(img)), Warning: visible(img.Warning), Omitted: omitted(img.Omitted), Width: img.Width, Height: img.Height, Attempts: img.Attempts,
		Model: img.Model, DuplicateOf: img.DuplicateOf,
		Added: s.moment(img.CreatedAt), Changed: s.moment(img.UpdatedAt), Queued: s.moment(img.PublishedAt),
	}
	for i, f := range img.Faces {
		v.Faces = append(v.Faces, viewFace(i+1, f, models[f.Model]))
	}
	v.Drawing = draw(img, v.Faces)
	return v
}

// viewFace returns the view of a face by the rule of its own model set m, which
// is empty if unknown.
func viewFace(number int, f faces.Face, m faces.Model) faceView {
	v := faceView{
		Number: number, Name: "Unknown", Outcome: outcomeOf(f.Reason.Status(), f.Reason), Why: f.Explain(m),
		Box:  fmt.Sprintf("%d × %d at (%d, %d)", f.Box.Width, f.Box.Height, f.Box.X, f.Box.Y),
		Best: viewCandidate(f.Best, m), Second: viewCandidate(f.Second, m), Quality: viewQuality(f.Quality),
	}
	if f.Drawn {
		v.Box += ", drawn by hand"
	}
	switch {
	case f.Confirmed:
		v.Said = "who this is"
	case f.Reason == faces.Ignored:
		v.Said = "to be ignored"
	case f.Reason == faces.NotAFace:
		v.Said = "not a face"
	case f.Corrected:
		v.Said = "who this is not"
	}
	switch {
	case f.Reason.IsDismissed():
		v.Name, v.Dismissed = v.Outcome.Label, true
	case f.Person != nil:
		v.Name, v.PersonURL = personName(*f.Person), personLink(*f.Person)
	case f.IsAmbiguous(m):
		v.Name = v.Best.Name + " or " + v.Second.Name + "?"
	case f.ResemblesBest(m):
		v.Name = v.Best.Name + "?"
	}
	if f.Best != nil {
		v.Bar = newBar(f.Best.Distance, m.Threshold, f.Reason != faces.UnknownPerson)
	}
	if f.Best != nil && f.Second != nil {
		v.Apart = distance(f.Second.Distance - f.Best.Distance)
		if m.Threshold > 0 {
			v.Margin = distance(m.Margin)
		}
	}
	return v
}

// viewQuality describes how well a face is visible. It returns "" for faces
// stored before quality was measured.
func viewQuality(q faces.Quality) string {
	if q == (faces.Quality{}) {
		return ""
	}
	text := fmt.Sprintf("%.2f of 1: %d px, sharpness %.2f, turned %.0f°, tilted %.0f°",
		q.Score, q.Size, q.Sharpness, math.Abs(q.Yaw), math.Abs(q.Roll))
	if q.CutOff > 0 {
		text += fmt.Sprintf(", %.0f %% outside the picture", 100*q.CutOff)
	}
	if q.Detection > 0 {
		text += fmt.Sprintf(", detector's score %.2f", q.Detection)
	}
	return text
}

// omitted says how many faces were found and left out.
func omitted(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 smaller face was found but left out: the number of faces per picture is limited."
	default:
		return fmt.Sprintf("%d smaller faces were found but left out: the number of faces per picture is limited.", n)
	}
}

// viewParts lists the distance by each network.
func viewParts(p faces.Parts, networks []string) string {
	var list []string
	for i, d := range p.List() {
		name := fmt.Sprintf("network %d", i+1)
		if i < len(networks) {
			name = networks[i]
		}
		list = append(list, visible(name)+" "+distance(float64(d)))
	}
	return strings.Join(list, ", ")
}

func viewCandidate(c *faces.Candidate, m faces.Model) *candidateView {
	if c == nil {
		return nil
	}
	return &candidateView{
		Name: personName(c.Person), URL: personLink(c.Person), Image: visible(c.Image), Distance: distance(c.Distance),
		Parts: viewParts(c.Parts, m.NetworkNames()),
	}
}

// barWidth is the width of a bar's viewBox. widest is the distance at its end
// if no threshold is known; few faces are farther apart.
const (
	barWidth = 200
	widest   = 1.2
)

// newBar returns the bar of a distance, with the threshold in its middle.
func newBar(d, threshold float64, within bool) *bar {
	b := &bar{Full: barWidth, Within: within, Text: "distance " + distance(d)}
	end := widest
	if threshold > 0 {
		end = 2 * threshold
		b.Threshold, b.Limit = barWidth/2, distance(threshold)
		b.Text += ", threshold " + b.Limit
	}
	b.Fill = int(math.Round(barWidth * min(max(d/end, 0.01), 1)))
	return b
}

func distance(d float64) string { return strconv.FormatFloat(d, 'f', 3, 64) }
