package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

const (
	watchEvery = 2 * time.Second
	// watchPage is how many images a look lists at once.
	watchPage = 200
	// watchAsk bounds how many waiting images a look asks about. The others have their
	// turn at the next look.
	watchAsk = 50
)

func (a *app) watchCommand() *cobra.Command {
	var every time.Duration
	var count int
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print answers as they come",
		Long: `Prints the answers to pictures that are posted from now on, or that wait now, as they
come. It looks again and again until you press Ctrl-C. Answers that change later, such as
by a re-match, are not printed again.`,
		Example: `  rollcall watch
  rollcall watch -o json | jq .path
  rollcall watch --count 10`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if every <= 0 {
				return usageError{fmt.Errorf("--poll is %s; it must be more than 0", every)}
			}
			err := a.watch(cmd.Context(), every, count)
			if cmd.Context().Err() != nil {
				return nil // Ctrl-C is how it ends
			}
			return err
		},
	}
	cmd.Flags().DurationVar(&every, "poll", watchEvery, "how often to look")
	cmd.Flags().IntVar(&count, "count", 0, "end after this number of answers; 0 goes on until Ctrl-C")
	return cmd
}

func (a *app) watch(ctx context.Context, every time.Duration, count int) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	w := &watcher{app: a, client: c}
	if err := w.begin(ctx); err != nil {
		return err
	}
	for {
		if err := w.look(ctx); err != nil {
			return err
		}
		if count > 0 && w.shown >= count {
			return nil
		}
		if err := pause(ctx, every); err != nil {
			return err
		}
	}
}

// watcher remembers which images wait.
type watcher struct {
	*app
	client  *client.Client
	last    int64   // the newest image that was seen
	waiting []int64 // images without an answer, those asked about longest ago first
	shown   int
}

// begin notes the newest image and which of the newest images wait.
func (w *watcher) begin(ctx context.Context) error {
	page, err := w.client.ListImages(ctx, api.ListImagesParams{Limit: given(watchPage)})
	if err != nil {
		return err
	}
	for _, img := range page.Images {
		w.last = max(w.last, img.ID)
		if img.Waits() {
			w.waiting = append(w.waiting, img.ID)
		}
	}
	slices.Sort(w.waiting)
	return nil
}

// look prints what has been answered since the last look.
func (w *watcher) look(ctx context.Context) error {
	fresh, err := w.fresh(ctx)
	if err != nil {
		return err
	}
	ask := w.waiting[:min(len(w.waiting), watchAsk)]
	w.waiting = w.waiting[len(ask):]
	for _, img := range fresh {
		w.last = max(w.last, img.ID)
		if img.Waits() {
			w.waiting = append(w.waiting, img.ID)
		} else {
			ask = append(ask, img.ID)
		}
	}
	for _, id := range ask {
		if err := w.ask(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// fresh returns the images since the last look, oldest first.
func (w *watcher) fresh(ctx context.Context) ([]api.Image, error) {
	var fresh []api.Image
	for img, err := range w.client.AllImages(ctx, api.ListImagesParams{Limit: given(watchPage)}) {
		if err != nil {
			return nil, err
		}
		if img.ID <= w.last {
			break
		}
		fresh = append(fresh, img)
	}
	slices.Reverse(fresh)
	return fresh, nil
}

// ask prints the answer of an image, or lets it wait on.
func (w *watcher) ask(ctx context.Context, id int64) error {
	img, err := w.client.GetImage(ctx, id)
	if err != nil {
		if isNotFound(err) {
			return nil // deleted
		}
		return err
	}
	if img.Waits() {
		w.waiting = append(w.waiting, id)
		return nil
	}
	w.shown++
	return w.showLine(img, func(out io.Writer) { writeDetail(out, img) })
}
