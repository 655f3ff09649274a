package main

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

const (
	askBatch      = 1000 // pictures per post
	maxRows       = 40   // answers that are printed; the dashboard shows all
	pollEvery     = 200 * time.Millisecond
	progressEvery = 5 * time.Second
)

// addWelcome adds a part that processes the pictures in the folder once and then
// prints how to go on.
func (s *system) addWelcome() error {
	const never = time.Duration(1 << 62)
	loop := newLoop(never, func(ctx context.Context) {
		if s.ask {
			if err := s.askAll(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("cannot process the pictures in the folder", "error", err)
			}
		}
		if ctx.Err() == nil {
			s.welcome()
		}
	})
	s.program.Add(lifecycle.Part{Name: "first pictures", Start: loop.start, Stop: loop.stop})
	return nil
}

func (s *system) welcome() {
	example := "PICTURE.jpg"
	if s.samples {
		example = "unknown0001.jpg"
	}
	fmt.Fprintf(s.out, "\nModel set: %s\nDashboard: http://%s/\nREST API:  http://%s/   e.g.\n"+
		"  curl -d '{\"path\":\"%s\"}' http://%s/image/post\n  curl http://%s/api/v1/images/1\n"+
		"Pictures are looked for under %s.\nCtrl-C stops.\n",
		s.recog.model.ID, s.pages.Addr(), s.api.Addr(), example, s.api.Addr(), s.api.Addr(), s.unknown)
}

// askAll posts every picture in the folder through the API, waits for the answers
// and prints them.
func (s *system) askAll(ctx context.Context) error {
	files, err := s.picturesIn(os.DirFS(s.unknown))
	if err != nil {
		return fmt.Errorf("list the pictures: %w", err)
	}
	if len(files) == 0 {
		fmt.Fprintf(s.out, "There are no pictures in %s yet.\n", s.unknown)
		return nil
	}
	receiver := client.New("http://"+s.api.Addr(), client.WithKey(s.ownKey))
	var asked []api.PostedEntry
	for part := range slices.Chunk(files, askBatch) {
		entries, err := receiver.PostImages(ctx, part...)
		if err != nil {
			return err
		}
		asked = append(asked, entries...)
	}
	if err := s.await(ctx); err != nil {
		return err
	}
	if err := readAnswers(ctx, receiver, asked); err != nil {
		return err
	}
	s.show(asked)
	return nil
}

// picturesIn lists the files below a folder, without hidden ones and a system's. It skips
// subfolders that cannot be read.
func (s *system) picturesIn(root fs.FS) ([]string, error) {
	var files []string
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && name == ".":
			return err
		case err != nil:
			s.log.Warn("folder skipped: it cannot be read", "folder", name, "error", err)
		case name != "." && picturefiles.Passed(path.Base(name)):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case !utf8.ValidString(name):
			s.log.Warn("picture skipped: its name is not UTF-8; rename it", "picture", name)
		case !entry.IsDir():
			files = append(files, name)
		}
		return nil
	})
	return files, err
}

// await waits until every image has an answer. It prints from time to time how
// many are missing.
func (s *system) await(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for shown := time.Now(); ; {
		waiting, err := s.waiting(ctx)
		if err != nil || waiting == 0 {
			return err
		}
		if time.Since(shown) > progressEvery {
			shown = time.Now()
			fmt.Fprintf(s.out, "%d pictures wait for their answer\n", waiting)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// waiting counts the images that have no answer yet.
func (s *system) waiting(ctx context.Context) (int64, error) {
	counts, err := s.store.CountImages(ctx)
	var n int64
	for _, c := range counts {
		if c.Reason == faces.Queued || c.Status == faces.Processing {
			n += c.Images
		}
	}
	return n, err
}

// readAnswers replaces the accepted images in asked by their current state.
func readAnswers(ctx context.Context, receiver *client.Client, asked []api.PostedEntry) error {
	answers := map[int64]api.Image{}
	limit, oldest := askBatch, api.Oldest
	for img, err := range receiver.AllImages(ctx, api.ListImagesParams{Limit: &limit, Order: &oldest}) {
		if err != nil {
			return err
		}
		answers[img.ID] = img
	}
	for i, a := range asked {
		if img, ok := answers[a.ID]; ok && a.Error == nil {
			asked[i].Image = img
		}
	}
	return nil
}

// show prints a table of answers and a summary.
func (s *system) show(answers []api.PostedEntry) {
	expected := map[string]samples.Expectation{}
	if s.samples {
		expected, _ = samples.Expected() // cannot fail: embedded and tested
	}
	s.printTable(answers[:min(len(answers), maxRows)], expected)
	if len(answers) > maxRows {
		fmt.Fprintf(s.out, "… and %d more on the dashboard\n", len(answers)-maxRows)
	}
	s.printSummary(answers, expected)
}

// printTable prints one line per answer. Sample pictures with an unexpected answer
// are marked.
func (s *system) printTable(answers []api.PostedEntry, expected map[string]samples.Expectation) {
	fmt.Fprintln(s.out)
	tw := tabwriter.NewWriter(s.out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "ID\tPICTURE\tSTATUS\tREASON\tWHO")
	for _, a := range answers {
		if a.Error != nil {
			fmt.Fprintf(tw, "-\t%s\trefused\t-\t%s\n", a.Path, a.Error.Message)
			continue
		}
		mark := ""
		if want, ok := expected[path.Base(a.Path)]; ok && !asExpected(a.Image, want) {
			mark = fmt.Sprintf("  ← expected %s %s", want.Reason, strings.Join(want.People, ", "))
		}
		name := strings.TrimPrefix(a.Path, s.unknown+"/")
		fmt.Fprintf(tw, "%d\t%s\t%s\t%s\t%s%s\n", a.ID, name, a.Status, a.Reason, a.Detail, mark)
	}
	_ = tw.Flush() // to standard output
}

// printSummary prints the number of answers by reason, and how many sample pictures
// have the expected answer.
func (s *system) printSummary(answers []api.PostedEntry, expected map[string]samples.Expectation) {
	right, judged := 0, 0
	counts := map[string]int{}
	for _, a := range answers {
		counts[cmp.Or(string(a.Reason), "refused")]++
		want, ok := expected[path.Base(a.Path)]
		if !ok {
			continue
		}
		judged++
		if asExpected(a.Image, want) {
			right++
		}
	}
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[reason], reason))
	}
	fmt.Fprintf(s.out, "%d pictures: %s\n", len(answers), strings.Join(parts, ", "))
	if judged > 0 {
		fmt.Fprintf(s.out, "%d of %d sample pictures are answered as expected\n", right, judged)
	}
}

// asExpected reports whether the answer has the expected reason and Detail names
// all expected people.
func asExpected(a api.Image, want samples.Expectation) bool {
	if string(a.Reason) != want.Reason {
		return false
	}
	for _, name := range want.People {
		if !strings.Contains(a.Detail, name) {
			return false
		}
	}
	return true
}
