package walk

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

const (
	galeraStep = "galera" // its name
	// galeraNamespace is where the cluster of databases is, beside the walk's own namespace.
	galeraNamespace = "rollcall-galera"
	databases       = 3
)

// loseDatabases deploys everything with the component galera in a namespace of its own, and
// takes databases away while clients post: each way that docs/galera.md tells of, with its
// commands. Every accepted picture must have an outcome at the end.
func (w *Walk) loseDatabases(ctx context.Context) error {
	g := &galeraWalk{Walk{
		opts: w.opts, out: w.out, begin: w.begin, accepted: map[int64]bool{},
		kube: &kube{namespace: galeraNamespace, proxy: w.kube.proxy, stop: func() {}},
	}}
	g.opts.Namespace = galeraNamespace
	g.api = client.New(g.kube.service("receiver", 8000), client.WithHTTPClient(&http.Client{Timeout: requestTimeout, Transport: &g.key}))
	for _, do := range []func(context.Context) error{
		g.beginCluster, g.copySamples, g.readKey, g.startPosting,
		g.deleteOne, g.killOne, g.loseVolume, g.killTwo, g.loseTwoVolumes, g.killAll, g.stopAll, g.decideByHand, g.restartDatabase,
		g.audit,
	} {
		if err := do(ctx); err != nil {
			return err
		}
	}
	if g.opts.Keep {
		return nil
	}
	_, err := g.kube.run(ctx, "delete", "namespace", galeraNamespace, "--wait=false")
	return err
}

// galeraWalk is the walk in the namespace of the cluster of databases.
type galeraWalk struct{ Walk }

func pod(n int) string { return fmt.Sprintf("mysql-%d", n) }

// beginCluster applies everything. No database begins by itself; one is told to.
func (g *galeraWalk) beginCluster(ctx context.Context) error {
	there, err := g.kube.list(ctx, "{.metadata.name}", "namespace", galeraNamespace, "--ignore-not-found")
	if err != nil {
		return err
	}
	if len(there) > 0 {
		return fmt.Errorf("namespace %s exists, perhaps from a walk that failed; kubectl delete namespace %[1]s", galeraNamespace)
	}
	start := time.Now()
	d := allAt(g.first())
	d.galera = true
	if err := g.apply(ctx, d); err != nil {
		return err
	}
	for n := range databases {
		if err := g.awaitLog(ctx, pod(n), "There is no cluster to join"); err != nil {
			return err
		}
	}
	waited := time.Since(start)
	if err := g.tellToBegin(ctx, 0); err != nil {
		return err
	}
	if err := g.kube.settled(ctx, g.opts.Patience); err != nil {
		return err
	}
	if err := g.awaitWhole(ctx); err != nil {
		return err
	}
	g.say("the databases waited for a word after %s; everything was rolled out %s after it", waited.Round(time.Second), (time.Since(start) - waited).Round(time.Second))
	return g.sayPods(ctx)
}

// tellToBegin says that a database begins the cluster. Its container may be between two starts.
func (g *galeraWalk) tellToBegin(ctx context.Context, n int) error {
	return eventually(ctx, g.opts.Patience, func(ctx context.Context) (string, error) {
		_, err := g.kube.run(ctx, "exec", pod(n), "--container=mysql", "--", "touch", "/tmp/new-cluster")
		return "", err
	})
}

func (g *galeraWalk) awaitLog(ctx context.Context, pod, text string) error {
	return eventually(ctx, g.opts.Patience, func(ctx context.Context) (string, error) {
		log, err := g.kube.run(ctx, "logs", pod, "--container=mysql")
		if err != nil || strings.Contains(log, text) {
			return "", err
		}
		return fmt.Sprintf("%s does not say %q", pod, text), nil
	})
}

