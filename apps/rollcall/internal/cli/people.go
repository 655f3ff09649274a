package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"golang.org/x/text/unicode/norm"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

func (a *app) peopleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "people",
		Short: "List, add, rename, merge, hide and delete people",
		Long: `Lists and changes people. PERSON is an id or a name; write name:42 for somebody whose
name is a number. A command that cannot be undone, or that changes answers, shows what
will happen and asks; --yes answers. It changes nobody who has changed meanwhile.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		a.peopleList(), a.peopleInfo(), a.peopleAdd(), a.peopleRename(), a.peopleMerge(), a.peopleUndoMerge(),
		a.peopleDelete(), a.peopleHide(true), a.peopleHide(false),
	)
	return cmd
}

// isNotFound reports whether the server knows no such thing.
func isNotFound(err error) bool {
	var problem *api.Error
	return errors.As(err, &problem) && problem.Status == http.StatusNotFound
}

// findPerson returns the person of an id or a name.
func findPerson(ctx context.Context, c *client.Client, arg string) (api.PersonDetail, error) {
	if id, err := strconv.ParseInt(arg, 10, 64); err == nil && id > 0 {
		return c.GetPerson(ctx, id)
	}
	name := norm.NFC.String(strings.TrimSpace(strings.TrimPrefix(arg, "name:")))
	if name == "" {
		return api.PersonDetail{}, usageError{errors.New("which person? give an id or a name")}
	}
	all := api.ListPeopleParamsHiddenAllPeople
	list, err := c.ListPeople(ctx, api.ListPeopleParams{Name: &name, Hidden: &all})
	switch {
	case err != nil:
		return api.PersonDetail{}, err
	case len(list.People) == 1:
		return list.People[0], nil
	case len(list.People) > 1:
		return api.PersonDetail{}, fmt.Errorf("%s have the name %s; give an id: rollcall people list --name %[2]q",
			count(len(list.People), "person", "people"), name)
	}
	return api.PersonDetail{}, fmt.Errorf("there is nobody with the name %q; rollcall people list shows all names", name)
}

func (a *app) peopleList() *cobra.Command {
	var part, hidden string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List people",
		Example: "  rollcall people list\n  rollcall people list --name love --hidden all",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			params := api.ListPeopleParams{Query: given(part), Hidden: given(api.ListPeopleParamsHidden(hidden)), Limit: given(1000)}
			people := []api.PersonDetail{}
			for p, err := range c.AllPeople(cmd.Context(), params) {
				if err != nil {
					return err
				}
				people = append(people, p)
			}
			return a.show(map[string]any{"people": people}, func(w io.Writer) {
				table(w, "ID NAME PICTURES HIDDEN", func(row func(...any)) {
					for _, p := range people {
						row(p.ID, p.Name, p.KnownPictures, hiddenWord(p))
					}
				})
			})
		},
	}
	cmd.Flags().StringVar(&part, "name", "", "only people whose name contains this `text`, in upper or lower case")
	cmd.Flags().StringVar(&hidden, "hidden", "false", "true: only hidden people; all: hidden people and others")
	_ = cmd.RegisterFlagCompletionFunc("hidden", cobra.FixedCompletions([]string{"true", "false", "all"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func hiddenWord(p api.PersonDetail) string {
	if p.Hidden {
		return "hidden"
	}
	return "-"
}

// showPerson prints a person as they are now.
func (a *app) showPerson(p api.PersonDetail) error {
	return a.show(p, func(w io.Writer) { writePerson(w, p) })
}

func writePerson(w io.Writer, p api.PersonDetail) {
	fmt.Fprintf(w, "%d  %s, %s", p.ID, clean(p.Name), count(p.KnownPictures, "known picture", "known pictures"))
	if p.Hidden {
		fmt.Fprint(w, ", hidden")
	}
	fmt.Fprintln(w)
}

// personInfo is a person with what belongs to them.
type personInfo struct {
	api.PersonDetail
	Pictures []api.KnownPicture `json:"pictures"`
	Merges   []api.Merge        `json:"merges"`
}

func (a *app) peopleInfo() *cobra.Command {
	return &cobra.Command{
		Use:     "info PERSON",
		Short:   "Show a person with their known pictures and merges",
		Example: `  rollcall people info "Ada Lovelace"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			info := personInfo{Pictures: []api.KnownPicture{}}
			if info.PersonDetail, err = findPerson(cmd.Context(), c, args[0]); err != nil {
				return err
			}
			if info.Pictures, err = knownPictures(cmd.Context(), c, info.ID); err != nil {
				return err
			}
			if info.Merges, err = c.Merges(cmd.Context(), info.ID); err != nil {
				return err
			}
			return a.show(info, func(w io.Writer) {
				writePerson(w, info.PersonDetail)
				for _, k := range info.Pictures {
					fmt.Fprintf(w, "    known picture %d: %s\n", k.ID, clean(k.Path))
				}
				for _, m := range info.Merges {
					fmt.Fprintf(w, "    %s\n", clean(describeMerge(m)))
				}
			})
		},
	}
}

func describeMerge(m api.Merge) string {
	text := fmt.Sprintf("merge %d: %s (person %d) became %s (person %d)", m.ID, m.Merged.Name, m.Merged.ID, m.Person.Name, m.Person.ID)
	if m.UndoneAt != nil {
		text += ", undone"
	}
	return text
}

func (a *app) peopleAdd() *cobra.Command {
	return &cobra.Command{
		Use:   "add NAME",
		Short: "Add a person",
		Long: `Adds a person without pictures: rollcall known add gives them some. To add many people
with their pictures, use rollcall enrol.`,
		Example: `  rollcall people add "Ada Lovelace"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			p, err := c.CreatePerson(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.showPerson(p)
		},
	}
}
