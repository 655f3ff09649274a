package receiver

import (
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

type personJSON struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

type imageJSON struct {
	ID          int64        `json:"id"`
	Path        string       `json:"path"`
	Status      string       `json:"status"`
	Reason      faces.Reason `json:"reason"`
	Detail      string       `json:"detail,omitempty"`
	Warning     string       `json:"warning,omitempty"` // what is wrong with the file though it could be read
	Omitted     int          `json:"omitted,omitempty"` // faces beyond the limit for one picture, which were not described
	Person      *personJSON  `json:"person"`
	Width       int          `json:"width,omitempty"`
	Height      int          `json:"height,omitempty"`
	Model       string       `json:"model,omitempty"`
	Attempts    int          `json:"attempts"`
	DuplicateOf int64        `json:"duplicate_of,omitempty"`
	File        *fileJSON    `json:"file,omitempty"`
	Rescan      *rescanOf    `json:"rescan,omitempty"`
	CreatedAt   time.Time    `json:"created_at"`
	UpdatedAt   time.Time    `json:"updated_at"`
}

// fileJSON is the file that the answer is about.
type fileJSON struct {
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	SHA256   string    `json:"sha256"`
}

// rescanOf says that an image is looked at again while its answer stands, or
// that it could not be.
type rescanOf struct {
	State  faces.RescanState `json:"state"`
	Reason faces.Reason      `json:"reason,omitempty"`
	Detail string            `json:"detail,omitempty"`
	Since  time.Time         `json:"since"`
}

func toJSON(img faces.Image) imageJSON {
	j := imageJSON{
		ID: img.ID, Path: img.Path, Status: img.Status.String(), Reason: img.Reason, Detail: faces.Describe(img), Warning: img.Warning, Omitted: img.Omitted,
		Person: toPerson(img.Person), Width: img.Width, Height: img.Height, Model: img.Model,
		Attempts: img.Attempts, DuplicateOf: img.DuplicateOf,
		CreatedAt: img.CreatedAt.UTC(), UpdatedAt: img.UpdatedAt.UTC(),
	}
	if f := img.File; !f.IsZero() {
		j.File = &fileJSON{Size: f.Size, Modified: time.Unix(0, f.Modified).UTC(), SHA256: f.SHA256}
	}
	if r := img.Rescan; r.State != faces.RescanNone {
		j.Rescan = &rescanOf{State: r.State, Reason: r.Reason, Detail: r.Detail, Since: r.Since.UTC()}
	}
	return j
}

func toPerson(p *faces.Person) *personJSON {
	if p == nil {
		return nil
	}
	return &personJSON{ID: p.ID, Name: p.Name}
}

// getImage shows one image with its faces.
func (s *Server) getImage(c *gin.Context) {
	id, err := pathID(c, "an image")
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	img, err := s.store.Image(c.Request.Context(), id)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	models, err := s.store.Models(c.Request.Context())
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	found := make([]faceJSON, len(img.Faces))
	for i, f := range img.Faces {
		found[i] = toFace(f, models)
	}
	c.JSON(http.StatusOK, struct {
		imageJSON
		Faces []faceJSON `json:"faces"`
	}{toJSON(img), found})
}

// listImages shows a page of images, newest first unless asked otherwise.
func (s *Server) listImages(c *gin.Context) {
	f, err := readFilter(c)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	limit := f.Limit
	f.Limit++ // one more tells whether there is a next page
	images, err := s.store.ListImages(c.Request.Context(), f)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	images, next := cutPage(images, limit, func(img faces.Image) int64 { return img.ID })
	list := make([]imageJSON, len(images))
	for i, img := range images {
		list[i] = toJSON(img)
	}
	c.JSON(http.StatusOK, gin.H{"images": list, "next": next})
}

func readFilter(c *gin.Context) (store.Filter, error) {
	f := store.Filter{Query: c.Query("q")}
	if v := c.Query("status"); v != "" {
		status, err := faces.ParseStatus(v)
		if err != nil {
			return f, err
		}
		f.Status = &status
	}
	if v := c.Query("reason"); v != "" {
		reason, err := faces.ParseReason(v)
		if err != nil {
			return f, err
		}
		f.Reason = reason
	}
	if v := c.Query("person"); v != "" {
		id, err := strconv.ParseInt(v, 10, 64)
		switch {
		case err != nil:
			f.Person = v
		case id < 1:
			return f, faces.Errorf(faces.CodeInvalid, `"person" must be a person's id or name`)
		default:
			f.PersonID = id
		}
	}
	var err error
	if f.After, f.Limit, err = readPage(c, "an image"); err != nil {
		return f, err
	}
	switch c.Query("order") {
	case "", "newest":
	case "oldest":
		f.Oldest = true
	default:
		return f, faces.Errorf(faces.CodeInvalid, `"order" must be newest or oldest`)
	}
	return f, nil
}
