package logging_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/logging"
)

func TestJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := logging.New(&out, "receiver", config.Log{Level: "info", Format: "json"})
	log.With("pause", 2*time.Minute).Info("hello", "took", 1500*time.Millisecond, "why", errors.New("reasons"),
		slog.Group("inner", "took", time.Second))
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v in %s", err, &out)
	}
	if _, err := time.Parse(time.RFC3339Nano, got["time"].(string)); err != nil {
		t.Error(err)
	}
	delete(got, "time")
	want := map[string]any{
		"level": "INFO", "msg": "hello", "program": "receiver",
		"pause": "2m0s", "took": "1.5s", "why": "reasons", "inner": map[string]any{"took": "1s"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logging.New(&out, "receiver", config.Log{Level: "info", Format: "text"}).Info("hello", "took", 1500*time.Millisecond)
	if got := out.String(); !strings.HasSuffix(got, "level=INFO msg=hello took=1.5s\n") {
		t.Errorf("got %q", got)
	}
}

// A record of a span that is sent names it, also where the logger has a group or attributes.
func TestTraceIDs(t *testing.T) {
	t.Parallel()
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, 2}, SpanID: trace.SpanID{3}, TraceFlags: trace.FlagsSampled})
	ctx := trace.ContextWithSpanContext(t.Context(), span)
	unsent := trace.ContextWithSpanContext(t.Context(), span.WithTraceFlags(0))
	for _, format := range []string{"json", "text"} {
		var out bytes.Buffer
		log := logging.New(&out, "receiver", config.Log{Level: "info", Format: format}).With("a", 1)
		log.InfoContext(ctx, "with")
		log.InfoContext(t.Context(), "without")
		log.InfoContext(unsent, "of a span that is not sent")
		lines := strings.Split(out.String(), "\n")
		for i, want := range []bool{true, false, false} {
			if got := strings.Contains(lines[i], "01020000000000000000000000000000") && strings.Contains(lines[i], "0300000000000000"); got != want {
				t.Errorf("%s: names its span: %v, want %v: %s", format, got, want, lines[i])
			}
		}
	}
}

// Without a terminal, the format is JSON.
func TestAuto(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "log")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	logging.New(file, "receiver", config.Log{Level: "info", Format: "auto"}).Info("hello")
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil || !json.Valid(text) {
		t.Errorf("got %q, %v; want JSON", text, err)
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	for level, want := range map[string][]string{
		"debug":    {"DEBUG", "INFO", "WARN", "ERROR"},
		"info":     {"INFO", "WARN", "ERROR"},
		"warn":     {"WARN", "ERROR"},
		"error":    {"ERROR"},
		"nonsense": {"INFO", "WARN", "ERROR"},
	} {
		var out bytes.Buffer
		log := logging.New(&out, "x", config.Log{Level: level, Format: "json"})
		log.Debug("m")
		log.Info("m")
		log.Warn("m")
		log.Error("m")
		var got []string
		for line := range strings.Lines(out.String()) {
			var record struct{ Level string }
			if err := json.Unmarshal([]byte(line), &record); err != nil {
				t.Fatal(err)
			}
			got = append(got, record.Level)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", level, diff)
		}
	}
}
