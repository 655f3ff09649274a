package recognizer_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// measuredCalls returns how many calls were measured, by method and code.
func (f *fixture) measuredCalls() map[string]uint64 {
	f.t.Helper()
	families, err := f.reg.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	calls := map[string]uint64{}
	for _, family := range families {
		if family.GetName() != "rollcall_grpc_request_seconds" {
			continue
		}
		for _, m := range family.GetMetric() { // the labels are code and method
			calls[m.GetLabel()[1].GetValue()+" "+m.GetLabel()[0].GetValue()] = m.GetHistogram().GetSampleCount()
		}
	}
	return calls
}

// Each call is measured by its method and code, and methods are there before their first
// call; but watches, which do not end, are not.
func TestCallsAreMeasured(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	path := f.unknown("a.png", fakeengine.Portrait(red))
	f.start()
	before := f.measuredCalls()
	for _, call := range []string{"Recognize OK", "PutFaces OK", "Identify OK", "RecognizeBatch OK"} {
		if n, ok := before[call]; !ok || n != 0 {
			t.Errorf("%s before the first call: %d (there: %v)", call, n, ok)
		}
	}
	if _, err := f.recognize(path); err != nil {
		t.Fatal(err)
	}
	if _, err := recognizerv1.NewRecognizerClient(f.conn).Recognize(t.Context(), &recognizerv1.RecognizeRequest{}); status.Code(err) == codes.OK {
		t.Fatal("a request without a picture was answered")
	}
	watch, err := healthpb.NewHealthClient(f.conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatal(err)
	}
	f.eventually("both calls are measured", func() bool {
		now := f.measuredCalls()
		return now["Recognize OK"] == 1 && now["Recognize Unimplemented"]+now["Recognize InvalidArgument"]+now["Recognize Unavailable"] == 1
	})
	for call := range f.measuredCalls() {
		if call == "Watch OK" || call == "ServerReflectionInfo OK" {
			t.Errorf("%s is measured", call)
		}
	}
	if f.metric("rollcall_gallery_version") == 0 || f.metric("rollcall_gallery_changed_timestamp_seconds") == 0 {
		t.Error("nothing tells which known pictures are in use")
	}
}
