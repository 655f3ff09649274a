package frontend

import (
	"context"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// followedEvents is how many events are read to count the pictures that followed a name.
// If there are more, the number is a lower bound.
const followedEvents = 2000

// groupsSaid is what somebody has just said about groups, or undone.
type groupsSaid struct {
	Changes  string // ids, for undoing them
	Text     string
	Person   *faces.Person // who the faces are
	URL      string        // of the person's pictures
	Followed int           // other pictures that show the person since
	More     bool          // there may be others
	Skipped  int           // groups that had changed meanwhile
	Untried  int           // groups after a failure
	Left     string        // the name of a person of whom nothing else is left
	Undone   bool
	Group    int64 // whose page it is on; 0 for the list
}

// newestEvent returns the event after which the consequences of a change come. 0 if that
// is not known: then they are not counted.
func (s *Server) newestEvent(ctx context.Context) int64 {
	has, err := s.store.EventRange(ctx)
	if err != nil {
		return 0
	}
	return max(has.Newest, 1)
}

// readGroupsSaid returns what the address says was done; nil if nothing.
func (s *Server) readGroupsSaid(c *gin.Context) (*groupsSaid, error) {
	ctx := c.Request.Context()
	ids := groupChangeIDs(c.Query("said"))
	if len(ids) == 0 {
		return nil, nil
	}
	v := &groupsSaid{Changes: joinIDs(ids)}
	v.Group, _ = groupKey(c)
	v.Skipped, _ = strconv.Atoi(c.Query("skipped"))
	v.Untried, _ = strconv.Atoi(c.Query("untried"))
	own := map[int64]bool{} // images that were named by hand
	facesOf := 0
	var last store.GroupChange
	for _, id := range ids {
		change, err := s.store.GroupChange(ctx, id)
		if faces.ErrorCode(err) == faces.CodeMissing {
			return nil, nil // the address was made up
		}
		if err != nil {
			return nil, err
		}
		for _, image := range change.Images {
			own[image] = true
		}
		facesOf += change.Faces
		last = change
	}
	v.Undone, v.Person = last.Undone, last.Person
	v.Text = s.saidOfGroups(last, facesOf, len(own))
	if v.Person == nil {
		return v, nil
	}
	v.URL = query{personID: v.Person.ID, person: v.Person.Name}.URL()
	if v.Undone {
		if c.Query("left") != "" {
			v.Left = s.personName(*v.Person)
		}
		return v, nil
	}
	since, err := strconv.ParseInt(c.Query("since"), 10, 64)
	if err != nil || since < 1 {
		return v, nil
	}
	v.Followed, v.More, err = s.followed(ctx, v.Person.ID, since, own)
	return v, err
}

// saidOfGroups says what was said, or undone.
func (s *Server) saidOfGroups(change store.GroupChange, facesOf, images int) string {
	about := s.words("unknown.in", s.counted("unknown.faces", facesOf), s.counted("unknown.pictures", images))
	var text string
	switch change.Says {
	case store.GroupIgnore:
		text = s.words("unknown.said.ignored", about)
	case store.GroupNotAFace:
		text = s.words("unknown.said.none", about)
	case store.GroupApart:
		text = s.words("unknown.said.apart")
	default:
		name := ""
		if change.Person != nil {
			name = s.isolatedName(*change.Person)
		}
		text = s.words("unknown.said.is", name, about)
	}
	if change.Undone {
		return s.words("unknown.said.undone", text)
	}
	return text
}

// followed counts the pictures that show a person because of a re-match since an event,
// without those that were named by hand. more reports whether there may be others.
func (s *Server) followed(ctx context.Context, person, since int64, own map[int64]bool) (n int, more bool, err error) {
	seen := map[int64]bool{}
	for read := 0; read < followedEvents; read += liveBatch {
		page, err := s.store.Events(ctx, since, []faces.EventType{faces.ImageChanged}, liveBatch)
		if err != nil {
			return 0, false, err
		}
		for _, e := range page.Events {
			if e.Cause != faces.ByRematch || own[e.ImageID] {
				continue
			}
			delete(seen, e.ImageID) // the last event counts
			for _, id := range e.People {
				if id == person {
					seen[e.ImageID] = true
				}
			}
		}
		if len(page.Events) < liveBatch {
			return len(seen), false, nil
		}
		since = page.Next
	}
	return len(seen), true, nil
}
