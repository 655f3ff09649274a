// Package child runs engines in worker processes for the programs that
// recognize pictures. Such a program starts itself as a worker, with a hidden
// sub-command.
package child

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/opener"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/worker"
)

// Name is the first argument that makes a program a worker. It looks like a flag so
// that a program that does not call Main rejects it. A test binary would otherwise
// ignore it, run all its tests again and so start more workers, without end.
const Name = "-worker"

// maxPixels is the environment variable that passes Options.MaxPixels to
// workers.
const maxPixels = "ROLLCALL_MAX_PIXELS"

// Main runs the worker and does not return if the program was started as one.
// Otherwise it does nothing. A program must call it first.
func Main() {
	if len(os.Args) < 2 || os.Args[1] != Name {
		return
	}
	os.Args = append([]string{Name}, os.Args[2:]...)
	command.Main(spec())
}

func spec() command.Spec {
	var models modelset.Settings
	var pixels int64
	return command.Spec{
		Name:  "worker",
		About: "A worker process of the recognizer, which starts it and talks to it. It is of no use by itself.",
		Read: func(r *config.Reader) {
			models = modelset.ReadSettings(r)
			pixels = int64(r.Int(maxPixels, 50_000_000, 1, 500_000_000, "maximum size of a picture, in pixels"))
		},
		Run: func(ctx context.Context, _, _ io.Writer) error {
			return worker.Run(func() (engine.Engine, error) { return openOne(ctx, models, pixels) })
		},
	}
}

func openOne(ctx context.Context, models modelset.Settings, pixels int64) (engine.Engine, error) {
	set, err := models.Load()
	if err != nil {
		return nil, err
	}
	open, err := opener.Opener(ctx, models, set, pixels)
	if err != nil {
		return nil, err
	}
	return open()
}

// Options configure the engines.
type Options struct {
	Models    modelset.Settings
	MaxPixels int64 // of a picture; larger ones are refused
	Worker    worker.Options
	Log       *slog.Logger
	Registry  prometheus.Registerer
}

// Opener loads the model set, unpacks its files, and returns the set and a
// function that starts one engine in a worker process.
func Opener(ctx context.Context, o Options) (modelset.Set, func() (engine.Engine, error), error) {
	set, err := o.Models.Load()
	if err != nil {
		return modelset.Set{}, nil, err
	}
	// Done here so that workers need not wait for each other, and an error is
	// reported once.
	if _, err := set.Reference(ctx, o.Models.Cache); err != nil {
		return modelset.Set{}, nil, err
	}
	opts := o.Worker
	opts.Command = worker.Self(Name, append(o.Models.Env(),
		maxPixels+"="+strconv.FormatInt(o.MaxPixels, 10),
		"OPENBLAS_NUM_THREADS=1", // one engine for each core; more threads would compete
	)...)
	opts.Probe = engine.Portrait()
	opts.Replaced = worker.CountReplaced(o.Registry)
	opts.Log = o.Log
	return set, func() (engine.Engine, error) { return worker.Start(ctx, opts) }, nil
}