// awaitWhole waits until all databases are ready, and each sees all of them.
func (g *galeraWalk) awaitWhole(ctx context.Context) error {
	return eventually(ctx, g.opts.Patience, func(ctx context.Context) (string, error) {
		ready, err := g.kube.list(ctx, `{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}`, "pods", "--selector=app.kubernetes.io/name=mysql")
		if err != nil {
			return "", err
		}
		for n := range databases {
			if !strings.Contains(strings.Join(ready, " ")+" ", pod(n)+"=True ") {
				return fmt.Sprintf("%s is not ready: %s", pod(n), ready), nil
			}
			size, err := g.ask(ctx, n, "SHOW STATUS LIKE 'wsrep_cluster_size'")
			if err != nil || !strings.HasSuffix(size, fmt.Sprint(databases)) {
				return fmt.Sprintf("%s says %s", pod(n), size), err
			}
		}
		return "", nil
	})
}

// ask runs a statement in a database, as docs/galera.md does.
func (g *galeraWalk) ask(ctx context.Context, n int, statement string) (string, error) {
	const script = `MYSQL_PWD=$(cat /etc/rollcall/mysql/root-password) exec mariadb --user=root --skip-column-names --execute="$1"`
	return g.kube.run(ctx, "exec", pod(n), "--container=mysql", "--", "sh", "-c", script, "ask", statement)
}

// copySamples puts the sample pictures into the volume.
func (g *galeraWalk) copySamples(ctx context.Context) error {
	if err := g.addFilesPod(ctx); err != nil {
		return err
	}
	files, err := fs.Glob(samples.Files(), "unknown/*.jpg")
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	out := tar.NewWriter(&archive)
	for _, name := range files {
		picture, err := fs.ReadFile(samples.Files(), name)
		if err != nil {
			return err
		}
		if err := out.WriteHeader(&tar.Header{Name: path.Base(name), Mode: 0o644, Size: int64(len(picture))}); err != nil {
			return err
		}
		if _, err := out.Write(picture); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return err
	}
	_, err = g.kube.input(ctx, &archive, "exec", "--stdin", filesPod, "--", "tar", "-x", "-C", "/unknown_people")
	return err
}

// lose takes databases away under load, and waits until the cluster is whole again.
func (g *galeraWalk) lose(ctx context.Context, what string, do func(context.Context) error) error {
	_, err := g.under(ctx, what, func(ctx context.Context) error {
		if err := do(ctx); err != nil {
			return err
		}
		return g.awaitWhole(ctx)
	})
	return err
}

func (g *galeraWalk) deleteOne(ctx context.Context) error {
	return g.lose(ctx, "one deleted", func(ctx context.Context) error {
		_, err := g.kube.run(ctx, "delete", "pod", pod(1), "--wait")
		return err
	})
}

// kill kills the servers of databases, as a crash would.
func (g *galeraWalk) kill(ctx context.Context, numbers ...int) error {
	for _, n := range numbers {
		if _, err := g.kube.run(ctx, "exec", pod(n), "--container=mysql", "--", "sh", "-c", "kill -KILL $(pidof mariadbd)"); err != nil {
			return err
		}
	}
	return nil
}

func (g *galeraWalk) killOne(ctx context.Context) error {
	return g.lose(ctx, "one killed", func(ctx context.Context) error { return g.kill(ctx, 2) })
}

// loseVolume deletes a database with its volume. The new one gets a copy of everything.
func (g *galeraWalk) loseVolume(ctx context.Context) error {
	return g.lose(ctx, "one lost with its volume", func(ctx context.Context) error { return g.deleteVolumes(ctx, 2) })
}

func (g *galeraWalk) deleteVolumes(ctx context.Context, numbers ...int) error {
	pods, claims := []string{"delete", "pod", "--wait=false"}, []string{"delete", "persistentvolumeclaim", "--wait=false"}
	for _, n := range numbers {
		pods, claims = append(pods, pod(n)), append(claims, "data-"+pod(n))
	}
	pods = append(pods, "--grace-period=0", "--force")
	if _, err := g.kube.run(ctx, claims...); err != nil {
		return err
	}
	_, err := g.kube.run(ctx, pods...)
	return err
}

