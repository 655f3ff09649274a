package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/enrol"
)

// maxJobs bounds how many requests a command sends at once.
const maxJobs = 32

type enrolFlags struct {
	sql, known string
	dryRun     bool
	accept     []string
	jobs       int
}

func (a *app) enrolCommand() *cobra.Command {
	var f enrolFlags
	cmd := &cobra.Command{
		Use:   "enrol DIR",
		Short: "Make people known, from one folder of pictures for each",
		Long: `Makes people known by their pictures. DIR has one folder for each person, with the
person's name, and the person's pictures in it or in folders below it. People who are
not there yet are added. Hidden files and files of the system are passed over.

The server looks at each picture and refuses what would do harm: no face or several, a
face that is too small, blurred, turned away or cut off, a second copy, or somebody else.
The report says why. If you have looked at a refused picture and it is good enough, take
it in spite of these reasons with --accept.

Run it again whenever you like, also after an interruption: pictures that are known
already are not sent again. While a service is away, requests are repeated (--retry-for).

A dry run stores no picture. It checks the pictures of people who are not there yet for a
hidden person, "` + enrol.DryRunName + `", whom it deletes at the end.

With --sql, the people are those whom a file of SQL inserts into the tables person and
person_images of the original program, such as its database_setup.sql or a dump; --known
is the folder of its known people.

Exit codes: 0 all pictures are taken; 2 some were refused; 1 something failed.`,
		Example: `  rollcall enrol ~/team --dry-run
  rollcall enrol ~/team
  rollcall enrol ~/team --accept blurred,turned_away
  rollcall enrol ~/team -o json > report.json
  rollcall enrol --sql database_setup.sql --known known_people`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.enrol(cmd.Context(), args, f) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	cmd.Flags().StringVar(&f.sql, "sql", "", "`file` with the rows of the original's tables, instead of DIR")
	cmd.Flags().StringVar(&f.known, "known", "", "with --sql: the `folder` of the original's known people")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "check the pictures and store none")
	addAccept(cmd, &f.accept)
	cmd.Flags().IntVar(&f.jobs, "jobs", 4, "uploads at once")
	_ = cmd.MarkFlagFilename("sql", "sql")
	_ = cmd.MarkFlagDirname("known")
	return cmd
}

// acceptable are the reasons in spite of which a picture can be taken.
var acceptable = []string{
	string(api.RefusedTooSmall), string(api.RefusedBlurred), string(api.RefusedTurnedAway),
	string(api.RefusedCutOff), string(api.RefusedLooksLikeOther),
}

func addAccept(cmd *cobra.Command, accept *[]string) {
	cmd.Flags().StringSliceVar(accept, "accept", nil,
		"`reasons` in spite of which to take pictures: "+strings.Join(acceptable, ", "))
	_ = cmd.RegisterFlagCompletionFunc("accept", cobra.FixedCompletions(acceptable, cobra.ShellCompDirectiveNoFileComp))
}

func checkAccept(accept []string) error {
	for _, reason := range accept {
		if !slices.Contains(acceptable, reason) {
			return usageError{fmt.Errorf("--accept has no reason %q; use %s", reason, strings.Join(acceptable, ", "))}
		}
	}
	return nil
}

func (f enrolFlags) check(args []string) error {
	switch {
	case f.sql == "" && len(args) == 0:
		return usageError{errors.New("name the folder that has one folder of pictures for each person")}
	case f.sql != "" && len(args) > 0, (f.sql == "") != (f.known == ""):
		return usageError{errors.New("name either DIR, or --sql FILE together with --known DIR")}
	case f.jobs < 1 || f.jobs > maxJobs:
		return usageError{fmt.Errorf("--jobs is %d; it must be from 1 to %d", f.jobs, maxJobs)}
	default:
		return checkAccept(f.accept)
	}
}

func (f enrolFlags) plan(ctx context.Context, args []string) (enrol.Plan, error) {
	if f.sql != "" {
		return enrol.FromSQL(ctx, f.sql, f.known)
	}
	return enrol.FromFolder(ctx, args[0])
}

func (a *app) enrol(ctx context.Context, args []string, f enrolFlags) error {
	if err := f.check(args); err != nil {
		return err
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	plan, err := f.plan(ctx, args)
	if err != nil {
		return err
	}
	begin := time.Now()
	report, err := enrol.Run(ctx, c, plan, enrol.Options{
		Jobs: f.jobs, DryRun: f.dryRun, Accept: f.accept,
		Told: func(done, of int, last enrol.PictureResult) {
			a.progress(done, of, fmt.Sprintf("%s: %s", last.File, last.Outcome))
		},
	})
	if a.Draws {
		fmt.Fprintf(a.Err, "\r\x1b[K%s\n", time.Since(begin).Round(time.Second))
	}
	if showErr := a.show(report, report.WriteText); showErr != nil {
		return showErr
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w\nNot everything was tried. Run the command again to go on; what is known already is not sent again", err)
	case report.Counts[enrol.Failed] > 0:
		return code(ExitFailed)
	case !report.Complete():
		return code(ExitRefused)
	default:
		return nil
	}
}
