package receiver

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

// jobs has the handlers that re-matches and rescans share. J is the job's domain
// type, W its API type, and S its state. The handlers only change the job's row; a
// processor finds the row and does the work.
type jobs[J, W any, S ~string] struct {
	server      *Server
	name        string // such as "a re-match"
	route       string // such as /api/v1/rematches
	id          func(J) int64
	wire        func(J) W
	read        func(ctx context.Context, before int64, limit int) ([]J, error) // newest first
	changeState func(ctx context.Context, id int64, state S) (J, error)
	page        func(list []W, next *int64) any
}

// list answers with a page of jobs, newest first.
func (j jobs[J, W, S]) list(c *gin.Context) error {
	after, limit, err := httpapi.ReadPage(c, j.name)
	if err != nil {
		return err
	}
	list, err := j.read(c.Request.Context(), after, limit+1)
	if err != nil {
		return err
	}
	list, next := httpapi.CutPage(list, limit, j.id)
	c.JSON(http.StatusOK, j.page(mapped(list, j.wire), next))
	return nil
}

// changeTo returns a handler that requests a state of a job.
func (j jobs[J, W, S]) changeTo(state S) func(*gin.Context) error {
	return func(c *gin.Context) error {
		id, err := httpapi.PathID(c, j.name)
		if err != nil {
			return err
		}
		job, err := j.changeState(c.Request.Context(), id, state)
		if err != nil {
			return err
		}
		j.accepted(c, job)
		return nil
	}
}

// accepted answers 202: a processor will work on the job.
func (j jobs[J, W, S]) accepted(c *gin.Context, job J) {
	location := fmt.Sprintf("%s%s/%d", j.server.opts.BasePath, j.route, j.id(job))
	j.server.log.Info("job accepted", "job", location, "asked", c.FullPath(), "request_id", httpapi.RequestID(c))
	c.Header("Location", location)
	c.JSON(http.StatusAccepted, j.wire(job))
}
