package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// imageFilter are the flags that select images.
type imageFilter struct {
	status, reason, person, query string
	personID                      int64
}

func (f *imageFilter) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.status, "status", "", "only images with this status: pending, processing, processed, failed")
	cmd.Flags().StringVar(&f.reason, "reason", "", "only images with this reason, such as identified, uncertain or not_found")
	cmd.Flags().StringVar(&f.person, "person", "", "only images that show the person with this `name`")
	cmd.Flags().Int64Var(&f.personID, "person-id", 0, "only images that show the person with this `id`")
	cmd.Flags().StringVar(&f.query, "path", "", "only images whose path contains this `text`")
	_ = cmd.RegisterFlagCompletionFunc("status", cobra.FixedCompletions(words(statuses), cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("reason", cobra.FixedCompletions(words(reasons), cobra.ShellCompDirectiveNoFileComp))
}

var (
	statuses = []api.Status{api.StatusPending, api.StatusProcessing, api.StatusProcessed, api.StatusFailed}
	reasons  = []api.Reason{
		api.ReasonQueued, api.ReasonIdentified, api.ReasonUnknownPerson, api.ReasonUncertain, api.ReasonNoFace,
		api.ReasonNotFound, api.ReasonCorruptImage, api.ReasonUnsupportedFormat, api.ReasonImageTooLarge, api.ReasonPathNotAllowed,
		api.ReasonRecognizerUnavailable, api.ReasonTimeout, api.ReasonInternal,
	}
)

func words[T ~string](list []T) []string {
	text := make([]string, len(list))
	for i, w := range list {
		text[i] = string(w)
	}
	return text
}

func (f imageFilter) params() api.ListImagesParams {
	return api.ListImagesParams{
		Status: given(api.Status(f.status)), Reason: given(api.Reason(f.reason)), Person: given(f.person),
		PersonID: given(f.personID), Query: given(f.query),
	}
}

// given returns a pointer to a value, or nil for the zero value.
func given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func (a *app) imagesCommand() *cobra.Command {
	var f imageFilter
	var oldest bool
	var limit int
	cmd := &cobra.Command{
		Use:   "images [ID…]",
		Short: "List images and their answers, or show some with all their faces",
		Long: `Lists images and their answers, newest first. Images match all filters that are given.
With ids, it shows these images with all their faces.`,
		Example: `  rollcall images
  rollcall images --reason uncertain --limit 20
  rollcall images --person "Ada Lovelace" -o json
  rollcall images 17 18`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return a.showImages(cmd.Context(), args)
			}
			params := f.params()
			if oldest {
				params.Order = given(api.Oldest)
			}
			return a.listImages(cmd.Context(), params, limit)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&oldest, "oldest", false, "list the oldest first")
	cmd.Flags().IntVar(&limit, "limit", 100, "the largest number of images; 0 lists all")
	return cmd
}

func (a *app) listImages(ctx context.Context, params api.ListImagesParams, limit int) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	if limit < 0 {
		return usageError{fmt.Errorf("--limit is %d; it must not be negative", limit)}
	}
	page := min(cmp.Or(limit, 1000), 1000)
	params.Limit = &page
	images := []api.Image{}
	for img, err := range c.AllImages(ctx, params) {
		if err != nil {
			return err
		}
		images = append(images, img)
		if len(images) == limit {
			break
		}
	}
	return a.show(map[string]any{"images": images}, func(w io.Writer) {
		table(w, "ID ANSWER DETAIL PICTURE", func(row func(...any)) {
			for _, img := range images {
				row(img.ID, stateOf(img), cmp.Or(img.Detail, "-"), nameOf(img))
			}
		})
	})
}

func (a *app) showImages(ctx context.Context, args []string) error {
	ids, err := parseIDs(args)
	if err != nil {
		return err
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	for _, id := range ids {
		img, err := c.GetImage(ctx, id)
		if err != nil {
			return err
		}
		if err := a.showLine(img, func(w io.Writer) { writeDetail(w, img) }); err != nil {
			return err
		}
	}
	return nil
}

func parseIDs(args []string) ([]int64, error) {
	ids := make([]int64, len(args))
	for i, arg := range args {
		id, err := strconv.ParseInt(arg, 10, 64)
		if err != nil || id < 1 {
			return nil, usageError{fmt.Errorf("%q is not an id", arg)}
		}
		ids[i] = id
	}
	return ids, nil
}

// stateOf is the outcome of an image in one word.
func stateOf(img api.Image) string {
	return clean(cmp.Or(string(img.Reason), string(img.Status)))
}

// nameOf returns the name of the uploaded file, whose path is a hash, or the path of an
// image.
func nameOf(img api.Image) string { return cmp.Or(img.FileName, img.Path) }

// writeImage prints an image in one line.
func writeImage(w io.Writer, img api.Image) {
	fmt.Fprintf(w, "%d  %s  %s", img.ID, clean(nameOf(img)), stateOf(img))
	switch {
	case img.Detail != "":
		fmt.Fprintf(w, ": %s", clean(img.Detail))
	case img.Person != nil:
		fmt.Fprintf(w, ": %s", clean(img.Person.Name))
	}
	fmt.Fprintln(w)
}

// writeDetail prints an image and its faces.
func writeDetail(w io.Writer, img api.ImageDetail) {
	writeImage(w, img.Image)
	if img.FileName != "" {
		fmt.Fprintf(w, "    uploaded to %s\n", clean(img.Path))
	}
	for _, f := range img.Faces {
		fmt.Fprintf(w, "    %s\n", clean(describeFace(f)))
	}
}

// describeFace says who a face is and why, in one line.
func describeFace(f api.Face) string {
	who := "nobody known"
	if f.Person != nil {
		who = f.Person.Name
	}
	parts := []string{fmt.Sprintf("face %d at %s: %s", f.ID, where(f.Box), who)}
	if f.Explanation != "" {
		parts = append(parts, f.Explanation)
	}
	return strings.Join(parts, ", ")
}

func where(b api.Box) string { return fmt.Sprintf("%d,%d (%d×%d)", b.X, b.Y, b.Width, b.Height) }
