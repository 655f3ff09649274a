// Package frontend is Rollcall's dashboard: pages that show the images, who is
// in them, and why an image has no answer, and on which people correct the answers. It
// reads the store. Pictures come from a receiver, and all changes go through its REST
// API. A Server needs a Store:
//
//	server, err := frontend.New(db, frontend.Options{Log: log, Registry: registry})
//	http.Serve(listener, server.Handler())
package frontend

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/version"
	"github.com/rollcall-faces/rollcall/apps/internal/signin"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Store is the part of the store that the dashboard reads. Each page names its part in
// its own file.
type Store interface {
	peopleStore
	reviewStore
	unknownStore
	operationsStore
	settingsStore
	PageOfImages(ctx context.Context, f store.Filter) (store.ImagePage, error)
	CountImages(ctx context.Context) ([]store.Count, error)
	Image(ctx context.Context, id int64) (faces.Image, error)
	SomeImages(ctx context.Context, ids []int64) ([]faces.Image, error)
	ImageCorrections(ctx context.Context, imageID int64) ([]store.PlacedCorrection, error)
	FindKnownPicture(ctx context.Context, person int64, name string) (e faces.Enrolled, ok bool, err error)
	Events(ctx context.Context, after int64, types []faces.EventType, limit int) (store.EventPage, error)
	EventRange(ctx context.Context) (faces.EventRange, error)
	ModelInUse(ctx context.Context) (m faces.Model, ok bool, err error)
	Models(ctx context.Context) (map[string]faces.Model, error)
	// Ping tells a database error from a bug of ours.
	Ping(ctx context.Context) error
}

var _ Store = (*store.Store)(nil)

// Options configures the dashboard. The zero value works.
type Options struct {
	Log      *slog.Logger          // nil discards the logs
	Registry prometheus.Registerer // for the request durations; nil for none
	// Address is the host:port that the handler is served on. If the host is a
	// loopback address, requests with another Host header are refused.
	Address string
	// AllowedHosts are more values of the header Host to answer; "*" is any.
	AllowedHosts []string
	// BasePath is the path that a proxy serves the dashboard below, such as
	// /rollcall.
	BasePath string
	// UnknownPeople is the folder of the images. Paths are shown relative to
	// it.
	UnknownPeople string
	// Receiver is the URL of the REST API in the example for new users. ""
	// means http://localhost:8000.
	Receiver string
	Now      func() time.Time // nil means time.Now
	// SignIn knows who is signed in. If it is nil, nobody has to sign in, and everybody
	// has the role Everybody; "" is viewer.
	SignIn    *signin.Service
	Everybody access.Role
	// API is the client of the receiver, with the dashboard's own key. The receiver has
	// the pictures and takes all changes. nil: the pages show no pictures and change
	// nothing.
	API *client.Client
	// LivePoll is how often open pages learn what has changed. 0 is a second.
	LivePoll time.Duration
	// Secure sends cookies over https only.
	Secure bool
	// PublicURL is the address of the dashboard in a browser, with its base path. "":
	// that of the request.
	PublicURL string
	// ProviderName is what the button for the OpenID provider says.
	ProviderName string
	// TrustedProxies are the addresses and networks that say by X-Forwarded-For where a
	// request comes from.
	TrustedProxies []string
	// CountsFor is how long the numbers of images are shown before they are
	// counted again. 0 means 2 s; negative means that each page counts.
	CountsFor time.Duration
}

// requestTimeout is the time limit of one request.
const requestTimeout = 10 * time.Second

//go:embed templates static
var files embed.FS

// Server serves the dashboard.
type Server struct {
	store  Store
	counts *counts
	opts   Options
	log    *slog.Logger

	*language // that it speaks

	pages           map[string]*template.Template
	live            *live
	operationsLooks operationsLooks
	retries         retries
	holds           *holds // of questions of the review
	warned          seldom // of pictures
	peopleIndex     *peopleIndex
	assets          map[string]asset
	zips            sync.Pool // of gzip writers
	engine          *gin.Engine
}

