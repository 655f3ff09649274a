package receiver

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// GroupStore is the part of the database with groups of faces that nobody knows.
type GroupStore interface {
	Groups(ctx context.Context, f store.GroupFilter) (list []store.GroupSummary, next *store.GroupCursor, err error)
	Group(ctx context.Context, model string, key int64) (store.FaceGroup, error)
	GroupingOf(ctx context.Context, model string) (store.GroupingState, error)
	PeopleBeside(ctx context.Context, g store.FaceGroup) (map[int64]bool, error)
	ChangeGroup(ctx context.Context, say store.GroupStatement) (store.ChangedGroup, error)
	SplitGroup(ctx context.Context, split store.GroupSplitting) (store.ChangedGroup, error)
	UndoGroupChange(ctx context.Context, id int64) (store.GroupChangeUndone, error)
}

const (
	defaultSamples = 4
	maxSamples     = 12
)

// groupModel returns the model set in use, with the rule by which it decides. Its id is
// empty if nothing was processed yet.
func (s *Server) groupModel(ctx context.Context) (faces.Model, error) {
	models, err := s.store.Models(ctx)
	if err != nil {
		return faces.Model{}, err
	}
	m, _, err := s.store.ModelInUse(ctx)
	if rule, ok := models[m.ID]; ok {
		m = rule
	}
	return m, err
}

// listGroups answers with a page of groups, the largest first.
func (s *Server) listGroups(c *gin.Context) error {
	f, err := readGroupFilter(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	inUse, _, err := s.store.ModelInUse(ctx)
	if err != nil {
		return err
	}
	f.Model = inUse.ID
	state, err := s.store.GroupingOf(ctx, inUse.ID)
	if err != nil {
		return err
	}
	list, next, err := s.store.Groups(ctx, f)
	if err != nil {
		return err
	}
	body := api.GroupList{Grouping: wireGrouping(inUse.ID, state)}
	if next != nil {
		text := fmt.Sprintf("%d-%d", next.Faces, next.Key)
		body.Next = &text
	}
	body.Groups = mapped(list, wireGroup)
	c.JSON(http.StatusOK, body)
	return nil
}

func readGroupFilter(c *gin.Context) (f store.GroupFilter, err error) {
	if f.Limit, err = readCount(c, "limit", 1, maxGroups, defaultGroups); err != nil {
		return f, err
	}
	if f.MinFaces, err = readCount(c, "min_faces", 1, 1<<30, 1); err != nil {
		return f, err
	}
	if f.Samples, err = readCount(c, "samples", 0, maxSamples, defaultSamples); err != nil {
		return f, err
	}
	if text := c.Query("after"); text != "" {
		size, key, _ := strings.Cut(text, "-")
		var errs [2]error
		f.After.Faces, errs[0] = strconv.ParseInt(size, 10, 64)
		f.After.Key, errs[1] = strconv.ParseInt(key, 10, 64)
		if errs[0] != nil || errs[1] != nil || f.After.Faces < 1 || f.After.Key < 0 {
			return f, api.Errorf(api.CodeInvalidRequest, `"after" must be the "next" of a page of groups, such as 120-17`)
		}
	}
	return f, nil
}

// The size of a page of groups.
const (
	defaultGroups = 100
	maxGroups     = 1000
)

// readCount reads a query parameter that is a whole number.
func readCount(c *gin.Context, name string, low, high, otherwise int) (int, error) {
	text := c.Query(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, api.Errorf(api.CodeInvalidRequest, "%q must be a number between %d and %d", name, low, high)
	}
	return n, nil
}

// getGroup answers with a group, as it is stored or at another distance.
func (s *Server) getGroup(c *gin.Context) error {
	key, err := httpapi.PathParam(c, "key", "a group")
	if err != nil {
		return err
	}
	after, limit, err := httpapi.ReadPage(c, "a face")
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	m, err := s.groupModel(ctx)
	if err != nil {
		return err
	}
	g, err := s.store.Group(ctx, m.ID, key)
	if err != nil {
		return err
	}
	state, err := s.store.GroupingOf(ctx, m.ID)
	if err != nil {
		return err
	}
	body := api.GroupDetail{
		Key: key, Faces: len(g.Members), Images: g.Images(), Version: g.Version, Distance: state.Distance,
		MinDistance: groups.Strictest * state.Distance, MaxDistance: groups.Loosest * state.Distance,
	}
	var shown []int64
	if text, given := c.GetQuery("distance"); given {
		if shown, err = s.lookAt(ctx, m, g, state.Distance, text, &body); err != nil {
			return err
		}
	} else {
		shown, body.Next = pageOfMembers(g.IDs(), after, limit)
	}
	if body.Members, err = s.members(ctx, g, shown); err != nil {
		return err
	}
	c.Header("ETag", strconv.Quote(g.Version))
	c.JSON(http.StatusOK, body)
	return nil
}

// pageOfMembers returns the ids above after, at most limit.
func pageOfMembers(ids []int64, after int64, limit int) (page []int64, next *int64) {
	for len(ids) > 0 && ids[0] <= after {
		ids = ids[1:]
	}
	return httpapi.CutPage(ids, limit, func(id int64) int64 { return id })
}

// members returns those of the faces that still exist.
func (s *Server) members(ctx context.Context, g store.FaceGroup, ids []int64) ([]api.GroupFace, error) {
	models, err := s.store.Models(ctx)
	if err != nil {
		return nil, err
	}
	found, err := s.store.FoundFaces(ctx, ids)
	if err != nil {
		return nil, err
	}
	stored := map[int64]bool{}
	for _, m := range g.Members {
		stored[m.FaceID] = true
	}
	list := []api.GroupFace{}
	for _, id := range ids {
		f, ok := found[id]
		if !ok {
			continue
		}
		list = append(list, api.GroupFace{
			Face: wireFace(f.Face, models), Stored: stored[id],
			Image: api.FoundImage{ID: f.Image.ID, Path: f.Image.Path, Status: api.Status(f.Image.Status.String())},
		})
	}
	return list, nil
}

// suggestPeople answers with the people whom a group may show.
func (s *Server) suggestPeople(c *gin.Context) error {
	key, err := httpapi.PathParam(c, "key", "a group")
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	m, err := s.groupModel(ctx)
	if err != nil {
		return err
	}
	g, err := s.store.Group(ctx, m.ID, key)
	if err != nil {
		return err
	}
	list, err := s.suggest(ctx, m, g)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, api.Suggestions{Threshold: m.Threshold, Suggestions: mapped(list, func(p groups.Suggestion) api.Suggestion {
		return api.Suggestion{Person: wirePerson(p.Person), Distance: p.Distance}
	})})
	return nil
}

