package receiver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/picture/signature"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// ExportStore is the part of the database that only an export reads.
type ExportStore interface {
	NoteExport(ctx context.Context, person int64) error
	FacesOf(ctx context.Context, person, after int64, limit int) ([]store.PersonFace, error)
	CorrectionsOf(ctx context.Context, person, after int64, limit int) ([]faces.Correction, error)
}

const (
	// exportPage is how many rows an export reads at once.
	exportPage = 200
	// The folders of an archive.
	knownFolder, imagesFolder = "known-pictures", "images"
)

// exportPerson sends everything about a person as a zip archive.
func (s *Server) exportPerson(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a person")
	if err != nil {
		return err
	}
	blur, err := httpapi.ReadFlag(c, "blur_others")
	if err != nil {
		return err
	}
	ctx := c.Request.Context()
	p, err := s.store.Profile(ctx, id)
	if err != nil {
		return err
	}
	if !s.exports.TryAcquire(1) {
		return api.Errorf(api.CodeUnavailable, "another person is being exported; try again when that is done")
	}
	defer s.exports.Release(1)
	if err := s.store.NoteExport(ctx, id); err != nil {
		return err
	}
	c.Set(httpapi.StreamKey, true)
	_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Time{}) // as for a stream of events
	c.Header("Content-Type", "application/zip")
	c.Header("Content-Disposition", fmt.Sprintf("attachment; filename=person-%d.zip", id)) // without the name, which logs and proxies would keep
	c.Header("Cache-Control", "no-store")
	c.Status(http.StatusOK)
	e := &export{server: s, person: p, blur: blur, zip: newArchive(c.Writer, id, blur, time.Now()), flush: c.Writer.Flush}
	if err := e.run(ctx); err != nil {
		s.log.Warn("the export of a person broke off", "person", id, "error", err, "request_id", httpapi.RequestID(c))
		panic(http.ErrAbortHandler) // the client must not take what it has for all there is
	}
	s.log.Info("person exported", "person", id, "files", len(e.zip.manifest.Files), "missing", len(e.zip.manifest.Missing), "request_id", httpapi.RequestID(c))
	return nil
}

// export is one export under way.
type export struct {
	server *Server
	person faces.Profile
	blur   bool // the faces of others
	zip    *archive
	flush  func()
}

func (e *export) run(ctx context.Context) error {
	for _, add := range []func(context.Context) error{
		e.addPerson, e.addKnownList, e.addFaces, e.addImages, e.addCorrections, e.addAudit, e.addKnownPictures, e.addPictures,
	} {
		if err := add(ctx); err != nil {
			return err
		}
		e.flush()
	}
	return e.zip.finish()
}

func (e *export) addPerson(ctx context.Context) error {
	consent, state, err := e.server.store.Consent(ctx, e.person.ID)
	if err != nil {
		return err
	}
	merges, err := e.server.store.Merges(ctx, e.person.ID)
	if err != nil {
		return err
	}
	return e.zip.addJSON("person.json", struct {
		Person  api.PersonDetail `json:"person"`
		Consent api.Consent      `json:"consent"`
		Merges  []api.Merge      `json:"merges"`
	}{wireProfile(e.person), wireConsent(e.person.Person, consent, state), mapped(merges, wireMerge)})
}

func (e *export) addKnownList(ctx context.Context) error {
	after := int64(0)
	return e.zip.addList("known-pictures.json", func() ([]any, error) {
		list, err := e.server.store.KnownPictures(ctx, e.person.ID, after, exportPage)
		if len(list) > 0 {
			after = list[len(list)-1].ID
		}
		return anys(list, func(k faces.Enrolled) any { return wireKnownPicture(k) }), err
	})
}

// exportedFace is what is known of a person's face, or of a face near the person.
type exportedFace struct {
	ID           int64    `json:"id"`
	ImageID      int64    `json:"image_id"`
	Box          api.Box  `json:"box"`
	Is           bool     `json:"is_the_person"`
	Confirmed    bool     `json:"confirmed"`
	Distance     *float64 `json:"distance"`
	KnownPicture string   `json:"known_picture,omitempty"`
	Model        string   `json:"model,omitempty"`
	Descriptor   []byte   `json:"descriptor,omitempty"` // in base64: numbers of 4 bytes, little-endian
}

func (e *export) addFaces(ctx context.Context) error {
	after := int64(0)
	return e.zip.addList("faces.json", func() ([]any, error) {
		list, err := e.server.store.FacesOf(ctx, e.person.ID, after, exportPage)
		if len(list) > 0 {
			after = list[len(list)-1].ID
		}
		return anys(list, func(f store.PersonFace) any {
			w := exportedFace{
				ID: f.ID, ImageID: f.ImageID, Box: wireBox(f.Box), Is: f.Reason == faces.Identified, Confirmed: f.Confirmed,
				KnownPicture: f.KnownPicture, Model: f.Model, Descriptor: f.Descriptor,
			}
			if f.KnownPicture != "" {
				w.Distance = &f.Distance
			}
			return w
		}), err
	})
}

