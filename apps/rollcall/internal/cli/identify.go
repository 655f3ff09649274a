package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
)

func (a *app) identifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "identify FILE…",
		Short: "Ask who is in pictures of this machine, at once and without storing them",
		Long: `Asks who is in picture files of this machine, and prints the answers at once. Nothing is
stored.

Exit codes: 0 all pictures have an answer; 2 some cannot be read; 1 something failed.`,
		Example: "  rollcall identify party.jpg\n  rollcall identify *.jpg -o json",
		Args:    cobra.MinimumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.identify(cmd.Context(), args) },
	}
}

// identified is the answer about a file.
type identified struct {
	File   string           `json:"file"`
	Answer *api.SeenPicture `json:"answer,omitempty"`
	Error  *api.ErrorBody   `json:"error,omitempty"`
}

func (a *app) identify(ctx context.Context, files []string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	refused := false
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		result := identified{File: file}
		seen, err := c.Identify(ctx, content)
		var problem *api.Error
		switch {
		case err == nil:
			result.Answer = &seen
		case errors.As(err, &problem) && isOfPicture(problem.Status):
			refused = true
			result.Error = &api.ErrorBody{Code: problem.Code, Message: problem.Message}
		default:
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := a.showLine(result, func(w io.Writer) { writeIdentified(w, result) }); err != nil {
			return err
		}
	}
	if refused {
		return code(ExitRefused)
	}
	return nil
}

// isOfPicture reports whether an error says something about a picture.
func isOfPicture(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return true
	default:
		return false
	}
}

func writeIdentified(w io.Writer, r identified) {
	if r.Error != nil {
		fmt.Fprintf(w, "%s: refused: %s (%s)\n", clean(r.File), clean(string(r.Error.Code)), clean(r.Error.Message))
		return
	}
	fmt.Fprintf(w, "%s  %s", clean(r.File), clean(string(r.Answer.Reason)))
	if r.Answer.Detail != "" {
		fmt.Fprintf(w, ": %s", clean(r.Answer.Detail))
	}
	fmt.Fprintln(w)
	for _, f := range r.Answer.Faces {
		who := "nobody known"
		if f.Person != nil {
			who = f.Person.Name
		}
		fmt.Fprintf(w, "    face at %s: %s, %s\n", where(f.Box), clean(who), clean(f.Explanation))
	}
}
