// Package walk runs Rollcall on a real cluster through everything its operators
// do: the first deployment, new versions under load, deleted pods, a restarted
// database, and rollbacks. It prints the result of each step and stops at the
// first failure.
package walk

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api/client"
)

// Options configures a walk.
type Options struct {
	Root        string // folder of the repository
	Overlay     string // folder of the overlay, relative to Root
	Namespace   string
	Tag         string        // prefix of the image tags of the first and second version
	PreviousTag string        // tag of the images of the release before this tree
	Previous    string        // git revision with the manifests of that release
	Rounds      int           // how often to upgrade from it and to go back
	Load        string        // shell command that loads images into the nodes; "" chooses by the kind of cluster
	Build       bool          // build and load the images
	Keep        bool          // keep everything running at the end
	Only        string        // the step to take after the preparations; "" takes all
	Patience    time.Duration // time limit of each wait
}

// Walk is the state of one walk.
type Walk struct {
	// makeClient puts the command line into a copy of the tree. nil is buildCommandLine.
	makeClient func(ctx context.Context, tree string) error

	opts     Options
	out      io.Writer
	kube     *kube
	api      *client.Client
	key      apiKey
	begin    time.Time
	names    map[string]string // image names in the overlay, by program
	accepted map[int64]bool    // ids of all accepted images
	there    bool              // somebody else has deployed everything
}

// first and second are the tags of the two versions.
func (w *Walk) first() string  { return w.opts.Tag + "-1" }
func (w *Walk) second() string { return w.opts.Tag + "-2" }

// say prints one observation.
func (w *Walk) say(format string, args ...any) { fmt.Fprintf(w.out, "   "+format+"\n", args...) }

// Run runs the walk. It stops at the first step that fails.
func Run(ctx context.Context, out io.Writer, opts Options) error {
	w := &Walk{opts: opts, out: out, begin: time.Now(), accepted: map[int64]bool{}}
	var err error
	if w.kube, err = connect(ctx, opts.Namespace); err != nil {
		return err
	}
	defer w.kube.close()
	w.api = client.New(w.kube.service("receiver", 8000), client.WithHTTPClient(&http.Client{Timeout: requestTimeout, Transport: &w.key}))

	steps, err := w.steps()
	if err != nil {
		return err
	}
	for i, s := range steps {
		fmt.Fprintf(out, "\n%d. %s\n", i+1, s.title)
		start := time.Now()
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("step %d, %q: %w", i+1, s.title, err)
		}
		w.say("(%s)", time.Since(start).Round(time.Second))
	}
	if !opts.Keep && !w.there {
		if err := w.removeOurs(ctx); err != nil {
			return err
		}
		if _, err := w.kube.run(ctx, "delete", "namespace", opts.Namespace, "--ignore-not-found", "--wait"); err != nil {
			return err
		}
		fmt.Fprintf(out, "\nThe namespace %s is deleted; use -keep to keep it.\n", opts.Namespace)
	}
	fmt.Fprintf(out, "\nAll steps passed in %s.\n", time.Since(w.begin).Round(time.Second))
	return nil
}

// step is a part of the walk.
type step struct {
	name  string // how Options.Only calls it; "" if it needs others than the preparations
	title string
	do    func(context.Context) error
}

// preparations are the steps that all others need.
func (w *Walk) preparations() []step {
	return []step{
		{"", "The cluster", w.lookAround},
		{"", "Two versions of the images", w.images},
		{"", "From nothing: kubectl apply -k " + w.opts.Overlay, w.deploy},
		{"", "Sample people, as " + firstPage + " enrols them, and who is in the sample pictures", w.askSamples},
	}
}

// ownDeployment is the step that deploys by itself, and needs of the preparations only
// the images.
const ownDeployment = "upgrades"

