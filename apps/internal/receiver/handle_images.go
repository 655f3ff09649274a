package receiver

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

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
	c.JSON(http.StatusOK, api.ImageDetail{Image: wireImage(img), Faces: wireFaces(img.Faces, models)})
	return nil
}

// listImages answers with a page of images, newest first by default.
func (s *Server) listImages(c *gin.Context) error {
	f, err := readFilter(c)
	if err != nil {
		return err
	}
	limit := f.Limit
	f.Limit++ // one more, to see whether there is a next page
	images, err := s.store.ListImages(c.Request.Context(), f)
	if err != nil {
		return err
	}
	images, next := httpapi.CutPage(images, limit, func(img faces.Image) int64 { return img.ID })
	c.JSON(http.StatusOK, api.ImageList{Images: mapped(images, wireImage), Next: next})
	return nil
}

func readFilter(c *gin.Context) (store.Filter, error) {
	f := store.Filter{Query: c.Query("q"), Person: c.Query("person")}
	var err error
	if f.Status, f.Reason, err = readOutcome(c.Query("status"), c.Query("reason")); err != nil {
		return f, err
	}
	if v := c.Query("person_id"); v != "" {
		if f.PersonID, err = strconv.ParseInt(v, 10, 64); err != nil || f.PersonID < 1 {
			return f, api.Errorf(api.CodeInvalidRequest, `"person_id" must be a person's id; for a name, use "person"`)
		}
	}
	if f.After, f.Limit, err = httpapi.ReadPage(c, "an image"); err != nil {
		return f, err
	}
	switch api.Order(c.Query("order")) {
	case "", api.Newest:
	case api.Oldest:
		f.Oldest = true
	default:
		return f, api.Errorf(api.CodeInvalidRequest, `"order" must be %s or %s`, api.Newest, api.Oldest)
	}
	return f, nil
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
