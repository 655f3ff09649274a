package receiver

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

type correctionJSON struct {
	ID        int64      `json:"id"`
	ImageID   int64      `json:"image_id"`
	Box       faces.Box  `json:"box"`
	Says      string     `json:"says"` // is, is_not
	Person    personJSON `json:"person"`
	CreatedAt time.Time  `json:"created_at"`
	UndoneAt  *time.Time `json:"undone_at"`
}

func toCorrection(c faces.Correction) correctionJSON {
	j := correctionJSON{
		ID: c.ID, ImageID: c.ImageID, Box: c.Box, Says: "is", Person: *toPerson(&c.Person), CreatedAt: c.CreatedAt.UTC(),
	}
	if c.Not {
		j.Says = "is_not"
	}
	if !c.UndoneAt.IsZero() {
		at := c.UndoneAt.UTC()
		j.UndoneAt = &at
	}
	return j
}

// assignFace says who a face is.
func (s *Server) assignFace(c *gin.Context) { s.correctFace(c, false) }

// excludeFace says who a face is not.
func (s *Server) excludeFace(c *gin.Context) { s.correctFace(c, true) }

func (s *Server) correctFace(c *gin.Context, not bool) {
	id, err := pathID(c, "a face")
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	var body struct {
		PersonID *int64  `json:"person_id"`
		Name     *string `json:"name"`
	}
	if err := s.readJSON(c, &body); err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	say := faces.Statement{FaceID: id, Not: not}
	switch {
	case not && body.PersonID == nil:
		err = faces.Errorf(faces.CodeInvalid, `"person_id" is missing; send {"person_id":1}`)
	case body.PersonID == nil && body.Name == nil:
		err = faces.Errorf(faces.CodeInvalid, `who is it? send {"person_id":1} or {"name":"Ada"}`)
	case body.PersonID != nil && body.Name != nil:
		err = faces.Errorf(faces.CodeInvalid, `send "person_id" or "name", not both`)
	case body.PersonID != nil && *body.PersonID < 1:
		err = faces.Errorf(faces.CodeInvalid, `"person_id" must be a person's id`)
	case body.PersonID != nil:
		say.PersonID = *body.PersonID
	default:
		say.Name = *body.Name
	}
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	done, err := s.store.CorrectFace(c.Request.Context(), say)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	s.log.Info("face corrected", "face", id, "image", done.Correction.ImageID, "says", toCorrection(done.Correction).Says,
		"person", done.Correction.Person.ID, "request_id", httpapi.RequestID(c))
	s.showCorrected(c, done)
}

// showCorrected answers with the correction, the face, and the image as it is
// now.
func (s *Server) showCorrected(c *gin.Context, done store.Corrected) {
	models, err := s.store.Models(c.Request.Context())
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	body := gin.H{"correction": toCorrection(done.Correction), "image": toJSON(done.Image), "face": nil}
	for _, f := range done.Image.Faces {
		if f.ID == done.FaceID {
			body["face"] = toFace(f, models)
		}
	}
	c.JSON(http.StatusOK, body)
}

// listCorrections shows what was said of a face, oldest first.
func (s *Server) listCorrections(c *gin.Context) {
	id, err := pathID(c, "a face")
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	said, err := s.store.FaceCorrections(c.Request.Context(), id)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	list := make([]correctionJSON, len(said))
	for i, one := range said {
		list[i] = toCorrection(one)
	}
	c.JSON(http.StatusOK, gin.H{"corrections": list})
}

// listImageCorrections shows all corrections of an image's faces, oldest first,
// with the face that each belongs to now: none where it is not found any more.
func (s *Server) listImageCorrections(c *gin.Context) {
	id, err := pathID(c, "an image")
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	placed, err := s.store.ImageCorrections(c.Request.Context(), id)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	type placedJSON struct {
		correctionJSON
		FaceID *int64 `json:"face_id"`
	}
	list := make([]placedJSON, len(placed))
	for i, p := range placed {
		list[i].correctionJSON = toCorrection(p.Correction)
		if p.FaceID != 0 {
			list[i].FaceID = &p.FaceID
		}
	}
	c.JSON(http.StatusOK, gin.H{"corrections": list})
}

// undoCorrection takes back what was said.
func (s *Server) undoCorrection(c *gin.Context) {
	id, err := pathID(c, "a correction")
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	done, err := s.store.UndoCorrection(c.Request.Context(), id)
	if err != nil {
		httpapi.Error(c, s.log, err)
		return
	}
	s.log.Info("correction undone", "correction", id, "image", done.Correction.ImageID, "request_id", httpapi.RequestID(c))
	s.showCorrected(c, done)
}

// pathID reads the id in a request's path.
func pathID(c *gin.Context, what string) (int64, error) {
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil || id < 1 {
		return 0, faces.Errorf(faces.CodeInvalid, "%q is not %s's id", shorten(c.Param("id")), what)
	}
	return id, nil
}

// readOptionalJSON is readJSON for a body that may be left out.
func (s *Server) readOptionalJSON(c *gin.Context, v any) error {
	if c.Request.ContentLength == 0 {
		return nil
	}
	start := make([]byte, 1)
	n, err := c.Request.Body.Read(start)
	if n == 0 && err == io.EOF {
		return nil
	}
	c.Request.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start[:n]), c.Request.Body), c.Request.Body}
	return s.readJSON(c, v)
}
