package main

// This file owns the first pictures: all that lie in the folder are asked
// about, through the API as anybody would, and the answers are shown.

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

const (
	askBatch = 1000 // pictures of one post
	// maxRows is how many answers are shown; the dashboard shows all.
	maxRows      = 40
	pollEvery    = 200 * time.Millisecond
	progressWait = 5 * time.Second
)

// addWelcome asks about what is there and then says where to go on.
func (s *system) addWelcome() error {
	loop := newLoop(time.Duration(1<<62), func(ctx context.Context) {
		if s.ask {
			if err := s.askAll(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("cannot ask about the pictures", "why", err)
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

// answer is what is shown of an image.
type answer struct {
	ID     int64  `json:"id"`
	Path   string `json:"path"`
	Status string `json:"status"`
	Reason string `json:"reason"`
	Detail string `json:"detail"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// askAll posts every picture, waits for the answers and shows them.
func (s *system) askAll(ctx context.Context) error {
	files, err := s.picturesIn(os.DirFS(s.unknown))
	if err != nil {
		return fmt.Errorf("list the pictures: %w", err)
	}
	if len(files) == 0 {
		fmt.Fprintf(s.out, "There are no pictures in %s yet.\n", s.unknown)
		return nil
	}
	var asked []answer
	for part := range slices.Chunk(files, askBatch) {
		answers, err := s.post(ctx, part)
		if err != nil {
			return err
		}
		asked = append(asked, answers...)
	}
	answers, err := s.await(ctx, asked)
	if err != nil {
		return err
	}
	s.show(answers)
	return nil
}

// picturesIn lists the files below a folder, without hidden ones. A folder in
// it that cannot be read is no reason not to ask about the rest.
func (s *system) picturesIn(root fs.FS) ([]string, error) {
	var files []string
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && name == ".":
			return err
		case err != nil:
			s.log.Warn("not asked about: it cannot be read", "folder", name, "why", err)
		case name != "." && strings.HasPrefix(path.Base(name), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case !entry.IsDir():
			files = append(files, name)
		}
		return nil
	})
	return files, err
}

func (s *system) post(ctx context.Context, files []string) ([]answer, error) {
	type item struct {
		Path string `json:"path"`
	}
	body := struct {
		Paths []item `json:"paths"`
	}{}
	for _, f := range files {
		body.Paths = append(body.Paths, item{f})
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	var res struct {
		Images []answer `json:"images"`
	}
	err = s.call(ctx, http.MethodPost, "/images/post", text, http.StatusAccepted, &res)
	return res.Images, err
}

func (s *system) call(ctx context.Context, method, route string, body []byte, want int, v any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.api.Addr()+route, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != want {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000)) // for the message only
		return fmt.Errorf("%s %s: %s: %s", method, route, res.Status, text)
	}
	return json.NewDecoder(res.Body).Decode(v)
}

// await waits until no image waits for its answer, tells now and then how far
// it is, and returns the answers in the order asked.
func (s *system) await(ctx context.Context, asked []answer) ([]answer, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for told := time.Now(); ; {
		waiting, err := s.waiting(ctx)
		if err != nil {
			return nil, err
		}
		if waiting == 0 {
			break
		}
		if time.Since(told) > progressWait {
			told = time.Now()
			fmt.Fprintf(s.out, "%d pictures wait for their answer\n", waiting)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
	return s.read(ctx, asked)
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

// read replaces what was asked by its answers, a page at a time.
func (s *system) read(ctx context.Context, asked []answer) ([]answer, error) {
	answers := map[int64]answer{}
	for after := int64(0); ; {
		var page struct {
			Images []answer `json:"images"`
			Next   *int64   `json:"next"`
		}
		route := fmt.Sprintf("/api/v1/images?order=oldest&limit=%d&after=%d", askBatch, after)
		if err := s.call(ctx, http.MethodGet, route, nil, http.StatusOK, &page); err != nil {
			return nil, err
		}
		for _, a := range page.Images {
			answers[a.ID] = a
		}
		if page.Next == nil {
			break
		}
		after = *page.Next
	}
	for i, a := range asked {
		if found, ok := answers[a.ID]; ok && a.Error == nil {
			asked[i] = found
		}
	}
	return asked, nil
}

// show prints a table of answers and what they come to.
func (s *system) show(answers []answer) {
	expected := map[string]samples.Expectation{}
	if s.samples {
		expected, _ = samples.Expected() // embedded, and tested
	}
	right, judged := 0, 0
	counts := map[string]int{}
	fmt.Fprintln(s.out)
	tw := tabwriter.NewWriter(s.out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "ID\tPICTURE\tSTATUS\tREASON\tWHO")
	for i, a := range answers {
		verdict := ""
		if want, ok := expected[path.Base(a.Path)]; ok {
			judged++
			if asExpected(a, want) {
				right++
			} else {
				verdict = fmt.Sprintf("  ← expected %s %s", want.Reason, strings.Join(want.People, ", "))
			}
		}
		counts[first(a.Reason, "refused")]++
		switch {
		case i >= maxRows:
		case a.Error != nil:
			fmt.Fprintf(tw, "-\t%s\trefused\t-\t%s\n", a.Path, a.Error.Message)
		default:
			name := strings.TrimPrefix(a.Path, s.unknown+"/")
			fmt.Fprintf(tw, "%d\t%s\t%s\t%s\t%s%s\n", a.ID, name, a.Status, a.Reason, a.Detail, verdict)
		}
	}
	_ = tw.Flush() // to standard output
	if len(answers) > maxRows {
		fmt.Fprintf(s.out, "… and %d more on the dashboard\n", len(answers)-maxRows)
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

// asExpected compares names: who is in the picture is what Detail lists.
func asExpected(a answer, want samples.Expectation) bool {
	if a.Reason != want.Reason {
		return false
	}
	for _, name := range want.People {
		if !strings.Contains(a.Detail, name) {
			return false
		}
	}
	return true
}
