package receiver

import (
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// scanned is the largest number of images that one request for a list looks at. It
// keeps a page of any filter far below 50 ms.
const scanned = 5000

// getImage answers with one image and its faces.
func (s *Server) getImage(c *gin.Context) error {
	id, err := httpapi.PathID(c, "an image")
	if err != nil {
		return err
	}
	img, err := s.store.Image(c.Request.Context(), id)
	if err != nil {
		return err
	}
	models, err := s.store.Models(c.Request.Context())
	if err != nil {
		return err
	}
	c.Header("ETag", strconv.Quote(img.Version))
	c.JSON(http.StatusOK, api.ImageDetail{Image: wireImage(img), Faces: wireFaces(img.Faces, models), Version: img.Version})
	return nil
}

// listImages answers with a page of images, newest first by default.
func (s *Server) listImages(c *gin.Context) error {
	f, err := readFilter(c)
	if err != nil {
		return err
	}
	page, err := s.store.PageOfImages(c.Request.Context(), f)
	if err != nil {
		return err
	}
	list := api.ImageList{Images: mapped(page.Images, wireImage)}
	if page.Next != 0 {
		list.Next = &page.Next
	}
	c.JSON(http.StatusOK, list)
	return nil
}

// deleteImage deletes an image, and its file if that was uploaded. If the file cannot
// be deleted now, nothing is.
func (s *Server) deleteImage(c *gin.Context) error {
	ctx := c.Request.Context()
	id, err := httpapi.PathID(c, "an image")
	if err != nil {
		return err
	}
	img, err := s.store.Image(ctx, id)
	if err != nil {
		return err
	}
	if s.uploads.Owns(img.Path) {
		if err := s.uploads.Reachable(); err != nil {
			return faces.Errorf(faces.CodeUnavailable, "the image's file cannot be deleted now, so nothing is deleted; try again when its volume is back").WithCause(err)
		}
	}
	_, err = s.store.DeleteImage(ctx, id)
	if err != nil && faces.ErrorCode(err) != faces.CodeMissing {
		return err
	}
	// The row is gone, also if somebody else has deleted it, or the answer to the commit
	// was lost.
	s.removeFile(ctx, id, img.Path, false)
	if err != nil {
		return err
	}
	s.log.Info("image deleted", "image", id, "request_id", httpapi.RequestID(c))
	c.Status(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
	return nil
}

func readFilter(c *gin.Context) (store.Filter, error) {
	f := store.Filter{Query: c.Query("q"), Person: c.Query("person"), Scan: scanned}
	var err error
	if f.Status, f.Reason, err = readOutcome(c.Query("status"), c.Query("reason")); err != nil {
		return f, err
	}
	if v := c.Query("person_id"); v != "" {
		if f.PersonID, err = strconv.ParseInt(v, 10, 64); err != nil || f.PersonID < 1 {
			return f, api.Errorf(api.CodeInvalidRequest, `"person_id" must be a person's id; for a name, use "person"`)
		}
	}
	if f.CreatedAfter, err = readTime(c, "created_after"); err != nil {
		return f, err
	}
	if f.CreatedBefore, err = readTime(c, "created_before"); err != nil {
		return f, err
	}
	if f.After, f.Limit, err = httpapi.ReadPage(c, "an image"); err != nil {
		return f, err
	}
	switch api.Order(c.Query("order")) {
	case "", api.Newest:
	case api.Oldest:
		f.Oldest = true
	case api.Uncertain:
		f.UncertainFirst = true
	default:
		return f, api.Errorf(api.CodeInvalidRequest, `"order" must be %s, %s or %s`, api.Newest, api.Oldest, api.Uncertain)
	}
	return f, nil
}

// readTime parses a filter for a time. An empty text is no filter.
func readTime(c *gin.Context, name string) (time.Time, error) {
	text := c.Query(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Year() < 1 {
		return time.Time{}, api.Errorf(api.CodeInvalidRequest, `%q must be a time such as 2026-05-04T12:00:00Z; write + as %%2B in an address`, name)
	}
	return t, nil
}

// readOutcome parses the filters for status and reason. An empty text is no
// filter. Filters that no image can match together are an error.
func readOutcome(status, reason string) (s *faces.Status, r faces.Reason, err error) {
	if status != "" {
		parsed, err := faces.ParseStatus(status)
		if err != nil {
			return nil, "", err
		}
		s = &parsed
	}
	if reason != "" {
		if r, err = faces.ParseReason(reason); err != nil {
			return nil, "", err
		}
	}
	return s, r, faces.CheckOutcome(s, r)
}
