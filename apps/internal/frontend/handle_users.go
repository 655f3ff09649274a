package frontend

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/signin"
)

// usersView is the body of the page of users.
type usersView struct {
	Problem string
	Invited *invitedView // whom this request has invited
	Users   []accountView
	Roles   []roleView
	Name    string // what was typed
}

// invitedView is a one-time code, which is shown this once.
type invitedView struct {
	Name, Link, Code string
	Until            moment
}

type accountView struct {
	Name  string // as it is sent back
	Shown string
	Role  access.Role
	Can   string // the role, in words
	Ways  string
	Since moment
	Self  bool
}

type roleView struct {
	Name    access.Role // as it is sent back
	Label   string
	Meaning string
}

func (l *language) roles() []roleView {
	var list []roleView
	for _, r := range access.AllRoles() {
		list = append(list, roleView{r, l.role(r), l.words(roleKey(r) + ".may")})
	}
	return list
}

// role names a role.
func (l *language) role(r access.Role) string { return l.wordsOr(roleKey(r), string(r)) }

func roleKey(r access.Role) string { return "role." + string(r) }

// usersPage shows the users.
func (s *Server) usersPage(c *gin.Context) { s.showUsers(c, http.StatusOK, usersView{}) }

func (s *Server) showUsers(c *gin.Context, code int, v usersView) {
	list, err := s.opts.SignIn.Accounts(c.Request.Context())
	if err != nil {
		s.failed(c, err)
		return
	}
	v.Roles = s.roles()
	for _, a := range list {
		v.Users = append(v.Users, accountView{
			Name: a.Name, Shown: visible(a.Name), Role: a.Role, Can: s.role(a.Role), Ways: s.waysOf(a), Since: s.moment(a.CreatedAt), Self: a.ID == currentUser(c).ID,
		})
	}
	s.render(c, code, "users", page{Title: s.words("users.title"), Section: "settings", Body: v})
}

// waysOf says how a user signs in.
func (l *language) waysOf(a access.Account) string {
	switch {
	case a.Password && a.Provider:
		return l.words("users.by.both")
	case a.Password:
		return l.words("users.by.password")
	case a.Provider:
		return l.words("users.by.provider")
	case a.Invited:
		return l.words("users.by.invited")
	default:
		return l.words("users.by.none")
	}
}

// readRole reads the role in a form.
func readRole(c *gin.Context) (access.Role, error) {
	role, err := access.ParseRole(c.PostForm("role"))
	if err != nil {
		return "", unfit("users.norole", typed(c.PostForm("role")))
	}
	return role, nil
}

// checkUserName returns an error with words of the catalogue.
func checkUserName(name string) error {
	if access.CheckUserName(name) != nil {
		return unfit("users.noname", typed(name), access.MaxUserName)
	}
	return nil
}

// addUser adds a user and invites them.
func (s *Server) addUser(c *gin.Context) {
	if !s.form(c) {
		return
	}
	name := c.PostForm("name")
	role, err := readRole(c)
	if err == nil {
		err = checkUserName(name)
	}
	if err == nil {
		_, err = s.opts.SignIn.User(c.Request.Context(), name)
		switch {
		case err == nil:
			err = &mistake{phrase{"users.taken", []any{visible(name)}}, http.StatusConflict}
		case faces.ErrorCode(err) == faces.CodeMissing:
			err = nil
		}
	}
	if err == nil {
		_, err = s.actAs(c).SetUser(c.Request.Context(), name, api.Role(role))
	}
	s.invite(c, name, err)
}

// invite makes a one-time code for a user and shows it. err is what went wrong before.
func (s *Server) invite(c *gin.Context, name string, err error) {
	var u access.User
	if err == nil {
		u, err = s.opts.SignIn.User(c.Request.Context(), name)
	}
	if err != nil {
		s.usersProblem(c, err, name)
		return
	}
	code, until, err := s.opts.SignIn.Invite(actor(c), u.ID)
	if err != nil {
		s.usersProblem(c, err, name)
		return
	}
	s.showUsers(c, http.StatusOK, usersView{Invited: &invitedView{
		Name: visible(u.Name), Link: s.inviteLink(c, code), Code: code, Until: s.moment(until),
	}})
}

// inviteAgain makes a new one-time code for a user who has lost the code or the password.
func (s *Server) inviteAgain(c *gin.Context) {
	if s.form(c) {
		s.invite(c, c.PostForm("name"), nil)
	}
}

// changeRole changes the role of another user.
func (s *Server) changeRole(c *gin.Context) {
	if !s.form(c) {
		return
	}
	name := c.PostForm("name")
	role, err := readRole(c)
	if err == nil {
		err = s.another(c, name)
	}
	if err == nil {
		_, err = s.actAs(c).SetUser(c.Request.Context(), name, api.Role(role))
	}
	s.afterUsers(c, err)
}

// deleteUser deletes another user, with all by which the user signs in.
func (s *Server) deleteUser(c *gin.Context) {
	if !s.form(c) {
		return
	}
	name := c.PostForm("name")
	err := s.another(c, name)
	if err == nil {
		_, err = s.actAs(c).DeleteUser(c.Request.Context(), name)
	}
	s.afterUsers(c, err)
}

// another returns an error unless a user is there and is not who asks: an admin who
// gives the role away by a slip would lock everybody out.
func (s *Server) another(c *gin.Context, name string) error {
	u, err := s.opts.SignIn.User(c.Request.Context(), name)
	if err == nil && u.ID == currentUser(c).ID {
		return unfit("users.self")
	}
	return err
}

func (s *Server) afterUsers(c *gin.Context, err error) {
	if err != nil {
		s.usersProblem(c, err, "")
		return
	}
	s.goTo(c, "/users")
}

// usersProblem shows the page of users with what went wrong.
func (s *Server) usersProblem(c *gin.Context, err error, name string) {
	why := s.explain(c, err)
	if why == "" {
		s.failed(c, err)
		return
	}
	s.showUsers(c, statusOf(c, err), usersView{Problem: why, Name: visible(name)})
}

// explain returns what a page can say about an error, or "". Errors of the REST API
// are logged, too: they are often about the dashboard's key.
func (s *Server) explain(c *gin.Context, err error) string {
	if why := s.shown(err); why != "" {
		if errors.Is(err, signin.ErrProvider) {
			s.log.ErrorContext(c, "the OpenID provider cannot be asked", "error", err)
		}
		return why
	}
	switch faces.ErrorCode(err) {
	case faces.CodeMissing:
		return s.words("users.missing")
	case faces.CodeConflict:
		return s.words("users.changed")
	}
	var answer *api.Error
	switch {
	case isReceiverAway(err):
		s.log.ErrorContext(c, "the receiver cannot be asked", "error", err)
		return s.words("problem.away.settings")
	case !errors.As(err, &answer):
		return ""
	}
	s.log.ErrorContext(c, "the receiver refused a change", "code", answer.Code, "error", err)
	switch answer.Code {
	case api.CodeUnauthorized, api.CodeKeyExpired, api.CodeKeyRevoked:
		return s.words("problem.key.settings")
	default:
		return sentenceOf(answer.Message)
	}
}
