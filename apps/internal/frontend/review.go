package frontend

import (
	"context"
	"crypto/rand"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// reviewStore is what these pages read of the store.
type reviewStore interface {
	Group(ctx context.Context, model string, key int64) (store.FaceGroup, error)
	Groups(ctx context.Context, f store.GroupFilter) (list []store.GroupSummary, next *store.GroupCursor, err error)
	LargestGroups(ctx context.Context, model string, after store.GroupCursor, limit int) ([]store.GroupCursor, error)
	CountGroups(ctx context.Context, model string, most int) (int, error)
	GroupOf(ctx context.Context, model string, face int64) (key int64, err error)
	UncertainImages(ctx context.Context, after store.UncertainImage, limit int) ([]store.UncertainImage, error)
	CorrectionsByID(ctx context.Context, ids []int64) ([]faces.Correction, error)
	GroupChangedAt(ctx context.Context, id int64) (time.Time, error)
	GroupChange(ctx context.Context, id int64) (store.GroupChange, error)
	KnownPictures(ctx context.Context, person, after int64, limit int) ([]faces.Enrolled, error)
	LooseFaces(ctx context.Context, reason faces.Reason, after *store.LooseFace, limit int) ([]store.LooseFace, *store.LooseFace, error)
	FoundFaces(ctx context.Context, ids []int64) (map[int64]store.FoundFace, error)
	Profile(ctx context.Context, id int64) (faces.Profile, error)
}

// reviewRoutes adds the pages of the review of faces one at a time.
func (s *Server) reviewRoutes(e *gin.Engine) {
	only := e.Group("", s.require(access.Reviewer))
	for path, h := range map[string]gin.HandlerFunc{
		"/review":           s.reviewFirst,
		"/review/:question": s.reviewShow,
		"/review/followed":  s.reviewFollowed,
		"/review/held":      s.reviewHeld,
		"/review/known/:id": s.picture(cropSide, s.openCover),
	} {
		only.GET(path, h)
		only.HEAD(path, h)
	}
	only.POST("/review/:question", s.reviewAnswer)
	only.POST("/review/undo", s.reviewUndo)
}

// reviewerCookie tells reviewers apart where nobody signs in.
const reviewerCookie = "rollcall_reviewer"

// reviewer names whoever asks, for the holds. known is false for whoever comes without a
// session or the cookie: a program may, at each request, and looks at no question.
func (s *Server) reviewer(c *gin.Context) (name string, known bool) {
	if id := currentUser(c).ID; id != 0 {
		return "user " + strconv.FormatInt(id, 10), true
	}
	if old, err := c.Cookie(reviewerCookie); err == nil && old != "" && len(old) <= 64 {
		return old, true
	}
	name = rand.Text()
	http.SetCookie(c.Writer, &http.Cookie{
		Name: reviewerCookie, Value: name, Path: s.link("/"), HttpOnly: true, Secure: s.opts.Secure, SameSite: http.SameSiteLaxMode,
	})
	return name, false
}

// reviewQueueOf returns the queue of whoever asks, where the address says.
func (s *Server) reviewQueueOf(c *gin.Context, get func(string) string) (*reviewQueue, bool) {
	by, known := s.reviewer(c)
	q, err := s.newReviewQueue(c.Request.Context(), parseReviewTrail(get), by)
	if err != nil {
		s.failed(c, err)
		return nil, false
	}
	q.holds = known && c.Request.Method != http.MethodHead
	for _, p := range q.trail.skipped {
		s.holds.drop(p.question(), q.by) // anybody else may have it
	}
	return q, true
}

// reviewFirst leads to the first question, or says that there is none.
func (s *Server) reviewFirst(c *gin.Context) {
	q, ok := s.reviewQueueOf(c, c.Query)
	if !ok {
		return
	}
	var from *reviewPlace
	if p, ok := parseReviewPlace(c.Query("from")); ok {
		from = &p
	}
	found, err := q.next(from)
	switch {
	case err != nil:
		s.failed(c, err)
	case found != nil:
		c.Redirect(http.StatusSeeOther, s.link(q.trail.without(*found).URL(found, "said", c.Query("said"))))
	default:
		s.reviewNothing(c, q)
	}
}

// reviewNothing says that there is no question.
func (s *Server) reviewNothing(c *gin.Context, q *reviewQueue) {
	v := &reviewView{Title: s.words("review.done"), Held: q.held, Choices: q.choices(), Notice: s.reviewNotice(c.Request.Context(), c.Query("said"))}
	v.Empty.Text = s.words("review.done.text")
	if q.held {
		t := q.trail
		t.Anyway = true
		v.Title, v.Empty.Text, v.Anyway = s.words("review.held"), s.words("review.held.text"), t.URL(nil)
	}
	v.Next, v.Trail = q.end(), q.trail
	if q.stopped != nil {
		v.Title, v.Empty.Text, v.Further = s.words("review.far"), s.words("review.far.text"), v.Next
	}
	v.Empty.Title = v.Title
	s.render(c, http.StatusOK, "review", page{Title: s.words("review.title"), Section: "review", Body: v})
}

// reviewShow asks a question.
func (s *Server) reviewShow(c *gin.Context) {
	p, ok := parseReviewPlace(c.Param("question"))
	if !ok {
		s.problem(c, pageMissing())
		return
	}
	q, ok := s.reviewQueueOf(c, c.Query)
	if !ok {
		return
	}
	v, moved, err := q.view(c, p)
	switch {
	case err != nil:
		s.failed(c, err)
		return
	case v == nil && moved != nil:
		c.Redirect(http.StatusSeeOther, s.link(q.trail.URL(moved, "said", c.Query("said"))))
		return
	case v == nil:
		s.reviewGone(c, q, p)
		return
	}
	if err := q.complete(v, p); err != nil {
		s.failed(c, err)
		return
	}
	v.Notice, v.Changes = s.reviewNotice(c.Request.Context(), c.Query("said")), s.mayChange(c)
	s.render(c, http.StatusOK, "review", page{Title: v.Title + " · " + s.words("review.title"), Section: "review", Waiting: v.Waits, Body: v})
}

// view returns the view of a question; nil if it is no question any more. Then moved is
// where it is now, if it is.
func (q *reviewQueue) view(c *gin.Context, p reviewPlace) (v *reviewView, moved *reviewPlace, err error) {
	if p.kind != askGroup {
		v, ok, err := q.faceQuestion(p)
		if !ok {
			v = nil
		}
		return v, nil, err
	}
	v, to, ok, err := q.groupQuestion(c, p)
	switch {
	case err != nil:
		return nil, nil, err
	case ok:
		return v, nil, nil
	case to.id != 0:
		return nil, &to, nil
	}
	if strings.HasPrefix(c.Query("said"), saidUndone) { // the job puts the faces into a group again
		found, err := q.server.store.FoundFaces(q.ctx, []int64{p.id})
		// A re-match that was under way may have named the face once more; the next one
		// takes that back.
		if f, ok := found[p.id]; err != nil || ok && !f.Confirmed && !f.Reason.IsDismissed() {
			return &reviewView{Group: true, Waits: true}, nil, err
		}
	}
	return nil, nil, nil
}

// complete adds what all questions have, and holds this one and the next.
func (q *reviewQueue) complete(v *reviewView, p reviewPlace) error {
	s := q.server
	v.Place, v.Title, v.Action, v.Trail, v.Skipped = p.String(), s.title(v), "/review/"+p.String(), q.trail, q.trail.skippedText()
	v.Choices = q.choices()
	if v.Waits {
		v.Title = s.words("review.waits")
	}
	var err error
	if v.Left, err = q.left(); err != nil { // the question can be answered without it
		s.log.WarnContext(q.ctx, "how much there is to review cannot be counted", "error", err)
		v.Left = ""
	}
	v.Elsewhere = s.holds.isHeld(p.question(), q.by)
	q.hold(p)
	next, err := q.next(&p)
	if err != nil {
		return err
	}
	v.Next = q.end()
	if next != nil {
		v.NextPlace, v.Next = next.String(), q.trail.without(*next).URL(next)
		q.hold(*next)
		v.Skip = q.trail.with(p).without(*next).URL(next)
	} else if q.stopped != nil {
		v.Further, v.Skip = v.Next, q.trail.with(p).URL(nil, "from", q.stopped.String())
	}
	return nil
}

// end is the address after the last question that was found: the first question, or from
// where the queue was given up.
func (q *reviewQueue) end() string {
	if q.stopped == nil {
		return q.trail.URL(nil)
	}
	return q.trail.URL(nil, "from", q.stopped.String())
}

// reviewGone leads on from a question that is settled.
func (s *Server) reviewGone(c *gin.Context, q *reviewQueue, p reviewPlace) {
	said := c.Query("said")
	if said == "" {
		said = saidGone
	}
	next, err := q.next(&p)
	if err != nil {
		s.failed(c, err)
		return
	}
	t := q.trail.without(p)
	if next != nil {
		t = t.without(*next)
	}
	c.Redirect(http.StatusSeeOther, s.link(t.URL(next, "said", said)))
}

// reviewHeld keeps questions for a reviewer who still looks at them.
func (s *Server) reviewHeld(c *gin.Context) {
	q, ok := s.reviewQueueOf(c, func(string) string { return "" })
	if !ok {
		return
	}
	for _, text := range []string{c.Query("question"), c.Query("next")} {
		p, ok := parseReviewPlace(text)
		if !ok {
			continue
		}
		open, err := q.isOpen(p)
		if err != nil {
			s.failed(c, err)
			return
		}
		if open {
			q.hold(p)
		}
	}
	c.Header("Cache-Control", "no-store")
	c.Status(http.StatusNoContent)
}

// openCover opens the picture by which a person is shown.
func (s *Server) openCover(c *gin.Context, to *client.Client, person int64, size int, tag *string) (*http.Response, error) {
	ctx := c.Request.Context()
	who, err := s.store.Profile(ctx, person)
	if err != nil && faces.ErrorCode(err) != faces.CodeMissing {
		return nil, err
	}
	if err != nil || who.Cover == 0 {
		return nil, &api.Error{Code: api.CodeNotFound, Status: http.StatusNotFound, Message: "there is no known picture of this person"}
	}
	return to.OpenKnownPicture(ctx, person, who.Cover, api.GetKnownPictureParams{Size: &size, IfNoneMatch: tag})
}

// maxFollowed is how many images one request asks about.
const maxFollowed = 100

// reviewFollowed counts those of some images that show a person, as the rule decided and
// nobody said. They followed the answer that made the person known.
func (s *Server) reviewFollowed(c *gin.Context) {
	person, err := strconv.ParseInt(c.Query("person"), 10, 64)
	ids := splitIDs(c.Query("images"))
	if err != nil || person < 1 || len(ids) > maxFollowed {
		c.Status(http.StatusBadRequest)
		return
	}
	images, err := s.store.SomeImages(c.Request.Context(), ids)
	if err != nil {
		s.failed(c, err)
		return
	}
	followed := []int64{}
	for _, img := range images {
		for _, f := range img.Faces {
			if f.Person != nil && f.Person.ID == person && !f.Confirmed {
				followed = append(followed, img.ID)
				break
			}
		}
	}
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, gin.H{"images": followed})
}
