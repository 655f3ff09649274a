package lifecycle_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
)

// connectFrom opens a connection from a loopback address. It is closed when the test
// ends.
func connectFrom(t *testing.T, from, to string) net.Conn {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.DialContext(t.Context(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// answered reports whether the server answers on a connection; it waits for the
// answer, or until the server closes the connection.
func answered(t *testing.T, conn net.Conn) bool {
	t.Helper()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return false
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, err = io.ReadAll(res.Body)
	return err == nil && res.StatusCode == http.StatusOK
}

// One address gets its share of the connections. Others are still answered, up to
// the limit, and whoever comes then waits.
func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	server := &lifecycle.HTTP{Name: "x", Address: "127.0.0.1:0", MaxConnections: 4, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "done") //nolint:errcheck // the test reads it
	})}
	if err := server.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- newProgram(time.Minute, server.Part()).Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-done
	})

	var held []net.Conn
	for range 3 {
		conn := connectFrom(t, "127.0.0.1", server.Addr())
		if !answered(t, conn) {
			t.Fatal("a connection within the share is not answered")
		}
		held = append(held, conn)
	}
	for range 20 {
		if answered(t, connectFrom(t, "127.0.0.1", server.Addr())) {
			t.Fatal("a connection beyond the share is answered")
		}
	}
	other := connectFrom(t, "127.0.0.2", server.Addr())
	if !answered(t, other) {
		t.Error("another address is not answered")
	}

	waiting := make(chan bool, 1)
	third := connectFrom(t, "127.0.0.3", server.Addr())
	go func() { waiting <- answered(t, third) }()
	select {
	case <-waiting:
		t.Error("a connection beyond the limit did not wait")
	case <-time.After(50 * time.Millisecond): // it is the absence of an answer that is tested
	}
	held[0].Close()
	if !<-waiting {
		t.Error("a connection is not answered after another one was closed")
	}
	third.Close()
	for !answered(t, connectFrom(t, "127.0.0.1", server.Addr())) { // the server notices a moment later
		if t.Context().Err() != nil {
			t.Fatal("the share is not free again")
		}
	}
}
