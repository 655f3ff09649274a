package receiver

import (
	"net/http"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

// maxModelID is the maximum length of a model set's id, in characters.
const maxModelID = 64

func (s *Server) rescans() jobs[history.Rescan, api.Rescan, history.RescanState] {
	return jobs[history.Rescan, api.Rescan, history.RescanState]{
		server: s, name: "a rescan", route: "/api/v1/rescans",
		id: func(r history.Rescan) int64 { return r.ID }, wire: wireRescan,
		read: s.store.Rescans, changeState: s.store.ChangeRescanState,
		page: func(list []api.Rescan, next *int64) any { return api.RescanList{Rescans: list, Next: next} },
	}
}

// createRescan requests a rescan with the model set in use. If the body names
// another set, the rescan waits until all recognizers use it.
func (s *Server) createRescan(c *gin.Context) error {
	var body api.RescanRequest
	if err := httpapi.ReadOptionalJSON(c, &body); err != nil {
		return err
	}
	if utf8.RuneCountInString(body.Model) > maxModelID {
		return api.Errorf(api.CodeInvalidRequest, `"model" is the id of a model set and has at most %d characters; GET /readyz names the set in use`, maxModelID)
	}
	job, err := s.store.RequestRescan(c.Request.Context(), body.Model, body.Full)
	if err != nil {
		return err
	}
	s.rescans().accepted(c, job)
	return nil
}

// getRescan answers with a rescan and a page of the images that changed or failed,
// newest first.
func (s *Server) getRescan(c *gin.Context) error {
	ctx := c.Request.Context()
	id, err := httpapi.PathID(c, "a rescan")
	if err != nil {
		return err
	}
	after, limit, err := httpapi.ReadPage(c, "an image")
	if err != nil {
		return err
	}
	state := history.ResultState(c.Query("state"))
	switch state {
	case "", history.ResultChanged, history.ResultFailed:
	default:
		return api.Errorf(api.CodeInvalidRequest, `"state" must be %s or %s`, api.RescanResultChanged, api.RescanResultFailed)
	}
	job, err := s.store.Rescan(ctx, id)
	if err != nil {
		return err
	}
	results, err := s.store.RescanResults(ctx, id, after, limit+1, state)
	if err != nil {
		return err
	}
	results, next := httpapi.CutPage(results, limit, func(r history.RescanResult) int64 { return r.ImageID })
	c.JSON(http.StatusOK, api.RescanDetail{Rescan: wireRescan(job), Results: mapped(results, wireRescanResult), Next: next})
	return nil
}
