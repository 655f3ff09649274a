package frontend

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

// personForm is a change of a person that a form asks for.
type personForm struct {
	api     *client.Client
	id      int64
	version int64 // of the person, as the user has seen them
	param   func(name string) string
	form    func(name string) string
}

// number returns a field that is an id or a version.
func (f personForm) number(name string) (int64, error) {
	n, err := strconv.ParseInt(f.form(name), 10, 64)
	if err != nil || n < 0 {
		return 0, api.Errorf(api.CodeInvalidRequest, "%s must be a whole number; load the page again", name)
	}
	return n, nil
}

// back returns the address of the person's page, which says what was done. pairs are
// names and values of its query.
func (f personForm) back(said string, pairs ...string) string {
	values := url.Values{"said": {said}}
	if place := f.form("faces"); place != "" {
		values.Set("faces", place)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return personURL(f.id) + "?" + values.Encode()
}

// personAct has the receiver do what a form asks for, and returns where to go then.
type personAct func(context.Context, personForm) (to string, err error)

// changePerson returns a handler that changes a person, and leads to a page that says
// what was done.
func (s *Server) changePerson(do personAct) gin.HandlerFunc {
	return func(c *gin.Context) {
		f, ok := s.readPersonForm(c)
		if !ok {
			return
		}
		to, err := do(c.Request.Context(), f)
		s.peopleIndex.forget()
		if err != nil {
			s.personRefused(c, err)
			return
		}
		s.goTo(c, to)
	}
}

// readPersonForm reads a form. If it returns false, the request is answered.
func (s *Server) readPersonForm(c *gin.Context) (f personForm, ok bool) {
	id, ok := pathID(c, "id")
	switch {
	case !ok:
		s.problem(c, pageMissing())
		return f, false
	case !s.mayChange(c):
		s.problem(c, readOnly())
		return f, false
	}
	f = personForm{api: s.actAs(c), id: id, param: c.Param, form: c.PostForm}
	if f.api == nil {
		s.problem(c, readOnly())
		return f, false
	}
	var err error
	if c.PostForm("version") != "" {
		if f.version, err = f.number("version"); err != nil {
			s.personRefused(c, err)
			return f, false
		}
	}
	return f, true
}

// personRefused answers with the error of a call of the receiver about a person.
func (s *Server) personRefused(c *gin.Context, err error) {
	var said *api.Error
	if errors.As(err, &said) {
		switch said.Code {
		case api.CodeStale:
			s.problem(c, personStale())
			return
		case api.CodeNotFound:
			s.problem(c, personMissing())
			return
		}
	}
	s.refusedBy(c, err)
}

// personStale is for whoever has looked at an older version of a person.
func personStale() problem {
	return problem{
		Code: http.StatusPreconditionFailed, Title: "Somebody has changed this person meanwhile",
		Text: "Nothing was saved. Look at the person as they are now, and do it again if it still makes sense.",
	}
}

func noKnownPicture() error {
	return &api.Error{Code: api.CodeNotFound, Status: http.StatusNotFound, Message: "there is no such known picture"}
}

func knownParams(size int, tag *string) api.GetKnownPictureParams {
	return api.GetKnownPictureParams{Size: &size, IfNoneMatch: tag}
}

// addPerson adds a person.
func (s *Server) addPerson(c *gin.Context) {
	to := s.actAs(c)
	if to == nil || !s.mayChange(c) {
		s.problem(c, readOnly())
		return
	}
	name := strings.TrimSpace(c.PostForm("name"))
	if name == "" {
		s.problem(c, notDone(http.StatusBadRequest, "a person needs a name"))
		return
	}
	p, err := to.CreatePerson(c.Request.Context(), name)
	s.peopleIndex.forget()
	if err != nil {
		s.personRefused(c, err)
		return
	}
	s.goTo(c, personURL(p.ID)+"?said=added")
}

func renamePerson(ctx context.Context, f personForm) (string, error) {
	name := strings.TrimSpace(f.form("name"))
	if name == "" {
		return "", api.Errorf(api.CodeInvalidRequest, "a person needs a name")
	}
	_, err := f.api.ChangePerson(ctx, f.id, f.version, api.PersonChange{Name: &name})
	return f.back("renamed", "was", f.form("was")), err
}

func hidePerson(ctx context.Context, f personForm) (string, error) {
	hidden := f.form("hidden") == "true"
	_, err := f.api.ChangePerson(ctx, f.id, f.version, api.PersonChange{Hidden: &hidden})
	if hidden {
		return f.back("hidden"), err
	}
	return f.back("shown"), err
}

func chooseCover(ctx context.Context, f personForm) (string, error) {
	cover, err := f.number("cover")
	if err != nil {
		return "", err
	}
	_, err = f.api.ChangePerson(ctx, f.id, f.version, api.PersonChange{Cover: &cover})
	return f.back("cover", "was", f.form("was")), err
}

// sayOfFace says that a face is the person, or that it is not.
func sayOfFace(ctx context.Context, f personForm) (string, error) {
	face, err := f.number("face")
	if err != nil {
		return "", err
	}
	var done api.CorrectedFace
	if seen := f.form("image_version"); f.form("says") == "yes" {
		done, err = f.api.AssignFaceIf(ctx, face, api.FaceAssignment{PersonID: &f.id}, seen)
	} else {
		done, err = f.api.ExcludeFaceIf(ctx, face, f.id, seen)
	}
	if err != nil {
		return "", faceError(err)
	}
	return f.back("face", "image", strconv.FormatInt(done.Image.ID, 10), "correction", strconv.FormatInt(done.Correction.ID, 10)), nil
}

func undoOfPerson(ctx context.Context, f personForm) (string, error) {
	id, err := f.number("correction")
	if err != nil {
		return "", err
	}
	_, err = f.api.UndoCorrectionIf(ctx, id, f.form("image_version"))
	return f.back("undone"), faceError(err)
}

// faceError says of a stale picture that it is the picture, and not the person.
func faceError(err error) error {
	var said *api.Error
	if errors.As(err, &said) && (said.Code == api.CodeStale || said.Code == api.CodeNotFound) {
		return &api.Error{
			Code: api.CodeConflict, Status: http.StatusPreconditionFailed,
			Message: "somebody has changed this picture meanwhile. Look at the face as it is now, and say it again if it is still true",
		}
	}
	return err
}

func setConsent(ctx context.Context, f personForm) (string, error) {
	consent := api.NewConsent{Basis: api.ConsentBasis(f.form("basis"))}
	if text := f.form("until"); text != "" {
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return "", api.Errorf(api.CodeInvalidRequest, "“until” is not a day such as 2027-06-30")
		}
		end := day.AddDate(0, 0, 1) // the day itself counts
		consent.Until = &end
	}
	_, err := f.api.SetConsent(ctx, f.id, consent)
	return f.back("consent"), err
}

