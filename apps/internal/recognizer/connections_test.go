package recognizer_test

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
)

// A client that opens connections and sends nothing gets its share of them. Others
// connect meanwhile, and the connections that were there before still work.
func TestConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.opts.MaxConnections = 8
	f.unknown("a.png", fakeengine.Portrait(red))
	f.start()
	f.eventually("there is a connection", f.answers("a.png"))
	closed := 0
	for range 50 {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", f.conn.Target())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if isClosed(t, conn) {
			closed++
		}
	}
	if open := 50 - closed; open > 5 {
		t.Errorf("%d more connections from the address are open, want at most 5", open)
	}
	other, err := grpc.NewClient("passthrough:///"+f.conn.Target(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).DialContext(ctx, "tcp", address)
		}))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := healthpb.NewHealthClient(other).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("health, asked from another address: %v", err)
	}
	if _, err := f.recognize("a.png"); err != nil {
		t.Error(err)
	}
}

// isClosed reports whether the server closed a connection instead of greeting the
// client.
func isClosed(t *testing.T, conn net.Conn) bool {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err := conn.Read(make([]byte, 1)) // gRPC sends its settings first
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal("the server neither greets nor closes")
	}
	return err != nil
}
