package recognizer_test

import (
	"bytes"
	"context"
	"errors"
	"image/color"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/asuser"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// gate makes a studio's engines wait. Each engine sends to arrived and continues when
// open is closed.
type gate struct{ arrived, open chan struct{} }

func gated(s *fakeengine.Studio) gate {
	g := gate{arrived: make(chan struct{}, 100), open: make(chan struct{})}
	s.Recognize = func(jpeg []byte) ([]engine.PixelFace, error) {
		g.arrived <- struct{}{}
		<-g.open
		return fakeengine.Find(jpeg)
	}
	return g
}

// ask recognizes a portrait in the background.
func (f *fixture) ask(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := f.client.Recognize(ctx, byContent(fakeengine.Portrait(red)))
		done <- err
	}()
	return done
}

// within returns what arrives on a channel, or fails.
func within[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("%s: nothing after %s", what, patience)
		panic("not reached")
	}
}

func TestPanicOfAnEngineIsOneCallsError(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	var broken atomic.Bool
	f.studio.Recognize = func(jpeg []byte) ([]engine.PixelFace, error) {
		if broken.Load() {
			panic("the engine has a bad day")
		}
		return fakeengine.Find(jpeg)
	}
	f.start()
	broken.Store(true)
	for range 50 {
		if err := within(t, "a call", f.ask(t.Context())); status.Code(err) != codes.Internal || reasonIn(err) != "" {
			t.Fatalf("error %v, want Internal without a reason", err)
		} else if strings.Contains(err.Error(), "bad day") {
			t.Fatalf("error %v tells what is for the log", err)
		}
	}
	broken.Store(false)
	for range 2 * f.opts.Engines {
		if err := within(t, "a call afterwards", f.ask(t.Context())); err != nil {
			t.Fatalf("after the panics: %v", err)
		}
	}
	if !f.logged("the engine has a bad day") {
		t.Error("the panic is not in the log")
	}
}

// The pictures of a stream are recognized outside the goroutine with the interceptor.
func TestPanicInABatchIsOnePicturesError(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.studio.Recognize = func(jpeg []byte) ([]engine.PixelFace, error) {
		found, err := fakeengine.Find(jpeg)
		if len(found) == 0 {
			panic("nobody there")
		}
		return found, err
	}
	f.start()
	got := f.batch(byContent(fakeengine.Portrait(red)), byContent(fakeengine.Group()), byContent(fakeengine.Portrait(blue)))
	if got[0].GetResponse() == nil || got[2].GetResponse() == nil {
		t.Errorf("answers %v: want two that work", got)
	}
	if e := got[1].GetError(); codes.Code(e.GetCode()) != codes.Internal {
		t.Errorf("answer %v, want an internal error", got[1])
	}
}

func TestPanicOverAKnownPictureIsItsProblem(t *testing.T) {
	t.Parallel()
	f := newFixture(t).often()
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.known("Bob/1.png", fakeengine.Portrait(blue))
	var healed atomic.Bool
	f.studio.Recognize = func(jpeg []byte) ([]engine.PixelFace, error) {
		found, err := fakeengine.Find(jpeg)
		if !healed.Load() && slices.Equal(found[0].Descriptor, fakeengine.Describe(blue)) {
			panic("not blue")
		}
		return found, err
	}
	f.start()
	if got := f.problems(); len(got) != 1 || got["Bob/1.png"] == "" {
		t.Fatalf("problems %v, want one of Bob/1.png", got)
	}
	before := f.info().GetGalleryVersion()
	healed.Store(true) // what was not the file's fault is tried again
	f.eventually("Bob is known", func() bool { return f.info().GetKnownImages() == 2 })
	if f.info().GetGalleryVersion() == before {
		t.Error("the gallery has changed, its version has not")
	}
}

