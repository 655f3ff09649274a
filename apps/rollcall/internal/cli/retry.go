package cli

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
)

func (a *app) retryCommand() *cobra.Command {
	var f imageFilter
	var model string
	cmd := &cobra.Command{
		Use:   "retry [ID…]",
		Short: "Process images again, by id or by a filter",
		Long: `Processes images again, whatever their outcome is: those with the ids, or all that match
every filter that is given. An old answer stays until the new one is there.`,
		Example: `  rollcall retry 17 18
  rollcall retry --status failed
  rollcall retry --reason not_found --path /unknown_people/party/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := parseIDs(args)
			if err != nil {
				return err
			}
			filter := api.RetryFilter{
				IDs: ids, Status: api.Status(f.status), Reason: api.Reason(f.reason),
				Person: f.person, PersonID: f.personID, Model: model, Query: f.query,
			}
			if len(ids) == 0 && f == (imageFilter{}) && model == "" {
				return usageError{errors.New("which images? name ids or a filter, such as --status failed")}
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			n, err := c.RetryImages(cmd.Context(), filter)
			if err != nil {
				return err
			}
			return a.show(api.RetriedImages{Images: n}, func(w io.Writer) {
				fmt.Fprintf(w, "%s will be processed again.\n", count(n, "image", "images"))
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&model, "model", "", "only images that the model set with this `id` answered")
	return cmd
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
