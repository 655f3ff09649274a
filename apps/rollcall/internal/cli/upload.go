package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// uploadBatch is how many files are sent in one request: a request that breaks off is
// sent anew as a whole.
const uploadBatch = 20

func (a *app) uploadCommand() *cobra.Command {
	var f postFlags
	cmd := &cobra.Command{
		Use:   "upload FILE…",
		Short: "Ask who is in pictures of this machine, by sending them",
		Long: `Sends picture files to the server, which stores them and asks who is in them. The same
content is the same image, so an upload can be repeated. To ask without storing
anything, use rollcall identify; for pictures that the server has already, rollcall post.

Exit codes: 0 all files were taken; 2 some were refused, or, with --wait, have no answer
because the picture cannot be processed; 1 something failed.`,
		Example: "  rollcall upload party/*.jpg\n  rollcall upload --wait party/1.jpg",
		Args:    cobra.MinimumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.upload(cmd.Context(), args, f) },
	}
	f.add(cmd)
	return cmd
}

func (a *app) upload(ctx context.Context, files []string, f postFlags) error {
	for _, file := range files { // before anything is sent
		if info, err := os.Stat(file); err != nil {
			return err
		} else if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no file; name the files in it, such as %[1]s/*.jpg", file)
		}
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	p := &poster{app: a, client: c, wait: f.wait}
	for batch := range slices.Chunk(files, uploadBatch) {
		entries, err := c.UploadFiles(ctx, batch...)
		var problem *api.Error
		if errors.As(err, &problem) && problem.Status == http.StatusMethodNotAllowed {
			return fmt.Errorf("%w\nThe server is of a release that takes no uploads; put the files into its folder and use rollcall post", err)
		}
		if err := errors.Join(err, p.take(entries)); err != nil {
			return err
		}
	}
	return p.finish(ctx, f.poll)
}
