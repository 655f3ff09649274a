// Package receiver is the REST API: it accepts pictures and shows their outcomes.
// Package api is the contract; wire.go converts the domain's types to those of the
// API. A Server needs a Store, a Queue and a Recognizer. Publisher is the usual Queue:
//
//	publisher := receiver.NewPublisher(db, producer, log, registry)
//	server := receiver.New(db, publisher, recognizer, options, log, registry)
//	http.Serve(listener, server.Handler(registry, ready))
package receiver

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/compreface"
	"github.com/rollcall-faces/rollcall/apps/internal/eraser"
	"github.com/rollcall-faces/rollcall/apps/internal/events"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/groupcommit"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/series"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/stages"
	"github.com/rollcall-faces/rollcall/apps/internal/reference"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
	"github.com/rollcall-faces/rollcall/apps/internal/uploads"
	"github.com/rollcall-faces/rollcall/apps/internal/webhooks"
)

// Store is the part of the database that a Server uses.
type Store interface {
	AddUploads(ctx context.Context, paths, names []string) ([]faces.Image, error)
	AddTraced(ctx context.Context, paths, names, traces []string) ([]faces.Image, error)
	Image(ctx context.Context, id int64) (faces.Image, error)
	PageOfImages(ctx context.Context, f store.Filter) (store.ImagePage, error)
	DeleteImage(ctx context.Context, id int64) (path string, err error)
	SelectImages(ctx context.Context, f store.Filter) (list []store.Selected, next int64, err error)
	SelectByID(ctx context.Context, ids []int64) ([]store.Selected, error)
	DeleteImages(ctx context.Context, list []store.Selected) (deleted []store.Selected, err error)
	HasPath(ctx context.Context, path string) (bool, error)
	HasOutcomes(ctx context.Context) (bool, error)
	Picture(ctx context.Context, imageID int64) (store.Picture, error)
	PictureOfFace(ctx context.Context, faceID int64) (store.Picture, error)

	faces.KnownPeople
	ModelInUse(ctx context.Context) (m faces.Model, ok bool, err error)
	Models(ctx context.Context) (map[string]faces.Model, error)

	CorrectFace(ctx context.Context, statement faces.Statement) (store.Corrected, error)
	DrawFace(ctx context.Context, d faces.Drawing) (store.Corrected, error)
	UndoCorrection(ctx context.Context, id int64, seen string) (store.Corrected, error)
	FaceCorrections(ctx context.Context, faceID int64) ([]faces.Correction, error)

	ImageCorrections(ctx context.Context, imageID int64) ([]store.PlacedCorrection, error)

	RequestRescans(ctx context.Context, ids []int64, onlyChanged bool) (store.Rescans, error)
	Retry(ctx context.Context, f store.RetryFilter) ([]int64, error)
	RequestRescan(ctx context.Context, model string, full bool) (history.Rescan, error)
	ChangeRescanState(ctx context.Context, id int64, to history.RescanState) (history.Rescan, error)
	Rescan(ctx context.Context, id int64) (history.Rescan, error)
	Rescans(ctx context.Context, before int64, limit int) ([]history.Rescan, error)
	RescanResults(ctx context.Context, id, below int64, limit int, state history.ResultState) ([]history.RescanResult, error)

	RequestRematch(ctx context.Context, cause history.Cause, apply, full bool) (history.Job, error)
	RequestTrial(ctx context.Context, threshold, margin float64) (history.Job, error)
	ChangeRematchState(ctx context.Context, id int64, to history.State) (history.Job, error)
	Rematch(ctx context.Context, id int64) (history.Job, error)
	Rematches(ctx context.Context, before int64, limit int) ([]history.Job, error)
	RematchSummary(ctx context.Context, id int64, limit int) ([]history.Movement, error)
	RematchChanges(ctx context.Context, id, after int64, limit int) ([]history.ImageChange, error)

	PeopleStore
	GroupStore
	PrivacyStore
	AccessStore
	FaceStore
	IdempotencyStore
	ErasureStore
	events.Store
	WebhookStore
}

// Queue publishes image ids.
type Queue interface {
	// Publish queues the ids and reports whether it succeeded. If not, the ids are
	// queued later.
	Publish(ctx context.Context, ids []int64) bool
}

