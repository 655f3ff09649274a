package recognizerclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// Replicas keeps a connection to each recognizer, for what all of them need to be told.
// A Client sends a call to one of them. It is safe for concurrent use: a program that
// stops may not wait for a List to end.
type Replicas struct {
	target string
	opts   Options
	lookup func(ctx context.Context, host string) ([]string, error)

	mu     sync.Mutex          // guards the fields below
	open   map[string]*Replica // by target
	closed bool
}

// errReplicasClosed is why List fails after Close.
var errReplicasClosed = errors.New("the connections to the recognizers are closed")

// Replica is one recognizer.
type Replica struct {
	target     string
	conn       *grpc.ClientConn
	recognizer recognizerv1.RecognizerClient
	health     healthpb.HealthClient
	timeout    time.Duration
}

// NewReplicas returns the recognizers at opts.Address. A name is resolved again by each
// List; it must resolve to the recognizers' own addresses, as that of a headless Service
// does.
func NewReplicas(opts Options) *Replicas {
	return &Replicas{target: target(opts.Address), opts: opts, lookup: net.DefaultResolver.LookupHost, open: map[string]*Replica{}}
}

// WithLookup makes r resolve names by f, for tests.
func (r *Replicas) WithLookup(f func(ctx context.Context, host string) ([]string, error)) *Replicas {
	r.lookup = f
	return r
}

// List returns the recognizers that the name resolves to now. It closes the connections
// to all others.
func (r *Replicas) List(ctx context.Context) ([]*Replica, error) {
	targets, err := r.targets(ctx)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errReplicasClosed
	}
	now, list := map[string]*Replica{}, []*Replica(nil)
	for _, t := range targets {
		one := r.open[t]
		if one == nil {
			if one, err = r.dial(t); err != nil {
				return nil, err
			}
			r.open[t] = one
		}
		if now[t] == nil {
			list = append(list, one)
		}
		now[t] = one
	}
	for t, one := range r.open {
		if now[t] == nil {
			one.conn.Close() // it has nothing to say: no call is left
			delete(r.open, t)
		}
	}
	return list, nil
}

func (r *Replicas) targets(ctx context.Context) ([]string, error) {
	host, port, err := net.SplitHostPort(strings.TrimPrefix(r.target, "dns:///"))
	if err != nil || !strings.HasPrefix(r.target, "dns:///") {
		return []string{r.target}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	defer cancel()
	addresses, err := r.lookup(ctx, host)
	if err != nil {
		return nil, faces.Fault(faces.RecognizerUnavailable, "the recognizers' name cannot be resolved").WithCause(err)
	}
	targets := make([]string, len(addresses))
	for i, a := range addresses {
		targets[i] = "passthrough:///" + net.JoinHostPort(a, port)
	}
	return targets, nil
}

func (r *Replicas) dial(target string) (*Replica, error) {
	conn, err := grpc.NewClient(target, append(append(transport(r.opts.Token), r.opts.Metrics.options()...), grpc.WithConnectParams(grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
		MinConnectTimeout: 3 * time.Second,
	}))...)
	if err != nil {
		return nil, fmt.Errorf("dial the recognizer at %s: %w", target, err)
	}
	return &Replica{target: target, conn: conn, recognizer: recognizerv1.NewRecognizerClient(conn), health: healthpb.NewHealthClient(conn), timeout: r.opts.Timeout}, nil
}

// Close closes all connections. There are no new ones after it.
func (r *Replicas) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	var errs []error
	for t, one := range r.open {
		errs = append(errs, one.conn.Close())
		delete(r.open, t)
	}
	return errors.Join(errs...)
}

// Address names the recognizer in logs.
func (r *Replica) Address() string { return strings.TrimPrefix(r.target, "passthrough:///") }

// Ping returns nil if the recognizer is ready to serve.
func (r *Replica) Ping(ctx context.Context) error { return ping(ctx, r.health) }

// CheckFaces returns the state of the recognizer's index, and a summary of the faces
// with ids in (after, upTo] in it. newest is the largest id of a stored face. An empty
// range only asks for the state. If the model set is another one, the error has
// faces.CodeConflict; if the recognizer is of an older release, it wraps
// faces.ErrNotOffered.
func (r *Replica) CheckFaces(ctx context.Context, model string, after, upTo, newest int64) (faces.FaceIndex, faces.FaceSummary, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	res, err := r.recognizer.CheckFaces(ctx, &recognizerv1.CheckFacesRequest{ModelId: model, After: after, UpTo: upTo, Newest: newest})
	if err != nil {
		return faces.FaceIndex{}, faces.FaceSummary{}, feedError(err)
	}
	return faceIndex(res.GetIndex()), faces.FaceSummary{Count: res.GetCount(), Digest: res.GetDigest()}, nil
}

// PutFaces replaces the faces with ids in (after, upTo] in the recognizer's index, and
// returns its state. Errors are those of CheckFaces; with faces.CodeConflict the index
// may also have been emptied by a restart.
func (r *Replica) PutFaces(ctx context.Context, model string, after, upTo, newest int64, list []faces.StoredDescriptor) (faces.FaceIndex, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	req := &recognizerv1.PutFacesRequest{ModelId: model, After: after, UpTo: upTo, Newest: newest, Faces: make([]*recognizerv1.StoredFace, len(list))}
	for i, f := range list {
		req.Faces[i] = &recognizerv1.StoredFace{Id: f.ID, Descriptor_: f.Descriptor}
	}
	res, err := r.recognizer.PutFaces(ctx, req)
	if err != nil {
		return faces.FaceIndex{}, feedError(err)
	}
	return faceIndex(res.GetIndex()), nil
}

func feedError(err error) error {
	if status.Code(err) == codes.Unimplemented {
		return searchError(err)
	}
	return matchError(err)
}

func faceIndex(x *recognizerv1.FaceIndex) faces.FaceIndex {
	return faces.FaceIndex{
		Model: model(x.GetModel()), Faces: x.GetFaces(), Capacity: x.GetCapacity(), Mark: x.GetMark(), Complete: x.GetComplete(), Full: x.GetFull(),
	}
}
