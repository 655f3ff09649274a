// Command recognizer finds faces in pictures and names the known pictures
// nearest to each, over gRPC.
package main

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/rollcall-faces/rollcall/apps/internal/command"
	"github.com/rollcall-faces/rollcall/apps/internal/config"
	"github.com/rollcall-faces/rollcall/apps/internal/doctorcli"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/dlib"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/logging"
	"github.com/rollcall-faces/rollcall/apps/internal/models"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func main() { command.Main(spec()) }

func spec() command.Spec {
	var cfg recognizer.Config
	return command.Spec{
		Name: "recognizer",
		About: "recognizer answers over gRPC which known pictures are nearest to the faces of a picture.\n" +
			"It reads KNOWN_PEOPLE and UNKNOWN_PEOPLE and needs no database.",
		Example: "KNOWN_PEOPLE=known UNKNOWN_PEOPLE=unknown ROLLCALL_MODELS_LITE=apps/recognizer/models/lite recognizer",
		Read:    func(r *config.Reader) { cfg = recognizer.ReadConfig(r) },
		Run: func(ctx context.Context, _, stderr io.Writer) error {
			set, err := models.Choose(cfg.Official, cfg.Lite)
			if err != nil {
				return err
			}
			open, err := opener(set, cfg.Options)
			if err != nil {
				return err
			}
			log := logging.New(stderr, "recognizer", cfg.Log)
			listen := func() (net.Listener, error) { return net.Listen("tcp", cfg.Address) }
			return recognizer.Serve(ctx, cfg, set.Model(), open, kernel.New(), dlib.BLAS(), listen, log)
		},
		Commands: []command.Spec{doctorSpec()},
	}
}

// doctorSpec is the command that examines the known people. It alone asks the
// database, and only where one is set.
func doctorSpec() command.Spec {
	var official, lite string
	return doctorcli.Spec(doctorcli.Program{
		Name: "recognizer",
		Read: func(r *config.Reader) (recognizer.Options, func() (doctorcli.Tables, error)) {
			official, lite = recognizer.ReadModels(r)
			opts := recognizer.ReadKnownOptions(r)
			db, ok := config.ReadDatabaseIfSet(r, "whose the known pictures are is taken from their folders")
			if !ok {
				return opts, nil
			}
			return opts, func() (doctorcli.Tables, error) { return store.OpenMySQL(db) }
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

func opener(set models.Set, opts recognizer.Options) (func() (engine.PixelEngine, error), error) {
	open, err := dlib.OpenerWith(set, dlib.Options{CNN: opts.CNNFallback})
	if err != nil {
		return nil, fmt.Errorf("ROLLCALL_CNN_FALLBACK: %w", err)
	}
	return open, nil
}
