package stages_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/stages"
)

// Parts of one program share the metric, also if the program's name is added to it, and
// programs in one process have series of their own.
func TestPartsShareTheMetric(t *testing.T) {
	t.Parallel()
	all := prometheus.NewRegistry()
	processor := prometheus.WrapRegistererWith(prometheus.Labels{"program": "processor"}, all)
	recognizer := prometheus.WrapRegistererWith(prometheus.Labels{"program": "recognizer"}, all)
	queue, call := stages.New(processor, stages.Queue), stages.New(processor, stages.Call)
	find := stages.New(recognizer, stages.Find)
	queue.Observe(stages.Queue, time.Second)
	queue.Observe(stages.Queue, -time.Hour)
	call.Observe(stages.Call, time.Second)
	find.Observe(stages.Find, time.Second)

	families, err := all.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("%d metrics, %v", len(families), err)
	}
	got := map[string]uint64{}
	for _, m := range families[0].GetMetric() {
		got[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = m.GetHistogram().GetSampleCount()
		if m.GetHistogram().GetSampleSum() != 1 {
			t.Errorf("%v: sum %v, want 1", m.GetLabel(), m.GetHistogram().GetSampleSum())
		}
	}
	want := map[string]uint64{"processor queue": 2, "processor call": 1, "recognizer find": 1}
	for name, n := range want {
		if got[name] != n {
			t.Errorf("%s has %d observations, want %d", name, got[name], n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("series %v", got)
	}
}
