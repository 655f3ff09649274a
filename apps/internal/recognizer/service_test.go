package recognizer_test

import (
	"context"
	"fmt"
	"image/color"
	"reflect"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	facerecog "github.com/rollcall-faces/rollcall/proto"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

func TestOriginalIdentify(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.known("Bob/1.png", fakeengine.Portrait(blue))
	f.unknown("ann.png", fakeengine.Portrait(red))
	f.unknown("almost-ann.png", fakeengine.Portrait(color.RGBA{R: 225, G: 60, B: 45})) // 0.143 away
	f.unknown("not-ann.png", fakeengine.Portrait(color.RGBA{R: 240, G: 90, B: 30}))    // 0.235 away
	f.unknown("stranger.png", fakeengine.Portrait(yellow))
	f.unknown("nobody.png", fakeengine.Group())
	f.unknown("group.png", fakeengine.Group(yellow, color.RGBA{R: 225, G: 60, B: 45}, blue))
	absolute := f.unknown("sub/bob.png", fakeengine.Portrait(blue))
	f.unknown("text.jpg", []byte("no picture"))
	f.start()
	client := facerecog.NewIdentifyClient(f.conn)

	for path, want := range map[string]string{
		"ann.png": "Ann/1.png", "almost-ann.png": "Ann/1.png", "not-ann.png": "not_found", "stranger.png": "not_found",
		"nobody.png": "not_found", absolute: "Bob/1.png", "group.png": "Bob/1.png",
	} {
		res, err := client.Identify(t.Context(), &facerecog.IdentifyRequest{ImagePath: path})
		if err != nil || res.GetImageName() != want {
			t.Errorf("%s: %q, error %v; want %q", path, res.GetImageName(), err, want)
		}
	}
	for path, want := range map[string]codes.Code{
		"": codes.InvalidArgument, "none.png": codes.NotFound, "../x.png": codes.PermissionDenied, "text.jpg": codes.InvalidArgument,
	} {
		if _, err := client.Identify(t.Context(), &facerecog.IdentifyRequest{ImagePath: path}); status.Code(err) != want {
			t.Errorf("%q: error %v, want %v", path, err, want)
		}
	}
}

// Before the known pictures are read, everybody would be a stranger. No
// service may answer.
func TestNotReady(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.unknown("ann.png", fakeengine.Portrait(red))
	g := gated(f.studio)
	f.open()
	f.recognizer.Start()
	within(t, "the first known picture", g.arrived)

	legacyService, check := facerecog.NewIdentifyClient(f.conn), facerecog.NewHealthCheckClient(f.conn)
	health := healthpb.NewHealthClient(f.conn)
	_, recognizeErr := f.recognize("ann.png")
	_, identifyErr := legacyService.Identify(t.Context(), &facerecog.IdentifyRequest{ImagePath: "ann.png"})
	_, matchErr := f.client.Match(t.Context(), &recognizerv1.MatchRequest{ModelId: f.model.ID})
	for name, err := range map[string]error{"Recognize": recognizeErr, "Identify": identifyErr, "Match": matchErr} {
		if status.Code(err) != codes.Unavailable {
			t.Errorf("%s: error %v, want unavailable", name, err)
		}
	}
	if got := f.info(); got.GetKnownImages() != 0 || got.GetModel().GetId() != f.model.ID || got.GetEngines() != 2 {
		t.Errorf("info %v", got)
	}
	if res, err := check.HealthCheck(t.Context(), &facerecog.Empty{}); err != nil || res.GetReady() {
		t.Errorf("the original's health check: %v, %v; want not ready", res, err)
	}
	if res, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil || res.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health: %v, %v; want NOT_SERVING", res, err)
	}
	// A restart would start reading again.
	alive := &healthpb.HealthCheckRequest{Service: recognizer.Liveness}
	if res, err := health.Check(t.Context(), alive); err != nil || res.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("liveness: %v, %v; want SERVING", res, err)
	}

	close(g.open)
	f.eventually("it is serving", func() bool {
		res, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{})
		return err == nil && res.GetStatus() == healthpb.HealthCheckResponse_SERVING
	})
	if res, err := check.HealthCheck(t.Context(), &facerecog.Empty{}); err != nil || !res.GetReady() {
		t.Errorf("the original's health check: %v, %v; want ready", res, err)
	}
	if got := f.nearest("ann.png"); got != "Ann/1.png" {
		t.Errorf("nearest %q", got)
	}
}