func withdrawConsent(ctx context.Context, f personForm) (string, error) {
	_, err := f.api.WithdrawConsent(ctx, f.id)
	return f.back("withdrawn"), err
}

func deleteKnown(ctx context.Context, f personForm) (string, error) {
	picture, err := strconv.ParseInt(f.param("picture"), 10, 64)
	if err != nil || picture < 1 {
		return "", noKnownPicture()
	}
	return f.back("known-deleted"), f.api.DeleteKnownPicture(ctx, f.id, picture)
}

func deletePerson(ctx context.Context, f personForm) (string, error) {
	_, err := f.api.DeletePerson(ctx, f.id, f.version)
	return "/people?said=deleted", err
}

func mergePerson(ctx context.Context, f personForm) (string, error) {
	other, err := f.number("other")
	if err != nil {
		return "", err
	}
	seen, err := f.number("other_version")
	if err != nil {
		return "", err
	}
	done, err := f.api.MergePeople(ctx, f.id, f.version, api.MergeRequest{PersonID: other, Version: seen})
	return f.back("merged", "merge", strconv.FormatInt(done.Merge.ID, 10)), err
}

func unmergePerson(ctx context.Context, f personForm) (string, error) {
	merge, err := f.number("merge")
	if err != nil {
		return "", err
	}
	_, err = f.api.UndoMerge(ctx, merge)
	return f.back("unmerged", "merge", strconv.FormatInt(merge, 10)), err
}
