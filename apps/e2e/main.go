// Command e2e walks Rollcall through a whole life on the cluster that KUBECONFIG
// names; README.md beside it says what it does and what it needs. With the
// argument post it is the part of the walk that runs inside of the cluster.
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
		About: "e2e takes Rollcall through a whole life on the cluster that KUBECONFIG names, and prints what it\n" +
			"saw at each step. It needs kubectl and, to build the images, Docker and make.",
		Example: "ROLLCALL_E2E_LOAD='kind load docker-image --name rollcall' make e2e-cluster",
		Flags: func(f *flag.FlagSet) {
			f.StringVar(&o.Root, "root", ".", "`folder` of the repository")
			f.StringVar(&o.Overlay, "overlay", "overlays/minikube", "`overlay` to apply, below the repository")
			f.StringVar(&o.Namespace, "namespace", "rollcall", "the overlay's `namespace`")
			f.StringVar(&o.Tag, "tag", "e2e", "`tag` of the images; two versions, with -1 and -2 behind it")
			f.BoolVar(&o.Build, "build", true, "build the images and load them into the cluster")
			f.BoolVar(&o.Keep, "keep", false, "leave everything running at the end")
			f.DurationVar(&o.Patience, "patience", 10*time.Minute, "longest wait for any one thing")
		},
		Read: func(r *config.Reader) {
			o.Load = r.String("ROLLCALL_E2E_LOAD", "", `shell command that brings the images "$@" to the nodes, or none; minikube and kind need no telling`)
		},
		Run: func(ctx context.Context, stdout, _ io.Writer) error { return walk.Run(ctx, stdout, o) },
	}
}

func posterSpec() command.Spec {
	var o poster.Options
	var listen string
	return command.Spec{
		Name: posterName,
		About: "post posts pictures and looks at the dashboard until it is stopped; POST /phase tells what happened\n" +
			"since the call before.",
		Flags: func(f *flag.FlagSet) {
			f.StringVar(&listen, "listen", ":8080", "`address` to be asked at")
			f.StringVar(&o.Receiver, "receiver", "http://receiver:8000", "`address` of the REST API")
			f.StringVar(&o.Dashboard, "dashboard", "http://frontend:8081/", "`address` of the dashboard")
			f.IntVar(&o.Clients, "clients", 4, "clients that post at the same time")
			f.DurationVar(&o.Pause, "pause", 100*time.Millisecond, "pause of a client between two requests")
			f.IntVar(&o.Repeat, "repeat", 40, "requests for each new picture")
			f.StringVar(&o.Path, "path", "load/%05d.jpg", "the pictures' paths, with a `format` for their number")
			f.DurationVar(&o.Timeout, "timeout", 15*time.Second, "longest wait for an answer")
		},
		Read: func(*config.Reader) {},
		Run: func(ctx context.Context, _, _ io.Writer) error {
			p := poster.New(o)
			mux := http.NewServeMux()
			mux.HandleFunc("GET /", func(http.ResponseWriter, *http.Request) {})
			mux.HandleFunc("POST /phase", func(w http.ResponseWriter, _ *http.Request) {
				_ = json.NewEncoder(w).Encode(p.Phase()) // who hung up does not miss it
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
