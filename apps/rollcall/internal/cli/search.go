package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// searchFlags are the flags of the command search.
type searchFlags struct {
	face        int64
	maxDistance float64
	limit       int
}

func (a *app) searchCommand() *cobra.Command {
	var f searchFlags
	c := &cobra.Command{
		Use:   "search FILE | search --face ID",
		Short: "Find all images with a face: the largest in a picture of this machine, or a stored one",
		Long: `Finds the faces of all images that are near to one face, nearest first, whether anybody
knows whose it is or not. The face is the largest one in a picture file of this machine,
or a stored face by its id (rollcall images get ID shows the ids). Nothing is stored.

Exit codes: 0 there is an answer, perhaps an empty one; 2 the picture cannot be read or
has no face; 1 something failed.`,
		Example: "  rollcall search ada.jpg\n  rollcall search --face 42 --max-distance 1.1 -o json",
		Args: func(_ *cobra.Command, args []string) error {
			if (f.face != 0) == (len(args) == 1) || len(args) > 1 {
				return errors.New("give one FILE, or --face with the id of a stored face")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.search(cmd.Context(), f, args) },
	}
	c.Flags().Int64Var(&f.face, "face", 0, "`id` of a stored face to search for")
	c.Flags().Float64Var(&f.maxDistance, "max-distance", -1, "largest `distance` of a face; if absent, the threshold of the model set")
	c.Flags().IntVar(&f.limit, "limit", 100, "largest `number` of faces")
	return c
}

func (a *app) search(ctx context.Context, f searchFlags, files []string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	var within *float64
	if f.maxDistance >= 0 {
		within = &f.maxDistance
	}
	var found api.FoundFaces
	if f.face != 0 {
		found, err = c.ListSimilarFaces(ctx, f.face, api.ListSimilarFacesParams{MaxDistance: within, Limit: &f.limit})
	} else {
		var content []byte
		if content, err = os.ReadFile(files[0]); err != nil {
			return err
		}
		found, err = c.SearchFaces(ctx, content, api.SearchFacesParams{MaxDistance: within, Limit: &f.limit})
	}
	var problem *api.Error
	if len(files) > 0 && errors.As(err, &problem) && isOfPicture(problem.Status) {
		fmt.Fprintf(a.Err, "%s: refused: %s (%s)\n", clean(files[0]), problem.Code, clean(problem.Message))
		return code(ExitRefused)
	}
	if err != nil {
		return err
	}
	return a.show(found, func(w io.Writer) { writeFound(w, found) })
}

func writeFound(w io.Writer, found api.FoundFaces) {
	for _, f := range found.Faces {
		who := "nobody known"
		if f.Face.Person != nil {
			who = f.Face.Person.Name
		}
		doubt := ""
		if !f.WithinThreshold {
			doubt = "  (beyond the threshold)"
		}
		fmt.Fprintf(w, "%.3f  %s  face %d at %s: %s%s\n", f.Distance, clean(f.Image.Path), f.Face.ID, where(f.Face.Box), clean(who), doubt)
	}
	switch {
	case found.More:
		fmt.Fprintf(w, "There may be more; see --limit.\n")
	case len(found.Faces) == 0:
		fmt.Fprintf(w, "No stored face is within the distance %.3f.\n", found.MaxDistance)
	}
}
