// Package collector is an OpenTelemetry collector for tests: it takes traces by OTLP over
// HTTP and keeps them in memory.
package collector

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// Span is a span that was sent.
type Span struct {
	Trace, ID, Parent string // in hexadecimal digits; Parent is "" for the first one
	Name, Service     string
	Begin, End        time.Time
	Attributes        map[string]string
	Links             []string // ids of spans
	Failed            bool
}

// Collector takes traces. It is safe for concurrent use.
type Collector struct {
	URL string // for OTEL_EXPORTER_OTLP_ENDPOINT

	mu    sync.Mutex // guards the fields below
	spans []Span
	text  strings.Builder // all that was sent
	asked int
}

// Start starts a Collector. It stops when the test ends.
func Start(tb testing.TB) *Collector {
	tb.Helper()
	c := &Collector{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.take(r); err != nil {
			tb.Errorf("the collector cannot read a request: %v", err)
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	tb.Cleanup(server.Close)
	c.URL = server.URL
	return c
}

// take keeps the spans of a request.
func (c *Collector) take(r *http.Request) error {
	if r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		return fmt.Errorf("%s %s with %q", r.Method, r.URL.Path, r.Header.Get("Content-Type"))
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil || r.Context().Err() != nil {
		return nil // the program gave up, as one does that stops; it counts the spans as not sent
	}
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return err
		}
		if raw, err = io.ReadAll(unpacked); err != nil {
			return err
		}
	}
	var sent coltracepb.ExportTraceServiceRequest
	if err := proto.Unmarshal(raw, &sent); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	c.text.WriteString(prototext.Format(&sent))
	for _, program := range sent.GetResourceSpans() {
		service := attributes(program.GetResource().GetAttributes())["service.name"]
		for _, scope := range program.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, read(s, service))
			}
		}
	}
	return nil
}

func read(s *tracepb.Span, service string) Span {
	span := Span{
		Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()), Parent: hex.EncodeToString(s.GetParentSpanId()),
		Name: s.GetName(), Service: service, Attributes: attributes(s.GetAttributes()),
		Begin: time.Unix(0, int64(s.GetStartTimeUnixNano())), End: time.Unix(0, int64(s.GetEndTimeUnixNano())),
		Failed: s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR,
	}
	for _, l := range s.GetLinks() {
		span.Links = append(span.Links, hex.EncodeToString(l.GetSpanId()))
	}
	return span
}

func attributes(list []*commonpb.KeyValue) map[string]string {
	values := map[string]string{}
	for _, a := range list {
		switch v := a.GetValue().GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			values[a.GetKey()] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			values[a.GetKey()] = fmt.Sprint(v.IntValue)
		default:
			values[a.GetKey()] = a.GetValue().String()
		}
	}
	return values
}

// Spans returns the spans that were sent so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Text returns all that was sent so far.
func (c *Collector) Text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// Requests returns how many requests there were so far.
func (c *Collector) Requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked
}

// CheckWhole fails the test unless the spans are one trace whose spans have their parents.
// outside is the id of the span of a client that began the trace, or "".
func CheckWhole(tb testing.TB, spans []Span, outside string) {
	tb.Helper()
	ids := map[string]bool{outside: true}
	for _, s := range spans {
		ids[s.ID] = true
	}
	for _, s := range spans {
		if s.Trace != spans[0].Trace {
			tb.Errorf("%q is of another trace than %q", s.Name, spans[0].Name)
		}
		if !ids[s.Parent] {
			tb.Errorf("the parent of %q was not sent", s.Name)
		}
		if s.End.Before(s.Begin) {
			tb.Errorf("%q ends before it begins", s.Name)
		}
	}
}

// IsWhole reports whether spans of one trace have their parents. It began here.
func IsWhole(spans []Span) bool {
	ids := map[string]bool{"": true}
	for _, s := range spans {
		ids[s.ID] = true
	}
	return !slices.ContainsFunc(spans, func(s Span) bool { return !ids[s.Parent] })
}

// Services returns the programs that sent the spans, in order, each once.
func Services(spans []Span) []string {
	var names []string
	for _, s := range spans {
		names = append(names, s.Service)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Names returns the names of spans in order, each once.
func Names(spans []Span) []string {
	var names []string
	for _, s := range spans {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
