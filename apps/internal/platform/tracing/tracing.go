// Package tracing follows a picture through the programs: it makes spans and sends them to
// an OpenTelemetry collector. It is off unless a collector is named. Then nothing is made,
// sent or stored.
//
// A trace begins where a request comes in (Entry). Other programs only go on with traces
// (Follow): work that nobody asked for has none. In between, code calls Start with its
// context and needs to know nothing of all this.
//
// Nothing personal may be in a trace. So only attributes with known keys leave the program.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/version"
)

// Bounds of what a program spends on traces.
const (
	queued      = 4096 // spans that wait for the collector; further ones are dropped
	sentAtOnce  = 512
	sendEvery   = time.Second
	sendTimeout = 10 * time.Second
	// closeTimeout bounds the sending of the last spans. It is part of the program's
	// time to stop.
	closeTimeout = 3 * time.Second
	linksOfSpan  = 128
	textLength   = 256
)

// Tracing sends spans. nil is off.
type Tracing struct {
	program  string
	spans    sdktrace.SpanProcessor
	resource *resource.Resource
	log      *slog.Logger
}

// Open returns what sends the spans of a program, or nil if no collector is named. It
// does not connect yet.
func Open(ctx context.Context, program string, cfg config.Tracing, log *slog.Logger) (*Tracing, error) {
	if cfg.Endpoint == "" {
		return nil, nil
	}
	headers := map[string]string{}
	pairs, err := config.ParsePairs(cfg.Headers.Reveal())
	if err != nil {
		return nil, fmt.Errorf("read the headers for the collector: %w", err)
	}
	for _, p := range pairs {
		headers[p.Key] = p.Value
	}
	client, err := otlptracehttp.New(ctx,
		otlptracehttp.WithEndpointURL(cfg.Endpoint), otlptracehttp.WithHeaders(headers), otlptracehttp.WithTimeout(sendTimeout),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
		// A collector that restarts loses nothing; one that is away costs no more than this.
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: 500 * time.Millisecond, MaxInterval: 2 * time.Second, MaxElapsedTime: sendTimeout}),
	)
	if err != nil {
		return nil, fmt.Errorf("prepare to send traces: %w", err)
	}
	attributes := []attribute.KeyValue{
		attribute.String("service.name", program), attribute.String("service.namespace", "rollcall"),
		attribute.String("service.version", version.Read().Version),
	}
	for key, value := range cfg.Attributes {
		attributes = append(attributes, attribute.String(key, value))
	}
	t := &Tracing{program: program, log: log, resource: resource.NewSchemaless(attributes...)}
	t.spans = sdktrace.NewBatchSpanProcessor(&exporter{SpanExporter: client, log: log},
		sdktrace.WithMaxQueueSize(queued), sdktrace.WithMaxExportBatchSize(sentAtOnce),
		sdktrace.WithBatchTimeout(sendEvery), sdktrace.WithExportTimeout(sendTimeout))
	return t, nil
}

// Entry returns what begins traces for requests from outside. nil is off.
func (t *Tracing) Entry(s config.Sampling) *Entry {
	if t == nil {
		return nil
	}
	return &Entry{tracer: t.provider(entrySampler{s}).Tracer(scope), ignoreClients: s.Clients == config.ClientsIgnored}
}

// Follow returns what goes on with traces that began elsewhere. nil is off.
func (t *Tracing) Follow() trace.TracerProvider {
	if t == nil {
		return nil
	}
	return t.provider(sdktrace.ParentBased(sdktrace.NeverSample()))
}

// scope names the code that made a span.
const scope = "rollcall"

func (t *Tracing) provider(s sdktrace.Sampler) *sdktrace.TracerProvider {
	limits := sdktrace.NewSpanLimits()
	limits.AttributeValueLengthLimit, limits.LinkCountLimit = textLength, linksOfSpan
	return sdktrace.NewTracerProvider(sdktrace.WithSampler(s), sdktrace.WithSpanProcessor(t.spans),
		sdktrace.WithResource(t.resource), sdktrace.WithRawSpanLimits(limits))
}

// Part returns t as the first part of a program, so that it stops last. A collector that
// is away does not make the stop fail.
func (t *Tracing) Part() lifecycle.Part {
	return lifecycle.Part{
		Name: "traces",
		Start: func(context.Context, func(error)) error {
			if t != nil {
				t.log.Info("traces are sent to a collector")
			}
			return nil
		},
		Stop: func(ctx context.Context) error {
			t.Close(ctx)
			return nil
		},
	}
}

// Close sends the spans that wait, unless that takes too long.
func (t *Tracing) Close(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	if err := t.spans.Shutdown(ctx); err != nil {
		t.log.Warn("the last spans were not sent to the collector", "error", err)
	}
}

// exporter removes what must not leave the program from the spans, and logs whether the
// collector takes them. It returns no error, because the library would write it to
// standard error beside the log.
type exporter struct {
	sdktrace.SpanExporter
	log     *slog.Logger
	failing atomic.Bool
}

// ExportSpans implements sdktrace.SpanExporter.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	clean := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, s := range spans {
		clean[i] = cleanSpan{s}
	}
	err := e.SpanExporter.ExportSpans(ctx, clean)
	switch was := e.failing.Swap(err != nil); {
	case err != nil && !was:
		e.log.Warn("the collector does not take spans; they are dropped until it does", "error", err)
	case err == nil && was:
		e.log.Info("the collector takes spans again")
	}
	return nil
}
