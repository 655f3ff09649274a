// Command redeemer makes one pass over failed and lost images and exits. Its
// settings are listed in README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/erasedsearch"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
	"github.com/rollcall-faces/rollcall/apps/internal/operations"
	"github.com/rollcall-faces/rollcall/apps/internal/operations/report"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/logging"
	"github.com/rollcall-faces/rollcall/apps/internal/redeemer"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
	"github.com/rollcall-faces/rollcall/apps/internal/uploads"
)

func main() { command.Main(spec()) }

func spec() command.Spec {
	var cfg redeemer.Config
	var req redeemer.Request
	var verify bool
	return command.Spec{
		Name: "redeemer",
		About: "redeemer makes one pass and exits: it reclaims expired leases, starts a new round for images\n" +
			"that failed because of a service, and queues images that the queue has lost. Then it deletes\n" +
			"the images that the rules of retention say to delete.\n" +
			"Images that failed for good (file not found, corrupt, …) are retried on request only.\n" +
			"The exit code is 0 if the pass was complete. Two passes at the same time are harmless.",
		Example: "redeemer\n  redeemer -reason not_found,corrupt_image\n  redeemer -id 17,18\n  redeemer -verify-erased",
		Flags: func(f *flag.FlagSet) {
			f.Func("reason", "also retry images with these outcomes, `reasons` such as not_found or no_face (comma-separated); an old answer stays until the new one is there", func(v string) error {
				return addReasons(&req, v)
			})
			f.Func("id", "also retry the images with these `ids`, whatever their outcome (comma-separated)", func(v string) error {
				return addIDs(&req, v)
			})
			f.BoolVar(&req.All, "all", false, "also retry every failed image")
			f.BoolVar(&verify, "verify-erased", false, "instead of a pass, search the database, KNOWN_PEOPLE and UNKNOWN_PEOPLE for what is left of erased people; the exit code is 0 if nothing is")
		},
		Read: func(r *config.Reader) {
			if verify {
				cfg = redeemer.ReadSearch(r)
				return
			}
			cfg = redeemer.ReadConfig(r)
		},
		Run: func(ctx context.Context, stdout, stderr io.Writer) error {
			if verify {
				return verifyErased(ctx, cfg, stdout, logging.New(stderr, "redeemer", cfg.Log))
			}
			return pass(ctx, cfg, req, stdout, logging.New(stderr, "redeemer", cfg.Log))
		},
	}
}

func addReasons(req *redeemer.Request, list string) error {
	reasons, err := redeemer.ParseReasons(list)
	req.Reasons = append(req.Reasons, reasons...)
	return err
}

func addIDs(req *redeemer.Request, list string) error {
	for word := range strings.SplitSeq(list, ",") {
		id, err := strconv.ParseInt(strings.TrimSpace(word), 10, 64)
		if err != nil || id < 1 {
			return fmt.Errorf("%q is not an image id", word)
		}
		req.IDs = append(req.IDs, id)
	}
	return nil
}

// verifyErased searches for what is left of erased people. It opens the volumes read-only:
// a search must not change what it looks at.
func verifyErased(ctx context.Context, cfg redeemer.Config, stdout io.Writer, log *slog.Logger) error {
	if cfg.KnownPeople == "" || cfg.UnknownPeople == "" {
		return errors.New("set KNOWN_PEOPLE and UNKNOWN_PEOPLE: erased people are searched for on both volumes")
	}
	db, err := store.OpenMySQL(cfg.Database, store.WithLogger(log))
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Ping(ctx); err != nil {
		return err
	}
	return erasedsearch.Verify(ctx, db, erasedsearch.Options{KnownPeople: cfg.KnownPeople, UnknownPeople: cfg.UnknownPeople}, stdout)
}

func pass(ctx context.Context, cfg redeemer.Config, req redeemer.Request, stdout io.Writer, log *slog.Logger) error {
	db, err := store.OpenMySQL(cfg.Database, store.WithLogger(log))
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Ping(ctx); err != nil {
		return err
	}
	producer, err := imagequeue.NewProducer(cfg.Producer, log)
	if err != nil {
		return err
	}
	defer producer.Close()
	r := redeemer.New(db, producer, imagequeue.NewMonitor(cfg.Lookupd), cfg.Options, log)
	begin := time.Now()
	sum, err := r.Run(ctx, req)
	fmt.Fprintln(stdout, "redeemer:", sum)
	deleted, failed := retain(ctx, cfg, db, stdout, log)
	err = errors.Join(err, failed)
	state := operations.State{Redeemer: redeemer.Operations(begin, sum, deleted, err)}
	if failed := report.Note(context.WithoutCancel(ctx), db, "redeemer", "", state); failed != nil {
		log.Warn("the page of operations does not show this pass", "error", failed)
	}
	return err
}

// retain deletes the images that are kept no longer.
func retain(ctx context.Context, cfg redeemer.Config, db *store.Store, stdout io.Writer, log *slog.Logger) (faces.RetentionRun, error) {
	folder := uploads.New(uploads.Options{UnknownPeople: cfg.UnknownPeople, InUse: db.HasPath, Log: log})
	run, err := redeemer.NewRetention(db, folder, cfg.Options.Retention, log).Run(ctx)
	if run.Images > 0 {
		fmt.Fprintln(stdout, "redeemer:", redeemer.DescribeRun(run))
	}
	return run, err
}
