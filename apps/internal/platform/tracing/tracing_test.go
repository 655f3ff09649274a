package tracing_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/collector"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/tracing"
)

// open returns what sends traces to c.
func open(t *testing.T, c *collector.Collector, env map[string]string) *tracing.Tracing {
	t.Helper()
	values := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}
	for name, value := range env {
		values[name] = value
	}
	traces, err := tracing.Open(t.Context(), "receiver", config.ReadTracing(config.NewReader(config.Map(values))), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return traces
}

// await waits until spans have come. Close alone gives up after some seconds, which a busy machine
// may need.
func await(t *testing.T, c *collector.Collector, spans int) {
	t.Helper()
	wait.Until(t, "the spans are sent", func() bool { return len(c.Spans()) >= spans })
}

var all = config.Sampling{Share: 1, Clients: config.ClientsJoin}

func request(t *testing.T) *http.Request {
	t.Helper()
	return httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
}

// TestOnlyKnownAttributesLeave: whatever a library or a mistake puts into a span, names,
// paths and texts of errors stay here.
func TestOnlyKnownAttributesLeave(t *testing.T) {
	t.Parallel()
	c := collector.Start(t)
	traces := open(t, c, map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "k8s.pod.name=receiver-0"})
	ctx, end := traces.Entry(all).Request(request(t), "GET", "/api/v1/users/:name")
	span := trace.SpanFromContext(ctx)
	span.SetAttributes(attribute.String("url.path", "/api/v1/users/zilpah"), tracing.Image.Int64(17))
	span.RecordError(errors.New("zilpah"))
	span.AddEvent("zilpah")
	span.SetStatus(codes.Error, "zilpah cannot be read")
	span.AddLink(trace.Link{SpanContext: span.SpanContext(), Attributes: []attribute.KeyValue{attribute.String("name", "zilpah")}})
	end(http.StatusInternalServerError)
	await(t, c, 1)
	traces.Close(t.Context())
	if strings.Contains(c.Text(), "zilpah") {
		t.Errorf("it left the program:\n%s", c.Text())
	}
	spans := c.Spans()
	if len(spans) != 1 {
		t.Fatalf("got %+v", spans)
	}
	want := map[string]string{
		"http.request.method": "GET", "http.route": "/api/v1/users/:name", "http.response.status_code": "500", "rollcall.image.id": "17",
	}
	if diff := cmp.Diff(want, spans[0].Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if !spans[0].Failed || spans[0].Service != "receiver" || !strings.Contains(c.Text(), "receiver-0") {
		t.Errorf("got %+v", spans[0])
	}
}

// TestShare: the sampler traces its share of the requests, whatever ids clients choose.
func TestShare(t *testing.T) {
	t.Parallel()
	c := collector.Start(t)
	traces := open(t, c, nil)
	defer traces.Close(t.Context())
	for name, parent := range map[string]string{
		"no client":                    "",
		"a client with the lowest id":  "00-00000000000000000000000000000001-0000000000000001-01",
		"a client with the highest id": "00-ffffffffffffffffffffffffffffffff-0000000000000001-01",
	} {
		entry := traces.Entry(config.Sampling{Share: 0.25, Parents: true, Clients: config.ClientsJoin})
		const requests = 4000
		sampled := 0
		for range requests {
			r := request(t)
			r.Header.Set("traceparent", parent)
			ctx, end := entry.Request(r, "GET", "/")
			if tracing.Sent(ctx) != nil {
				sampled++
			}
			end(http.StatusOK)
		}
		if sampled < requests/5 || sampled > requests/3 { // 7 standard deviations
			t.Errorf("%s: %d of %d requests are traced, want a quarter", name, sampled, requests)
		}
	}
}

// TestFollowBeginsNothing: a program in the middle has no traces of its own, and goes on with
// those of others.
func TestFollowBeginsNothing(t *testing.T) {
	t.Parallel()
	traces := open(t, collector.Start(t), nil)
	defer traces.Close(t.Context())
	tracer := traces.Follow().Tracer("test")
	if ctx, span := tracer.Start(t.Context(), "own"); tracing.Sent(ctx) != nil || tracing.Parent(span) != "" {
		t.Error("it begins a trace")
	}
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	ctx, span := tracer.Start(tracing.Continue(t.Context(), parent), "other's")
	if tracing.Sent(ctx) == nil || !strings.HasPrefix(tracing.Parent(span), parent[:36]) {
		t.Errorf("it does not go on with a trace: %q", tracing.Parent(span))
	}
}

