// Package receiver is the REST API: it takes pictures in and tells what became
// of them.
//
// handle_post.go takes pictures, handle_images.go shows them, handle_retry.go
// gives them another round, handle_faces.go corrects them, handle_rematches.go
// lets history follow the known people, handle_rescans.go lets it follow the
// model sets, publisher.go queues.
package receiver

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Store is what a Server needs of the database.
type Store interface {
	AddImages(ctx context.Context, paths []string) ([]faces.Image, error)
	Image(ctx context.Context, id int64) (faces.Image, error)
	ListImages(ctx context.Context, f store.Filter) ([]faces.Image, error)
	ModelInUse(ctx context.Context) (m faces.Model, ok bool, err error)
	Models(ctx context.Context) (map[string]faces.Model, error)

	CorrectFace(ctx context.Context, say faces.Statement) (store.Corrected, error)
	UndoCorrection(ctx context.Context, id int64) (store.Corrected, error)
	FaceCorrections(ctx context.Context, faceID int64) ([]faces.Correction, error)

	ImageCorrections(ctx context.Context, imageID int64) ([]store.PlacedCorrection, error)

	RequestRescans(ctx context.Context, ids []int64, onlyChanged bool) (store.Rescans, error)
	Retry(ctx context.Context, f store.RetryFilter) ([]int64, error)
	RequestRescan(ctx context.Context, model string, whole bool) (history.Rescan, error)
	TurnRescan(ctx context.Context, id int64, to history.RescanState) (history.Rescan, error)
	Rescan(ctx context.Context, id int64) (history.Rescan, error)
	Rescans(ctx context.Context, before int64, most int) ([]history.Rescan, error)
	RescanResults(ctx context.Context, id, below int64, most int, state history.ResultState) ([]history.RescanResult, error)

	RequestRematch(ctx context.Context, cause history.Cause, apply, whole bool) (history.Job, error)
	TurnRematch(ctx context.Context, id int64, to history.State) (history.Job, error)
	Rematch(ctx context.Context, id int64) (history.Job, error)
	Rematches(ctx context.Context, before int64, most int) ([]history.Job, error)
	RematchSummary(ctx context.Context, id int64, most int) ([]history.Movement, error)
	RematchChanges(ctx context.Context, id, after int64, most int) ([]history.ImageChange, error)
}

// Queue is what a Server needs of the publisher.
type Queue interface {
	// Publish queues the ids and reports whether it could. Those that it could
	// not are queued later.
	Publish(ctx context.Context, ids []int64) bool
}

// Server is the REST API.
type Server struct {
	store  Store
	queue  Queue
	opts   Options
	log    *slog.Logger
	images *prometheus.CounterVec
}

// New returns a Server.
func New(st Store, q Queue, opts Options, log *slog.Logger, reg prometheus.Registerer) *Server {
	s := &Server{store: st, queue: q, opts: opts, log: log, images: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rollcall_posted_images_total", Help: "Images posted, by result.",
	}, []string{"result"})}
	reg.MustRegister(s.images)
	return s
}

// Handler returns the API. ready says whether the process takes requests.
func (s *Server) Handler(reg prometheus.Registerer, ready func(context.Context) error) http.Handler {
	e := httpapi.New(httpapi.Options{Log: s.log, Registry: reg, Loopback: httpapi.IsLoopback(s.opts.Address)})
	// These two work for ever: programs that others wrote post to them.
	e.POST("/image/post", s.postImage)
	e.POST("/images/post", s.postImages)

	v1 := e.Group("/api/v1")
	v1.GET("/images", s.listImages)
	v1.GET("/images/:id", s.getImage)
	v1.POST("/images/retry", s.retryImages)
	v1.POST("/images/:id/retry", s.retryImage)
	v1.GET("/images/:id/corrections", s.listImageCorrections)
	v1.POST("/faces/:id/person", s.assignFace)
	v1.POST("/faces/:id/not-person", s.excludeFace)
	v1.GET("/faces/:id/corrections", s.listCorrections)
	v1.DELETE("/corrections/:id", s.undoCorrection)
	v1.POST("/rematches", s.postRematch)
	v1.GET("/rematches", s.listRematches)
	v1.GET("/rematches/:id", s.getRematch)
	v1.POST("/rematches/:id/apply", s.applyRematch)
	v1.POST("/rematches/:id/undo", s.undoRematch)
	v1.POST("/rescans", s.postRescan)
	v1.GET("/rescans", s.listRescans)
	v1.GET("/rescans/:id", s.getRescan)
	v1.POST("/rescans/:id/pause", s.pauseRescan)
	v1.POST("/rescans/:id/resume", s.resumeRescan)
	v1.POST("/rescans/:id/cancel", s.cancelRescan)

	e.GET("/healthz", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"status": "ok"}) })
	e.GET("/readyz", func(c *gin.Context) { s.readyz(c, ready) })
	return e
}

// readyz says whether requests are taken, and which model set answers them.
func (s *Server) readyz(c *gin.Context, ready func(context.Context) error) {
	ctx := c.Request.Context()
	m, known, err := faces.Model{}, false, ready(ctx)
	if err == nil {
		m, known, err = s.store.ModelInUse(ctx)
	}
	if err != nil {
		httpapi.Error(c, s.log, faces.Errorf(faces.CodeUnavailable, "not ready").WithCause(err))
		return
	}
	body := gin.H{"status": "ready"}
	if known {
		body["model"] = m.ID
	}
	c.JSON(http.StatusOK, body)
}
