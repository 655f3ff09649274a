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
	"github.com/rollcall-faces/rollcall/apps/internal/engine/blas"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/dlib"
	"github.com/rollcall-faces/rollcall/apps/internal/logging"
	"github.com/rollcall-faces/rollcall/apps/internal/models"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
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
			open, err := dlib.OpenerWith(set, dlib.Options{CNN: cfg.Options.CNNFallback})
			if err != nil {
				return fmt.Errorf("ROLLCALL_CNN_FALLBACK: %w", err)
			}
			log := logging.New(stderr, "recognizer", cfg.Log)
			listen := func() (net.Listener, error) { return net.Listen("tcp", cfg.Address) }
			return recognizer.Serve(ctx, cfg, set.Model(), open, blas.New(), dlib.BLAS(), listen, log)
		},
	}
}
