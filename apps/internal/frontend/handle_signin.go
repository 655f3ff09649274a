package frontend

import (
	"cmp"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/signin"
)

// signInRoutes adds the pages of sign-in, if there is one.
func (s *Server) signInRoutes(e *gin.Engine) {
	if s.opts.SignIn == nil {
		return
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		e.Handle(method, "/sign-in", s.signInPage)
		e.Handle(method, "/first-admin", s.firstAdminPage)
		e.Handle(method, "/invite", s.invitePage)
		e.Handle(method, "/users", s.require(access.AdminRole), s.usersPage)
		e.Handle(method, "/sessions", s.sessionsPage)
	}
	e.POST("/sign-in", s.signIn)
	e.POST("/sign-out", s.signOut)
	e.POST("/first-admin", s.firstAdmin)
	e.POST("/invite", s.acceptInvite)
	e.POST("/users", s.require(access.AdminRole), s.addUser)
	e.POST("/users/role", s.require(access.AdminRole), s.changeRole)
	e.POST("/users/invite", s.require(access.AdminRole), s.inviteAgain)
	e.POST("/users/delete", s.require(access.AdminRole), s.deleteUser)
	e.POST("/sessions/revoke", s.revokeSession)
	e.POST("/sessions/revoke-others", s.revokeOthers)
	e.POST("/password", s.changePassword)
	if s.opts.SignIn.HasProvider() {
		e.GET("/sign-in/provider", s.beginProvider)
		e.GET("/sign-in/provider/callback", s.endProvider)
	}
}

// credentialsView is the body of the pages on which somebody says who they are.
type credentialsView struct {
	Problem  string // "" for none
	Name     string
	Code     string // of an invitation
	Next     string
	Provider string // the label of the other way to sign in; "" for none
	Least    int    // characters of a password
	Where    string // how to get the code of the first admin
	NoAdmin  bool   // no admin can sign in yet
}

func (s *Server) credentials(c *gin.Context, code int, page_, title string, v credentialsView) {
	v.Least = signin.MinPassword
	if s.opts.SignIn.HasProvider() {
		v.Provider = s.opts.ProviderName
	}
	s.render(c, code, page_, page{Title: title, Section: "account", Body: v})
}

// signInPage shows the form to sign in.
func (s *Server) signInPage(c *gin.Context) {
	next := safeNext(c.Query("next"))
	ctx := c.Request.Context()
	who, cookie, err := s.opts.SignIn.Current(ctx, c.Request, opensPage(c))
	if err != nil {
		s.failed(c, err)
		return
	}
	if who != nil {
		if cookie != nil {
			cookie.Write(c.Writer)
		}
		s.goTo(c, next)
		return
	}
	admin, anybody, err := s.opts.SignIn.CanSignIn(ctx)
	if err != nil {
		s.failed(c, err)
		return
	}
	if !anybody && !s.opts.SignIn.HasProvider() {
		s.goTo(c, "/first-admin")
		return
	}
	s.credentials(c, http.StatusOK, "sign-in", s.words("signin.title"), credentialsView{Next: next, NoAdmin: !admin})
}

// signIn signs somebody in with name and password.
func (s *Server) signIn(c *gin.Context) {
	if !s.form(c) {
		return
	}
	name, next := c.PostForm("name"), safeNext(c.PostForm("next"))
	who, err := s.opts.SignIn.Password(c.Request.Context(), name, c.PostForm("password"), c.ClientIP())
	if err != nil {
		if s.shown(err) == "" {
			s.failed(c, err)
			return
		}
		s.credentials(c, statusOf(c, err), "sign-in", s.words("signin.title"), credentialsView{Problem: s.shown(err), Name: visible(name), Next: next})
		return
	}
	s.enter(c, who, access.ByPassword, next)
}

// enter begins the session of somebody who has shown who they are.
func (s *Server) enter(c *gin.Context, who access.User, way access.Way, next string) {
	cookie, err := s.opts.SignIn.Begin(c.Request.Context(), c.Request, who, way, c.ClientIP())
	if err != nil {
		s.failed(c, err)
		return
	}
	cookie.Write(c.Writer)
	s.goTo(c, next)
}

// signOut ends the session of who asks.
func (s *Server) signOut(c *gin.Context) {
	cookie, err := s.opts.SignIn.End(c.Request.Context(), c.Request)
	if err != nil {
		s.failed(c, err)
		return
	}
	cookie.Write(c.Writer)
	s.goTo(c, "/sign-in")
}

// firstAdminPage shows the form for the first admin, as long as there is none.
func (s *Server) firstAdminPage(c *gin.Context) {
	admin, _, err := s.opts.SignIn.CanSignIn(c.Request.Context())
	if err != nil {
		s.failed(c, err)
		return
	}
	if admin {
		s.goTo(c, "/sign-in")
		return
	}
	s.credentials(c, http.StatusOK, "first-admin", s.words("first.title"), credentialsView{Where: s.words("first.where")})
}

