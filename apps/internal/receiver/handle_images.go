package receiver

// This file owns showing images: their JSON, one of them, and pages of them.

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

type candidateJSON struct {
	Person   personJSON `json:"person"`
	Distance float64    `json:"distance"`
}

type faceJSON struct {
	ID           int64          `json:"id"`
	Box          faces.Box      `json:"box"`
	Landmarks    []faces.Point  `json:"landmarks"`
	Reason       faces.Reason   `json:"reason"`
	Person       *personJSON    `json:"person"`
	Corrected    bool           `json:"corrected"`
	Distance     *float64       `json:"distance"`
	MatchedImage string         `json:"matched_image"`
	Best         *candidateJSON `json:"best"`
	Second       *candidateJSON `json:"second"`
	Model        string         `json:"model"`
	Gallery      string         `json:"gallery,omitempty"`
	Quality      *qualityJSON   `json:"quality"`
}

// qualityJSON is null for a face whose quality was never measured.
type qualityJSON struct {
	Score     float64 `json:"score"`
	Size      int     `json:"size"`
	Sharpness float64 `json:"sharpness"`
	Yaw       float64 `json:"yaw"`
	Roll      float64 `json:"roll"`
}

func toJSON(img faces.Image) imageJSON {
	j := imageJSON{
		ID: img.ID, Path: img.Path, Status: img.Status.String(), Reason: img.Reason, Detail: img.Detail,
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

func toFace(f faces.Face) faceJSON {
	j := faceJSON{
		ID: f.ID, Box: f.Box, Landmarks: f.Landmarks, Reason: f.Reason, Person: toPerson(f.Person), Corrected: f.Corrected,
		MatchedImage: f.MatchedImage, Best: toCandidate(f.Best), Second: toCandidate(f.Second), Model: f.Model, Gallery: f.Gallery,
	}
	if f.Quality != (faces.Quality{}) {
		q := qualityJSON{Score: f.Quality.Score, Size: f.Quality.Size, Sharpness: f.Quality.Sharpness, Yaw: f.Quality.Yaw, Roll: f.Quality.Roll}
		j.Quality = &q
	}
	if j.Landmarks == nil {
		j.Landmarks = []faces.Point{} // a list, also where it is empty
	}
	if f.Best != nil {
		j.Distance = &f.Best.Distance
	}
	return j
}

func toCandidate(c *faces.Candidate) *candidateJSON {
	if c == nil {
		return nil
	}
	return &candidateJSON{Person: *toPerson(&c.Person), Distance: c.Distance}
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
	found := make([]faceJSON, len(img.Faces))
	for i, f := range img.Faces {
		found[i] = toFace(f)
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
