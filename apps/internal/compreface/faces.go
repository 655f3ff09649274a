package compreface

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/picture/signature"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	pageSize    = 20
	maxPageSize = 1000
	maxPage     = 1 << 40 // no table is that long, and the product with a size is a number
)

// image is a known picture, which CompreFace calls an image or a face of a subject.
type image struct {
	ImageID string `json:"image_id"`
	Subject string `json:"subject"`
}

func imageOf(p store.PublicPicture) image {
	return image{ImageID: p.PublicID, Subject: p.Owner.DisplayName()}
}

// addFace makes a picture a known picture of a person, who is added if there is none
// of the name.
func (h *Handlers) addFace(c *gin.Context) error {
	ctx := c.Request.Context()
	r, err := h.read(c, "file")
	if err != nil {
		return err
	}
	q, err := r.question()
	if err != nil {
		return err
	}
	name := r.subject()
	if name == "" {
		return problemf(codeNoParameter, "the required parameter subject is missing; it is the name of the person")
	}
	content, err := r.picture("file")
	if err != nil {
		return err
	}
	p, _, err := h.find(ctx, name)
	if err != nil {
		return err
	}
	done, err := h.enrol(ctx, p.Person, name, content, q.detection)
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, image{ImageID: done.PublicID, Subject: name})
	return nil
}

// enrol checks a picture before it adds anybody, so that a refused one leaves nothing.
func (h *Handlers) enrol(ctx context.Context, p faces.Person, name string, content []byte, detection float64) (faces.Enrolled, error) {
	if p.ID != 0 {
		// The same picture again is no error, so that a client can repeat what it began.
		if e, there, err := h.pictures.Enrolled(ctx, p.ID, content); err != nil || there {
			return e, err
		}
	}
	rec, err := h.pictures.Check(ctx, p.ID, content)
	if err != nil {
		return faces.Enrolled{}, err
	}
	if isBelow(rec.Sightings[0], detection) {
		return faces.Enrolled{}, errNoFace()
	}
	if p.ID == 0 {
		added, err := h.store.AddPerson(ctx, name)
		if faces.ErrorCode(err) == faces.CodeConflict { // of another spelling, or added a moment ago
			if again, there, errFind := h.find(ctx, name); errFind == nil && there {
				added, err = again, nil
			}
		}
		if err != nil {
			return faces.Enrolled{}, err
		}
		p = added.Person
	}
	return h.pictures.Enrol(ctx, p.ID, content)
}

// page is a list of known pictures.
type page struct {
	Faces         []image `json:"faces"`
	PageNumber    int     `json:"page_number"`
	PageSize      int     `json:"page_size"`
	TotalPages    int64   `json:"total_pages"`
	TotalElements int64   `json:"total_elements"`
}

func (h *Handlers) listFaces(c *gin.Context) error {
	ctx, query := c.Request.Context(), queryOf(c.Request.URL.RawQuery)
	number, err := query.number("page", 0, 0)
	if err != nil {
		return err
	}
	size, err := query.number("size", pageSize, 1)
	if err != nil {
		return err
	}
	size = min(size, maxPageSize)
	body := page{Faces: []image{}, PageNumber: number, PageSize: size}
	person, none, err := h.chosen(ctx, query.subject())
	if err != nil || none {
		return orOK(c, err, body)
	}
	known, total, err := h.store.PublicPictures(ctx, person, min(number, maxPage)*size, size)
	if err != nil {
		return err
	}
	for _, k := range known {
		body.Faces = append(body.Faces, imageOf(k))
	}
	body.TotalElements, body.TotalPages = total, (total+int64(size)-1)/int64(size)
	return ok(c, body)
}

// chosen returns the person whom a request names, or 0 for everybody. none is whether
// nobody has the name.
func (h *Handlers) chosen(ctx context.Context, name string) (person int64, none bool, err error) {
	if name == "" {
		return 0, false, nil
	}
	p, there, err := h.find(ctx, name)
	return p.ID, !there, err
}

func orOK(c *gin.Context, err error, body any) error {
	if err != nil {
		return err
	}
	return ok(c, body)
}

