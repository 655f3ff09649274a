package frontend

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// The pages in this file ask before something is lost or hard to take back. A script
// shows them as dialogs.

// mergeAsk is the question before a merge.
type mergeAsk struct {
	Stays, Goes personHead
	StaysFaces  string
	GoesFaces   string
	Swap        string // URL of the same with both the other way round
}

// askPerson reads the person of a question. If it returns false, the request is answered.
func (s *Server) askPerson(c *gin.Context) (p faces.Profile, ok bool) {
	id, ok := pathID(c, "id")
	switch {
	case !ok:
		s.problem(c, pageMissing())
		return p, false
	case s.actAs(c) == nil || !s.mayChange(c):
		s.problem(c, readOnly())
		return p, false
	}
	return s.profile(c, id)
}

func (s *Server) profile(c *gin.Context, id int64) (p faces.Profile, ok bool) {
	p, err := s.store.Profile(c.Request.Context(), id)
	switch {
	case faces.ErrorCode(err) == faces.CodeMissing:
		s.problem(c, personMissing())
	case err != nil:
		s.failed(c, err)
	}
	return p, err == nil
}

// askMerge asks whether two people are to become one, and which one stays.
func (s *Server) askMerge(c *gin.Context) {
	stays, ok := s.askPerson(c)
	if !ok {
		return
	}
	goes, ok := s.mergedPerson(c)
	if !ok {
		return
	}
	if goes.ID == stays.ID {
		s.problem(c, notValid(http.StatusBadRequest, "form.same"))
		return
	}
	v := mergeAsk{Stays: s.headOf(c, stays, 0), Goes: s.headOf(c, goes, 0)}
	v.Swap = personURL(goes.ID) + "/merge?with=" + strconv.FormatInt(stays.ID, 10)
	var err error
	if v.StaysFaces, err = s.facesOf(c.Request.Context(), stays.ID); err == nil {
		v.GoesFaces, err = s.facesOf(c.Request.Context(), goes.ID)
	}
	if err != nil {
		s.failed(c, err)
		return
	}
	s.render(c, http.StatusOK, "people-merge", page{Title: s.words("merge.title"), Section: "people", Body: v})
}

// facesOf counts the faces of a person, in words.
func (s *Server) facesOf(ctx context.Context, person int64) (string, error) {
	n, err := s.store.CountFaces(ctx, person, personCount)
	if n == personCount {
		return s.counted("person.faces.many", personCount), err
	}
	return s.counted("person.faces", n), err
}

// mergedPerson returns who is to be merged: by id, or by the name that somebody typed.
func (s *Server) mergedPerson(c *gin.Context) (p faces.Profile, ok bool) {
	if id, err := strconv.ParseInt(c.Query("with"), 10, 64); err == nil && id > 0 {
		return s.profile(c, id)
	}
	name, bad := readText("name", strings.TrimSpace(c.Query("name")), faces.MaxNameLength)
	if bad != nil || name == "" {
		s.problem(c, notValid(http.StatusBadRequest, "form.merge"))
		return p, false
	}
	list, err := s.store.Profiles(c.Request.Context(), store.PeopleFilter{Name: name, All: true, Limit: 1})
	switch {
	case err != nil:
		s.failed(c, err)
	case len(list) == 0:
		s.problem(c, notValid(http.StatusNotFound, "form.nobody", visible(name)))
	default:
		return list[0], true
	}
	return p, false
}

// knownAsk is the question before a known picture is deleted.
type knownAsk struct {
	personHead
	Known knownView
	Last  bool // nobody is recognized as the person any more
	Seen  []field
}

func (s *Server) askKnownDeletion(c *gin.Context) {
	p, ok := s.askPerson(c)
	if !ok {
		return
	}
	id, _ := pathID(c, "picture")
	known, err := knownPicture(c.Request.Context(), s.store, p.ID, id)
	if err != nil {
		s.failed(c, err)
		return
	}
	if known == nil {
		s.problem(c, notValid(http.StatusNotFound, "form.knowngone"))
		return
	}
	v := knownAsk{personHead: s.headOf(c, p, 0), Last: p.KnownPictures == 1}
	v.Seen = seenKnown(*known, v.Last)
	v.Known = knownView{ID: id, Picture: personURL(p.ID) + "/known/" + strconv.FormatInt(id, 10)}
	if !known.Source.Written() {
		v.Known.File = visible(known.Name)
	}
	s.render(c, http.StatusOK, "people-known", page{Title: s.words("known.delete.title"), Section: "people", Body: v})
}

