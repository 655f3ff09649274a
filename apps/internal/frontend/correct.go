package frontend

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

// asked is a correction that a form asks for.
type asked struct {
	api     *client.Client
	id      int64  // of the face, image or correction in the address
	version string // of the image that the user has seen
	form    func(name string) string
}

// number returns a field that is a number.
func (a asked) number(name string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(a.form(name)))
	if err != nil {
		return 0, wrong("form.number", name)
	}
	return n, nil
}

// correct returns a handler that has the receiver do what a form asks for, and leads
// back to the page of the image, which then says what was done.
func (s *Server) correct(do func(context.Context, asked) (api.CorrectedFace, error)) gin.HandlerFunc {
	return func(c *gin.Context) {
		a, ok := s.ask(c)
		if !ok {
			return
		}
		done, err := do(c.Request.Context(), a)
		if err != nil {
			s.refusedBy(c, err)
			return
		}
		s.backToImage(c, done.Image.ID, done.Correction.ID)
	}
}

// ask reads a form. If it returns false, the request is answered.
func (s *Server) ask(c *gin.Context) (asked, bool) {
	id, err := strconv.ParseInt(c.Param("id"), 10, 64)
	switch {
	case err != nil || id < 1:
		s.problem(c, pageMissing())
		return asked{}, false
	case !s.mayChange(c):
		s.problem(c, readOnly())
		return asked{}, false
	}
	return asked{api: s.actAs(c), id: id, version: c.PostForm("version"), form: c.PostForm}, true
}

// backToImage redirects to the page of an image, in the list that it was looked at in.
func (s *Server) backToImage(c *gin.Context, image, correction int64) {
	q, _ := parseQuery(c.PostForm("filter"))
	to := s.link(q.image(image))
	if correction != 0 {
		sign := "?"
		if strings.Contains(to, "?") {
			sign = "&"
		}
		to += sign + "said=" + strconv.FormatInt(correction, 10)
	}
	c.Redirect(http.StatusSeeOther, to)
}

// assign says who a face is: by the id of a person who was suggested, or by a name.
func assign(ctx context.Context, a asked) (api.CorrectedFace, error) {
	var who api.FaceAssignment
	if text := a.form("person_id"); text != "" {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return api.CorrectedFace{}, wrong("form.person")
		}
		who.PersonID = &id
	} else {
		name := strings.TrimSpace(a.form("name"))
		if name == "" {
			return api.CorrectedFace{}, wrong("form.name")
		}
		who.Name = &name
	}
	return a.api.AssignFaceIf(ctx, a.id, who, a.version)
}

func exclude(ctx context.Context, a asked) (api.CorrectedFace, error) {
	id, err := strconv.ParseInt(a.form("person_id"), 10, 64)
	if err != nil {
		return api.CorrectedFace{}, wrong("form.person")
	}
	return a.api.ExcludeFaceIf(ctx, a.id, id, a.version)
}

func ignore(ctx context.Context, a asked) (api.CorrectedFace, error) {
	return a.api.IgnoreFace(ctx, a.id, a.version)
}

func dismiss(ctx context.Context, a asked) (api.CorrectedFace, error) {
	return a.api.DismissFace(ctx, a.id, a.version)
}

func undo(ctx context.Context, a asked) (api.CorrectedFace, error) {
	return a.api.UndoCorrectionIf(ctx, a.id, a.version)
}

// drawFace adds a face that was not found.
func drawFace(ctx context.Context, a asked) (api.CorrectedFace, error) {
	var face api.DrawnFace
	for name, to := range map[string]*int{"x": &face.Box.X, "y": &face.Box.Y, "width": &face.Box.Width, "height": &face.Box.Height} {
		n, err := a.number(name)
		if err != nil {
			return api.CorrectedFace{}, err
		}
		*to = n
	}
	if name := strings.TrimSpace(a.form("name")); name != "" {
		face.Name = &name
	}
	return a.api.DrawFace(ctx, a.id, face, a.version)
}

// retry processes an image again.
func (s *Server) retry(c *gin.Context) {
	a, ok := s.ask(c)
	if !ok {
		return
	}
	if _, err := a.api.RetryImage(c.Request.Context(), a.id); err != nil {
		s.refusedBy(c, err)
		return
	}
	s.backToImage(c, a.id, 0)
}

// refusedBy answers with the error of a call of the receiver.
func (s *Server) refusedBy(c *gin.Context, err error) {
	if errors.Is(c.Request.Context().Err(), context.Canceled) {
		c.Abort() // the client is gone
		return
	}
	p := problemOf(err)
	if p.Code >= http.StatusInternalServerError {
		s.log.ErrorContext(c, "the receiver failed", "path", c.Request.URL.Path, "error", err)
	}
	s.problem(c, p)
}

// problemOf returns the page of an error of the receiver. What the receiver says is for
// people, in the one language of the API; what else went wrong is for the log.
func problemOf(err error) problem {
	var ours *mistake
	if errors.As(err, &ours) {
		return problem{Code: ours.code, key: "problem.notdone", why: ours.phrase}
	}
	var said *api.Error
	if !errors.As(err, &said) {
		return receiverAway()
	}
	switch said.Code {
	case api.CodeStale:
		return stale()
	case api.CodeNotFound:
		return gone()
	case api.CodeUnauthorized, api.CodeKeyExpired, api.CodeKeyRevoked:
		return receiverRefuses()
	}
	text := visible(said.Message)
	switch {
	case said.Status == 0:
		return notDone(http.StatusBadRequest, text)
	case said.Status >= http.StatusInternalServerError && said.Status != http.StatusServiceUnavailable:
		return receiverAway()
	default:
		return notDone(said.Status, text)
	}
}
