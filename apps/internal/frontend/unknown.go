package frontend

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/groups"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// unknownStore is what these pages read of the store.
type unknownStore interface {
	Groups(ctx context.Context, f store.GroupFilter) (list []store.GroupSummary, next *store.GroupCursor, err error)
	Group(ctx context.Context, model string, key int64) (store.FaceGroup, error)
	GroupOf(ctx context.Context, model string, face int64) (key int64, err error)
	GroupingOf(ctx context.Context, model string) (store.GroupingState, error)
	GroupChange(ctx context.Context, id int64) (store.GroupChange, error)
}

// unknownRoutes adds the pages of unknown groups.
func (s *Server) unknownRoutes(e *gin.Engine) {
	for path, h := range map[string]gin.HandlerFunc{
		"/unknown":            s.unknown,
		"/unknown/:key":       s.unknownGroup,
		"/unknown/:key/maybe": s.unknownSuggestion,
	} {
		e.GET(path, h)
		e.HEAD(path, h)
	}
	for path, h := range map[string]gin.HandlerFunc{
		"/unknown/name":            s.changeGroups(groupIsPerson),
		"/unknown/ignore":          s.changeGroups(groupIsIgnored),
		"/unknown/not-a-face":      s.changeGroups(groupIsNoFace),
		"/unknown/undo":            s.undoGroups,
		"/unknown/:key/name":       s.changeGroup(groupIsPerson),
		"/unknown/:key/ignore":     s.changeGroup(groupIsIgnored),
		"/unknown/:key/not-a-face": s.changeGroup(groupIsNoFace),
		"/unknown/:key/split":      s.changeGroup(groupIsTwo),
	} {
		e.POST(path, s.require(access.Reviewer), h)
	}
}

const (
	groupsPerPage = 30
	cropsPerCard  = 3 // the smallest group has as many faces
)

// unknownView is the body of the page of all groups.
type unknownView struct {
	Grouping groupingView
	Cards    []groupCard
	First    string // URL of the first page; "" on it
	Next     string // URL of the next page; "" on the last one
	Said     *groupsSaid
	Changes  bool // the viewer may name groups
	Pictures bool // of faces can be shown
}

// groupCard is a group in the list.
type groupCard struct {
	Key     int64
	Version string
	Faces   int
	Crops   []string // URLs
}

// groupingView is how far the job is that makes the groups.
type groupingView struct {
	State        groups.State // "" if it has not begun
	Faces, Total int64
	Detail       string // why it waits
}

// unknown answers with the groups of unknown faces, the largest first.
func (s *Server) unknown(c *gin.Context) {
	ctx := c.Request.Context()
	after, ok := readGroupCursor(c.Query("after"))
	if !ok {
		s.problem(c, pageMissing())
		return
	}
	m, _, err := s.store.ModelInUse(ctx)
	if err != nil {
		s.failed(c, err)
		return
	}
	state, err := s.store.GroupingOf(ctx, m.ID)
	if err != nil {
		s.failed(c, err)
		return
	}
	list, next, err := s.store.Groups(ctx, store.GroupFilter{Model: m.ID, After: after, Limit: groupsPerPage, Samples: cropsPerCard})
	if err != nil {
		s.failed(c, err)
		return
	}
	v := unknownView{Grouping: viewGrouping(state), Changes: s.mayChange(c), Pictures: s.hasPictures()}
	for _, g := range list {
		card := groupCard{Key: g.Key, Version: g.Version, Faces: g.Faces}
		for _, m := range g.Samples {
			card.Crops = append(card.Crops, cropOf(m.FaceID))
		}
		v.Cards = append(v.Cards, card)
	}
	if after != (store.GroupCursor{}) {
		v.First = "/unknown"
	}
	if next != nil {
		v.Next = fmt.Sprintf("/unknown?after=%d-%d", next.Faces, next.Key)
	}
	if v.Said, err = s.readGroupsSaid(c); err != nil {
		s.failed(c, err)
		return
	}
	s.render(c, http.StatusOK, "unknown", page{Title: s.words("unknown.title"), Section: "unknown", Body: v})
}

func cropOf(face int64) string { return "/faces/" + strconv.FormatInt(face, 10) + "/crop" }

func viewGrouping(state store.GroupingState) groupingView {
	return groupingView{
		State: groups.State(state.State), Faces: min(state.Faces, state.Total), Total: state.Total, Detail: visible(state.Detail),
	}
}

// IsBuilding reports whether the first run over all faces is under way.
func (g groupingView) IsBuilding() bool { return g.State == groups.Building }

// IsWaiting reports whether the job cannot go on.
func (g groupingView) IsWaiting() bool { return g.State == groups.Waiting }

// IsReady reports whether all faces are in their groups.
func (g groupingView) IsReady() bool { return g.State == groups.Ready }

// readGroupCursor reads a place in the list of groups, such as 120-17.
func readGroupCursor(text string) (at store.GroupCursor, ok bool) {
	if text == "" {
		return at, true
	}
	size, key, _ := strings.Cut(text, "-")
	var errs [2]error
	at.Faces, errs[0] = strconv.ParseInt(size, 10, 64)
	at.Key, errs[1] = strconv.ParseInt(key, 10, 64)
	return at, errs[0] == nil && errs[1] == nil && at.Faces > 0 && at.Key > 0
}

// unknownSuggestion answers with the name of whom a group may show, or without one. Cards
// ask for it when they are looked at, because a recognizer has to be asked.
func (s *Server) unknownSuggestion(c *gin.Context) {
	key, ok := groupKey(c)
	if !ok || s.reads(c) == nil {
		c.Status(http.StatusNotFound)
		return
	}
	c.Header("Cache-Control", "no-store")
	who, err := s.suggestedFor(c, key, suggestLater)
	if err != nil {
		c.JSON(http.StatusOK, gin.H{"maybe": "", "later": true})
		return
	}
	name := ""
	if who != nil {
		name = s.words("unknown.maybe", s.personName(*who))
	}
	c.JSON(http.StatusOK, gin.H{"maybe": name})
}

// suggestedFor returns whom a group may show; nil if nobody is near. A recognizer has to
// answer within a limit.
func (s *Server) suggestedFor(c *gin.Context, key int64, limit time.Duration) (*faces.Person, error) {
	api := s.reads(c)
	if api == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), limit)
	defer cancel()
	found, err := api.SuggestPeople(ctx, key)
	if err != nil {
		s.log.DebugContext(c, "nobody can be suggested for a group", "group", key, "error", err)
		return nil, err
	}
	if len(found.Suggestions) == 0 {
		return nil, nil
	}
	p := found.Suggestions[0].Person
	return &faces.Person{ID: p.ID, Name: p.Name}, nil
}

// groupKey returns the key in the address.
func groupKey(c *gin.Context) (int64, bool) {
	key, err := strconv.ParseInt(c.Param("key"), 10, 64)
	return key, err == nil && key > 0
}
