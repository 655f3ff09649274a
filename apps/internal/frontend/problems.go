package frontend

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// problem is the body of the error page. It tells people what to do; the cause
// goes to the log only.
type problem struct {
	Code  int
	Title string // by default, the message KEY.title
	Text  string // by default, the message KEY.text
	Retry int    // seconds after which the page reloads; 0 means never

	key string
	of  []any  // the value of its title, or of its text
	why phrase // in place of the text
}

func pageMissing() problem { return problem{Code: http.StatusNotFound, key: "problem.page"} }

func imageMissing(id string) problem {
	return problem{Code: http.StatusNotFound, key: "problem.image", of: []any{id}}
}

func methodNotAllowed() problem {
	return problem{Code: http.StatusMethodNotAllowed, key: "problem.method"}
}

// readOnly is for whoever may not change anything.
func readOnly() problem { return problem{Code: http.StatusForbidden, key: "problem.readonly"} }

// stale is for whoever has looked at an older version of an image.
func stale() problem { return problem{Code: http.StatusPreconditionFailed, key: "problem.stale"} }

func gone() problem { return problem{Code: http.StatusNotFound, key: "problem.gone"} }

// notDone shows why the receiver did not do something, as the receiver says it: its API has
// one language. why may be "".
func notDone(code int, why string) problem {
	p := problem{Code: code, key: "problem.notdone"}
	if why != "" {
		p.Text = capital(why) + "."
	}
	return p
}

// notValid shows what is wrong with a form, by the key of its message.
func notValid(code int, key string, values ...any) problem {
	return problem{Code: code, key: "problem.notdone", why: phrase{key, values}}
}

func receiverAway() problem { return problem{Code: http.StatusBadGateway, key: "problem.away"} }

func receiverRefuses() problem { return problem{Code: http.StatusBadGateway, key: "problem.key"} }

// requestRefused shows why the guard of all programs refused a request, and what to do about
// it, in the guard's words.
func requestRefused(why string) problem {
	return problem{Code: http.StatusForbidden, key: "problem.refused", Text: capital(why) + "."}
}

func foreignForm() problem { return problem{Code: http.StatusForbidden, key: "problem.foreign"} }

func brokenPage() problem { return problem{Code: http.StatusBadRequest, key: "problem.form"} }

func notSignedIn() problem { return problem{Code: http.StatusUnauthorized, key: "problem.signin"} }

func roleTooLow(need access.Role) problem {
	return problem{Code: http.StatusForbidden, key: "problem.role", of: []any{phrase{key: roleKey(need)}}}
}

func needsHTTPS() problem { return problem{Code: http.StatusForbidden, key: "problem.https"} }

func databaseAway() problem {
	return problem{Code: http.StatusServiceUnavailable, key: "problem.database", Retry: 5}
}

func ourFault() problem { return problem{Code: http.StatusInternalServerError, key: "problem.ours"} }

func personMissing() problem { return problem{Code: http.StatusNotFound, key: "problem.person"} }

// personStale is for whoever has looked at an older version of a person.
func personStale() problem {
	return problem{Code: http.StatusPreconditionFailed, key: "problem.personstale"}
}

func erasureUnknown() problem {
	return problem{Code: http.StatusGatewayTimeout, key: "problem.erasure"}
}

// described returns a problem with its title and text.
func (l *language) described(p problem) problem {
	tell := func(text *string, key string) {
		switch {
		case *text != "":
		case strings.Contains(l.messages[key], "%"):
			*text = l.say(phrase{key, p.of})
		default:
			*text = l.words(key)
		}
	}
	if p.why.key != "" {
		p.Text = l.say(p.why)
	}
	tell(&p.Title, p.key+".title")
	tell(&p.Text, p.key+".text")
	return p
}

// problem answers with the error page of p and ends the request.
func (s *Server) problem(c *gin.Context, p problem) {
	p = s.described(p)
	if p.Retry > 0 {
		c.Header("Retry-After", strconv.Itoa(p.Retry))
	}
	s.render(c, p.Code, "problem", page{Title: p.Title, Retry: p.Retry, Body: p})
	c.Abort()
}

// failed logs an error of the store and answers with the matching error page.
func (s *Server) failed(c *gin.Context, err error) {
	ctx := c.Request.Context()
	if errors.Is(ctx.Err(), context.Canceled) {
		c.Abort() // the client is gone
		return
	}
	p := ourFault()
	if s.isDatabaseAway(ctx, err) {
		p = databaseAway()
	}
	s.log.ErrorContext(c, "request failed", "path", c.Request.URL.Path, "code", p.Code, "error", err)
	s.problem(c, p)
}

// isDatabaseAway reports whether the database is the cause of err. That
// includes a database without tables, which no error code tells from a bug of
// ours; Ping does.
func (s *Server) isDatabaseAway(ctx context.Context, err error) bool {
	return faces.ErrorCode(err) == faces.CodeUnavailable || ctx.Err() != nil || s.store.Ping(ctx) != nil
}