// exportedImage is a picture that shows the person. It does not say who else is in it.
type exportedImage struct {
	ID        int64     `json:"id"`
	Path      string    `json:"path"`
	FileName  string    `json:"file_name,omitempty"`
	SHA256    string    `json:"sha256,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func (e *export) addImages(ctx context.Context) error {
	next := e.images()
	return e.zip.addList("images.json", func() ([]any, error) {
		list, err := next(ctx)
		return anys(list, func(img faces.Image) any {
			return exportedImage{
				ID: img.ID, Path: img.Path, FileName: img.FileName, SHA256: img.File.SHA256, CreatedAt: img.CreatedAt.UTC(), UpdatedAt: img.UpdatedAt.UTC(),
			}
		}), err
	})
}

// images returns a function that returns the images that show the person, in pages. The
// last one is empty.
func (e *export) images() func(ctx context.Context) ([]faces.Image, error) {
	f := store.Filter{PersonID: e.person.ID, Oldest: true, Limit: exportPage}
	over := false
	return func(ctx context.Context) ([]faces.Image, error) {
		if over {
			return nil, nil
		}
		page, err := e.server.store.PageOfImages(ctx, f)
		f.After, over = page.Next, page.Next == 0
		return page.Images, err
	}
}

func (e *export) addCorrections(ctx context.Context) error {
	after := int64(0)
	return e.zip.addList("corrections.json", func() ([]any, error) {
		list, err := e.server.store.CorrectionsOf(ctx, e.person.ID, after, exportPage)
		if len(list) > 0 {
			after = list[len(list)-1].ID
		}
		return anys(list, func(c faces.Correction) any { return wireCorrection(c) }), err
	})
}

func (e *export) addAudit(ctx context.Context) error {
	f := store.AuditFilter{Target: "person", TargetID: fmt.Sprint(e.person.ID), Limit: exportPage}
	return e.zip.addList("audit.json", func() ([]any, error) {
		list, err := e.server.store.AuditOf(ctx, f)
		if len(list) > 0 {
			f.Before = list[len(list)-1].ID
		}
		return anys(list, func(a access.Entry) any { return wireEntry(a) }), err
	})
}

// anys converts a page. It is nil for an empty one.
func anys[T any](list []T, wire func(T) any) []any {
	out := make([]any, 0, len(list))
	for _, v := range list {
		out = append(out, wire(v))
	}
	return out
}

func (e *export) addKnownPictures(ctx context.Context) error {
	var folder *picturefiles.Folder
	if known := e.server.opts.KnownPeople; known != "" {
		if opened, err := picturefiles.Open(known, "known people"); err == nil {
			folder = opened
			defer folder.Close()
		}
	}
	for after := int64(0); ; {
		list, err := e.server.store.KnownPictures(ctx, e.person.ID, after, exportPage)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, k := range list {
			after = k.ID
			if folder == nil {
				e.zip.miss("known_picture", k.ID, "the folder of known people cannot be opened")
				continue
			}
			if err := e.addKnownPicture(ctx, folder, k); err != nil {
				return err
			}
		}
	}
}

func (e *export) addKnownPicture(ctx context.Context, folder *picturefiles.Folder, k faces.Enrolled) error {
	if !e.blur {
		return e.addFile(folder, "known_picture", knownFolder, k.ID, k.Name, k.Name, k.SHA256)
	}
	why, text, err := e.blurKnown(ctx, folder, k.Name)
	if err != nil {
		return err
	}
	if why != "" {
		e.zip.miss("known_picture", k.ID, why)
		return nil
	}
	return e.zip.add(entryName(knownFolder, k.ID, k.Name, ".jpg"), bytes.NewReader(text), false)
}

// blurKnown renders a known picture, in which the largest face is the person's. why
// says why it cannot; err is the end of the export.
func (e *export) blurKnown(ctx context.Context, folder *picturefiles.Folder, name string) (why string, text []byte, err error) {
	info, err := folder.Stat(name)
	if err != nil {
		return reasonOf(err), nil, nil
	}
	if info.Size() > e.server.opts.MaxIdentify {
		return "the file is too large to be blurred", nil, nil
	}
	content, err := folder.Read(name)
	if err != nil {
		return reasonOf(err), nil, nil
	}
	rec, err := e.server.recognizeNow(ctx, content)
	if err != nil {
		return reasonOf(err), nil, ctx.Err()
	}
	if rec.Omitted > 0 {
		return "it has more faces than were looked at, so not all can be blurred", nil, nil
	}
	largest := 0
	boxes := make([]faces.Box, len(rec.Sightings))
	for i, f := range rec.Sightings {
		if boxes[i] = f.Box; f.Box.Width*f.Box.Height > boxes[largest].Width*boxes[largest].Height {
			largest = i
		}
	}
	if len(boxes) > 0 {
		boxes = append(boxes[:largest:largest], boxes[largest+1:]...)
	}
	how := faces.Rendering{Size: faces.MaxRendering, Blur: boxes}
	rendered, err := e.render(ctx, func(ctx context.Context, r Recognizer) (faces.Rendered, error) {
		return r.RenderContent(ctx, content, how)
	})
	if err != nil {
		return reasonOf(err), nil, ctx.Err()
	}
	return "", rendered.JPEG, nil
}

func (e *export) addPictures(ctx context.Context) error {
	folder, errOpen := picturefiles.Open(e.server.opts.UnknownPeople, "unknown people")
	if errOpen == nil {
		defer folder.Close()
	}
	for next := e.images(); ; {
		list, err := next(ctx)
		if err != nil || len(list) == 0 {
			return err
		}
		for _, img := range list {
			if err := ctx.Err(); err != nil {
				return err
			}
			switch {
			case e.blur:
				err = e.addBlurred(ctx, img)
			case errOpen != nil:
				e.zip.miss("image", img.ID, "the folder of the images cannot be opened")
			default:
				err = e.addFile(folder, "image", imagesFolder, img.ID, img.Path, nameOf(img), img.File.SHA256)
			}
			if err != nil {
				return err
			}
			e.flush()
		}
	}
}

// nameOf returns the name of an image's file for people.
func nameOf(img faces.Image) string {
	if img.FileName != "" {
		return img.FileName
	}
	return img.Path
}

// addBlurred adds an image in which only the person can be recognized.
func (e *export) addBlurred(ctx context.Context, img faces.Image) error {
	why := ""
	how := faces.Rendering{Size: faces.MaxRendering}
	for _, f := range img.Faces {
		if f.Reason != faces.Identified || f.Person == nil || f.Person.ID != e.person.ID {
			how.Blur = append(how.Blur, f.Box)
		}
	}
	var rendered faces.Rendered
	switch {
	case img.Omitted > 0:
		why = "it has more faces than are stored, so not all can be blurred"
	case len(how.Blur) > faces.MaxBlurred:
		why = "it has too many faces to be blurred"
	case img.File.SHA256 == "":
		why = "it is not known in which file the faces were found; retry the image"
	default:
		var err error
		rendered, err = e.render(ctx, func(ctx context.Context, r Recognizer) (faces.Rendered, error) { return r.Render(ctx, img.Path, how) })
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			why = reasonOf(err)
		case rendered.File.SHA256 != img.File.SHA256:
			why = "the file has changed since the faces were found in it"
		}
	}
	if why != "" {
		e.zip.miss("image", img.ID, why)
		return nil
	}
	return e.zip.add(entryName(imagesFolder, img.ID, nameOf(img), ".jpg"), bytes.NewReader(rendered.JPEG), false)
}

// render has a recognizer render a picture, in turn with those that people look at.
func (e *export) render(ctx context.Context, f func(context.Context, Recognizer) (faces.Rendered, error)) (rendered faces.Rendered, err error) {
	ctx, cancel := context.WithTimeout(ctx, renderTimeout)
	defer cancel()
	if err := e.server.renderings.turns.Acquire(ctx, 1); err != nil {
		return rendered, api.Errorf(api.CodeUnavailable, "too many pictures are asked for at once")
	}
	defer e.server.renderings.turns.Release(1)
	err = e.server.recognizers.call(ctx, func(ctx context.Context, r Recognizer) (err error) {
		rendered, err = f(ctx, r)
		return err
	})
	return rendered, err
}

// addFile adds a file as it is. One that is missing, or another one than that of its
// row, is listed.
func (e *export) addFile(folder *picturefiles.Folder, what, into string, id int64, name, shown, sum string) error {
	file, _, err := folder.OpenFile(name)
	if err != nil {
		e.zip.miss(what, id, reasonOf(err))
		return nil
	}
	defer file.Close()
	head := make([]byte, signature.Enough)
	n, err := io.ReadFull(file, head)
	if err != nil && n == 0 {
		e.zip.miss(what, id, "the file cannot be read")
		return nil
	}
	digest := sha256.New()
	digest.Write(head[:n])
	if _, err := io.Copy(digest, file); err != nil {
		e.zip.miss(what, id, "the file cannot be read")
		return nil
	}
	if sum != "" && sum != hex.EncodeToString(digest.Sum(nil)) {
		e.zip.miss(what, id, "the file is another one than that in which the person was recognized")
		return nil
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	ext := ".picture"
	if format := signature.Of(head[:n]); format != signature.Unknown {
		ext = "." + string(format)
	}
	return e.zip.add(entryName(into, id, shown, ext), file, false)
}

// reasonOf says why a file is not in an archive.
func reasonOf(err error) string {
	var problem *api.Error
	if errors.As(err, &problem) {
		return string(problem.Code) + ": " + problem.Message
	}
	if reason := faces.ReasonOf(err); reason != faces.Internal {
		return string(reason)
	}
	return "the file cannot be read"
}
