// Command standalone runs all of Rollcall on one machine: every service in one
// process, with an embedded nsqd and nsqlookupd, and SQLite in place of MySQL.
// The services talk over HTTP, NSQ and gRPC on loopback, as in a cluster.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/backupcli"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/child"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/grouping"
	"github.com/rollcall-faces/rollcall/apps/internal/keyscli"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/logging"
	"github.com/rollcall-faces/rollcall/apps/internal/processor"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/internal/redeemer"
	"github.com/rollcall-faces/rollcall/apps/internal/rematch"
	"github.com/rollcall-faces/rollcall/apps/internal/rescan"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
	"github.com/rollcall-faces/rollcall/apps/internal/worker"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

func main() {
	child.Main() // a worker process runs this same program
	command.Main(spec())
}

// settings is the settings of standalone.
type settings struct {
	log        config.Log
	server     config.Server
	receiver   receiver.Options
	frontend   frontend.Config
	processor  processor.Options
	rematch    rematch.Options
	rescan     rescan.Options
	groups     grouping.Options
	recognizer recognizer.Options
	worker     worker.Options
	redeemer   redeemer.Options
	timeout    time.Duration // for one call to the recognizer
	known      string        // folder of the known people
	unknown    string        // folder of the images
	data       string        // folder for everything standalone stores
	models     modelset.Settings
	consent    bool // is required
	tracing    config.Tracing
	sampling   config.Sampling
	retry      redeemer.Request
	ask        bool // post the images in the folder at the start
	samples    bool // the folders are those of the built-in samples
}

func spec() command.Spec {
	var s settings
	var known, unknown, data string
	return command.Spec{
		Name: "standalone",
		About: "standalone is all of Rollcall on this machine. It enrols the people in the folder of known\n" +
			"people (one folder per person), finds out who is in each picture of the other folder, and\n" +
			"serves the REST API and the dashboard until Ctrl-C. Without -known and -unknown it uses\n" +
			"built-in sample pictures, which are drawings. All its data is kept under -data.",
		Example: `standalone
  standalone -known ~/team -unknown ~/photos -data ~/rollcall`,
		Flags: func(f *flag.FlagSet) {
			f.StringVar(&known, "known", "", "`folder` of known people: DIR/<person's name>/<pictures>")
			f.StringVar(&unknown, "unknown", "", "`folder` of the pictures to recognize")
			f.StringVar(&data, "data", "data", "`folder` for the database and the queue")
			f.Func("retry", "at the start, retry pictures with these outcomes: `reasons` such as no_face (comma-separated), or the word all for all that failed", func(v string) error {
				if s.retry.All = v == "all"; s.retry.All {
					return nil
				}
				var err error
				s.retry.Reasons, err = redeemer.ParseReasons(v)
				return err
			})
			f.BoolVar(&s.ask, "ask", true, "process all pictures in the folder at the start")
		},
		Read: func(r *config.Reader) {
			s.known = cmp.Or(known, r.String("KNOWN_PEOPLE", "", "same as -known"))
			s.unknown = cmp.Or(unknown, r.String("UNKNOWN_PEOPLE", "", "same as -unknown"))
			s.data, s.models = absolute(r, data), modelset.ReadSettings(r)
			s.read(r)
		},
		Run: func(ctx context.Context, stdout, stderr io.Writer) error {
			if err := s.folders(); err != nil {
				return err
			}
			return run(ctx, s, stdout, logging.New(stderr, "standalone", s.log))
		},
		Commands: append([]command.Spec{doctorSpec(), keyscli.Spec("standalone", dataFolder), keyscli.Users("standalone", dataFolder)}, backupcli.Commands("standalone", machine)...),
	}
}

