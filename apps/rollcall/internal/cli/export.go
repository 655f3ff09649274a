package cli

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

func (a *app) exportCommand() *cobra.Command {
	var out string
	var blur bool
	cmd := &cobra.Command{
		Use:   "export PERSON --out FILE",
		Short: "Write everything about a person into a zip archive",
		Long: `Writes everything about a person into a zip archive: their data, their known pictures, and
the pictures that show them, with a manifest that has the SHA-256 of each file and lists
what is missing. Pictures are the original files, with their metadata. With --blur-others
they are JPEGs without metadata, in which the faces of others are blurred, as far as they were found.

The file appears when the archive is whole: nothing is left of one that broke off. It holds
somebody's personal data, so only you can read it. Your key needs the scope admin.`,
		Example: `  rollcall export "Ada Lovelace" --out ada.zip --blur-others`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usageError{errors.New("name the file for the archive by --out")}
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			p, err := findPerson(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			files, err := export(cmd.Context(), c, p.ID, blur, out)
			if err != nil {
				return err
			}
			return a.show(map[string]any{"person_id": p.ID, "file": out, "files": files}, func(w io.Writer) {
				fmt.Fprintf(w, "%s has %s about person %d.\n", out, count(files, "file", "files"), p.ID)
			})
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`file` of the archive; it must not be there yet")
	cmd.Flags().BoolVar(&blur, "blur-others", false, "blur the faces of others")
	_ = cmd.MarkFlagFilename("out", "zip")
	return cmd
}

// export writes an archive into a file beside its place, checks that it is whole, and
// moves it there.
func export(ctx context.Context, c *client.Client, person int64, blur bool, out string) (files int, err error) {
	if _, err := os.Lstat(out); err == nil {
		return 0, fmt.Errorf("%s is there already; name another file", out)
	}
	part, err := os.CreateTemp(filepath.Dir(out), ".rollcall-export-*") // only its owner can read it
	if err != nil {
		return 0, fmt.Errorf("make the file of the archive: %w", err)
	}
	defer func() { err = errors.Join(err, removePart(part.Name())) }()
	err = c.ExportPerson(ctx, person, api.ExportPersonParams{BlurOthers: &blur}, part)
	if err == nil {
		files, err = checkArchive(part)
	}
	if err := errors.Join(err, part.Close()); err != nil {
		return 0, err
	}
	if err := os.Link(part.Name(), out); err != nil { // unlike a renaming, it replaces nothing
		return 0, fmt.Errorf("put the archive into its place: %w", err)
	}
	return files, nil
}

func removePart(name string) error {
	if err := os.Remove(name); err != nil {
		return fmt.Errorf("remove the part of an archive: %w", err)
	}
	return nil
}

// checkArchive returns the number of files of a whole archive.
func checkArchive(file *os.File) (int, error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	r, err := zip.NewReader(file, info.Size())
	if err != nil {
		return 0, fmt.Errorf("the archive is not whole; try again: %w", err)
	}
	if n := len(r.File); n == 0 || r.File[n-1].Name != "manifest.json" {
		return 0, errors.New("the archive has no manifest; try again")
	}
	return len(r.File), nil
}
