package receiver

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// assignFace stores the correction that a face is a person.
func (s *Server) assignFace(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a face")
	if err != nil {
		return err
	}
	var body api.FaceAssignment
	if err := httpapi.ReadJSON(c, &body); err != nil {
		return err
	}
	if body.PersonID == nil && body.Name == nil {
		return api.Errorf(api.CodeInvalidRequest, `who is it? send {"person_id":1} or {"name":"Ada"}`)
	}
	version, err := versionIfSent(c)
	if err != nil {
		return err
	}
	statement := faces.Statement{FaceID: id, Version: version}
	if statement.PersonID, statement.Name, err = whoItIs(body.PersonID, body.Name); err != nil {
		return err
	}
	return s.correctFace(c, statement)
}

// whoItIs returns the person that a body names, by id or by name, if it names one.
func whoItIs(person *int64, name *string) (id int64, _ string, err error) {
	switch {
	case person != nil && name != nil:
		return 0, "", api.Errorf(api.CodeInvalidRequest, `send "person_id" or "name", not both`)
	case person != nil:
		id, err = personID(*person)
		return id, "", err
	case name != nil && strings.TrimSpace(*name) == "":
		return 0, "", faces.CheckName("")
	case name != nil:
		return 0, *name, nil
	default:
		return 0, "", nil
	}
}

// drawFace stores that there is a face that was not found.
func (s *Server) drawFace(c *gin.Context) error {
	id, err := httpapi.PathID(c, "an image")
	if err != nil {
		return err
	}
	version, err := imageVersion(c)
	if err != nil {
		return err
	}
	var body api.DrawnFace
	if err := httpapi.ReadStrictJSON(c, &body); err != nil {
		return err
	}
	b := body.Box
	d := faces.Drawing{ImageID: id, Version: version, Box: faces.Box{X: b.X, Y: b.Y, Width: b.Width, Height: b.Height}}
	if d.PersonID, d.Name, err = whoItIs(body.PersonID, body.Name); err != nil {
		return err
	}
	done, err := s.store.DrawFace(c.Request.Context(), d)
	if err != nil {
		return err
	}
	s.log.Info("face drawn", "face", done.FaceID, "image", id, "request_id", httpapi.RequestID(c))
	return s.showCorrected(c, http.StatusCreated, done)
}

// excludeFace stores the correction that a face is not a person.
func (s *Server) excludeFace(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a face")
	if err != nil {
		return err
	}
	var body api.FaceExclusion
	if err := httpapi.ReadJSON(c, &body); err != nil {
		return err
	}
	person, err := personID(body.PersonID)
	if err != nil {
		return err
	}
	version, err := versionIfSent(c)
	if err != nil {
		return err
	}
	return s.correctFace(c, faces.Statement{FaceID: id, Version: version, PersonID: person, Not: true})
}

// dismissFace stores the correction that a face does not count.
func (s *Server) dismissFace(kind faces.Kind) func(c *gin.Context) error {
	return func(c *gin.Context) error {
		id, err := httpapi.PathID(c, "a face")
		if err != nil {
			return err
		}
		version, err := imageVersion(c)
		if err != nil {
			return err
		}
		return s.correctFace(c, faces.Statement{FaceID: id, Version: version, Kind: kind})
	}
}

// imageVersion returns the version of an image that a request's If-Match names; ""
// is any.
func imageVersion(c *gin.Context) (string, error) {
	tag, anything, err := httpapi.ReadIfMatch(c)
	if err != nil || anything {
		return "", err
	}
	return tag, nil
}

// versionIfSent is like imageVersion for the routes of release 0.1.0, whose
// clients send no If-Match.
func versionIfSent(c *gin.Context) (string, error) {
	if c.GetHeader("If-Match") == "" {
		return "", nil
	}
	return imageVersion(c)
}

func personID(id int64) (int64, error) {
	if id < 1 {
		return 0, api.Errorf(api.CodeInvalidRequest, `"person_id" is missing or not a person's id; send {"person_id":1}`)
	}
	return id, nil
}

func (s *Server) correctFace(c *gin.Context, statement faces.Statement) error {
	done, err := s.store.CorrectFace(c.Request.Context(), statement)
	if err != nil {
		return err
	}
	s.log.Info("face corrected", "face", statement.FaceID, "image", done.Correction.ImageID, "says", wireCorrection(done.Correction).Says,
		"person", done.Correction.Person.ID, "changed", done.Changed, "request_id", httpapi.RequestID(c))
	return s.showCorrected(c, http.StatusOK, done)
}

// undoCorrection undoes a correction.
func (s *Server) undoCorrection(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a correction")
	if err != nil {
		return err
	}
	version, err := versionIfSent(c)
	if err != nil {
		return err
	}
	done, err := s.store.UndoCorrection(c.Request.Context(), id, version)
	if err != nil {
		return err
	}
	s.log.Info("correction undone", "correction", id, "image", done.Correction.ImageID, "request_id", httpapi.RequestID(c))
	return s.showCorrected(c, http.StatusOK, done)
}

// showCorrected answers with the correction, and with the current face and image.
func (s *Server) showCorrected(c *gin.Context, status int, done store.Corrected) error {
	models, err := s.store.Models(c.Request.Context())
	if err != nil {
		return err
	}
	c.Header("ETag", strconv.Quote(done.Image.Version))
	c.JSON(status, wireCorrected(done, models))
	return nil
}

// listFaceCorrections answers with all corrections of a face, oldest first.
func (s *Server) listFaceCorrections(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a face")
	if err != nil {
		return err
	}
	corrections, err := s.store.FaceCorrections(c.Request.Context(), id)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, api.CorrectionList{Corrections: mapped(corrections, wireCorrection)})
	return nil
}

// listImageCorrections answers with all corrections of an image's faces, oldest
// first, each with the id of its current face.
func (s *Server) listImageCorrections(c *gin.Context) error {
	id, err := httpapi.PathID(c, "an image")
	if err != nil {
		return err
	}
	placed, err := s.store.ImageCorrections(c.Request.Context(), id)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, api.ImageCorrectionList{Corrections: mapped(placed, wirePlacedCorrection)})
	return nil
}
