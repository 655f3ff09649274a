// Command e2e walks Rollcall through an end-to-end test on the cluster in
// KUBECONFIG. README.md describes its steps and requirements. With the argument
// post it is the client that runs inside the cluster.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/rollcall-faces/rollcall/apps/e2e/internal/poster"
	"github.com/rollcall-faces/rollcall/apps/e2e/internal/walk"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/schedule"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// posterName as the first argument makes the program the poster.
const posterName = "post"

func main() {
	if len(os.Args) > 1 && os.Args[1] == posterName {
		os.Args = append([]string{posterName}, os.Args[2:]...)
		command.Main(posterSpec())
	}
	command.Main(spec())
}

func spec() command.Spec {
	var o walk.Options
	return command.Spec{
		Name: "e2e",
		About: "e2e runs an end-to-end test on the cluster that KUBECONFIG names, and prints the result of each\n" +
			"step. It needs kubectl and, to build the images, Docker and make.",
		Example: "ROLLCALL_E2E_LOAD='kind load docker-image --name rollcall' make e2e-cluster",
		Flags: func(f *flag.FlagSet) {
			f.StringVar(&o.Root, "root", ".", "`folder` of the repository")
			f.StringVar(&o.Overlay, "overlay", "overlays/minikube", "folder of the `overlay` to apply, relative to the repository")
			f.StringVar(&o.Namespace, "namespace", "rollcall", "the overlay's `namespace`")
			f.StringVar(&o.Tag, "tag", "e2e", "`tag` of the images; the two versions get the suffixes -1 and -2")
			f.StringVar(&o.PreviousTag, "previous-tag", "", "`tag` of the images of the release before this one, which the nodes have already, for the step upgrades")
			f.StringVar(&o.Previous, "previous", "", "git `revision` with the manifests of that release")
			f.IntVar(&o.Rounds, "rounds", 10, "`number` of upgrades from that release, and of ways back")
			f.BoolVar(&o.Build, "build", true, "build the images and load them into the cluster")
			f.BoolVar(&o.Keep, "keep", false, "keep everything running at the end")
			f.StringVar(&o.Only, "only", "", "take this `step` alone, after what it needs: admission, documents, redeem, alerts, backup, upgrades, galera, supply or autoscaling; a namespace that exists is used as it is, and kept")
			f.DurationVar(&o.Patience, "patience", 10*time.Minute, "time limit of each wait")
		},
		Read: func(r *config.Reader) {
			o.Load = r.String("ROLLCALL_E2E_LOAD", "", `shell command that loads the images "$@" into the nodes, or none; not needed for minikube and kind`)
			o.Pull = r.String("ROLLCALL_E2E_PULL", "", `shell command with which a node pulls the image "$1" from a registry without TLS; not needed for kind`)
		},
		Run: func(ctx context.Context, stdout, _ io.Writer) error { return walk.Run(ctx, stdout, o) },
	}
}

func posterSpec() command.Spec {
	var o poster.Options
	var listen, load string
	var compare bool
	return command.Spec{
		Name: posterName,
		About: "post posts pictures and opens the dashboard until it is stopped. POST /phase returns the results\n" +
			"since the last call. With -compare it reads answers, too, and tells wrong ones.",
		Flags: func(f *flag.FlagSet) {
			f.StringVar(&listen, "listen", ":8080", "`address` to listen on")
			f.StringVar(&o.Receiver, "receiver", "http://receiver:8000", "`address` of the REST API")
			f.StringVar(&o.Dashboard, "dashboard", "http://frontend:8081/", "`address` of the dashboard")
			f.IntVar(&o.Clients, "clients", 4, "number of clients that post in parallel")
			f.DurationVar(&o.Pause, "pause", 100*time.Millisecond, "pause of a client between two requests")
			f.IntVar(&o.Repeat, "repeat", 40, "requests for each new picture")
			f.StringVar(&o.Path, "path", "load/%05d.jpg", "`format` of the pictures' paths, with one number")
			f.DurationVar(&o.Timeout, "timeout", 15*time.Second, "time limit of one request")
			f.StringVar(&load, "load", "", "post new pictures at these `rates`, whatever the answers do, such as 2:30s,20:2m; in place of the clients")
			f.BoolVar(&compare, "compare", false, "the paths are links to the samples, in turns: read answers and compare them with those that the samples should get")
		},
		Read: func(r *config.Reader) {
			o.Key = r.String("ROLLCALL_KEY", "", "API key for reading answers")
		},
		Run: func(ctx context.Context, _, _ io.Writer) (err error) {
			if load != "" {
				if o.Load, err = schedule.ParseSteps(load); err != nil {
					return fmt.Errorf("-load: %w", err)
				}
			}
			if compare {
				if o.Expected, err = samples.InOrder(); err != nil {
					return err
				}
			}
			p := poster.New(o)
			mux := http.NewServeMux()
			mux.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) {})
			mux.HandleFunc("POST /phase", func(w http.ResponseWriter, _ *http.Request) {
				_ = json.NewEncoder(w).Encode(p.Phase()) // fails only if the client is gone
			})
			server := &http.Server{Addr: listen, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
			go p.Run(ctx)
			context.AfterFunc(ctx, func() { _ = server.Close() })
			if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("listen: %w", err)
			}
			return nil
		},
	}
}
