package frontend

import (
	"context"
	"math"
	"net/http"
	"net/url"
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
	Picture     string   // URL; "" if it cannot be shown
	Download    string
	Ratio       string // class of its proportions
	History     []said
	Notice      *said // what was just said, or undone
	Waits       bool  // the outcome is still to come
	ShownWidth  int   // of the picture, in its proportions
	ShownHeight int
	Version     string // to be sent with a correction
	Filter      string // the list that the image is looked at in
	Back        string // URL of that list
	Following   string // URL of the next image of that list; "" if there is none
	Previous    string
	Changes     bool // the viewer may correct faces
	Width       int
	Height      int
	Attempts    int
	Model       string
	DuplicateOf int64
	Added       moment
	Changed     moment
	Queued      moment // Exact is "" if it was never queued
}

// faceInside is a face and the image that it is in, for the template of a face.
type faceInside struct {
	Image imageView
	Face  faceView
}

// faceNumber names a face in a sentence. 0 is a face that is no longer found.
func (s *Server) faceNumber(n int) string {
	if n == 0 {
		return s.words("history.lost")
	}
	return s.words("history.face", n)
}

// faceView is one face and the decision about it.
type faceView struct {
	Number    int
	ID        int64
	Crop      string        // URL; "" if there is no picture
	Near      string        // how near the best person is, in words
	Suggested *faces.Person // whom a "yes" would confirm
	Refused   *faces.Person // whom a "no" would exclude
	Undo      int64         // the correction that counts; 0 if there is none
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
	ID       int64
	Name     string
	URL      string
	Image    string
	Picture  string // URL of the known picture; "" if there is none
	Distance string
	Parts    string // distance by each network; "" if unknown

	file string // Image as it is
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
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil || id < 1 {
		s.problem(c, pageMissing())
		return
	}
	v, err := s.readImage(c, id)
	switch {
	case faces.ErrorCode(err) == faces.CodeMissing:
		s.problem(c, imageMissing(strconv.FormatInt(id, 10)))
		return
	case err != nil:
		s.failed(c, err)
		return
	}
	s.render(c, http.StatusOK, "image", page{
		Title: s.words("picture.title", v.Path, v.ID), Section: "images",
		Waiting: v.Waits, Body: v,
	})
}

// readImage reads all that the page of an image shows.
func (s *Server) readImage(c *gin.Context, id int64) (imageView, error) {
	ctx := c.Request.Context()
	img, err := s.store.Image(ctx, id)
	if err != nil {
		return imageView{}, err
	}
	models, err := s.store.Models(ctx)
	if err != nil {
		return imageView{}, err
	}
	corrections, err := s.store.ImageCorrections(ctx, id)
	if err != nil {
		return imageView{}, err
	}
	q, _ := parseQuery(c.Request.URL.RawQuery) // what is not valid narrows nothing
	v := s.viewImage(img, models)
	v.Changes = s.mayChange(c)
	s.addHistory(&v, img, corrections)
	v.Notice = noticeOf(v.History, c.Query("said"))
	v.Filter = strings.TrimPrefix(q.first().search(), "?")
	v.Back = q.first().URL()
	v.Previous, v.Following, err = s.neighbours(ctx, q, id)
	return v, err
}

// neighbours returns the addresses of the images beside one in a list.
func (s *Server) neighbours(ctx context.Context, q query, id int64) (previous, next string, err error) {
	if q.unsure {
		return "", "", nil // its place in that list is not known
	}
	for _, side := range []struct {
		url    *string
		oldest bool
	}{{&previous, true}, {&next, false}} {
		f := q.filter()
		f.After, f.Limit, f.Oldest = id, 1, side.oldest
		f.Scan /= 2 // both sides together are one page
		page, err := s.store.PageOfImages(ctx, f)
		if err != nil {
			return "", "", err
		}
		if len(page.Images) > 0 {
			*side.url = q.image(page.Images[0].ID)
		}
	}
	return previous, next, nil
}

// viewImage returns the view of an image. models holds the known model sets by
// id.
func (s *Server) viewImage(img faces.Image, models map[string]faces.Model) imageView {
	v := imageView{
		ID: img.ID, Path: s.shownName(img), FullPath: visible(img.Path), Version: img.Version, Waits: isWaiting(img),
		Outcome: s.outcomeOf(img.Status, img.Reason), Sentence: s.sentence(img, models[img.Model]), Next: s.whatNext(img),
		Detail: s.inShort(img), Warning: visible(img.Warning), Omitted: s.omitted(img.Omitted), Width: img.Width, Height: img.Height, Attempts: img.Attempts,
		Model: img.Model, DuplicateOf: img.DuplicateOf,
		Added: s.moment(img.CreatedAt), Changed: s.moment(img.UpdatedAt), Queued: s.moment(img.PublishedAt),
	}
	for i, f := range img.Faces {
		v.Faces = append(v.Faces, s.viewFace(i+1, f, models[f.Model]))
	}
	v.Drawing = draw(img, v.Faces)
	if s.canShow(img) {
		s.addPictures(&v)
	}
	return v
}

