package frontend

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// settingsStore is what these pages read of the store.
type settingsStore interface {
	Rematch(ctx context.Context, id int64) (history.Job, error)
	Rematches(ctx context.Context, before int64, limit int) ([]history.Job, error)
	RematchSummary(ctx context.Context, id int64, limit int) ([]history.Movement, error)
	RematchChanges(ctx context.Context, id, after int64, limit int) ([]history.ImageChange, error)
	Consents(ctx context.Context, within time.Duration, after int64, limit int) ([]store.PersonConsent, error)
}

// settingsRoutes adds the pages of settings, which are for admins. Users and sessions are
// among their tabs; their routes are in handle_signin.go.
func (s *Server) settingsRoutes(e *gin.Engine) {
	group := e.Group("", s.require(access.AdminRole), s.requireAPI)
	for path, h := range map[string]gin.HandlerFunc{
		"/settings":              func(c *gin.Context) { s.goTo(c, "/settings/keys") },
		"/settings/keys":         s.keysPage,
		"/settings/webhooks":     s.webhooksPage,
		"/settings/webhooks/:id": s.webhookPage,
		"/settings/retention":    s.retentionPage,
		"/settings/matching":     s.matchingPage,
		"/settings/matching/:id": s.rematchPage,
		"/settings/consents":     s.consentsPage,
		"/settings/audit":        s.auditPage,
	} {
		group.GET(path, h)
		group.HEAD(path, h)
	}
	for path, h := range map[string]gin.HandlerFunc{
		"/settings/keys":         s.changeKeys,
		"/settings/webhooks":     s.addWebhook,
		"/settings/webhooks/:id": s.changeWebhook,
		"/settings/retention":    s.changeRetention,
		"/settings/matching":     s.tryRule,
		"/settings/matching/:id": s.changeRematch,
	} {
		group.POST(path, h)
	}
}

// requireAPI refuses where there is no receiver to read settings from.
func (s *Server) requireAPI(c *gin.Context) {
	if s.actAs(c) == nil {
		s.problem(c, readOnly())
	}
}

// settingsTab is one page of settings.
type settingsTab struct {
	Label, URL string
	Current    bool
}

// settingsTabs returns the pages of settings. Where nobody signs in, there are no users.
func (s *Server) settingsTabs(current string) []settingsTab {
	var tabs []settingsTab
	add := func(name, label, link string) { tabs = append(tabs, settingsTab{label, link, name == current}) }
	add("keys", s.words("settings.keys"), "/settings/keys")
	if s.opts.SignIn != nil {
		add("users", s.words("settings.users"), "/users")
		add("sessions", s.words("settings.sessions"), "/sessions")
	}
	add("webhooks", s.words("settings.webhooks"), "/settings/webhooks")
	add("matching", s.words("settings.matching"), "/settings/matching")
	add("retention", s.words("settings.retention"), "/settings/retention")
	add("consents", s.words("settings.consents"), "/settings/consents")
	add("audit", s.words("settings.audit"), "/settings/audit")
	return tabs
}

// showSettings renders a page of settings.
func (s *Server) showSettings(c *gin.Context, code int, name, title string, body any) {
	s.render(c, code, "settings_"+name, page{Title: title, Section: "settings", Body: body})
}

// settingsPageSize is how many rows a list of settings has.
const settingsPageSize = 50

// afterParam returns where a page of a list begins; 0 is its start.
func afterParam(c *gin.Context) int64 {
	id, err := strconv.ParseInt(c.Query("after"), 10, 64)
	if err != nil || id < 0 {
		return 0
	}
	return id
}

// firstPage returns the link to the first page of a list, or "" on that page.
func firstPage(c *gin.Context) string {
	if afterParam(c) == 0 {
		return ""
	}
	q := c.Request.URL.Query()
	q.Del("after")
	return c.Request.URL.Path + "?" + q.Encode()
}

// nextPage returns the link to the next page of a list, or "" if there is none. The other
// values of the address stay.
func nextPage(c *gin.Context, next *int64) string {
	if next == nil {
		return ""
	}
	q := url.Values{}
	for name, values := range c.Request.URL.Query() {
		if name != "said" {
			q[name] = values
		}
	}
	q.Set("after", strconv.FormatInt(*next, 10))
	return c.Request.URL.Path + "?" + q.Encode()
}

// settingsID returns the id in the address. If it returns false, the request is answered.
func (s *Server) settingsID(c *gin.Context) (int64, bool) {
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	if err != nil || id < 1 {
		s.problem(c, pageMissing())
		return 0, false
	}
	return id, true
}

// settingsRefused returns what a form says about an error of the receiver, and the code of
// its page. If it returns "", the request is answered.
func (s *Server) settingsRefused(c *gin.Context, err error) (why string, code int) {
	if why := s.mistakeIn(err); why != "" {
		return why, http.StatusUnprocessableEntity
	}
	var said *api.Error
	why = s.explain(c, err)
	switch {
	case why == "":
		s.refusedBy(c, err)
		return "", 0
	case errors.As(err, &said) && said.Status >= http.StatusBadRequest:
		return why, said.Status
	default:
		return why, statusOf(c, err)
	}
}

// mayChangeSettings reads a form. If it returns false, the request is answered.
func (s *Server) mayChangeSettings(c *gin.Context) bool {
	c.Header("Cache-Control", "no-store") // an answer may show a secret
	return s.form(c)
}

// due returns a time to come for people.
func (s *Server) due(t *time.Time) moment {
	if t == nil {
		return moment{}
	}
	m := s.moment(*t)
	left := t.Sub(s.opts.Now())
	switch days := int(math.Ceil(left.Hours() / hoursOfDay)); {
	case left <= 0:
	case left < time.Hour:
		m.Ago = s.words("settings.in.minutes", int(math.Ceil(left.Minutes())))
	case left < 2*hoursOfDay*time.Hour:
		m.Ago = s.words("settings.in.hours", int(math.Ceil(left.Hours())))
	case days <= daysInWords:
		m.Ago = s.counted("settings.in.days", days)
	default:
		m.Ago = s.date(*t)
	}
	return m
}

const (
	hoursOfDay = 24
	// daysInWords is up to when a time to come is a number of days and not a date.
	daysInWords = 60
)

// past returns a time that was, or no time.
func (s *Server) past(t *time.Time) moment {
	if t == nil {
		return moment{}
	}
	return s.moment(*t)
}
