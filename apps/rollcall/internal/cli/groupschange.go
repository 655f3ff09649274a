package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

// groupChange is what a command does to a group.
type groupChange struct {
	what func(about string) string // in words, before it happens; about names the faces
	send func(ctx context.Context, c *client.Client, key int64, version string, only *[]int64) (api.GroupChange, error)
}

// changeGroup adds to a command what all changes of groups have in common.
func (a *app) changeGroup(cmd *cobra.Command, prepare func(args []string) (groupChange, error)) *cobra.Command {
	yes := addYes(cmd)
	only := cmd.Flags().Int64Slice("faces", nil, "only these faces, by `ids` separated by commas, and not the whole group")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		change, err := prepare(args)
		if err != nil {
			return err
		}
		c, key, err := a.group(args[0])
		if err != nil {
			return err
		}
		g, err := c.GetGroup(cmd.Context(), key, api.GetGroupParams{Limit: given(1)})
		if err != nil {
			return err
		}
		about, ids := fmt.Sprintf("all %d faces of group %d", g.Faces, key), (*[]int64)(nil)
		if len(*only) > 0 {
			about, ids = fmt.Sprintf("%s of group %d", count(len(*only), "face", "faces"), key), only
		}
		if err := a.confirm(change.what(about), *yes); err != nil {
			return err
		}
		done, err := change.send(cmd.Context(), c, key, g.Version, ids)
		if err != nil {
			return err
		}
		return a.show(done, func(w io.Writer) { writeGroupChange(w, done) })
	}
	return cmd
}

func writeGroupChange(w io.Writer, done api.GroupChange) {
	switch done.Says {
	case api.GroupIs:
		who := fmt.Sprintf("%s (person %d)", done.Person.Name, done.Person.ID)
		if done.NewPerson {
			who += ", who is new"
		}
		fmt.Fprintf(w, "%s: %s in %s.\n", clean(who), count(done.Faces, "face", "faces"), count(done.ChangedImages.Count, "image", "images"))
	case api.GroupApart:
		fmt.Fprintf(w, "%s are of two people from now on; the groups follow in some seconds.\n", count(done.Faces, "face", "faces"))
	default:
		fmt.Fprintf(w, "%s in %s do not count from now on.\n", count(done.Faces, "face", "faces"), count(done.ChangedImages.Count, "image", "images"))
	}
	if done.Skipped > 0 {
		fmt.Fprintf(w, "    %s had been decided or replaced meanwhile\n", count(done.Skipped, "face", "faces"))
	}
	for _, e := range done.Enrolled {
		fmt.Fprintf(w, "    face %d is known picture %d now\n", e.FaceID, e.KnownPictureID)
	}
	for _, e := range done.NotEnrolled {
		fmt.Fprintf(w, "    face %d is no known picture: %s\n", e.FaceID, clean(e.Message))
	}
	if done.Says == api.GroupIs && len(done.Enrolled) > 0 {
		fmt.Fprintln(w, "Other pictures of them follow within seconds.")
	}
	fmt.Fprintf(w, "To take it back: rollcall groups undo %d\n", done.ID)
}

func (a *app) groupsName() *cobra.Command {
	var person int64
	var enrol int
	cmd := &cobra.Command{
		Use:   "name KEY NAME | name KEY --person ID",
		Short: "Say who the faces of a group are",
		Long: `Says who all faces of a group are, or those of --faces. A name that nobody has makes a new
person.

Faces are recognized by known pictures. So some of the best faces become known pictures of
the person, too, and other pictures follow. --enrol 0 makes none.`,
		Example: `  rollcall groups name 17 "Ada Lovelace"
  rollcall groups name 17 --person 3 --yes
  rollcall groups name 17 Ada --faces 21 --enrol 0   # this picture only`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 || (person != 0) == (len(args) == 2) {
				return errors.New("give the KEY of a group, and a NAME or --person with the id of a person")
			}
			return nil
		},
	}
	cmd.Flags().Int64Var(&person, "person", 0, "`id` of a person who is known already")
	cmd.Flags().IntVar(&enrol, "enrol", 3, "largest `number` of faces that become known pictures, 0 to 5")
	return a.changeGroup(cmd, func(args []string) (groupChange, error) {
		who, name := api.GroupName{Enrol: &enrol}, fmt.Sprintf("person %d", person)
		if person != 0 {
			who.PersonID = &person
		} else {
			who.Name, name = &args[1], args[1]
		}
		return groupChange{
			what: func(about string) string { return fmt.Sprintf("%s: %s.", name, about) },
			send: func(ctx context.Context, c *client.Client, key int64, version string, only *[]int64) (api.GroupChange, error) {
				who.FaceIDs = only
				return c.NameGroup(ctx, key, version, who)
			},
		}, nil
	})
}

func (a *app) groupsIgnore() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ignore KEY",
		Short: "Say that nobody wants to see the faces of a group again",
		Long: `For strangers: the faces of a group, or those of --faces, are never named, suggested or
grouped again.`,
		Example: "  rollcall groups ignore 17\n  rollcall groups ignore 17 --faces 21,22 --yes",
		Args:    cobra.ExactArgs(1),
	}
	return a.changeGroup(cmd, func([]string) (groupChange, error) {
		return groupChange{
			what: func(about string) string { return fmt.Sprintf("Ignored for ever: %s.", about) },
			send: func(ctx context.Context, c *client.Client, key int64, version string, only *[]int64) (api.GroupChange, error) {
				return c.IgnoreGroup(ctx, key, version, api.GroupPart{FaceIDs: only})
			},
		}, nil
	})
}

func (a *app) groupsNotAFace() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "not-a-face KEY",
		Short:   "Say that the faces of a group are none, such as a poster",
		Example: "  rollcall groups not-a-face 17",
		Args:    cobra.ExactArgs(1),
	}
	return a.changeGroup(cmd, func([]string) (groupChange, error) {
		return groupChange{
			what: func(about string) string { return fmt.Sprintf("No faces: %s.", about) },
			send: func(ctx context.Context, c *client.Client, key int64, version string, only *[]int64) (api.GroupChange, error) {
				return c.DismissGroup(ctx, key, version, api.GroupPart{FaceIDs: only})
			},
		}, nil
	})
}

func (a *app) groupsSplit() *cobra.Command {
	var from []int64
	cmd := &cobra.Command{
		Use:   "split KEY --faces IDS",
		Short: "Say that a group shows two people",
		Long: `Says that the faces of --faces are not of the person of the others: of --from, or of the
rest of the group. They are in one group never again.`,
		Example: "  rollcall groups split 17 --faces 21,22\n  rollcall groups split 17 --faces 21 --from 30,31",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().Int64SliceVar(&from, "from", nil, "the others, by `ids` separated by commas; if absent, the rest of the group")
	return a.changeGroup(cmd, func([]string) (groupChange, error) {
		if !cmd.Flags().Changed("faces") {
			return groupChange{}, usageError{errors.New("which faces are of somebody else? give --faces")}
		}
		return groupChange{
			what: func(about string) string { return fmt.Sprintf("Of somebody else than the others: %s.", about) },
			send: func(ctx context.Context, c *client.Client, key int64, version string, only *[]int64) (api.GroupChange, error) {
				sides := api.GroupSplit{FaceIDs: *only}
				if len(from) > 0 {
					sides.OtherFaceIDs = &from
				}
				return c.SplitGroup(ctx, key, version, sides)
			},
		}, nil
	})
}
