package recognizer_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/collector"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/tracing"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	facerecog "github.com/rollcall-faces/rollcall/proto"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// With a token, strangers can ask for the health only.
func TestCallsNeedTheToken(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdef"
	f := newFixture(t)
	f.token = config.FixedToken(token)
	f.start()
	calls := map[string]func(opts metadata.MD) error{
		"our own service": func(md metadata.MD) error {
			_, err := f.client.GetInfo(metadata.NewOutgoingContext(t.Context(), md), &recognizerv1.GetInfoRequest{})
			return err
		},
		"the wire service": func(md metadata.MD) error {
			_, err := facerecog.NewIdentifyClient(f.conn).Identify(metadata.NewOutgoingContext(t.Context(), md), &facerecog.IdentifyRequest{ImagePath: "a.jpg"})
			return err
		},
		"reflection": func(md metadata.MD) error {
			stream, err := reflectionpb.NewServerReflectionClient(f.conn).ServerReflectionInfo(metadata.NewOutgoingContext(t.Context(), md))
			if err != nil {
				return err
			}
			if err := stream.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
				return err
			}
			_, err = stream.Recv()
			return err
		},
	}
	for name, call := range calls {
		for _, header := range []string{"", "Bearer ", "Bearer 0123456789abcdeF", "Bearer " + token + "x", token, "Basic " + token} {
			md := metadata.MD{}
			if header != "" {
				md.Set("authorization", header)
			}
			if err := call(md); status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "ROLLCALL_GRPC_TOKEN_FILE") {
				t.Errorf("%s with %q: %v", name, header, err)
			}
		}
		if err := call(metadata.Pairs("authorization", "Bearer "+token)); status.Code(err) == codes.Unauthenticated {
			t.Errorf("%s with the token: %v", name, err)
		}
	}
	if _, err := healthpb.NewHealthClient(f.conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("health: %v", err)
	}
	if _, err := facerecog.NewHealthCheckClient(f.conn).HealthCheck(t.Context(), &facerecog.Empty{}); err != nil {
		t.Errorf("the wire service's health: %v", err)
	}
	for name, known := range map[string]*config.Token{"the token": config.FixedToken(token), "none": nil} {
		client, err := recognizerclient.Dial(recognizerclient.Options{Address: f.conn.Target(), Timeout: time.Minute, Token: known})
		if err != nil {
			t.Fatal(err)
		}
		models, err := client.ModelsInUse(t.Context())
		if (err == nil) != (known != nil) {
			t.Errorf("our client with %s: %v, %v", name, models, err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A stranger's call is not traced, also if it is refused, and nothing but traceparent is read.
func TestOnlyKnownCallersAreTraced(t *testing.T) {
	t.Parallel()
	const token, parent = "0123456789abcdef", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for name, c := range map[string]struct {
		token        *config.Token
		header       string
		health, want bool
	}{
		"the token":              {config.FixedToken(token), "Bearer " + token, false, true},
		"another token":          {config.FixedToken(token), "Bearer 0123456789abcdeF", false, false},
		"no token":               {config.FixedToken(token), "", false, false},
		"the health, no token":   {config.FixedToken(token), "", true, false},
		"a server without token": {nil, "", false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := collector.Start(t)
			cfg := config.ReadTracing(config.NewReader(config.Map(map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": to.URL})))
			traces, err := tracing.Open(t.Context(), "recognizer", cfg, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer traces.Close(t.Context())
			// A span of its own, which is sent after that of the call, says when to look.
			_, end := traces.Entry(config.Sampling{Share: 1}).Request(httptest.NewRequestWithContext(t.Context(), "GET", "/", nil), "GET", "/")
			f := newFixture(t)
			f.token, f.opts.Traces = c.token, traces.Follow()
			f.start()
			md := metadata.Pairs("traceparent", parent, "tracestate", "zilpah=zilpah", "baggage", "name=zilpah")
			if c.header != "" {
				md.Set("authorization", c.header)
			}
			ctx := metadata.NewOutgoingContext(t.Context(), md)
			if c.health {
				_, err = healthpb.NewHealthClient(f.conn).Check(ctx, &healthpb.HealthCheckRequest{})
			} else {
				_, err = f.client.GetInfo(ctx, &recognizerv1.GetInfoRequest{})
			}
			if (err == nil) != (c.want || c.health) {
				t.Fatal(err)
			}
			f.close() // the call has ended, with its span
			end(http.StatusOK)
			wait.Until(t, "the spans", func() bool {
				return slices.Contains(collector.Names(to.Spans()), "GET /") && (!c.want || len(to.Spans()) > 1)
			})
			if got := len(to.Spans()) == 2; got != c.want || strings.Contains(to.Text(), "zilpah") {
				t.Errorf("traced: %v, want %v\n%s", got, c.want, to.Text())
			}
		})
	}
}

// Beyond loopback, a recognizer without a token does not start unless it is told so.
func TestOpenPortNeedsAToken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		set  map[string]string
		fine bool
	}{
		"by default":           {map[string]string{}, false},
		"loopback":             {map[string]string{"ROLLCALL_LISTEN_ADDRESS": "127.0.0.1:50051"}, true},
		"loopback, IPv6":       {map[string]string{"ROLLCALL_LISTEN_ADDRESS": "[::1]:50051"}, true},
		"another address":      {map[string]string{"ROLLCALL_LISTEN_ADDRESS": "10.0.0.1:50051"}, false},
		"with a token":         {map[string]string{"ROLLCALL_GRPC_TOKEN": "0123456789abcdef"}, true},
		"open on purpose":      {map[string]string{"ROLLCALL_OPEN_GRPC": "true"}, true},
		"open, another word":   {map[string]string{"ROLLCALL_OPEN_GRPC": "yes"}, false},
		"closed in many words": {map[string]string{"ROLLCALL_OPEN_GRPC": "false"}, false},
	} {
		r := config.NewReader(config.Map(tt.set))
		recognizer.ReadConfig(r)
		if err := r.Err(); (err == nil) != tt.fine {
			t.Errorf("%s: %v", name, err)
		}
	}
}
