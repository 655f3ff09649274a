package walk

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/e2e/internal/poster"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// settle is how long the clients continue after a step, to see late effects.
const settle = 5 * time.Second

// startPosting starts the poster. No request may fail before the first step.
func (w *Walk) startPosting(ctx context.Context) error {
	expected, err := samples.Expected()
	if err != nil {
		return err
	}
	if err := w.linkLoad(ctx, slices.Sorted(maps.Keys(expected))); err != nil {
		return err
	}
	if err := w.addPod(ctx, posterPod, postingPod(w.first())); err != nil {
		return err
	}
	if err := pause(ctx, 2*settle); err != nil {
		return err
	}
	r, err := w.phase(ctx)
	if err != nil {
		return err
	}
	w.sayPhase("at rest", r)
	return wantNoFailures(r)
}

// pause waits for d. The error is ctx's.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// under runs do while the clients continue, and returns the clients' report.
func (w *Walk) under(ctx context.Context, what string, do func(context.Context) error) (poster.Report, error) {
	start := time.Now()
	if err := do(ctx); err != nil {
		return poster.Report{}, fmt.Errorf("%s: %w", what, err)
	}
	took := time.Since(start).Round(time.Second)
	if err := pause(ctx, settle); err != nil {
		return poster.Report{}, err
	}
	r, err := w.phase(ctx)
	if err != nil {
		return r, fmt.Errorf("%s: %w", what, err)
	}
	w.sayPhase(fmt.Sprintf("%s, %s", what, took), r)
	return r, nil
}

func (w *Walk) sayPhase(what string, r poster.Report) {
	api, page := r.Counts[poster.API], r.Counts[poster.Dashboard]
	w.say("%-34s posts %5d, failed %4d, longest gap %5s; dashboard %4d, failed %3d, gap %5s", what+":",
		api.Requests, api.Failed, api.Gap.Round(100*time.Millisecond), page.Requests, page.Failed, page.Gap.Round(100*time.Millisecond))
}

func wantNoFailures(r poster.Report) error {
	var failures []string
	failed := 0
	for _, target := range []poster.Target{poster.API, poster.Dashboard, poster.Answers} {
		failed += r.Counts[target].Failed
		failures = append(failures, r.Counts[target].Failures...)
	}
	if failed > 0 {
		return fmt.Errorf("%d request(s) failed:\n   %s", failed, strings.Join(failures, "\n   "))
	}
	return nil
}

// deployments returns the Deployments in the order of a careful rollout.
func deployments() []string { return []string{"recognizer", "processor", "receiver", "frontend"} }

// roll changes the tag of one program after another. check gets the clients'
// report of each rollout.
func (w *Walk) roll(ctx context.Context, from desired, tag string, check func(poster.Report) error) error {
	state := from
	for _, name := range deployments() {
		state = state.with(name, tag)
		r, err := w.under(ctx, name, func(ctx context.Context) error { return w.applyAndWait(ctx, state) })
		if err != nil {
			return err
		}
		if err := check(r); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := w.runs(ctx, name, tag); err != nil {
			return err
		}
	}
	return w.apply(ctx, state.with("redeemer", tag))
}

// runs checks that the running program reports the version tag.
func (w *Walk) runs(ctx context.Context, name, tag string) error {
	version, err := w.kube.run(ctx, "exec", "deployment/"+name, "--container="+name, "--", "/app", "-version")
	if err != nil {
		return err
	}
	if !strings.Contains(version, tag) {
		return fmt.Errorf("%s runs version %q, want %s", name, version, tag)
	}
	return nil
}

// tolerant accepts failed requests: with one replica there is a gap. audit
// checks that no accepted image is lost.
func tolerant(poster.Report) error { return nil }

func (w *Walk) rollEach(ctx context.Context) error {
	return w.roll(ctx, allAt(w.first()), w.second(), tolerant)
}

func (w *Walk) deletePods(ctx context.Context) error { return w.endPods(ctx) }

func (w *Walk) killPods(ctx context.Context) error {
	return w.endPods(ctx, "--grace-period=0", "--force")
}

