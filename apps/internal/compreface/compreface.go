// Package compreface answers the calls of CompreFace 1.2, so that programs that were
// written for it work here: only their address and key change. docs/compreface.md
// says what is the same and what is not.
//
// It is a set of handlers over Rollcall's own functions, which it knows by two small
// interfaces: Store has people and known pictures, and Pictures looks at pictures. The
// receiver mounts it and checks the keys.
package compreface

import (
	"context"
	"log/slog"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Store is the part of the database that the handlers use.
type Store interface {
	faces.KnownPeople
	Profiles(ctx context.Context, f store.PeopleFilter) ([]faces.Profile, error)
	AddPerson(ctx context.Context, name string) (faces.Profile, error)
	ChangePerson(ctx context.Context, id, version int64, change faces.ProfileChange) (faces.Profile, error)
	MergePeople(ctx context.Context, r store.MergeRequest) (faces.Merge, faces.Profile, error)
	PublicPicture(ctx context.Context, publicID string) (store.PublicPicture, error)
	PublicPictures(ctx context.Context, person int64, offset, limit int) (list []store.PublicPicture, total int64, err error)
}

// Pictures looks at pictures and keeps the files of known pictures.
type Pictures interface {
	// Recognize has a recognizer look at a picture. The answer has the rule in use.
	Recognize(ctx context.Context, content []byte) (faces.Recognition, error)
	// Rule returns the model set in use, with the rule that decides.
	Rule(ctx context.Context) (faces.Model, error)
	// Match returns the known pictures nearest to each descriptor of a model set.
	Match(ctx context.Context, q faces.MatchQuery) ([][]faces.Neighbour, error)

	// Check returns why a picture cannot become a known picture of a person, as an
	// *api.Error with refusals, and what is in it. The person 0 is somebody new.
	Check(ctx context.Context, person int64, content []byte) (faces.Recognition, error)
	// Enrolled returns the known picture of a person that is this very file, if there
	// is one.
	Enrolled(ctx context.Context, person int64, content []byte) (e faces.Enrolled, ok bool, err error)
	// Enrol makes a picture that was checked a known picture of a person.
	Enrol(ctx context.Context, person int64, content []byte) (faces.Enrolled, error)
	// Content returns the file of a known picture.
	Content(ctx context.Context, name string) ([]byte, error)
	// Remove deletes a known picture of a person, with its file if Rollcall wrote it.
	Remove(ctx context.Context, person, id int64) error
	// RemovePerson deletes a person with their known pictures.
	RemovePerson(ctx context.Context, id int64) error
}

// Options configures Handlers.
type Options struct {
	MaxPicture int64 // bytes of one picture
	// KeyInAddress answers StaticPath, whose address has an API key in it.
	KeyInAddress bool
}

// Handlers answers the calls.
type Handlers struct {
	store    Store
	pictures Pictures
	opts     Options
	log      *slog.Logger
}

// New returns Handlers.
func New(s Store, p Pictures, opts Options, log *slog.Logger) *Handlers {
	return &Handlers{store: s, pictures: p, opts: opts, log: log}
}

// prefixes begin the paths of all calls.
var prefixes = []string{"/api/v1/recognition", "/api/v1/detection", "/api/v1/verification", staticPrefix}

const (
	staticPrefix = "/api/v1/static"
	// StaticPath is the call whose address has the key in its parameter KeyParam.
	StaticPath = staticPrefix + "/:" + KeyParam + "/images/:id"
	// KeyParam is the parameter of StaticPath with the API key.
	KeyParam = "key"
)

// Owns reports whether the path of a request is one of CompreFace's, so that an error
// must have CompreFace's shape.
func Owns(path string) bool {
	for _, p := range prefixes {
		if rest, ok := strings.CutPrefix(path, p); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// Route is one call.
type Route struct {
	Method, Path string // the path as Gin writes it
	Scope        access.Scope
	handle       func(*Handlers, *gin.Context) error
}

// Routes returns all calls, with the scope that the key of each needs. StaticPath is
// the last one: it is answered only if the operator says so.
func Routes() []Route {
	return []Route{
		{http.MethodPost, "/api/v1/recognition/recognize", access.Read, (*Handlers).recognize},
		{http.MethodPost, "/api/v1/recognition/faces", access.People, (*Handlers).addFace},
		{http.MethodGet, "/api/v1/recognition/faces", access.Read, (*Handlers).listFaces},
		{http.MethodDelete, "/api/v1/recognition/faces", access.People, (*Handlers).deleteFaces},
		{http.MethodPost, "/api/v1/recognition/faces/delete", access.People, (*Handlers).deleteListed},
		{http.MethodDelete, "/api/v1/recognition/faces/:id", access.People, (*Handlers).deleteFace},
		{http.MethodGet, "/api/v1/recognition/faces/:id/img", access.Read, (*Handlers).serveFace},
		{http.MethodPost, "/api/v1/recognition/faces/:id/verify", access.Read, (*Handlers).verifyFace},
		{http.MethodGet, "/api/v1/recognition/subjects", access.Read, (*Handlers).listSubjects},
		{http.MethodPost, "/api/v1/recognition/subjects", access.People, (*Handlers).addSubject},
		{http.MethodDelete, "/api/v1/recognition/subjects", access.People, (*Handlers).deleteSubjects},
		{http.MethodPut, "/api/v1/recognition/subjects/*name", access.People, (*Handlers).renameSubject},
		{http.MethodDelete, "/api/v1/recognition/subjects/*name", access.People, (*Handlers).deleteSubject},
		{http.MethodPost, "/api/v1/recognition/embeddings/recognize", access.Read, (*Handlers).recognizeVectors},
		{http.MethodPost, "/api/v1/recognition/embeddings/faces/:id/verify", access.Read, (*Handlers).verifyVectorsOfFace},
		{http.MethodPost, "/api/v1/detection/detect", access.Read, (*Handlers).detect},
		{http.MethodPost, "/api/v1/verification/verify", access.Read, (*Handlers).verify},
		{http.MethodPost, "/api/v1/verification/embeddings/verify", access.Read, (*Handlers).verifyVectors},
		{http.MethodGet, StaticPath, access.Read, (*Handlers).serveFace},
	}
}

// Mount adds the routes to an engine. Keys are the business of its middleware.
func (h *Handlers) Mount(e gin.IRoutes) {
	for _, r := range Routes() {
		if r.Path == StaticPath && !h.opts.KeyInAddress {
			continue
		}
		e.Handle(r.Method, r.Path, func(c *gin.Context) {
			if err := r.handle(h, c); err != nil {
				h.Fail(c, err)
			}
		})
	}
}

// Fail answers a request with an error in CompreFace's shape.
func (h *Handlers) Fail(c *gin.Context, err error) {
	if strings.HasPrefix(c.Request.URL.Path, staticPrefix+"/") && !h.opts.KeyInAddress {
		err = problemf(codeOther, "addresses with an API key in them are switched off here; use GET /api/v1/recognition/faces/ID/img with the header x-api-key").at(http.StatusNotFound)
	}
	hasKey := c.GetHeader("X-API-Key") != "" || c.GetHeader("Authorization") != "" || c.Param(KeyParam) != ""
	httpapi.ErrorAs(c, h.log, err, func(err error) (int, any) {
		p := problemOf(err, hasKey)
		return p.status, p
	})
}
