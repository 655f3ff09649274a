package mariadbtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
)

const probeEvery = 200 * time.Millisecond

// Balancer is one address for all nodes of a cluster, as a Service in Kubernetes is: each
// connection leads to the next node that is ready. Connections stay with their nodes.
type Balancer struct {
	cluster  *Cluster
	listener net.Listener
	cancel   context.CancelFunc
	ready    [Nodes]atomic.Bool
	conns    [Nodes]atomic.Int64
	turn     atomic.Int64
	all      sync.WaitGroup
}

// Balance starts a balancer.
func (c *Cluster) Balance(ctx context.Context) (*Balancer, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("listen in front of the cluster: %w", err)
	}
	b := &Balancer{cluster: c, listener: l}
	ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for i := range c.nodes {
		b.probe(ctx, i)
		b.all.Go(func() { b.probes(ctx, i) })
	}
	b.all.Go(func() { b.serve(ctx) })
	return b, nil
}

// Database returns the address of a database behind the balancer.
func (b *Balancer) Database(name string) DB {
	db := b.cluster.Database(0, name)
	db.Port = b.listener.Addr().(*net.TCPAddr).Port
	return db
}

// Connections returns how many connections lead to a node.
func (b *Balancer) Connections(node int) int { return int(b.conns[node].Load()) }

// Close ends the balancer and its connections.
func (b *Balancer) Close() error {
	b.cancel()
	err := b.listener.Close()
	b.all.Wait()
	return err
}

func (b *Balancer) probes(ctx context.Context, node int) {
	background.Every(ctx, probeEvery, func(ctx context.Context) { b.probe(ctx, node) })
}

// probe asks a node what the overlay's readiness probe asks.
func (b *Balancer) probe(ctx context.Context, node int) {
	has, err := b.cluster.nodes[node].galeraStatus(ctx)
	b.ready[node].Store(err == nil && has["wsrep_local_state_comment"] == "Synced")
}

func (b *Balancer) serve(ctx context.Context) {
	for {
		conn, err := b.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			b.all.Go(func() { b.forward(ctx, conn) })
		}
	}
}

// next returns the number of a node that is ready.
func (b *Balancer) next() (node int, ok bool) {
	for range Nodes {
		if i := int(b.turn.Add(1) % Nodes); b.ready[i].Load() {
			return i, true
		}
	}
	return 0, false
}

func (b *Balancer) forward(ctx context.Context, from net.Conn) {
	defer from.Close()
	node, ok := b.next()
	if !ok {
		return
	}
	var d net.Dialer
	to, err := d.DialContext(ctx, "tcp", b.cluster.nodes[node].Addr())
	if err != nil {
		return
	}
	defer to.Close()
	b.conns[node].Add(1)
	defer b.conns[node].Add(-1)
	stop := context.AfterFunc(ctx, func() {
		from.Close()
		to.Close()
	})
	defer stop()
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(from, to)
		from.Close() // or the other direction waits for a client that waits for the server
	})
	_, _ = io.Copy(to, from)
	to.Close()
	back.Wait()
}