// New returns a Server that reads s. It fails if the registry already holds
// other metrics of the same names.
func New(s Store, opts Options) (*Server, error) { return newServer(s, opts, english()) }

func newServer(s Store, opts Options, speaks *language) (*Server, error) {
	srv := &Server{store: s, opts: withDefaults(opts), language: speaks}
	srv.counts = newCounts(s.CountImages, srv.keptTotals, opts.CountsFor)
	srv.log = srv.opts.Log
	srv.live, srv.zips.New = newLive(srv), newZip
	srv.peopleIndex = newPeopleIndex(s.PeopleNeeds, srv.opts.CountsFor)
	srv.holds = newHolds(srv.opts.Now)
	var err error
	if srv.assets, err = loadAssets(); err != nil {
		return nil, fmt.Errorf("load the dashboard's static files: %w", err)
	}
	if srv.pages, err = srv.parsePages(); err != nil {
		return nil, fmt.Errorf("parse the dashboard's pages: %w", err)
	}
	srv.engine = srv.routes()
	if err := srv.engine.SetTrustedProxies(srv.opts.TrustedProxies); err != nil {
		return nil, fmt.Errorf("read the trusted proxies: %w", err)
	}
	return srv, nil
}

// keptTotals returns the numbers of images of the last minutes that a program stored.
func (s *Server) keptTotals(ctx context.Context) ([]store.Count, error) {
	return s.store.LatestTotals(ctx, s.opts.Now().Add(-keptFor))
}

func withDefaults(o Options) Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Receiver == "" {
		o.Receiver = "http://localhost:8000"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Everybody == "" {
		o.Everybody = access.Viewer
	}
	return o
}

// Handler returns the handler of all routes.
func (s *Server) Handler() http.Handler { return httpapi.Below(s.opts.BasePath, s.engine) }

func (s *Server) routes() *gin.Engine {
	e := httpapi.New(httpapi.Options{
		Log: s.log, Registry: s.opts.Registry, Loopback: config.IsLoopback(s.opts.Address), AllowedHosts: s.opts.AllowedHosts,
		Headers: securityHeaders(), MaxBody: maxForm, Fail: s.refused,
	})
	e.Use(s.sameOrigin(), s.authenticate())
	e.GET("/live", s.changed) // these have no limit of their time
	e.POST("/upload", s.require(access.Reviewer), s.upload)
	s.peopleLongRoutes(e)
	e.Use(bounded)
	s.signInRoutes(e)
	s.peopleRoutes(e)
	s.reviewRoutes(e)
	s.unknownRoutes(e)
	s.uploadRoutes(e)
	s.operationsRoutes(e)
	s.settingsRoutes(e)
	for path, h := range map[string]gin.HandlerFunc{
		"/":                     s.index,
		"/images/:id":           s.image,
		"/static/:name":         s.static,
		"/images/:id/thumbnail": s.picture(thumbSide, openThumbnail),
		"/images/:id/picture":   s.picture(pictureSide, openPicture),
		"/faces/:id/crop":       s.picture(cropSide, openCrop),
		"/people/:id/known":     s.picture(cropSide, s.openKnown),
		"/names":                s.names,
	} {
		e.GET(path, h)
		e.HEAD(path, h)
	}
	for path, h := range map[string]gin.HandlerFunc{
		"/images/:id/faces":     s.correct(drawFace),
		"/images/:id/retry":     s.retry,
		"/faces/:id/person":     s.correct(assign),
		"/faces/:id/not-person": s.correct(exclude),
		"/faces/:id/ignore":     s.correct(ignore),
		"/faces/:id/not-a-face": s.correct(dismiss),
		"/corrections/:id/undo": s.correct(undo),
	} {
		e.POST(path, s.require(access.Reviewer), h)
	}
	return e
}

// maxForm is the largest form in bytes.
const maxForm = 64 << 10

