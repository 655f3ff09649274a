package frontend

import (
	"context"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

// reviewUndone is an answer to undo: a change of a group, or corrections, and a known
// picture that came with one.
type reviewUndone struct {
	change          int64
	corrections     []int64
	person, picture int64
}

// parseReviewUndo reads g12, c45, c45_46, or c45k7-99.
func parseReviewUndo(text string) (u reviewUndone, ok bool) {
	if len(text) < 2 || len(text) > 20*(reviewCrops+2) {
		return u, false
	}
	number := func(text string, n *int64) bool {
		var err error
		*n, err = strconv.ParseInt(text, 10, 64)
		return err == nil && *n > 0
	}
	if text[0] == 'g' {
		return u, number(text[1:], &u.change)
	}
	corrections, known, enrolled := strings.Cut(text[1:], "k")
	for part := range strings.SplitSeq(corrections, "_") {
		var id int64
		if !number(part, &id) {
			return u, false
		}
		u.corrections = append(u.corrections, id)
	}
	person, picture, _ := strings.Cut(known, "-")
	return u, text[0] == 'c' && (!enrolled || number(person, &u.person) && number(picture, &u.picture))
}

// reviewUndo takes an answer back, and leads to its question.
func (s *Server) reviewUndo(c *gin.Context) {
	u, ok := parseReviewUndo(c.PostForm("undo"))
	switch {
	case !ok:
		s.problem(c, pageMissing())
		return
	case !s.mayChange(c):
		s.problem(c, readOnly())
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), answerFor)
	defer cancel()
	if err := u.undo(ctx, s.actAs(c)); err != nil {
		s.refusedBy(c, err)
		return
	}
	t := parseReviewTrail(c.PostForm)
	to := t.URL(nil, "said", saidUndone)
	if p, ok := parseReviewPlace(c.PostForm("back")); ok {
		to = t.without(p).URL(&p, "said", saidUndone)
	}
	s.reviewReply(c, to, reviewReply{State: saidUndone, Text: s.words("review.undone")})
}

func (u reviewUndone) undo(ctx context.Context, to *client.Client) error {
	if u.change != 0 {
		_, err := to.UndoGroupChange(ctx, u.change)
		return err
	}
	for _, id := range u.corrections {
		if _, err := to.UndoCorrection(ctx, id); err != nil {
			return err
		}
	}
	if u.picture == 0 {
		return nil
	}
	err := to.DeleteKnownPicture(ctx, u.person, u.picture)
	if isAPI(err, api.CodeNotFound) {
		return nil // somebody has deleted it
	}
	return err
}
