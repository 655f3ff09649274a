package recognizerclient_test

import (
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
)

// Clients of one program share their metric. Each call has its method and code.
func TestCallsAreMeasured(t *testing.T) {
	t.Parallel()
	server := grpc.NewServer()
	healthpb.RegisterHealthServer(server, health.NewServer())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }() // it ends with Stop
	t.Cleanup(server.Stop)
	reg := prometheus.NewPedanticRegistry()
	opts := recognizerclient.Options{Address: listener.Addr().String(), Timeout: time.Minute, Metrics: recognizerclient.NewMetrics(reg)}
	client, err := recognizerclient.Dial(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	replicas := recognizerclient.NewReplicas(opts)
	t.Cleanup(func() { replicas.Close() })
	if err := client.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	list, err := replicas.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range list {
		if err := one.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := one.Info(t.Context()); err == nil {
			t.Error("a server without recognizers tells of one")
		}
	}
	families, err := reg.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%d metrics, %v", len(families), err)
	}
	got := map[string]uint64{}
	for _, m := range families[0].GetMetric() { // the labels are code and method
		got[m.GetLabel()[1].GetValue()+" "+m.GetLabel()[0].GetValue()] = m.GetHistogram().GetSampleCount()
	}
	for call, want := range map[string]uint64{"Check OK": 2, "GetInfo Unimplemented": 1, "GetInfo OK": 0, "Recognize OK": 0} {
		if n, ok := got[call]; !ok || n != want {
			t.Errorf("%s: %d (there: %v), want %d", call, n, ok, want)
		}
	}
}