func TestCallGivenUpWhileWaiting(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.opts.Engines = 1
	f.start()
	g := gated(f.studio)
	first := f.ask(t.Context())
	within(t, "the first call", g.arrived)

	ctx, cancel := context.WithCancel(t.Context())
	second := f.ask(ctx)
	cancel()
	if err := within(t, "the cancelled call", second); status.Code(err) != codes.Canceled {
		t.Errorf("cancelled: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := within(t, "the late call", f.ask(ctx)); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("past its deadline: %v", err)
	}
	close(g.open)
	if err := within(t, "the first call", first); err != nil {
		t.Errorf("first: %v", err)
	}
	if err := within(t, "the next call", f.ask(t.Context())); err != nil {
		t.Errorf("next: %v", err)
	}
	f.close() // all calls have ended on the server's side, too
	if got := f.studio.Calls(); got > 3 {
		t.Errorf("the engine was asked %d times; nobody waited for more than 3 answers", got)
	}
}

func TestRecognizeDirectly(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // though engines are free
		_, _, err := f.recognizer.Recognize(ctx, recognizer.Source{Content: fakeengine.Portrait(red)}, nearest.Limit{})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v, want canceled", err)
		}
	}
	if got := f.studio.Calls(); got != 0 {
		t.Errorf("the engine was asked %d times", got)
	}
}

func TestCloseWaitsForEngines(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start()
	g := gated(f.studio)
	call := make(chan error, 1)
	go func() {
		_, _, err := f.recognizer.Recognize(t.Context(), recognizer.Source{Content: fakeengine.Portrait(red)}, nearest.Limit{})
		call <- err
	}()
	within(t, "the call", g.arrived)

	// While a call holds an engine, closing waits until its context ends.
	short, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	closed := make(chan error, 1)
	r := f.recognizer
	go func() { closed <- r.Close(short) }()
	if err := within(t, "close", closed); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close with a call under way: %v, want deadline exceeded", err)
	}
	if f.studio.Closed() == f.studio.Opened() {
		t.Error("an engine was closed while it was in use") // it would panic, too
	}
	close(g.open)
	if err := within(t, "the call", call); err != nil {
		t.Errorf("the call: %v", err)
	}
	f.stopped = true // closed here
	f.conn.Close()
	if err := f.stopServer(t.Context()); err != nil {
		t.Error(err)
	}
}

// Close lets a call finish before it closes the engine.
func TestCloseFinishesCalls(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start()
	g := gated(f.studio)
	call := make(chan error, 1)
	go func() {
		_, _, err := f.recognizer.Recognize(t.Context(), recognizer.Source{Content: fakeengine.Portrait(red)}, nearest.Limit{})
		call <- err
	}()
	within(t, "the call", g.arrived)
	closed := make(chan struct{})
	go func() { f.close(); close(closed) }() // checks that every engine is closed
	f.eventually("the free engine is closed", func() bool { return f.studio.Closed() == f.opts.Engines-1 })
	close(g.open)
	if err := within(t, "the call", call); err != nil {
		t.Errorf("the call: %v", err)
	}
	within(t, "close", closed)
}

func TestGracefulStop(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start()
	health := healthpb.NewHealthClient(f.conn)
	watch, err := health.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	f.awaitStatus(watch, healthpb.HealthCheckResponse_SERVING)
	g := gated(f.studio)
	call := f.ask(t.Context())
	within(t, "the call", g.arrived)

	stopped := make(chan struct{})
	go func() { f.close(); close(stopped) }()
	f.awaitStatus(watch, healthpb.HealthCheckResponse_NOT_SERVING)
	select {
	case <-stopped:
		t.Error("stopped with a call under way")
	default:
	}
	close(g.open)
	if err := within(t, "the call", call); err != nil {
		t.Errorf("the call that was under way: %v", err)
	}
	within(t, "stop", stopped) // though somebody watches
}

func (f *fixture) awaitStatus(watch healthpb.Health_WatchClient, want healthpb.HealthCheckResponse_ServingStatus) {
	f.t.Helper()
	for {
		res, err := watch.Recv()
		if err != nil {
			f.t.Fatalf("waiting for %v: %v", want, err)
		}
		if res.GetStatus() == want {
			return
		}
	}
}

// A call that does not end is cancelled.
func TestStopHasADeadline(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start()
	g := gated(f.studio)
	call := f.ask(t.Context())
	within(t, "the call", g.arrived)
	short, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- f.stopServer(short) }()
	if err := within(t, "the call", call); status.Code(err) != codes.Unavailable {
		t.Errorf("the call that was cut off: %v, want unavailable", err)
	}
	close(g.open)
	if err := within(t, "stop", stopped); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stop: %v, want deadline exceeded", err)
	}
	f.stopServer = func(context.Context) error { return nil }
}

