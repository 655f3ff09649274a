// Package walk runs Rollcall on a real cluster through everything its operators
// do: the first deployment, new versions under load, deleted pods, a restarted
// database, rollbacks, alerts and backups. It prints the result of each step and stops
// at the first failure. Lanes of steps run beside each other, each in a namespace of
// its own, because most of their time is waiting.
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
	Pull        string        // shell command with which a node pulls an image from a registry without TLS
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

// openWalk returns a walk in a namespace, which prints to out. Call the function to stop
// what it started.
func openWalk(ctx context.Context, out io.Writer, opts Options, namespace string) (*Walk, func(), error) {
	opts.Namespace = namespace
	w := &Walk{opts: opts, out: out, begin: time.Now(), accepted: map[int64]bool{}}
	var err error
	if w.kube, err = connect(ctx, namespace); err != nil {
		return nil, nil, err
	}
	w.api = client.New(w.kube.service("receiver", 8000), client.WithHTTPClient(&http.Client{Timeout: requestTimeout, Transport: &w.key}))
	return w, w.kube.close, nil
}

// Run runs the walk: one step, or the preparations and then all lanes at the same time. A
// lane stops at its first step that fails, and the others with it.
func Run(ctx context.Context, out io.Writer, opts Options) error {
	w, stop, err := openWalk(ctx, out, opts, opts.Namespace)
	if err != nil {
		return err
	}
	defer stop()
	if opts.Only != "" {
		err = w.runOne(ctx)
	} else {
		err = w.runAll(ctx)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nAll steps passed in %s.\n", time.Since(w.begin).Round(time.Second))
	return nil
}

// runOne takes the step that the options name, with all that it needs.
func (w *Walk) runOne(ctx context.Context) error {
	l, one, err := w.find(w.opts.Only)
	if err != nil {
		return err
	}
	before := w.common()
	if l.deploys {
		before = append(before, w.beginning()...)
	}
	if err := w.take(ctx, append(before, one)); err != nil {
		return err
	}
	if !l.deploys {
		return nil
	}
	return w.clean(ctx)
}

// find returns the step of a name, and its lane.
func (w *Walk) find(name string) (lane, step, error) {
	var names []string
	for _, l := range lanes() {
		for _, s := range l.steps(w) {
			if s.name == name {
				return l, s, nil
			}
			if s.name != "" {
				names = append(names, s.name)
			}
		}
	}
	return lane{}, step{}, fmt.Errorf("-only %s: these steps can be taken alone: %s", name, strings.Join(names, ", "))
}

// take takes steps, one after another.
func (w *Walk) take(ctx context.Context, steps []step) error {
	for i, s := range steps {
		fmt.Fprintf(w.out, "\n%d. %s\n", i+1, s.title)
		start := time.Now()
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("step %d, %q: %w", i+1, s.title, err)
		}
		w.say("(%s)", time.Since(start).Round(time.Second))
	}
	return nil
}

// clean deletes the namespace, unless somebody wants to keep it or had it before.
func (w *Walk) clean(ctx context.Context) error {
	if w.opts.Keep || w.there {
		return nil
	}
	if err := w.removeOurs(ctx); err != nil {
		return err
	}
	if _, err := w.kube.run(ctx, "delete", "namespace", w.opts.Namespace, "--ignore-not-found", "--wait"); err != nil {
		return err
	}
	fmt.Fprintf(w.out, "\nThe namespace %s is deleted; use -keep to keep it.\n", w.opts.Namespace)
	return nil
}

// step is a part of the walk.
type step struct {
	name  string // how Options.Only calls it; "" if it needs others than the preparations
	title string
	do    func(context.Context) error
}

// common are the steps that come before everything else, once.
func (w *Walk) common() []step {
	return []step{
		{"", "The cluster", w.lookAround},
		{"", "Two versions of the images", w.images},
	}
}

// beginning are the steps with which the life in a namespace begins.
func (w *Walk) beginning() []step {
	return []step{
		{"", "From nothing: kubectl apply -k " + w.opts.Overlay, w.deploy},
		{"", "Sample people, as " + firstPage + " enrols them, and who is in the sample pictures", w.askSamples},
	}
}

// lookAround prints the version and nodes of the cluster, and looks for namespaces that
// exist.
func (w *Walk) lookAround(ctx context.Context) error {
	if _, err := findPrometheus(w.opts.Root); err != nil && (w.opts.Only == "" || w.opts.Only == "alerts") {
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
	return w.lookForNamespaces(ctx)
}

// lookForNamespaces fails if a namespace exists that the walk creates. A single step is
// taken in the namespace that exists.
func (w *Walk) lookForNamespaces(ctx context.Context) error {
	for _, l := range lanes() {
		namespace := w.opts.Namespace + l.suffix
		there, err := w.kube.list(ctx, "{.metadata.name}", "namespace", namespace, "--ignore-not-found")
		if err != nil {
			return err
		}
		switch {
		case len(there) == 0:
		case w.opts.Only == "":
			return fmt.Errorf("namespace %s exists; this walk needs a cluster without it (kubectl delete namespace %[1]s)", namespace)
		case l.suffix == "":
			w.there = true
			w.say("the namespace %s exists, and is used and kept as it is", namespace)
		}
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
