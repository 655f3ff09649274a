// Package doctorcli is the command "doctor". It describes the known pictures
// with the deployment's own models and rule, finds out whose they are, and
// prints the report of package doctor. A program adds it with Spec.
package doctorcli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/doctor"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
)

// Exit codes.
const (
	ExitHealthy  = command.ExitOK
	ExitFailed   = command.ExitFailed // could not run, for example because of an invalid flag
	ExitFindings = 2                  // something needs attention
)

// Program is what a program supplies to its command doctor.
type Program struct {
	Name string // name of the program
	// Flags adds the program's own flags. It may be nil.
	Flags func(*flag.FlagSet)
	// Read reads the settings: where the known pictures are, how to describe
	// them, and how to open the database. tables is nil if there is no
	// database.
	Read func(*config.Reader) (opts recognizer.Options, tables func() (Tables, error))
	// Models loads the model set and returns a function that opens an engine.
	Models func(context.Context, recognizer.Options) (faces.Model, func() (engine.Engine, error), error)
}

// Tables are the database tables about people and their known pictures.
type Tables interface {
	People(ctx context.Context) ([]faces.Person, error)
	KnownImages(ctx context.Context) ([]faces.KnownImage, error)
	Close() error
}

const about = `doctor examines the known people: how well their pictures tell them apart, which threshold
suits them, who is hard to tell from whom, and which pictures are filed under a wrong name,
doubled, blurred, small, turned, without a face or with several. It changes nothing.

Every known picture is described with the model set in use; that takes a core about as long as
answering as many pictures. Results go to standard output, progress to standard error.

Whose a picture is: what -people says, else the tables person and person_images where a
database is set, else the folder that the picture lies in (KNOWN_PEOPLE/<person>/<file>).

Exit code: 0 nothing found (notes aside), 1 could not run, 2 something needs a person.`

// run is one run of the command.
type run struct {
	program Program
	people  string
	far     float64
	json    bool
	quick   bool
	lines   int
	rule    config.Rule // from flags, which take precedence over settings
	engines int

	opts   recognizer.Options
	tables func() (Tables, error)
}

// Spec returns the command.
func Spec(p Program) command.Spec {
	r := run{program: p, far: doctor.DefaultFAR}
	return command.Spec{
		Name: "doctor", About: about, UsageCode: ExitFailed,
		Example: p.Name + " doctor\n  " + p.Name + " doctor -far 0.01 -json >report.json",
		Flags: func(f *flag.FlagSet) {
			if p.Flags != nil {
				p.Flags(f)
			}
			f.StringVar(&r.people, "people", "", "`file` with a line image,person, or with a tab between, for each known picture; - is standard input")
			f.Float64Var(&r.rule.Threshold, "threshold", 0, "what if the `threshold` were another (default ROLLCALL_THRESHOLD, else the model set's)")
			f.Float64Var(&r.rule.Margin, "margin", 0, "what if the `margin` were another (default ROLLCALL_MARGIN, else the model set's)")
			f.IntVar(&r.engines, "engines", 0, "pictures looked at at the same `time` (default ROLLCALL_ENGINES, else one a core)")
			f.Func("far", "`share` of strangers, above 0 and below 1, who may be given a name (default 0.001)", func(v string) (err error) {
				r.far, err = strconv.ParseFloat(v, 64)
				if err == nil && !(r.far > 0 && r.far < 1) {
					err = errors.New("not between 0 and 1")
				}
				return err
			})
			f.BoolVar(&r.quick, "quick", false, "take descriptors from ROLLCALL_GALLERY_CACHE where the recognizer left them there; blurred, small and turned faces are not found")
			f.BoolVar(&r.json, "json", false, "print JSON, in full, in place of text")
			f.IntVar(&r.lines, "lines", 12, "most `lines` that the text has of one kind of finding")
		},
		Read: func(reader *config.Reader) {
			r.opts, r.tables = p.Read(reader)
			rule := config.ReadRule(reader)
			r.rule = config.Rule{
				Threshold: cmp.Or(r.rule.Threshold, rule.Threshold), Margin: cmp.Or(r.rule.Margin, rule.Margin),
			}
			if r.engines > 0 {
				r.opts.Engines = r.engines
			}
		},
		Run: r.run,
	}
}

func (r *run) run(ctx context.Context, stdout, stderr io.Writer) error {
	model, open, err := r.program.Models(ctx, r.opts)
	if err != nil {
		return err
	}
	model = model.WithRule(r.rule.Threshold, r.rule.Margin)
	// Read the owners first, so that a wrong file or database is reported at
	// once.
	listing, err := r.listing(ctx)
	if err != nil {
		return err
	}
	known, err := recognizer.Known(ctx, r.opts, model, open, recognizer.KnownLook{
		Remembered: r.quick, Progress: progress(stderr, "looked at", "known pictures"),
	})
	if err != nil {
		return fmt.Errorf("look at the known pictures: %w", err)
	}
	pictures, everybody := listing.join(known)
	report, err := doctor.Examine(ctx, pictures, doctor.Options{
		Model: model, FAR: r.far, People: everybody, Progress: progress(stderr, "compared", "pictures with all others"),
	})
	if err != nil {
		return fmt.Errorf("examine the known people: %w", err)
	}
	if err := r.print(report, stdout); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	if report.NeedsPerson() {
		return command.Code(ExitFindings)
	}
	return nil
}

func (r *run) print(report *doctor.Report, stdout io.Writer) error {
	if !r.json {
		return report.WriteText(stdout, r.lines)
	}
	out := json.NewEncoder(stdout)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(report)
}

// progress returns a function that writes the progress every two seconds. It
// is safe for concurrent use.
func progress(w io.Writer, did, what string) func(done, total int) {
	const every = 2 * time.Second
	var mu sync.Mutex // guards lastWrite and serializes writes
	lastWrite := time.Now()
	return func(done, total int) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(lastWrite) >= every {
			lastWrite = time.Now()
			fmt.Fprintf(w, "%s %d of %d %s\n", did, done, total, what)
		}
	}
}
