package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

const (
	// postBatch is how many paths are posted at once.
	postBatch = 100
	// pollEvery is how often an answer is looked for.
	pollEvery = 500 * time.Millisecond
)

type postFlags struct {
	wait bool
	poll time.Duration
}

func (a *app) postCommand() *cobra.Command {
	var f postFlags
	cmd := &cobra.Command{
		Use:   "post PATH…",
		Short: "Ask who is in pictures, by their paths on the server",
		Long: `Asks who is in pictures. A path is one on the server, below its folder of unknown people.
With the path - the paths are read from standard input, one a line.

The answers come later: rollcall watch and rollcall images show them. With --wait, the
command waits for them and prints each as it comes.

Exit codes: 0 all paths were taken; 2 some were refused, or, with --wait, have no answer
because the picture cannot be processed; 1 something failed.`,
		Example: `  rollcall post unknown0001.jpg
  rollcall post --wait unknown0001.jpg party/unknown0002.jpg
  (cd /mnt/unknown_people && find . -name '*.jpg') | rollcall post -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.post(cmd.Context(), args, f) },
	}
	f.add(cmd)
	return cmd
}

func (f *postFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.wait, "wait", false, "wait for the answers and print them")
	cmd.Flags().DurationVar(&f.poll, "poll", pollEvery, "with --wait: how often to look for answers")
}

func (a *app) post(ctx context.Context, paths []string, f postFlags) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	p := &poster{app: a, client: c, wait: f.wait}
	if err := eachPath(a.In, paths, func(batch []string) error { return p.send(ctx, batch) }); err != nil {
		return err
	}
	return p.finish(ctx, f.poll)
}

// eachPath calls send with the paths of the arguments, some at a time. "-" stands for
// the lines of in.
func eachPath(in io.Reader, paths []string, send func([]string) error) error {
	var batch []string
	add := func(path string) error {
		if batch = append(batch, path); len(batch) < postBatch {
			return nil
		}
		full := batch
		batch = nil
		return send(full)
	}
	for _, path := range paths {
		if path != "-" {
			if err := add(path); err != nil {
				return err
			}
			continue
		}
		lines := bufio.NewScanner(in)
		for lines.Scan() {
			if line := strings.TrimRight(lines.Text(), "\r"); line != "" {
				if err := add(line); err != nil {
					return err
				}
			}
		}
		if err := lines.Err(); err != nil {
			return fmt.Errorf("read the paths from standard input: %w", err)
		}
	}
	if len(batch) == 0 {
		return nil
	}
	return send(batch)
}

// poster posts paths and remembers the images to wait for.
type poster struct {
	*app
	client   *client.Client
	wait     bool
	oneByOne bool // the server is of an older release, or an original receiver
	waiting  []int64
	refused  bool
}

func (p *poster) send(ctx context.Context, paths []string) error {
	entries, err := p.entries(ctx, paths)
	return errors.Join(err, p.take(entries))
}

// take prints what became of paths, and remembers what to wait for.
func (p *poster) take(entries []api.PostedEntry) error {
	for _, e := range entries {
		if e.Error != nil {
			p.refused = true
		} else if p.wait {
			p.waiting = append(p.waiting, e.ID)
			continue
		}
		if err := p.showLine(e, func(w io.Writer) { writePosted(w, e) }); err != nil {
			return err
		}
	}
	return nil
}

// finish waits for the answers, if that is wanted, and returns how it went.
func (p *poster) finish(ctx context.Context, every time.Duration) error {
	if err := p.answers(ctx, every); err != nil {
		return err
	}
	if p.refused {
		return code(ExitRefused)
	}
	return nil
}

// entries posts paths all at once, or one by one where the server does not know that.
func (p *poster) entries(ctx context.Context, paths []string) ([]api.PostedEntry, error) {
	if !p.oneByOne {
		entries, err := p.client.PostImages(ctx, paths...)
		var problem *api.Error
		unknown := errors.As(err, &problem) && (problem.Status == http.StatusNotFound || problem.Status == http.StatusMethodNotAllowed)
		if !unknown {
			return entries, err
		}
		p.oneByOne = true
	}
	var entries []api.PostedEntry
	for _, path := range paths {
		posted, err := p.client.PostImage(ctx, path)
		var problem *api.Error
		switch {
		case err == nil:
			entries = append(entries, api.PostedEntry{PostedImage: posted})
		case errors.As(err, &problem) && (problem.Status == http.StatusUnprocessableEntity || problem.Status == http.StatusBadRequest):
			entries = append(entries, api.Refused(path, api.ErrorBody{Code: problem.Code, Message: problem.Message}))
		default:
			return entries, err
		}
	}
	return entries, nil
}

func writePosted(w io.Writer, e api.PostedEntry) {
	switch {
	case e.Error != nil:
		fmt.Fprintf(w, "refused  %s: %s (%s)\n", clean(e.Path), clean(string(e.Error.Code)), clean(e.Error.Message))
	case e.Waits():
		fmt.Fprintf(w, "%d  %s  %s\n", e.ID, clean(nameOf(e.Image)), stateOf(e.Image))
	default: // posted before
		writeImage(w, e.Image)
	}
}

// answers waits for the answers and prints them.
func (p *poster) answers(ctx context.Context, every time.Duration) error {
	for len(p.waiting) > 0 {
		var still []int64
		for _, id := range p.waiting {
			img, err := p.client.GetImage(ctx, id)
			if err != nil {
				return err
			}
			if img.Waits() {
				still = append(still, id)
				continue
			}
			p.refused = p.refused || img.Status == api.StatusFailed
			if err := p.showLine(img, func(w io.Writer) { writeDetail(w, img) }); err != nil {
				return err
			}
		}
		if p.waiting = still; len(still) > 0 {
			if err := pause(ctx, every); err != nil {
				return err
			}
		}
	}
	return nil
}

// pause waits, or returns an error as soon as the program is to end.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
