package frontend

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	facesPerPage = 120
	// suggestTime limits how long a page waits for a suggestion.
	suggestTime = time.Second
	// suggestLater is the same for a card, whose page is there already.
	suggestLater = 8 * time.Second
	// sliderStep is a step of the slider of similarity, and what its number shows.
	sliderStep = 0.001
)

// groupView is the body of the page of a group.
type groupView struct {
	Gone     bool // there is no such group any more; all else is empty then
	Key      int64
	Version  string
	Faces    int // of the group, or of the look at another distance
	Images   int
	Members  []memberView
	Next     string // URL of the next page of faces; "" on the last one
	First    string // URL of the first page; "" on it
	Maybe    *faces.Person
	Slider   *sliderView
	Shown    string // ids of all faces of a look, for a statement about them
	Problem  string // why another distance cannot be looked at
	Said     *groupsSaid
	Changes  bool
	Pictures bool
}

// memberView is a face of a group.
type memberView struct {
	Number int
	ID     int64
	Image  int64
	Crop   string
	Added  bool // by another distance: the group as it is stored does not have it
}

// sliderView is the slider of similarity.
type sliderView struct {
	Min, Max, Usual, Value string
	Step                   string
	Other                  bool // the value is not the usual one
}

// unknownGroup answers with the page of a group.
func (s *Server) unknownGroup(c *gin.Context) {
	key, ok := groupKey(c)
	if !ok {
		s.problem(c, pageMissing())
		return
	}
	v, err := s.readGroup(c, key)
	code := http.StatusOK
	switch {
	case faces.ErrorCode(err) == faces.CodeMissing:
		v, code = groupView{Key: key, Gone: true}, http.StatusNotFound
		v.Said, err = s.readGroupsSaid(c)
	case err == nil:
		v.Said, err = s.readGroupsSaid(c)
	}
	if err != nil {
		s.failed(c, err)
		return
	}
	title := s.words("unknown.gone")
	if v.Said != nil {
		code = http.StatusOK // what was said may have ended the group
	}
	if !v.Gone {
		title = s.counted("unknown.group.title", v.Faces)
	}
	s.render(c, code, "unknown-group", page{Title: title, Section: "unknown", Body: v})
}

// readGroup reads what the page of a group shows.
func (s *Server) readGroup(c *gin.Context, key int64) (groupView, error) {
	ctx := c.Request.Context()
	m, _, err := s.store.ModelInUse(ctx)
	if err != nil {
		return groupView{}, err
	}
	g, err := s.groupWith(ctx, m.ID, key, c.Query("with"))
	if err != nil {
		return groupView{}, err
	}
	state, err := s.store.GroupingOf(ctx, m.ID)
	if err != nil {
		return groupView{}, err
	}
	v := groupView{
		Key: g.Key, Version: g.Version, Faces: len(g.Members), Images: g.Images(),
		Changes: s.mayChange(c), Pictures: s.hasPictures(), Slider: newSlider(state.Distance, c.Query("distance")),
	}
	if v.Slider != nil && v.Slider.Other {
		s.look(c, &v)
	}
	if v.Members == nil {
		v.addMembers(g, c.Query("after"))
	}
	if v.Changes {
		v.Maybe, _ = s.suggestedFor(c, g.Key, suggestTime) // without one, the page is of use, too
	}
	return v, nil
}

// groupWith returns a group. If there is none with the key, it returns the group of a face
// that it had: a group has the key of its smallest face, which may be decided first.
func (s *Server) groupWith(ctx context.Context, model string, key int64, face string) (store.FaceGroup, error) {
	g, err := s.store.Group(ctx, model, key)
	id, malformed := strconv.ParseInt(face, 10, 64)
	if faces.ErrorCode(err) != faces.CodeMissing || malformed != nil {
		return g, err
	}
	other, problem := s.store.GroupOf(ctx, model, id)
	if problem != nil || other == 0 {
		return g, errors.Join(problem, err)
	}
	return s.store.Group(ctx, model, other)
}

// addMembers adds a page of the faces of the group as it is stored.
func (v *groupView) addMembers(g store.FaceGroup, after string) {
	from, _ := strconv.ParseInt(after, 10, 64) // what is no number is the first page
	for i, m := range g.Members {
		if m.FaceID <= from || m.ImageID == 0 {
			continue
		}
		if len(v.Members) == facesPerPage {
			v.Next = v.address() + "?after=" + strconv.FormatInt(v.Members[facesPerPage-1].ID, 10)
			break
		}
		v.Members = append(v.Members, memberView{Number: i + 1, ID: m.FaceID, Image: m.ImageID, Crop: cropOf(m.FaceID)})
	}
	if from > 0 {
		v.First = v.address()
	}
}

func (v *groupView) address() string { return "/unknown/" + strconv.FormatInt(v.Key, 10) }

// look adds the faces of the group at another distance, which the receiver computes, or
// says why it cannot.
func (s *Server) look(c *gin.Context, v *groupView) {
	from := s.reads(c)
	if from == nil {
		v.Problem = s.words("unknown.look.none")
		return
	}
	at, err := strconv.ParseFloat(v.Slider.Value, 64)
	if err != nil {
		v.Problem = s.words("unknown.look.none")
		return
	}
	g, err := from.GetGroup(c.Request.Context(), v.Key, api.GetGroupParams{Distance: &at})
	if err != nil {
		v.Problem = s.lookProblem(c, err)
		return
	}
	v.Faces, v.Images, v.Members = g.Faces, g.Images, []memberView{}
	ids := make([]int64, len(g.Members))
	for i, m := range g.Members {
		ids[i] = m.Face.ID
		v.Members = append(v.Members, memberView{Number: i + 1, ID: m.Face.ID, Image: m.Image.ID, Crop: cropOf(m.Face.ID), Added: !m.Stored})
	}
	v.Shown = joinIDs(ids)
}

// lookProblem says why the group cannot be looked at at another distance.
func (s *Server) lookProblem(c *gin.Context, err error) string {
	var said *api.Error
	if errors.As(err, &said) && said.Code == api.CodeConflict {
		return s.words("unknown.look.large")
	}
	if !errors.Is(c.Request.Context().Err(), context.Canceled) {
		s.log.WarnContext(c, "a group cannot be looked at at another distance", "error", err)
	}
	return s.words("unknown.look.away")
}

// newSlider returns the slider for a model set whose neighbours have a usual distance; nil
// if that is not known. What is asked for is cut to the range of the slider.
func newSlider(usual float64, asked string) *sliderView {
	if usual <= 0 {
		return nil
	}
	low, high := usual*groups.Strictest+sliderStep/2, usual*groups.Loosest-sliderStep/2 // rounded, they stay inside
	v := &sliderView{Min: distance(low), Max: distance(high), Usual: distance(usual), Step: distance(sliderStep)}
	v.Value = v.Usual
	if at, err := strconv.ParseFloat(asked, 64); err == nil && at == at {
		v.Value = distance(min(max(at, low), high))
	}
	v.Other = v.Value != v.Usual
	return v
}