// suggest asks a recognizer which known pictures are near the middle of a group.
func (s *Server) suggest(ctx context.Context, m faces.Model, g store.FaceGroup) ([]groups.Suggestion, error) {
	middle, err := s.middleOf(ctx, m, g, groups.MaxSamples)
	if err != nil || len(middle) == 0 {
		return nil, err
	}
	q := faces.MatchQuery{Model: m.ID, Limit: m.Limit(suggestedPictures)}
	for _, f := range middle {
		q.Descriptors = append(q.Descriptors, f.Descriptor.Bytes())
	}
	near, err := callersPictures{s}.Match(ctx, q)
	if err != nil {
		return nil, searchProblem(err)
	}
	var names []string
	for _, list := range near {
		for _, n := range list {
			names = append(names, n.Image)
		}
	}
	owners, err := s.store.Owners(ctx, names)
	if err != nil {
		return nil, err
	}
	beside, err := s.store.PeopleBeside(ctx, g)
	if err != nil {
		return nil, err
	}
	samples := make([][]faces.Candidate, len(near))
	for i, list := range near {
		samples[i] = faces.Candidates(list, func(image string) (faces.Person, bool) { p, ok := owners[image]; return p, ok })
	}
	return groups.Suggest(samples, m, func(person int64) bool { return beside[person] }), nil
}

// suggestedPictures is how many known pictures near a face are looked at.
const suggestedPictures = 50
