package frontend

import (
	"context"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// peopleStore is what these pages read of the store.
type peopleStore interface {
	PeopleNeeds(ctx context.Context) ([]store.PersonNeeds, error)
	PeopleCards(ctx context.Context, ids []int64) ([]store.PersonCard, error)
	Profile(ctx context.Context, id int64) (faces.Profile, error)
	Profiles(ctx context.Context, f store.PeopleFilter) ([]faces.Profile, error)
	FacesOfPerson(ctx context.Context, person int64, after store.FacePlace, limit int) (store.ShownFaces, error)
	CountFaces(ctx context.Context, person int64, most int) (int, error)
	KnownPictures(ctx context.Context, person, after int64, limit int) ([]faces.Enrolled, error)
	Consent(ctx context.Context, person int64) (faces.Consent, faces.ConsentState, error)
	Merges(ctx context.Context, person int64) ([]faces.Merge, error)
	WasNamed(ctx context.Context, person int64, name string) (bool, error)
}

// peopleRoutes adds the pages of People and the page of a person.
func (s *Server) peopleRoutes(e *gin.Engine) {
	for path, h := range map[string]gin.HandlerFunc{
		"/people":                    s.people,
		"/people/:id":                s.person,
		"/people/:id/known/:picture": s.picture(cropSide, openKnownByID),
	} {
		e.GET(path, h)
		e.HEAD(path, h)
	}
	reviewer, admin := s.require(access.Reviewer), s.require(access.AdminRole)
	e.GET("/people/:id/merge", reviewer, s.askMerge)
	e.GET("/people/:id/remove", reviewer, s.askRemoval)
	e.GET("/people/:id/known/:picture/delete", reviewer, s.askKnownDeletion)
	e.GET("/erasures/:id", admin, s.erasure)
	e.POST("/people", reviewer, s.addPerson)
	for path, do := range map[string]personAct{
		"rename": renamePerson, "hidden": hidePerson, "cover": chooseCover, "merge": mergePerson, "unmerge": unmergePerson,
		"face": sayOfFace, "undo": undoOfPerson, "consent": setConsent, "withdraw": withdrawConsent, "delete": deletePerson,
		"known/:picture/delete": deleteKnown,
	} {
		e.POST("/people/:id/"+path, reviewer, s.changePerson(do))
	}
	e.POST("/people/:id/erase", admin, s.erasePerson)
}

// peopleLongRoutes adds the routes whose time is that of what is sent.
func (s *Server) peopleLongRoutes(e *gin.Engine) {
	e.POST("/people/:id/known", s.require(access.Reviewer), s.addKnown)
	e.GET("/people/:id/export", s.require(access.AdminRole), s.exportPerson)
}

// personURL returns the address of a person's page.
func personURL(id int64) string { return "/people/" + strconv.FormatInt(id, 10) }

// pathID returns an id of a request's path.
func pathID(c *gin.Context, name string) (id int64, ok bool) {
	id, err := strconv.ParseInt(c.Param(name), 10, 64)
	return id, err == nil && id > 0
}

// openKnownByID opens a known picture of a person.
func openKnownByID(c *gin.Context, to *client.Client, person int64, size int, tag *string) (*http.Response, error) {
	picture, ok := pathID(c, "picture")
	if !ok {
		return nil, noKnownPicture()
	}
	return to.OpenKnownPicture(c.Request.Context(), person, picture, knownParams(size, tag))
}