// Server is the REST API.
type Server struct {
	store       Store
	queue       Queue
	recognizers *recognizers
	known       knownFiles
	renderings  *renderings
	callers     *compreface.Handlers
	opts        Options
	log         *slog.Logger
	images      *prometheus.CounterVec
	stages      stages.Seconds
	posts       *groupcommit.Group[post, api.PostedImage] // single ones
	keys        *access.Authenticator

	refused *prometheus.CounterVec
	repeats *prometheus.CounterVec // of requests with an idempotency key
	ingest  struct {
		sync.Mutex // guards the fields below
		known      bool
		open       bool // see ingestIsOpen
	}

	feed    *events.Feed
	streams *semaphore.Weighted
	exports *semaphore.Weighted
	hooks   *webhooks.Sender

	erasures *eraser.Eraser

	uploads *uploads.Folder
	slots   *semaphore.Weighted // of uploads at once
	files   *prometheus.CounterVec
	bytes   prometheus.Counter
}

// New returns a Server. Without a Recognizer, nil, the routes that need one answer
// that it is unavailable. New registers its metrics in reg.
func New(st Store, q Queue, r Recognizer, opts Options, log *slog.Logger, reg prometheus.Registerer) *Server {
	s := &Server{store: st, queue: q, recognizers: newRecognizers(r, log, reg), known: knownFiles{opts.KnownPeople}, opts: opts, log: log, images: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_posted_images_total", Help: "Images posted, by result.",
	}, []string{"result"})}
	s.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_requests_refused_total", Help: "Requests refused because of their API key: no_key, two_keys, unknown_key, expired_key, revoked_key, scope, user, rate.",
	}, []string{"why"})
	s.repeats = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_requests_repeated_total", Help: "Requests whose idempotency key had been used: replayed, in_use, reused (for another request), not_kept (its answer).",
	}, []string{"result"})
	s.keys = access.New(access.Options{
		Source: st, File: opts.KeysFile, Open: opts.IsOpen(), Rate: opts.KeyRate, Burst: opts.KeyBurst, Log: log,
	})
	s.stages = stages.New(reg, stages.Accept)
	reg.MustRegister(series.AtZero(s.images, "accepted", "refused"),
		series.AtZero(s.refused, "no_key", "two_keys", "unknown_key", "expired_key", "revoked_key", "scope", "user", "rate"),
		series.AtZero(s.repeats, "replayed", "in_use", "reused", "not_kept"))
	s.openEvents(reg)
	s.openWebhooks(reg)
	s.openUploads(reg)
	s.renderings = newRenderings(s.recognizers, opts.RenderCache, reg)
	s.openErasures()
	s.callers = s.newCallers()
	s.posts = s.newPosts()
	s.exports = semaphore.NewWeighted(1)
	return s
}

// Close ends the Server's work in the background.
func (s *Server) Close() {
	s.posts.Wait() // for those whose clients have gone
	s.recognizers.close()
}

// Handler returns the handler of the API. ready returns an error if the process
// cannot take requests.
func (s *Server) Handler(reg prometheus.Registerer, ready func(context.Context) error) http.Handler {
	opts := httpapi.Options{
		Log: s.log, Registry: reg, Loopback: config.IsLoopback(s.opts.Address), AllowedHosts: s.opts.AllowedHosts, Keyed: s.keyed,
		MaxBody: s.opts.MaxBody, MinBodyRate: s.opts.MinBodyRate, Bodies: httpapi.NewBudget(s.opts.BodyMemory), Fail: s.fail,
	}
	if s.opts.Traces != nil {
		opts.Trace = s.opts.Traces.Request
	}
	e := httpapi.New(opts)
	s.addRoutes(e, ready)
	return httpapi.Below(s.opts.BasePath, httpapi.Lenient{Engine: e})
}

// document returns the OpenAPI document, with the base path as its server.
func (s *Server) document() []byte {
	if s.opts.BasePath == "" {
		return api.Document()
	}
	var parts map[string]json.RawMessage
	err := json.Unmarshal(api.Document(), &parts)
	if err == nil {
		parts["servers"], err = json.Marshal([]map[string]string{{"url": s.opts.BasePath, "description": "The receiver that serves this document."}})
	}
	document, errMarshal := json.Marshal(parts)
	if err = errors.Join(err, errMarshal); err != nil {
		panic(err) // the embedded document is damaged: the build is broken
	}
	return document
}

