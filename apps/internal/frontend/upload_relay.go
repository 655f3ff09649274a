package frontend

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

// upload hands files on to the receiver, on behalf of who sends them. The receiver reads the
// form and has all limits; here nothing is kept in memory. The form of the page and its
// script send the same.
func (s *Server) upload(c *gin.Context) {
	to := s.actAs(c)
	if to == nil {
		s.problem(c, readOnly())
		return
	}
	kind := c.GetHeader("Content-Type")
	if media, params, err := mime.ParseMediaType(kind); err != nil || media != "multipart/form-data" || params["boundary"] == "" {
		s.uploadFailed(c, wrong("form.noform"))
		return
	}
	if err := httpapi.Stream(c); err != nil {
		s.uploadFailed(c, err)
		return
	}
	body := &relay{from: c.Request.Body, control: http.NewResponseController(c.Writer)}
	entries, err := to.UploadBody(c.Request.Context(), kind, body)
	gone := errors.Is(c.Request.Context().Err(), context.Canceled) // before end, which cancels it, too
	body.end()
	switch {
	case err == nil:
		s.answerUpload(c, entries)
	case gone:
		c.Abort()
	default:
		s.uploadFailed(c, err)
	}
}

// wantsJSON reports whether the script of a page asks.
func wantsJSON(c *gin.Context) bool {
	return strings.Contains(c.GetHeader("Accept"), "application/json")
}

// uploadFailed answers an upload of which nothing was taken.
func (s *Server) uploadFailed(c *gin.Context, err error) {
	p, again := problemOf(err), true
	p.Text = s.words("upload.refused.later")
	var said *api.Error
	if why := s.mistakeIn(err); why != "" {
		p.Text = why
	} else if errors.As(err, &said) && said.Code != "" {
		p.Text, again = s.uploadProblem(said.Code, said.Message)
		if said.Status == 0 || said.Code == api.CodeInsufficientStorage { // found here; the receiver is well
			p.Code = httpapi.StatusOf(said.Code)
		}
	}
	if p.Code >= http.StatusInternalServerError {
		s.log.WarnContext(c, "an upload is not stored", "error", err)
	}
	if said != nil && said.RetryAfter > 0 {
		c.Header("Retry-After", seconds(said.RetryAfter))
	}
	if !wantsJSON(c) {
		p.Title = s.words("upload.failed")
		s.problem(c, p)
		return
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(p.Code, refusedFile{Why: p.Text, Again: again})
}

// relay is the body of a request on its way to the receiver. The client of the receiver may
// go on reading it after the receiver has answered; end stops that, because the request is
// over then.
type relay struct {
	from    io.Reader
	control *http.ResponseController

	reading sync.Mutex
	ended   atomic.Bool
}

// endPause is the pause between two tries to end a relay.
const endPause = 5 * time.Millisecond

// Read implements io.Reader.
func (r *relay) Read(p []byte) (int, error) {
	r.reading.Lock()
	defer r.reading.Unlock()
	if r.ended.Load() {
		return 0, io.ErrClosedPipe
	}
	return r.from.Read(p)
}

// end waits until nobody reads, and makes sure that nobody will. Whoever waits for bytes of a
// slow client is woken; again, because a read sets its time limit when it begins.
func (r *relay) end() {
	r.ended.Store(true)
	for !r.reading.TryLock() {
		_ = r.control.SetReadDeadline(time.Now()) // fails without a connection, in tests
		time.Sleep(endPause)
	}
	r.reading.Unlock()
}

// renderPart writes a part of a page, for a script.
func (s *Server) renderPart(c *gin.Context, name, part string, data any) {
	var html bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&html, part, data); err != nil {
		s.log.ErrorContext(c, "part of a page not rendered; its template fails", "page", name, "part", part, "error", err)
		c.Status(http.StatusInternalServerError)
		return
	}
	s.writeHTML(c, http.StatusOK, html.Bytes())
}
