package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/version"
	"github.com/rollcall-faces/rollcall/apps/internal/schedule"
	"github.com/rollcall-faces/rollcall/apps/load/internal/drive"
	"github.com/rollcall-faces/rollcall/apps/load/internal/measure"
	"github.com/rollcall-faces/rollcall/apps/load/internal/report"
	"github.com/rollcall-faces/rollcall/apps/load/internal/traffic"
)

// grace is how long requests under way may take after Ctrl-C.
const grace = 2 * time.Second

// run does everything. It returns a command.Code if a limit is exceeded.
func run(ctx context.Context, o options, stdout, stderr io.Writer) error {
	if err := o.complete(time.Now()); err != nil {
		return fmt.Errorf("%w; load -h explains the flags", err)
	}
	l := &load{options: o, log: stderr, name: runName(time.Now())}
	if err := l.prepare(ctx); err != nil {
		return err
	}
	summary, err := l.measure(ctx)
	if err != nil {
		return err
	}
	return l.show(summary, stdout)
}

// runName returns a name that no other run has, for paths and files.
func runName(now time.Time) string {
	return now.UTC().Format("20060102-150405") + fmt.Sprintf("-%04x", rand.N(1<<16))
}

// load is a run.
type load struct {
	options
	log      io.Writer
	name     string
	client   *client.Client
	recorder *measure.Recorder
	outs     *traffic.Outcomes
	traffic  *traffic.Traffic
	whole    schedule.Profile // with the warm-up
	notes    []string
}

func (l *load) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	l.notes = append(l.notes, text)
	fmt.Fprintln(l.log, "note:", text)
}

// prepare does everything that can fail before the first request.
func (l *load) prepare(ctx context.Context) error {
	if l.report != "" {
		if err := report.MakeFolder(l.report); err != nil {
			return err
		}
	}
	send := traffic.Options{Mix: l.weights, Batch: l.batch, Run: l.name, Rand: rand.New(rand.NewPCG(l.seed, 1))}
	if err := l.readImages(&send); err != nil {
		return err
	}
	target := traffic.Target{Server: l.server, KeyFile: l.keyFile}
	var scopes []api.KeyScope
	var err error
	if l.client, scopes, err = target.Dial(ctx, l.inFlight, l.scopes()...); err != nil {
		return err
	}
	if l.warmUp > 0 {
		l.whole = schedule.Constant(l.profile.First(), l.warmUp)
	}
	l.whole = append(l.whole, l.profile...)
	l.recorder = measure.New(measure.Options{WarmUp: l.warmUp, Length: l.profile.Length()})
	l.outs = traffic.NewOutcomes(l.recorder)
	send.Client, send.Outcomes = l.client, l.outs
	if l.traffic, err = traffic.New(ctx, send); err != nil {
		return err
	}
	l.outcomes = l.outcomes && l.weights.Wants(traffic.Post)
	if l.outcomes && !traffic.Has(scopes, api.ScopeRead) {
		l.outcomes = false
		l.note("The API key lacks the scope read, so no outcomes are seen.")
	}
	return nil
}

// readImages reads what posts send.
func (l *load) readImages(o *traffic.Options) (err error) {
	if !l.weights.Wants(traffic.Post) {
		return nil
	}
	switch {
	case l.files != "":
		left := 0
		if o.Pictures, left, err = traffic.ReadPictures(l.files); err == nil && left > 0 {
			l.note("%d files of -files are left out: they are no JPEG or PNG, or there was no room in memory.", left)
		}
		return err
	case l.list != "":
		paths := 0
		if o.Path, paths, err = traffic.ReadList(l.list); err != nil {
			return err
		}
		if due := l.profile.Count(l.profile.Length()); float64(paths) < due*float64(l.batch) {
			l.note("The list has %d paths, fewer than will be posted. A path that is posted again has its image and its outcome already.", paths)
		}
		return nil
	}
	if o.Path, err = traffic.Pattern(l.pattern, l.name); err == nil {
		l.note("Paths are posted by a pattern. Images whose files do not exist fail with not_found: this measures the way in and the queue, " +
			"not recognition. -mode upload -files DIR uploads real pictures.")
	}
	return err
}

// measure sends the requests and returns the summary.
func (l *load) measure(ctx context.Context) (*report.Summary, error) {
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	if l.outcomes {
		if err := l.outs.Follow(following, l.client); err != nil {
			return nil, fmt.Errorf("follow the events (%s); -outcomes=false does without them", traffic.Code(err))
		}
	}
	begin := time.Now()
	shown, showing := context.WithCancel(following)
	var screen sync.WaitGroup
	screen.Go(func() { l.display(shown, begin) })
	took := drive.Run(ctx, drive.Options{
		Arrivals: l.arrivalTimes(), Length: l.whole.Length(), Next: l.traffic.Next, InFlight: l.inFlight,
		Timeout: l.timeout, Grace: grace, Recorder: l.recorder,
	})
	ended := time.Now()
	if l.outcomes {
		settling, done := context.WithTimeout(ctx, l.settle) // Ctrl-C ends it, too
		l.outs.Settle(settling)
		done()
	}
	showing()
	screen.Wait()
	described := l.describe(begin, took)
	described.Interrupted, described.Waited = ctx.Err() != nil && took < l.whole.Length(), time.Since(ended)
	return report.Summarize(described, l.recorder.Result(), l.limits()), nil
}

func (l *load) arrivalTimes() iter.Seq[time.Duration] {
	if l.arrivals == "even" {
		return l.whole.Even()
	}
	return l.whole.Poisson(rand.New(rand.NewPCG(l.seed, 2)))
}

// display shows the state every second until ctx ends.
func (l *load) display(ctx context.Context, begin time.Time) {
	screen := report.Screen{
		W: l.log, Refresh: isTerminal(l.log), Title: fmt.Sprintf("%s: %s to %s", l.mode, l.profile, l.server),
		WarmUp: l.warmUp, End: l.whole.Length(), Follows: l.outcomes,
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for last := begin; ; {
		select {
		case now := <-tick.C:
			screen.Show(now.Sub(begin), now.Sub(last), l.recorder.Live())
			last = now
		case <-ctx.Done():
			return
		}
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// describe returns what was run.
func (l *load) describe(begin time.Time, took time.Duration) report.Run {
	if l.outs.Missed() {
		l.note("The stream of events has a gap, so outcomes may be missing.")
	}
	return report.Run{
		Started: begin, Server: strings.TrimSuffix(l.server, "/"), Mode: l.mode, Requests: l.requests(), Rate: l.profile.String(), Arrivals: l.arrivals,
		Seed: l.seed, WarmUp: l.warmUp, Length: l.profile.Length(), Measured: max(0, took-l.warmUp),
		InFlight: l.inFlight, Timeout: l.timeout, Follows: l.outcomes, Notes: l.notes,
		Program: "load " + version.Read().Version, RateAt: l.profile.RateAt,
	}
}

// show prints the summary and writes the report.
func (l *load) show(s *report.Summary, stdout io.Writer) error {
	write := s.WriteText
	if l.json {
		write = s.WriteJSON
	}
	err := write(stdout)
	if l.report != "" {
		err = errors.Join(err, s.WriteFolder(l.report))
		fmt.Fprintln(l.log, "the report is in", l.report)
	}
	if err == nil && len(s.Failures) > 0 {
		return command.Code(command.ExitFailed)
	}
	return err
}