// knownQuery returns a middleware that refuses query parameters that the document
// does not have.
func (s *Server) knownQuery() gin.HandlerFunc {
	documented, err := api.QueryParameters()
	if err != nil {
		panic(err) // the embedded document is damaged: the build is broken
	}
	return httpapi.KnownQuery(byRoute(documented), func(c *gin.Context, err error) { httpapi.Error(c, s.log, err) })
}

func (s *Server) addRoutes(e *gin.Engine, ready func(context.Context) error) {
	document := s.document()
	page, err := reference.Render(document)
	if err != nil {
		panic(err) // the embedded document is damaged: the build is broken
	}
	deprecated, err := api.Deprecations(document)
	if err != nil {
		panic(err) // the same
	}
	handle := func(h func(*gin.Context) error) gin.HandlerFunc { return httpapi.Handle(s.log, h) }
	e.Use(httpapi.Deprecated(byRoute(deprecated), s.opts.BasePath+"/docs"), s.authorize(), s.idempotent())
	// The original's clients post to these two routes. They must never change.
	e.POST("/image/post", handle(s.postImage))
	e.POST("/images/post", handle(s.postImages))

	v1 := e.Group("/api/v1", s.knownQuery())
	v1.GET("/images", handle(s.listImages))
	v1.POST("/images", handle(s.createImages))
	v1.GET("/images/:id", handle(s.getImage))
	v1.DELETE("/images/:id", handle(s.deleteImage))
	v1.GET("/images/:id/picture", handle(s.servePicture("picture", pictureSize)))
	v1.GET("/images/:id/thumbnail", handle(s.servePicture("thumbnail", thumbnailSize)))
	v1.POST("/images/retry", handle(s.retryImages))
	v1.POST("/images/delete", handle(s.deleteImages))
	v1.POST("/images/:id/retry", handle(s.retryImage))
	v1.POST("/images/:id/faces", handle(s.drawFace))
	v1.GET("/images/:id/corrections", handle(s.listImageCorrections))

	v1.POST("/identify", handle(s.identify))
	v1.POST("/compare", handle(s.compare))
	v1.POST("/search", handle(s.searchFaces))

	v1.GET("/faces/:id/crop", handle(s.serveCrop))
	v1.GET("/faces/:id/similar", handle(s.similarFaces))
	v1.POST("/faces/:id/person", handle(s.assignFace))
	v1.POST("/faces/:id/not-person", handle(s.excludeFace))
	v1.POST("/faces/:id/ignore", handle(s.dismissFace(faces.SaysIgnore)))
	v1.POST("/faces/:id/not-a-face", handle(s.dismissFace(faces.SaysNoFace)))
	v1.GET("/faces/:id/corrections", handle(s.listFaceCorrections))
	v1.DELETE("/corrections/:id", handle(s.undoCorrection))

	v1.GET("/groups", handle(s.listGroups))
	v1.GET("/groups/:key", handle(s.getGroup))
	v1.GET("/groups/:key/suggestions", handle(s.suggestPeople))
	v1.POST("/groups/:key/name", handle(s.nameGroup))
	v1.POST("/groups/:key/ignore", handle(s.dismissGroup(store.GroupIgnore)))
	v1.POST("/groups/:key/not-a-face", handle(s.dismissGroup(store.GroupNotAFace)))
	v1.POST("/groups/:key/split", handle(s.splitGroup))
	v1.POST("/group-changes/:id/undo", handle(s.undoGroupChange))

	v1.GET("/people", handle(s.listPeople))
	v1.POST("/people", handle(s.createPerson))
	v1.GET("/people/:id", handle(s.getPerson))
	v1.PATCH("/people/:id", handle(s.changePerson))
	v1.DELETE("/people/:id", handle(s.deletePerson))
	v1.GET("/people/:id/consent", handle(s.getConsent))
	v1.PUT("/people/:id/consent", handle(s.setConsent))
	v1.DELETE("/people/:id/consent", handle(s.withdrawConsent))
	v1.GET("/people/:id/export", handle(s.exportPerson))
	v1.GET("/consents", handle(s.listConsents))
	v1.GET("/retention", handle(s.getRetention))
	v1.PUT("/retention", handle(s.setRetention))
	v1.POST("/people/:id/merge", handle(s.mergePeople))
	v1.POST("/people/:id/erase", handle(s.erasePerson))
	v1.GET("/people/:id/merges", handle(s.listMerges))
	v1.POST("/merges/:id/undo", handle(s.undoMerge))
	v1.GET("/people/:id/known-pictures", handle(s.listKnownPictures))
	v1.POST("/people/:id/known-pictures", handle(s.addKnownPicture))
	v1.DELETE("/people/:id/known-pictures/:picture_id", handle(s.deleteKnownPicture))
	v1.GET("/people/:id/known-pictures/:picture_id/picture", handle(s.serveKnownPicture))

	rematches := s.rematches()
	v1.POST("/rematches", handle(s.createRematch))
	v1.GET("/rematches", handle(rematches.list))
	v1.GET("/rematches/:id", handle(s.getRematch))
	v1.POST("/rematches/:id/apply", handle(rematches.changeTo(history.Applying)))
	v1.POST("/rematches/:id/undo", handle(rematches.changeTo(history.Undoing)))

	rescans := s.rescans()
	v1.POST("/rescans", handle(s.createRescan))
	v1.GET("/rescans", handle(rescans.list))
	v1.GET("/rescans/:id", handle(s.getRescan))
	v1.POST("/rescans/:id/pause", handle(rescans.changeTo(history.RescanPaused)))
	v1.POST("/rescans/:id/resume", handle(rescans.changeTo(history.RescanWaiting)))
	v1.POST("/rescans/:id/cancel", handle(rescans.changeTo(history.RescanCancelled)))

	v1.GET("/erasures", handle(s.listErasures))
	v1.GET("/erasures/:id", handle(s.getErasure))
	v1.GET("/erasure-ledger", handle(s.getErasureLedger))
	v1.POST("/erasure-ledger", handle(s.replayErasureLedger))

	v1.POST("/keys", handle(s.createKey))
	v1.GET("/keys", handle(s.listKeys))
	v1.GET("/keys/:id", handle(s.getKey))
	v1.DELETE("/keys/:id", handle(s.revokeKey))
	v1.GET("/key", handle(s.getCaller))
	v1.GET("/users", handle(s.listUsers))
	v1.PUT("/users/:name", handle(s.setUser))
	v1.GET("/users/:name", handle(s.getUser))
	v1.DELETE("/users/:name", handle(s.deleteUser))
	v1.GET("/audit", handle(s.listAudit))

	v1.GET("/events", handle(s.listEvents))
	v1.POST("/webhooks", handle(s.createWebhook))
	v1.GET("/webhooks", handle(s.listWebhooks))
	v1.GET("/webhooks/:id", handle(s.getWebhook))
	v1.PATCH("/webhooks/:id", handle(s.changeWebhook))
	v1.DELETE("/webhooks/:id", handle(s.deleteWebhook))
	v1.POST("/webhooks/:id/test", handle(s.testWebhook))
	v1.POST("/webhooks/:id/rotate", handle(s.rotateWebhook))
	v1.POST("/webhooks/:id/replay", handle(s.replayWebhook))
	v1.GET("/webhooks/:id/deliveries", handle(s.listDeliveries))
	s.callers.Mount(e)

	e.GET("/docs", gin.WrapH(page))
	e.GET("/openapi.json", func(c *gin.Context) { c.Data(http.StatusOK, gin.MIMEJSON, document) })
	e.GET("/healthz", func(c *gin.Context) { c.JSON(http.StatusOK, api.Health{Status: "ok"}) })
	e.GET("/readyz", handle(func(c *gin.Context) error { return s.readyz(c, ready) }))
}

// readyz answers whether requests can be served, and which model set is in use.
func (s *Server) readyz(c *gin.Context, ready func(context.Context) error) error {
	ctx := c.Request.Context()
	m, known, err := faces.Model{}, false, ready(ctx)
	if err == nil {
		m, known, err = s.store.ModelInUse(ctx)
	}
	if err != nil {
		why := "try again in a moment"
		if faces.ErrorCode(err) == faces.CodeUnavailable {
			why = faces.ErrorMessage(err)
		}
		return faces.Errorf(faces.CodeUnavailable, "not ready; %s", why).WithCause(err)
	}
	body := api.Readiness{Status: "ready"}
	if known {
		body.Model = m.ID
	}
	c.JSON(http.StatusOK, body)
	return nil
}
