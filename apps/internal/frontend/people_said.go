package frontend

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// personSaid is what was just done to a person, and how to undo it.
type personSaid struct {
	Text   string
	Link   string // URL of what it is about; "" for none
	Undo   string // where the form of an undo goes; "" if there is none
	Fields []field
}

// field is a hidden field of a form.
type field struct{ Name, Value string }

// personNotice says what the address of a page says was done. It believes nothing that
// the store does not say, too: anybody can write an address.
func (s *Server) personNotice(c *gin.Context, p faces.Profile, merges []faces.Merge) (*personSaid, error) {
	to, version := personURL(p.ID), field{"version", strconv.FormatInt(p.Version, 10)}
	name := isolated(personName(p.Person))
	switch c.Query("said") {
	case "added":
		return &personSaid{Text: s.words("said.added", name)}, nil
	case "renamed":
		return s.saidRenamed(c, p)
	case "hidden":
		return &personSaid{Text: s.words("said.hidden", name), Undo: to + "/hidden", Fields: []field{version, {"hidden", "false"}}}, nil
	case "shown":
		return &personSaid{Text: s.words("said.shown", name), Undo: to + "/hidden", Fields: []field{version, {"hidden", "true"}}}, nil
	case "cover":
		was, _ := readID("was", c.Query("was"), "a known picture's id")
		return &personSaid{Text: s.words("said.cover"), Undo: to + "/cover", Fields: []field{version, {"cover", strconv.FormatInt(was, 10)}}}, nil
	case "face":
		return s.saidOfFace(c, p)
	case "undone":
		return &personSaid{Text: s.words("said.undone")}, nil
	case "consent":
		return &personSaid{Text: s.words("said.consent")}, nil
	case "withdrawn":
		return &personSaid{Text: s.words("said.withdrawn")}, nil
	case "known-deleted":
		return &personSaid{Text: s.words("said.known.deleted")}, nil
	case "known-added":
		return s.saidKnownAdded(c.Request.Context(), p, c.Query("picture"))
	case "merged", "unmerged":
		return s.saidMerged(p, merges, c.Query("merge")), nil
	default:
		return nil, nil
	}
}

func (s *Server) saidRenamed(c *gin.Context, p faces.Profile) (*personSaid, error) {
	said := &personSaid{Text: s.words("said.renamed", isolated(personName(p.Person)))}
	was := c.Query("was")
	known, err := s.store.WasNamed(c.Request.Context(), p.ID, was)
	if known && was != p.Name {
		said.Undo = personURL(p.ID) + "/rename"
		said.Fields = []field{{"version", strconv.FormatInt(p.Version, 10)}, {"name", was}, {"was", p.Name}}
	}
	return said, err
}

func (s *Server) saidKnownAdded(ctx context.Context, p faces.Profile, text string) (*personSaid, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return &personSaid{Text: s.words("said.known.added.many")}, nil
	}
	list, err := s.store.KnownPictures(ctx, p.ID, id-1, 1)
	if err != nil || len(list) == 0 || list[0].ID != id {
		return nil, err
	}
	return &personSaid{Text: s.words("said.known.added"), Undo: personURL(p.ID) + "/known/" + text + "/delete"}, nil
}

// saidOfFace says what was said about a face of a person.
func (s *Server) saidOfFace(c *gin.Context, p faces.Profile) (*personSaid, error) {
	image, _ := strconv.ParseInt(c.Query("image"), 10, 64)
	id, _ := strconv.ParseInt(c.Query("correction"), 10, 64)
	if image < 1 || id < 1 {
		return nil, nil
	}
	ctx := c.Request.Context()
	list, err := s.store.ImageCorrections(ctx, image)
	if faces.ErrorCode(err) == faces.CodeMissing {
		return nil, nil
	}
	for _, one := range list {
		if one.ID != id || one.Person.ID != p.ID || !one.UndoneAt.IsZero() {
			continue
		}
		img, err := s.store.Image(ctx, image)
		if err != nil {
			return nil, err
		}
		said := &personSaid{
			Text: s.words("said.face", statement(one.Correction), s.shownName(img)),
			Link: query{personID: p.ID}.image(image), Undo: personURL(p.ID) + "/undo",
			Fields: []field{{"correction", strconv.FormatInt(id, 10)}, {"image_version", img.Version}},
		}
		if place := c.Query("faces"); place != "" {
			said.Fields = append(said.Fields, field{"faces", place})
		}
		return said, nil
	}
	return nil, err
}

func (s *Server) saidMerged(p faces.Profile, merges []faces.Merge, text string) *personSaid {
	id, _ := strconv.ParseInt(text, 10, 64)
	at := slices.IndexFunc(merges, func(m faces.Merge) bool { return m.ID == id })
	if at < 0 {
		return nil
	}
	m := merges[at]
	other, name := isolated(personName(m.Merged)), isolated(personName(p.Person))
	if !m.UndoneAt.IsZero() {
		return &personSaid{Text: s.words("said.unmerged", other), Link: personURL(m.Merged.ID)}
	}
	return &personSaid{
		Text: s.words("said.merged", other, name), Undo: personURL(p.ID) + "/unmerge",
		Fields: []field{{"merge", strings.TrimSpace(text)}},
	}
}
