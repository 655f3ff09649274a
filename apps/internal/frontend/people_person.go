package frontend

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Numbers of things on the page of a person.
const (
	personFaces  = 30
	personKnown  = 24
	personImages = 12
	personLooked = 500  // images that are looked at for those
	personCount  = 1000 // faces that are counted
)

// personView is the body of a person's page.
type personView struct {
	personHead
	Notice    *personSaid
	Faces     []personFace
	FaceCount string // in words
	NextFaces string // URL; "" if there are no more
	FirstFace string // URL of the first page; "" on it
	Older     bool   // faces in older images are left out
	Filter    string // the part of the faces that is shown, for forms
	Known     []knownView
	NextKnown string
	Images    []card
	AllImages string // URL of the list of all images with the person
	Consent   consentView
	Merges    []mergeView
	Admin     bool
}

// personHead is who a page is about.
type personHead struct {
	ID      int64
	Name    string // as shown
	Plain   string // as stored, for a field
	URL     string
	Cover   string
	CoverID int64 // of the known picture; 0 if there is none
	Letter  string
	Hidden  bool
	Version int64
	Pics    int
	Badges  []outcome
	Changes bool
}

// knownView is a known picture.
type knownView struct {
	ID      int64
	Picture string // URL; "" without pictures
	Cover   bool
	Added   moment
	Source  string
	File    string // as shown; "" if Rollcall wrote it
}

// consentView is the consent of a person.
type consentView struct {
	State     outcome
	Basis     string
	From      string
	Until     string
	Withdrawn string
	Recorded  bool
	Stands    bool
	Seen      string // by which a form says what its user has seen
	Bases     []choice
}

// mergeView is somebody who was merged into a person.
type mergeView struct {
	ID     int64
	Name   string
	Known  int
	Images int
	At     moment
	Undone moment
	Stands bool
}

// person answers with the page of one person.
func (s *Server) person(c *gin.Context) {
	id, ok := pathID(c, "id")
	if !ok {
		s.problem(c, pageMissing())
		return
	}
	p, err := s.store.Profile(c.Request.Context(), id)
	var v personView
	if err == nil {
		v, err = s.viewPerson(c, p)
	}
	switch {
	case faces.ErrorCode(err) == faces.CodeMissing:
		s.problem(c, personMissing())
	case err != nil:
		s.failed(c, err)
	default:
		s.render(c, http.StatusOK, "people-person", page{Title: v.Name, Section: "people", Body: v})
	}
}

// headOf returns the head of a person's page.
func (s *Server) headOf(c *gin.Context, p faces.Profile, face int64) personHead {
	name := s.personName(p.Person)
	return personHead{
		ID: p.ID, Name: name, Plain: p.Name, URL: personURL(p.ID), Cover: s.cover(p, face), CoverID: p.Cover, Letter: initial(name), Hidden: p.Hidden,
		Version: p.Version, Pics: p.KnownPictures, Changes: s.mayChange(c),
	}
}

// viewPerson reads all that the page of a person shows.
func (s *Server) viewPerson(c *gin.Context, p faces.Profile) (v personView, err error) {
	ctx := c.Request.Context()
	v.Admin = currentUser(c).Role.Includes(access.AdminRole)
	unsure, err := s.addFaces(ctx, &v, p, c.Query("faces"))
	if err != nil {
		return v, err
	}
	face := int64(0)
	if len(v.Faces) > 0 {
		face = v.Faces[len(v.Faces)-1].ID
	}
	v.personHead = s.headOf(c, p, face)
	if err := s.addKnownOf(ctx, &v, p, c.Query("known")); err != nil {
		return v, err
	}
	q := query{personID: p.ID}
	images, err := s.store.PageOfImages(ctx, store.Filter{PersonID: p.ID, Limit: personImages, Scan: personLooked})
	if err != nil {
		return v, err
	}
	v.Images, v.AllImages = s.cards(images.Images, q), q.URL()
	consent, state, err := s.store.Consent(ctx, p.ID)
	if err != nil {
		return v, err
	}
	v.Consent = s.viewConsent(consent, state)
	v.Badges = s.personBadges(p, unsure, state, consent.Until)
	merges, err := s.store.Merges(ctx, p.ID)
	if err != nil {
		return v, err
	}
	for _, m := range merges {
		v.Merges = append(v.Merges, mergeView{
			ID: m.ID, Name: s.personName(m.Merged), Known: m.KnownMoved, Images: m.Images,
			At: s.moment(m.CreatedAt), Undone: s.moment(m.UndoneAt), Stands: m.UndoneAt.IsZero(),
		})
	}
	v.Notice, err = s.personNotice(c, p, &v, merges)
	return v, err
}

