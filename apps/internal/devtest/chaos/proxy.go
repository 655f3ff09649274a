package chaos

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// link is a TCP proxy in front of one part. Callers connect to the link, which
// can cut, hold and refuse connections.
type link struct {
	name     string
	target   string // host:port
	listener net.Listener
	serving  sync.WaitGroup

	turn sync.Mutex // held during a fault

	mu      sync.Mutex // guards the fields below
	conns   map[net.Conn]struct{}
	refuses bool
	held    chan struct{} // closed while bytes may pass
}

// newLink listens on port and forwards connections to target, a host:port.
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

// serve forwards a connection to the target until either end closes it.
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

// copy forwards bytes. It waits while the link is held.
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

// add registers a connection. It closes it and returns false while the link
// refuses connections.
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

// reset closes a connection with a TCP reset: the other end notices at once,
// and bytes in flight are lost.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // it may have been closed already
	}
	c.Close()
}

// dropAll closes all connections. New ones are refused from now on if refuse is
// set.
func (l *link) dropAll(refuse bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuses = refuse
	for c := range l.conns {
		reset(c)
	}
}

// cut closes all connections once.
func (l *link) cut(context.Context, time.Duration) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	l.dropAll(false)
	return nil
}

// refuse closes all connections, and every new one for d.
func (l *link) refuse(ctx context.Context, d time.Duration) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	l.dropAll(true)
	pause(ctx, d)
	l.dropAll(false)
	return nil
}

// hold passes no bytes for d. Connections stay open.
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
