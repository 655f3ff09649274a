package compreface

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// named is a subject in a request or an answer.
type named struct {
	Subject string `json:"subject"`
}

// deleted is how many things were deleted.
type deleted struct {
	Deleted int `json:"deleted"`
}

// everybody selects all people: CompreFace does not know hidden ones.
var everybody = store.PeopleFilter{All: true}

func (h *Handlers) listSubjects(c *gin.Context) error {
	people, err := h.store.Profiles(c.Request.Context(), everybody)
	if err != nil {
		return err
	}
	names := make([]string, len(people))
	for i, p := range people {
		names[i] = p.DisplayName()
	}
	return ok(c, map[string][]string{"subjects": names})
}

func (h *Handlers) addSubject(c *gin.Context) error {
	name, err := readName(c)
	if err != nil {
		return err
	}
	p, err := h.store.AddPerson(c.Request.Context(), name)
	if faces.ErrorCode(err) == faces.CodeConflict {
		return problemf(codeSubjectIs, "%s", faces.ErrorMessage(err))
	}
	if err != nil {
		return err
	}
	c.JSON(http.StatusCreated, named{Subject: p.DisplayName()})
	return nil
}

func readName(c *gin.Context) (string, error) {
	var body named
	if err := readObject(c, &body); err != nil {
		return "", err
	}
	if strings.TrimSpace(body.Subject) == "" {
		return "", problemf(codeInvalid, `the subject is empty; send {"subject":"NAME"}`)
	}
	return body.Subject, nil
}

// renameSubject renames a person, or merges them with the one who has the new name.
func (h *Handlers) renameSubject(c *gin.Context) error {
	ctx := c.Request.Context()
	p, err := h.personOf(ctx, pathName(c))
	if err != nil {
		return err
	}
	name, err := readName(c)
	if err != nil {
		return err
	}
	switch other, there, err := h.find(ctx, name); {
	case err != nil:
		return err
	case there && other.ID != p.ID:
		_, _, err := h.store.MergePeople(ctx, store.MergeRequest{
			Person: other.ID, PersonVersion: faces.AnyVersion, Merged: p.ID, MergedVersion: faces.AnyVersion,
		})
		if err != nil {
			return err
		}
	default:
		if _, err := h.store.ChangePerson(ctx, p.ID, faces.AnyVersion, faces.ProfileChange{Name: &name}); err != nil {
			return err
		}
	}
	return ok(c, map[string]bool{"updated": true})
}

func (h *Handlers) deleteSubject(c *gin.Context) error {
	ctx := c.Request.Context()
	p, err := h.personOf(ctx, pathName(c))
	if err != nil {
		return err
	}
	if err := h.pictures.RemovePerson(ctx, p.ID); err != nil {
		return err
	}
	return ok(c, named{Subject: p.DisplayName()})
}

// deleteSubjects deletes everybody. What looks like the name of one person that got
// lost is refused.
func (h *Handlers) deleteSubjects(c *gin.Context) error {
	ctx := c.Request.Context()
	if endsWithSlash(c) {
		return problemf(codeInvalid, "the name of the subject is empty; leave out the slash at the end to delete everybody")
	}
	if _, there := queryOf(c.Request.URL.RawQuery)["subject"]; there {
		return problemf(codeInvalid, "this call deletes everybody and has no parameter subject; for one person, send DELETE /api/v1/recognition/subjects/NAME")
	}
	people, err := h.store.Profiles(ctx, everybody)
	if err != nil {
		return err
	}
	n := 0
	for _, p := range people {
		switch err := h.pictures.RemovePerson(ctx, p.ID); {
		case faces.ErrorCode(err) == faces.CodeMissing: // somebody else was faster
		case err != nil:
			return err
		default:
			n++
		}
	}
	return ok(c, deleted{Deleted: n})
}

// pathName returns the name in a request's path, which may have slashes.
func pathName(c *gin.Context) string { return strings.TrimPrefix(c.Param("name"), "/") }

// find returns the person of a name.
func (h *Handlers) find(ctx context.Context, name string) (faces.Profile, bool, error) {
	if strings.TrimSpace(name) == "" {
		return faces.Profile{}, false, nil
	}
	people, err := h.store.Profiles(ctx, store.PeopleFilter{Name: name, All: true, Limit: 1})
	if err != nil || len(people) == 0 {
		return faces.Profile{}, false, err
	}
	return people[0], true, nil
}

// personOf returns the person of a name, or the error that there is none.
func (h *Handlers) personOf(ctx context.Context, name string) (faces.Profile, error) {
	p, there, err := h.find(ctx, name)
	if err == nil && !there {
		err = errNoSubject(name)
	}
	return p, err
}
