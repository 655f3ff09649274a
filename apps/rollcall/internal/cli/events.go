package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
)

type eventFlags struct {
	after int64
	all   bool
	types []string
	state string
	count int
}

func (a *app) eventsCommand() *cobra.Command {
	var f eventFlags
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Print what changes, and miss nothing",
		Long: `Prints what happens to images and people, as it happens, until you press Ctrl-C. When the
connection is lost, it goes on where it was.

With --state, the id of the last event that was printed is kept in a file. The next run goes
on after it, so that nothing is missed between the runs; after a crash the last event may be
printed again. If the server does not keep the events since then any more, that is said,
and it goes on with the oldest that is kept.`,
		Example: `  rollcall events
  rollcall events --all --types image.answered,image.changed -o json | jq .image.people
  rollcall events --state ~/.rollcall-events -o json >> events.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := a.events(cmd.Context(), f, cmd.Flags().Changed("after"))
			if cmd.Context().Err() != nil {
				return nil // Ctrl-C is how it ends
			}
			return err
		},
	}
	cmd.Flags().Int64Var(&f.after, "after", 0, "begin after the event with this `id`")
	cmd.Flags().BoolVar(&f.all, "all", false, "begin with the oldest event that is kept")
	cmd.Flags().StringSliceVar(&f.types, "types", nil, "only these types, such as image.answered")
	cmd.Flags().StringVar(&f.state, "state", "", "`file` that remembers the last event")
	cmd.Flags().IntVar(&f.count, "count", 0, "end after this number of events; 0 goes on until Ctrl-C")
	_ = cmd.RegisterFlagCompletionFunc("types", cobra.FixedCompletions(words(eventTypes), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

var eventTypes = []api.EventType{
	api.EventImageAccepted, api.EventImageAnswered, api.EventImageChanged, api.EventImageFailed, api.EventImageRetried, api.EventImageDeleted,
	api.EventPersonCreated, api.EventPersonRenamed, api.EventPersonMerged, api.EventPersonMergeUndo, api.EventPersonDeleted, api.EventPersonConsent,
}

func (a *app) events(ctx context.Context, f eventFlags, hasAfter bool) error {
	position, err := f.begin(hasAfter)
	if err != nil {
		return err
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	var types []api.EventType
	for _, name := range f.types {
		types = append(types, api.EventType(name))
	}
	printed := 0
	for m, err := range c.FollowEventsFrom(ctx, position, types...) {
		if err != nil {
			return err
		}
		if m.Reset != nil {
			fmt.Fprintln(a.Err, "rollcall: "+tellReset(*m.Reset))
		}
		if m.Event != nil {
			if err := a.showLine(m.Event, func(w io.Writer) { writeEvent(w, *m.Event) }); err != nil {
				return err
			}
			printed++
		}
		if err := f.remember(m.Position); err != nil {
			return err
		}
		if f.count > 0 && printed >= f.count {
			return nil
		}
	}
	return nil
}

func tellReset(r api.EventReset) string {
	if r.Next < r.After {
		return fmt.Sprintf("the server does not have the event %d that was seen; was its database restored? Going on after %d", r.After, r.Next)
	}
	return fmt.Sprintf("the events from %d to %d are not kept any more; going on after them", r.After+1, r.Next)
}

// positionText is what the state file has: the id of an event, with a check of newer
// releases.
var positionText = regexp.MustCompile(`^[0-9]{1,19}(-[0-9a-f]{8})?$`)

// begin returns the position at which to begin.
func (f eventFlags) begin(hasAfter bool) (string, error) {
	if f.all && hasAfter {
		return "", usageError{errors.New("give --all or --after, not both")}
	}
	if f.state != "" {
		text, err := os.ReadFile(f.state)
		if err == nil {
			at := strings.TrimSpace(string(text))
			if !positionText.MatchString(at) {
				return "", fmt.Errorf("%s does not have the position of an event; delete it to begin anew", f.state)
			}
			return at, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	if f.all || hasAfter {
		return strconv.FormatInt(f.after, 10), nil
	}
	return "", nil
}

// remember replaces the state file, so that it is whole at any moment.
func (f eventFlags) remember(at string) error {
	if f.state == "" {
		return nil
	}
	temp, err := os.CreateTemp(filepath.Dir(f.state), ".rollcall-events-*")
	if err != nil {
		return fmt.Errorf("remember the last event: %w", err)
	}
	_, err = fmt.Fprintln(temp, at)
	if err := errors.Join(err, temp.Close()); err != nil {
		return errors.Join(fmt.Errorf("remember the last event: %w", err), os.Remove(temp.Name()))
	}
	return os.Rename(temp.Name(), f.state)
}

func writeEvent(w io.Writer, e api.Event) {
	what := ""
	switch {
	case e.Image != nil:
		what = fmt.Sprintf("image %d %s %s", e.Image.ID, e.Image.Path, e.Image.Reason)
		for _, p := range e.Image.People {
			what += fmt.Sprintf(" %q", p.Name)
		}
	case e.Person != nil:
		what = fmt.Sprintf("person %d %q", e.Person.ID, e.Person.Name)
	}
	if e.Merged != nil {
		what += fmt.Sprintf(" and %d", e.Merged.ID)
	}
	if e.Cause != "" {
		what += fmt.Sprintf(" (%s)", e.Cause)
	}
	fmt.Fprintln(w, clean(fmt.Sprintf("%d %s %s %s", e.ID, e.CreatedAt.Local().Format("15:04:05"), e.Type, what)))
}
