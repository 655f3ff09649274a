package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

const (
	// eraseEvery is the time between two looks at an erasure that is waited for.
	eraseEvery = time.Second
	// maxLedgerPart is the limit in bytes of the entries that are sent at once: half of
	// what a receiver takes by default.
	maxLedgerPart = 8 << 20
)

type eraseFlags struct {
	images    string
	dry, wait bool
}

func (a *app) eraseCommand() *cobra.Command {
	var f eraseFlags
	cmd := &cobra.Command{
		Use:   "erase PERSON",
		Short: "Erase a person from every store, and show the receipt",
		Long: `Erases a person: known pictures, faces with what describes them, corrections, notes of
jobs, kept answers and files that Rollcall wrote. It cannot be undone, and a backup does not
bring the person back. Pictures that show the person stay, unless --images delete. Files
that somebody else put into the folder of known people stay; the output is the only one
that lists them. Your key needs the scope admin. PERSON is an id or a name.

--wait waits until the job is done. The receipt says "verified" after the search of every
store, which redeemer -verify-erased makes.`,
		Example: `  rollcall erase "Ada Lovelace" --dry-run
  rollcall erase "Ada Lovelace" --yes --wait
  rollcall erase 7 --images delete`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&f.images, "images", string(api.EraseKeep), "what becomes of pictures that show the person: `keep or delete`")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "show what would go, and change nothing")
	cmd.Flags().BoolVar(&f.wait, "wait", false, "wait until the job is done")
	_ = cmd.RegisterFlagCompletionFunc("images", cobra.FixedCompletions([]string{string(api.EraseKeep), string(api.EraseDelete)}, cobra.ShellCompDirectiveNoFileComp))
	yes := addYes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.erase(cmd.Context(), args[0], f, *yes) }
	cmd.AddCommand(a.eraseReceipt(), a.eraseList(), a.eraseLedger(), a.eraseReplay())
	return cmd
}

func (a *app) erase(ctx context.Context, who string, f eraseFlags, yes bool) error {
	images := api.ErasureImages(f.images)
	if images != api.EraseKeep && images != api.EraseDelete {
		return usageError{fmt.Errorf("--images is keep or delete, not %q", f.images)}
	}
	c, p, err := a.person(ctx, who)
	if err != nil {
		return err
	}
	plan, err := c.PlanErasure(ctx, p.ID, p.Version, images)
	if err != nil {
		return err
	}
	if f.dry {
		return a.show(plan, func(w io.Writer) { writePlan(w, plan) })
	}
	what := fmt.Sprintf("Person %d, %s, is erased for ever: %s.", p.ID, p.Name, describeCounts(plan.Counts))
	if n := len(plan.KeptImages); n > 0 {
		what += fmt.Sprintf(" %s stay.", count(n, "image that shows them", "images that show them"))
	}
	if err := a.confirm(what, yes); err != nil {
		return err
	}
	started, err := c.ErasePerson(ctx, p.ID, p.Version, images)
	if err != nil {
		return err
	}
	if f.wait {
		if started.Erasure, err = waitForErasure(ctx, c, started.Erasure.ID); err != nil {
			return err
		}
	}
	return a.show(started, func(w io.Writer) {
		writeErasure(w, started.Erasure)
		writeLeftFiles(w, started.LeftFiles)
	})
}

// waitForErasure waits until the job of an erasure is done.
func waitForErasure(ctx context.Context, c *client.Client, id string) (api.Erasure, error) {
	for {
		e, err := c.GetErasure(ctx, id)
		if err != nil || e.State != api.ErasureErasing {
			return e, err
		}
		select {
		case <-ctx.Done():
			return e, ctx.Err()
		case <-time.After(eraseEvery):
		}
	}
}

func (a *app) eraseReceipt() *cobra.Command {
	return &cobra.Command{
		Use:     "receipt ID",
		Short:   "Show how far an erasure is, and its receipt",
		Long:    "Shows how far an erasure is. When a search has found nothing, this is its receipt. It has no name.",
		Example: "  rollcall erase receipt gv4lkpjb2k5cwy6hm3sdq7xnra",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			e, err := c.GetErasure(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.show(e, func(w io.Writer) { writeErasure(w, e) })
		},
	}
}

func (a *app) eraseList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List erasures, newest first",
		Long:    "Lists erasures with their states, newest first. It names nobody.",
		Example: "  rollcall erase list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			page, err := c.ListErasures(cmd.Context(), api.ListErasuresParams{})
			if err != nil {
				return err
			}
			return a.show(page, func(w io.Writer) {
				for _, e := range page.Erasures {
					fmt.Fprintf(w, "%s  %-8s  %s  person %d\n", e.ID, e.State, e.CreatedAt.Format(time.RFC3339), e.PersonID)
				}
			})
		},
	}
}

