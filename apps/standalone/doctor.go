package main

// This file owns the command doctor: an examination of the known people of
// this machine. Whose a picture is, its folder says, as for the enrolment.

import (
	"flag"
	"path/filepath"

	"github.com/rollcall-faces/rollcall/apps/internal/command"
	"github.com/rollcall-faces/rollcall/apps/internal/config"
	"github.com/rollcall-faces/rollcall/apps/internal/doctorcli"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/models"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
)

func doctorSpec() command.Spec {
	var known, data, official, lite string
	return doctorcli.Spec(doctorcli.Program{
		Name: "standalone",
		Flags: func(f *flag.FlagSet) {
			f.StringVar(&known, "known", "", "`folder` of known people: DIR/<person's name>/<pictures>; by default the samples under -data")
			f.StringVar(&data, "data", "data", "`folder` for the database and the queue")
			modelFlags(f, &official, &lite)
		},
		Read: func(r *config.Reader) (recognizer.Options, func() (doctorcli.Tables, error)) {
			opts := recognizer.ReadKnownOptions(r)
			dir := first(known, r.String("KNOWN_PEOPLE", "", "like -known"), filepath.Join(data, "samples", "known"))
			opts.KnownPeople = absolute(r, dir)
			opts.Cache = first(opts.Cache, filepath.Join(absolute(r, data), "gallery"))
			return opts, nil
		},
		Models: func(opts recognizer.Options) (faces.Model, func() (engine.PixelEngine, error), error) {
			set, err := models.Choose(official, lite)
			if err != nil {
				return faces.Model{}, nil, err
			}
			open, err := opener(set, opts)
			return set.Model(), open, err
		},
	})
}

// modelFlags adds the flags that say where the model sets are.
func modelFlags(f *flag.FlagSet, official, lite *string) {
	f.StringVar(official, "models", "apps/recognizer/models/official", "`folder` of the official models")
	f.StringVar(lite, "lite", "apps/recognizer/models/lite", "`folder` of the lite models, used where the official are not there")
}
