package walk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/e2e/internal/poster"
	"github.com/rollcall-faces/rollcall/apps/e2e/internal/scaling"
	"github.com/rollcall-faces/rollcall/apps/internal/schedule"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

const (
	// sampleEvery is how often replicas and queue are looked at.
	sampleEvery = 2 * time.Second
	// lowRate goes on at the end, so that replicas are taken away under load.
	lowRate, highRate = 0.5, 20 // pictures a second
	lowFor, highFor   = 30 * time.Second, 60 * time.Second
	// lastFor is the longest time that the low rate goes on.
	lastFor = 10 * time.Minute
)

// scaleLimits are what the walk promises of the component autoscaling-trial. A fall has the
// pause of a minute in it, and the stop of a receiver, which takes up to another one.
func scaleLimits() scaling.Limits {
	return scaling.Limits{Rise: 90 * time.Second, Fall: 4 * time.Minute}
}

// mustScale lists the programs that must follow the load. The others may.
func mustScale() []string { return []string{"processor", "recognizer"} }

// scaledPrograms lists all that have an autoscaler.
func scaledPrograms() []string { return append(mustScale(), "receiver", "frontend") }

// scaleLoad is the load: low, high, and low again.
func scaleLoad() schedule.Profile {
	return slices.Concat(schedule.Constant(lowRate, lowFor), schedule.Constant(highRate, highFor), schedule.Constant(lowRate, lastFor))
}

// steps writes a profile of constant rates as the poster reads it.
func steps(p schedule.Profile) string {
	var parts []string
	for _, part := range p {
		parts = append(parts, fmt.Sprintf("%g:%s", part.From, part.Over))
	}
	return strings.Join(parts, ",")
}

// autoscale deploys the component autoscaling and looks at what it does with a load that
// rises and falls: replicas must follow, no post be refused, and no picture be lost or fail.
func (w *Walk) autoscale(ctx context.Context) error {
	missing, err := w.autoscalersMissing(ctx)
	if err != nil {
		return err
	}
	if missing != "" && w.opts.Only == "" {
		w.say("left out: %s", missing)
		return nil
	}
	if missing != "" {
		return errors.New(missing)
	}
	d := allAt(w.first())
	d.availability, d.autoscaling = true, true
	if err := w.applyAndWait(ctx, d); err != nil {
		return err
	}
	before := maps.Clone(w.accepted)
	run, err := w.underLoad(ctx)
	if err != nil {
		return err
	}
	posted := maps.Clone(w.accepted)
	maps.DeleteFunc(posted, func(id int64, _ bool) bool { return before[id] })
	return errors.Join(w.showScaling(run), w.allAnswered(ctx, posted))
}

// autoscalersMissing says what the cluster lacks; "" if it has everything.
func (w *Walk) autoscalersMissing(ctx context.Context) (string, error) {
	var lacks []string
	for _, service := range []string{"v1beta1.metrics.k8s.io", "v1beta1.external.metrics.k8s.io"} {
		available, err := w.kube.list(ctx, `{.status.conditions[?(@.type=="Available")].status}`, "apiservice", service, "--ignore-not-found")
		if err != nil {
			return "", err
		}
		if !slices.Equal(available, []string{"True"}) {
			lacks = append(lacks, service)
		}
	}
	if len(lacks) == 0 {
		return "", nil
	}
	return fmt.Sprintf("the cluster serves no %s; install metrics-server and KEDA (apps/e2e/autoscalers/install.sh builds and installs both)",
		strings.Join(lacks, " and no ")), nil
}

// underLoad posts by the schedule, and looks on until there are as few replicas as before.
func (w *Walk) underLoad(ctx context.Context) (scaling.Run, error) {
	expected, err := samples.Expected()
	if err != nil {
		return scaling.Run{}, err
	}
	if err := w.addFilesPod(ctx); err != nil {
		return scaling.Run{}, err
	}
	load := scaleLoad()
	folder := fmt.Sprintf("scale-%d", time.Now().Unix()) // pictures that nobody has posted before
	most := int(load.Count(load.Length())*1.1) + 1       // by chance there can be more than are due
	if err := w.linkPictures(ctx, folder, most, slices.Sorted(maps.Keys(expected))); err != nil {
		return scaling.Run{}, err
	}
	yaml := posterPodYAML(w.first(), "", "-load="+steps(load), "-path="+folder+"/%05d.jpg", "-pause=1s")
	if err := w.addPod(ctx, posterPod, yaml); err != nil {
		return scaling.Run{}, err
	}
	run, err := w.watchScaling(ctx)
	return run, errors.Join(err, w.removeOurs(context.WithoutCancel(ctx)))
}

