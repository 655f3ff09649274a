package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
)

func (a *app) auditCommand() *cobra.Command {
	var target, id, since, until string
	var limit int
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show who changed what, by ids",
		Long: `Shows the audit log, newest first. It has ids only: of keys, users, requests and things. Your
key needs the scope admin.`,
		Example: `  rollcall audit --limit 20
  rollcall audit --target person --id 7
  rollcall audit --since 2026-11-01 --until 2026-12-01`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&target, "target", "", "only changes of this `kind` of thing, such as person")
	cmd.Flags().StringVar(&id, "id", "", "with --target, only changes of the thing with this `id`")
	cmd.Flags().StringVar(&since, "since", "", "only changes since this `day` or time")
	cmd.Flags().StringVar(&until, "until", "", "only changes before this `day` or time")
	cmd.Flags().IntVar(&limit, "limit", 100, "the largest `number` of changes")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if id != "" && target == "" {
			return usageError{errors.New("--id needs --target: the id of what?")}
		}
		params := api.ListAuditParams{Target: given(target), TargetID: given(id)}
		var err error
		if params.Since, err = parseDay("--since", since); err != nil {
			return err
		}
		if params.Until, err = parseDay("--until", until); err != nil {
			return err
		}
		return a.audit(cmd, params, limit)
	}
	return cmd
}

func (a *app) audit(cmd *cobra.Command, params api.ListAuditParams, limit int) error {
	if limit < 1 {
		return usageError{fmt.Errorf("--limit is %d; it must be at least 1", limit)}
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	entries := []api.AuditEntry{}
	for more := true; more && len(entries) < limit; more = params.After != nil {
		params.Limit = given(min(limit-len(entries), 1000))
		page, err := c.ListAudit(cmd.Context(), params)
		if err != nil {
			return err
		}
		entries = append(entries, page.Entries...)
		params.After = page.Next
	}
	return a.show(map[string]any{"entries": entries}, func(w io.Writer) {
		table(w, "ID AT KEY USER ACTION TARGET IDS", func(row func(...any)) {
			for _, e := range entries {
				user := "-"
				if e.UserID != nil {
					user = fmt.Sprint(*e.UserID)
				}
				key := e.KeyID
				if key == "" {
					key = "-"
				}
				row(e.ID, moment(&e.At), key, user, e.Action, e.Target, strings.Join(e.TargetIDs, ","))
			}
		})
	})
}
