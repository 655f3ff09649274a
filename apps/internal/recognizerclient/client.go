// Package recognizerclient calls recognizers over gRPC and translates their
// answers and errors to domain types. Dial returns a Client, which balances
// calls over all recognizers.
package recognizerclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/tracing"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient/addresses"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// ErrorDomain is the domain of our reasons in google.rpc.ErrorInfo.
const ErrorDomain = "rollcall"

// ReasonNotAsked is the reason in google.rpc.ErrorInfo of a call that a
// recognizer refused before it looked at the picture: it is not ready, or a
// volume is away. Such a call is no attempt.
const ReasonNotAsked = "not_asked"

// serviceConfig balances calls over all addresses that the name resolves to.
const serviceConfig = `{"loadBalancingConfig": [{"round_robin": {}}]}`

// Client is a connection to one or more recognizers. It is safe for
// concurrent use.
type Client struct {
	conn       *grpc.ClientConn
	recognizer recognizerv1.RecognizerClient
	health     healthpb.HealthClient
	opts       Options
	model      atomic.Pointer[faces.Model] // of the last answer
}

// Options configure a Client.
type Options struct {
	// Address is host:port, or any gRPC target such as dns:///host:port.
	Address string
	// Token proves this client to the recognizer. nil sends none.
	Token *config.Token
	// Timeout bounds each call.
	Timeout time.Duration
	// Threshold and Margin are the deployment's own (see
	// faces.Model.WithRule). 0 means the model set's. They determine how many
	// neighbours are requested.
	Threshold, Margin float64
	// Metrics measures the calls; nil for none.
	Metrics *Metrics
	// Traces hands on the trace of a call's context; nil: there are none.
	Traces trace.TracerProvider
}

// Dial returns a Client. It connects at the first call.
func Dial(opts Options) (*Client, error) {
	dial := append(append(transport(opts.Token), opts.Metrics.options()...), tracing.DialOptions(opts.Traces)...)
	conn, err := grpc.NewClient(target(opts.Address), append(dial,
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithResolvers(addresses.Builder{}),
		// Reconnect to a restarted recognizer within seconds instead of
		// minutes.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
			MinConnectTimeout: 3 * time.Second,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 5 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
		grpc.WithStatsHandler(sendTracker{}),
	)...)
	if err != nil {
		return nil, fmt.Errorf("dial the recognizer at %s: %w", opts.Address, err)
	}
	return &Client{
		conn: conn, recognizer: recognizerv1.NewRecognizerClient(conn), health: healthpb.NewHealthClient(conn),
		opts: opts,
	}, nil
}

// target makes a plain host:port resolve to all addresses of the host.
func target(address string) string {
	if strings.Contains(address, "://") || strings.HasPrefix(address, "unix:") || strings.HasPrefix(address, "dns:") {
		return address
	}
	if host, _, err := net.SplitHostPort(address); err == nil && net.ParseIP(host) != nil {
		return "passthrough:///" + address
	}
	return "dns:///" + address
}

// Close closes the connections.
func (c *Client) Close() error { return c.conn.Close() }

// neighbours is how many neighbours of each face are requested at least.
const neighbours = 16

// firstLimit is used until the first answer reports the model set. It is wide
// enough for the rules of all existing sets.
func firstLimit() faces.NeighbourLimit {
	return faces.NeighbourLimit{Count: neighbours, Slack: 0.25, Within: 1.1}
}

// Recognize recognizes the picture at path. If known is not zero and the file
// has not changed, the answer is Unchanged and the picture is not decoded; an
// older recognizer decodes it nonetheless. Errors have a reason (see
// faces.ReasonOf). If the picture is at fault, the error comes with the file
// that was read, if known. If no recognizer received the request, the error
// also wraps faces.ErrNotAsked.
func (c *Client) Recognize(ctx context.Context, path string, known faces.File) (faces.Recognition, error) {
	return c.recognizeFully(ctx, &recognizerv1.RecognizeRequest{
		Picture: &recognizerv1.RecognizeRequest_Path{Path: path}, UnlessUnchanged: FileMessage(known),
	}, faces.Model{Threshold: c.opts.Threshold, Margin: c.opts.Margin})
}

// RecognizeContent recognizes a picture by the bytes of its file, before those of
// a queue: somebody waits for the answer. rule has the
// threshold and the margin by which the caller decides; 0 means the model set's.
// Errors are those of Recognize.
func (c *Client) RecognizeContent(ctx context.Context, content []byte, rule faces.Model) (faces.Recognition, error) {
	return c.recognizeFully(ctx, &recognizerv1.RecognizeRequest{
		Picture: &recognizerv1.RecognizeRequest_Content{Content: content}, Urgent: true,
	}, rule)
}

// recognizeFully asks for as many neighbours as the rule needs.
func (c *Client) recognizeFully(ctx context.Context, req *recognizerv1.RecognizeRequest, rule faces.Model) (faces.Recognition, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	limit := firstLimit()
	if m := c.model.Load(); m != nil {
		limit = m.WithRule(rule.Threshold, rule.Margin).Limit(neighbours)
	}
	for asked := 1; ; asked++ {
		res, fault, err := c.recognize(ctx, req, limit)
		if err != nil {
			return faces.Recognition{File: fault}, err
		}
		m := model(res.GetModel())
		c.model.Store(&m)
		// If a recognizer with another model set answered, its rule may need
		// more neighbours than were requested.
		wider := limit.Widen(m.WithRule(rule.Threshold, rule.Margin).Limit(neighbours))
		if wider == limit || asked > 1 || res.GetUnchanged() {
			return recognition(res, limit)
		}
		limit = wider
	}
}

