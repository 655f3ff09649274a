package frontend

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/signin"
)

// sessionsView is the body of the page of sessions.
type sessionsView struct {
	Problem  string
	Done     string
	Name     string
	Password bool // who asks signed in with one
	Least    int
	Mine     []sessionView
	Others   []sessionView // of all other users; nil unless an admin asks
	Admin    bool
}

type sessionView struct {
	ID      int64
	User    string
	Browser string
	Address string
	Began   moment
	Seen    moment
	Current bool
}

// sessionsPage shows who is signed in where.
func (s *Server) sessionsPage(c *gin.Context) {
	v := sessionsView{}
	if c.Query("done") == "password" {
		v.Done = s.words("password.changed")
	}
	s.showSessions(c, http.StatusOK, v)
}

func (s *Server) showSessions(c *gin.Context, code int, v sessionsView) {
	who := visitorOf(c)
	v.Name, v.Admin, v.Least = visible(who.User.Name), who.User.Role == access.AdminRole, signin.MinPassword
	v.Password = who.Session.Way == access.ByPassword
	whose := who.User.ID
	if v.Admin {
		whose = 0
	}
	mine, err := s.opts.SignIn.Sessions(c.Request.Context(), who.User.ID)
	if err != nil {
		s.failed(c, err)
		return
	}
	for _, x := range mine {
		v.Mine = append(v.Mine, s.viewSession(x, who))
	}
	if v.Admin {
		all, err := s.opts.SignIn.Sessions(c.Request.Context(), whose)
		if err != nil {
			s.failed(c, err)
			return
		}
		for _, x := range all {
			if x.UserID != who.User.ID {
				v.Others = append(v.Others, s.viewSession(x, who))
			}
		}
	}
	section := "account"
	if v.Admin {
		section = "settings"
	}
	s.render(c, code, "sessions", page{Title: s.words("settings.sessions"), Section: section, Body: v})
}

func (s *Server) viewSession(x access.SessionOf, who visitor) sessionView {
	return sessionView{
		ID: x.ID, User: visible(x.User.Name), Browser: s.browserName(x.Browser), Address: visible(x.Address),
		Began: s.moment(x.CreatedAt), Seen: s.moment(x.SeenAt), Current: x.ID == who.Session.ID,
	}
}

// browserName makes a short name of what a browser calls itself.
func (l *language) browserName(agent string) string {
	find := func(names [][2]string) string {
		for _, n := range names {
			if strings.Contains(agent, n[0]) {
				return n[1]
			}
		}
		return ""
	}
	browser := find([][2]string{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"Safari/", "Safari"}})
	system := find([][2]string{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS", "macOS"}, {"Linux", "Linux"}})
	switch {
	case browser != "" && system != "":
		return l.words("sessions.on", browser, system)
	case browser != "":
		return browser
	case agent == "":
		return l.words("sessions.unknown")
	default:
		return visible(faces.Truncate(agent, 60))
	}
}

// revokeSession ends a session: one's own, or anybody's if an admin asks.
func (s *Server) revokeSession(c *gin.Context) {
	if !s.form(c) {
		return
	}
	who := currentUser(c)
	id, err := strconv.ParseInt(c.PostForm("id"), 10, 64)
	if err != nil {
		s.problem(c, pageMissing())
		return
	}
	whose := who.ID
	if who.Role == access.AdminRole {
		whose = 0
	}
	err = s.opts.SignIn.Revoke(actor(c), id, whose)
	switch {
	case faces.ErrorCode(err) == faces.CodeMissing:
		s.showSessions(c, http.StatusNotFound, sessionsView{Problem: s.words("sessions.gone")})
	case err != nil:
		s.failed(c, err)
	default:
		s.goTo(c, "/sessions")
	}
}

// revokeOthers ends all sessions of who asks but this one.
func (s *Server) revokeOthers(c *gin.Context) {
	if !s.form(c) {
		return
	}
	if err := s.opts.SignIn.RevokeOthers(actor(c), *visitorOf(c).Session); err != nil {
		s.failed(c, err)
		return
	}
	s.goTo(c, "/sessions")
}

// changePassword gives who asks a new password.
func (s *Server) changePassword(c *gin.Context) {
	if !s.form(c) {
		return
	}
	who := currentUser(c)
	if c.PostForm("password") != c.PostForm("again") {
		s.showSessions(c, http.StatusUnprocessableEntity, sessionsView{Problem: s.words("password.differ")})
		return
	}
	err := s.opts.SignIn.ChangePassword(actor(c), who, c.PostForm("old"), c.PostForm("password"), c.ClientIP())
	if err != nil {
		why := s.shown(err)
		if why == "" {
			s.failed(c, err)
			return
		}
		s.showSessions(c, statusOf(c, err), sessionsView{Problem: why})
		return
	}
	s.enter(c, who, access.ByPassword, "/sessions?done=password") // all old sessions have ended
}