func TestBatch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.known("Bob/1.png", fakeengine.Portrait(blue))
	f.start()
	var reqs []*recognizerv1.RecognizeRequest
	for i := range 60 {
		switch i % 4 {
		case 0:
			reqs = append(reqs, byContent(fakeengine.Portrait(red)))
		case 1:
			reqs = append(reqs, byContent(fakeengine.Portrait(blue)))
		case 2:
			reqs = append(reqs, byPath("../x.png"))
		case 3:
			reqs = append(reqs, &recognizerv1.RecognizeRequest{})
		}
	}
	got := f.batch(reqs...)
	for i := range reqs {
		answer := got[uint64(i)]
		nearest := func() string { return answer.GetResponse().GetFaces()[0].GetNeighbours()[0].GetImageName() }
		switch e := answer.GetError(); i % 4 {
		case 0:
			if e != nil || nearest() != "Ann/1.png" {
				t.Errorf("answer %d: %v, want Ann", i, answer)
			}
		case 1:
			if e != nil || nearest() != "Bob/1.png" {
				t.Errorf("answer %d: %v, want Bob", i, answer)
			}
		case 2:
			if e.GetReason() != string(faces.PathNotAllowed) || e.GetMessage() == "" || codes.Code(e.GetCode()) != codes.PermissionDenied {
				t.Errorf("answer %d: %v, want path_not_allowed", i, answer)
			}
		case 3:
			if e.GetReason() != "" || codes.Code(e.GetCode()) != codes.InvalidArgument {
				t.Errorf("answer %d: %v, want an invalid argument", i, answer)
			}
		}
	}
}

// batch sends requests over one stream, tagged with their places, and returns
// the answers by tag.
func (f *fixture) batch(reqs ...*recognizerv1.RecognizeRequest) map[uint64]*recognizerv1.RecognizeBatchResponse {
	f.t.Helper()
	stream, err := f.client.RecognizeBatch(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	sent := make(chan error, 1)
	go func() {
		for i, req := range reqs {
			if err := stream.Send(&recognizerv1.RecognizeBatchRequest{Tag: uint64(i), Request: req}); err != nil {
				sent <- err
				return
			}
		}
		sent <- stream.CloseSend()
	}()
	answers := map[uint64]*recognizerv1.RecognizeBatchResponse{}
	for {
		res, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			f.t.Fatal(err)
		}
		if answers[res.GetTag()] != nil {
			f.t.Errorf("two answers with tag %d", res.GetTag())
		}
		answers[res.GetTag()] = res
	}
	if err := within(f.t, "send", sent); err != nil {
		f.t.Fatal(err)
	}
	if len(answers) != len(reqs) {
		f.t.Fatalf("%d answers to %d requests", len(answers), len(reqs))
	}
	return answers
}

// Answers are sent as they are ready, not in the order of the requests.
func TestBatchAnswersOutOfOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	open := make(chan struct{})
	f.studio.Recognize = func(jpeg []byte) ([]engine.PixelFace, error) {
		found, err := fakeengine.Find(jpeg)
		if len(found) == 1 && slices.Equal(found[0].Descriptor, fakeengine.Describe(red)) {
			<-open
		}
		return found, err
	}
	f.start()
	stream, err := f.client.RecognizeBatch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for tag, c := range map[uint64]color.RGBA{1: red, 2: blue} {
		if err := stream.Send(&recognizerv1.RecognizeBatchRequest{Tag: tag, Request: byContent(fakeengine.Portrait(c))}); err != nil {
			t.Fatal(err)
		}
	}
	if res, err := stream.Recv(); err != nil || res.GetTag() != 2 {
		t.Fatalf("first answer %v, error %v; want tag 2", res, err)
	}
	close(open)
	if res, err := stream.Recv(); err != nil || res.GetTag() != 1 {
		t.Fatalf("second answer %v, error %v; want tag 1", res, err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last answer: %v, want the end", err)
	}
}

