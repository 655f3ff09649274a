package receiver

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

// maxMovements limits the summary. The list of changes is complete.
const maxMovements = 100

func (s *Server) rematches() jobs[history.Job, api.Rematch, history.State] {
	return jobs[history.Job, api.Rematch, history.State]{
		server: s, name: "a re-match", route: "/api/v1/rematches",
		id: func(r history.Job) int64 { return r.ID }, wire: wireRematch,
		read: s.store.Rematches, changeState: s.store.ChangeRematchState,
		page: func(list []api.Rematch, next *int64) any { return api.RematchList{Rematches: list, Next: next} },
	}
}

// createRematch requests a re-match. It is a preview unless the body has "apply", and a
// trial if it has another rule.
func (s *Server) createRematch(c *gin.Context) error {
	var body api.RematchRequest
	if err := httpapi.ReadOptionalJSON(c, &body); err != nil {
		return err
	}
	threshold, margin, err := readTrial(body)
	if err != nil {
		return err
	}
	var job history.Job
	if threshold > 0 || margin > 0 {
		job, err = s.store.RequestTrial(c.Request.Context(), threshold, margin)
	} else {
		job, err = s.store.RequestRematch(c.Request.Context(), history.CauseRequest, body.Apply, body.Full)
	}
	if err != nil {
		return err
	}
	s.rematches().accepted(c, job)
	return nil
}

// The limits of a rule are those of ROLLCALL_THRESHOLD and ROLLCALL_MARGIN.
const (
	minThreshold, maxThreshold = 0.01, 2
	maxMargin                  = 1
)

// readTrial returns the rule that a request tries; 0 where it names none.
func readTrial(body api.RematchRequest) (threshold, margin float64, err error) {
	if t := body.Threshold; t != nil {
		if threshold = *t; threshold < minThreshold || threshold > maxThreshold {
			return 0, 0, api.Errorf(api.CodeInvalidRequest, "threshold is %v; it must be from %v to %v", threshold, minThreshold, maxThreshold)
		}
	}
	if m := body.Margin; m != nil {
		if margin = *m; margin <= 0 || margin > maxMargin {
			return 0, 0, api.Errorf(api.CodeInvalidRequest, "margin is %v; it must be more than 0, and at most %v", margin, maxMargin)
		}
	}
	if body.Apply && (threshold > 0 || margin > 0) {
		return 0, 0, api.Errorf(api.CodeInvalidRequest, "another threshold or margin can only be tried: leave apply away, and set ROLLCALL_THRESHOLD and ROLLCALL_MARGIN of the processors to apply it")
	}
	return threshold, margin, nil
}

// getRematch answers with a re-match, a summary of its changes, and a page of the
// images that it changes.
func (s *Server) getRematch(c *gin.Context) error {
	ctx := c.Request.Context()
	id, err := httpapi.PathID(c, "a re-match")
	if err != nil {
		return err
	}
	after, limit, err := httpapi.ReadPage(c, "an image")
	if err != nil {
		return err
	}
	job, err := s.store.Rematch(ctx, id)
	if err != nil {
		return err
	}
	summary, err := s.store.RematchSummary(ctx, id, maxMovements)
	if err != nil {
		return err
	}
	changes, err := s.store.RematchChanges(ctx, id, after, limit+1)
	if err != nil {
		return err
	}
	changes, next := httpapi.CutPage(changes, limit, func(change history.ImageChange) int64 { return change.ImageID })
	c.JSON(http.StatusOK, api.RematchDetail{
		Rematch: wireRematch(job), Summary: mapped(summary, wireMovement), Changes: mapped(changes, wireImageChange), Next: next,
	})
	return nil
}
