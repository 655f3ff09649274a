package receiver

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// PeopleStore is the part of the database with people and their known pictures.
type PeopleStore interface {
	Profiles(ctx context.Context, f store.PeopleFilter) ([]faces.Profile, error)
	Profile(ctx context.Context, id int64) (faces.Profile, error)
	AddPerson(ctx context.Context, name string) (faces.Profile, error)
	ChangePerson(ctx context.Context, id, version int64, change faces.ProfileChange) (faces.Profile, error)
	DeletePerson(ctx context.Context, id, version int64) (store.Removed, error)
	MergePeople(ctx context.Context, r store.MergeRequest) (faces.Merge, faces.Profile, error)
	UndoMerge(ctx context.Context, id int64) (faces.Merge, faces.Profile, error)
	Merges(ctx context.Context, person int64) ([]faces.Merge, error)

	KnownPictures(ctx context.Context, person, after int64, limit int) ([]faces.Enrolled, error)
	KnownPictureOf(ctx context.Context, person int64, name string) (e faces.Enrolled, ok bool, err error)
	AddKnownPicture(ctx context.Context, e faces.Enrolled) (done faces.Enrolled, added bool, err error)
	DeleteKnownPicture(ctx context.Context, person, id int64) (faces.Enrolled, error)
	ListedPictures(ctx context.Context, names []string) (map[string]bool, error)

	PublicPicture(ctx context.Context, publicID string) (store.PublicPicture, error)
	PublicPictures(ctx context.Context, person int64, offset, limit int) (list []store.PublicPicture, total int64, err error)
}

func (s *Server) listPeople(c *gin.Context) error {
	after, limit, err := httpapi.ReadPage(c, "a person")
	if err != nil {
		return err
	}
	f := store.PeopleFilter{Name: c.Query("name"), Query: c.Query("q"), After: after, Limit: limit + 1}
	switch v := c.Query("hidden"); v {
	case "", "false":
	case "true":
		hidden := true
		f.Hidden = &hidden
	case "all":
		f.All = true
	default:
		return api.Errorf(api.CodeInvalidRequest, `"hidden" must be true, false or all, not %q`, httpapi.Shorten(v))
	}
	list, err := s.store.Profiles(c.Request.Context(), f)
	if err != nil {
		return err
	}
	page, next := httpapi.CutPage(list, limit, func(p faces.Profile) int64 { return p.ID })
	c.JSON(http.StatusOK, api.PersonList{People: mapped(page, wireProfile), Next: next})
	return nil
}

func (s *Server) createPerson(c *gin.Context) error {
	var body api.NewPerson
	if err := httpapi.ReadStrictJSON(c, &body); err != nil {
		return err
	}
	p, err := s.store.AddPerson(c.Request.Context(), body.Name)
	if err != nil {
		return err
	}
	s.log.Info("person added", "person", p.ID, "request_id", httpapi.RequestID(c))
	c.Header("Location", fmt.Sprintf("%s/api/v1/people/%d", s.opts.BasePath, p.ID))
	showProfile(c, http.StatusCreated, p)
	return nil
}

func (s *Server) getPerson(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a person")
	if err != nil {
		return err
	}
	p, err := s.store.Profile(c.Request.Context(), id)
	if err != nil {
		return err
	}
	showProfile(c, http.StatusOK, p)
	return nil
}

func (s *Server) changePerson(c *gin.Context) error {
	id, version, err := readVersion(c)
	if err != nil {
		return err
	}
	var body api.PersonChange
	if err := httpapi.ReadStrictJSON(c, &body); err != nil {
		return err
	}
	p, err := s.store.ChangePerson(c.Request.Context(), id, version, faces.ProfileChange{Name: body.Name, Hidden: body.Hidden, Cover: body.Cover})
	if err != nil {
		return err
	}
	s.log.Info("person changed", "person", id, "request_id", httpapi.RequestID(c))
	showProfile(c, http.StatusOK, p)
	return nil
}