// removeAsk is the question before a person is deleted or erased.
type removeAsk struct {
	personHead
	Erase      bool // by an admin; others delete
	Keep       bool // the images
	KeepURL    string
	DeleteURL  string
	Counts     []tallied
	KeptImages int
	Left       []string // files that Rollcall did not write, as shown
}

// tallied is a number of things of one kind.
type tallied struct {
	Label string
	N     int
}

// askRemoval shows what would go.
func (s *Server) askRemoval(c *gin.Context) {
	p, ok := s.askPerson(c)
	if !ok {
		return
	}
	v := removeAsk{personHead: s.headOf(c, p, 0), Keep: c.Query("images") != string(api.EraseDelete)}
	v.KeepURL, v.DeleteURL = v.URL+"/remove", v.URL+"/remove?"+url.Values{"images": {string(api.EraseDelete)}}.Encode()
	if v.Erase = currentUser(c).Role.Includes(access.AdminRole); !v.Erase {
		s.render(c, http.StatusOK, "people-remove", page{Title: s.words("remove.delete.title", v.Name), Section: "people", Body: v})
		return
	}
	plan, err := s.actAs(c).PlanErasure(c.Request.Context(), p.ID, p.Version, imagesPolicy(v.Keep))
	if err != nil {
		s.personRefused(c, err)
		return
	}
	v.Counts, v.KeptImages = s.sortCounts(plan.Counts), len(plan.KeptImages)
	for _, name := range plan.LeftFiles {
		v.Left = append(v.Left, visible(name))
	}
	s.render(c, http.StatusOK, "people-remove", page{Title: s.words("remove.title", v.Name), Section: "people", Body: v})
}

func imagesPolicy(keep bool) api.ErasureImages {
	if keep {
		return api.EraseKeep
	}
	return api.EraseDelete
}

// sortCounts writes counts for people, those of most things first. A newer receiver may count
// things that have no words here.
func (l *language) sortCounts(counts map[string]int) []tallied {
	var list []tallied
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		if counts[key] > 0 {
			list = append(list, tallied{Label: l.wordsOr("erasure.count."+key, visible(key)), N: counts[key]})
		}
	}
	slices.SortStableFunc(list, func(a, b tallied) int { return b.N - a.N })
	return list
}

// erasePerson erases a person and shows the receipt. What files are left is said once
// only: their names may be the person's.
func (s *Server) erasePerson(c *gin.Context) {
	f, ok := s.readPersonForm(c)
	if !ok {
		return
	}
	ctx, cancel := changeContext(c)
	defer cancel()
	done, err := f.api.ErasePerson(ctx, f.id, f.version, imagesPolicy(f.form("images") != string(api.EraseDelete)))
	s.peopleChanged(err)
	if err != nil {
		s.erasureUnanswered(c, f, err)
		return
	}
	if len(done.LeftFiles) == 0 {
		s.goTo(c, "/erasures/"+url.PathEscape(done.Erasure.ID))
		return
	}
	v := s.viewErasure(done.Erasure)
	for _, name := range done.LeftFiles {
		v.Left = append(v.Left, visible(name))
	}
	s.render(c, http.StatusOK, "people-erasure", page{Title: s.words("erasure.title"), Section: "people", Body: v})
}

// receiptTime limits the look for the receipt of an erasure that was not answered.
const receiptTime = 5 * time.Second

