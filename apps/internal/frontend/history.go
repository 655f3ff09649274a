package frontend

import (
	"strconv"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// said is a correction, for people.
type said struct {
	ID     int64
	Text   string
	Face   int // the number of the face; 0 if it is no longer found
	At     moment
	Undone moment // Exact is "" if the correction counts
	Counts bool
}

// addHistory adds what was said about an image's faces, the newest first, and to each
// face the correction that an "undo" would undo.
func (s *Server) addHistory(v *imageView, img faces.Image, corrections []store.PlacedCorrection) {
	numbers := map[int64]int{}
	for i, f := range img.Faces {
		numbers[f.ID] = i + 1
	}
	for i := len(corrections) - 1; i >= 0; i-- {
		c := corrections[i]
		entry := said{
			ID: c.ID, Text: s.statement(s.faceNumber(numbers[c.FaceID]), c.Correction), Face: numbers[c.FaceID],
			At: s.moment(c.CreatedAt), Undone: s.moment(c.UndoneAt), Counts: c.UndoneAt.IsZero(),
		}
		v.History = append(v.History, entry)
		if n := entry.Face; entry.Counts && n > 0 && v.Faces[n-1].Undo == 0 {
			v.Faces[n-1].Undo = entry.ID
		}
	}
}

// statement says what a correction says about a face.
func (l *language) statement(face string, c faces.Correction) string {
	switch {
	case c.Kind == faces.SaysIgnore:
		return l.words("history.ignore", face)
	case c.Kind == faces.SaysNoFace:
		return l.words("history.noface", face)
	case c.Kind == faces.SaysDrawn:
		return l.words("history.drawn", face)
	case c.Not:
		return l.words("history.not", face, l.isolatedName(c.Person))
	default:
		return l.words("history.is", face, l.isolatedName(c.Person))
	}
}

// noticeOf returns the correction with an id, as a page's address has it.
func noticeOf(history []said, id string) *said {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil
	}
	for i := range history {
		if history[i].ID == n {
			return &history[i]
		}
	}
	return nil
}
