package walk

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"
)

// lane is a part of the walk that runs beside the others, in a namespace of its own.
type lane struct {
	name    string // before each line that it prints
	suffix  string // of its namespace, after the name in the options
	deploys bool   // Rollcall runs in the namespace before the first step, and is deleted after the last
	steps   func(*Walk) []step
}

// lanesAtOnce bounds the lanes that run at the same time, so that two processors are enough.
const lanesAtOnce = 3

// lanes returns all lanes, those that take longest first. The first has the namespace of
// the overlay, because the documents name it.
func lanes() []lane {
	return []lane{
		{name: "rollouts", deploys: true, steps: (*Walk).rollouts},
		{name: "troubles", suffix: "-troubles", deploys: true, steps: (*Walk).troubles},
		{name: "upgrades", suffix: "-upgrades", steps: (*Walk).argoUpgrades},
		{name: "losses", suffix: "-losses", steps: (*Walk).losses},
		{name: "scaling", suffix: "-scaling", deploys: true, steps: (*Walk).scaling},
	}
}

// rollouts are new versions and lost pods, and the commands of the documents.
func (w *Walk) rollouts() []step {
	return []step{
		{"admission", "Pod Security restricted takes the pods of every overlay", w.admission},
		{"documents", "The other commands of the documents", w.restOfCommands},
		{"", "Clients that post continuously", w.startPosting},
		{"", "One replica: a new version of every program, one after another", w.rollEach},
		{"", "Every pod is deleted", w.deletePods},
		{"", "Every pod is deleted, without a grace period", w.killPods},
		{"", "MySQL restarts", w.restartDatabase},
		{"", "The processor is scaled to 3 and back", w.scaleProcessor},
		{"redeem", "The redeemer's CronJob runs", w.redeem},
		{"", "Rollback to the first version", w.revert},
		{"", "Two replicas: no request fails during the rollout of every program", w.rollAvailable},
		{"", "Two replicas: no request fails during the rollback", w.revertAvailable},
		{"", "Every accepted image has an outcome", w.audit},
	}
}

// troubles are alerts, and a restored backup.
func (w *Walk) troubles() []step {
	return []step{
		{"alerts", "What is broken on purpose fires the alert that its runbook names", w.breakEverything},
		{"backup", "A backup is restored after database and known people were lost", w.drill},
	}
}

// argoUpgrades are upgrades from the previous release, which Argo CD deploys.
func (w *Walk) argoUpgrades() []step {
	return []step{{"upgrades", "Upgrades from the previous release and back, by Argo CD", w.upgrades}}
}

// losses are steps that make what they need, in other namespaces.
func (w *Walk) losses() []step {
	return []step{
		{galeraStep, "Databases of a cluster of three are lost, stopped and restarted", w.loseDatabases},
		{supplyStep, "A namespace that takes signed images only", w.checkSupply},
	}
}

// scaling is a load that rises and falls.
func (w *Walk) scaling() []step {
	return []step{{"autoscaling", "Replicas follow a load that rises and falls", w.autoscale}}
}

// runAll takes the common steps, and then all lanes at the same time.
func (w *Walk) runAll(ctx context.Context) error {
	if err := w.take(ctx, w.common()); err != nil {
		return err
	}
	var printing sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lanesAtOnce)
	for _, l := range lanes() {
		group.Go(func() error {
			out := newLines(l.name, w.out, &printing)
			defer out.flush()
			if err := l.run(ctx, out, w.opts); err != nil {
				return fmt.Errorf("lane %s: %w", l.name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// run takes the steps of a lane.
func (l lane) run(ctx context.Context, out io.Writer, opts Options) error {
	w, stop, err := openWalk(ctx, out, opts, opts.Namespace+l.suffix)
	if err != nil {
		return err
	}
	defer stop()
	steps := l.steps(w)
	if l.deploys {
		steps = append(w.beginning(), steps...)
	}
	if err := w.take(ctx, steps); err != nil {
		return err
	}
	return w.clean(ctx)
}

// lines writes whole lines, each with a prefix, so that those of several lanes do not
// mix. mu is shared by all that write to out.
type lines struct {
	prefix string
	out    io.Writer
	mu     *sync.Mutex
	rest   []byte // a line that has no end yet
}

// newLines returns a writer whose lines begin with a name.
func newLines(name string, out io.Writer, printing *sync.Mutex) *lines {
	return &lines{prefix: fmt.Sprintf("%-9s", name), out: out, mu: printing}
}

// Write implements io.Writer.
func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, text...)
	for {
		line, rest, ok := bytes.Cut(l.rest, []byte("\n"))
		if !ok {
			return len(text), nil
		}
		if _, err := fmt.Fprintf(l.out, "%s %s\n", l.prefix, line); err != nil {
			return 0, err
		}
		l.rest = rest
	}
}

// flush ends the last line.
func (l *lines) flush() {
	if len(l.rest) > 0 {
		_, _ = l.Write([]byte("\n")) // it is for a person who reads along
	}
}
