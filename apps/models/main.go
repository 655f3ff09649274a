// Command models fetches the official face models. README.md beside it says
// what they are and what happens without them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/rollcall-faces/rollcall/apps/internal/config"
	"github.com/rollcall-faces/rollcall/apps/internal/models"
	"github.com/rollcall-faces/rollcall/apps/internal/version"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := realMain(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func realMain(ctx context.Context, args []string, env config.Lookup, stdout, stderr io.Writer) int {
	opts, err := parse(args, env, stdout, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintln(stderr, "models:", err)
		return exitUsage
	}
	if opts.version {
		fmt.Fprintln(stdout, "models", version.String())
		return exitOK
	}
	lock, err := models.OfficialLock()
	if err == nil {
		err = provide(ctx, lock, opts, stdout, stderr)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		fmt.Fprintln(stderr, "models: interrupted; what has been downloaded stays, and the next run resumes there")
		return exitInterrupted
	case err != nil:
		fmt.Fprintln(stderr, "models:", err)
		return exitFailed
	}
	return exitOK
}

// options is what the user can choose.
type options struct {
	dir, lite                string
	quiet, required, version bool
	baseURL                  string
}

func parse(args []string, env config.Lookup, stdout, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("models", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // the caller prints the error, and -h is below
	fs.StringVar(&o.dir, "dir", "apps/recognizer/models/official", "fetch the official models into this `folder`")
	fs.StringVar(&o.lite, "lite", "apps/recognizer/models/lite", "the `folder` of the models to fall back to")
	fs.BoolVar(&o.quiet, "quiet", false, "print warnings and errors only")
	fs.BoolVar(&o.required, "required", false, "fail where the official models cannot be fetched")
	fs.BoolVar(&o.version, "version", false, "print the version and exit")

	settings := config.NewReader(env)
	const mirror = "ROLLCALL_MODELS_URL"
	o.baseURL = settings.String(mirror, "", "a mirror: the address of a folder with the three .bz2 archives")
	if o.baseURL != "" {
		if err := models.CheckURL(o.baseURL); err != nil {
			settings.Fail(mirror, "%v", err)
		}
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			printHelp(stdout, fs, settings.Settings())
			return o, err
		}
		return o, fmt.Errorf("%w (models -h shows the options)", err)
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected %q (models -h shows the options)", fs.Arg(0))
	}
	if sameFolder(o.dir, o.lite) {
		return o, fmt.Errorf("-dir and -lite are both %s: the official models must not replace the lite ones", o.dir)
	}
	return o, settings.Err()
}

func printHelp(w io.Writer, fs *flag.FlagSet, settings []config.Setting) {
	fmt.Fprint(w, `models fetches the official face models (dlib's, 28 MB) and checks their SHA-256.
Where they cannot be had, it says so and Rollcall uses the weaker lite models.

A run that was cut resumes where it stopped; where the models are there
already, nothing is done and no network is needed. Without a network on this
machine, put the three .bz2 archives that official.lock.json names into the
folder by hand and run this again.

Usage: models [options]

`)
	fs.SetOutput(w)
	fs.PrintDefaults()
	fmt.Fprint(w, "\nEnvironment (HTTPS_PROXY, HTTP_PROXY and NO_PROXY are honoured too):\n")
	config.PrintHelp(w, settings)
	fmt.Fprint(w, `
Exit codes: 0 there are models to use; 1 a checksum did not match, a file could
not be written, or -required and the official models cannot be had; 2 wrong
options; 130 interrupted.
`)
}

// sameFolder reports whether two paths, of which either may not exist, are one
// folder.
func sameFolder(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return os.SameFile(infoA, infoB)
	}
	return filepath.Clean(a) == filepath.Clean(b)
}

// provide makes sure that there are models to use, the official ones if they
// can be had.
func provide(ctx context.Context, lock models.Lock, o options, stdout, stderr io.Writer) error {
	if o.quiet {
		stdout = io.Discard
	}
	if set, err := models.Load(o.dir); err == nil && set.ID == lock.ID {
		fmt.Fprintf(stdout, "The official models (%s) are in %s already.\n", lock.ID, o.dir)
		return nil
	}
	fetch := models.FetchOptions{BaseURL: o.baseURL}
	if !o.quiet {
		fetch.Report = models.NewProgress(stderr)
	}
	err := models.Fetch(ctx, lock, o.dir, fetch)
	switch {
	case err == nil:
		fmt.Fprintf(stdout, "The official models (%s) are in %s.\n", lock.ID, o.dir)
		return nil
	case ctx.Err() != nil || !errors.Is(err, models.ErrUnavailable):
		return err
	case o.required:
		return fmt.Errorf("the official models are required: %w", err)
	default:
		return fallBack(o.lite, err, stderr)
	}
}

// fallBack explains what it means that only the lite models are there.
func fallBack(lite string, cause error, stderr io.Writer) error {
	set, err := models.Load(lite)
	if err != nil {
		return fmt.Errorf("neither the official nor the lite models can be had: %w", errors.Join(cause, err))
	}
	fmt.Fprintf(stderr, `The official face models could not be fetched:
  %v
Rollcall will use the lite models (%s) in
  %s
instead. Everything works with them, but they are weaker: they name fewer faces
rightly and have no CNN detector (MODEL_CARD.md in that folder has the figures).
To try again, run "make models". Behind a proxy, set HTTPS_PROXY; where you have
a mirror, set ROLLCALL_MODELS_URL to the address of its folder.
`, cause, set.ID, lite)
	return nil
}