// killTwo kills two databases at once. The third one refuses everything, because it cannot
// know whether they go on without it, until all three see each other again.
func (g *galeraWalk) killTwo(ctx context.Context) error {
	return g.lose(ctx, "two killed at once", func(ctx context.Context) error { return g.kill(ctx, 0, 1) })
}

// loseTwoVolumes deletes two databases with their volumes. The third one has all data and is
// told to go on without them, and gives them copies.
func (g *galeraWalk) loseTwoVolumes(ctx context.Context) error {
	return g.lose(ctx, "two lost with their volumes", func(ctx context.Context) error {
		if err := g.kill(ctx, 1, 2); err != nil {
			return err
		}
		if err := g.deleteVolumes(ctx, 1, 2); err != nil {
			return err
		}
		if err := g.awaitStatus(ctx, 0, "non-Primary"); err != nil {
			return err
		}
		return g.tellToBegin(ctx, 0)
	})
}

// awaitStatus waits until a database says what it thinks of the cluster.
func (g *galeraWalk) awaitStatus(ctx context.Context, n int, status string) error {
	return eventually(ctx, g.opts.Patience, func(ctx context.Context) (string, error) {
		says, err := g.ask(ctx, n, "SHOW STATUS LIKE 'wsrep_cluster_status'")
		if err != nil || strings.HasSuffix(says, "\t"+status) {
			return "", err
		}
		return fmt.Sprintf("%s says %s", pod(n), says), nil
	})
}

// killAll kills all databases. They find each other by themselves.
func (g *galeraWalk) killAll(ctx context.Context) error {
	return g.lose(ctx, "all killed at once", func(ctx context.Context) error { return g.kill(ctx, 0, 1, 2) })
}

// scale sets how many databases there are, and waits until no other one is left.
func (g *galeraWalk) scale(ctx context.Context, n int) error {
	if _, err := g.kube.run(ctx, "scale", "statefulset/mysql", fmt.Sprintf("--replicas=%d", n)); err != nil {
		return err
	}
	return g.awaitScaledDown(ctx, "mysql", n)
}

// stopAll stops all databases. The one that stopped last begins by itself.
func (g *galeraWalk) stopAll(ctx context.Context) error {
	return g.lose(ctx, "all stopped", func(ctx context.Context) error {
		if err := g.scale(ctx, 0); err != nil {
			return err
		}
		return g.scale(ctx, databases)
	})
}

// decideByHand kills all databases, of which one does not come back with its data. None of
// the others begins, until somebody who has looked for the newest data says which one.
func (g *galeraWalk) decideByHand(ctx context.Context) error {
	return g.lose(ctx, "all killed, a volume lost", func(ctx context.Context) error {
		if err := g.kill(ctx, 2, 1, 0); err != nil {
			return err
		}
		if err := g.deleteVolumes(ctx, 2); err != nil {
			return err
		}
		newest, err := g.newest(ctx, 0, 1)
		if err != nil {
			return err
		}
		return g.tellToBegin(ctx, newest)
	})
}

var dataIsAt = regexp.MustCompile(`This node's data is at \S+:(\d+)`)

// newest returns the database whose data goes furthest, by what their logs say.
func (g *galeraWalk) newest(ctx context.Context, numbers ...int) (newest int, err error) {
	furthest := -1
	for _, n := range numbers {
		if err := g.awaitLog(ctx, pod(n), "This node's data is at"); err != nil {
			return 0, err
		}
		log, err := g.kube.run(ctx, "logs", pod(n), "--container=mysql")
		if err != nil {
			return 0, err
		}
		found := dataIsAt.FindAllStringSubmatch(log, -1)
		if len(found) == 0 {
			return 0, fmt.Errorf("%s does not say how far its data goes", pod(n))
		}
		at, err := strconv.Atoi(found[len(found)-1][1])
		if err != nil {
			return 0, err
		}
		if at > furthest {
			newest, furthest = n, at
		}
	}
	return newest, nil
}