// addKnownOf adds a page of the known pictures.
func (s *Server) addKnownOf(ctx context.Context, v *personView, p faces.Profile, text string) error {
	after, _ := readID("known", text, "query.id.known") // what is not valid is the start
	list, err := s.store.KnownPictures(ctx, p.ID, after, personKnown+1)
	if err != nil {
		return err
	}
	if len(list) > personKnown {
		list = list[:personKnown]
		v.NextKnown = personURL(p.ID) + "?known=" + strconv.FormatInt(list[personKnown-1].ID, 10) + "#known"
	}
	for _, e := range list {
		k := knownView{ID: e.ID, Cover: e.ID == p.Cover, Added: s.moment(e.AddedAt), Source: s.sourceOf(e.Source)}
		if s.hasPictures() {
			k.Picture = personURL(p.ID) + "/known/" + strconv.FormatInt(e.ID, 10)
		}
		if !e.Source.Written() {
			k.File = visible(e.Name)
		}
		v.Known = append(v.Known, k)
	}
	return nil
}

func (s *Server) sourceOf(source faces.EnrolSource) string {
	switch source {
	case faces.SourceUpload:
		return s.words("known.upload")
	case faces.SourceFace:
		return s.words("known.face")
	default:
		return s.words("known.file")
	}
}

func (s *Server) viewConsent(c faces.Consent, state faces.ConsentState) consentView {
	v := consentView{Seen: consentSeen(c), Recorded: c.Person != 0, Stands: state == faces.ConsentGiven || state == faces.ConsentUpcoming}
	tone, label := "good", s.words("consent.given")
	switch state {
	case faces.ConsentNone:
		tone, label = "quiet", s.words("consent.none")
	case faces.ConsentUpcoming:
		tone, label = "wait", s.words("consent.upcoming")
	case faces.ConsentLapsed:
		tone, label = "bad", s.words("consent.lapsed")
	case faces.ConsentWithdrawn:
		tone, label = "bad", s.words("consent.withdrawn")
	}
	v.State = outcome{Tone: tone, Label: label}
	if v.Recorded {
		v.From, v.Basis = s.moment(c.From).Exact, s.basis(c.Basis)
		v.Until, v.Withdrawn = s.moment(c.Until).Exact, s.moment(c.Withdrawn).Exact
	}
	for _, b := range faces.ConsentBases() {
		v.Bases = append(v.Bases, choice{Value: string(b), Label: s.basis(b), Chosen: b == c.Basis})
	}
	return v
}

// basis names the basis of a consent.
func (l *language) basis(b faces.ConsentBasis) string {
	return l.wordsOr("basis."+string(b), string(b))
}

// personFace is a face that a person is, or may be.
type personFace struct {
	ID       int64
	Image    int64
	URL      string // of the page of its picture
	Crop     string // URL; "" if there is no picture
	Frame    *faceFrame
	Label    string
	Outcome  outcome
	Distance string
	Near     string
	Version  string
	Unsure   bool
	Said     bool
}

// faceFrame is where the box of a face is in its crop, in pixels of the picture.
type faceFrame struct {
	Width, Height int // of the crop
	Box           faces.Box
	Tone          string
}

// faceMargin is how much of the picture is shown around a face of the page, on each side,
// as a share of the longer side of its box: enough to see who it is among others.
const faceMargin = 0.7