func (w *Walk) endPods(ctx context.Context, how ...string) error {
	pods, err := w.kube.list(ctx, `{range .items[?(@.status.phase=="Running")]}{.metadata.name}|{.metadata.deletionTimestamp}{"\n"}{end}`,
		"pods", "--selector=app.kubernetes.io/part-of=rollcall")
	if err != nil {
		return err
	}
	for _, listed := range pods {
		pod, goes, _ := strings.Cut(listed, "|")
		if goes != "" || strings.HasPrefix(pod, "redeemer-") {
			continue // it is already terminating, or is a redeemer pass
		}
		_, err := w.under(ctx, pod, func(ctx context.Context) error {
			if _, err := w.kube.run(ctx, append([]string{"delete", "pod", pod, "--wait"}, how...)...); err != nil {
				return err
			}
			return w.kube.settled(ctx, w.opts.Patience)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *Walk) restartDatabase(ctx context.Context) error {
	_, err := w.under(ctx, "mysql", func(ctx context.Context) error {
		if _, err := w.kube.run(ctx, "rollout", "restart", "statefulset/mysql"); err != nil {
			return err
		}
		return w.kube.settled(ctx, w.opts.Patience)
	})
	return err
}

func (w *Walk) scaleProcessor(ctx context.Context) error {
	for _, n := range []int{3, 1} {
		_, err := w.under(ctx, fmt.Sprintf("%d processor(s)", n), func(ctx context.Context) error {
			if _, err := w.kube.run(ctx, "scale", "deployment/processor", fmt.Sprintf("--replicas=%d", n)); err != nil {
				return err
			}
			if err := w.kube.settled(ctx, w.opts.Patience); err != nil {
				return err
			}
			return w.awaitScaledDown(ctx, "processor", n)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// awaitScaledDown waits until a program has at most n pods.
func (w *Walk) awaitScaledDown(ctx context.Context, name string, n int) error {
	return eventually(ctx, w.opts.Patience, func(ctx context.Context) (string, error) {
		pods, err := w.kube.list(ctx, "{.items[*].metadata.name}", "pods", "--selector=app.kubernetes.io/name="+name)
		if len(pods) > n {
			return fmt.Sprintf("there are still %s", pods), err
		}
		return "", err
	})
}

// redeem runs the redeemer's job now and prints its log.
func (w *Walk) redeem(ctx context.Context) error {
	name := fmt.Sprintf("redeemer-e2e-%d", time.Now().Unix())
	if err := w.runJob(ctx, name, "redeemer"); err != nil {
		return err
	}
	if _, err := w.kube.run(ctx, "wait", "--for=condition=Complete", "job/"+name, "--timeout="+w.opts.Patience.String()); err != nil {
		return err
	}
	log, err := w.kube.run(ctx, "logs", "job/"+name)
	if err != nil {
		return err
	}
	for line := range strings.Lines(log) {
		w.say("%s", strings.TrimSpace(line))
	}
	_, err = w.kube.run(ctx, "delete", "job", name, "--wait=false")
	return err
}

// runJob starts the job of a CronJob without an owner. A job that belongs to
// the CronJob can be deleted with its history at any time.
func (w *Walk) runJob(ctx context.Context, name, cronJob string) error {
	text, err := w.kube.run(ctx, "create", "job", "--from=cronjob/"+cronJob, name, "--dry-run=client", "--output=json")
	if err != nil {
		return err
	}
	var job map[string]any
	if err := json.Unmarshal([]byte(text), &job); err != nil {
		return fmt.Errorf("read the job of %s: %w", cronJob, err)
	}
	if metadata, ok := job["metadata"].(map[string]any); ok {
		delete(metadata, "ownerReferences")
	}
	own, err := json.Marshal(job)
	if err != nil {
		return err
	}
	_, err = w.kube.input(ctx, bytes.NewReader(own), "create", "--filename=-")
	return err
}

// revert returns all programs to the first version at once.
func (w *Walk) revert(ctx context.Context) error {
	_, err := w.under(ctx, "all programs", func(ctx context.Context) error { return w.applyAndWait(ctx, allAt(w.first())) })
	if err != nil {
		return err
	}
	for _, name := range deployments() {
		if err := w.runs(ctx, name, w.first()); err != nil {
			return err
		}
	}
	return nil
}

func (w *Walk) rollAvailable(ctx context.Context) error {
	state := allAt(w.first())
	state.availability = true
	if err := w.applyAndWait(ctx, state); err != nil {
		return err
	}
	if err := w.sayPods(ctx); err != nil {
		return err
	}
	if err := pause(ctx, settle); err != nil {
		return err
	}
	if _, err := w.phase(ctx); err != nil { // scaling to two replicas is not measured
		return err
	}
	return w.roll(ctx, state, w.second(), wantNoFailures)
}

func (w *Walk) revertAvailable(ctx context.Context) error {
	state := allAt(w.first())
	state.availability = true
	r, err := w.under(ctx, "all programs", func(ctx context.Context) error { return w.applyAndWait(ctx, state) })
	if err != nil {
		return err
	}
	return wantNoFailures(r)
}