// recognize makes one call. fault is the file that an error about the picture
// refers to.
func (c *Client) recognize(ctx context.Context, req *recognizerv1.RecognizeRequest, limit faces.NeighbourLimit) (res *recognizerv1.RecognizeResponse, fault faces.File, err error) {
	ctx, sent := trackSending(ctx)
	req.Neighbours, req.MaxDescriptorSize = limitMessage(limit), faces.MaxDescriptorSize
	res, err = c.recognizer.Recognize(ctx, req)
	if err != nil && !sent.Load() {
		return nil, faces.File{}, fmt.Errorf("%w: %w", faces.ErrNotAsked, domainError(err))
	}
	if err != nil {
		return nil, fileOfError(err), domainError(err)
	}
	return res, faces.File{}, nil
}

func limitMessage(l faces.NeighbourLimit) *recognizerv1.NeighbourLimit {
	return &recognizerv1.NeighbourLimit{Count: uint32(l.Count), Slack: float32(l.Slack), SlackWithin: float32(l.Within)}
}

// Ping returns nil if a recognizer is ready to serve.
func (c *Client) Ping(ctx context.Context) error { return ping(ctx, c.health) }

func ping(ctx context.Context, health healthpb.HealthClient) error {
	res, err := health.Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		return domainError(err)
	}
	if res.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		return faces.Fault(faces.RecognizerUnavailable, "the recognizer is not ready")
	}
	return nil
}

// domainError converts a gRPC error to one with the reason it means for the
// image.
func domainError(err error) error {
	if errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled {
		return faces.Fault(faces.RecognizerUnavailable, "the call was given up").WithCause(context.Canceled)
	}
	st := status.Convert(err)
	for _, detail := range st.Details() {
		info, ok := detail.(*errdetails.ErrorInfo)
		if !ok || info.GetDomain() != ErrorDomain {
			continue
		}
		if info.GetReason() == ReasonNotAsked {
			return fmt.Errorf("%w: %w", faces.ErrNotAsked, faces.Fault(faces.RecognizerUnavailable, "the recognizer is not ready").WithCause(err))
		}
		if r := faces.Reason(info.GetReason()); r.Permanent() {
			return faces.Fault(r, "%s", st.Message())
		}
	}
	switch st.Code() {
	case codes.DeadlineExceeded:
		return faces.Fault(faces.Timeout, "the recognizer did not answer in time").WithCause(err)
	case codes.Unavailable, codes.ResourceExhausted, codes.Unimplemented, codes.Unauthenticated:
		return faces.Fault(faces.RecognizerUnavailable, "the recognizer cannot be reached").WithCause(err)
	default:
		return faces.Fault(faces.Internal, "the recognizer failed on this picture").WithCause(err)
	}
}

func recognition(res *recognizerv1.RecognizeResponse, limit faces.NeighbourLimit) (faces.Recognition, error) {
	seen := faces.Recognition{
		Width: int(res.GetWidth()), Height: int(res.GetHeight()), Omitted: int(res.GetOmitted()), Warning: res.GetWarning(),
		Model: model(res.GetModel()), Gallery: res.GetGalleryVersion(),
		File: FileFrom(res.GetFile()), Unchanged: res.GetUnchanged(),
	}
	for _, f := range res.GetFaces() {
		s, err := sighting(f)
		if err != nil {
			return faces.Recognition{}, faces.Fault(faces.Internal, "the recognizer's answer cannot be read").WithCause(err)
		}
		s.Horizon = limit.Horizon(s.Neighbours)
		seen.Sightings = append(seen.Sightings, s)
	}
	return seen, nil
}

func sighting(f *recognizerv1.Face) (faces.Sighting, error) {
	descriptor, err := faces.DescriptorFromBytes(f.GetDescriptor_())
	if err != nil {
		return faces.Sighting{}, err
	}
	b := f.GetBox()
	s := faces.Sighting{
		Box:        faces.Box{X: int(b.GetX()), Y: int(b.GetY()), Width: int(b.GetWidth()), Height: int(b.GetHeight())},
		Descriptor: descriptor,
	}
	if q := f.GetQuality(); q != nil {
		s.Quality = faces.Quality{
			Score: float64(q.GetScore()), Size: int(q.GetSize()), Sharpness: float64(q.GetSharpness()),
			Yaw: float64(q.GetYaw()), Roll: float64(q.GetRoll()),
			Detection: float64(q.GetDetection()), CutOff: float64(q.GetCutOff()),
		}
	}
	for _, p := range f.GetLandmarks() {
		s.Landmarks = append(s.Landmarks, faces.Point{X: int(p.GetX()), Y: int(p.GetY())})
	}
	s.Neighbours = neighbourList(f.GetNeighbours())
	return s, nil
}

func model(m *recognizerv1.Model) faces.Model {
	fl := m.GetFloors()
	return faces.Model{
		ID: m.GetId(), Size: int(m.GetSize()), Networks: strings.Join(m.GetNetworks(), ","),
		Threshold: m.GetThreshold(), Margin: m.GetMargin(), FarThreshold: m.GetFarThreshold(), FarMargin: m.GetFarMargin(), GroupDistance: m.GetGroupDistance(),
		Floors: faces.Floors{
			Size: int(fl.GetSize()), Sharpness: fl.GetSharpness(), Yaw: fl.GetYaw(), CutOff: fl.GetCutOff(), Detection: fl.GetDetection(),
		},
	}
}
