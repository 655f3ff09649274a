package chaos

// This file owns the links between the parts: TCP proxies that can cut, hold
// and refuse connections.

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// link is a way to one part: everyone who calls it calls the link instead.
type link struct {
	name     string
	target   string // host:port
	listener net.Listener
	serving  sync.WaitGroup

	turn sync.Mutex // held for the length of a fault

	mu      sync.Mutex // guards the fields below
	conns   map[net.Conn]struct{}
	refuses bool
	held    chan struct{} // closed when bytes may flow
}

// newLink listens on a port for a target.
func newLink(name string, port int, target string) (*link, error) {
	listener, err := net.Listen("tcp", address(port))
	if err != nil {
		return nil, fmt.Errorf("listen for %s: %w", name, err)
	}
	l := &link{name: name, target: target, listener: listener, conns: map[net.Conn]struct{}{}, held: make(chan struct{})}
	close(l.held)
	l.serving.Go(l.accept)
	return l, nil
}

func (l *link) accept() {
	for {
		conn, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.serving.Go(func() { l.serve(conn) })
	}
}

// serve joins a connection to the target until either end is over.
func (l *link) serve(near net.Conn) {
	if !l.add(near) {
		return
	}
	defer l.remove(near)
	far, err := net.DialTimeout("tcp", l.target, 5*time.Second)
	if err != nil || !l.add(far) {
		return
	}
	defer l.remove(far)
	var back sync.WaitGroup
	back.Go(func() {
		l.copy(near, far)
		near.Close()
	})
	l.copy(far, near)
	far.Close()
	back.Wait()
}

// copy passes bytes on, but none while the link is held.
func (l *link) copy(to io.Writer, from io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		l.mu.Lock()
		held := l.held
		l.mu.Unlock()
		<-held
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// add notes a connection, or closes it where the link refuses.
func (l *link) add(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuses {
		reset(c)
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *link) remove(c net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
	c.Close()
}

// reset closes a connection so that the other end knows at once, and loses
// what was under way.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it may have been closed already
	}
	c.Close()
}

func (l *link) dropAll(refuse bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuses = refuse
	for c := range l.conns {
		reset(c)
	}
}

// cut drops all connections; new ones are welcome.
func (l *link) cut(context.Context, time.Duration) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	l.dropAll(false)
	return nil
}

// refuse drops all connections, and every new one for a time.
func (l *link) refuse(ctx context.Context, d time.Duration) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	l.dropAll(true)
	pause(ctx, d)
	l.dropAll(false)
	return nil
}

// hold lets nothing through for a time; connections stay open.
func (l *link) hold(ctx context.Context, d time.Duration) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	held := make(chan struct{})
	l.mu.Lock()
	l.held = held
	l.mu.Unlock()
	defer close(held)
	pause(ctx, d)
	return nil
}

func (l *link) close() {
	l.listener.Close()
	l.dropAll(true)
	l.serving.Wait()
}
