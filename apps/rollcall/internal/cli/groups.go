package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

func (a *app) groupsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "groups",
		Short: "Name, ignore and split groups of faces that nobody knows",
		Long: `Rollcall puts faces that nobody knows into groups, each of one person. Here you say of a
whole group, or of some of its faces, who it is.

KEY is the key of a group, which rollcall groups list shows. A change shows what will
happen and asks; --yes answers. It changes no group whose faces have changed since it was
shown. Each change prints an id: rollcall groups undo ID takes all of it back.`,
		Example: `  rollcall groups list --min-faces 5
  rollcall groups show 17
  rollcall groups name 17 "Ada Lovelace"
  rollcall groups undo 3`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		a.groupsList(), a.groupsShow(), a.groupsName(), a.groupsIgnore(), a.groupsNotAFace(), a.groupsSplit(), a.groupsUndo(),
	)
	return cmd
}

func (a *app) groupsList() *cobra.Command {
	var least, limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List groups, those with the most faces first",
		Long: `Lists groups of faces that nobody knows, those with the most faces first. SAMPLES are the
ids of some of the best faces; rollcall images get, and the address /api/v1/faces/ID/crop,
show them. If Rollcall is still at work on the groups, a line says how far it is.`,
		Example: "  rollcall groups list\n  rollcall groups list --min-faces 10 --limit 20 -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			list, err := c.ListGroups(cmd.Context(), api.ListGroupsParams{MinFaces: &least, Limit: &limit})
			if err != nil {
				return err
			}
			return a.show(list, func(w io.Writer) { writeGroups(w, list) })
		},
	}
	cmd.Flags().IntVar(&least, "min-faces", 1, "only groups with at least this `number` of faces")
	cmd.Flags().IntVar(&limit, "limit", 100, "largest `number` of groups")
	return cmd
}

func writeGroups(w io.Writer, list api.GroupList) {
	table(w, "KEY FACES IMAGES SAMPLES", func(row func(...any)) {
		for _, g := range list.Groups {
			samples := ""
			for i, f := range g.Samples {
				if i > 0 {
					samples += ","
				}
				samples += strconv.FormatInt(f.FaceID, 10)
			}
			row(g.Key, g.Faces, g.Images, samples)
		}
	})
	if list.Next != nil {
		fmt.Fprintln(w, "There are more; see --limit.")
	}
	switch g := list.Grouping; {
	case g.State == "":
		fmt.Fprintln(w, "No groups have been made yet.")
	case !g.Complete:
		fmt.Fprintf(w, "The groups are not complete yet: %s, %d of %d faces.\n", clean(g.State), g.Faces, g.Total)
	}
}

// groupInfo is a group with the people whom it may show.
type groupInfo struct {
	api.GroupDetail
	Suggestions []api.Suggestion `json:"suggestions"`
}

func (a *app) groupsShow() *cobra.Command {
	var distance float64
	cmd := &cobra.Command{
		Use:   "show KEY",
		Short: "Show the faces of a group, and who it may be",
		Long: `Shows the faces of a group, and the people whom it may show, nearest first.

--distance shows the group as it would be at another distance of neighbours: a smaller
distance splits groups, a larger one joins them. Nothing is stored. A * marks faces that
are not in the group as it is stored; name them by --faces.`,
		Example: "  rollcall groups show 17\n  rollcall groups show 17 --distance 0.8",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, key, err := a.group(args[0])
			if err != nil {
				return err
			}
			info, err := readGroup(cmd.Context(), c, key, distance)
			if err != nil {
				return err
			}
			return a.show(info, func(w io.Writer) { writeGroup(w, info) })
		},
	}
	cmd.Flags().Float64Var(&distance, "distance", 0, "`distance` of neighbours; if absent, the group as it is stored")
	return cmd
}

// group returns a client, and the key of an argument.
func (a *app) group(arg string) (*client.Client, int64, error) {
	key, err := strconv.ParseInt(arg, 10, 64)
	if err != nil || key < 1 {
		return nil, 0, usageError{fmt.Errorf("%q is no key of a group; rollcall groups list shows them", arg)}
	}
	c, err := a.client()
	return c, key, err
}

// readGroup returns a group with all of its faces.
func readGroup(ctx context.Context, c *client.Client, key int64, distance float64) (groupInfo, error) {
	params := api.GetGroupParams{Limit: given(1000)}
	if distance != 0 {
		params.Distance = &distance
	}
	var info groupInfo
	for {
		page, err := c.GetGroup(ctx, key, params)
		if err != nil {
			return info, err
		}
		members := append(info.Members, page.Members...)
		info.GroupDetail = page
		info.Members = members
		if page.Next == nil {
			break
		}
		params.After = page.Next
	}
	suggested, err := c.SuggestPeople(ctx, key)
	info.Suggestions = suggested.Suggestions
	var problem *api.Error
	if errors.As(err, &problem) && problem.Code == api.CodeRecognizerUnavailable {
		info.Suggestions, err = []api.Suggestion{}, nil // the group can be shown all the same
	}
	return info, err
}

func writeGroup(w io.Writer, info groupInfo) {
	fmt.Fprintf(w, "group %d: %s in %s, distance %.3f\n", info.Key, count(info.Faces, "face", "faces"), count(info.Images, "image", "images"), info.Distance)
	for _, s := range info.Suggestions {
		fmt.Fprintf(w, "    may be %s (person %d), distance %.3f\n", clean(s.Person.Name), s.Person.ID, s.Distance)
	}
	for _, m := range info.Members {
		other := ""
		if !m.Stored {
			other = "  *"
		}
		fmt.Fprintf(w, "    face %d  %s at %s%s\n", m.Face.ID, clean(m.Image.Path), where(m.Face.Box), other)
	}
}

func (a *app) groupsUndo() *cobra.Command {
	return &cobra.Command{
		Use:   "undo ID",
		Short: "Undo what was said about a group, all of it at once",
		Long: `Undoes a change of a group by the id that it printed: its corrections, the known pictures
that it made, or a split. A person that it made stays; the output says if nothing is left
of them. The faces are in groups again after some seconds.`,
		Example: "  rollcall groups undo 3",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil || id < 1 {
				return usageError{fmt.Errorf("%q is no id of a change; the command that made it printed the id", args[0])}
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			done, err := c.UndoGroupChange(cmd.Context(), id)
			if err != nil {
				return err
			}
			return a.show(done, func(w io.Writer) {
				fmt.Fprintf(w, "Change %d is undone: %s changed", id, count(done.ChangedImages.Count, "image", "images"))
				if n := done.DeletedKnownPictures; n > 0 {
					fmt.Fprintf(w, ", %s deleted", count(n, "known picture", "known pictures"))
				}
				fmt.Fprintln(w, ".")
				if p := done.EmptyPerson; p != nil {
					fmt.Fprintf(w, "Nothing is left of %s (person %d) but the name; rollcall people delete %d removes them.\n", clean(p.Name), p.ID, p.ID)
				}
			})
		},
	}
}
