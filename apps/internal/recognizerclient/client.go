// Package recognizerclient calls recognizers over gRPC and translates their
// answers and errors into the domain's words.
//
// This file owns the connection and recognizing pictures. match.go owns
// matching faces again.
package recognizerclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// ErrorDomain marks our reasons in google.rpc.ErrorInfo.
const ErrorDomain = "rollcall"

// serviceConfig spreads calls over every address that the name resolves to.
const serviceConfig = `{"loadBalancingConfig": [{"round_robin": {}}]}`

// Client is a connection to one or more recognizers. It is safe for
// concurrent use.
type Client struct {
	conn       *grpc.ClientConn
	recognizer recognizerv1.RecognizerClient
	health     healthpb.HealthClient
	neighbours *recognizerv1.NeighbourLimit
	timeout    time.Duration
}

// Options say how to call.
type Options struct {
	// Address is host:port, or any gRPC target such as dns:///host:port.
	Address string
	// Timeout bounds each call.
	Timeout time.Duration
	// Slack asks for all known pictures that are at most this much farther
	// than the nearest (see faces.Model.Margin).
	Slack float64
}

// Dial returns a Client. It connects when it first has to.
func Dial(opts Options) (*Client, error) {
	conn, err := grpc.NewClient(target(opts.Address),
		// Inside the cluster network policies guard the recognizer; it holds no
		// secret and changes nothing.
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(serviceConfig),
		// A recognizer that comes back is found within seconds, not minutes.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
			MinConnectTimeout: 3 * time.Second,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 20 * time.Second, Timeout: 5 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
		grpc.WithStatsHandler(sendings{}),
	)
	if err != nil {
		return nil, fmt.Errorf("dial the recognizer at %s: %w", opts.Address, err)
	}
	return &Client{
		conn: conn, recognizer: recognizerv1.NewRecognizerClient(conn), health: healthpb.NewHealthClient(conn),
		neighbours: &recognizerv1.NeighbourLimit{Slack: float32(opts.Slack)}, timeout: opts.Timeout,
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

// Close ends the connections.
func (c *Client) Close() error { return c.conn.Close() }

// Recognize asks who is near the faces of the picture at a path. Where known is
// not zero and the file is still that one, the answer is Unchanged and the
// picture is not looked at; a recognizer of an older release looks at it all
// the same. Errors carry a reason (see faces.ReasonOf), and beside the error of
// a picture comes the file that was read, as far as it is known; where no
// recognizer has seen the request, they are faces.ErrNotAsked, too.
func (c *Client) Recognize(ctx context.Context, path string, known faces.File) (faces.Recognition, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	ctx, sent := noteSending(ctx)
	res, err := c.recognizer.Recognize(ctx, &recognizerv1.RecognizeRequest{
		Picture: &recognizerv1.RecognizeRequest_Path{Path: path}, Neighbours: c.neighbours, UnlessUnchanged: fileMessage(known),
	})
	if err != nil && !sent.Load() {
		return faces.Recognition{}, fmt.Errorf("%w: %w", faces.ErrNotAsked, domainError(err))
	}
	if err != nil {
		return faces.Recognition{File: fileOfError(err)}, domainError(err)
	}
	return recognition(res)
}

// Ping asks whether a recognizer is ready to serve.
func (c *Client) Ping(ctx context.Context) error {
	res, err := c.health.Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		return domainError(err)
	}
	if res.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		return faces.Fault(faces.RecognizerUnavailable, "the recognizer is not ready")
	}
	return nil
}

// Info is what a recognizer says of itself.
type Info struct {
	Model       faces.Model
	Gallery     string
	KnownImages int
	Problems    map[string]string // known picture → why it cannot be matched
	Engines     int
}

// Info asks a recognizer for its model set and known pictures.
func (c *Client) Info(ctx context.Context) (Info, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	res, err := c.recognizer.GetInfo(ctx, &recognizerv1.GetInfoRequest{})
	if err != nil {
		return Info{}, domainError(err)
	}
	info := Info{
		Model: model(res.GetModel()), Gallery: res.GetGalleryVersion(),
		KnownImages: int(res.GetKnownImages()), Engines: int(res.GetEngines()), Problems: map[string]string{},
	}
	for _, p := range res.GetProblems() {
		info.Problems[p.GetImageName()] = p.GetMessage()
	}
	return info, nil
}

// domainError gives an error of gRPC the reason that it means for the image.
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

func recognition(res *recognizerv1.RecognizeResponse) (faces.Recognition, error) {
	seen := faces.Recognition{
		Width: int(res.GetWidth()), Height: int(res.GetHeight()),
		Model: model(res.GetModel()), Gallery: res.GetGalleryVersion(),
		File: file(res.GetFile()), Unchanged: res.GetUnchanged(),
	}
	for _, f := range res.GetFaces() {
		s, err := sighting(f)
		if err != nil {
			return faces.Recognition{}, faces.Fault(faces.Internal, "the recognizer's answer cannot be read").WithCause(err)
		}
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
		}
	}
	for _, p := range f.GetLandmarks() {
		s.Landmarks = append(s.Landmarks, faces.Point{X: int(p.GetX()), Y: int(p.GetY())})
	}
	s.Neighbours = neighbours(f.GetNeighbours())
	return s, nil
}

func model(m *recognizerv1.Model) faces.Model {
	return faces.Model{
		ID: m.GetId(), Threshold: m.GetThreshold(), Margin: m.GetMargin(), Official: m.GetOfficial(),
	}
}
