package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

func (a *app) reviewCommand() *cobra.Command {
	var f imageFilter
	cmd := &cobra.Command{
		Use:   "review",
		Short: "Decide about the faces that Rollcall is not sure of",
		Long: `Asks about each face that Rollcall is not sure of: is it this person? Answer by a letter
and the Enter key:

  y  yes, it is this person
  n  no, it is somebody else; if another person is near, the next question is about them
  s  skip the face
  u  undo the last answer, and ask again
  q  quit

What you say is stored at once, and is the same as in the dashboard. Without filters the
images are those with the reason uncertain. Those with the smallest doubt come first: they
are the quickest to confirm.`,
		Example: "  rollcall review\n  rollcall review --path party/",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			if f == (imageFilter{query: f.query}) {
				f.reason = string(api.ReasonUncertain)
			}
			r := &review{app: a, client: c}
			params := f.params()
			params.Order = given(api.Uncertain)
			if err := r.run(cmd.Context(), params); err != nil {
				return err
			}
			return a.show(r.sum, func(w io.Writer) {
				fmt.Fprintf(w, "%d yes, %d no, %d skipped.\n", r.sum.Yes, r.sum.No, r.sum.Skipped)
			})
		},
	}
	f.add(cmd)
	return cmd
}

// review asks people about faces.
type review struct {
	*app
	client *client.Client
	last   []said // what can be undone, newest last
	sum    reviewSum
	quit   bool
}

type reviewSum struct {
	Yes     int `json:"yes"`
	No      int `json:"no"`
	Skipped int `json:"skipped"`
}

// said is a correction that this review made.
type said struct {
	correction int64
	counter    *int
}

func (r *review) run(ctx context.Context, params api.ListImagesParams) error {
	for img, err := range r.client.AllImages(ctx, params) {
		if err != nil {
			return err
		}
		if err := r.image(ctx, img.ID); err != nil {
			return err
		}
		if r.quit {
			return nil
		}
	}
	return nil
}

// image asks about the faces of an image. Each answer can change what is said of the
// others, so the image is read again before each face.
func (r *review) image(ctx context.Context, id int64) error {
	img, err := r.client.GetImage(ctx, id)
	if err != nil {
		return err
	}
	for _, f := range img.Faces {
		if err := r.faceByID(ctx, id, f.ID); err != nil || r.quit {
			return err
		}
	}
	return nil
}

func (r *review) faceByID(ctx context.Context, image, face int64) error {
	img, f, err := r.read(ctx, image, face)
	if err != nil || f == nil {
		return err
	}
	return r.face(ctx, img, *f)
}

// read returns a face as it is now; nil if it is not there any more.
func (r *review) read(ctx context.Context, image, face int64) (api.Image, *api.Face, error) {
	img, err := r.client.GetImage(ctx, image)
	if err != nil {
		return api.Image{}, nil, err
	}
	if i := slices.IndexFunc(img.Faces, func(f api.Face) bool { return f.ID == face }); i >= 0 {
		return img.Image, &img.Faces[i], nil
	}
	return img.Image, nil, nil
}

// open are the reasons of faces about which a person can say more than Rollcall.
var open = []api.FaceReason{api.FaceUncertain, api.FaceTooSmall, api.FaceBlurred, api.FaceTurnedAway, api.FaceCutOff}

// asksAbout returns the person to ask about.
func asksAbout(f api.Face) (api.Person, bool) {
	if f.Best == nil || f.Person != nil || !slices.Contains(open, f.Reason) {
		return api.Person{}, false
	}
	if f.Rule != nil && f.Best.Distance > max(f.Rule.Threshold, f.Rule.FarThreshold) {
		return api.Person{}, false // a bad face, and near to nobody
	}
	return f.Best.Person, true
}

// face asks about a face until there is nothing to ask any more.
func (r *review) face(ctx context.Context, img api.Image, f api.Face) error {
	for {
		who, ok := asksAbout(f)
		if !ok {
			return nil
		}
		fmt.Fprintf(r.Err, "%s, face at %s\n    %s\nIs it %s? [y]es [n]o [s]kip [u]ndo [q]uit: ",
			clean(nameOf(img)), where(f.Box), clean(f.Explanation), clean(who.Name))
		next, err := r.answer(ctx, img.ID, f, who)
		if err != nil || next == nil || r.quit {
			return err
		}
		f = *next
	}
}

// answer reads an answer and does what it says. It returns the face as it is then, or
// nil if the review goes on with the next face.
func (r *review) answer(ctx context.Context, image int64, f api.Face, who api.Person) (*api.Face, error) {
	text, ok := r.lines.next()
	if !ok {
		text = "q"
	}
	switch strings.ToLower(text) {
	case "y", "yes":
		now, err := r.client.AssignFace(ctx, f.ID, api.FaceAssignment{PersonID: &who.ID})
		if err == nil {
			r.note(now.Correction.ID, &r.sum.Yes)
		}
		return nil, err
	case "n", "no":
		now, err := r.client.ExcludeFace(ctx, f.ID, who.ID)
		if err == nil {
			r.note(now.Correction.ID, &r.sum.No)
		}
		return now.Face, err
	case "s", "skip":
		r.sum.Skipped++
		return nil, nil
	case "u", "undo":
		if err := r.undo(ctx, f.ID); err != nil || r.quit {
			return nil, err
		}
		_, now, err := r.read(ctx, image, f.ID)
		return now, err
	case "q", "quit":
		fmt.Fprintln(r.Err)
		r.quit = true
		return nil, nil
	default:
		fmt.Fprintln(r.Err, "Please answer y, n, s, u or q.")
		return &f, nil
	}
}

// note remembers a correction, for undo, and counts it.
func (r *review) note(correction int64, counter *int) {
	*counter++
	r.last = append(r.last, said{correction, counter})
}

// undo takes the last answer back, and asks about its face again unless that is the
// current one.
func (r *review) undo(ctx context.Context, current int64) error {
	if len(r.last) == 0 {
		fmt.Fprintln(r.Err, "There is nothing to undo.")
		return nil
	}
	last := r.last[len(r.last)-1]
	r.last = r.last[:len(r.last)-1]
	now, err := r.client.UndoCorrection(ctx, last.correction)
	if err != nil {
		return err
	}
	*last.counter--
	fmt.Fprintf(r.Err, "Undone: %s\n", clean(nameOf(now.Image)))
	if now.Face == nil || now.Face.ID == current {
		return nil
	}
	return r.face(ctx, now.Image, *now.Face)
}