// firstAdmin makes the first admin and signs them in.
func (s *Server) firstAdmin(c *gin.Context) {
	if !s.form(c) {
		return
	}
	v := credentialsView{Name: visible(c.PostForm("name")), Where: s.words("first.where")}
	if c.PostForm("password") != c.PostForm("again") {
		v.Problem = s.words("password.differ")
		s.credentials(c, http.StatusUnprocessableEntity, "first-admin", s.words("first.title"), v)
		return
	}
	who, err := s.opts.SignIn.BecomeFirstAdmin(actor(c), c.PostForm("code"), c.PostForm("name"), c.PostForm("password"), c.ClientIP())
	if faces.ErrorCode(err) == faces.CodeInvalid {
		err = cmp.Or(checkUserName(c.PostForm("name")), err)
	}
	if err != nil {
		if v.Problem = s.explain(c, err); v.Problem == "" {
			s.failed(c, err)
			return
		}
		s.credentials(c, statusOf(c, err), "first-admin", s.words("first.title"), v)
		return
	}
	s.enter(c, who, access.ByPassword, "/users")
}

// invitePage shows the form for a user who was invited.
func (s *Server) invitePage(c *gin.Context) {
	s.credentials(c, http.StatusOK, "invite", s.words("invite.title"), credentialsView{})
}

// acceptInvite gives an invited user a password and signs them in.
func (s *Server) acceptInvite(c *gin.Context) {
	if !s.form(c) {
		return
	}
	v := credentialsView{Code: visible(c.PostForm("code"))}
	if c.PostForm("password") != c.PostForm("again") {
		v.Problem = s.words("password.differ")
		s.credentials(c, http.StatusUnprocessableEntity, "invite", s.words("invite.title"), v)
		return
	}
	who, err := s.opts.SignIn.Accept(actor(c), c.PostForm("code"), c.PostForm("password"), c.ClientIP())
	if err != nil {
		if v.Problem = s.shown(err); v.Problem == "" {
			s.failed(c, err)
			return
		}
		s.credentials(c, statusOf(c, err), "invite", s.words("invite.title"), v)
		return
	}
	s.enter(c, who, access.ByPassword, "/")
}

// beginProvider sends the browser to the OpenID provider. It is a link and not a form:
// the Content-Security-Policy lets forms lead nowhere else.
func (s *Server) beginProvider(c *gin.Context) {
	next := safeNext(c.Query("next"))
	flow, to, err := s.opts.SignIn.BeginProvider(c.Request.Context(), next)
	if err != nil {
		s.notLetIn(c, err, next)
		return
	}
	http.SetCookie(c.Writer, s.flowCookie(flow.Text(), int(signin.FlowFor/time.Second)))
	c.Header("Cache-Control", "no-store")
	c.Redirect(http.StatusSeeOther, to)
	c.Abort()
}

func (s *Server) flowCookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: signin.CookieName("rollcall-sign-in", s.opts.BasePath, s.opts.Secure), Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: s.opts.Secure, SameSite: http.SameSiteLaxMode,
	}
}

// endProvider signs in whom the provider's answer names.
func (s *Server) endProvider(c *gin.Context) {
	var flow signin.Flow
	if k, err := c.Request.Cookie(s.flowCookie("", 0).Name); err == nil {
		flow, _ = signin.ParseFlow(k.Value)
	}
	http.SetCookie(c.Writer, s.flowCookie("", -1)) // one answer, right or wrong
	if flow.State == "" {
		s.notLetIn(c, &signin.RefusedError{Kind: signin.RefusedForeign}, "/")
		return
	}
	who, err := s.opts.SignIn.EndProvider(actor(c), flow, c.Request.URL.Query(), c.ClientIP())
	if err != nil {
		s.notLetIn(c, err, flow.Next)
		return
	}
	s.enter(c, who, access.ByProvider, safeNext(flow.Next))
}

// notLetIn shows the sign-in page with why a provider's answer did not help.
func (s *Server) notLetIn(c *gin.Context, err error, next string) {
	problem := s.explain(c, err)
	if problem == "" {
		s.failed(c, err)
		return
	}
	s.credentials(c, statusOf(c, err), "sign-in", s.words("signin.title"), credentialsView{Problem: problem, Next: safeNext(next)})
}

// inviteLink returns the address that an invited user opens. The code is behind #, so
// that no server and no log gets it.
func (s *Server) inviteLink(c *gin.Context, code string) string {
	base := s.opts.PublicURL
	if base == "" {
		scheme := "https"
		if !s.opts.Secure {
			scheme = "http"
		}
		u := url.URL{Scheme: scheme, Host: c.Request.Host, Path: s.opts.BasePath} // the guard has checked the host
		base = u.String()
	}
	return base + "/invite#" + code
}

func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