// TestTogether: work on things of several traces has a part in each of them.
func TestTogether(t *testing.T) {
	t.Parallel()
	c := collector.Start(t)
	traces := open(t, c, nil)
	entry := traces.Entry(all)
	var spans []trace.Span
	for range 3 {
		ctx, end := entry.Request(request(t), "POST", "/")
		spans = append(spans, trace.SpanFromContext(ctx), nil, trace.SpanFromContext(ctx))
		end(http.StatusOK) // a client may go away before the work is done
	}
	ctx, end := tracing.Together(t.Context(), "store", spans)
	_, inner := tracing.Start(ctx, "statement")
	inner.End()
	end(errors.New("it failed"))
	await(t, c, 7) // three requests, three parts, and the statement
	traces.Close(t.Context())
	of := map[string]map[string]collector.Span{}
	for _, s := range c.Spans() {
		if of[s.Trace] == nil {
			of[s.Trace] = map[string]collector.Span{}
		}
		of[s.Trace][s.Name] = s
	}
	if len(of) != 3 {
		t.Fatalf("got %d traces, want 3", len(of))
	}
	links := 0
	for _, spans := range of {
		store, root := spans["store"], spans["POST /"]
		if store.Parent != root.ID || !store.Failed || root.Failed {
			t.Errorf("got %+v", spans)
		}
		links += len(store.Links)
	}
	if links != 4 { // the first has two, the others one to the first
		t.Errorf("got %d links, want 4", links)
	}
	ctx, end = tracing.Together(t.Context(), "store", []trace.Span{nil, nil})
	end(nil)
	if ctx != t.Context() {
		t.Error("without traced things there is a span")
	}
}

// TestOffCostsNothing: without a span, the calls in between do not allocate.
func TestOffCostsNothing(t *testing.T) {
	ctx := t.Context()
	failed := errors.New("failed")
	if n := testing.AllocsPerRun(100, func() {
		ctx, span := tracing.Start(ctx, "call")
		tracing.Fail(span, failed)
		span.End()
		tracing.Record(ctx, "claim", time.Time{}, time.Time{})
		_, end := tracing.Together(ctx, "store", nil)
		end(nil)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	var traces *tracing.Tracing
	if traces.Entry(all) != nil || traces.Follow() != nil || tracing.ServerOptions(nil, nil) != nil || tracing.DialOptions(nil) != nil {
		t.Error("without a collector there is something to trace with")
	}
	part := traces.Part()
	if err := errors.Join(part.Start(ctx, nil), part.Stop(ctx)); err != nil {
		t.Error(err)
	}
}

// TestNobodyWaitsForTheCollector: more spans than may wait are dropped, not waited for, while
// the collector does not answer, and neither is the end.
func TestNobodyWaitsForTheCollector(t *testing.T) {
	t.Parallel()
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // accepts nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	traces := open(t, &collector.Collector{URL: "http://" + silent.Addr().String()}, nil)
	entry := traces.Entry(all)
	r := request(t)
	begin := time.Now()
	for range 5_000 { // 4,096 may wait
		_, end := entry.Request(r, "POST", "/image/post")
		end(http.StatusAccepted)
	}
	if took := time.Since(begin); took > 8*time.Second { // one batch that is waited for takes 10
		t.Errorf("the requests took %s", took)
	}
	begin = time.Now()
	traces.Close(t.Context())
	if took := time.Since(begin); took > 8*time.Second {
		t.Errorf("the end took %s", took)
	}
}

// TestFailuresAreLoggedOnce: a collector that is away has one line in the log, not one for
// each batch, and nothing in it is a header.
func TestFailuresAreLoggedOnce(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer zilpah" {
			t.Errorf("the header is %q", r.Header.Get("Authorization"))
		}
		w.WriteHeader(http.StatusForbidden) // is not retried
		asked <- struct{}{}
	}))
	t.Cleanup(server.Close)
	var log strings.Builder
	env := config.Map(map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": server.URL, "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20zilpah"})
	traces, err := tracing.Open(t.Context(), "receiver", config.ReadTracing(config.NewReader(env)), slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, end := traces.Entry(all).Request(request(t), "GET", "/")
		end(http.StatusOK)
		select {
		case <-asked:
		case <-time.After(time.Minute):
			t.Fatal("nothing is sent")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	traces.Close(ctx)
	if n := strings.Count(log.String(), "does not take spans"); n != 1 || strings.Contains(log.String(), "zilpah") {
		t.Errorf("got %s", log.String())
	}
}
