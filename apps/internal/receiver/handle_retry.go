package receiver

import (
	"net/http"
	"reflect"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// retryPage is the largest number of images that one transaction retries.
const retryPage = 1000

// maxRetryIDs is the largest number of ids in a filter, as in openapi.yaml.
const maxRetryIDs = 10_000

// retryImage retries one image, whatever its outcome. An existing answer stands
// until the new one is stored.
func (s *Server) retryImage(c *gin.Context) error {
	ctx := c.Request.Context()
	id, err := httpapi.PathID(c, "an image")
	if err != nil {
		return err
	}
	if _, err := s.store.Image(ctx, id); err != nil {
		return err
	}
	ids, err := s.store.Retry(ctx, store.RetryFilter{IDs: []int64{id}})
	if err != nil {
		return err
	}
	published := len(ids) > 0 && s.queue.Publish(ctx, ids)
	img, err := s.store.Image(ctx, id)
	if err != nil {
		return err
	}
	s.log.Info("image retried", "image", id, "queued", published, "request_id", httpapi.RequestID(c))
	// An image that is queued or being processed already needs no retry.
	c.JSON(http.StatusAccepted, api.PostedImage{Image: wireImage(img), Queued: published || len(ids) == 0})
	return nil
}

// retryImages retries all images that a filter selects.
func (s *Server) retryImages(c *gin.Context) error {
	f, err := readRetryFilter(c)
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	total := 0
	for f.Limit = retryPage; ; {
		ids, err := s.store.Retry(ctx, f)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			break // a page can be short: others may have taken some of its images
		}
		s.queue.Publish(ctx, ids) // ids that cannot be queued now are queued later
		f.After = ids[len(ids)-1]
		total += len(ids)
	}
	s.log.Info("images retried", "images", total, "request_id", httpapi.RequestID(c))
	c.JSON(http.StatusAccepted, api.RetriedImages{Images: total})
	return nil
}

// readRetryFilter rejects unknown fields, because a filter with a typing mistake
// would select too many images.
func readRetryFilter(c *gin.Context) (store.RetryFilter, error) {
	var body api.RetryFilter
	if err := httpapi.ReadStrictJSON(c, &body); err != nil {
		return store.RetryFilter{}, err
	}
	f := store.RetryFilter{IDs: body.IDs, PersonID: body.PersonID, Person: body.Person, Model: body.Model, Query: body.Query}
	status, reason, err := readOutcome(string(body.Status), string(body.Reason))
	if err != nil {
		return f, err
	}
	f.Status = status
	if reason != "" {
		f.Reasons = []faces.Reason{reason}
	}
	if len(body.IDs) > maxRetryIDs {
		return f, api.Errorf(api.CodeInvalidRequest, `"ids" has %d ids, at most %d are possible; send several requests`, len(body.IDs), maxRetryIDs)
	}
	if body.PersonID < 0 {
		return f, api.Errorf(api.CodeInvalidRequest, `"person_id" must be a person's id`)
	}
	if len(body.IDs) == 0 {
		body.IDs = nil
	}
	if reflect.ValueOf(body).IsZero() {
		return f, api.Errorf(api.CodeInvalidRequest, `the filter is empty; send one such as {"status":"failed"} or {"reason":"no_face"}`)
	}
	return f, nil
}
