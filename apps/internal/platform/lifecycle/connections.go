package lifecycle

import (
	"cmp"
	"net"
	"sync"

	"golang.org/x/net/netutil"
)

// defaultConnections is the limit of an HTTP server that sets none.
const defaultConnections = 1024

// LimitConnections returns a listener that holds at most limit connections at once;
// more of them wait to be accepted. One address gets three quarters of the limit at
// most, and further connections from it are closed at once, so that it cannot keep
// out probes and other clients. limit is at least 1.
func LimitConnections(l net.Listener, limit int) net.Listener {
	return &limitedListener{
		Listener: netutil.LimitListener(l, limit),
		share:    max(1, limit*3/4),
		held:     map[string]int{},
	}
}

// limitedListener limits the connections of each address.
type limitedListener struct {
	net.Listener
	share int // of one address

	mu   sync.Mutex // guards held
	held map[string]int
}

// Accept implements net.Listener.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := hostOf(c.RemoteAddr())
		if l.take(address) {
			return &limitedConn{Conn: c, free: sync.OnceFunc(func() { l.free(address) })}, nil
		}
		_ = c.Close() // the client sees that it is refused
	}
}

// take counts a connection. It reports false if the address has its share already.
func (l *limitedListener) take(address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[address] >= l.share {
		return false
	}
	l.held[address]++
	return true
}

func (l *limitedListener) free(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[address]--; l.held[address] == 0 {
		delete(l.held, address)
	}
}

// limitedConn is a connection that counts until it is closed.
type limitedConn struct {
	net.Conn
	free func()
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	defer c.free()
	return c.Conn.Close()
}

func hostOf(address net.Addr) string {
	host, _, err := net.SplitHostPort(address.String())
	if err != nil {
		return address.String() // not TCP
	}
	return host
}

func (h *HTTP) limited() net.Listener {
	return LimitConnections(h.listener, cmp.Or(h.MaxConnections, defaultConnections))
}