func (s *Server) deletePerson(c *gin.Context) error {
	id, version, err := readVersion(c)
	if err != nil {
		return err
	}
	body, err := s.removePerson(c.Request.Context(), id, version)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, body)
	return nil
}

// removePerson deletes a person, and the files that Rollcall wrote of them.
func (s *Server) removePerson(ctx context.Context, id, version int64) (api.DeletedPerson, error) {
	gone, err := s.store.DeletePerson(ctx, id, version)
	if err != nil {
		return api.DeletedPerson{}, err
	}
	s.log.Info("person deleted", "person", id, "images", gone.Images, "request_id", requestOf(ctx))
	body := api.DeletedPerson{Images: gone.Images, LeftFiles: []string{}}
	for _, e := range gone.Pictures {
		if !e.Source.Written() {
			body.LeftFiles = append(body.LeftFiles, e.Name)
			continue
		}
		// A file that stays is swept away within hours, see sweepKnown.
		if err := s.known.remove(ctx, e.Name, s.store.ListedPictures); err != nil {
			s.log.Warn("a known picture of a deleted person is still there", "error", err, "request_id", requestOf(ctx))
			continue
		}
		body.DeletedPictures++
	}
	return body, nil
}

func (s *Server) mergePeople(c *gin.Context) error {
	id, version, err := readVersion(c)
	if err != nil {
		return err
	}
	var body api.MergeRequest
	if err := httpapi.ReadStrictJSON(c, &body); err != nil {
		return err
	}
	if body.PersonID < 1 {
		return api.Errorf(api.CodeInvalidRequest, `who is merged? send {"person_id":7,"version":2}`)
	}
	r := store.MergeRequest{Person: id, PersonVersion: version, Merged: body.PersonID, MergedVersion: body.Version}
	if body.Name != nil {
		r.Name = *body.Name
	}
	m, p, err := s.store.MergePeople(c.Request.Context(), r)
	if err != nil {
		return err
	}
	s.log.Info("people merged", "merge", m.ID, "person", id, "merged", body.PersonID, "images", m.Images, "request_id", httpapi.RequestID(c))
	return showMerge(c, m, p)
}

func (s *Server) undoMerge(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a merge")
	if err != nil {
		return err
	}
	m, p, err := s.store.UndoMerge(c.Request.Context(), id)
	if err != nil {
		return err
	}
	s.log.Info("merge undone", "merge", id, "request_id", httpapi.RequestID(c))
	return showMerge(c, m, p)
}

func (s *Server) listMerges(c *gin.Context) error {
	id, err := httpapi.PathID(c, "a person")
	if err != nil {
		return err
	}
	list, err := s.store.Merges(c.Request.Context(), id)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, api.MergeList{Merges: mapped(list, wireMerge)})
	return nil
}

// readVersion returns the person's id of a request's path, and the version that
// its If-Match names.
func readVersion(c *gin.Context) (id, version int64, err error) {
	if id, err = httpapi.PathID(c, "a person"); err != nil {
		return 0, 0, err
	}
	tag, anything, err := httpapi.ReadIfMatch(c)
	if err != nil {
		return 0, 0, err
	}
	if anything {
		return id, faces.AnyVersion, nil
	}
	version, err = strconv.ParseInt(tag, 10, 64)
	if err != nil || version < 0 {
		return 0, 0, api.Errorf(api.CodeStale, "%q is no ETag of a person; read the person again", httpapi.Shorten(tag))
	}
	return id, version, nil
}

func etag(version int64) string { return strconv.Quote(strconv.FormatInt(version, 10)) }

func showProfile(c *gin.Context, status int, p faces.Profile) {
	c.Header("ETag", etag(p.Version))
	c.JSON(status, wireProfile(p))
}

func showMerge(c *gin.Context, m faces.Merge, p faces.Profile) error {
	c.Header("ETag", etag(p.Version))
	c.JSON(http.StatusOK, api.MergedPerson{Merge: wireMerge(m), Person: wireProfile(p)})
	return nil
}