// life are the other steps, in order.
func (w *Walk) life() []step {
	return []step{
		{"documents", "The other commands of the documents", w.restOfCommands},
		{"alerts", "What is broken on purpose fires the alert that its runbook names", w.breakEverything},
		{"", "Clients that post continuously", w.startPosting},
		{"", "One replica: a new version of every program, one after another", w.rollEach},
		{"", "Every pod is deleted", w.deletePods},
		{"", "Every pod is deleted, without a grace period", w.killPods},
		{"", "MySQL restarts", w.restartDatabase},
		{"", "The processor is scaled to 3 and back", w.scaleProcessor},
		{"", "The redeemer's CronJob runs", w.redeem},
		{"", "Rollback to the first version", w.revert},
		{"", "Two replicas: no request fails during the rollout of every program", w.rollAvailable},
		{"", "Two replicas: no request fails during the rollback", w.revertAvailable},
		{"", "Every accepted image has an outcome", w.audit},
		{"backup", "A backup is restored after database and known people were lost", w.drill},
		{ownDeployment, "Upgrades from the previous release and back, by Argo CD", w.upgrades},
	}
}

// steps returns the steps that the options ask for.
func (w *Walk) steps() ([]step, error) {
	list := w.preparations()
	if w.opts.Only == "" {
		return append(list, w.life()...), nil
	}
	var names []string
	for _, s := range w.life() {
		if s.name == w.opts.Only && s.name == ownDeployment {
			return append(list[:2], s), nil
		}
		if s.name == w.opts.Only {
			return append(list, s), nil
		}
		if s.name != "" {
			names = append(names, s.name)
		}
	}
	return nil, fmt.Errorf("-only %s: these steps can be taken alone: %s", w.opts.Only, strings.Join(names, ", "))
}

// lookAround prints the version and nodes of the cluster. It fails if the namespace
// exists, unless the walk takes one step in it.
func (w *Walk) lookAround(ctx context.Context) error {
	if _, err := findPrometheus(w.opts.Root); err != nil {
		return err
	}
	version, err := w.kube.run(ctx, "version")
	if err != nil {
		return err
	}
	for line := range strings.Lines(version) {
		w.say("%s", strings.TrimSpace(line))
	}
	nodes, err := w.kube.list(ctx, `{range .items[*]}{.metadata.name} {.status.nodeInfo.kubeletVersion} {.status.capacity.cpu}{"cpu "}{.status.capacity.memory}{"\n"}{end}`, "nodes")
	if err != nil {
		return err
	}
	w.say("nodes: %s", strings.Join(nodes, " "))
	there, err := w.kube.list(ctx, "{.metadata.name}", "namespace", w.opts.Namespace, "--ignore-not-found")
	if err != nil {
		return err
	}
	if len(there) > 0 && w.opts.Only != "" {
		w.there = true
		w.say("the namespace %s exists, and is used and kept as it is", w.opts.Namespace)
		return nil
	}
	if len(there) > 0 {
		return fmt.Errorf("namespace %s exists; this walk needs a cluster without it (kubectl delete namespace %[1]s)", w.opts.Namespace)
	}
	return nil
}

func (w *Walk) images(ctx context.Context) error {
	if !w.opts.Build || w.there {
		w.say("the nodes have %s and %s already", w.first(), w.second())
		return nil
	}
	if err := w.tryLoad(ctx); err != nil {
		return err
	}
	for _, tag := range []string{w.first(), w.second()} {
		if err := w.build(ctx, tag); err != nil {
			return err
		}
		if err := w.load(ctx, tag); err != nil {
			return fmt.Errorf("load the images: %w", err)
		}
	}
	return nil
}

func (w *Walk) deploy(ctx context.Context) error {
	if w.there {
		return w.readKey(ctx)
	}
	start := time.Now()
	if err := w.applyAndWait(ctx, allAt(w.first())); err != nil {
		return err
	}
	w.say("the rollout took %s", time.Since(start).Round(time.Second))
	if err := w.readKey(ctx); err != nil {
		return err
	}
	return w.sayPods(ctx)
}

// sayPods prints the pods as kubectl does.
func (w *Walk) sayPods(ctx context.Context) error {
	pods, err := w.kube.run(ctx, "get", "pods", "--no-headers", "--selector=app.kubernetes.io/part-of=rollcall")
	if err != nil {
		return err
	}
	for line := range strings.Lines(pods) {
		w.say("%s", strings.TrimRight(line, "\n"))
	}
	return nil
}
