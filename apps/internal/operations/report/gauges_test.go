package report_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/rollcall-faces/rollcall/apps/internal/operations"
	"github.com/rollcall-faces/rollcall/apps/internal/operations/report"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
)

// values returns the values of gauges, by name and label.
func values(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			list[name] = m.GetGauge().GetValue()
		}
	}
	return list
}

func TestGaugesOfWhatIsAround(t *testing.T) {
	t.Parallel()
	server, state := grpc.NewServer(), health.NewServer()
	healthpb.RegisterHealthServer(server, state)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }() // it ends with Stop
	t.Cleanup(server.Stop)
	replicas := recognizerclient.NewReplicas(recognizerclient.Options{Address: listener.Addr().String(), Timeout: time.Minute})
	t.Cleanup(func() { replicas.Close() })

	reg := prometheus.NewPedanticRegistry()
	g := report.NewGauges(reg)
	for _, step := range []struct {
		name  string
		queue *operations.Queue
		list  func(context.Context) ([]*recognizerclient.Replica, error)
		state healthpb.HealthCheckResponse_ServingStatus
		want  map[string]float64
	}{
		{"all is well", &operations.Queue{Waiting: 3, InFlight: 2, Deferred: 1}, replicas.List, healthpb.HealthCheckResponse_SERVING, map[string]float64{
			"rollcall_queue_depth waiting": 3, "rollcall_queue_depth in_flight": 2, "rollcall_queue_depth deferred": 1,
			"rollcall_recognizer_ready": 1, "rollcall_recognizers ready": 1, "rollcall_recognizers not_ready": 0,
		}},
		{"it is not ready, and the queue is away", nil, replicas.List, healthpb.HealthCheckResponse_NOT_SERVING, map[string]float64{
			"rollcall_recognizer_ready": 0, "rollcall_recognizers ready": 0, "rollcall_recognizers not_ready": 1,
		}},
		{"nobody knows where they are", nil, func(context.Context) ([]*recognizerclient.Replica, error) { return nil, errors.New("no such host") },
			healthpb.HealthCheckResponse_SERVING, map[string]float64{
				"rollcall_recognizer_ready": 0, "rollcall_recognizers ready": 0, "rollcall_recognizers not_ready": 0,
			}},
	} {
		state.SetServingStatus("", step.state)
		g.Queue(step.queue)
		g.Ready(t.Context(), step.list)
		if diff := cmp.Diff(step.want, values(t, reg)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

func TestVolumeRoom(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(report.VolumeRoom("data", t.TempDir()))
	got := values(t, reg)
	if free, size := got["rollcall_volume_free_bytes data"], got["rollcall_volume_size_bytes data"]; size <= 0 || free > size {
		t.Errorf("%v of %v bytes are free", free, size)
	}
	reg = prometheus.NewPedanticRegistry()
	reg.MustRegister(report.VolumeRoom("data", "/nowhere"))
	if got := values(t, reg); len(got) != 0 {
		t.Errorf("a folder that is not there: %v", got)
	}
}
