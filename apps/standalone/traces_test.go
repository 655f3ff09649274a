package main

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/collector"
)

// A picture that is posted to the program leaves one whole trace at the collector that its
// settings name, and the end of the program sends what still waits.
func TestTraceOfAPicture(t *testing.T) {
	t.Parallel()
	c := collector.Start(t)
	i := start(t, t.TempDir(), []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL}, "-ask=false")
	eventually(t, "the welcome", i.welcomed)
	img := i.answered("unknown0001.jpg")
	i.stop(syscall.SIGTERM)
	spans := c.Spans()
	at := slices.IndexFunc(spans, func(s collector.Span) bool {
		return s.Name == "process" && s.Attributes["rollcall.image.id"] == fmt.Sprint(img.ID)
	})
	if at < 0 {
		t.Fatalf("there is no span of the picture among %d", len(spans))
	}
	trace := spans[at].Trace
	spans = slices.DeleteFunc(spans, func(s collector.Span) bool { return s.Trace != trace })
	collector.CheckWhole(t, spans, "")
	names := collector.Names(spans)
	for _, stage := range []string{
		"POST /image/post", "store", "publish", "queue wait", "process", "claim", "call", "rollcall.recognizer.v1.Recognizer/Recognize",
		"read", "decode", "find", "describe", "match", "decide",
	} {
		if !slices.Contains(names, stage) {
			t.Errorf("the trace has no span %q: %v", stage, names)
		}
	}
	for _, secret := range []string{"unknown0001", "Ada", i.cmd.Dir} {
		if strings.Contains(c.Text(), secret) {
			t.Errorf("the traces contain %q", secret)
		}
	}
	if !strings.Contains(i.logs(), `"trace_id":"`+trace+`"`) {
		t.Errorf("no line of the log names the trace %s", trace)
	}
}
