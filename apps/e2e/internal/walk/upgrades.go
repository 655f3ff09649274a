package walk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/e2e/internal/answers"
	"github.com/rollcall-faces/rollcall/apps/e2e/internal/poster"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// drain is how long the clients continue at the end: pods that were asked to stop answer
// for so long.
const drain = 25 * time.Second

// upgrades has Argo CD install the previous release, upgrade it to this tree and go back,
// several times, while clients post new pictures and read answers without retries. No request
// may fail, and no answer may be another than the expected one.
func (w *Walk) upgrades(ctx context.Context) error {
	if reason := w.cannotUpgrade(ctx); reason != "" {
		w.say("skipped: %s", reason)
		return nil
	}
	if err := w.emptyNamespace(ctx); err != nil {
		return err
	}
	r, err := w.newRepository(ctx)
	if err != nil {
		return err
	}
	err = w.underArgoCD(ctx, r)
	if w.opts.Keep {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return errors.Join(err, w.unfollow(ctx)) // or it would undo what comes next
}

// cannotUpgrade says why there is nothing to upgrade from or with.
func (w *Walk) cannotUpgrade(ctx context.Context) string {
	if w.opts.Previous == "" || w.opts.PreviousTag == "" {
		return "-previous and -previous-tag do not say which release was before this one"
	}
	if _, err := argoCD().run(ctx, "get", "customresourcedefinition", "applications.argoproj.io"); err != nil {
		return "the cluster has no Argo CD"
	}
	return ""
}

// emptyNamespace deletes the namespace with all volumes, so that the previous release
// makes the database.
func (w *Walk) emptyNamespace(ctx context.Context) error {
	if w.there {
		return fmt.Errorf("namespace %s exists; this step needs a cluster without it (kubectl delete namespace %[1]s)", w.opts.Namespace)
	}
	w.accepted = map[int64]bool{} // the ids begin anew
	_, err := w.kube.run(ctx, "delete", "namespace", w.opts.Namespace, "--ignore-not-found", "--wait")
	return err
}

func (w *Walk) underArgoCD(ctx context.Context, r *repository) error {
	expected, err := samples.Expected()
	if err != nil {
		return err
	}
	if err := w.installPrevious(ctx, r, expected); err != nil {
		return err
	}
	if err := w.startComparing(ctx, expected); err != nil {
		return err
	}
	failed := w.upgradeRounds(ctx, r)
	return errors.Join(failed, w.auditAnswers(ctx, expected))
}

// installPrevious has Argo CD install the previous release, and enrols the sample people.
func (w *Walk) installPrevious(ctx context.Context, r *repository, expected map[string]samples.Expectation) error {
	start := time.Now()
	commit, err := r.deployed(ctx)
	if err != nil {
		return err
	}
	if err := w.follow(ctx, r.origin); err != nil {
		return err
	}
	if err := w.awaitVersion(ctx, commit, w.opts.PreviousTag); err != nil {
		return err
	}
	w.say("Argo CD installed %s (%s) in %s", w.opts.PreviousTag, w.opts.Previous, time.Since(start).Round(time.Second))
	if err := w.sayMigrations(ctx); err != nil {
		return err
	}
	if err := w.readKey(ctx); err != nil {
		return err
	}
	if err := w.enrolSamples(ctx, false); err != nil {
		return err
	}
	return w.postSamples(ctx, expected)
}

// sayMigrations prints what the init containers of the receivers did to the schema.
func (w *Walk) sayMigrations(ctx context.Context) error {
	log, err := w.kube.run(ctx, "logs", "--selector=app.kubernetes.io/name=receiver", "--container=migrate", "--tail=1", "--prefix")
	for line := range strings.Lines(log) {
		w.say("%s", strings.TrimSpace(line))
	}
	return err
}

// startComparing starts clients that read answers, too.
func (w *Walk) startComparing(ctx context.Context, expected map[string]samples.Expectation) error {
	if err := w.linkLoad(ctx, slices.Sorted(maps.Keys(expected))); err != nil {
		return err
	}
	secrets, err := w.kube.list(ctx, "{.items[*].metadata.name}", "secrets", "--selector="+keySelector)
	if err != nil {
		return err
	}
	pod := comparingPod(w.first(), secrets[len(secrets)-1])
	if err := w.addPod(ctx, posterPod, pod); err != nil {
		return err
	}
	if err := pause(ctx, 2*settle); err != nil {
		return err
	}
	got, err := w.phase(ctx)
	if err != nil {
		return err
	}
	w.sayPhase("at rest", got)
	return wantRightAnswers(got)
}

// upgradeRounds upgrades and goes back. It ends all rounds although requests failed, and
// then tells all failures.
func (w *Walk) upgradeRounds(ctx context.Context, r *repository) error {
	w.say("| round | version | healthy after | posts | refused | longest gap | answers read | failed | compared | wrong | pages | failed |")
	w.say("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	var failures error
	for i := range 2 * w.opts.Rounds {
		tag := w.first()
		if i%2 == 1 {
			tag = w.opts.PreviousTag
		}
		took, err := w.deployOther(ctx, r, tag)
		if err != nil {
			return errors.Join(failures, fmt.Errorf("round %d, to %s: %w", i/2+1, tag, err))
		}
		if i == 2*w.opts.Rounds-1 {
			if err := pause(ctx, drain); err != nil {
				return err
			}
		}
		got, err := w.phase(ctx)
		if err != nil {
			return err
		}
		w.say("%s", rowOf(i/2+1, tag, took, got))
		if i == 0 { // the others find nothing to do
			if err := w.sayMigrations(ctx); err != nil {
				return err
			}
		}
		if err := wantRightAnswers(got); err != nil {
			failures = errors.Join(failures, fmt.Errorf("round %d, to %s: %w", i/2+1, tag, err))
		}
	}
	return failures
}

// deployOther pushes the other version and waits until it is deployed.
func (w *Walk) deployOther(ctx context.Context, r *repository, tag string) (took time.Duration, err error) {
	start := time.Now()
	commit, err := r.pushOther(ctx)
	if err != nil {
		return 0, err
	}
	if err := lookNow(ctx); err != nil {
		return 0, err
	}
	err = w.awaitVersion(ctx, commit, tag)
	return time.Since(start), err
}

// rowOf is a row of the table in docs/cluster-walk.md.
func rowOf(round int, tag string, took time.Duration, r poster.Report) string {
	posts, read, pages := r.Counts[poster.API], r.Counts[poster.Answers], r.Counts[poster.Dashboard]
	return fmt.Sprintf("| %d | %s | %.0f s | %d | %d | %.1f s | %d | %d | %d | %d | %d | %d |", round, tag, took.Seconds(),
		posts.Requests, posts.Failed, posts.Gap.Seconds(), read.Requests, read.Failed, r.Compared, r.Wrong, pages.Requests, pages.Failed)
}

// wantRightAnswers returns an error if a request failed or an answer was wrong.
func wantRightAnswers(r poster.Report) error {
	if r.Wrong > 0 {
		return errors.Join(wantNoFailures(r), fmt.Errorf("%d answer(s) are wrong:\n   %s", r.Wrong, strings.Join(r.WrongAnswers, "\n   ")))
	}
	return wantNoFailures(r)
}

// auditAnswers checks, after the clients have stopped, that every accepted picture has
// the expected answer.
func (w *Walk) auditAnswers(ctx context.Context, expected map[string]samples.Expectation) error {
	if err := w.audit(ctx); err != nil {
		return err
	}
	limit, wrong := pageSize, []string{}
	for img, err := range w.api.AllImages(ctx, api.ListImagesParams{Limit: &limit}) {
		if err != nil {
			return err
		}
		if !w.accepted[img.ID] {
			continue
		}
		want, err := expectedAt(img.Path, expected)
		if err != nil {
			return err
		}
		detail, err := w.api.GetImage(ctx, img.ID)
		if err != nil {
			return err
		}
		if d := answers.Difference(detail, want); d != "" {
			wrong = append(wrong, fmt.Sprintf("%s: %s", img.Path, d))
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d of %d pictures have a wrong answer:\n   %s", len(wrong), len(w.accepted), strings.Join(wrong[:min(len(wrong), 20)], "\n   "))
	}
	w.say("all %d have the expected answer", len(w.accepted))
	return nil
}

// expectedAt returns the expectation of a sample or of the poster's link to one.
func expectedAt(file string, expected map[string]samples.Expectation) (samples.Expectation, error) {
	name := path.Base(file)
	if want, ok := expected[name]; ok {
		return want, nil
	}
	var number int
	if _, err := fmt.Sscanf(name, path.Base(loadPath), &number); err != nil {
		return samples.Expectation{}, fmt.Errorf("%s is no sample: %w", file, err)
	}
	pictures := slices.Sorted(maps.Keys(expected))
	return expected[pictures[number%len(pictures)]], nil
}
