package recognizerclient_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// server is a recognizer that answers what a test tells it to.
type server struct {
	recognizerv1.UnimplementedRecognizerServer
	recognize func(ctx context.Context, req *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error)
	info      *recognizerv1.GetInfoResponse
	health    *health.Server
	calls     atomic.Int64
	address   string
	grpc      *grpc.Server
}

func (s *server) Recognize(ctx context.Context, req *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error) {
	s.calls.Add(1)
	if s.recognize == nil {
		return &recognizerv1.RecognizeResponse{}, nil
	}
	return s.recognize(ctx, req)
}

func (s *server) GetInfo(context.Context, *recognizerv1.GetInfoRequest) (*recognizerv1.GetInfoResponse, error) {
	if s.info == nil {
		return nil, status.Error(codes.Unavailable, "starting")
	}
	return s.info, nil
}

// start serves at an address. An empty address means any free port of
// 127.0.0.1.
func start(t *testing.T, s *server, address string) *server {
	t.Helper()
	startOn(t, s, s, address)
	return s
}

// startOn serves impl, which embeds s.
func startOn(t *testing.T, s *server, impl recognizerv1.RecognizerServer, address string) {
	t.Helper()
	if address == "" {
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s.address, s.health, s.grpc = l.Addr().String(), health.NewServer(), grpc.NewServer()
	recognizerv1.RegisterRecognizerServer(s.grpc, impl)
	healthpb.RegisterHealthServer(s.grpc, s.health)
	go func() { _ = s.grpc.Serve(l) }() // ends with Stop
	t.Cleanup(s.grpc.Stop)
}

func dial(t *testing.T, address string) *recognizerclient.Client {
	t.Helper()
	return dialWith(t, recognizerclient.Options{Address: address, Timeout: 10 * time.Second})
}

func dialWith(t *testing.T, opts recognizerclient.Options) *recognizerclient.Client {
	t.Helper()
	c, err := recognizerclient.Dial(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestAnswerIsReadBack(t *testing.T) {
	t.Parallel()
	descriptor := make(faces.Descriptor, 320)
	for i := range descriptor {
		descriptor[i] = float32(i) / 128
	}
	s := start(t, &server{}, "")
	s.recognize = func(_ context.Context, req *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error) {
		if req.GetPath() != "/unknown_people/a.jpg" || req.GetMaxDescriptorSize() != faces.MaxDescriptorSize {
			t.Errorf("asked for %v", req)
		}
		return &recognizerv1.RecognizeResponse{
			Width: 640, Height: 480, GalleryVersion: "g7",
			Omitted: 3, Warning: "the file ends early",
			Model: &recognizerv1.Model{
				Id: "both", Size: 320, Networks: []string{"dlib", "mobilefacenet"}, Threshold: 0.5, Margin: 0.0625, FarThreshold: 0.75, FarMargin: 0.125,
				Floors: &recognizerv1.Floors{Size: 24, Sharpness: 0.25, Yaw: 45, CutOff: 0.5, Detection: 0.75},
			},
			Faces: []*recognizerv1.Face{
				{
					Box:         &recognizerv1.Box{X: 1, Y: 2, Width: 30, Height: 40},
					Landmarks:   []*recognizerv1.Point{{X: -3, Y: 4}, {X: 5, Y: 6}},
					Descriptor_: descriptor.Bytes(),
					Neighbours:  []*recognizerv1.Neighbour{{ImageName: "ann/1.jpg", Distance: 0.25, Parts: []float32{0.5, 0.125}}, {ImageName: "ben/1.jpg", Distance: 0.375}},
					Quality:     &recognizerv1.Quality{Score: 0.5, Size: 30, Sharpness: 0.25, Yaw: -8, Roll: 4, Detection: 0.875, CutOff: 0.125},
				},
				{Descriptor_: descriptor.Bytes()},
			},
		}, nil
	}
	got, err := dial(t, s.address).Recognize(t.Context(), "/unknown_people/a.jpg", faces.File{})
	if err != nil {
		t.Fatal(err)
	}
	want := faces.Recognition{
		Width: 640, Height: 480, Gallery: "g7",
		Omitted: 3, Warning: "the file ends early",
		Model: faces.Model{
			ID: "both", Size: 320, Networks: "dlib,mobilefacenet", Threshold: 0.5, Margin: 0.0625, FarThreshold: 0.75, FarMargin: 0.125,
			Floors: faces.Floors{Size: 24, Sharpness: 0.25, Yaw: 45, CutOff: 0.5, Detection: 0.75},
		},
		Sightings: []faces.Sighting{
			{
				Box: faces.Box{X: 1, Y: 2, Width: 30, Height: 40}, Descriptor: descriptor,
				Landmarks:  []faces.Point{{X: -3, Y: 4}, {X: 5, Y: 6}},
				Neighbours: []faces.Neighbour{{Image: "ann/1.jpg", Distance: 0.25, Parts: faces.Parts{0.5, 0.125}}, {Image: "ben/1.jpg", Distance: 0.375}},
				Horizon:    math.Inf(1), // fewer than asked for
				Quality:    faces.Quality{Score: 0.5, Size: 30, Sharpness: 0.25, Yaw: -8, Roll: 4, Detection: 0.875, CutOff: 0.125},
			},
			{Descriptor: descriptor, Horizon: math.Inf(1)},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

// The client requests as many neighbours as the rule needs, even if the
// deployment has its own threshold, and reports how far the list reaches.
func TestNeighboursAreAskedForAsFarAsTheRuleLooks(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []faces.NeighbourLimit
	wide := &recognizerv1.Model{Id: "wide", Threshold: 2, Margin: 0.25, FarThreshold: 3, FarMargin: 0.5}
	answer := func(m *recognizerv1.Model) func(context.Context, *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error) {
		return func(_ context.Context, req *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error) {
			mu.Lock()
			defer mu.Unlock()
			n := req.GetNeighbours()
			asked = append(asked, faces.NeighbourLimit{Count: int(n.GetCount()), Slack: float64(n.GetSlack()), Within: float64(n.GetSlackWithin())})
			f := &recognizerv1.Face{Descriptor_: make([]byte, 512)}
			for i := range n.GetCount() {
				f.Neighbours = append(f.Neighbours, &recognizerv1.Neighbour{ImageName: fmt.Sprintf("ann/%d.jpg", i), Distance: 0.5})
			}
			return &recognizerv1.RecognizeResponse{Model: m, Faces: []*recognizerv1.Face{f}}, nil
		}
	}
	for _, c := range []struct {
		name      string
		model     *recognizerv1.Model
		threshold float64
		calls     int // for two pictures
		horizon   float64
	}{
		{"a set that the first question is wide enough for", &recognizerv1.Model{Id: "m", Threshold: 0.9, Margin: 0.05, FarThreshold: 1, FarMargin: 0.15}, 0, 2, 0.5 + 0.21},
		{"a set with a wider rule is asked again, once", wide, 0, 3, 0.5 + 0.76},
		{"the deployment's own threshold", &recognizerv1.Model{Id: "m", Threshold: 0.9, Margin: 0.05}, 4, 3, 0.5 + 0.1},
	} {
		s := start(t, &server{recognize: answer(c.model)}, "")
		client := dialWith(t, recognizerclient.Options{Address: s.address, Timeout: 10 * time.Second, Threshold: c.threshold})
		asked = nil
		var seen faces.Recognition
		for range 2 {
			var err error
			if seen, err = client.Recognize(t.Context(), "a.jpg", faces.File{}); err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
		}
		if len(asked) != c.calls {
			t.Errorf("%s: %d calls, want %d: %+v", c.name, len(asked), c.calls, asked)
		}
		if got := seen.Sightings[0].Horizon; math.Abs(got-c.horizon) > 1e-6 {
			t.Errorf("%s: the list reaches to %v, want %v", c.name, got, c.horizon)
		}
	}
}

func TestAnswerThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := start(t, &server{}, "")
	s.recognize = func(context.Context, *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error) {
		return &recognizerv1.RecognizeResponse{Faces: []*recognizerv1.Face{{Descriptor_: []byte("short")}}}, nil
	}
	_, err := dial(t, s.address).Recognize(t.Context(), "a.jpg", faces.File{})
	if got := faces.ReasonOf(err); err == nil || got != faces.Internal {
		t.Errorf("error %v has reason %q, want internal", err, got)
	}
}

func withInfo(t *testing.T, code codes.Code, domain, reason string) error {
	t.Helper()
	st, err := status.New(code, "the picture's message").WithDetails(&errdetails.ErrorInfo{Domain: domain, Reason: reason})
	if err != nil {
		t.Fatal(err)
	}
	return st.Err()
}

func TestErrorsHaveReasons(t *testing.T) {
	t.Parallel()
	const ours = recognizerclient.ErrorDomain
	type test struct {
		name   string
		answer error
		want   faces.Reason
	}
	var tests []test
	for _, r := range faces.Reasons() {
		want := faces.Internal
		if r.Permanent() {
			want = r
		}
		tests = append(tests, test{"info " + string(r), withInfo(t, codes.InvalidArgument, ours, string(r)), want})
	}
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		want := faces.Internal
		switch code {
		case codes.DeadlineExceeded:
			want = faces.Timeout
		case codes.Canceled, codes.Unavailable, codes.ResourceExhausted, codes.Unimplemented, codes.Unauthenticated:
			want = faces.RecognizerUnavailable
		}
		tests = append(tests, test{"code " + code.String(), status.Error(code, "the picture's message"), want})
	}
	tests = append(tests,
		test{"another domain's info", withInfo(t, codes.NotFound, "example.com", "not_found"), faces.Internal},
		test{"unknown info", withInfo(t, codes.Unavailable, ours, "?"), faces.RecognizerUnavailable},
		test{"any error", errors.New("?"), faces.Internal},
	)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := start(t, &server{recognize: func(context.Context, *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error) {
				return nil, test.answer
			}}, "")
			_, err := dial(t, s.address).Recognize(t.Context(), "a.jpg", faces.File{})
			if err == nil {
				t.Fatal("no error")
			}
			if got := faces.ReasonOf(err); got != test.want {
				t.Errorf("%v has reason %s, want %s", err, got, test.want)
			}
			shown := faces.ErrorMessage(err)
			if test.want.Permanent() != (shown == "the picture's message") {
				t.Errorf("users are told %q", shown)
			}
		})
	}
}

// A recognizer that accepts the call and never answers.
func TestHangingRecognizerIsATimeout(t *testing.T) {
	t.Parallel()
	s := start(t, &server{recognize: func(ctx context.Context, _ *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error) {
		<-ctx.Done() // which the deadline, sent along, ends here as well
		return nil, ctx.Err()
	}}, "")
	c := dialWith(t, recognizerclient.Options{Address: s.address, Timeout: 200 * time.Millisecond})
	begin := time.Now()
	_, err := c.Recognize(t.Context(), "a.jpg", faces.File{})
	if got := faces.ReasonOf(err); got != faces.Timeout {
		t.Errorf("%v has reason %s, want timeout", err, got)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

// A host that accepts connections and sends nothing.
func TestSilentHostIsAServiceFault(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := dialWith(t, recognizerclient.Options{Address: l.Addr().String(), Timeout: 300 * time.Millisecond})
	_, err = c.Recognize(t.Context(), "a.jpg", faces.File{})
	if got := faces.ReasonOf(err); !got.Transient() {
		t.Errorf("%v has reason %q, want a service's", err, got)
	}
}

// A call counts as an attempt only if a recognizer received it.
func TestNotAsked(t *testing.T) {
	t.Parallel()
	away := start(t, &server{}, "")
	away.grpc.Stop()
	unwell := start(t, &server{recognize: func(context.Context, *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error) {
		return nil, status.Error(codes.Unavailable, "starting")
	}}, "")
	var dying *server
	dying = start(t, &server{recognize: func(ctx context.Context, _ *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error) {
		go dying.grpc.Stop()
		<-ctx.Done()
		return nil, ctx.Err()
	}}, "")
	for _, tt := range []struct {
		name    string
		address string
		want    bool
	}{
		{"nobody is there", away.address, true},
		{"it is there and unwell", unwell.address, false},
		{"it dies of the request", dying.address, false},
	} {
		_, err := dial(t, tt.address).Recognize(t.Context(), "a.jpg", faces.File{})
		if got := errors.Is(err, faces.ErrNotAsked); got != tt.want {
			t.Errorf("%s: %v is ErrNotAsked: %t, want %t", tt.name, err, got, tt.want)
		}
		if got := faces.ReasonOf(err); got != faces.RecognizerUnavailable {
			t.Errorf("%s: %v has reason %s", tt.name, err, got)
		}
	}
}

func TestCallThatIsGivenUp(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	s := start(t, &server{recognize: func(ctx context.Context, _ *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error) {
		close(begun)
		<-ctx.Done()
		return nil, ctx.Err()
	}}, "")
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	_, err := dial(t, s.address).Recognize(ctx, "a.jpg", faces.File{})
	if got := faces.ReasonOf(err); got != faces.RecognizerUnavailable || !errors.Is(err, context.Canceled) {
		t.Errorf("%v has reason %s, want recognizer_unavailable, and to be a cancellation", err, got)
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	s := start(t, &server{}, "")
	c := dial(t, s.address)
	if err := c.Ping(t.Context()); err != nil {
		t.Errorf("ping of one that serves: %v", err)
	}
	s.health.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	if err := c.Ping(t.Context()); faces.ReasonOf(err) != faces.RecognizerUnavailable {
		t.Errorf("ping of one that does not serve: %v", err)
	}
	s.grpc.Stop()
	if err := c.Ping(t.Context()); faces.ReasonOf(err) != faces.RecognizerUnavailable {
		t.Errorf("ping of one that is gone: %v", err)
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	s := start(t, &server{info: &recognizerv1.GetInfoResponse{
		Model: &recognizerv1.Model{Id: "lite", Threshold: 0.5}, GalleryVersion: "g7", KnownImages: 3, Engines: 2,
		Problems: []*recognizerv1.Problem{{ImageName: "ann/2.jpg", Message: "two faces"}},
	}}, "")
	got, err := dial(t, s.address).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := recognizerclient.Info{
		Model: faces.Model{ID: "lite", Threshold: 0.5}, Gallery: "g7", KnownImages: 3, Engines: 2,
		Problems: map[string]string{"ann/2.jpg": "two faces"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("info (-want +got):\n%s", diff)
	}
	_, err = dial(t, start(t, &server{}, "").address).Info(t.Context())
	if faces.ReasonOf(err) != faces.RecognizerUnavailable {
		t.Errorf("info of one that starts: %v", err)
	}
}

// A recognizer that restarts at the same address is found within seconds.
func TestRestartedServerIsFoundAgain(t *testing.T) {
	t.Parallel()
	s := start(t, &server{}, "")
	c := dial(t, s.address)
	if _, err := c.Recognize(t.Context(), "a.jpg", faces.File{}); err != nil {
		t.Fatal(err)
	}
	s.grpc.Stop()
	_, err := c.Recognize(t.Context(), "a.jpg", faces.File{})
	if got := faces.ReasonOf(err); got != faces.RecognizerUnavailable {
		t.Errorf("while it is gone: %v has reason %s", err, got)
	}
	start(t, &server{}, s.address)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); ; <-tick.C {
		if err := c.Ping(t.Context()); err == nil {
			return
		}
		if time.Since(begin) > 15*time.Second {
			t.Fatal("not found again")
		}
	}
}

// Calls are balanced over all addresses of a name. The test is not parallel,
// because gRPC keeps its resolvers in a global table.
func TestCallsAreSpread(t *testing.T) {
	one, two := start(t, &server{}, ""), start(t, &server{}, "")
	names := manual.NewBuilderWithScheme("test")
	names.InitialState(resolver.State{Addresses: []resolver.Address{{Addr: one.address}, {Addr: two.address}}})
	resolver.Register(names)
	c := dial(t, "test:///recognizer")
	for range 200 {
		if _, err := c.Recognize(t.Context(), "a.jpg", faces.File{}); err != nil {
			t.Fatal(err)
		}
	}
	// The first calls may have gone out before both connections were made.
	if a, b := one.calls.Load(), two.calls.Load(); a+b != 200 || min(a, b) < 50 {
		t.Errorf("%d and %d calls, want about as many", a, b)
	}
	one.grpc.Stop()
	for range 20 { // the other carries on; a call that was on its way is lost
		_, _ = c.Recognize(t.Context(), "a.jpg", faces.File{})
	}
	if _, err := c.Recognize(t.Context(), "a.jpg", faces.File{}); err != nil {
		t.Errorf("with one of two left: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	s := start(t, &server{}, "")
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{s.address, "localhost:" + port, "dns:///127.0.0.1:" + port, "passthrough:///" + s.address} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			if err := dial(t, address).Ping(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