// frameOf returns the frame of a face, as the receiver cuts crops: a square around the
// box, moved into the picture.
func frameOf(box faces.Box, width, height int, tone string) *faceFrame {
	if width <= 0 || height <= 0 || box.Width <= 0 || box.Height <= 0 {
		return nil
	}
	x0, x1 := max(box.X, 0), min(box.X+box.Width, width)
	y0, y1 := max(box.Y, 0), min(box.Y+box.Height, height)
	side := int(float64(max(x1-x0, y1-y0))*(1+2*faceMargin) + 0.999)
	span := func(from, to, end int) (int, int) {
		length := min(side, end)
		return min(max((from+to-length)/2, 0), end-length), length
	}
	left, w := span(x0, x1, width)
	top, h := span(y0, y1, height)
	if x1 <= x0 || y1 <= y0 {
		return nil
	}
	return &faceFrame{Width: w, Height: h, Box: faces.Box{X: x0 - left, Y: y0 - top, Width: x1 - x0, Height: y1 - y0}, Tone: tone}
}

// addFaces adds a page of the faces of a person. unsure says that one of them is
// uncertain.
func (s *Server) addFaces(ctx context.Context, v *personView, p faces.Profile, text string) (unsure bool, err error) {
	after, ok := parseFacePlace(text)
	if ok {
		v.Filter, v.FirstFace = text, personURL(p.ID)+"#faces"
	}
	list, err := s.store.FacesOfPerson(ctx, p.ID, after, personFaces)
	if err != nil {
		return false, err
	}
	n, err := s.store.CountFaces(ctx, p.ID, personCount)
	if err != nil {
		return false, err
	}
	v.FaceCount = s.counted("person.faces", n)
	if n == personCount {
		v.FaceCount = s.counted("person.faces.many", personCount)
	}
	models, err := s.store.Models(ctx)
	if err != nil {
		return false, err
	}
	for _, f := range list.Faces {
		one := s.personFace(p, f, models[f.Model])
		unsure = unsure || one.Unsure
		v.Faces = append(v.Faces, one)
	}
	v.Older = list.Older
	if list.Next != (store.FacePlace{}) {
		v.NextFaces = personURL(p.ID) + "?" + url.Values{"faces": {facePlaceText(list.Next)}}.Encode() + "#faces"
	}
	return unsure, nil
}

func (s *Server) personFace(p faces.Profile, f store.ShownFace, m faces.Model) personFace {
	one := personFace{
		ID: f.ID, Image: f.Image.ID, Version: f.Image.Version, Outcome: s.outcomeOf(f.Reason.Status(), f.Reason),
		Unsure: f.Reason == faces.Uncertain, Said: f.Confirmed,
	}
	number := 1
	for i := range f.Image.Faces {
		if f.Image.Faces[i].ID == f.ID {
			number = i + 1
		}
	}
	one.URL = query{personID: p.ID}.image(f.Image.ID) + "#face-" + strconv.Itoa(number)
	one.Label = s.words("person.face", s.shownName(f.Image))
	if f.Best != nil && f.Best.Person.ID == p.ID && f.Best.Distance > 0 {
		one.Distance, one.Near = distance(f.Best.Distance), s.nearness(f.Best.Distance, m.Threshold)
	}
	if s.canShow(f.Image) {
		one.Crop = "/faces/" + strconv.FormatInt(f.ID, 10) + "/crop?margin=" + strconv.FormatFloat(faceMargin, 'f', -1, 64)
		one.Frame = frameOf(f.Box, f.Image.Width, f.Image.Height, one.Outcome.Tone)
	}
	return one
}

// facePlaceText writes a place for the address.
func facePlaceText(p store.FacePlace) string {
	said := "0"
	if p.Said {
		said = "1"
	}
	return said + "_" + strconv.FormatFloat(p.Distance, 'g', -1, 64) + "_" + strconv.FormatInt(p.Face, 10)
}

func parseFacePlace(text string) (p store.FacePlace, ok bool) {
	parts := strings.Split(text, "_")
	if len(parts) != 3 {
		return p, false
	}
	d, err := strconv.ParseFloat(parts[1], 64)
	id, wrong := strconv.ParseInt(parts[2], 10, 64)
	if err != nil || wrong != nil || id < 1 {
		return p, false
	}
	return store.FacePlace{Distance: d, Face: id, Said: parts[0] == "1"}, true
}
