// Command load sends requests to a running Rollcall at a set rate and measures how long
// answers and outcomes take. docs/load.md explains the report.
package main

import (
	"context"
	"io"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

func main() { command.Main(spec()) }

const about = `load sends requests to a running Rollcall at a set rate, whatever the answers do (an open model), and
measures. A request's time counts from when it was due, so a system that stalls looks as slow as it is.

  -mode paths    posts of paths below the system's UNKNOWN_PEOPLE. There need be no files: an image whose
                 file is missing fails with not_found, so this measures the way in and the queue, and no
                 recognition. It leaves images behind; docs/load.md says how to delete them.
  -mode upload   uploads of the JPEG and PNG files in -files DIR, each as a new image.
  -mode mix      posts (uploads with -files) and reads, with the weights of -mix.

The rate is -rate, or -ramp, or -steps. Nothing is repeated, so each error counts once. Ctrl-C ends the run
with the report of what was measured. The exit code is 1 if -max-p99 or -max-errors is exceeded.`

const example = `load                                                     # 5 posts a second for 30 s, to this machine
  load -mode upload -files ~/photos -rate 20 -duration 2m -report report
  load -ramp 10:500:5m -report report                      # where does it bend?
  load -mode mix -files ~/photos -mix post=2,list=1,get=5,thumbnail=20 -steps 50:1m,100:1m,200:1m
  load -server https://rollcall.example -key-file ~/.rollcall-key -rate 50 -max-p99 50ms -max-errors 0.1%`

func spec() command.Spec {
	o := &options{}
	return command.Spec{
		Name: "load", About: about, Example: example,
		Flags: o.flags,
		Read: func(r *config.Reader) {
			o.serverSetting = r.String("ROLLCALL_SERVER", defaultServer, "address of the receiver; -server wins")
			o.keyFileSetting = r.String("ROLLCALL_KEY_FILE", "", "file that contains the API key; -key-file wins")
		},
		Run: func(ctx context.Context, stdout, stderr io.Writer) error {
			return run(ctx, *o, stdout, stderr)
		},
	}
}

const defaultServer = "http://127.0.0.1:8000"