// A client that goes away in the middle of a batch leaves no engine busy.
func TestBatchGivenUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start()
	g := gated(f.studio)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := f.client.RecognizeBatch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for range 6 {
		if err := stream.Send(&recognizerv1.RecognizeBatchRequest{Request: byContent(fakeengine.Portrait(red))}); err != nil {
			t.Fatal(err)
		}
	}
	for range f.opts.Engines {
		within(t, "an engine", g.arrived)
	}
	cancel()
	close(g.open)
	if err := within(t, "a call afterwards", f.ask(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write(t, file, nil)
	works := (&fakeengine.Studio{}).Open
	for name, test := range map[string]struct {
		opts recognizer.Options
		open func() (engine.Engine, error)
		want string
	}{
		"known people are not there":   {recognizer.Options{KnownPeople: dir + "/none", UnknownPeople: dir}, works, "KNOWN_PEOPLE"},
		"known people are a file":      {recognizer.Options{KnownPeople: file, UnknownPeople: dir}, works, "KNOWN_PEOPLE"},
		"unknown people are not there": {recognizer.Options{KnownPeople: dir, UnknownPeople: dir + "/none"}, works, "UNKNOWN_PEOPLE"},
		"an engine does not open": {
			recognizer.Options{KnownPeople: dir, UnknownPeople: dir},
			func() (engine.Engine, error) { return nil, errors.New("no models") }, "no models",
		},
	} {
		test.opts.Engines, test.opts.Refresh, test.opts.MaxPixels = 3, time.Second, 1000
		_, err := recognizer.New(test.opts, fakeengine.Model(), test.open, fakeengine.Kernel{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want one that names %s", name, err, test.want)
		}
	}
}

func TestUnreadableKnownPeople(t *testing.T) {
	t.Parallel()
	asuser.Run(t, func(t *testing.T) {
		f := newFixture(t)
		if err := os.Chmod(f.opts.KnownPeople, 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(f.opts.KnownPeople, 0o755) })
		_, err := recognizer.New(f.opts, f.model, f.studio.Open, fakeengine.Kernel{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
		if err == nil || !strings.Contains(err.Error(), "KNOWN_PEOPLE") {
			t.Errorf("error %v, want one that names KNOWN_PEOPLE", err)
		}
	})
}

// If one of several engines cannot be opened, the others are closed.
func TestOpenFailsAsAWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var studio fakeengine.Studio
	var n atomic.Int64
	_, err := recognizer.New(recognizer.Options{KnownPeople: dir, UnknownPeople: dir, Engines: 4}, fakeengine.Model(),
		func() (engine.Engine, error) {
			if n.Add(1) == 3 {
				return nil, errors.New("out of memory")
			}
			return studio.Open()
		}, fakeengine.Kernel{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err == nil || studio.Opened() != 3 || studio.Closed() != 3 {
		t.Errorf("error %v, %d opened, %d closed; want an error, 3 and 3", err, studio.Opened(), studio.Closed())
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	reg := prometheus.NewRegistry()
	r, err := recognizer.New(f.opts, f.model, f.studio.Open, fakeengine.Kernel{}, slog.New(slog.DiscardHandler), reg)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close(t.Context()) //nolint:errcheck // tested elsewhere
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names bytes.Buffer
	for _, m := range families {
		names.WriteString(m.GetName() + " ")
	}
	if got, want := names.String(), "rollcall_call_memory_bytes rollcall_calls_refused_total rollcall_face_index_bytes rollcall_face_index_complete rollcall_face_index_faces rollcall_face_index_full rollcall_face_search_seconds "+
		"rollcall_faces_total rollcall_gallery_changed_timestamp_seconds rollcall_gallery_reload_seconds rollcall_gallery_version rollcall_known_picture_problems rollcall_known_pictures "+
		"rollcall_model_set_info rollcall_pictures_total rollcall_render_seconds rollcall_stage_seconds "; got != want {
		t.Errorf("metrics before the first picture: %q, want %q", got, want)
	}
}

// Memory is released once in each idle period, and never while an engine works.
func TestMemoryIsGivenBackAtRest(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	g := gated(f.studio)
	f.start()
	f.eventually("the start's memory is given back", func() bool { return f.studio.Trims() == 1 })
	done := f.ask(t.Context())
	within(t, "the picture", g.arrived)
	lent := time.Now()
	f.eventually("a rest has passed", func() bool { return time.Since(lent) > 3*recognizer.IdleDelay })
	if got := f.studio.Trims(); got != 1 {
		t.Errorf("given back %d times before the picture was done, want once", got)
	}
	close(g.open)
	if err := within(t, "the answer", done); err != nil {
		t.Fatal(err)
	}
	f.eventually("the picture's memory is given back", func() bool { return f.studio.Trims() == 2 })
	rest := time.Now()
	f.eventually("another rest has passed", func() bool { return time.Since(rest) > 3*recognizer.IdleDelay })
	if got := f.studio.Trims(); got != 2 {
		t.Errorf("given back %d times, want twice", got)
	}
}
