package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
)

const (
	// longestAway is more than twice as long as the others wait for a node before they go on
	// without it: some faults end before that, and some after it.
	longestAway = 15 * time.Second
	// longestJoin is how long a cluster may take to be whole again.
	longestJoin = 3 * time.Minute
)

// nodes are a Galera cluster, with one address in front of it as a Service of Kubernetes is.
// Its connections lead to all nodes in turn, so whichever node has a fault, programs are
// connected to it.
type nodes struct {
	*mariadbtest.Cluster
	front  *mariadbtest.Balancer
	report *Report
}

func startNodes(ctx context.Context, dir string, log io.Writer, report *Report) (backend, error) {
	c, err := mariadbtest.StartCluster(ctx, dir, &lockedWriter{w: log})
	if err != nil {
		return nil, err
	}
	front, err := c.Balance(ctx)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &nodes{Cluster: c, front: front, report: report}, nil
}

// Database implements backend.
func (n *nodes) Database(name string) mariadbtest.DB { return n.front.Database(name) }

// Close implements backend.
func (n *nodes) Close() error { return errors.Join(n.front.Close(), n.Cluster.Close()) }

func (n *nodes) faults() []fault { return nil }

// nodeFaults returns each fault of each node. They must come one after the other: each ends
// when all nodes are there again, because a cluster of three survives the loss of one.
func (n *nodes) nodeFaults() (list []fault) {
	for i := range mariadbtest.Nodes {
		name := fmt.Sprintf("node %d", i)
		for kind, do := range map[string]func(context.Context, int, time.Duration) error{
			kindKill: n.kill, kindPause: n.freeze, kindIsolate: n.isolate,
		} {
			list = append(list, fault{kind, name, func(ctx context.Context, lasts time.Duration) error {
				return n.lose(ctx, i, lasts, do)
			}, longestAway, 1})
		}
	}
	slices.SortFunc(list, func(a, b fault) int { return cmp.Or(cmp.Compare(a.target, b.target), cmp.Compare(a.kind, b.kind)) })
	return list
}

// lose injects a fault of a node and waits until the cluster is whole again.
func (n *nodes) lose(ctx context.Context, node int, lasts time.Duration, do func(context.Context, int, time.Duration) error) error {
	conns, begin := n.front.Connections(node), time.Now()
	if err := do(ctx, node, lasts); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, longestJoin)
	defer cancel()
	if err := n.AwaitWhole(ctx); err != nil {
		return err
	}
	n.report.countLoss(loss{conns: conns, after: time.Since(begin) - lasts})
	return nil
}

// kill kills a node, and starts it again after a time.
func (n *nodes) kill(ctx context.Context, node int, down time.Duration) error {
	if err := n.Node(node).Kill(); err != nil {
		return err
	}
	pause(ctx, down)
	return restart(ctx, n.Node(node))
}

// freeze stops a node with SIGSTOP: its connections stay open, and nothing answers.
func (n *nodes) freeze(ctx context.Context, node int, lasts time.Duration) error {
	if err := n.Node(node).Pause(); err != nil {
		return err
	}
	pause(ctx, lasts)
	return n.Node(node).Resume()
}

// isolate cuts a node off from the others. Programs reach it, and it refuses what they ask.
func (n *nodes) isolate(ctx context.Context, node int, lasts time.Duration) error {
	if err := n.Isolate(ctx, node); err != nil {
		return err
	}
	pause(ctx, lasts)
	return n.Rejoin(context.WithoutCancel(ctx), node)
}

// lockedWriter lets the logs of several nodes go to one file.
type lockedWriter struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

// Write implements io.Writer.
func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
