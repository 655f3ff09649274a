package recognizer_test

import (
	"bytes"
	"context"
	"image/color"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

var (
	red    = color.RGBA{R: 240, G: 30, B: 30, A: 255}
	green  = color.RGBA{R: 30, G: 210, B: 30, A: 255}
	blue   = color.RGBA{R: 15, G: 30, B: 240, A: 255}
	yellow = color.RGBA{R: 225, G: 225, B: 15, A: 255}
)

// patience is the timeout of a step. Most take almost no time; a busy machine with
// the race detector needs half a minute to describe the pictures of the largest test.
const patience = 2 * time.Minute

// fixture is a recognizer and its clients.
type fixture struct {
	token  *config.Token // of the server; nil for none
	t      *testing.T
	opts   recognizer.Options
	studio *fakeengine.Studio
	model  faces.Model
	log    *logBuffer
	reg    *prometheus.Registry

	recognizer *recognizer.Recognizer
	stopServer func(context.Context) error
	stopped    bool
	conn       *grpc.ClientConn
	client     recognizerv1.RecognizerClient
}

// newFixture creates two empty folders. Nothing runs yet.
func newFixture(t *testing.T) *fixture {
	t.Helper()
	dir := t.TempDir()
	f := &fixture{
		t: t, studio: &fakeengine.Studio{}, model: fakeengine.Model(), log: &logBuffer{},
		opts: recognizer.Options{
			KnownPeople: filepath.Join(dir, "known"), UnknownPeople: filepath.Join(dir, "unknown"),
			Engines: 2, MaxPixels: 50_000_000, Refresh: time.Hour,
		},
	}
	for _, name := range []string{f.opts.KnownPeople, f.opts.UnknownPeople} {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// often makes the recognizer poll for changes all the time.
func (f *fixture) often() *fixture {
	f.opts.Refresh = 10 * time.Millisecond
	return f
}

// known writes a picture of known people.
func (f *fixture) known(name string, content []byte) {
	f.t.Helper()
	write(f.t, filepath.Join(f.opts.KnownPeople, name), content)
}

// unknown writes a picture to be recognized and returns its absolute path.
func (f *fixture) unknown(name string, content []byte) string {
	f.t.Helper()
	full := filepath.Join(f.opts.UnknownPeople, name)
	write(f.t, full, content)
	return full
}

// write creates a file atomically, as the programs that add pictures do.
func write(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	tmp := filepath.Join(filepath.Dir(name), ".tmp-"+filepath.Base(name))
	if err := os.WriteFile(tmp, content, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, name); err != nil {
		t.Fatal(err)
	}
}

// open creates and serves the recognizer. It does not read known pictures yet.
func (f *fixture) open() {
	f.t.Helper()
	log := slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	f.reg = prometheus.NewRegistry()
	f.recognizer, err = recognizer.New(f.opts, f.model, f.studio.Open, fakeengine.Kernel{}, log, f.reg)
	if err != nil {
		f.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	part := recognizer.NewServer(f.recognizer, f.token, log).Part(func() (net.Listener, error) { return listener, nil })
	if err := part.Start(f.t.Context(), func(err error) { f.t.Errorf("the server failed: %v", err) }); err != nil {
		f.t.Fatal(err)
	}
	f.stopServer, f.stopped = part.Stop, false
	f.conn, err = grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		f.t.Fatal(err)
	}
	f.client = recognizerv1.NewRecognizerClient(f.conn)
	f.t.Cleanup(f.close)
}

// start opens the recognizer and waits until it is ready.
func (f *fixture) start() {
	f.t.Helper()
	f.open()
	f.recognizer.Start()
	f.eventually("the recognizer is ready", func() bool { return f.recognizer.Ready(f.t.Context()) == nil })
}

// close stops everything; it may be called twice.
func (f *fixture) close() {
	f.t.Helper()
	if f.stopped {
		return
	}
	f.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := f.stopServer(ctx); err != nil {
		f.t.Errorf("stop the server: %v", err)
	}
	if err := f.recognizer.Close(ctx); err != nil {
		f.t.Errorf("close the recognizer: %v", err)
	}
	f.conn.Close()
	if opened, closed := f.studio.Opened(), f.studio.Closed(); opened != closed {
		f.t.Errorf("%d engines opened, %d closed", opened, closed)
	}
}

// eventually waits until a condition holds.
func (f *fixture) eventually(what string, holds func() bool) {
	f.t.Helper()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(patience)
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			f.t.Fatalf("not so after %s: %s; the log:\n%s", patience, what, f.log)
		}
	}
}

// recognize recognizes the picture at a path.
func (f *fixture) recognize(path string) (*recognizerv1.RecognizeResponse, error) {
	f.t.Helper()
	return f.client.Recognize(f.t.Context(), byPath(path))
}

// nearest returns the known picture nearest to the only face in the picture at a
// path, or "" if there is none.
func (f *fixture) nearest(path string) string {
	f.t.Helper()
	res, err := f.recognize(path)
	if err != nil {
		f.t.Fatalf("recognize %s: %v", path, err)
	}
	if len(res.GetFaces()) != 1 {
		f.t.Fatalf("%s has %d faces, want 1", path, len(res.GetFaces()))
	}
	if n := res.GetFaces()[0].GetNeighbours(); len(n) > 0 {
		return n[0].GetImageName()
	}
	return ""
}

// info asks the recognizer about itself.
func (f *fixture) info() *recognizerv1.GetInfoResponse {
	f.t.Helper()
	res, err := f.client.GetInfo(f.t.Context(), &recognizerv1.GetInfoRequest{})
	if err != nil {
		f.t.Fatal(err)
	}
	return res
}

// problems returns the known pictures that cannot be matched, and why.
func (f *fixture) problems() map[string]string {
	f.t.Helper()
	problems := map[string]string{}
	for _, p := range f.info().GetProblems() {
		problems[p.GetImageName()] = p.GetMessage()
	}
	return problems
}

// logged reports whether a text has been logged.
func (f *fixture) logged(text string) bool { return strings.Contains(f.log.String(), text) }

func byPath(path string) *recognizerv1.RecognizeRequest {
	return &recognizerv1.RecognizeRequest{Picture: &recognizerv1.RecognizeRequest_Path{Path: path}}
}

func byContent(content []byte) *recognizerv1.RecognizeRequest {
	return &recognizerv1.RecognizeRequest{Picture: &recognizerv1.RecognizeRequest_Content{Content: content}}
}

// reasonIn returns the reason that an error of gRPC carries, "" where it has
// none.
func reasonIn(err error) faces.Reason {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == recognizerclient.ErrorDomain {
			return faces.Reason(info.GetReason())
		}
	}
	return ""
}

// logBuffer keeps a log for the test to read.
type logBuffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
