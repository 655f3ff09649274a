package frontend

// This file owns what people see when something goes wrong: one page, with a
// status code, a title and what to do. Causes go to the log only.

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// problem is the body of the problem page.
type problem struct {
	Code  int
	Title string
	Text  string
	Retry int // seconds after which the page asks again; 0: never
}

func pageMissing() problem {
	return problem{
		Code: http.StatusNotFound, Title: "There is no such page",
		Text: "The address may be mistyped, or it belongs to another version of Rollcall.",
	}
}

func imageMissing(id string) problem {
	return problem{
		Code: http.StatusNotFound, Title: "There is no image " + id,
		Text: "It may have been deleted, or the address is mistyped.",
	}
}

func methodNotAllowed() problem {
	return problem{
		Code: http.StatusMethodNotAllowed, Title: "The dashboard is for reading",
		Text: "Pictures are posted to the receiver’s REST API, not here.",
	}
}

// requestRefused shows why a request was refused and what to do about it.
func requestRefused(why string) problem {
	return problem{Code: http.StatusForbidden, Title: "This request is refused", Text: strings.ToUpper(why[:1]) + why[1:] + "."}
}

func databaseAway() problem {
	return problem{
		Code: http.StatusServiceUnavailable, Title: "The database cannot be reached",
		Text: "Nothing is lost: pictures wait until it is back. This page looks again every few seconds.", Retry: 5,
	}
}

func ourFault() problem {
	return problem{
		Code: http.StatusInternalServerError, Title: "Something went wrong",
		Text: "This is an error in Rollcall, not yours. Its log says what happened.",
	}
}

// problem answers with the page of p and ends the request.
func (s *Server) problem(c *gin.Context, p problem) {
	if p.Retry > 0 {
		c.Header("Retry-After", strconv.Itoa(p.Retry))
	}
	s.render(c, p.Code, "problem", page{Title: p.Title, Retry: p.Retry, Body: p})
	c.Abort()
}

// failed logs an error of the store and answers with what it means for people.
func (s *Server) failed(c *gin.Context, err error) {
	ctx := c.Request.Context()
	if errors.Is(ctx.Err(), context.Canceled) {
		c.Abort() // they went away; nobody is there to read an answer
		return
	}
	p := ourFault()
	if s.isDatabaseAway(ctx, err) {
		p = databaseAway()
	}
	s.log.ErrorContext(c, "cannot answer", "path", c.Request.URL.Path, "code", p.Code, "err", err)
	s.problem(c, p)
}

// isDatabaseAway also holds where the database answers but its tables are not
// there yet, which no single error tells from a mistake of ours.
func (s *Server) isDatabaseAway(ctx context.Context, err error) bool {
	return faces.ErrorCode(err) == faces.CodeUnavailable || ctx.Err() != nil || s.store.Ping(ctx) != nil
}
