package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

func TestReadTracing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(file, []byte("authorization=Bearer%20x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const base, own = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	for _, tt := range []struct {
		name              string
		env               map[string]string
		endpoint, headers string
		attributes        map[string]string
		problem           string
	}{
		{name: "nothing"},
		{name: "a collector", env: map[string]string{base: "http://collector:4318"}, endpoint: "http://collector:4318/v1/traces"},
		{name: "below a path", env: map[string]string{base: "https://example.com/otlp/"}, endpoint: "https://example.com/otlp/v1/traces"},
		{name: "one for traces", env: map[string]string{base: "http://a:1", own: "http://b:2/x"}, endpoint: "http://b:2/x"},
		{name: "switched off", env: map[string]string{base: "http://a:1", "OTEL_SDK_DISABLED": "true"}},
		{name: "no URL", env: map[string]string{base: "collector:4318"}, problem: base},
		{name: "a password is not shown", env: map[string]string{base: "http://u:secret@[::1"}, problem: base},
		{name: "gRPC", env: map[string]string{base: "http://a:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, problem: "OTEL_EXPORTER_OTLP_PROTOCOL"},
		{name: "headers", env: map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "a=b, c=d"}, headers: "a=b, c=d"},
		{name: "headers of a file", env: map[string]string{"OTEL_EXPORTER_OTLP_HEADERS_FILE": file}, headers: "authorization=Bearer%20x"},
		{name: "headers twice", env: map[string]string{base: "http://a:1", "OTEL_EXPORTER_OTLP_HEADERS": "a=b", "OTEL_EXPORTER_OTLP_HEADERS_FILE": file}, problem: "OTEL_EXPORTER_OTLP_HEADERS"},
		{name: "no headers", env: map[string]string{base: "http://a:1", "OTEL_EXPORTER_OTLP_HEADERS": "secret"}, problem: "OTEL_EXPORTER_OTLP_HEADERS"},
		{
			name: "attributes", env: map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "k8s.pod.name=a,deployment.environment.name=the%20cluster"},
			attributes: map[string]string{"k8s.pod.name": "a", "deployment.environment.name": "the cluster"},
		},
		{name: "no attributes", env: map[string]string{own: "http://a:1", "OTEL_RESOURCE_ATTRIBUTES": "a"}, problem: "OTEL_RESOURCE_ATTRIBUTES"},
		{name: "settings of other programs", env: map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_RESOURCE_ATTRIBUTES": "a", "OTEL_SDK_DISABLED": "1"}},
		{name: "switched off, whatever is set", env: map[string]string{base: "collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_SDK_DISABLED": "true"}},
		{name: "a switch that is none", env: map[string]string{base: "http://a:1", "OTEL_SDK_DISABLED": "1"}, problem: "OTEL_SDK_DISABLED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := config.NewReader(config.Map(tt.env))
			got := config.ReadTracing(r)
			if err := r.Err(); tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), "\n  "+tt.problem) || strings.Contains(err.Error(), "secret") {
					t.Errorf("got %v, want a problem of %s", err, tt.problem)
				}
				return
			} else if err != nil {
				t.Fatal(err)
			}
			if tt.attributes == nil {
				tt.attributes = map[string]string{}
			}
			if diff := cmp.Diff(tt.attributes, got.Attributes); diff != "" || got.Endpoint != tt.endpoint || got.Headers.Reveal() != tt.headers {
				t.Errorf("got %q with headers %q and attributes (-want +got)\n%s", got.Endpoint, got.Headers.Reveal(), diff)
			}
		})
	}
}

func TestReadSampling(t *testing.T) {
	t.Parallel()
	const sampler, arg = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
	for _, tt := range []struct {
		name    string
		env     map[string]string
		want    config.Sampling
		problem string
	}{
		{"nothing", nil, config.Sampling{Share: 1, Parents: true, Clients: config.ClientsJoin}, ""},
		{"always", map[string]string{sampler: "always_on", arg: "0.5"}, config.Sampling{Share: 1, Clients: config.ClientsJoin}, ""},
		{"never", map[string]string{sampler: "parentbased_always_off"}, config.Sampling{Parents: true, Clients: config.ClientsJoin}, ""},
		{"a share", map[string]string{sampler: "traceidratio", arg: "0.25"}, config.Sampling{Share: 0.25, Clients: config.ClientsJoin}, ""},
		{"a share of nothing", map[string]string{sampler: "parentbased_traceidratio", arg: "0"}, config.Sampling{Parents: true, Clients: config.ClientsJoin}, ""},
		{"the client decides", map[string]string{"ROLLCALL_TRACE_CLIENTS": "decide"}, config.Sampling{Share: 1, Parents: true, Clients: config.ClientsDecide}, ""},
		{"another sampler", map[string]string{sampler: "jaeger_remote"}, config.Sampling{}, sampler},
		{"more than all", map[string]string{arg: "1.5"}, config.Sampling{}, arg},
		{"no number", map[string]string{arg: "NaN"}, config.Sampling{}, arg},
		{"others", map[string]string{"ROLLCALL_TRACE_CLIENTS": "trust"}, config.Sampling{}, "ROLLCALL_TRACE_CLIENTS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := config.NewReader(config.Map(tt.env))
			got := config.ReadSampling(r, config.Tracing{Endpoint: "http://a:1"})
			err := r.Err()
			switch {
			case tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)):
				t.Errorf("got %v, want a problem of %s", err, tt.problem)
			case tt.problem == "" && (err != nil || got != tt.want):
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

// A sampler is no problem of a program without traces. Our own setting is one.
func TestSamplersOfOthers(t *testing.T) {
	t.Parallel()
	env := map[string]string{"OTEL_TRACES_SAMPLER": "jaeger_remote", "OTEL_TRACES_SAMPLER_ARG": "endpoint=http://localhost:14250"}
	r := config.NewReader(config.Map(env))
	config.ReadSampling(r, config.ReadTracing(r))
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	env["ROLLCALL_TRACE_CLIENTS"] = "trust"
	config.ReadSampling(r, config.ReadTracing(r))
	if err := r.Err(); err == nil || strings.Contains(err.Error(), "SAMPLER") {
		t.Errorf("got %v", err)
	}
}
