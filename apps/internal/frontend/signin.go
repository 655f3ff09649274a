package frontend

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/signin"
)

// This file is what other pages need of sign-in: currentUser says who asks, require
// refuses whose role does not allow it, and actAs is the REST API on behalf of who asks.

// visitor is who asks for a page.
type visitor struct {
	User    access.User       // without a name where nobody has to sign in
	Session *access.SessionOf // nil where nobody has to sign in
}

// visitorKey is where authenticate leaves the visitor of a request.
const visitorKey = "visitor"

// currentUser returns who asks for a page. Before authenticate, and on the pages that
// need no sign-in, it is nobody, who has no role.
func currentUser(c *gin.Context) access.User { return visitorOf(c).User }

func visitorOf(c *gin.Context) visitor {
	v, _ := c.Get(visitorKey)
	who, _ := v.(visitor)
	return who
}

// require returns a middleware that lets only users pass whose role includes another.
func (s *Server) require(role access.Role) gin.HandlerFunc {
	return func(c *gin.Context) {
		if currentUser(c).Role.Includes(role) {
			c.Next()
			return
		}
		if s.opts.SignIn == nil { // no admin could change anything about it
			s.problem(c, readOnly())
			return
		}
		s.problem(c, roleTooLow(role))
	}
}

// actAs returns the REST API on behalf of who asks: the receiver checks the role again,
// and its audit log has both. It is nil if the dashboard cannot change anything.
func (s *Server) actAs(c *gin.Context) *client.Client {
	if s.opts.API == nil {
		return nil
	}
	if name := currentUser(c).Name; name != "" {
		return s.opts.API.ActingFor(name)
	}
	if currentUser(c).Role != access.AdminRole {
		return nil // everybody may read, and nobody may change anything
	}
	return s.opts.API
}

// userView is who is signed in, for the top of each page.
type userView struct {
	Name  string
	Role  string
	Admin bool
}

// viewUser returns nil where nobody has to sign in, and where nobody is signed in.
func (l *language) viewUser(c *gin.Context) *userView {
	u := currentUser(c)
	if u.Name == "" {
		return nil
	}
	return &userView{Name: visible(u.Name), Role: l.role(u.Role), Admin: u.Role == access.AdminRole}
}

// openRoutes are the pages that somebody needs to sign in, and the way out, which may be
// taken twice.
func openRoutes() map[string]bool {
	return map[string]bool{
		"/static/:name": true, "/sign-in": true, "/sign-in/provider": true, "/sign-in/provider/callback": true,
		"/sign-out": true, "/first-admin": true, "/invite": true,
	}
}

// isPart reports whether a route is what pages load by themselves, and no page.
func isPart(route string) bool {
	switch route {
	case "/live", "/names", "/upload/answers", "/images/:id/thumbnail", "/images/:id/picture", "/faces/:id/crop", "/people/:id/known", "/people/:id/known/:picture",
		"/review/followed", "/review/held", "/review/known/:id", "/unknown/:key/maybe":
		return true
	default:
		return false
	}
}

// isRead reports whether a request asks for something and changes nothing.
func isRead(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// opensPage reports whether somebody opens a page by a request. Browsers say what a
// request is for by https and on loopback only; elsewhere the route has to do.
func opensPage(c *gin.Context) bool {
	mode := c.GetHeader("Sec-Fetch-Mode")
	return isRead(c.Request) && !isPart(c.FullPath()) && (mode == "" || mode == "navigate")
}

// authenticate returns a middleware that lets only signed-in users pass, except to the
// pages that they need to sign in. What is no page is hidden from others, too.
func (s *Server) authenticate() gin.HandlerFunc {
	open := openRoutes()
	everybody := visitor{User: access.User{Role: s.opts.Everybody}}
	return func(c *gin.Context) {
		switch {
		case s.opts.SignIn == nil:
			c.Set(visitorKey, everybody)
		case open[c.FullPath()]:
		default:
			who, ok := s.recognize(c)
			if !ok {
				return
			}
			c.Set(visitorKey, visitor{User: who.User, Session: who})
		}
		c.Next()
	}
}

// recognize returns the session of a request. If there is none it answers the request.
func (s *Server) recognize(c *gin.Context) (*access.SessionOf, bool) {
	who, cookie, err := s.opts.SignIn.Current(c.Request.Context(), c.Request, opensPage(c) || !isRead(c.Request))
	if err != nil {
		s.failed(c, err) // closed is the safe side
		return nil, false
	}
	if cookie != nil {
		cookie.Write(c.Writer)
	}
	if who == nil {
		s.askToSignIn(c)
		return nil, false
	}
	c.Header("Vary", "Cookie")
	return who, true
}

// askToSignIn leads somebody who opens a page to the sign-in page, and back later.
func (s *Server) askToSignIn(c *gin.Context) {
	if !opensPage(c) {
		s.problem(c, notSignedIn())
		return
	}
	to := url.URL{Path: s.link("/sign-in")}
	if next := safeNext(c.Request.URL.RequestURI()); next != "/" {
		to.RawQuery = url.Values{"next": {next}}.Encode()
	}
	c.Header("Cache-Control", "no-store")
	c.Redirect(http.StatusSeeOther, to.String())
	c.Abort()
}

// safeNext returns where somebody goes after sign-in: an address of this dashboard, or
// "/" if the text is anything else. It has no base path.
func safeNext(text string) string {
	if !strings.HasPrefix(text, "/") || len(text) > 2000 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f }) {
		return "/"
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil {
		return "/"
	}
	// Cleaned and escaped, the path cannot lead to another host.
	to := url.URL{Path: path.Clean("/" + u.Path), RawQuery: u.RawQuery}
	if strings.ContainsRune(to.Path, '\\') {
		return "/"
	}
	if first, _, _ := strings.Cut(to.Path[1:], "/"); first == "sign-in" || first == "sign-out" || first == "first-admin" || first == "invite" {
		return "/"
	}
	return to.String()
}

