// Command recognizer finds faces in pictures and returns the known pictures
// nearest to each, over gRPC.
package main

import (
	"context"
	"io"
	"net"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/doctorcli"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/child"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/dlib"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/logging"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
	"github.com/rollcall-faces/rollcall/apps/internal/worker"
)

func main() {
	child.Main() // a worker process is this very program
	command.Main(spec())
}

func spec() command.Spec {
	var cfg recognizer.Config
	return command.Spec{
		Name: "recognizer",
		About: "recognizer answers over gRPC which known pictures are nearest to the faces of a picture.\n" +
			"It reads KNOWN_PEOPLE and UNKNOWN_PEOPLE and needs no database.",
		Example: "KNOWN_PEOPLE=known UNKNOWN_PEOPLE=unknown ROLLCALL_LISTEN_ADDRESS=127.0.0.1:50051 recognizer",
		Read:    func(r *config.Reader) { cfg = recognizer.ReadConfig(r) },
		Run: func(ctx context.Context, _, stderr io.Writer) error {
			log := logging.New(stderr, "recognizer", cfg.Log)
			reg := prometheus.NewRegistry()
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
		Commands: []command.Spec{doctorSpec()},
	}
}

// doctorSpec returns the command that examines the known people. Only this
// command uses the database, and only if one is configured.
func doctorSpec() command.Spec {
	var settings modelset.Settings
	var workers worker.Options
	return doctorcli.Spec(doctorcli.Program{
		Name: "recognizer",
		Read: func(r *config.Reader) (recognizer.Options, func() (doctorcli.Tables, error)) {
			settings, workers = modelset.ReadSettings(r), worker.ReadOptions(r)
			opts := recognizer.ReadKnownOptions(r)
			db, ok := config.ReadDatabaseIfSet(r, "whose the known pictures are is taken from their folders")
			if !ok {
				return opts, nil
			}
			return opts, func() (doctorcli.Tables, error) { return store.OpenMySQL(db) }
		},
		Models: func(ctx context.Context, opts recognizer.Options) (faces.Model, func() (engine.Engine, error), error) {
			set, open, err := child.Opener(ctx, child.Options{
				Models: settings, MaxPixels: opts.MaxPixels, Worker: workers, Registry: prometheus.NewRegistry(),
			})
			return set.Model(), open, err
		},
	})
}
