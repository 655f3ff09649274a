package receiver

import (
	"bytes"
	"encoding/json"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// retryPage is how many images one transaction gives another round.
const retryPage = 1000

// retryImage gives one image another round, whatever its outcome. The answer of
// one that has an answer stands until the new one is there.
func (s *Server) retryImage(c *gin.Context) {
	ctx := c.Request.Context()
	id, err := pathID(c, "an image")
	if err == nil {
		_, err = s.store.Image(ctx, id)
	}
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	ids, err := s.store.Retry(ctx, store.RetryFilter{IDs: []int64{id}})
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	published := len(ids) > 0 && s.queue.Publish(ctx, ids)
	img, err := s.store.Image(ctx, id)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	s.log.Info("image retried", "image", id, "queued", published, "request_id", httpapi.RequestID(c))
	// An image that waits already, or is at work, needs no other round.
	c.JSON(http.StatusAccepted, entry{imageJSON: toJSON(img), Queued: published || len(ids) == 0})
}

// retryImages gives all images that a filter selects another round.
func (s *Server) retryImages(c *gin.Context) {
	f, err := s.readRetryFilter(c)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	ctx := c.Request.Context()
	total := 0
	for f.Limit = retryPage; ; {
		ids, err := s.store.Retry(ctx, f)
		if err != nil {
			httpapi.Error(c, s.log, err)
			return
		}
		if len(ids) > 0 {
			s.queue.Publish(ctx, ids) // what it does not take, it takes later
			f.After = ids[len(ids)-1]
		}
		total += len(ids)
		if len(ids) < retryPage {
			break
		}
	}
	s.log.Info("images retried", "images", total, "request_id", httpapi.RequestID(c))
	c.JSON(http.StatusAccepted, gin.H{"images": total})
}

// readRetryFilter refuses what it does not know: a filter with a slip in it
// would select too much.
func (s *Server) readRetryFilter(c *gin.Context) (store.RetryFilter, error) {
	var f store.RetryFilter
	var raw json.RawMessage
	if err := s.readJSON(c, &raw); err != nil {
		return f, err
	}
	var body struct {
		IDs      []int64 `json:"ids"`
		Status   string  `json:"status"`
		Reason   string  `json:"reason"`
		PersonID int64   `json:"person_id"`
		Model    string  `json:"model"`
		Query    string  `json:"q"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		return f, faces.Errorf(faces.CodeInvalid, "a filter has the fields ids, status, reason, person_id, model and q: %s", explainFilter(err))
	}
	f = store.RetryFilter{IDs: body.IDs, PersonID: body.PersonID, Model: body.Model, Query: body.Query}
	if body.Status != "" {
		status, err := faces.ParseStatus(body.Status)
		if err != nil {
			return f, err
		}
		f.Status = &status
	}
	if body.Reason != "" {
		reason, err := faces.ParseReason(body.Reason)
		if err != nil {
			return f, err
		}
		f.Reasons = []faces.Reason{reason}
	}
	if body.PersonID < 0 {
		return f, faces.Errorf(faces.CodeInvalid, `"person_id" must be a person's id`)
	}
	if len(body.IDs) == 0 && body.Status == "" && body.Reason == "" && body.PersonID == 0 && body.Model == "" && body.Query == "" {
		return f, faces.Errorf(faces.CodeInvalid, `the filter is empty; send one such as {"status":"failed"} or {"reason":"no_face"}`)
	}
	return f, nil
}

// explainFilter says what is wrong with a filter.
func explainFilter(err error) string {
	const unknown = "json: "
	text := err.Error()
	if len(text) > len(unknown) && text[:len(unknown)] == unknown {
		text = text[len(unknown):]
	}
	return shorten(text)
}