// goTo redirects after a form was sent. path begins with a slash and is ours.
func (s *Server) goTo(c *gin.Context, path string) {
	c.Header("Cache-Control", "no-store")
	c.Redirect(http.StatusSeeOther, s.link(path))
	c.Abort()
}

// sameOrigin returns a middleware that refuses forms of foreign pages: SameSite cookies
// alone let a page of a neighbour host send them.
func (s *Server) sameOrigin() gin.HandlerFunc {
	protection := http.NewCrossOriginProtection()
	return func(c *gin.Context) {
		if protection.Check(c.Request) != nil {
			s.problem(c, foreignForm())
			return
		}
		c.Next()
	}
}

// maxSignInForm is the largest form of sign-in, in bytes.
const maxSignInForm = 16 << 10

// form limits the body of a form and refuses it where its cookie would be lost.
func (s *Server) form(c *gin.Context) bool {
	httpapi.LimitBody(c, maxSignInForm)
	if err := c.Request.ParseForm(); err != nil {
		s.problem(c, brokenPage())
		return false
	}
	origin, err := url.Parse(c.GetHeader("Origin"))
	if s.opts.Secure && err == nil && origin.Scheme == "http" {
		s.problem(c, needsHTTPS())
		return false
	}
	return true
}

// shown returns the part of an error that a form can show, or "" if it is ours to log.
func (l *language) shown(err error) string {
	var refused *signin.RefusedError
	var wait *signin.WaitError
	var password *signin.PasswordError
	switch {
	case errors.Is(err, signin.ErrWrong):
		return l.words("signin.wrong")
	case errors.Is(err, signin.ErrCode):
		return l.words("signin.code")
	case errors.Is(err, signin.ErrBusy):
		return l.words("signin.busy")
	case errors.Is(err, signin.ErrProvider):
		return l.words("signin.away")
	case errors.As(err, &wait):
		return l.words("signin.wait", l.took(max(wait.Retry, time.Second).Round(time.Second)))
	case errors.As(err, &refused):
		return l.say(phrase{"signin.refused." + string(refused.Kind), visibleValues(refused.Of)})
	case signin.IsNotProven(err):
		return l.words("signin.notproven")
	case errors.As(err, &password):
		return l.unfitPassword(password.Problem)
	default:
		return l.mistakeIn(err)
	}
}

// unfitPassword says why a password cannot be set.
func (l *language) unfitPassword(p signin.PasswordProblem) string {
	key := "password.unfit." + string(p)
	switch p {
	case signin.PasswordShort:
		return l.words(key, signin.MinPassword)
	case signin.PasswordLong:
		return l.words(key, signin.MaxPassword)
	default:
		return l.words(key)
	}
}

// visibleValues returns values of which the texts come from elsewhere.
func visibleValues(values []any) []any {
	shown := make([]any, len(values))
	for i, v := range values {
		shown[i] = visible(fmt.Sprint(v))
	}
	return shown
}

// sentenceOf writes an error as a sentence.
func sentenceOf(text string) string {
	if text == "" {
		return ""
	}
	_, first := utf8.DecodeRuneInString(text)
	return strings.ToUpper(text[:first]) + strings.TrimSuffix(visible(text[first:]), ".") + "."
}

// statusOf returns the code of a form that is shown again.
func statusOf(c *gin.Context, err error) int {
	var wait *signin.WaitError
	var ours *mistake
	switch {
	case errors.As(err, &ours):
		return ours.code
	case errors.As(err, &wait):
		c.Header("Retry-After", seconds(wait.Retry))
		return http.StatusTooManyRequests
	case errors.Is(err, signin.ErrBusy), errors.Is(err, signin.ErrProvider), isReceiverAway(err):
		c.Header("Retry-After", "5")
		return http.StatusServiceUnavailable
	case faces.ErrorCode(err) == faces.CodeInvalid:
		return http.StatusUnprocessableEntity
	default:
		return http.StatusForbidden
	}
}

// isReceiverAway reports whether the REST API cannot be asked.
func isReceiverAway(err error) bool {
	var answer *api.Error
	if errors.As(err, &answer) {
		return answer.Code == api.CodeUnavailable
	}
	return errors.As(err, new(*url.Error))
}

// actor returns a context whose changes are noted in the audit log as those of who asks.
func actor(c *gin.Context) context.Context {
	return access.WithActor(c.Request.Context(), access.Actor{UserID: currentUser(c).ID, RequestID: httpapi.RequestID(c)})
}
