package worker_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/worker"
)

// quiet is an engine that harms nobody.
type quiet struct{ closed chan struct{} }

func (q quiet) Look(context.Context, []byte, engine.Purpose) (engine.Seen, error) {
	return engine.Seen{Width: 1}, nil
}

func (q quiet) Reexamine(_ context.Context, numbers []int) ([]faces.Descriptor, error) {
	return make([]faces.Descriptor, min(len(numbers), 10)), nil
}

func (q quiet) Close() { close(q.closed) }

// serve runs the child's side in this process on the bytes of a parent and
// returns what Serve returned. The parent's side is closed after the bytes.
func serve(t testing.TB, data []byte) error {
	t.Helper()
	parent, child := net.Pipe()
	result := make(chan error, 1)
	q := quiet{closed: make(chan struct{})}
	opened := false
	go func() {
		result <- worker.Serve(t.Context(), child, func() (engine.Engine, error) { opened = true; return q, nil })
		child.Close()
	}()
	go func() { _, _ = io.Copy(io.Discard, parent) }()
	_, _ = parent.Write(data) // the child may hang up
	parent.Close()
	select {
	case err := <-result:
		if opened {
			<-q.closed
		}
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("Serve does not return")
		return nil
	}
}

const (
	greeting = "\x00\x00\x00\x09\x01\x00\x00\x00\x00" + "\x03\x00\x00\x00\x00\x10\x00\x00\x00"
	look     = "\x00\x00\x00\x04\x03\x00\x00\x00\x01" + "\x00abc"
)

func TestServe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, data, message string }{
		{"the parent goes at once", "", "wait for the parent's greeting"},
		{"the parent goes in the middle of a frame", greeting + look[:10], "unexpected EOF"},
		{"another version", strings.Replace(greeting, "\x03\x00\x00\x00\x00\x10", "\x09\x00\x00\x00\x00\x10", 1), "version 9"},
		{"no greeting", look, "no greeting"},
		{"two greetings", greeting + greeting, "kind 1 in place of a request"},
		{"an unknown kind", greeting + "\x00\x00\x00\x00\x63\x00\x00\x00\x01", "unexpected kind 99"},
		{"a frame that is too long", greeting + "\xff\xff\xff\xff\x03\x00\x00\x00\x01", "malformed frame"},
		{"a cancel for nothing", greeting + "\x00\x00\x00\x00\x05\x00\x00\x00\x01", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := serve(t, []byte(c.data))
			if (err == nil) != (c.message == "") || err != nil && !strings.Contains(err.Error(), c.message) {
				t.Errorf("error %v, want %q", err, c.message)
			}
		})
	}
	t.Run("told to end", func(t *testing.T) {
		t.Parallel()
		_, child := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := worker.Serve(ctx, child, nil); err == nil {
			t.Error("no error")
		}
	})
}

// Whatever a parent sends, the child's side ends with the connection.
func FuzzServe(f *testing.F) {
	for _, data := range []string{
		greeting, greeting + look, greeting + look[:10], greeting + greeting, look,
		greeting + "\x00\x00\x00\x02\x04\x00\x00\x00\x01" + "\x81\x00" + look,
		greeting + "\x00\x00\x00\x00\x04\x00\x00\x00\x01",
		greeting + "\x00\x00\x00\x04\x07\x00\x00\x00\x01" + "\x00\x01\xa0x",
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) { _ = serve(t, data) })
}

func TestReadOptions(t *testing.T) {
	t.Parallel()
	opts := worker.ReadOptions(config.NewReader(config.Map(nil)))
	if opts.PictureTimeout != 20*time.Second || opts.PictureMemory != 768<<20 {
		t.Errorf("defaults %v, %d", opts.PictureTimeout, opts.PictureMemory)
	}
	r := config.NewReader(config.Map(map[string]string{"ROLLCALL_PICTURE_TIMEOUT": "1500ms", "ROLLCALL_WORKER_MEMORY": "1024"}))
	if opts := worker.ReadOptions(r); r.Err() != nil || opts.PictureTimeout != 1500*time.Millisecond || opts.PictureMemory != 1<<30 {
		t.Errorf("%v, %d: %v", opts.PictureTimeout, opts.PictureMemory, r.Err())
	}
	r = config.NewReader(config.Map(map[string]string{"ROLLCALL_PICTURE_TIMEOUT": "0s", "ROLLCALL_WORKER_MEMORY": "64"}))
	worker.ReadOptions(r)
	for _, name := range []string{"ROLLCALL_PICTURE_TIMEOUT", "ROLLCALL_WORKER_MEMORY"} {
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("no problem with %s: %v", name, err)
		}
	}
}

func TestCountReplaced(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	count := worker.CountReplaced(reg)
	count(worker.Memory)
	count(worker.Memory)
	count(worker.Recycle)
	want := `# HELP rollcall_worker_restarts_total Worker processes that were replaced, by cause.
# TYPE rollcall_worker_restarts_total counter
rollcall_worker_restarts_total{cause="cancelled"} 0
rollcall_worker_restarts_total{cause="crash"} 0
rollcall_worker_restarts_total{cause="memory"} 2
rollcall_worker_restarts_total{cause="recycle"} 1
rollcall_worker_restarts_total{cause="time"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
