package frontend

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// knownUndo is how long after a known picture was added one click takes it back. Later, the
// page asks first.
const knownUndo = 10 * time.Minute

// personSaid is what was just done to a person, and how to undo it.
type personSaid struct {
	Text   string
	Link   string // URL of what it is about; "" for none
	Undo   string // where the form of an undo goes; "" if there is none
	Fields []field
}

// field is a hidden field of a form.
type field struct{ Name, Value string }

// personNotice says what the address of a page says was done, if it is true of v. Anybody
// can write an address, and lead others to it.
func (s *Server) personNotice(c *gin.Context, p faces.Profile, v *personView, merges []faces.Merge) (*personSaid, error) {
	to, version := personURL(p.ID), field{"version", strconv.FormatInt(p.Version, 10)}
	name := s.isolatedName(p.Person)
	switch c.Query("said") {
	case "added":
		if p.KnownPictures > 0 {
			return nil, nil
		}
		return &personSaid{Text: s.words("said.added", name)}, nil
	case "renamed":
		return s.saidRenamed(c, p)
	case "hidden":
		if !p.Hidden {
			return nil, nil
		}
		return &personSaid{Text: s.words("said.hidden", name), Undo: to + "/hidden", Fields: []field{version, {"hidden", "false"}}}, nil
	case "shown":
		if p.Hidden {
			return nil, nil
		}
		return &personSaid{Text: s.words("said.shown", name), Undo: to + "/hidden", Fields: []field{version, {"hidden", "true"}}}, nil
	case "cover":
		return s.saidCover(c, p)
	case "face":
		return s.saidOfFace(c, p)
	case "undone":
		return &personSaid{Text: s.words("said.undone")}, nil
	case "consent":
		return onlyIf(v.Consent.Recorded && v.Consent.Withdrawn == "", s.words("said.consent")), nil
	case "withdrawn":
		return onlyIf(v.Consent.Withdrawn != "", s.words("said.withdrawn")), nil
	case "known-deleted":
		known, err := s.knownOf(c.Request.Context(), p.ID, c.Query("picture"))
		return onlyIf(known == nil, s.words("said.known.deleted")), err
	case "known-added":
		return s.saidKnownAdded(c.Request.Context(), p, c.Query("picture"))
	case "merged", "unmerged":
		return s.saidMerged(p, merges, c.Query("merge")), nil
	default:
		return nil, nil
	}
}

// onlyIf returns a notice with a text, if it is true.
func onlyIf(holds bool, text string) *personSaid {
	if !holds {
		return nil
	}
	return &personSaid{Text: text}
}

// knownOf returns a known picture of a person; nil if they have none with this id.
func (s *Server) knownOf(ctx context.Context, person int64, text string) (*faces.Enrolled, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return nil, nil
	}
	return knownPicture(ctx, s.store, person, id)
}

// knownPicture returns a known picture of a person; nil if they have none with this id.
func knownPicture(ctx context.Context, from peopleStore, person, id int64) (*faces.Enrolled, error) {
	list, err := from.KnownPictures(ctx, person, id-1, 1)
	if err != nil || len(list) == 0 || list[0].ID != id {
		return nil, err
	}
	return &list[0], nil
}

// saidCover says that a cover was chosen, while it still is the cover, and offers the one
// of before, while the person has it.
func (s *Server) saidCover(c *gin.Context, p faces.Profile) (*personSaid, error) {
	if p.Cover == 0 || c.Query("cover") != strconv.FormatInt(p.Cover, 10) {
		return nil, nil
	}
	said := &personSaid{Text: s.words("said.cover")}
	was, err := s.knownOf(c.Request.Context(), p.ID, c.Query("was"))
	if was != nil && was.ID != p.Cover {
		said.Undo = personURL(p.ID) + "/cover"
		said.Fields = []field{
			{"version", strconv.FormatInt(p.Version, 10)}, {"cover", strconv.FormatInt(was.ID, 10)}, {"was", strconv.FormatInt(p.Cover, 10)},
		}
	}
	return said, err
}

func (s *Server) saidRenamed(c *gin.Context, p faces.Profile) (*personSaid, error) {
	said := &personSaid{Text: s.words("said.renamed", s.isolatedName(p.Person))}
	was := c.Query("was")
	known, err := s.store.WasNamed(c.Request.Context(), p.ID, was)
	if known && was != p.Name {
		said.Undo = personURL(p.ID) + "/rename"
		said.Fields = []field{{"version", strconv.FormatInt(p.Version, 10)}, {"name", was}, {"was", p.Name}}
	}
	return said, err
}

func (s *Server) saidKnownAdded(ctx context.Context, p faces.Profile, text string) (*personSaid, error) {
	if text == "all" {
		return onlyIf(p.KnownPictures > 1, s.words("said.known.added.many")), nil
	}
	known, err := s.knownOf(ctx, p.ID, text)
	if known == nil {
		return nil, err
	}
	age := s.opts.Now().Sub(known.AddedAt)
	if known.AddedAt.IsZero() || age > knownUndo || age < -knownUndo || !known.Source.Written() {
		return nil, nil
	}
	return &personSaid{
		Text: s.words("said.known.added"), Undo: personURL(p.ID) + "/known/" + strconv.FormatInt(known.ID, 10) + "/delete",
		Fields: seenKnown(*known, p.KnownPictures == 1),
	}, nil
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
			Text: s.words("said.face", s.statement(s.words("history.in", s.shownName(img)), one.Correction)),
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
	other, name := s.isolatedName(m.Merged), s.isolatedName(p.Person)
	if !m.UndoneAt.IsZero() {
		return &personSaid{Text: s.words("said.unmerged", other), Link: personURL(m.Merged.ID)}
	}
	return &personSaid{
		Text: s.words("said.merged", other, name), Undo: personURL(p.ID) + "/unmerge",
		Fields: []field{{"merge", strings.TrimSpace(text)}},
	}
}