// dataFolder is where the commands keys and users find the database.
func dataFolder() keyscli.Database {
	var data string
	return keyscli.Database{
		Flags: func(f *flag.FlagSet) { f.StringVar(&data, "data", "data", "`folder` of the database") },
		Open: func() (*store.Store, error) {
			file := filepath.Join(data, databaseFile)
			if _, err := os.Stat(file); err != nil {
				return nil, fmt.Errorf("standalone has not run with this folder yet: %w", err)
			}
			return store.OpenSQLite(file)
		},
	}
}

// read reads the settings that are not flags.
func (s *settings) read(r *config.Reader) {
	s.log = config.ReadLog(r)
	s.server = config.ReadServer(r, "127.0.0.1:9000")
	s.receiver = receiver.ReadOptions(r, "127.0.0.1:8000")
	s.frontend = frontend.Config{
		Host: r.String("ROLLCALL_FRONTEND_HOST", "127.0.0.1", "address that the dashboard listens on"),
		Port: r.Int("FRONTEND_PORT", 8081, 0, 65535, "port of the dashboard"), SignIn: frontend.ReadSignIn(r),
	}
	s.processor = processor.ReadOptions(r)
	s.rematch = rematch.ReadOptions(r)
	s.rescan = rescan.ReadOptions(r)
	s.groups = grouping.ReadOptions(r)
	r.String("ROLLCALL_GALLERY_CACHE", "", "cache folder for the descriptors of known pictures, used if the folder of known people is read-only; gallery/ under -data if unset")
	s.recognizer = recognizer.ReadOptions(r)
	s.worker = worker.ReadOptions(r)
	s.redeemer = redeemer.ReadOptions(r)
	s.consent = config.ReadConsent(r)
	s.tracing = config.ReadTracing(r)
	s.sampling = config.ReadSampling(r, s.tracing)
	s.timeout = r.Duration("ROLLCALL_RECOGNIZER_TIMEOUT", 30*time.Second, 100*time.Millisecond, 10*time.Minute, "time limit of one call to the recognizer")
}

// absolute returns the absolute path of dir.
func absolute(r *config.Reader, dir string) string {
	abs, err := filepath.Abs(dir)
	if err != nil {
		r.Fail("the working directory", "%v", err)
	}
	return abs
}

// folders chooses the folders and checks that they exist.
func (s *settings) folders() error {
	if (s.known == "") != (s.unknown == "") {
		return errors.New("set both -known and -unknown, or neither to use the samples")
	}
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		return s.badData(err)
	}
	if s.known == "" {
		s.samples = true
		dir := filepath.Join(s.data, "samples")
		if err := samples.Extract(dir); err != nil {
			return s.badData(err)
		}
		s.known, s.unknown = filepath.Join(dir, "known"), filepath.Join(dir, "unknown")
	}
	var err error
	if s.known, err = pictureFolder("-known (KNOWN_PEOPLE)", s.known); err != nil {
		return err
	}
	if s.unknown, err = pictureFolder("-unknown (UNKNOWN_PEOPLE)", s.unknown); err != nil {
		return err
	}
	s.recognizer.KnownPeople, s.recognizer.UnknownPeople = s.known, s.unknown
	s.receiver.UnknownPeople, s.frontend.UnknownPeople = s.unknown, s.unknown
	s.receiver.KnownPeople = s.known
	s.frontend.AllowedHosts, s.frontend.BasePath, s.frontend.Connections = s.receiver.AllowedHosts, s.receiver.BasePath, s.receiver.Connections
	return nil
}

// badData adds what to do about a data folder that cannot be written.
func (s *settings) badData(err error) error {
	return fmt.Errorf("the data folder %s cannot be used: %w; choose another one with -data", s.data, err)
}

// pictureFolder returns the absolute path of a folder. setting is the name of
// the setting for the error.
func pictureFolder(setting, dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("%s: %w", setting, err)
	}
	info, err := os.Stat(abs)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s: folder %s does not exist", setting, abs)
	case err != nil:
		return "", fmt.Errorf("%s: %w", setting, err)
	case !info.IsDir():
		return "", fmt.Errorf("%s: %s is not a folder", setting, abs)
	}
	return abs, nil
}
