package chaos

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/nsqio/nsq/nsqd"
	"github.com/nsqio/nsq/nsqlookupd"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// roleMark is the first argument of a process that runs a role.
const roleMark = "chaos-role"

// Role runs the role that args name (nsqd, nsqlookupd, the recognizer, a consumer of events or the target of a webhook) until
// the process is asked to stop, and returns the exit code. It returns ok false
// at once if args name no role. A program that calls Run must call it first:
//
//	if code, ok := chaos.Role(os.Args[1:]); ok {
//		os.Exit(code)
//	}
func Role(args []string) (code int, ok bool) {
	if len(args) < 2 || args[0] != roleMark {
		return 0, false
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := runRole(ctx, args[1], args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", args[1], err)
		return 1, true
	}
	return 0, true
}

func runRole(ctx context.Context, role string, args []string) error {
	flags := flag.NewFlagSet(role, flag.ContinueOnError)
	tcp := flags.String("tcp", "", "host:port to listen on")
	http := flags.String("http", "", "host:port to listen on for HTTP")
	data := flags.String("data", "", "folder")
	lookupd := flags.String("lookupd", "", "host:port of nsqlookupd (TCP)")
	broadcastTCP := flags.Int("broadcast-tcp", 0, "TCP port to announce")
	url := flags.String("url", "", "address of the receiver")
	broadcastHTTP := flags.Int("broadcast-http", 0, "HTTP port to announce")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch role {
	case "nsqd":
		opts := nsqd.NewOptions()
		opts.TCPAddress, opts.HTTPAddress, opts.DataPath = *tcp, *http, *data
		opts.NSQLookupdTCPAddresses = []string{*lookupd}
		opts.BroadcastAddress = host
		opts.BroadcastTCPPort, opts.BroadcastHTTPPort = *broadcastTCP, *broadcastHTTP
		opts.Logger = nsqLog{os.Stderr}
		return serveNSQD(ctx, opts)
	case "nsqlookupd":
		opts := nsqlookupd.NewOptions()
		opts.TCPAddress, opts.HTTPAddress, opts.BroadcastAddress = *tcp, *http, host
		opts.Logger = nsqLog{os.Stderr}
		return serveNSQLookupd(ctx, opts)
	case "recognizer":
		return serveRecognizer(ctx, *tcp)
	case "hook":
		return serveHook(ctx, *tcp, *data)
	case "consumer":
		return consume(ctx, *url, *data)
	default:
		return errors.New("unknown role")
	}
}

// nsqLog writes the log lines above DEBUG.
type nsqLog struct{ w io.Writer }

// Output implements the Logger interfaces of nsqd and nsqlookupd.
func (l nsqLog) Output(_ int, line string) error {
	if strings.HasPrefix(line, "DEBUG") {
		return nil
	}
	_, err := fmt.Fprintln(l.w, time.Now().Format("15:04:05.000"), line)
	return err
}

// serveNSQD runs an nsqd until ctx is cancelled.
func serveNSQD(ctx context.Context, opts *nsqd.Options) error {
	server, err := nsqd.New(opts)
	if err != nil {
		return err
	}
	if err := errors.Join(server.LoadMetadata(), server.PersistMetadata()); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, server.Exit)()
	return server.Main()
}

func serveNSQLookupd(ctx context.Context, opts *nsqlookupd.Options) error {
	server, err := nsqlookupd.New(opts)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, server.Exit)()
	return server.Main()
}

func serveRecognizer(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	recognizerv1.RegisterRecognizerServer(server, quickRecognizer{})
	state := health.NewServer()
	healthpb.RegisterHealthServer(server, state)
	defer context.AfterFunc(ctx, func() {
		state.Shutdown()
		const grace = 5 * time.Second
		defer time.AfterFunc(grace, server.Stop).Stop()
		server.GracefulStop()
	})()
	return server.Serve(listener)
}

// quickRecognizer answers from the path alone, about as fast as a few engines,
// so that images are in progress at every fault. It sometimes fails or hangs,
// as real ones do.
type quickRecognizer struct {
	recognizerv1.UnimplementedRecognizerServer
}

const (
	longestAnswer = 80 * time.Millisecond
	// One in this many calls hangs, fails or is refused.
	hangsOneIn   = 500
	failsOneIn   = 250
	refusesOneIn = 250
)

// Recognize implements the RPC of the same name.
func (quickRecognizer) Recognize(ctx context.Context, req *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error) {
	pause(ctx, rand.N(longestAnswer))
	switch {
	case rand.N(hangsOneIn) == 0:
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	case rand.N(failsOneIn) == 0:
		return nil, status.Error(codes.Internal, "out of sorts")
	case rand.N(refusesOneIn) == 0:
		return nil, status.Error(codes.ResourceExhausted, "too busy")
	}
	a, file := answerFor(req.GetPath()), fileAt(req.GetPath())
	switch {
	case a.reason == faces.NotFound:
		return nil, pictureFault(a.reason)
	case proto.Equal(req.GetUnlessUnchanged(), file): // files never change here
		return &recognizerv1.RecognizeResponse{Unchanged: true, File: file, Model: model()}, nil
	case a.reason.Permanent():
		return nil, pictureFault(a.reason, file)
	}
	res := a.response()
	res.File = file
	return res, nil
}

// fileAt returns the identity of the file at a path.
func fileAt(path string) *recognizerv1.File {
	sum := sha256.Sum256([]byte(path))
	return &recognizerv1.File{Size: int64(len(path)), Modified: 1, Sha256: sum[:]}
}

func model() *recognizerv1.Model {
	return &recognizerv1.Model{Id: modelID, Threshold: 0.6, Margin: 0.05}
}

// pictureFault returns the error of the real recognizer for a bad picture.
func pictureFault(r faces.Reason, file ...*recognizerv1.File) error {
	st := status.New(codes.InvalidArgument, "this picture cannot be processed")
	details := []protoadapt.MessageV1{&errdetails.ErrorInfo{Reason: string(r), Domain: recognizerclient.ErrorDomain}}
	for _, f := range file {
		details = append(details, protoadapt.MessageV1Of(f))
	}
	detailed, err := st.WithDetails(details...)
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	return detailed.Err()
}

// response returns the recognizer's response that leads to the answer. Only the
// first face is of a known person.
func (a answer) response() *recognizerv1.RecognizeResponse {
	res := &recognizerv1.RecognizeResponse{
		Width: 640, Height: 480, GalleryVersion: gallery,
		Model: model(),
	}
	for i := range a.faces {
		like := likeness{person: a.person}
		if i == 0 {
			like.reason = a.reason
		}
		res.Faces = append(res.Faces, &recognizerv1.Face{
			Box:         &recognizerv1.Box{X: uint32(100 * i), Y: 10, Width: 80, Height: 80},
			Descriptor_: like.descriptor().Bytes(), Neighbours: like.neighbours(),
		})
	}
	return res
}
