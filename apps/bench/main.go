// Command bench measures Rollcall's speed and memory, and where the time goes.
// What is compared runs alternately in one run and is reported as ratios. It
// prints Markdown tables; docs/benchmarks.md explains them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/pipelinebench"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/child"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/dlib"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/logging"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// childName as the first argument makes the program run as the measured
// recognizer. It is a process of its own, so that its memory can be measured.
const childName = "recognizer"

func main() {
	child.Main() // the recognizer's workers run this same program
	if len(os.Args) > 1 && os.Args[1] == childName {
		os.Args = append([]string{childName}, os.Args[2:]...)
		command.Main(childSpec())
	}
	command.Main(spec())
}

// options are the command line flags and the model set.
type options struct {
	faces  string // folder of photographs, with bench/, groups/ and people/<name>/
	models modelset.Settings
	rounds int

	pictures, starts, matching, gallery, pipeline bool

	soak  int
	extra string // folder of more pictures for the soak test

	matchKnown, matchStored int

	rematch, identify, search bool
	storedFaces, knownPeople  int
	searchFaces               int

	grouping   bool
	two        bool // recognizers beside one
	intake     bool
	capacity   bool
	posting    time.Duration // of each receiver and round
	clients    int
	groupFaces int
	profile    string
}

func spec() command.Spec {
	var o options
	return command.Spec{
		Name: "bench",
		About: "bench measures the recognizer against plain go-face, the pipeline against the engine alone, how\n" +
			"long pictures take and where the time goes, memory, starts, and the search in many known pictures.",
		Example: "make bench ARGS='-faces ~/faces'",
		Flags:   o.flags,
		Read:    func(r *config.Reader) { o.models = modelset.ReadSettings(r) },
		Run: func(ctx context.Context, stdout, _ io.Writer) error {
			printMachine(stdout)
			return o.profiled(func() error { return o.run(ctx, stdout) })
		},
	}
}

func (o *options) flags(f *flag.FlagSet) {
	f.StringVar(&o.faces, "faces", os.Getenv("ROLLCALL_TEST_FACES"), "`folder` with photographs in bench/, groups/ and people/<name>/; the built-in samples if empty")
	f.IntVar(&o.rounds, "rounds", 5, "number of measurements; the report has their medians")
	f.BoolVar(&o.pictures, "pictures", true, "measure pictures: go-face, the engine, the recognizer and (needs mariadbd) the whole pipeline")
	f.BoolVar(&o.starts, "starts", true, "measure the recognizer's start")
	f.BoolVar(&o.matching, "matching", true, "measure the search for the nearest known pictures")
	f.BoolVar(&o.gallery, "gallery", true, "measure a recognizer with 10,000 known pictures: its start, and how it matches stored faces")
	f.BoolVar(&o.pipeline, "pipeline", true, "measure the whole pipeline, and the pipeline without a recognizer (needs mariadbd)")
	f.IntVar(&o.soak, "soak", 0, "run only a soak test: send this `number` of pictures of all sizes and formats through a recognizer and record its memory")
	f.StringVar(&o.extra, "extra", "", "`folder` of more pictures for -soak, such as HEIC and WebP, which this program cannot write")
	f.IntVar(&o.matchKnown, "matching-known", 1_000_000, "number of known descriptors to search")
	f.IntVar(&o.matchStored, "gallery-faces", 1_000_000, "number of stored faces to match with the 10,000 known pictures")
	f.BoolVar(&o.rematch, "rematch", false, "measure only re-matching (needs mariadbd and 4 GB of disk)")
	f.BoolVar(&o.identify, "identify", false, "measure only pictures that are answered at once, alone and beside a full queue (needs mariadbd)")
	f.BoolVar(&o.search, "search", false, "measure only the search in an index of stored faces, over gRPC (needs 4 GB of memory)")
	f.IntVar(&o.searchFaces, "search-faces", 1_000_000, "number of stored faces in the index")
	f.BoolVar(&o.grouping, "grouping", false, "measure only the grouping of unknown faces (needs 3 GB of memory)")
	f.BoolVar(&o.two, "two-recognizers", false, "measure only the whole pipeline with two recognizers, on a core each, beside one (needs mariadbd, taskset and two cores)")
	f.BoolVar(&o.intake, "intake", false, "measure only single posts, beside a stand-in for the original's receiver (needs mariadbd)")
	f.BoolVar(&o.capacity, "capacity", false, "measure only how the search grows with the known people, and compute days of 100 million images (needs 2 GB of memory)")
	f.DurationVar(&o.posting, "intake-time", 20*time.Second, "how long each receiver is posted to in a round of -intake")
	f.IntVar(&o.clients, "intake-clients", 0, "number of clients of -intake; 0 for 1, 8 and 64 in turn")
	f.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of this process to a `file`, for go tool pprof")
	f.IntVar(&o.groupFaces, "grouping-faces", 1_000_000, "number of faces to group")
	f.IntVar(&o.storedFaces, "rematch-faces", 1_000_000, "number of stored faces to match again")
	f.IntVar(&o.knownPeople, "rematch-known", 10_000, "number of known people, with one picture each")
}