// Closing before the known pictures are read must not wait for all of them.
func TestCloseWhileReadingKnownPictures(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const pictures = 100
	for i := range pictures {
		f.known(fmt.Sprintf("%d.png", i), shot(fakeengine.Portrait(red), i))
	}
	g := gated(f.studio)
	f.open()
	f.recognizer.Start()
	for range f.opts.Engines {
		within(t, "a known picture", g.arrived)
	}
	closed := make(chan struct{})
	go func() { f.close(); close(closed) }()
	f.eventually("the server has stopped", f.refuses)
	close(g.open)
	within(t, "close", closed)
	if got := f.studio.Calls(); got == pictures {
		t.Errorf("all %d known pictures were still looked at", got)
	}
}

// refuses reports whether the server refuses calls.
func (f *fixture) refuses() bool {
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Second)
	defer cancel()
	_, err := f.client.GetInfo(ctx, &recognizerv1.GetInfoRequest{})
	return err != nil
}

func TestReflectionListsEveryService(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.start()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stream, err := reflectionpb.NewServerReflectionClient(f.conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	res, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range res.GetListServicesResponse().GetService() {
		got = append(got, s.GetName())
	}
	for _, want := range []string{"facerecog.Identify", "facerecog.HealthCheck", "rollcall.recognizer.v1.Recognizer", "grpc.health.v1.Health"} {
		if !slices.Contains(got, want) {
			t.Errorf("services %v: %s is missing", got, want)
		}
	}
}

// The processor's client and this server agree on answers and reasons.
func TestWithOurClient(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.known("Ann/1.png", fakeengine.Portrait(red))
	f.known("Ann/2.txt", []byte("notes"))
	f.unknown("group.png", fakeengine.Group(yellow, red))
	f.start()
	client, err := recognizerclient.Dial(recognizerclient.Options{Address: f.conn.Target(), Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	f.eventually("it is serving", func() bool { return client.Ping(t.Context()) == nil })
	seen, err := client.Recognize(t.Context(), "group.png", faces.File{})
	if err != nil {
		t.Fatal(err)
	}
	ann := faces.Person{ID: 1, Name: "Ann"}
	out := faces.Decide(seen, func(image string) (faces.Person, bool) { return ann, image == "Ann/1.png" })
	if out.Reason != faces.Identified || out.Person == nil || *out.Person != ann || out.Faces[0].Reason != faces.UnknownPerson {
		t.Errorf("outcome %+v", out)
	}
	if _, err := client.Recognize(t.Context(), "none.png", faces.File{}); faces.ReasonOf(err) != faces.NotFound {
		t.Errorf("error %v, want not_found", err)
	}
	info, err := client.Info(t.Context())
	if err != nil || info.KnownImages != 1 || len(info.Problems) != 1 || info.Problems["Ann/2.txt"] == "" {
		t.Errorf("info %+v, error %v", info, err)
	}
}

func TestReadOptions(t *testing.T) {
	t.Parallel()
	r := config.NewReader(config.Map(map[string]string{
		"KNOWN_PEOPLE": "/k", "UNKNOWN_PEOPLE": "/u/", "ROLLCALL_ENGINES": "3", "ROLLCALL_MAX_PIXELS": "2000", "ROLLCALL_GALLERY_REFRESH": "3s",
		"ROLLCALL_GALLERY_CACHE": "/data/gallery",
	}))
	got := recognizer.ReadOptions(r)
	want := recognizer.Options{
		KnownPeople: "/k", UnknownPeople: "/u", Engines: 3, MaxPixels: 2000, MaxMessage: 16 << 20, CallMemory: 160 << 20, FileMemory: 200 << 20, FaceIndexMemory: 256 << 20, Refresh: 3 * time.Second, Cache: "/data/gallery",
	}
	if err := r.Err(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("options %+v, error %v; want %+v", got, err, want)
	}
	if got := recognizer.ReadOptions(config.NewReader(config.Map(nil))); got.Cache != "" {
		t.Errorf("cache %q by default, want none", got.Cache)
	}
}
