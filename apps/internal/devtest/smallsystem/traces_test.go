package smallsystem_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/collector"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/smallsystem"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/logging"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/tracing"
)

// traced starts a system with the settings env, and sends its traces to where they say.
func traced(t *testing.T, env map[string]string, options ...smallsystem.Option) *smallsystem.System {
	t.Helper()
	r := config.NewReader(config.Map(env))
	cfg := config.ReadTracing(r)
	sampling := config.ReadSampling(r, cfg)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	traces, err := tracing.Open(t.Context(), "small", cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s, err := smallsystem.Start(t.Context(), t.TempDir(), append(options, smallsystem.WithTraces(traces, sampling))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// post posts a path and returns the id of the image.
func post(t *testing.T, s *smallsystem.System, path, traceparent string) int64 {
	t.Helper()
	body, err := json.Marshal(map[string]string{"path": path})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/image/post", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if traceparent != "" {
		req.Header.Set("traceparent", traceparent)
		req.Header.Set("tracestate", "zilpah=zilpah")
		req.Header.Set("baggage", "name=zilpah")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusAccepted {
		t.Fatalf("%s %s, %v", res.Status, text, err)
	}
	var img struct{ ID int64 }
	if err := json.Unmarshal(text, &img); err != nil {
		t.Fatal(err)
	}
	return img.ID
}

func answered(t *testing.T, s *smallsystem.System, id int64) {
	t.Helper()
	wait.Until(t, "the answer", func() bool {
		img, err := s.Store.Image(t.Context(), id)
		return err == nil && img.Reason.IsAnswer()
	})
}

// ofTrace returns the spans of the trace in which the image was processed.
func ofTrace(all []collector.Span, id int64) []collector.Span {
	at := slices.IndexFunc(all, func(s collector.Span) bool {
		return s.Name == "process" && s.Attributes["rollcall.image.id"] == fmt.Sprint(id)
	})
	if at < 0 {
		return nil
	}
	trace := all[at].Trace
	return slices.DeleteFunc(all, func(s collector.Span) bool { return s.Trace != trace })
}

// await waits until the trace of an image is at the collector, and returns its spans. The end of a
// system alone gives up after some seconds, which a busy machine may need.
func await(t *testing.T, c *collector.Collector, id int64) (spans []collector.Span) {
	t.Helper()
	wait.Until(t, "the trace", func() bool {
		spans = ofTrace(c.Spans(), id)
		return len(spans) >= 16
	})
	return spans
}

// TestOnePictureIsOneTrace posts a picture, and finds each stage from the post to the row in
// one trace, and nothing in it that names anybody.
func TestOnePictureIsOneTrace(t *testing.T) {
	t.Parallel()
	c := collector.Start(t)
	var log safeBuffer
	s := traced(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL},
		smallsystem.WithLog(logging.New(&log, "small", config.Log{Level: "debug", Format: "json"})))
	const file = "zilpah-holiday.png"
	if err := s.Draw(file, smallsystem.Ada, smallsystem.Grace); err != nil {
		t.Fatal(err)
	}
	id := post(t, s, file, "")
	answered(t, s, id)
	spans := await(t, c, id)
	collector.CheckWhole(t, spans, "")
	const server = "rollcall.recognizer.v1.Recognizer/Recognize" // the name of the client's span, too
	want := []string{
		"POST /image/post < ", "call < process", "claim < process", "decide < process",
		"decode < " + server, "describe < " + server, "match < " + server, // the engines of a small system do not measure "find"
		"process < POST /image/post", "publish < POST /image/post", "queue wait < POST /image/post",
		"read < " + server, server + " < call", server + " < " + server,
		"store < POST /image/post", "store < process", "wait < " + server,
	}
	if diff := cmp.Diff(want, parents(spans)); diff != "" {
		t.Errorf("spans and their parents (-want +got):\n%s", diff)
	}
	for _, span := range spans {
		if span.Failed {
			t.Errorf("%q is marked as failed", span.Name)
		}
	}
	process := spans[slices.IndexFunc(spans, func(s collector.Span) bool { return s.Name == "process" })]
	wantAttributes := map[string]string{
		"rollcall.image.id": fmt.Sprint(id), "rollcall.attempt": "1", "rollcall.round": "0", "rollcall.result": "answered",
		"rollcall.status": "processed", "rollcall.reason": "identified", "rollcall.faces": "2",
	}
	if diff := cmp.Diff(wantAttributes, process.Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	for _, secret := range []string{"zilpah", "holiday", "Ada", s.Unknown, ".png"} {
		if strings.Contains(c.Text(), secret) {
			t.Errorf("the traces contain %q:\n%s", secret, c.Text())
		}
	}
	for _, message := range []string{"image accepted", "images accepted", "image answered", "picture recognized"} {
		if line := log.line(message); !strings.Contains(line, `"trace_id":"`+spans[0].Trace+`"`) || !strings.Contains(line, `"span_id":"`) {
			t.Errorf("%q does not name the trace %s: %s", message, spans[0].Trace, line)
		}
	}
	checkNoContexts(t, s)
}

// parents returns the name of each span with that of its parent, in order.
func parents(spans []collector.Span) []string {
	name := map[string]string{}
	for _, s := range spans {
		name[s.ID] = s.Name
	}
	list := make([]string, len(spans))
	for i, s := range spans {
		list[i] = s.Name + " < " + name[s.Parent]
	}
	slices.Sort(list)
	return list
}

// checkNoContexts fails if a row has the context of a trace.
func checkNoContexts(t *testing.T, s *smallsystem.System) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(filepath.Dir(s.Unknown), "rollcall.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rows, with int
	if err := db.QueryRowContext(t.Context(), "SELECT COUNT(*), COUNT(trace_context) FROM images").Scan(&rows, &with); err != nil {
		t.Fatal(err)
	}
	if rows == 0 || with != 0 {
		t.Errorf("%d of %d rows have the context of a trace", with, rows)
	}
}

// TestTracesAreOff sends nothing and stores nothing if no collector is named, and if the sampler
// says no, whatever a client asks for.
func TestTracesAreOff(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]map[string]string{
		"no collector":          {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
		"switched off":          {"OTEL_SDK_DISABLED": "true"},
		"no request is sampled": {"OTEL_TRACES_SAMPLER": "always_off"},
		"a share of nothing":    {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"},
		"only if clients agree": {"ROLLCALL_TRACE_CLIENTS": "decide", "OTEL_TRACES_SAMPLER": "always_off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := collector.Start(t)
			env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}
			maps.Copy(env, off)
			s := traced(t, env)
			id := post(t, s, "ada.png", "00-00000000000000000000000000000001-0000000000000001-01")
			answered(t, s, id)
			checkNoContexts(t, s)
			if err := s.Close(); err != nil { // what waits is sent now
				t.Error(err)
			}
			if n := c.Requests(); n != 0 {
				t.Errorf("the collector got %d requests:\n%s", n, c.Text())
			}
		})
	}
}

// TestTracesOfClients: a client can join a request to its own trace and keep it out of ours,
// and cannot make us trace it unless a setting allows that.
func TestTracesOfClients(t *testing.T) {
	t.Parallel()
	const (
		trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
		sampled     = "00-" + trace + "-" + span + "-01"
		unsampled   = "00-" + trace + "-" + span + "-00"
	)
	never := map[string]string{"OTEL_TRACES_SAMPLER": "parentbased_always_off"}
	for name, test := range map[string]struct {
		env           map[string]string
		header        string
		traced, joins bool
	}{
		"sampled":                        {nil, sampled, true, true},
		"not sampled":                    {nil, unsampled, false, false},
		"not sampled, but we ask nobody": {map[string]string{"OTEL_TRACES_SAMPLER": "always_on"}, unsampled, true, true},
		"nothing is ours to give":        {never, sampled, false, false},
		"the client decides":             {map[string]string{"OTEL_TRACES_SAMPLER": "parentbased_always_off", "ROLLCALL_TRACE_CLIENTS": "decide"}, sampled, true, true},
		"ignored":                        {map[string]string{"ROLLCALL_TRACE_CLIENTS": "ignored"}, sampled, true, false},
		"no hexadecimal digits":          {nil, "00-" + strings.Repeat("z", 32) + "-" + span + "-01", true, false},
		"zeros":                          {nil, "00-" + strings.Repeat("0", 32) + "-" + strings.Repeat("0", 16) + "-01", true, false},
		"capitals":                       {nil, strings.ToUpper(sampled), true, false},
		"too long":                       {nil, sampled + strings.Repeat("-aa", 2000), true, false},
		"too short":                      {nil, sampled[:54], true, false},
		"another version":                {nil, "ff" + sampled[2:], true, false},
		"nonsense":                       {nil, "'; DROP TABLE images; --", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := collector.Start(t)
			env := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}
			maps.Copy(env, test.env)
			s := traced(t, env)
			id := post(t, s, "ada.png", test.header)
			answered(t, s, id)
			if test.traced {
				await(t, c, id)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			spans := ofTrace(c.Spans(), id)
			if (len(spans) > 0) != test.traced {
				t.Fatalf("got %d spans, want some: %v", len(spans), test.traced)
			}
			if strings.Contains(c.Text(), "zilpah") {
				t.Errorf("what the client sends along is sent on:\n%s", c.Text())
			}
			if !test.traced {
				return
			}
			if joins := spans[0].Trace == trace; joins != test.joins {
				t.Errorf("joined the client's trace: %v, want %v", joins, test.joins)
			}
			outside := ""
			if test.joins {
				outside = span
			}
			collector.CheckWhole(t, spans, outside)
		})
	}
}

// TestPostsOfABatchKeepTheirTraces: posts that share a commit are each whole traces.
func TestPostsOfABatchKeepTheirTraces(t *testing.T) {
	t.Parallel()
	c := collector.Start(t)
	s := traced(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL})
	const posts = 24
	ids := make([]int64, posts)
	var all sync.WaitGroup
	for i := range posts {
		name := fmt.Sprintf("ada%d.png", i)
		if err := s.Draw(name, smallsystem.Ada); err != nil {
			t.Fatal(err)
		}
		all.Go(func() { ids[i] = post(t, s, name, "") })
	}
	all.Wait()
	for _, id := range ids {
		answered(t, s, id)
		await(t, c, id)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	var whole []string
	for _, id := range ids {
		spans := ofTrace(c.Spans(), id)
		collector.CheckWhole(t, spans, "")
		if whole == nil {
			whole = parents(spans)
		}
		if diff := cmp.Diff(whole, parents(spans)); diff != "" {
			t.Errorf("another trace has other spans (-one +other):\n%s", diff)
		}
	}
	checkNoContexts(t, s)
}

// TestCollectorAway: posts are accepted and answered as ever while nobody takes the spans,
// and the end is not waited for.
func TestCollectorAway(t *testing.T) {
	t.Parallel()
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // accepts nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, address := range map[string]string{"nobody listens": closed.Addr().String(), "nobody answers": silent.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			s := traced(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + address})
			for i := range 50 {
				name := fmt.Sprintf("ada%d.png", i)
				if err := s.Draw(name, smallsystem.Ada); err != nil {
					t.Fatal(err)
				}
				id := post(t, s, name, "")
				if i == 49 {
					answered(t, s, id)
				}
			}
			begin := time.Now()
			if err := s.Close(); err != nil {
				t.Errorf("the end fails: %v", err)
			}
			if took := time.Since(begin); took > 8*time.Second {
				t.Errorf("the end took %s", took)
			}
		})
	}
}

type safeBuffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

// Write implements io.Writer.
func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// line returns the first line with a message.
func (b *safeBuffer) line(message string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for line := range strings.Lines(b.text.String()) {
		if strings.Contains(line, `"msg":"`+message+`"`) {
			return line
		}
	}
	return ""
}
