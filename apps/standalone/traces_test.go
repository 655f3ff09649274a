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
// settings name.
func TestTraceOfAPicture(t *testing.T) {
	t.Parallel()
	c := collector.Start(t)
	i := start(t, t.TempDir(), []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + c.URL}, "-ask=false")
	eventually(t, "the welcome", i.welcomed)
	img := i.answered("unknown0001.jpg")
	var spans []collector.Span
	eventually(t, "the trace", func() bool {
		spans = ofPicture(c.Spans(), img.ID)
		return slices.Contains(collector.Names(spans), "POST /image/post") && collector.IsWhole(spans)
	})
	i.stop(syscall.SIGTERM) // sends what still waits
	spans = ofPicture(c.Spans(), img.ID)
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
	if !strings.Contains(i.logs(), `"trace_id":"`+spans[0].Trace+`"`) {
		t.Errorf("no line of the log names the trace %s", spans[0].Trace)
	}
}

// ofPicture returns the spans of the trace in which a picture was processed.
func ofPicture(all []collector.Span, id int64) []collector.Span {
	at := slices.IndexFunc(all, func(s collector.Span) bool {
		return s.Name == "process" && s.Attributes["rollcall.image.id"] == fmt.Sprint(id)
	})
	if at < 0 {
		return nil
	}
	trace := all[at].Trace
	return slices.DeleteFunc(all, func(s collector.Span) bool { return s.Trace != trace })
}
