package receiver

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

type rescanJSON struct {
	ID          int64               `json:"id"`
	State       history.RescanState `json:"state"`
	Cause       history.Cause       `json:"cause"`
	Model       string              `json:"model"`
	Full        bool                `json:"full"`
	Detail      string              `json:"detail"`
	Total       int64               `json:"total"`
	Done        int64               `json:"done"`
	Changed     int64               `json:"changed"`
	Failed      int64               `json:"failed"`
	PeopleFound int64               `json:"people_found"`
	PeopleLost  int64               `json:"people_lost"`
	FacesFound  int64               `json:"faces_found"`
	FacesLost   int64               `json:"faces_lost"`
	Unplaced    int64               `json:"corrections_unplaced"`
	CreatedAt   time.Time           `json:"created_at"`
	StartedAt   *time.Time          `json:"started_at"`
	FinishedAt  *time.Time          `json:"finished_at"`
}

func toRescan(r history.Rescan) rescanJSON {
	return rescanJSON{
		ID: r.ID, State: r.State, Cause: r.Cause, Model: r.Model, Full: r.Whole, Detail: r.Detail,
		Total: r.Total, Done: r.Done, Changed: r.Changed, Failed: r.Failed,
		PeopleFound: r.PeopleFound, PeopleLost: r.PeopleLost, FacesFound: r.FacesFound, FacesLost: r.FacesLost, Unplaced: r.Unplaced,
		CreatedAt: r.Created.UTC(), StartedAt: timeOrNull(r.Started), FinishedAt: timeOrNull(r.Finished),
	}
}

// rescanResultJSON is what a rescan made of one image.
type rescanResultJSON struct {
	ImageID     int64               `json:"image_id"`
	Path        string              `json:"path"`
	State       history.ResultState `json:"state"`
	From        verdictJSON         `json:"from"`
	To          verdictJSON         `json:"to"`
	FacesBefore int                 `json:"faces_before"`
	FacesAfter  int                 `json:"faces_after"`
	Found       []personJSON        `json:"people_found"`
	Lost        []personJSON        `json:"people_lost"`
	Unplaced    int                 `json:"corrections_unplaced"`
	Detail      string              `json:"detail,omitempty"`
}

func toRescanResult(r history.RescanResult) rescanResultJSON {
	return rescanResultJSON{
		ImageID: r.ImageID, Path: r.Path, State: r.State, From: toVerdict(r.From), To: toVerdict(r.To),
		FacesBefore: r.FacesBefore, FacesAfter: r.FacesAfter, Found: toPeople(r.Found), Lost: toPeople(r.Lost),
		Unplaced: r.Unplaced, Detail: r.Detail,
	}
}

func toPeople(people []faces.Person) []personJSON {
	list := make([]personJSON, len(people))
	for i, p := range people {
		list[i] = *toPerson(&p)
	}
	return list
}

// postRescan asks a processor to look at old pictures again, by the model set in
// use or by the one that is named once all recognizers use it.
func (s *Server) postRescan(c *gin.Context) {
	var body struct {
		Model string `json:"model"`
		Full  bool   `json:"full"`
	}
	if err := s.readOptionalJSON(c, &body); err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	const maxModel = 64
	if len(body.Model) > maxModel {
		httpapi.Error(c, s.log, faces.Errorf(faces.CodeInvalid, `"model" must be the id of a model set`))
		return
	}
	job, err := s.store.RequestRescan(c.Request.Context(), body.Model, body.Full)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	s.acceptedRescan(c, job)
}

func (s *Server) acceptedRescan(c *gin.Context, job history.Rescan) {
	s.log.Info("rescan asked for", "rescan", job.ID, "state", job.State, "model", job.Model, "full", job.Whole,
		"request_id", httpapi.RequestID(c))
	c.Header("Location", fmt.Sprintf("/api/v1/rescans/%d", job.ID))
	c.JSON(http.StatusAccepted, toRescan(job))
}

// pauseRescan lets a rescan rest until somebody resumes it.
func (s *Server) pauseRescan(c *gin.Context) { s.turnRescan(c, history.RescanPaused) }

// resumeRescan lets a rescan go on where it was.
func (s *Server) resumeRescan(c *gin.Context) { s.turnRescan(c, history.RescanWaiting) }

// cancelRescan ends a rescan; what it has answered stays.
func (s *Server) cancelRescan(c *gin.Context) { s.turnRescan(c, history.RescanCancelled) }

func (s *Server) turnRescan(c *gin.Context, to history.RescanState) {
	id, err := pathID(c, "a rescan")
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	job, err := s.store.TurnRescan(c.Request.Context(), id, to)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	s.acceptedRescan(c, job)
}

// listRescans shows a page of them, newest first.
func (s *Server) listRescans(c *gin.Context) {
	after, limit, err := readPage(c, "a rescan")
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	jobs, err := s.store.Rescans(c.Request.Context(), after, limit+1)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	jobs, next := cutPage(jobs, limit, func(job history.Rescan) int64 { return job.ID })
	list := make([]rescanJSON, len(jobs))
	for i, job := range jobs {
		list[i] = toRescan(job)
	}
	c.JSON(http.StatusOK, gin.H{"rescans": list, "next": next})
}

// getRescan shows a rescan and a page of the images in which it found something
// else, or that it could not look at, newest first.
func (s *Server) getRescan(c *gin.Context) {
	ctx := c.Request.Context()
	id, err := pathID(c, "a rescan")
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	after, limit, err := readPage(c, "an image")
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	state := history.ResultState(c.Query("state"))
	if state != "" && state != history.ResultChanged && state != history.ResultFailed {
		httpapi.Error(c, s.log, faces.Errorf(faces.CodeInvalid, `"state" must be %s or %s`, history.ResultChanged, history.ResultFailed))
		return
	}
	job, err := s.store.Rescan(ctx, id)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	results, err := s.store.RescanResults(ctx, id, after, limit+1, state)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	results, next := cutPage(results, limit, func(r history.RescanResult) int64 { return r.ImageID })
	list := make([]rescanResultJSON, len(results))
	for i, r := range results {
		list[i] = toRescanResult(r)
	}
	c.JSON(http.StatusOK, struct {
		rescanJSON
		Results []rescanResultJSON `json:"results"`
		Next    *int64             `json:"next"`
	}{toRescan(job), list, next})
}
