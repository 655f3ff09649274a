package frontend

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

const (
	// groupsAtOnce is how many groups a form may choose.
	groupsAtOnce = groupsPerPage
	// enrolFor is for how many of several groups one face each becomes a known picture:
	// each takes a part of a second, and somebody waits.
	enrolFor = 5
)

// groupStatement is what a form says about a group.
type groupStatement struct {
	key     int64
	version string  // of the group that the user has seen
	faces   []int64 // nil: the whole group
	who     api.GroupName
}

// part returns which faces of the group it is about.
func (g groupStatement) part() *[]int64 {
	if g.faces == nil {
		return nil
	}
	return &g.faces
}

// groupAction tells the receiver something about a group.
type groupAction func(ctx context.Context, to *client.Client, say groupStatement) (api.GroupChange, error)

func groupIsPerson(ctx context.Context, to *client.Client, say groupStatement) (api.GroupChange, error) {
	if say.who.PersonID == nil && say.who.Name == nil {
		return api.GroupChange{}, wrong("form.name")
	}
	say.who.FaceIDs = say.part()
	return to.NameGroup(ctx, say.key, say.version, say.who)
}

func groupIsIgnored(ctx context.Context, to *client.Client, say groupStatement) (api.GroupChange, error) {
	return to.IgnoreGroup(ctx, say.key, say.version, api.GroupPart{FaceIDs: say.part()})
}

func groupIsNoFace(ctx context.Context, to *client.Client, say groupStatement) (api.GroupChange, error) {
	return to.DismissGroup(ctx, say.key, say.version, api.GroupPart{FaceIDs: say.part()})
}

func groupIsTwo(ctx context.Context, to *client.Client, say groupStatement) (api.GroupChange, error) {
	if say.faces == nil {
		return api.GroupChange{}, wrong("form.split")
	}
	return to.SplitGroup(ctx, say.key, say.version, api.GroupSplit{FaceIDs: say.faces})
}

// changeGroup returns a handler that says something about one group, or about faces that
// its page shows.
func (s *Server) changeGroup(do groupAction) gin.HandlerFunc {
	return func(c *gin.Context) {
		key, ok := groupKey(c)
		if !ok {
			s.problem(c, pageMissing())
			return
		}
		if !s.mayChange(c) {
			s.problem(c, readOnly())
			return
		}
		say, err := readGroupStatement(c, key)
		if err != nil {
			s.groupRefused(c, err)
			return
		}
		ctx, cancel := changeContext(c)
		defer cancel()
		since := s.newestEvent(ctx)
		done, err := do(ctx, s.actAs(c), say)
		if err != nil {
			s.groupRefused(c, err)
			return
		}
		to := groupsAddress{path: "/unknown", changes: []int64{done.ID}, since: since}
		if done.Left > 0 {
			to.path += "/" + strconv.FormatInt(key, 10)
			to.with = s.someFaceOf(ctx, key)
		}
		c.Redirect(http.StatusSeeOther, s.link(to.String()))
	}
}

// someFaceOf returns a face of a group, by which the group is found when it has another
// key; 0 if that is not known.
func (s *Server) someFaceOf(ctx context.Context, key int64) int64 {
	m, _, err := s.store.ModelInUse(ctx)
	if err != nil {
		return 0
	}
	g, err := s.store.Group(ctx, m.ID, key)
	if err != nil || len(g.Members) == 0 {
		return 0
	}
	return g.Members[len(g.Members)-1].FaceID
}

// readGroupStatement reads the form of the page of a group.
func readGroupStatement(c *gin.Context, key int64) (groupStatement, error) {
	say := groupStatement{key: key, version: c.PostForm("version")}
	var err error
	if say.who, err = readGroupName(c); err != nil {
		return say, err
	}
	if say.version == "" {
		return say, wrong("form.version")
	}
	chosen := strings.Fields(c.PostForm("shown")) // of a look at another distance, all faces
	if c.PostForm("scope") == "selected" {
		if chosen = c.PostFormArray("face"); len(chosen) == 0 {
			return say, wrong("form.noface")
		}
	}
	for _, text := range chosen {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil || id < 1 {
			return say, wrong("form.face", typed(text))
		}
		say.faces = append(say.faces, id)
	}
	return say, nil
}

// readGroupName reads who somebody is: by the id of a person who was suggested, or by a
// name.
func readGroupName(c *gin.Context) (who api.GroupName, err error) {
	if text := c.PostForm("person_id"); text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return who, wrong("form.person")
		}
		who.PersonID = &id
		return who, nil
	}
	if name := strings.TrimSpace(c.PostForm("name")); name != "" {
		who.Name = &name
	}
	return who, nil
}