// deleteFaces deletes the known pictures of a person, or all if the request names
// nobody.
func (h *Handlers) deleteFaces(c *gin.Context) error {
	ctx, query := c.Request.Context(), queryOf(c.Request.URL.RawQuery)
	if endsWithSlash(c) {
		return problemf(codeInvalid, "the id of the image is empty; leave out the slash at the end to delete the images of all subjects")
	}
	if _, there := query["subject"]; there && query.subject() == "" {
		return problemf(codeInvalid, "the parameter subject is empty; leave it out to delete the images of all subjects")
	}
	person, none, err := h.chosen(ctx, query.subject())
	if err != nil || none {
		return orOK(c, err, deleted{})
	}
	known, _, err := h.store.PublicPictures(ctx, person, 0, 0)
	if err != nil {
		return err
	}
	gone, err := h.remove(ctx, known)
	return orOK(c, err, deleted{Deleted: len(gone)})
}

// remove deletes known pictures and returns those that were there.
func (h *Handlers) remove(ctx context.Context, known []store.PublicPicture) ([]image, error) {
	gone := []image{}
	for _, k := range known {
		switch err := h.pictures.Remove(ctx, k.PersonID, k.ID); {
		case faces.ErrorCode(err) == faces.CodeMissing: // somebody else was faster
		case err != nil:
			return gone, err
		default:
			gone = append(gone, imageOf(k))
		}
	}
	return gone, nil
}

// deleteListed deletes the known pictures of a list of ids. It passes over ids that
// nothing has.
func (h *Handlers) deleteListed(c *gin.Context) error {
	ctx := c.Request.Context()
	var ids []string
	if err := readObject(c, &ids); err != nil {
		return err
	}
	var known []store.PublicPicture
	for _, text := range ids {
		id, err := uuid.Parse(text)
		if err != nil {
			continue
		}
		switch k, err := h.store.PublicPicture(ctx, id.String()); {
		case faces.ErrorCode(err) == faces.CodeMissing:
		case err != nil:
			return err
		default:
			known = append(known, k)
		}
	}
	gone, err := h.remove(ctx, known)
	return orOK(c, err, gone)
}

func (h *Handlers) deleteFace(c *gin.Context) error {
	known, err := h.knownPicture(c)
	if err != nil {
		return err
	}
	gone, err := h.remove(c.Request.Context(), []store.PublicPicture{known})
	if err == nil && len(gone) == 0 {
		err = errNoImage(known.PublicID)
	}
	return orOK(c, err, imageOf(known))
}

// serveFace sends the file of a known picture, as it is.
func (h *Handlers) serveFace(c *gin.Context) error {
	known, err := h.knownPicture(c)
	if err != nil {
		return err
	}
	content, err := h.content(c.Request.Context(), known)
	if err != nil {
		return err
	}
	kind := "application/octet-stream"
	if format := signature.Of(content); format != signature.Unknown {
		kind = http.DetectContentType(content)
	}
	c.Header("Cache-Control", "private, no-store")
	c.Data(http.StatusOK, kind, content)
	return nil
}

// content returns the file of a known picture, or the error that there is none.
func (h *Handlers) content(ctx context.Context, known store.PublicPicture) ([]byte, error) {
	content, err := h.pictures.Content(ctx, known.Name)
	if faces.ReasonOf(err) == faces.NotFound {
		return nil, problemf(codeNoImage, "the file of the image %s is not there", known.PublicID)
	}
	return content, err
}

// knownPicture returns the known picture that a request's path names.
func (h *Handlers) knownPicture(c *gin.Context) (store.PublicPicture, error) {
	text := c.Param("id")
	id, err := uuid.Parse(text)
	if err != nil {
		return store.PublicPicture{}, problemf(codeInvalid, "%q is not the id of an image; it must be a UUID", httpapi.Shorten(text))
	}
	known, err := h.store.PublicPicture(c.Request.Context(), id.String())
	return known, missing(err, errNoImage(id.String()))
}

func errNoImage(id string) error { return problemf(codeNoImage, "there is no image %s", id) }
