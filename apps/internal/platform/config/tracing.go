package config

import (
	"errors"
	"net/url"
	"strconv"
	"strings"
)

// Tracing is where a program sends its traces. The names of its settings are those of the
// OpenTelemetry specification.
type Tracing struct {
	Endpoint   string // the URL that takes traces; "" if there are none
	Headers    Secret // KEY=VALUE,…
	Attributes map[string]string
}

// ReadTracing reads where traces go. Its settings may be there for other programs. So without
// a collector, and if traces are switched off, none of them is a problem.
func ReadTracing(r *Reader) Tracing {
	before := len(r.problems)
	t := Tracing{Endpoint: readEndpoint(r), Attributes: map[string]string{}}
	isOff := t.Endpoint == "" && len(r.problems) == before // not if the collector's name is bad
	r.OneOf("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf", "how traces are sent; there is one way", "http/protobuf")
	t.Headers = readHeaders(r)
	const name = "OTEL_RESOURCE_ATTRIBUTES"
	list, err := ParsePairs(r.String(name, "", "what traces say about this process, as `KEY=VALUE,…`, such as k8s.pod.name=receiver-0"))
	if err != nil {
		r.Fail(name, "%v", err)
	}
	for _, p := range list {
		t.Attributes[p.Key] = p.Value
	}
	if r.OneOf("OTEL_SDK_DISABLED", "false", "true: no traces, whatever else is set", "true", "false") == "true" || isOff {
		t.Endpoint, r.problems = "", r.problems[:before]
	}
	return t
}

// readEndpoint returns the URL that takes traces.
func readEndpoint(r *Reader) string {
	const all, traces = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	base := readURL(r, all, "URL of an OpenTelemetry collector that takes OTLP over HTTP, such as http://collector:4318; if unset, there are no traces")
	if own := readURL(r, traces, "URL for traces, with its path; if unset, `/v1/traces` below "+all); own != "" || base == "" {
		return own
	}
	return strings.TrimSuffix(base, "/") + "/v1/traces"
}

func readURL(r *Reader, name, help string) string {
	text := r.String(name, "", help)
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		r.Fail(name, "is not the URL of a server, such as http://collector:4318") // it may have a password
		return ""
	}
	return text
}

func readHeaders(r *Reader) Secret {
	const name = "OTEL_EXPORTER_OTLP_HEADERS"
	direct, ok := r.get(name, "", "headers of requests to the collector, as `KEY=VALUE,…`, such as a token")
	file, fromFile := r.get(name+"_FILE", "", "file that contains "+name)
	switch {
	case ok && fromFile:
		r.Fail(name, "is set, and %s_FILE too; set only one of them", name)
	case fromFile:
		text, err := readSecretFile(file)
		if err != nil {
			r.Fail(name+"_FILE", "%v", err)
		}
		direct = text
	}
	if _, err := ParsePairs(direct); err != nil {
		r.Fail(name, "is not a list of KEY=VALUE, separated by commas")
	}
	return newSecret(direct)
}

var errPairs = errors.New("want KEY=VALUE, separated by commas")

// Pair is one of KEY=VALUE,….
type Pair struct{ Key, Value string }

// ParsePairs parses KEY=VALUE,…. Values are percent-encoded.
func ParsePairs(text string) ([]Pair, error) {
	var list []Pair
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		key, value, ok := strings.Cut(part, "=")
		key = strings.TrimSpace(key)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || key == "" || err != nil {
			return nil, errPairs
		}
		list = append(list, Pair{Key: key, Value: value})
	}
	return list, nil
}

// Sampling is which requests begin a trace.
type Sampling struct {
	Share   float64 // of the requests, from 0 to 1
	Parents bool    // a request that belongs to a trace of its client is asked first
	Clients Clients
}

// Clients is what the header traceparent of a client means.
type Clients string

// What it may mean.
const (
	// ClientsJoin lets a request join the trace of its client. The client cannot
	// make us trace it: the share decides.
	ClientsJoin Clients = "join"
	// ClientsDecide also lets the client decide that the request is traced.
	ClientsDecide Clients = "decide"
	// ClientsIgnored begins a trace of its own for each request.
	ClientsIgnored Clients = "ignored"
)

// ReadSampling reads which requests begin a trace that goes to t. A sampler that we do not have
// is a problem only if there are traces.
func ReadSampling(r *Reader, t Tracing) Sampling {
	before := len(r.problems)
	const arg = "OTEL_TRACES_SAMPLER_ARG"
	sampler := r.OneOf("OTEL_TRACES_SAMPLER", "parentbased_always_on", "which requests are traced: always_on, always_off, traceidratio (the share in "+arg+"), or the same after parentbased_: a request that its client does not trace is not traced here either",
		"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio")
	s := Sampling{Share: readShare(r, arg)}
	root, parents := strings.CutPrefix(sampler, "parentbased_")
	s.Parents = parents
	switch root {
	case "always_on":
		s.Share = 1
	case "always_off":
		s.Share = 0
	}
	if t.Endpoint == "" {
		r.problems = r.problems[:before]
	}
	s.Clients = Clients(r.OneOf("ROLLCALL_TRACE_CLIENTS", string(ClientsJoin), "what the header traceparent of a client means: join (the request joins the client's trace, and the sampler decides whether it is traced), decide (the client decides it, with a sampler that begins with parentbased_), ignored",
		string(ClientsJoin), string(ClientsDecide), string(ClientsIgnored)))
	return s
}

func readShare(r *Reader, name string) float64 {
	text := r.String(name, "1", "share of the requests that are traced, from 0 to 1, for traceidratio")
	share, err := strconv.ParseFloat(text, 64)
	if err != nil || !(share >= 0 && share <= 1) { // NaN fails both
		r.Fail(name, "%q is not a number between 0 and 1", text)
		return 0
	}
	return share
}