// changeGroups returns a handler that says the same about all chosen groups of the list.
// Groups that have changed meanwhile are left alone, and counted.
func (s *Server) changeGroups(do groupAction) gin.HandlerFunc {
	return func(c *gin.Context) {
		if !s.mayChange(c) {
			s.problem(c, readOnly())
			return
		}
		chosen, err := readChosenGroups(c)
		if err != nil {
			s.groupRefused(c, err)
			return
		}
		ctx, cancel := changeContext(c)
		defer cancel()
		since := s.newestEvent(ctx)
		done, skipped, untried, err := changeEach(ctx, s.actAs(c), do, chosen)
		switch {
		case err != nil && len(done) == 0:
			s.groupRefused(c, err)
			return
		case err != nil && !isGroupStale(err):
			s.log.WarnContext(c, "not all groups were changed", "changed", len(done), "of", len(chosen), "error", err)
		}
		c.Redirect(http.StatusSeeOther, s.link(groupsAddress{path: "/unknown", changes: done, since: since, skipped: skipped, untried: untried}.String()))
	}
}

// readChosenGroups reads the chosen groups of the list, each as KEY.VERSION.
func readChosenGroups(c *gin.Context) ([]groupStatement, error) {
	list := c.PostFormArray("group")
	if len(list) == 0 || len(list) > groupsAtOnce {
		return nil, wrong("form.groups", groupsAtOnce)
	}
	who, err := readGroupName(c)
	if err != nil {
		return nil, err
	}
	chosen := make([]groupStatement, len(list))
	for i, text := range list {
		id, version, _ := strings.Cut(text, ".")
		key, err := strconv.ParseInt(id, 10, 64)
		if err != nil || key < 1 || version == "" {
			return nil, wrong("form.group", typed(text))
		}
		chosen[i] = groupStatement{key: key, version: version, who: who}
		if len(list) > 1 {
			enrol := 0
			if i < enrolFor {
				enrol = 1
			}
			chosen[i].who.Enrol = &enrol
		}
	}
	return chosen, nil
}

// changeEach says something about each group, until there is a problem other than that a
// group has changed. It returns the ids of the changes, the number of groups that were left
// alone, the number that it did not come to, and the last problem. A new person is made for
// the first group only.
func changeEach(ctx context.Context, to *client.Client, do groupAction, chosen []groupStatement) (done []int64, skipped, untried int, problem error) {
	var person *int64
	for i, say := range chosen {
		if person != nil {
			say.who.PersonID, say.who.Name = person, nil
		}
		change, err := do(ctx, to, say)
		switch {
		case isGroupStale(err):
			skipped, problem = skipped+1, err
		case err != nil:
			return done, skipped, len(chosen) - i, err
		default:
			done = append(done, change.ID)
			if change.Person != nil {
				person = &change.Person.ID
			}
		}
	}
	return done, skipped, 0, problem
}

// isGroupStale reports whether a group has changed or is gone.
func isGroupStale(err error) bool {
	var said *api.Error
	return errors.As(err, &said) && (said.Code == api.CodeStale || said.Code == api.CodeNotFound)
}

// groupRefused answers with the error of a change of groups.
func (s *Server) groupRefused(c *gin.Context, err error) {
	if isGroupStale(err) {
		s.problem(c, problem{
			Code: http.StatusPreconditionFailed, Title: s.words("unknown.stale"), Text: s.words("unknown.stale.text"),
		})
		return
	}
	s.refusedBy(c, err)
}

// undoGroups undoes what was said about one group or several.
func (s *Server) undoGroups(c *gin.Context) {
	if !s.mayChange(c) {
		s.problem(c, readOnly())
		return
	}
	ids := groupChangeIDs(c.PostForm("changes"))
	if len(ids) == 0 {
		s.problem(c, pageMissing())
		return
	}
	ctx, cancel := changeContext(c)
	defer cancel()
	left := false
	for _, id := range slices.Backward(ids) {
		undone, err := s.actAs(c).UndoGroupChange(ctx, id)
		if err != nil {
			s.refusedBy(c, err)
			return
		}
		left = left || undone.EmptyPerson != nil
	}
	back := "/unknown"
	if key, err := strconv.ParseInt(c.PostForm("group"), 10, 64); err == nil && key > 0 {
		back += "/" + strconv.FormatInt(key, 10)
	}
	c.Redirect(http.StatusSeeOther, s.link(groupsAddress{path: back, changes: ids, left: left}.String()))
}

// groupsAddress is the address of a page that says what was done.
type groupsAddress struct {
	path    string
	changes []int64 // ids
	since   int64   // the event before them; 0 if unknown
	skipped int     // groups that had changed meanwhile
	untried int     // groups after a failure
	left    bool    // undoing left a person without pictures
	with    int64   // a face of the group; 0 for none
}

// String returns the address.
func (a groupsAddress) String() string {
	q := url.Values{"said": {joinIDs(a.changes)}}
	for name, n := range map[string]int64{"since": a.since, "skipped": int64(a.skipped), "untried": int64(a.untried), "with": a.with} {
		if n > 0 {
			q.Set(name, strconv.FormatInt(n, 10))
		}
	}
	if a.left {
		q.Set("left", "1")
	}
	return a.path + "?" + q.Encode()
}

// groupChangeIDs reads the changes of one form.
func groupChangeIDs(text string) []int64 {
	ids := splitIDs(text)
	return ids[:min(len(ids), groupsAtOnce)]
}