func (a *app) eraseLedger() *cobra.Command {
	return &cobra.Command{
		Use:   "ledger",
		Short: "Write the ledger of erasures, to be replayed after a restore",
		Long: `Writes the ledger of erasures to the standard output. It has ids, boxes and salted hashes
only. Keep it where backups of the database and the volumes do not reach.`,
		Example: "  rollcall erase ledger > erased.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			ledger, err := c.ErasureLedger(cmd.Context())
			if err != nil {
				return err
			}
			return json.NewEncoder(a.Out).Encode(ledger)
		},
	}
}

func (a *app) eraseReplay() *cobra.Command {
	return &cobra.Command{
		Use:   "replay FILE",
		Short: "Carry out the erasures of a ledger again, after a restore",
		Long: `Carries out the erasures of a ledger that the database does not know. A person is erased
only if the id and a hash of the name agree, so nobody is hit who has the id by now.`,
		Example: "  rollcall erase replay erased.json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			var ledger api.ErasureLedger
			if err := json.Unmarshal(text, &ledger); err != nil || ledger.Entries == nil {
				return errors.Join(fmt.Errorf("%s is no ledger of erasures; rollcall erase ledger writes one", args[0]), err)
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			done, err := replayErasures(cmd.Context(), c, ledger.Entries)
			if err != nil {
				return err
			}
			return a.show(done, func(w io.Writer) {
				fmt.Fprintf(w, "%s carried out again; the database knew %d.\n", count(done.Replayed, "erasure", "erasures"), done.Known)
			})
		},
	}
}

// replayErasures sends entries in parts that fit into a request. Sending one twice does
// no harm.
func replayErasures(ctx context.Context, c *client.Client, entries []map[string]any) (done api.ReplayedErasures, err error) {
	for sent := 0; ; {
		n, err := fitting(entries[sent:])
		if err != nil {
			return done, err
		}
		part, err := c.ReplayErasures(ctx, api.ErasureLedger{Entries: entries[sent : sent+n]})
		if err != nil {
			return done, fmt.Errorf("replay entries %d to %d of %d; run it again, the entries before are carried out: %w", sent+1, sent+n, len(entries), err)
		}
		done.Replayed, done.Known = done.Replayed+part.Replayed, done.Known+part.Known
		if sent += n; sent == len(entries) {
			return done, nil
		}
	}
}

// fitting returns how many of the first entries fit into a request: one at least, if
// there is one.
func fitting(entries []map[string]any) (n int, err error) {
	size := 0
	for n < len(entries) {
		text, err := json.Marshal(entries[n])
		if err != nil {
			return n, fmt.Errorf("encode entry %d of the ledger: %w", n+1, err)
		}
		if size += len(text) + 1; n > 0 && size > maxLedgerPart {
			break
		}
		n++
	}
	return n, nil
}

func writePlan(w io.Writer, p api.ErasurePlan) {
	fmt.Fprintf(w, "Would go: %s.\n", describeCounts(p.Counts))
	for _, id := range p.KeptImages {
		fmt.Fprintf(w, "    stays and shows them: image %d\n", id)
	}
	writeLeftFiles(w, p.LeftFiles)
}

func writeLeftFiles(w io.Writer, files []string) {
	for _, f := range files {
		fmt.Fprintf(w, "    left in the folder of known people: %s\n", clean(f))
	}
}

func writeErasure(w io.Writer, e api.Erasure) {
	fmt.Fprintf(w, "Erasure %s of person %d: %s.\n", e.ID, e.PersonID, e.State)
	fmt.Fprintf(w, "    gone: %s\n", describeCounts(e.Counts))
	if len(e.KeptImages) > 0 {
		fmt.Fprintf(w, "    images that showed them and stay: %s\n", strings.Trim(fmt.Sprint(e.KeptImages), "[]"))
	}
	for _, place := range e.Found {
		fmt.Fprintf(w, "    found by the last search: %s\n", clean(place))
	}
	if e.VerifiedAt != nil {
		fmt.Fprintf(w, "    verified at %s\n", e.VerifiedAt.Format(time.RFC3339))
	}
}

// describeCounts lists what there is some of.
func describeCounts(counts api.ErasureCounts) string {
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(counts)) {
		if n := counts[what]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", strings.ReplaceAll(what, "_", " "), n))
		}
	}
	return strings.Join(parts, ", ")
}
