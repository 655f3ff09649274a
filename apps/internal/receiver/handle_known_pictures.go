package receiver

import (
	"context"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func (s *Server) listKnownPictures(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a person")
	if err != nil {
		return err
	}
	after, limit, err := httpapi.ReadPage(c, "a known picture")
	if err != nil {
		return err
	}
	list, err := s.store.KnownPictures(c.Request.Context(), id, after, limit+1)
	if err != nil {
		return err
	}
	page, next := httpapi.CutPage(list, limit, func(e faces.Enrolled) int64 { return e.ID })
	c.JSON(http.StatusOK, api.KnownPictureList{KnownPictures: mapped(page, wireKnownPicture), Next: next})
	return nil
}

func (s *Server) deleteKnownPicture(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a person")
	if err != nil {
		return err
	}
	picture, err := httpapi.PathParam(c, "picture_id", "a known picture")
	if err != nil {
		return err
	}
	if err := s.removeKnownPicture(c.Request.Context(), id, picture); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// removeKnownPicture takes a known picture away from a person, and deletes its file if
// Rollcall wrote it.
func (s *Server) removeKnownPicture(ctx context.Context, person, picture int64) error {
	gone, err := s.store.DeleteKnownPicture(ctx, person, picture)
	if err != nil {
		return err
	}
	if gone.Source.Written() {
		if err := s.known.remove(ctx, gone.Name, s.store.ListedPictures); err != nil {
			s.log.Warn("the file of a deleted known picture is still there", "error", err, "request_id", requestOf(ctx))
		}
	}
	s.log.Info("known picture deleted", "person", person, "known_picture", picture, "request_id", requestOf(ctx))
	return nil
}

// requestOf returns the id of the request that a context belongs to.
func requestOf(ctx context.Context) string {
	actor, _ := access.ActorOf(ctx)
	return actor.RequestID
}

// addKnownPicture checks a picture and makes it one of a person's.
func (s *Server) addKnownPicture(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a person")
	if err != nil {
		return err
	}
	accept, err := readAccept(c.Query("accept"))
	if err != nil {
		return err
	}
	dry, err := httpapi.ReadFlag(c, "dry_run")
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	if _, err := s.store.Profile(ctx, id); err != nil {
		return err
	}
	p, err := s.readKnownPicture(c)
	if err != nil {
		return err
	}
	// The same picture again is no error, so that a client can repeat what it began.
	switch e, ok, err := s.store.KnownPictureOf(ctx, id, p.fileName()); {
	case err != nil:
		return err
	case ok:
		wire := wireKnownPicture(e)
		c.JSON(http.StatusOK, api.AddedKnownPicture{KnownPicture: &wire, Accepted: []api.Refusal{}})
		return nil
	}
	accepted, err := s.checkKnownPicture(ctx, id, p, accept)
	if err != nil {
		return err
	}
	if dry {
		c.JSON(http.StatusOK, api.AddedKnownPicture{Accepted: mapped(accepted, wireRefusal)})
		return nil
	}
	done, added, err := s.enrol(ctx, id, p)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if added {
		status = http.StatusCreated
		s.log.Info("known picture added", "person", id, "known_picture", done.ID, "request_id", httpapi.RequestID(c))
	}
	wire := wireKnownPicture(done)
	c.JSON(status, api.AddedKnownPicture{KnownPicture: &wire, Accepted: mapped(accepted, wireRefusal)})
	return nil
}

func readAccept(text string) (accept []faces.EnrolReason, err error) {
	if text == "" {
		return nil, nil
	}
	for _, word := range strings.Split(text, ",") {
		r := faces.EnrolReason(strings.TrimSpace(word))
		switch {
		case !slices.Contains(faces.EnrolReasons(), r):
			return nil, api.Errorf(api.CodeInvalidRequest, `"accept" has no reason %q; see RefusalReason in /openapi.json`, httpapi.Shorten(word))
		case !r.Soft():
			return nil, api.Errorf(api.CodeInvalidRequest, "a picture that is refused because of %s cannot be accepted", r)
		}
		accept = append(accept, r)
	}
	return accept, nil
}

// knownPicture is a picture that a client wants to enrol.
type knownPicture struct {
	content []byte
	name    string // of a file that is in KNOWN_PEOPLE; empty: the file is to be written
	face    int64  // that was cut out; 0: none
}

// fileName returns where the picture is, or will be, below KNOWN_PEOPLE.
func (p knownPicture) fileName() string {
	if p.name != "" {
		return p.name
	}
	name, _ := writtenName(p.content)
	return name
}

// readKnownPicture reads the body. JSON is read whatever the content type, as
// everywhere, except where the type says that the body is the file.
func (s *Server) readKnownPicture(c *gin.Context) (knownPicture, error) {
	kind, _, _ := mime.ParseMediaType(c.GetHeader("Content-Type"))
	if kind == "multipart/form-data" || kind == "application/octet-stream" || strings.HasPrefix(kind, "image/") {
		content, err := s.readPicture(c)
		return knownPicture{content: content}, err
	}
	var body api.KnownPictureChoice
	if err := httpapi.ReadStrictJSON(c, &body); err != nil {
		return knownPicture{}, err
	}
	switch {
	case (body.Path == nil) == (body.FaceID == nil):
		return knownPicture{}, api.Errorf(api.CodeInvalidRequest, `send the picture itself, {"path":"ada/1.jpg"}, or {"face_id":11}`)
	case body.Path != nil:
		return s.known.read(*body.Path, s.opts.MaxIdentify)
	default:
		return s.cutOut(c.Request.Context(), *body.FaceID)
	}
}

// cutOutMargins are how much is left around a face that is enrolled, on each side, as
// a share of its longer side. A detector finds the face best with much around it; with
// less, no neighbour is in the picture.
var cutOutMargins = [...]float64{0.5, 0.25, 0.1}

// cutOutQuality is that of the JPEG of a face that is enrolled.
const cutOutQuality = 95

// cutOut returns a face of an image as a picture of its own, if possible without
// another face.
func (s *Server) cutOut(ctx context.Context, face int64) (p knownPicture, err error) {
	where, err := s.store.PictureOfFace(ctx, face)
	if err != nil {
		return p, err
	}
	for _, margin := range cutOutMargins {
		if p, err = s.cutOutWith(ctx, where, margin); err != nil {
			return p, err
		}
		p.face = face
		rec, err := s.recognizeNow(ctx, p.content)
		if err != nil || len(rec.Sightings) <= 1 {
			return p, err
		}
	}
	return p, nil
}

// cutOutWith cuts a face out, at its own size.
func (s *Server) cutOutWith(ctx context.Context, p store.Picture, margin float64) (knownPicture, error) {
	longest := int(float64(max(p.Face.Width, p.Face.Height)) * (1 + 2*margin))
	how := faces.Rendering{
		Crop: p.Face, Margin: margin, Size: min(max(longest, minSize), faces.MaxRendering), Quality: cutOutQuality,
	}
	var rendered faces.Rendered
	err := s.recognizers.call(ctx, func(ctx context.Context, r Recognizer) (err error) {
		rendered, err = r.Render(ctx, p.Path, how)
		return err
	})
	if err == nil && p.File.SHA256 != "" && rendered.File.SHA256 != p.File.SHA256 {
		err = api.Errorf(api.CodeConflict, "the file has changed since the face was found in it; post its path again")
	}
	return knownPicture{content: rendered.JPEG}, err
}

// checkKnownPicture asks a recognizer what is in a picture. It returns the
// reasons against it that the client accepts; others are an error.
func (s *Server) checkKnownPicture(ctx context.Context, person int64, p knownPicture, accept []faces.EnrolReason) ([]faces.Refusal, error) {
	_, refusals, err := s.examine(ctx, person, p, accept)
	return refusals, err
}

// examine is checkKnownPicture, and returns what is in the picture, too.
func (s *Server) examine(ctx context.Context, person int64, p knownPicture, accept []faces.EnrolReason) (faces.Recognition, []faces.Refusal, error) {
	if len(p.content) == 0 {
		return faces.Recognition{}, nil, api.Errorf(api.CodeInvalidRequest, "the picture is empty; send the file's bytes as the body")
	}
	rec, err := s.recognizeNow(ctx, p.content)
	if err != nil {
		return rec, nil, err
	}
	var names []string
	for _, f := range rec.Sightings {
		for _, n := range f.Neighbours {
			if n.Image != p.name {
				names = append(names, n.Image)
			}
		}
	}
	owners, err := s.store.Owners(ctx, names)
	if err != nil {
		return rec, nil, err
	}
	refusals := faces.CheckEnrolment(rec, person, func(image string) (faces.Person, bool) { p, ok := owners[image]; return p, ok })
	if slices.ContainsFunc(refusals, func(r faces.Refusal) bool { return !slices.Contains(accept, r.Reason) }) {
		return rec, nil, refused(refusals)
	}
	return rec, refusals, nil
}

func refused(refusals []faces.Refusal) error {
	var words []string
	for _, r := range refusals {
		words = append(words, r.Message)
	}
	err := api.Errorf(api.CodePictureRefused, "%s", strings.Join(words, "; "))
	err.Refusals = mapped(refusals, wireRefusal)
	return err
}

// enrol writes the file, if it is not there, and then its row: a file without a
// row recognizes nobody, and is swept away if the program ends in between.
func (s *Server) enrol(ctx context.Context, person int64, p knownPicture) (faces.Enrolled, bool, error) {
	e := faces.Enrolled{KnownImage: faces.KnownImage{Name: p.name, PersonID: person}, Source: faces.SourcePath}
	if p.name == "" {
		var err error
		if e.Name, e.SHA256, err = s.known.write(p.content); err != nil {
			return e, false, err
		}
		e.Source, e.FaceID = faces.SourceUpload, p.face
		if p.face != 0 {
			e.Source = faces.SourceFace
		}
	}
	done, added, err := s.store.AddKnownPicture(ctx, e)
	if err == nil && p.name == "" {
		_, _, err = s.known.write(p.content) // somebody may have deleted it just before it had a row
	}
	return done, added, err
}
