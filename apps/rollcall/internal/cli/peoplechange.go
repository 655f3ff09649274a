package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

func addYes(cmd *cobra.Command) *bool {
	return cmd.Flags().BoolP("yes", "y", false, "do it without a question")
}

func (a *app) peopleRename() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "rename PERSON NAME",
		Short:   "Give a person another name, which shows everywhere at once",
		Example: `  rollcall people rename Ada "Ada Lovelace"`,
		Args:    cobra.ExactArgs(2),
	}
	yes := addYes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, p, err := a.person(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if err := a.confirm(fmt.Sprintf("Person %d, %s, gets the name %s.", p.ID, p.Name, args[1]), *yes); err != nil {
			return err
		}
		p, err = c.ChangePerson(cmd.Context(), p.ID, p.Version, api.PersonChange{Name: &args[1]})
		if err != nil {
			return err
		}
		return a.showPerson(p)
	}
	return cmd
}

// person returns a client, and the person of an argument.
func (a *app) person(ctx context.Context, arg string) (*client.Client, api.PersonDetail, error) {
	c, err := a.client()
	if err != nil {
		return nil, api.PersonDetail{}, err
	}
	p, err := findPerson(ctx, c, arg)
	return c, p, err
}

func (a *app) peopleHide(hide bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hide PERSON",
		Short: "Leave a person out of lists; they are recognized like others",
		Args:  cobra.ExactArgs(1),
	}
	if !hide {
		cmd.Use, cmd.Short = "show PERSON", "List a hidden person again"
		cmd.Aliases = []string{"unhide"}
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, p, err := a.person(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if p.Hidden != hide {
			if p, err = c.ChangePerson(cmd.Context(), p.ID, p.Version, api.PersonChange{Hidden: &hide}); err != nil {
				return err
			}
		}
		return a.showPerson(p)
	}
	return cmd
}

func (a *app) peopleDelete() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete PERSON",
		Short: "Delete a person with their known pictures",
		Long: `Deletes a person, the known pictures that Rollcall wrote, and the corrections that name
them. Pictures that show them stay, and their faces are of nobody known. Files that
somebody else put into the folder of known people stay; the output lists them.`,
		Example: `  rollcall people delete "Ada Lovelace" --yes`,
		Args:    cobra.ExactArgs(1),
	}
	yes := addYes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, p, err := a.person(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		what := fmt.Sprintf("Person %d, %s, is deleted for ever with %s. Answers that name them change at once.",
			p.ID, p.Name, count(p.KnownPictures, "known picture", "known pictures"))
		if err := a.confirm(what, *yes); err != nil {
			return err
		}
		gone, err := c.DeletePerson(cmd.Context(), p.ID, p.Version)
		if err != nil {
			return err
		}
		return a.show(gone, func(w io.Writer) {
			fmt.Fprintf(w, "%s is deleted, with %s. %s showed them.\n", clean(p.Name),
				count(gone.DeletedPictures, "file", "files"), count(gone.Images, "image", "images"))
			for _, f := range gone.LeftFiles {
				fmt.Fprintf(w, "    left in the folder of known people: %s\n", clean(f))
			}
		})
	}
	return cmd
}

func (a *app) peopleMerge() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "merge PERSON OTHER",
		Short: "Make one person of two: OTHER becomes PERSON",
		Long: `Makes one person of two. The known pictures, corrections and answers of OTHER become
those of PERSON, at once. rollcall people undo-merge takes it back.`,
		Example: `  rollcall people merge "Ada Lovelace" Ada
  rollcall people merge 3 7 --name "Ada King"`,
		Args: cobra.ExactArgs(2),
	}
	cmd.Flags().StringVar(&name, "name", "", "the `name` from now on; without it, PERSON keeps theirs")
	yes := addYes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, p, err := a.person(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		other, err := findPerson(cmd.Context(), c, args[1])
		if err != nil {
			return err
		}
		what := fmt.Sprintf("Person %d, %s, with %s becomes person %d, %s, who has %s.",
			other.ID, other.Name, count(other.KnownPictures, "known picture", "known pictures"),
			p.ID, p.Name, count(p.KnownPictures, "known picture", "known pictures"))
		if name != "" {
			what += fmt.Sprintf(" The name is %s from now on.", name)
		}
		if err := a.confirm(what, *yes); err != nil {
			return err
		}
		done, err := c.MergePeople(cmd.Context(), p.ID, p.Version, api.MergeRequest{PersonID: other.ID, Version: other.Version, Name: given(name)})
		if err != nil {
			return err
		}
		return a.show(done, func(w io.Writer) {
			writePerson(w, done.Person)
			fmt.Fprintf(w, "%s. Undo it with: rollcall people undo-merge %d\n", clean(describeMerge(done.Merge)), done.Merge.ID)
		})
	}
	return cmd
}

func (a *app) peopleUndoMerge() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "undo-merge MERGE",
		Short: "Make two people of one again, by the merge's id",
		Long: `Makes two people of one again. rollcall people info lists the merges of a person with
their ids. The merged person is back with their known pictures and corrections.`,
		Example: `  rollcall people info "Ada Lovelace"
  rollcall people undo-merge 3`,
		Args: cobra.ExactArgs(1),
	}
	yes := addYes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ids, err := parseIDs(args)
		if err != nil {
			return err
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		if err := a.confirm(fmt.Sprintf("Merge %d is undone: the person who was merged is back.", ids[0]), *yes); err != nil {
			return err
		}
		back, err := c.UndoMerge(cmd.Context(), ids[0])
		if err != nil {
			return err
		}
		return a.show(back, func(w io.Writer) {
			writePerson(w, back.Person)
			fmt.Fprintln(w, clean(describeMerge(back.Merge)))
		})
	}
	return cmd
}