// addPictures adds the addresses of the pictures of an image and of its faces.
func (s *Server) addPictures(v *imageView) {
	address := "/images/" + strconv.FormatInt(v.ID, 10) + "/picture"
	v.Picture, v.Download = address, address+"?size=2048"
	v.Ratio, v.ShownWidth, v.ShownHeight = proportions(v.Width, v.Height)
	if v.Drawing != nil {
		v.Drawing.Over = true
	}
	for i := range v.Faces {
		f := &v.Faces[i]
		f.Crop = "/faces/" + strconv.FormatInt(f.ID, 10) + "/crop"
		for _, c := range []*candidateView{f.Best, f.Second} {
			if c != nil && c.Image != "" {
				c.Picture = "/people/" + strconv.FormatInt(c.ID, 10) + "/known?" + url.Values{"name": {c.file}}.Encode()
			}
		}
	}
}

// viewFace returns the view of a face by the rule of its own model set m, which
// is empty if unknown.
func (l *language) viewFace(number int, f faces.Face, m faces.Model) faceView {
	v := faceView{
		Number: number, ID: f.ID, Name: l.words("face.unknown"), Outcome: l.outcomeOf(f.Reason.Status(), f.Reason), Why: l.why(&f, m),
		Box:  l.place(f),
		Best: l.viewCandidate(f.Best, m), Second: l.viewCandidate(f.Second, m), Quality: l.quality(f.Quality),
	}
	switch {
	case f.Confirmed:
		v.Said = l.words("face.said.confirmed")
	case f.Reason == faces.Ignored:
		v.Said = l.words("face.said.ignored")
	case f.Reason == faces.NotAFace:
		v.Said = l.words("face.said.notface")
	case f.Corrected:
		v.Said = l.words("face.said.not")
	}
	switch {
	case f.Reason.IsDismissed():
		v.Name, v.Dismissed = v.Outcome.Label, true
	case f.Person != nil:
		v.Name, v.PersonURL = l.personName(*f.Person), personLink(*f.Person)
	case f.IsAmbiguous(m), f.ResemblesBest(m):
		v.Name = l.maybe(&f, m)
	}
	if f.Best != nil {
		v.Near = l.nearness(f.Best.Distance, m.Threshold)
		v.suggest(f, m)
		v.Bar = l.newBar(f.Best.Distance, m.Threshold, f.Reason != faces.UnknownPerson)
	}
	if f.Best != nil && f.Second != nil {
		v.Apart = distance(f.Second.Distance - f.Best.Distance)
		if m.Threshold > 0 {
			v.Margin = distance(m.Margin)
		}
	}
	return v
}

// viewParts lists the distance by each network.
func (l *language) viewParts(p faces.Parts, networks []string) string {
	var list []string
	for i, d := range p.List() {
		name := l.words("face.network", i+1)
		if i < len(networks) {
			name = networks[i]
		}
		list = append(list, l.words("face.parts", visible(name), distance(float64(d))))
	}
	return l.parts(list)
}

func (l *language) viewCandidate(c *faces.Candidate, m faces.Model) *candidateView {
	if c == nil {
		return nil
	}
	return &candidateView{
		ID: c.Person.ID, Name: l.personName(c.Person), URL: personLink(c.Person), Image: visible(c.Image), file: c.Image, Distance: distance(c.Distance),
		Parts: l.viewParts(c.Parts, m.NetworkNames()),
	}
}

// barWidth is the width of a bar's viewBox. widest is the distance at its end
// if no threshold is known; few faces are farther apart.
const (
	barWidth = 200
	widest   = 1.2
)

// newBar returns the bar of a distance, with the threshold in its middle.
func (l *language) newBar(d, threshold float64, within bool) *bar {
	b := &bar{Full: barWidth, Within: within, Text: l.words("face.bar", distance(d))}
	end := widest
	if threshold > 0 {
		end = 2 * threshold
		b.Threshold, b.Limit = barWidth/2, distance(threshold)
		b.Text = l.words("face.bar.threshold", distance(d), b.Limit)
	}
	b.Fill = int(math.Round(barWidth * min(max(d/end, 0.01), 1)))
	return b
}

// suggest offers the best person of a face for a "yes" and a "no", unless that person is
// so far that nobody would say yes.
func (v *faceView) suggest(f faces.Face, m faces.Model) {
	switch {
	case v.Dismissed:
	case f.Person != nil:
		v.Refused = f.Person
	case !isFar(f.Best.Distance, m.Threshold):
		v.Suggested, v.Refused = &f.Best.Person, &f.Best.Person
	}
}
