// Package addresses finds the addresses of a name for gRPC, as gRPC's own resolver of
// the scheme dns does, but looks again soon. gRPC's waits for 30 seconds after each
// lookup, and for up to two minutes after several that failed: that long a recognizer
// that was started again, with a new address, was not found.
package addresses

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc/resolver"
)

const (
	// pause is the least time between two lookups. The name server's own cache
	// keeps the answer "no address" for about as long.
	pause = 3 * time.Second
	// timeout bounds a lookup.
	timeout = 5 * time.Second
)

// Builder builds resolvers of the scheme dns. It implements resolver.Builder.
type Builder struct {
	// Lookup returns the addresses of a host. nil asks the name servers of the
	// operating system.
	Lookup func(ctx context.Context, host string) ([]string, error)
}

// Scheme implements resolver.Builder.
func (b Builder) Scheme() string { return "dns" }

// Build implements resolver.Builder. It starts to look at once.
func (b Builder) Build(target resolver.Target, conn resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	if server := target.URL.Host; server != "" {
		return nil, fmt.Errorf("the address %s names a name server (%s), which is not possible; write dns:///host:port", target.URL.String(), server)
	}
	host, port, err := net.SplitHostPort(target.Endpoint())
	if err != nil {
		return nil, fmt.Errorf("the address %q is not host:port: %w", target.Endpoint(), err)
	}
	w := &watch{lookup: b.Lookup, host: host, port: port, conn: conn, asked: make(chan struct{}, 1)}
	if w.lookup == nil {
		w.lookup = net.DefaultResolver.LookupHost
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	w.running.Go(func() { w.run(ctx) })
	return w, nil
}

// watch looks up one name. It implements resolver.Resolver.
type watch struct {
	lookup     func(ctx context.Context, host string) ([]string, error)
	host, port string
	conn       resolver.ClientConn
	asked      chan struct{} // gRPC asks for a lookup: a connection was lost or failed
	cancel     context.CancelFunc
	running    sync.WaitGroup
}

// ResolveNow implements resolver.Resolver.
func (w *watch) ResolveNow(resolver.ResolveNowOptions) {
	select {
	case w.asked <- struct{}{}:
	default: // it will look in any case
	}
}

// Close implements resolver.Resolver.
func (w *watch) Close() {
	w.cancel()
	w.running.Wait()
}

// run looks again whenever it is asked to, and without being asked after a failure.
func (w *watch) run(ctx context.Context) {
	for {
		err := w.look(ctx)
		if !sleep(ctx, pause) {
			return
		}
		if err != nil {
			continue
		}
		select {
		case <-w.asked:
		case <-ctx.Done():
			return
		}
	}
}

// sleep waits for d, and reports false if ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// look looks once and tells gRPC what it found. After an error gRPC goes on with the
// addresses from before.
func (w *watch) look(ctx context.Context) error {
	lookup, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	hosts, err := w.lookup(lookup, w.host)
	if err == nil && len(hosts) == 0 {
		err = errors.New("the name has no addresses")
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		err = fmt.Errorf("find the addresses of %s: %w", w.host, err)
		w.conn.ReportError(err)
		return err
	}
	var state resolver.State
	for _, host := range hosts {
		address := resolver.Address{Addr: net.JoinHostPort(host, w.port)}
		state.Addresses = append(state.Addresses, address)
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{address}})
	}
	return w.conn.UpdateState(state)
}