// bounded limits the time of a request.
func bounded(c *gin.Context) {
	ctx, cancel := context.WithTimeoutCause(c.Request.Context(), requestTimeout, errTooSlow)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	c.Next()
}

var errTooSlow = fmt.Errorf("the request took longer than %s", requestTimeout)

// link returns the address of a page or file for a browser. path begins with a slash.
func (s *Server) link(path string) string { return s.opts.BasePath + path }

// parsePages returns the templates of each page: the layout, the parts that pages share,
// and the page's own blocks.
func (s *Server) parsePages() (map[string]*template.Template, error) {
	layout, err := template.New("layout.html").Funcs(template.FuncMap{
		"link":         s.link,
		"language":     func() string { return s.tag },
		"t":            s.words,
		"tn":           s.counted,
		"count":        s.counted, // inside of other words
		"forms":        s.forms,   // for scripts
		"around":       s.around,
		"parts":        s.parts,
		"asset":        func(name string) string { return s.link(s.assets[name].url) },
		"styles":       styles,
		"name":         func(p *faces.Person) string { return s.personName(*p) },
		"face":         s.faceNumber,
		"inside":       func(img imageView, f faceView) faceInside { return faceInside{img, f} },
		"settingstabs": s.settingsTabs,
		"version":      func() string { return version.Read().Version },
	}).ParseFS(files, "templates/layout.html", "templates/*parts.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := make(map[string]*template.Template, len(names))
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || strings.HasSuffix(name, "parts") {
			continue
		}
		page, err := layout.Clone()
		if err != nil {
			return nil, err
		}
		if pages[name], err = page.ParseFS(files, file); err != nil {
			return nil, err
		}
	}
	return pages, nil
}

// page is the data of the layout. Body is the data of the page inside it.
type page struct {
	Title   string
	Section string    // the entry of the navigation that the page belongs to
	Waiting bool      // without JavaScript, the page loads itself again until all images have an outcome
	Retry   int       // seconds after which an error page reloads; 0 means never
	User    *userView // nil where nobody is signed in; render fills it in
	Places  []place   // the navigation; render fills it in
	Uploads bool      // the viewer may upload pictures; render fills it in
	Body    any
}

// styles are the style sheets of every page, in their order. A page adds its own with the
// block "styles".
func styles() []string {
	return []string{"tokens.css", "base.css", "components.css", "feedback.css", "images.css", "picture.css", "ratios.css", "signin.css"}
}

// place is an entry of the navigation.
type place struct {
	Section, Label, URL string
	Key                 string      // that leads there, after G
	role                access.Role // that sees it
}

// navigation returns the pages that a role may open.
func (s *Server) navigation(role access.Role) []place {
	all := []place{
		{"images", s.words("nav.images"), "/", "i", access.Viewer},
		{"people", s.words("nav.people"), "/people", "p", access.Viewer},
		{"review", s.words("nav.review"), "/review", "r", access.Reviewer},
		{"unknown", s.words("nav.unknown"), "/unknown", "u", access.Viewer},
		{"upload", s.words("nav.upload"), "/upload", "a", access.Reviewer},
		{"operations", s.words("nav.operations"), "/operations", "o", access.Viewer},
		{"settings", s.words("nav.settings"), "/settings", "s", access.AdminRole},
	}
	return slices.DeleteFunc(all, func(p place) bool { return !role.Includes(p.role) })
}

// render writes the page. If its template fails, it writes an error and none of
// the page.
func (s *Server) render(c *gin.Context, code int, name string, p page) {
	p.User, p.Places, p.Uploads = s.viewUser(c), s.navigation(currentUser(c).Role), s.mayChange(c)
	var html bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&html, "layout.html", p); err != nil {
		s.log.ErrorContext(c, "page not rendered; its template fails", "page", name, "error", err)
		c.String(http.StatusInternalServerError, s.words("problem.render")+"\n")
		return
	}
	s.writeHTML(c, code, html.Bytes())
}
