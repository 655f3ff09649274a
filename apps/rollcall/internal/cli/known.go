package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

func (a *app) knownCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "known",
		Short: "List, add and delete the pictures by which a person is known",
		Long:  "Lists and changes the pictures by which a person is known. PERSON is an id or a name.",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.knownList(), a.knownAdd(), a.knownDelete())
	return cmd
}

func knownPictures(ctx context.Context, c *client.Client, person int64) ([]api.KnownPicture, error) {
	pictures := []api.KnownPicture{}
	params := api.ListKnownPicturesParams{Limit: given(1000)}
	for {
		page, err := c.KnownPictures(ctx, person, params)
		if err != nil {
			return nil, err
		}
		pictures = append(pictures, page.KnownPictures...)
		if page.Next == nil {
			return pictures, nil
		}
		params.After = page.Next
	}
}

func (a *app) knownList() *cobra.Command {
	return &cobra.Command{
		Use:     "list PERSON",
		Short:   "List a person's known pictures",
		Example: `  rollcall known list "Ada Lovelace"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, p, err := a.person(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			pictures, err := knownPictures(cmd.Context(), c, p.ID)
			if err != nil {
				return err
			}
			return a.show(map[string]any{"known_pictures": pictures}, func(w io.Writer) {
				table(w, "ID SOURCE PATH", func(row func(...any)) {
					for _, k := range pictures {
						row(k.ID, k.Source, k.Path)
					}
				})
			})
		},
	}
}

type knownAddFlags struct {
	accept           []string
	dryRun, onServer bool
}

func (a *app) knownAdd() *cobra.Command {
	var f knownAddFlags
	cmd := &cobra.Command{
		Use:   "add PERSON FILE…",
		Short: "Add pictures by which a person is known",
		Long: `Adds picture files to a person's known pictures. The server refuses a picture that would
do harm; see rollcall enrol. With --on-server, FILE is below the server's folder of known
people and is not sent.

Exit codes: 0 all pictures are taken; 2 some were refused; 1 something failed.`,
		Example: `  rollcall known add "Ada Lovelace" ada-1.jpg ada-2.jpg
  rollcall known add Ada old.jpg --accept blurred`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.addKnown(cmd.Context(), args[0], args[1:], f)
		},
	}
	addAccept(cmd, &f.accept)
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "check the pictures and store none")
	cmd.Flags().BoolVar(&f.onServer, "on-server", false, "FILE is in the server's folder of known people already")
	return cmd
}

// knownResult is what became of a file.
type knownResult struct {
	File  string                 `json:"file"`
	Added *api.AddedKnownPicture `json:"added,omitempty"`
	Error *api.ErrorBody         `json:"error,omitempty"`
}

func (a *app) addKnown(ctx context.Context, who string, files []string, f knownAddFlags) error {
	if err := checkAccept(f.accept); err != nil {
		return err
	}
	c, p, err := a.person(ctx, who)
	if err != nil {
		return err
	}
	params := api.AddKnownPictureParams{Accept: given(strings.Join(f.accept, ",")), DryRun: given(f.dryRun)}
	refused := false
	for _, file := range files {
		done, err := addOne(ctx, c, p.ID, file, params, f.onServer)
		result := knownResult{File: file, Added: &done}
		if err != nil {
			var problem *api.Error
			if !errors.As(err, &problem) || problem.Status >= 500 || problem.Status == 401 || problem.Status == 403 {
				return fmt.Errorf("%s: %w", file, err)
			}
			refused = true
			result = knownResult{File: file, Error: &api.ErrorBody{Code: problem.Code, Message: problem.Message, Refusals: problem.Refusals}}
		}
		if err := a.showLine(result, func(w io.Writer) { writeKnownResult(w, result) }); err != nil {
			return err
		}
	}
	if refused {
		return code(ExitRefused)
	}
	return nil
}

func addOne(ctx context.Context, c *client.Client, person int64, file string, params api.AddKnownPictureParams, onServer bool) (api.AddedKnownPicture, error) {
	if onServer {
		return c.AddKnownFile(ctx, person, filepath.ToSlash(file), params)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return api.AddedKnownPicture{}, err
	}
	return c.AddKnownPicture(ctx, person, content, params)
}

func writeKnownResult(w io.Writer, r knownResult) {
	switch {
	case r.Error != nil:
		fmt.Fprintf(w, "%s: refused: %s (%s)\n", clean(r.File), clean(string(r.Error.Code)), clean(r.Error.Message))
	case r.Added.KnownPicture == nil:
		fmt.Fprintf(w, "%s: would be taken\n", clean(r.File))
	default:
		fmt.Fprintf(w, "%s: known picture %d\n", clean(r.File), r.Added.KnownPicture.ID)
	}
}

func (a *app) knownDelete() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "delete PERSON ID",
		Short:   "Delete a known picture of a person, by the picture's id",
		Example: "  rollcall known list Ada\n  rollcall known delete Ada 12",
		Args:    cobra.ExactArgs(2),
	}
	yes := addYes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ids, err := parseIDs(args[1:])
		if err != nil {
			return err
		}
		c, p, err := a.person(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if err := a.confirm(fmt.Sprintf("Known picture %d of person %d, %s, is deleted.", ids[0], p.ID, p.Name), *yes); err != nil {
			return err
		}
		if err := c.DeleteKnownPicture(cmd.Context(), p.ID, ids[0]); err != nil {
			return err
		}
		return a.show(map[string]any{"deleted": ids[0]}, func(w io.Writer) { fmt.Fprintf(w, "Known picture %d is deleted.\n", ids[0]) })
	}
	return cmd
}
