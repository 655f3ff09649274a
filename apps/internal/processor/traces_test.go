package processor_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// TestAttemptsOfATrace: each attempt is in the trace of the post, with its number and with
// what became of it. The picture that is not traced is in none.
func TestAttemptsOfATrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		db := newDatabase(t)
		images, err := db.AddTraced(t.Context(), []string{"/unknown_people/zilpah.jpg", "/unknown_people/other.jpg"}, nil, []string{parent, ""})
		if err != nil {
			t.Fatal(err)
		}
		tries := 0
		rec := newRecognizer(func(ctx context.Context, path string) (faces.Recognition, error) {
			if strings.Contains(path, "other") {
				return nobody(ctx, path)
			}
			if tries++; tries == 1 {
				return faces.Recognition{}, faces.Fault(faces.Timeout, "no answer about zilpah")
			}
			return nobody(ctx, path)
		})
		seen := tracetest.NewSpanRecorder()
		o := options()
		o.Traces = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(seen), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))
		r := newRig(t, db, rec, o).start(t)
		queue := newMemoryQueue(t, db)
		queue.attach(r.Processor)
		queue.publish(images[0].ID, images[1].ID)
		queue.awaitFinished(images[0].ID, images[1].ID)

		count := map[string]int{}
		var attempts []map[string]string
		for _, s := range seen.Ended() {
			count[s.Name()]++
			if got := s.SpanContext().TraceID().String(); !strings.Contains(parent, got) {
				t.Errorf("%s is of the trace %s", s.Name(), got)
			}
			values := map[string]string{}
			for _, a := range s.Attributes() {
				values[string(a.Key)] = a.Value.String()
			}
			if s.Name() == "process" {
				delete(values, "rollcall.image.id")
				attempts = append(attempts, values)
			}
		}
		want := []map[string]string{
			{"rollcall.attempt": "1", "rollcall.round": "0", "rollcall.result": "failed attempt", "rollcall.reason": "timeout"},
			{"rollcall.attempt": "2", "rollcall.round": "0", "rollcall.result": "answered", "rollcall.status": "pending", "rollcall.reason": "no_face", "rollcall.faces": "0"},
		}
		if diff := cmp.Diff(want, attempts); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		wantCount := map[string]int{"process": 2, "claim": 2, "call": 2, "decide": 1, "store": 1}
		delete(count, "queue wait") // the clock of the bubble may stand still until the claim
		if !maps.Equal(count, wantCount) {
			t.Errorf("got spans %v, want %v", count, slices.Sorted(maps.Keys(wantCount)))
		}
	})
}

// TestRefusedCallInATrace: a call that the open circuit refuses says so, and its image goes on
// in the same trace.
func TestRefusedCallInATrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := newDatabase(t)
		paths, traces := make([]string, 8), make([]string, 8)
		for i := range paths {
			paths[i] = fmt.Sprintf("/unknown_people/%d.jpg", i)
			traces[i] = fmt.Sprintf("00-%032x-00f067aa0ba902b7-01", i+1)
		}
		images, err := db.AddTraced(t.Context(), paths, nil, traces)
		if err != nil {
			t.Fatal(err)
		}
		tries := 0
		rec := newRecognizer(func(ctx context.Context, path string) (faces.Recognition, error) {
			if tries++; tries == 1 {
				return faces.Recognition{}, faces.Fault(faces.Internal, "it fails once")
			}
			return nobody(ctx, path)
		})
		seen := tracetest.NewSpanRecorder()
		o := options()
		o.Calls, o.Breaker.Failures = 1, 1
		o.Traces = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(seen), sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))
		r := newRig(t, db, rec, o).start(t)
		queue := newMemoryQueue(t, db)
		queue.attach(r.Processor)
		var ids []int64
		for _, img := range images {
			ids = append(ids, img.ID)
		}
		queue.publish(ids...)
		queue.awaitFinished(ids...)
		refused, handedBack, answered := 0, 0, 0
		for _, s := range seen.Ended() {
			for _, a := range s.Attributes() {
				switch {
				case a.Key == "rollcall.circuit" && s.Name() == "call":
					refused++
				case a.Key == "rollcall.result" && a.Value.AsString() == "circuit open":
					handedBack++
				case a.Key == "rollcall.result" && a.Value.AsString() == "answered":
					answered++
				}
			}
		}
		if refused == 0 || handedBack != refused || answered != len(images) {
			t.Errorf("%d calls are refused, %d images handed back, %d answered", refused, handedBack, answered)
		}
	})
}
