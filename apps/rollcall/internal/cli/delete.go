package cli

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
)

func (a *app) deleteCommand() *cobra.Command {
	var f imageFilter
	var before string
	var limit int
	var all, dry bool
	cmd := &cobra.Command{
		Use:   "delete [ID…]",
		Short: "Delete images, by id or by a filter",
		Long: `Deletes images with their faces and corrections: those with the ids, or those that match
every filter that is given, the oldest first. Files are deleted only if they were uploaded.
With filters, --limit says how many may be deleted, or --all that there is no limit.
It says how many images there are, and asks before it deletes them.`,
		Example: `  rollcall delete 17 18
  rollcall delete --reason not_found --limit 1000
  rollcall delete --created-before 2026-01-01 --all --dry-run`,
	}
	f.add(cmd)
	cmd.Flags().StringVar(&before, "created-before", "", "only images that were first posted before this `day` or time, such as 2026-01-01")
	cmd.Flags().IntVar(&limit, "limit", 0, "the largest `number` of images to delete")
	cmd.Flags().BoolVar(&all, "all", false, "delete all that match; without a filter, all images")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say how many images would be deleted, and delete none")
	yes := addYes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ids, err := parseIDs(args)
		if err != nil {
			return err
		}
		filter := api.DeleteFilter{
			IDs: ids, Status: api.Status(f.status), Reason: api.Reason(f.reason), Person: f.person, PersonID: f.personID, Query: f.query,
			Limit: limit, All: all,
		}
		if filter.CreatedBefore, err = parseDay("--created-before", before); err != nil {
			return err
		}
		switch {
		case len(ids) > 0 && (f != (imageFilter{}) || before != "" || limit != 0 || all):
			return usageError{errors.New("name either ids or filters")}
		case len(ids) == 0 && !all && limit <= 0:
			return usageError{errors.New("how many images may be deleted? Name ids, or a filter with --limit, or --all")}
		}
		return a.deleteImages(cmd, filter, dry, *yes)
	}
	return cmd
}

func (a *app) deleteImages(cmd *cobra.Command, filter api.DeleteFilter, dry, yes bool) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	n := 0
	if dry || !yes {
		if n, err = c.CountDeletions(cmd.Context(), filter); err != nil {
			return err
		}
	}
	if dry {
		return a.show(api.DeletedImages{Images: n, DryRun: true}, func(w io.Writer) {
			fmt.Fprintf(w, "%s would be deleted.\n", count(n, "image", "images"))
		})
	}
	if !yes && n > 0 {
		if err := a.confirm(fmt.Sprintf("%s will be deleted, for ever.", count(n, "image", "images")), false); err != nil {
			return err
		}
		if filter.All { // and not those that match since the question
			filter.All, filter.Limit = false, n
		}
	}
	if yes || n > 0 {
		if n, err = c.DeleteImages(cmd.Context(), filter); err != nil {
			return err
		}
	}
	return a.show(api.DeletedImages{Images: n}, func(w io.Writer) {
		fmt.Fprintf(w, "Deleted %s.\n", count(n, "image", "images"))
	})
}

// parseDay parses a day, in the time zone of this machine, or a time. An empty text is
// none.
func parseDay(flag, text string) (*time.Time, error) {
	if text == "" {
		return nil, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return &t, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, usageError{fmt.Errorf("%s is %q; name a day such as 2026-01-01, or a time such as 2026-01-01T12:00:00Z", flag, text)}
	}
	return &t, nil
}
