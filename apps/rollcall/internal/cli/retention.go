package cli

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
)

func (a *app) retentionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retention",
		Short: "Say how long images are kept",
		Long: `Says how long images are kept, by their outcome. The redeemer deletes images that are older:
rows, faces, corrections, and files that were uploaded. Your key needs the scope admin.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.retentionShow(), a.retentionSet())
	return cmd
}

func (a *app) retentionShow() *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Show the rules, and what the last run did",
		Example: "  rollcall retention show",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			r, err := c.GetRetention(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(r, func(w io.Writer) { writeRetention(w, r) })
		},
	}
}

func writeRetention(w io.Writer, r api.Retention) {
	if len(r.Rules) == 0 {
		fmt.Fprintln(w, "Everything is kept.")
	} else {
		writeRules(w, r.Rules)
	}
	if r.Declared {
		fmt.Fprintln(w, "ROLLCALL_RETENTION declares these rules.")
	}
	if run := r.LastRun; run != nil {
		fmt.Fprintf(w, "The last run began %s and deleted %s, %d with an uploaded file", moment(&run.StartedAt), count(int(run.Images), "image", "images"), run.Files)
		switch {
		case run.FinishedAt == nil:
			fmt.Fprintln(w, "; it has not ended.")
		case !run.Complete:
			fmt.Fprintln(w, "; there are more, which the next run deletes.")
		default:
			fmt.Fprintln(w, ".")
		}
	}
}

func writeRules(w io.Writer, rules []api.RetentionRule) {
	table(w, "OUTCOME DAYS CORRECTED", func(row func(...any)) {
		for _, rule := range rules {
			corrected := "kept"
			if rule.Corrected != nil && *rule.Corrected {
				corrected = "deleted, too"
			}
			row(rule.Outcome, rule.Days, corrected)
		}
	})
}

func (a *app) retentionSet() *cobra.Command {
	var dry, none bool
	cmd := &cobra.Command{
		Use:   "set OUTCOME=DAYS[+corrected]…",
		Short: "Store rules in place of those before",
		Long: `Stores rules in place of those before. OUTCOME is a reason, such as unknown_person, or failed
for all failures without a rule of their own. DAYS count from when the path was posted.
Images about whose faces somebody has said something are kept, unless +corrected is added.
It says what the rules delete now, and asks. --dry-run stores nothing. --none keeps everything.`,
		Example: `  rollcall retention set unknown_person=30 no_face=7 failed=14 --dry-run
  rollcall retention set unknown_person=30 identified=365+corrected
  rollcall retention set --none`,
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "say what the rules would delete now, and store nothing")
	cmd.Flags().BoolVar(&none, "none", false, "keep everything")
	yes := addYes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		rules, err := parseRules(args)
		if err != nil {
			return err
		}
		if none != (len(rules) == 0) {
			return usageError{errors.New("name rules such as unknown_person=30, or --none to keep everything")}
		}
		return a.setRetention(cmd, rules, dry, *yes)
	}
	return cmd
}

func (a *app) setRetention(cmd *cobra.Command, rules []api.RetentionRule, dry, yes bool) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	plan, err := c.TryRetention(cmd.Context(), rules)
	if err != nil {
		return err
	}
	if dry {
		return a.show(plan, func(w io.Writer) {
			writeRules(w, plan.Rules)
			fmt.Fprintf(w, "%s would be deleted now.\n", describePlan(plan))
		})
	}
	if !yes && plan.Images > 0 {
		if err := a.confirm(fmt.Sprintf("%s will be deleted by the next run, for ever, and more as they get older.", describePlan(plan)), false); err != nil {
			return err
		}
	}
	if plan, err = c.SetRetention(cmd.Context(), rules); err != nil {
		return err
	}
	return a.show(plan, func(w io.Writer) {
		fmt.Fprintf(w, "Stored %s. %s will be deleted by the next run.\n", count(len(plan.Rules), "rule", "rules"), describePlan(plan))
	})
}

func describePlan(p api.RetentionPlan) string {
	text := count(int(p.Images), "image", "images")
	if p.Images > 0 {
		text += fmt.Sprintf(" (%d with an uploaded file, posted from %s to %s)", p.Files, day(p.Oldest), day(p.Newest))
	}
	return text
}

// parseRules reads rules such as unknown_person=30 and identified=365+corrected.
func parseRules(args []string) ([]api.RetentionRule, error) {
	rules := []api.RetentionRule{}
	for _, arg := range args {
		outcome, days, ok := strings.Cut(arg, "=")
		days, corrected := strings.CutSuffix(days, "+corrected")
		n, err := strconv.Atoi(days)
		if !ok || err != nil {
			return nil, usageError{fmt.Errorf("%q is no rule; write OUTCOME=DAYS, such as unknown_person=30, or OUTCOME=DAYS+corrected", arg)}
		}
		rules = append(rules, api.RetentionRule{Outcome: api.RetentionOutcome(outcome), Days: n, Corrected: &corrected})
	}
	return rules, nil
}