// profiled runs f, and writes a profile of it if one is wanted.
func (o *options) profiled(f func() error) error {
	if o.profile == "" {
		return f()
	}
	file, err := os.Create(o.profile)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return errors.Join(err, file.Close())
	}
	err = f()
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}

// run runs the selected measurements.
func (o *options) run(ctx context.Context, out io.Writer) error {
	if o.rounds < 1 {
		return fmt.Errorf("-rounds is %d; it must be at least 1", o.rounds)
	}
	if o.soak > 0 {
		return benchSoak(ctx, *o, out)
	}
	if o.rematch {
		return benchRematch(ctx, *o, out)
	}
	if o.search {
		return benchSearch(ctx, *o, out)
	}
	if o.grouping {
		return benchGrouping(ctx, *o, out)
	}
	if o.two {
		return benchTwoRecognizers(ctx, *o, out)
	}
	if o.intake {
		return benchIntake(ctx, *o, out)
	}
	if o.capacity {
		return benchCapacity(ctx, *o, out)
	}
	if o.identify {
		return benchIdentify(ctx, *o, out)
	}
	for _, measure := range []struct {
		wanted bool
		run    func(context.Context, options, io.Writer) error
	}{
		{o.pictures, benchPictures}, {o.starts, benchStarts}, {o.matching, benchMatching},
		{o.gallery, benchGallery}, {o.pipeline, benchPipeline},
	} {
		if !measure.wanted {
			continue
		}
		if err := measure.run(ctx, *o, out); err != nil {
			return err
		}
	}
	return nil
}

// benchPipeline measures the pipeline with its own database and queue.
func benchPipeline(ctx context.Context, _ options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(out, "\nThe pipeline without a recognizer:")
	fmt.Fprintln(out)
	return pipelinebench.Run(ctx, out, pipelinebench.Options{Dir: dir})
}

// benchIntake measures single posts, with its own database and queues.
func benchIntake(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintf(out, "\nSingle posts, each a new path; medians of %d alternating rounds:\n\n", o.rounds)
	opts := pipelinebench.IntakeOptions{Dir: dir, Rounds: o.rounds, Posting: o.posting}
	if o.clients > 0 {
		opts.Clients = []int{o.clients}
	}
	return pipelinebench.Intake(ctx, out, opts)
}

// childSpec is the measured recognizer.
func childSpec() command.Spec {
	var cfg recognizer.Config
	return command.Spec{
		Name: childName, About: "The recognizer that is measured.",
		Read: func(r *config.Reader) { cfg = recognizer.ReadConfig(r) },
		Run: func(ctx context.Context, _, stderr io.Writer) error {
			log, reg := logging.New(stderr, childName, cfg.Log), prometheus.NewRegistry()
			set, open, err := child.Opener(ctx, child.Options{
				Models: cfg.Models, MaxPixels: cfg.Options.MaxPixels, Worker: cfg.Worker, Log: log, Registry: reg,
			})
			if err != nil {
				return err
			}
			cfg.Options.Networks = recognizer.NetworksOf(set)
			listen := func() (net.Listener, error) { return net.Listen("tcp", cfg.Address) }
			return recognizer.Serve(ctx, cfg, set.Model(), open, kernel.New(), dlib.BLAS(), listen, log, reg)
		},
	}
}

// folders returns the folder of known people and the folder of the pictures to
// measure. The known people are copied into dir, because the recognizer keeps
// its cache there.
func (o options) folders(dir string) (known, unknown string, err error) {
	known = filepath.Join(dir, "known")
	if o.faces == "" {
		return known, filepath.Join(dir, "unknown"), samples.Extract(dir)
	}
	unknown, err = filepath.Abs(o.faces)
	if err != nil {
		return "", "", err
	}
	if err := os.CopyFS(known, os.DirFS(filepath.Join(unknown, "people"))); err != nil {
		return "", "", fmt.Errorf("copy the known people of -faces: %w", err)
	}
	return known, unknown, nil
}
