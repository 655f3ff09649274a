package frontend

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// reviewUndone is an answer to undo: a change of a group, or corrections, and a known
// picture that came with one.
type reviewUndone struct {
	change          int64
	corrections     []int64
	person, picture int64
	named           int64 // whom the answer named; undoable finds it
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
	ctx, cancel := changeContext(c)
	defer cancel()
	left, _, err := s.undoable(ctx, u)
	switch {
	case errors.Is(err, errTooLate):
		s.problem(c, problem{Code: http.StatusConflict, Title: s.words("review.late"), Text: s.words("review.late.text")})
		return
	case err != nil:
		s.failed(c, err)
		return
	}
	if err := left.undo(ctx, s.actAs(c)); err != nil {
		s.refusedBy(c, err)
		return
	}
	t := parseReviewTrail(c.PostForm)
	to := t.URL(nil, "said", saidUndone)
	if p, ok := parseReviewPlace(c.PostForm("back")); ok {
		to = t.without(p).URL(&p, "said", saidUndone)
	}
	s.reviewReply(c, to, reviewReply{State: saidUndone, Text: s.words("review.undone") + s.emptied(ctx, left.named)})
}

// emptied says that nothing is left of a person, whose name was perhaps a mistake; else it
// returns "".
func (s *Server) emptied(ctx context.Context, person int64) string {
	if person == 0 {
		return ""
	}
	p, err := s.store.Profile(ctx, person)
	if err != nil || p.KnownPictures > 0 {
		return ""
	}
	page, err := s.store.PageOfImages(ctx, store.Filter{PersonID: person, Limit: 1, Scan: personLooked})
	if err != nil || len(page.Images) > 0 || page.Next != 0 {
		return ""
	}
	return " " + s.words("review.emptied", s.isolatedName(p.Person))
}

const (
	// undoFor is how long after an answer the review undoes it.
	undoFor = 30 * time.Minute
	// knownWithin is how long after a correction its face may have become a known picture
	// of the same answer, and clockSkew how far the clocks of two receivers may differ.
	knownWithin = time.Minute
	clockSkew   = 5 * time.Second
)

// errTooLate means that there is no such answer, or that it is old or undone.
var errTooLate = errors.New("the answer cannot be undone by the review")

func (s *Server) isRecent(at time.Time) bool { return s.opts.Now().Sub(at) <= undoFor }

// undoable returns what of an answer is left to undo, and what the answer did. Nobody has
// to have given the answer: anybody can make up its key. So this trusts only the store.
func (s *Server) undoable(ctx context.Context, u reviewUndone) (left reviewUndone, done reviewDone, err error) {
	if u.change != 0 {
		u.named, done, err = s.undoableChange(ctx, u.change)
		return u, done, err
	}
	list, err := s.store.CorrectionsByID(ctx, u.corrections)
	if err != nil {
		return left, done, err
	}
	for _, c := range list {
		if !s.isRecent(c.CreatedAt) {
			continue
		}
		if c.UndoneAt.IsZero() {
			left.corrections = append(left.corrections, c.ID)
		}
		if !c.Not && c.Kind == faces.AboutPerson {
			left.named = c.Person.ID
		}
		if !c.Not {
			done.faces, done.pictures = done.faces+1, done.pictures+1
		}
		if u.picture == 0 || left.picture != 0 {
			continue
		}
		came, err := s.cameWith(ctx, u, c)
		if err != nil {
			return left, done, err
		}
		if came {
			left.person, left.picture = u.person, u.picture
		}
	}
	if len(left.corrections) == 0 && left.picture == 0 {
		return left, done, errTooLate
	}
	return left, done, nil
}

func (s *Server) undoableChange(ctx context.Context, id int64) (named int64, done reviewDone, err error) {
	change, err := s.store.GroupChange(ctx, id)
	if err != nil {
		if faces.ErrorCode(err) == faces.CodeMissing {
			err = errTooLate
		}
		return 0, reviewDone{}, err
	}
	if change.Person != nil {
		named = change.Person.ID
	}
	at, err := s.store.GroupChangedAt(ctx, id)
	if err == nil && (change.Undone || change.Says == store.GroupApart || !s.isRecent(at)) {
		err = errTooLate
	}
	return named, reviewDone{faces: change.Faces, pictures: len(change.Images)}, err
}

// cameWith reports whether a known picture was cut from the face of a correction, right
// after it: then both are of one answer.
func (s *Server) cameWith(ctx context.Context, u reviewUndone, c faces.Correction) (bool, error) {
	if c.Not || c.Kind != faces.AboutPerson || c.Person.ID != u.person {
		return false, nil
	}
	known, err := s.store.KnownPictures(ctx, u.person, u.picture-1, 1)
	if faces.ErrorCode(err) == faces.CodeMissing {
		return false, nil
	}
	if err != nil || len(known) == 0 || known[0].ID != u.picture || known[0].FaceID == 0 {
		return false, err
	}
	later := known[0].AddedAt.Sub(c.CreatedAt)
	if later < -clockSkew || later > knownWithin {
		return false, nil
	}
	placed, err := s.store.ImageCorrections(ctx, c.ImageID)
	if faces.ErrorCode(err) == faces.CodeMissing {
		return false, nil
	}
	for _, p := range placed {
		if p.ID == c.ID {
			return p.FaceID == known[0].FaceID, nil
		}
	}
	return false, err
}

// undo takes back all that it can. What is gone needs no undo; what fails is told of, and
// can be tried again.
func (u reviewUndone) undo(ctx context.Context, to *client.Client) error {
	if u.change != 0 {
		_, err := to.UndoGroupChange(ctx, u.change)
		return err
	}
	var failed []error
	for _, id := range u.corrections {
		if _, err := to.UndoCorrection(ctx, id); !isAPI(err, api.CodeNotFound) {
			failed = append(failed, err)
		}
	}
	if u.picture != 0 {
		if err := to.DeleteKnownPicture(ctx, u.person, u.picture); !isAPI(err, api.CodeNotFound) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...) // nil if all are
}
