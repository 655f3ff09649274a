package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

func (a *app) consentCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "consent",
		Short: "Record, withdraw and list consents",
		Long: `Says why and how long people may be recognized. While a consent does not stand, because it
was withdrawn, has lapsed or begins later, new pictures do not name the person, and answers
that named them are taken back within a minute. What people have said about faces stays.
Renew a consent by rollcall consent set; then the person is recognized again.

PERSON is an id or a name; write name:42 for somebody whose name is a number. Your key needs
the scope people.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.consentSet(), a.consentShow(), a.consentWithdraw(), a.consentList())
	return cmd
}

var bases = []api.ConsentBasis{
	api.BasisConsent, api.BasisContract, api.BasisLegalObligation, api.BasisVitalInterests, api.BasisPublicTask, api.BasisLegitimateInterests,
}

func (a *app) consentSet() *cobra.Command {
	var basis, from, until string
	cmd := &cobra.Command{
		Use:   "set PERSON",
		Short: "Record the consent of a person, in place of the one before",
		Example: `  rollcall consent set "Ada Lovelace" --until 2027-06-30
  rollcall consent set 7 --basis contract --from 2027-01-01`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			want := api.NewConsent{Basis: api.ConsentBasis(basis)}
			var err error
			if want.From, err = parseDay("--from", from); err != nil {
				return err
			}
			if want.Until, err = parseDay("--until", until); err != nil {
				return err
			}
			return a.withPerson(cmd.Context(), args[0], func(ctx context.Context, c *client.Client, id int64) (api.Consent, error) {
				return c.SetConsent(ctx, id, want)
			})
		},
	}
	cmd.Flags().StringVar(&basis, "basis", string(api.BasisConsent), "why the person may be recognized: "+strings.Join(words(bases), ", "))
	cmd.Flags().StringVar(&from, "from", "", "`day` or time when it begins, such as 2027-01-01 (default now)")
	cmd.Flags().StringVar(&until, "until", "", "`day` or time when it ends, such as 2027-06-30 (default never)")
	_ = cmd.RegisterFlagCompletionFunc("basis", cobra.FixedCompletions(words(bases), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (a *app) consentShow() *cobra.Command {
	return &cobra.Command{
		Use:     "show PERSON",
		Short:   "Show the consent of a person",
		Example: `  rollcall consent show "Ada Lovelace"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withPerson(cmd.Context(), args[0], func(ctx context.Context, c *client.Client, id int64) (api.Consent, error) {
				return c.GetConsent(ctx, id)
			})
		},
	}
}

func (a *app) consentWithdraw() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "withdraw PERSON",
		Short: "End the consent of a person now",
		Long: `Ends the consent of a person now, and asks first. The record stays. So do the known pictures
and the descriptors: to be rid of them, delete or erase the person.`,
		Example: `  rollcall consent withdraw "Ada Lovelace"`,
		Args:    cobra.ExactArgs(1),
	}
	yes := addYes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.withPerson(cmd.Context(), args[0], func(ctx context.Context, c *client.Client, id int64) (api.Consent, error) {
			if !*yes {
				if err := a.confirm(fmt.Sprintf("Person %d will not be recognized any more, and answers that name them will be taken back.", id), false); err != nil {
					return api.Consent{}, err
				}
			}
			return c.WithdrawConsent(ctx, id)
		})
	}
	return cmd
}

// withPerson finds a person, does something with their consent, and shows it.
func (a *app) withPerson(ctx context.Context, who string, do func(ctx context.Context, c *client.Client, id int64) (api.Consent, error)) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	p, err := findPerson(ctx, c, who)
	if err != nil {
		return err
	}
	consent, err := do(ctx, c, p.ID)
	if err != nil {
		return err
	}
	return a.show(consent, func(w io.Writer) { writeConsent(w, consent) })
}

func writeConsent(w io.Writer, c api.Consent) {
	fmt.Fprintf(w, "%d  %s: %s", c.Person.ID, clean(c.Person.Name), c.State)
	if c.Basis != nil {
		fmt.Fprintf(w, " (%s), from %s until %s", clean(string(*c.Basis)), moment(c.From), cmpMoment(c.Until, "further notice"))
	}
	if c.WithdrawnAt != nil {
		fmt.Fprintf(w, ", withdrawn %s", moment(c.WithdrawnAt))
	}
	fmt.Fprintln(w)
}

func moment(t *time.Time) string { return cmpMoment(t, "-") }

func cmpMoment(t *time.Time, none string) string {
	if t == nil {
		return none
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}

func (a *app) consentList() *cobra.Command {
	var within int
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List consents, or those that lapse soon",
		Example: "  rollcall consent list\n  rollcall consent list --lapsing-within 30",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			list, params := []api.Consent{}, api.ListConsentsParams{Limit: given(1000), LapsingWithin: given(within)}
			for more := true; more; more = params.After != nil {
				page, err := c.ListConsents(cmd.Context(), params)
				if err != nil {
					return err
				}
				list = append(list, page.Consents...)
				params.After = page.Next
			}
			return a.show(map[string]any{"consents": list}, func(w io.Writer) {
				table(w, "PERSON STATE BASIS FROM UNTIL NAME", func(row func(...any)) {
					for _, l := range list {
						basis := "-"
						if l.Basis != nil {
							basis = string(*l.Basis)
						}
						row(l.Person.ID, l.State, basis, day(l.From), day(l.Until), l.Person.Name)
					}
				})
			})
		},
	}
	cmd.Flags().IntVar(&within, "lapsing-within", 0, "only consents that lapse within this number of `days`")
	return cmd
}
