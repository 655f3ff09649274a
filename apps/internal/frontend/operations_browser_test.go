package frontend_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/browser"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/smallsystem"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/operations"
	"github.com/rollcall-faces/rollcall/apps/internal/operations/report"
	"github.com/rollcall-faces/rollcall/apps/internal/processor"
)

// Failed pictures are retried by one button, and the page shows them answered.
func TestBrowserRetriesFailedPictures(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	for _, name := range []string{"late1.png", "late2.png"} {
		img, err := s.api.PostImage(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		s.ids[name] = img.ID
	}
	wait.Until(t, "both have failed", func() bool {
		return s.image("late1.png").Status == api.StatusFailed && s.image("late2.png").Status == api.StatusFailed
	})
	p := browser.Start(t).Open(s.url+"/operations", browser.Laptop)
	if got := p.Text("#retry-not_found"); got != "Retry 2 pictures" {
		t.Errorf("the button says %q", got)
	}
	for _, name := range []string{"late1.png", "late2.png"} {
		if err := os.WriteFile(filepath.Join(s.Unknown, name), smallsystem.Portrait(smallsystem.Ada), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.Click("#retry-not_found")
	p.WaitFor(`document.querySelector("#toasts").textContent.includes("2 pictures are processed again.")`)
	p.WaitFor(`document.querySelector(".figure.bad .number-large").textContent === "0"`)
	p.WaitFor(`document.querySelector(".figure.good .number-large").textContent === "5"`)
	if n := browser.Eval[int](p, `document.querySelectorAll("#retry-not_found").length`); n != 0 {
		t.Error("there is still something to retry")
	}
	checks(p)
}

// A rescan is paused, the toast takes that back, and it is cancelled after a question.
func TestBrowserPausesAndCancelsARescan(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	job, err := s.api.CreateRescan(t.Context(), api.RescanRequest{Full: true})
	if err != nil {
		t.Fatal(err)
	}
	row := "#rescan-" + strconv.FormatInt(job.ID, 10)
	state := func() api.RescanState {
		t.Helper()
		found, err := s.api.GetRescan(t.Context(), job.ID, api.GetRescanParams{})
		if err != nil {
			t.Fatal(err)
		}
		return found.State
	}
	b := browser.Start(t)
	p := b.Open(s.url+"/operations", browser.Phone)
	p.Click(row + " button[data-key]")
	p.WaitFor(`document.querySelector("` + row + ` .badge").textContent === "Paused"`)
	if state() != api.RescanPaused {
		t.Errorf("the rescan is %s", state())
	}
	p.Click("#toasts button.button") // before the toast goes
	p.WaitFor(`document.querySelector("` + row + ` .badge").textContent === "Waiting"`)
	if state() != api.RescanWaiting {
		t.Errorf("the rescan is %s", state())
	}
	p.Click(row + " summary")
	p.Click(row + " .menu-body button")
	p.WaitFor(`document.querySelector("` + row + ` .badge").textContent === "Cancelled"`)
	if state() != api.RescanCancelled {
		t.Errorf("the rescan is %s", state())
	}
	if n := browser.Eval[int](p, `document.querySelectorAll("`+row+` form").length`); n != 0 {
		t.Error("a cancelled rescan can be changed")
	}
	checks(p)
}

// away is a recognizer that does not answer.
type away struct{}

func (away) Recognize(context.Context, string, faces.File) (faces.Recognition, error) {
	return faces.Recognition{}, faces.Fault(faces.RecognizerUnavailable, "/unknown_people/zoe.png was not recognized")
}
func (away) Ping(context.Context) error {
	return faces.Fault(faces.RecognizerUnavailable, "it is away")
}

// ignored is a message of no queue.
type ignored struct{}

func (ignored) Finish()               {}
func (ignored) Requeue(time.Duration) {}

// While a recognizer is away, the page shows the open circuit of the processor with its
// next try, without a new page, and no path of the error.
func TestBrowserShowsAnOpenCircuit(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	log, opts := slog.New(slog.DiscardHandler), processor.Defaults()
	opts.Breaker.Failures, opts.Breaker.Pause, opts.Breaker.MaxPause = 1, time.Minute, time.Hour
	proc := processor.New(s.Store, away{}, "away/1", opts, log, prometheus.NewRegistry())
	reporter := report.New(s.Store, report.Options{
		Program: "processor", Instance: "away/1", Tally: proc.Tally(), Samples: true, Log: log, Every: 100 * time.Millisecond,
		Say: func(context.Context) operations.State { return operations.State{Processor: proc.Operations()} },
	})
	proc.Start()
	reporter.Start()
	t.Cleanup(func() {
		if err := proc.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if err := reporter.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	b := browser.Start(t)
	p := b.Open(s.url+"/operations", browser.Night)
	p.WaitFor(`document.querySelector("#processors").parentElement.textContent.includes("Pictures go through")`)
	checks(p)
	images, err := s.Store.AddImages(t.Context(), []string{filepath.Join(s.Unknown, "waits.png")})
	if err != nil {
		t.Fatal(err)
	}
	proc.Take(images[0].ID, ignored{})
	p.WaitFor(`/Circuit open.*Recognizer unavailable.*Next try in \d+ s/.test(document.querySelector("#processors").parentElement.textContent.replace(/\s+/g, " "))`)
	if browser.Eval[bool](p, `document.body.textContent.includes("zoe")`) {
		t.Error("the page shows the words of the error")
	}
	checks(p)
	wall := b.Open(s.url+"/operations?span=day", browser.Wall)
	checks(wall)
}
