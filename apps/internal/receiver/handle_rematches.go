package receiver

// This file owns asking for re-matches and looking at them. The work is the
// processor's: the row is the request.

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

// maxMovements of a summary are shown; the list of changes has all.
const maxMovements = 100

type rematchJSON struct {
	ID         int64         `json:"id"`
	State      history.State `json:"state"`
	Cause      history.Cause `json:"cause"`
	Scope      history.Scope `json:"scope"`
	Apply      bool          `json:"apply"`
	Full       bool          `json:"full"`
	Detail     string        `json:"detail"`
	Model      string        `json:"model"`
	Gallery    string        `json:"gallery"`
	Added      int           `json:"pictures_added"`
	Removed    int           `json:"pictures_removed"`
	Faces      int64         `json:"faces"`
	Images     int64         `json:"images"`
	Skipped    int64         `json:"skipped"`
	CreatedAt  time.Time     `json:"created_at"`
	StartedAt  *time.Time    `json:"started_at"`
	FinishedAt *time.Time    `json:"finished_at"`
}

func toRematch(r history.Job) rematchJSON {
	return rematchJSON{
		ID: r.ID, State: r.State, Cause: r.Cause, Scope: r.Scope, Apply: r.Apply, Full: r.Whole, Detail: r.Detail,
		Model: r.Model, Gallery: r.Gallery, Added: r.Added, Removed: r.Removed, Faces: r.Faces, Images: r.Images, Skipped: r.Skipped,
		CreatedAt: r.Created.UTC(), StartedAt: timeOrNull(r.Started), FinishedAt: timeOrNull(r.Finished),
	}
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

type verdictJSON struct {
	Status string       `json:"status"`
	Reason faces.Reason `json:"reason"`
	Person *personJSON  `json:"person"`
}

func toVerdict(v history.Outcome) verdictJSON {
	return verdictJSON{Status: v.Reason.Status().String(), Reason: v.Reason, Person: toPerson(v.Person)}
}

type movementJSON struct {
	From   verdictJSON `json:"from"`
	To     verdictJSON `json:"to"`
	Images int64       `json:"images"`
}

type changeJSON struct {
	ImageID int64               `json:"image_id"`
	Path    string              `json:"path"`
	State   history.ChangeState `json:"state"`
	From    verdictJSON         `json:"from"`
	To      verdictJSON         `json:"to"`
}

// postRematch asks a processor for a re-match: a preview unless told to apply.
func (s *Server) postRematch(c *gin.Context) {
	var body struct {
		Apply bool `json:"apply"`
		Full  bool `json:"full"`
	}
	if err := s.readOptionalJSON(c, &body); err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	job, err := s.store.RequestRematch(c.Request.Context(), history.CauseRequest, body.Apply, body.Full)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	s.accepted(c, job)
}

func (s *Server) accepted(c *gin.Context, job history.Job) {
	s.log.Info("re-match asked for", "rematch", job.ID, "state", job.State, "apply", job.Apply, "full", job.Whole,
		"request_id", httpapi.RequestID(c))
	c.Header("Location", fmt.Sprintf("/api/v1/rematches/%d", job.ID))
	c.JSON(http.StatusAccepted, toRematch(job))
}

// applyRematch carries out a preview.
func (s *Server) applyRematch(c *gin.Context) { s.turnRematch(c, history.Applying) }

// undoRematch takes back what a re-match changed.
func (s *Server) undoRematch(c *gin.Context) { s.turnRematch(c, history.Undoing) }

func (s *Server) turnRematch(c *gin.Context, to history.State) {
	id, err := pathID(c, "a re-match")
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	job, err := s.store.TurnRematch(c.Request.Context(), id, to)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	s.accepted(c, job)
}

// listRematches shows a page of them, newest first.
func (s *Server) listRematches(c *gin.Context) {
	after, limit, err := readPage(c, "a re-match")
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	jobs, err := s.store.Rematches(c.Request.Context(), after, limit+1)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	jobs, next := cutPage(jobs, limit, func(job history.Job) int64 { return job.ID })
	list := make([]rematchJSON, len(jobs))
	for i, job := range jobs {
		list[i] = toRematch(job)
	}
	c.JSON(http.StatusOK, gin.H{"rematches": list, "next": next})
}

// getRematch shows a re-match, what it changes in sum, and a page of the
// images that it changes.
func (s *Server) getRematch(c *gin.Context) {
	ctx := c.Request.Context()
	id, err := pathID(c, "a re-match")
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	after, limit, err := readPage(c, "an image")
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	job, err := s.store.Rematch(ctx, id)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	sum, err := s.store.RematchSummary(ctx, id, maxMovements)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	changes, err := s.store.RematchChanges(ctx, id, after, limit+1)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	changes, next := cutPage(changes, limit, func(change history.ImageChange) int64 { return change.ImageID })
	movements := make([]movementJSON, len(sum))
	for i, m := range sum {
		movements[i] = movementJSON{From: toVerdict(m.From), To: toVerdict(m.To), Images: m.Images}
	}
	list := make([]changeJSON, len(changes))
	for i, ch := range changes {
		list[i] = changeJSON{ImageID: ch.ImageID, Path: ch.Path, State: ch.State, From: toVerdict(ch.From), To: toVerdict(ch.To)}
	}
	c.JSON(http.StatusOK, struct {
		rematchJSON
		Summary []movementJSON `json:"summary"`
		Changes []changeJSON   `json:"changes"`
		Next    *int64         `json:"next"`
	}{toRematch(job), movements, list, next})
}
