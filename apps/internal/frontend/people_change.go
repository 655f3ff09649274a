package frontend

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// personForm is a change of a person that a form asks for.
type personForm struct {
	api     *client.Client
	store   peopleStore
	id      int64
	version int64 // of the person, as the user has seen them
	param   func(name string) string
	form    func(name string) string
}

// number returns a field that is an id or a version.
func (f personForm) number(name string) (int64, error) {
	n, err := strconv.ParseInt(f.form(name), 10, 64)
	if err != nil || n < 0 {
		return 0, wrong("form.number", name)
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
		ctx, cancel := changeContext(c)
		defer cancel()
		to, err := do(ctx, f)
		s.peopleChanged(err)
		if err != nil {
			s.personRefused(c, err)
			return
		}
		s.goTo(c, to)
	}
}

// peopleChanged makes the list of people show a change that had the error err. After a
// refusal there is nothing to show.
func (s *Server) peopleChanged(err error) {
	if !isRefusal(err) {
		s.peopleIndex.forget()
	}
}

// isRefusal reports whether the receiver has refused a change, so that nothing was done.
func isRefusal(err error) bool {
	var said *api.Error
	return errors.As(err, &said) && said.Status < http.StatusInternalServerError
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
	f = personForm{api: s.actAs(c), store: s.store, id: id, param: c.Param, form: c.PostForm}
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

// errPersonStale is the error of a change that was not asked of the receiver, because what
// the user saw is not true any more.
func errPersonStale() error {
	return &api.Error{Code: api.CodeStale, Status: http.StatusPreconditionFailed, Message: "somebody has changed this person meanwhile"}
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
		s.problem(c, notValid(http.StatusBadRequest, "form.needsname"))
		return
	}
	ctx, cancel := changeContext(c)
	defer cancel()
	p, err := to.CreatePerson(ctx, name)
	s.peopleChanged(err)
	if err != nil {
		s.personRefused(c, err)
		return
	}
	s.goTo(c, personURL(p.ID)+"?said=added")
}

func renamePerson(ctx context.Context, f personForm) (string, error) {
	name := strings.TrimSpace(f.form("name"))
	if name == "" {
		return "", wrong("form.needsname")
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
	return f.back("cover", "cover", strconv.FormatInt(cover, 10), "was", f.form("was")), err
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
		return &mistake{phrase{key: "form.facestale"}, http.StatusPreconditionFailed}
	}
	return err
}

// consentSeen names what somebody sees of a consent. It is another one after each change.
func consentSeen(c faces.Consent) string {
	if c.Person == 0 {
		return "none"
	}
	words := []string{string(c.Basis)}
	for _, at := range []time.Time{c.Recorded, c.From, c.Until, c.Withdrawn} {
		micros := int64(0)
		if !at.IsZero() {
			micros = at.UnixMicro()
		}
		words = append(words, strconv.FormatInt(micros, 10))
	}
	return strings.Join(words, ".")
}

// setConsent records a consent, unless it has changed since the user saw it: an old tab
// must not bring back what was withdrawn. The receiver has no version of a consent, so that
// only a withdrawal in the moment between this look and the write is not noticed.
//
// withdrawConsent looks at nothing: to withdraw is right whatever was recorded meanwhile.
func setConsent(ctx context.Context, f personForm) (string, error) {
	consent := api.NewConsent{Basis: api.ConsentBasis(f.form("basis"))}
	if text := f.form("until"); text != "" {
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return "", wrong("form.until")
		}
		end := day.AddDate(0, 0, 1) // the day itself counts
		consent.Until = &end
	}
	now, _, err := f.store.Consent(ctx, f.id)
	switch {
	case err != nil:
		return "", err
	case f.form("seen") != consentSeen(now):
		return "", errPersonStale()
	}
	_, err = f.api.SetConsent(ctx, f.id, consent)
	return f.back("consent"), err
}

func withdrawConsent(ctx context.Context, f personForm) (string, error) {
	_, err := f.api.WithdrawConsent(ctx, f.id)
	return f.back("withdrawn"), err
}

// seenKnown are the fields of a form that deletes a known picture: what its user saw.
func seenKnown(k faces.Enrolled, last bool) []field {
	return []field{{"seen", knownSeen(k)}, {"last", strconv.FormatBool(last)}}
}

func knownSeen(k faces.Enrolled) string {
	return strconv.FormatInt(k.ID, 10) + "." + strconv.FormatInt(k.AddedAt.UnixMicro(), 10)
}

// deleteKnown deletes a known picture, unless it is another one by now, or has become the
// last one, of which the user was not told.
func deleteKnown(ctx context.Context, f personForm) (string, error) {
	picture, err := strconv.ParseInt(f.param("picture"), 10, 64)
	if err != nil || picture < 1 {
		return "", noKnownPicture()
	}
	p, err := f.store.Profile(ctx, f.id)
	if err != nil {
		return "", err
	}
	known, err := knownPicture(ctx, f.store, f.id, picture)
	switch {
	case err != nil:
		return "", err
	case known == nil, f.form("seen") != knownSeen(*known), p.KnownPictures == 1 && f.form("last") != "true":
		return "", errPersonStale()
	}
	return f.back("known-deleted", "picture", strconv.FormatInt(picture, 10)), f.api.DeleteKnownPicture(ctx, f.id, picture)
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
	merges, err := f.store.Merges(ctx, f.id)
	if err != nil {
		return "", err
	}
	stands := func(m faces.Merge) bool { return m.ID == merge && m.UndoneAt.IsZero() }
	if !slices.ContainsFunc(merges, stands) {
		return "", errPersonStale()
	}
	_, err = f.api.UndoMerge(ctx, merge)
	return f.back("unmerged", "merge", strconv.FormatInt(merge, 10)), err
}