// erasureUnanswered answers with the error of an erasure. One that is in the ledger goes on,
// whatever became of the answer: its receipt says how far it is.
func (s *Server) erasureUnanswered(c *gin.Context, f personForm, err error) {
	if isRefusal(err) {
		s.personRefused(c, err)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), receiptTime)
	defer cancel()
	newest, problem := f.api.ListErasures(ctx, api.ListErasuresParams{})
	if problem == nil {
		at := slices.IndexFunc(newest.Erasures, func(e api.Erasure) bool { return e.PersonID == f.id })
		if at >= 0 {
			s.goTo(c, "/erasures/"+url.PathEscape(newest.Erasures[at].ID))
			return
		}
	}
	s.log.ErrorContext(c, "it is not known whether a person was erased", "person", f.id, "error", errors.Join(err, problem))
	s.problem(c, erasureUnknown())
}

// erasureView is the receipt of an erasure.
type erasureView struct {
	ID        string
	URL       string
	PersonID  int64
	Keep      bool
	Steps     []erasureStep
	Done      bool // verified
	Counts    []tallied
	Kept      int
	Left      []string // names of files; only right after the erasure
	LeftFiles int
	Found     []string
}

// erasureStep is a step of an erasure.
type erasureStep struct {
	Label string
	At    moment
	Done  bool
}

// erasure answers with the receipt of an erasure.
func (s *Server) erasure(c *gin.Context) {
	api := s.actAs(c)
	if api == nil {
		s.problem(c, readOnly())
		return
	}
	e, err := api.GetErasure(c.Request.Context(), c.Param("id"))
	if err != nil {
		s.refusedBy(c, err)
		return
	}
	v := s.viewErasure(e)
	s.render(c, http.StatusOK, "people-erasure", page{Title: s.words("erasure.title"), Section: "people", Waiting: !v.Done, Body: v})
}

func (s *Server) viewErasure(e api.Erasure) erasureView {
	v := erasureView{
		ID: e.ID, URL: "/erasures/" + url.PathEscape(e.ID), PersonID: e.PersonID, Keep: e.Images == api.EraseKeep, Counts: s.sortCounts(e.Counts),
		Kept: len(e.KeptImages), LeftFiles: e.LeftFiles, Done: e.VerifiedAt != nil,
	}
	v.Steps = []erasureStep{{Label: s.words("erasure.gone"), At: s.moment(e.CreatedAt), Done: true}, {Label: s.words("erasure.erased")}, {Label: s.words("erasure.verified")}}
	if e.ErasedAt != nil {
		v.Steps[1].At, v.Steps[1].Done = s.moment(*e.ErasedAt), true
	}
	if e.VerifiedAt != nil {
		v.Steps[2].At, v.Steps[2].Done = s.moment(*e.VerifiedAt), true
	}
	for _, place := range e.Found {
		v.Found = append(v.Found, visible(place))
	}
	return v
}

// exportPerson hands the archive of a person on, while the receiver makes it.
func (s *Server) exportPerson(c *gin.Context) {
	id, ok := pathID(c, "id")
	to := s.actAs(c)
	switch {
	case !ok:
		s.problem(c, pageMissing())
		return
	case to == nil:
		s.problem(c, readOnly())
		return
	}
	blur := c.Query("blur") == "true"
	w := &archiveWriter{c: c, name: fmt.Sprintf("person-%d.zip", id)}
	err := to.ExportPerson(c.Request.Context(), id, api.ExportPersonParams{BlurOthers: &blur}, w)
	switch {
	case err == nil && !w.begun:
		s.refusedBy(c, fmt.Errorf("the archive of person %d is empty", id))
	case err != nil && !w.begun:
		s.personRefused(c, err)
	case err != nil:
		s.log.WarnContext(c, "an export broke off; nobody can open a part of it", "person", id, "error", err)
		panic(http.ErrAbortHandler) // or the part would look like a whole
	}
}

// archiveWriter writes the headers of an archive before its first bytes.
type archiveWriter struct {
	c     *gin.Context
	name  string
	begun bool
}

// Write implements io.Writer.
func (w *archiveWriter) Write(p []byte) (int, error) {
	if !w.begun {
		w.begun = true
		w.c.Header("Content-Type", "application/zip")
		w.c.Header("Content-Disposition", `attachment; filename="`+w.name+`"`)
		w.c.Header("Cache-Control", "no-store")
		w.c.Status(http.StatusOK)
	}
	return w.c.Writer.Write(p)
}