// watchScaling samples until the programs have followed, or may not take any longer.
func (w *Walk) watchScaling(ctx context.Context) (scaling.Run, error) {
	run := scaling.Run{Rise: lowFor, Fall: lowFor + highFor}
	begin, bad := time.Now(), 0
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		s, err := w.sample(ctx)
		s.At = time.Since(begin)
		switch {
		case errors.As(err, new(final)):
			return run, err
		case err != nil:
			if bad++; bad > 5 {
				return run, fmt.Errorf("look at the replicas: %w", err)
			}
		default:
			bad = 0
			run.Samples = append(run.Samples, s)
		}
		if s.At > run.Fall && (followed(run) || s.At > run.Idle()+scaleLimits().Fall || s.At > run.Fall+lastFor-sampleEvery) {
			return run, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return run, ctx.Err()
		}
	}
}

// followed reports whether all programs that have more replicas than before are back.
func followed(run scaling.Run) bool {
	for _, program := range scaledPrograms() {
		if f := run.Follow(program); f.Rose > 0 && f.Fell == 0 {
			return false
		}
	}
	return run.Samples[len(run.Samples)-1].At > run.Idle()+sampleEvery
}

// sample looks at everything once.
func (w *Walk) sample(ctx context.Context) (scaling.Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var s scaling.Sample
	var pods map[string]string
	var err error
	if s.Replicas, pods, err = w.kube.replicas(ctx); err != nil {
		return s, err
	}
	s.Waiting = w.gauge(ctx, pods["receiver"], 9000, "rollcall_waiting_images")
	s.Depth = w.gauge(ctx, pods["processor"], 9001, `rollcall_queue_depth{state="waiting"}`)
	if oldest := w.gauge(ctx, pods["receiver"], 9000, "rollcall_oldest_waiting_seconds"); oldest > 0 {
		s.Oldest = time.Duration(oldest * float64(time.Second))
	}
	r, err := w.phase(ctx)
	if err != nil {
		return s, err
	}
	s.Posts = r.Counts[poster.API].Requests
	if err := wantNoFailures(r); err != nil {
		return s, final{err}
	}
	return s, nil
}

// showScaling prints how the programs followed, and writes the plot.
func (w *Walk) showScaling(run scaling.Run) error {
	var list []scaling.Followed
	var failed error
	for _, program := range scaledPrograms() {
		f := run.Follow(program)
		list = append(list, f)
		if slices.Contains(mustScale(), program) {
			failed = errors.Join(failed, f.Check(scaleLimits()))
		}
	}
	table := scaling.Table(list)
	for line := range strings.Lines(table) {
		w.say("%s", strings.TrimSpace(line))
	}
	w.say("the load fell after %s, and nothing waited in the queue after %s", run.Fall, run.Idle().Round(time.Second))
	dir := filepath.Join(w.opts.Root, "build", "e2e")
	for name, content := range map[string][]byte{"autoscaling.svg": run.SVG(scaledPrograms()), "autoscaling-table.md": []byte(table)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	w.say("the plot is in build/e2e/autoscaling.svg")
	return failed
}

// allAnswered checks that each of these images has an outcome, and that none has failed.
func (w *Walk) allAnswered(ctx context.Context, ids map[int64]bool) error {
	var outcomes map[string]int
	err := eventually(ctx, w.opts.Patience, func(ctx context.Context) (string, error) {
		var missing, waiting []int64
		var err error
		outcomes, missing, waiting, err = w.outcomesOf(ctx, ids)
		if n := len(missing) + len(waiting); n > 0 {
			return fmt.Sprintf("%d of %d pictures have no outcome, such as %v", n, len(ids), some(append(missing, waiting...))), err
		}
		return "", err
	})
	if err != nil {
		return err
	}
	answers := []string{"identified", "unknown_person", "uncertain", "no_face"}
	failed := 0
	for reason, n := range outcomes {
		if !slices.Contains(answers, reason) {
			failed += n
		}
	}
	w.say("%d pictures were accepted, and every one has an outcome: %v", len(ids), outcomes)
	if failed > 0 {
		return fmt.Errorf("%d pictures failed", failed)
	}
	return nil
}
