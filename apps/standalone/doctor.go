package main

import (
	"cmp"
	"context"
	"flag"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/doctorcli"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/child"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/internal/worker"
)

// doctorSpec returns the command doctor, which examines the known people of this
// machine. As in the enrolment, a picture's folder is the name of its person.
func doctorSpec() command.Spec {
	var known, data string
	var settings modelset.Settings
	var workers worker.Options
	return doctorcli.Spec(doctorcli.Program{
		Name: "standalone",
		Flags: func(f *flag.FlagSet) {
			f.StringVar(&known, "known", "", "`folder` of known people: DIR/<person's name>/<pictures>; by default the samples under -data")
			f.StringVar(&data, "data", "data", "`folder` for the database and the queue")
		},
		Read: func(r *config.Reader) (recognizer.Options, func() (doctorcli.Tables, error)) {
			settings, workers = modelset.ReadSettings(r), worker.ReadOptions(r)
			opts := recognizer.ReadKnownOptions(r)
			dir := cmp.Or(known, r.String("KNOWN_PEOPLE", "", "same as -known"), filepath.Join(data, "samples", "known"))
			opts.KnownPeople = absolute(r, dir)
			opts.Cache = cmp.Or(opts.Cache, filepath.Join(absolute(r, data), "gallery"))
			return opts, nil
		},
		Models: func(ctx context.Context, opts recognizer.Options) (faces.Model, func() (engine.Engine, error), error) {
			set, open, err := child.Opener(ctx, child.Options{
				Models: settings, MaxPixels: opts.MaxPixels, Worker: workers, Registry: prometheus.NewRegistry(),
			})
			return set.Model(), open, err
		},
	})
}
