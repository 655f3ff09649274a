package frontend

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// problem is the body of the error page. It tells people what to do; the cause
// goes to the log only.
type problem struct {
	Code  int
	Title string
	Text  string
	Retry int // seconds after which the page reloads; 0 means never
}

func pageMissing() problem {
	return problem{
		Code: http.StatusNotFound, Title: "Page not found",
		Text: "The address may be mistyped, or it belongs to another version of Rollcall.",
	}
}

func imageMissing(id string) problem {
	return problem{
		Code: http.StatusNotFound, Title: "Image " + id + " not found",
		Text: "It may have been deleted, or the address is mistyped.",
	}
}

func methodNotAllowed() problem {
	return problem{
		Code: http.StatusMethodNotAllowed, Title: "This page takes no such request",
		Text: "Programs send pictures and corrections to the receiver’s REST API.",
	}
}

// readOnly is for whoever may not change anything.
func readOnly() problem {
	return problem{
		Code: http.StatusForbidden, Title: "Nothing can be changed here",
		Text: "This dashboard has no receiver to send corrections to, or is open to others than this machine. Correct faces by the REST API instead.",
	}
}

// stale is for whoever has looked at an older version of an image.
func stale() problem {
	return problem{
		Code: http.StatusPreconditionFailed, Title: "Somebody has changed this picture meanwhile",
		Text: "Nothing was saved. Look at the picture as it is now, and say it again if it is still true.",
	}
}

func gone() problem {
	return problem{
		Code: http.StatusNotFound, Title: "This face is not there any more",
		Text: "The picture was processed again or deleted meanwhile. Look at it as it is now.",
	}
}

// notDone shows why the receiver did not do something.
func notDone(code int, why string) problem {
	if why == "" {
		why = "the receiver did not say why"
	}
	return problem{Code: code, Title: "This was not saved", Text: capital(why) + "."}
}

func receiverAway() problem {
	return problem{
		Code: http.StatusBadGateway, Title: "The receiver does not answer",
		Text: "Nothing was saved. Try again in a moment; the frontend’s log has the cause.",
	}
}

func receiverRefuses() problem {
	return problem{
		Code: http.StatusBadGateway, Title: "The receiver does not let the dashboard in",
		Text: "Nothing was saved. Its API key is missing, has expired or is revoked: an administrator can make a new one.",
	}
}

// capital returns a text with a capital letter at its start.
func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

// requestRefused shows why a request was refused and what to do about it.
func requestRefused(why string) problem {
	return problem{Code: http.StatusForbidden, Title: "This request is refused", Text: capital(why) + "."}
}

func notSignedIn() problem {
	return problem{
		Code: http.StatusUnauthorized, Title: "You are not signed in",
		Text: "Sign in, or sign in again if your session has ended. What you have typed was not saved.",
	}
}

func roleTooLow(need access.Role) problem {
	return problem{
		Code: http.StatusForbidden, Title: "Your role does not allow this",
		Text: "It needs the role " + string(need) + ". An admin can change your role.",
	}
}

func needsHTTPS() problem {
	return problem{
		Code: http.StatusForbidden, Title: "Open the dashboard by https",
		Text: "Your browser would not keep the sign-in on an http address. Use the https address; or, on a test machine only, set ROLLCALL_PLAIN_HTTP=true on the frontend.",
	}
}

func databaseAway() problem {
	return problem{
		Code: http.StatusServiceUnavailable, Title: "The database cannot be reached",
		Text: "Nothing is lost: pictures wait until it is back. This page reloads every few seconds.", Retry: 5,
	}
}

func ourFault() problem {
	return problem{
		Code: http.StatusInternalServerError, Title: "Something went wrong",
		Text: "This is an error in Rollcall, not yours. The frontend’s log has the cause.",
	}
}

// problem answers with the error page of p and ends the request.
func (s *Server) problem(c *gin.Context, p problem) {
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
