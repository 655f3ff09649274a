package history

import (
	"fmt"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Outcome is a short form of an image's outcome before or after a job. A
// faces.Outcome has everything that is stored.
type Outcome struct {
	Reason faces.Reason
	Person *faces.Person // nil if nobody is identified
}

// String returns the person's name, or the reason.
func (o Outcome) String() string {
	if o.Person != nil {
		return o.Person.Name
	}
	return strings.TrimSuffix(string(o.Reason), "_person")
}

// Movement counts the images that a job moves from one outcome to another.
type Movement struct {
	From, To Outcome
	Images   int64
}

// ImageChange is a job's change of one image, in the form that is shown to users.
type ImageChange struct {
	ImageID  int64
	Path     string
	From, To Outcome
	State    ChangeState
}

// ChangeState is the state of an ImageChange.
type ChangeState string

// The states of one image's change.
const (
	ChangePlanned ChangeState = "planned"
	ChangeApplied ChangeState = "applied"
	ChangeSkipped ChangeState = "skipped" // somebody else changed the image first
	ChangeUndone  ChangeState = "undone"
)

// Summarize returns a line such as "12 images change: 9 unknown → Anna, 3 Anna →
// unknown".
func Summarize(images int64, list []Movement) string {
	switch images {
	case 0:
		return "no image changes"
	case 1:
		return "1 image changes: " + joinMovements(1, list)
	default:
		return fmt.Sprintf("%d images change: %s", images, joinMovements(images, list))
	}
}

func joinMovements(images int64, list []Movement) string {
	const maxShown = 5
	var parts []string
	for i, m := range list {
		if i == maxShown {
			parts = append(parts, fmt.Sprintf("%d others", images))
			break
		}
		parts = append(parts, fmt.Sprintf("%d %s → %s", m.Images, m.From, m.To))
		images -= m.Images
	}
	return strings.Join(parts, ", ")
}
