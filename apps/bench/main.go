// Command bench measures, side by side in one run, where a picture's time goes
// and what the recognizer adds to a bare go-face loop; then the pipeline. It
// prints Markdown tables; docs/benchmarks.md keeps what was measured, where.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/command"
	"github.com/rollcall-faces/rollcall/apps/internal/config"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/dlib"
	"github.com/rollcall-faces/rollcall/apps/internal/logging"
	"github.com/rollcall-faces/rollcall/apps/internal/models"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
	"github.com/rollcall-faces/rollcall/apps/internal/pipelinebench"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// childName as the first argument makes the program the recognizer that is
// measured: a process of its own, so that its memory is its own.
const childName = "recognizer"

func main() {
	if len(os.Args) > 1 && os.Args[1] == childName {
		os.Args = append([]string{childName}, os.Args[2:]...)
		command.Main(childSpec())
	}
	command.Main(spec())
}

// options are what the user asks for.
type options struct {
	faces          string // folder of photographs: bench/, groups/, people/<name>/
	official, lite string
	pipeline       bool
	pictures       bool
	matching       bool
	gallery        bool
	matchKnown     int
	matchStored    int
	rounds         int
	soak           int
	rematch        bool
	storedFaces    int
	knownPeople    int
}

func spec() command.Spec {
	var o options
	return command.Spec{
		Name: "bench",
		About: "bench measures how long pictures take and where the time goes, the recognizer against a bare\n" +
			"go-face loop, its memory, the search of many known pictures, and the pipeline without a recognizer.",
		Example: "make bench ARGS='-faces ~/faces'",
		Flags: func(f *flag.FlagSet) {
			f.StringVar(&o.faces, "faces", os.Getenv("ROLLCALL_TEST_FACES"), "`folder` with photographs in bench/ and groups/; without it the drawn samples are used")
			f.StringVar(&o.official, "models", "apps/recognizer/models/official", "`folder` of the official models")
			f.StringVar(&o.lite, "lite", "apps/recognizer/models/lite", "`folder` of the lite models")
			f.BoolVar(&o.pictures, "pictures", true, "measure pictures")
			f.BoolVar(&o.pipeline, "pipeline", true, "measure the pipeline (needs mariadbd)")
			f.IntVar(&o.soak, "soak", 0, "`number` of pictures of all sizes to send through the recognizer, watching its memory, in place of all else")
			f.BoolVar(&o.matching, "matching", true, "measure the search for the nearest known pictures")
			f.BoolVar(&o.gallery, "gallery", true, "measure a recognizer with 10,000 known pictures: its start, and how it matches stored faces")
			f.IntVar(&o.matchKnown, "matching-known", 1_000_000, "known descriptors to search")
			f.IntVar(&o.matchStored, "gallery-faces", 1_000_000, "stored faces for it to match")
			f.BoolVar(&o.rematch, "rematch", false, "measure re-matching, in place of all else (needs mariadbd and 4 GB of disk)")
			f.IntVar(&o.storedFaces, "rematch-faces", 1_000_000, "stored faces to match again")
			f.IntVar(&o.knownPeople, "rematch-known", 10_000, "known people, of one picture each")
			f.IntVar(&o.rounds, "rounds", 3, "how often each picture is measured; the median counts")
		},
		Read: func(*config.Reader) {},
		Run: func(ctx context.Context, stdout, stderr io.Writer) error {
			fmt.Fprintf(stdout, "Machine: %s, %d cores, %s\n", cpu(), runtime.NumCPU(), runtime.Version())
			if o.soak > 0 {
				return soak(ctx, o, stdout)
			}
			if o.rematch {
				return benchRematch(ctx, o, stdout)
			}
			if o.pictures {
				if err := benchPictures(ctx, o, stdout); err != nil {
					return err
				}
			}
			if o.matching {
				if err := benchMatching(ctx, o, stdout); err != nil {
					return err
				}
			}
			if o.gallery {
				if err := benchGallery(ctx, o, stdout); err != nil {
					return err
				}
			}
			if o.pipeline {
				return benchPipeline(ctx, stdout)
			}
			return nil
		},
	}
}

// benchPipeline measures the pipeline on a database and a queue of its own.
func benchPipeline(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "rollcall-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintln(out, "\nThe pipeline without a recognizer:")
	fmt.Fprintln(out)
	return pipelinebench.Run(ctx, out, pipelinebench.Options{Dir: dir})
}

func childSpec() command.Spec {
	var cfg recognizer.Config
	return command.Spec{
		Name: childName, About: "The recognizer that is measured.",
		Read: func(r *config.Reader) { cfg = recognizer.ReadConfig(r) },
		Run: func(ctx context.Context, _, stderr io.Writer) error {
			set, err := models.Choose(cfg.Official, cfg.Lite)
			if err != nil {
				return err
			}
			open, err := dlib.OpenerWith(set, dlib.Options{CNN: cfg.Options.CNNFallback})
			if err != nil {
				return fmt.Errorf("ROLLCALL_CNN_FALLBACK: %w", err)
			}
			listen := func() (net.Listener, error) { return net.Listen("tcp", cfg.Address) }
			return recognizer.Serve(ctx, cfg, set.Model(), open, kernel.New(), dlib.BLAS(), listen, logging.New(stderr, childName, cfg.Log))
		},
	}
}

// cpu names the processor, as far as the system tells.
func cpu() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(name), ":"))
		}
	}
	return runtime.GOARCH
}

// folders returns the folders of known people and of the pictures to measure.
func (o options) folders(dir string) (known, unknown string, err error) {
	if o.faces != "" {
		abs, err := filepath.Abs(o.faces)
		if err != nil {
			return "", "", err
		}
		// A copy: the recognizer keeps what it finds out beside the known pictures.
		known = filepath.Join(dir, "known")
		return known, abs, os.CopyFS(known, os.DirFS(filepath.Join(abs, "people")))
	}
	return filepath.Join(dir, "known"), filepath.Join(dir, "unknown"), samples.Extract(dir)
}
