package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// attack is one way to attack. run returns an error if the program answered
// otherwise than it should.
type attack struct {
	name string
	rest bool // it is on standalone's REST API, otherwise on the recognizer
	run  func(ctx context.Context) error
}

func (r *rig) attacks() []attack {
	return []attack{
		{name: "TIFF strip bomb, compressed, 4 at once", run: r.pictures("strips.tif", 4, func() ([]byte, error) { return stripBomb(r.size.strips, 8), nil })},
		{name: "TIFF strip bomb, plain", run: r.pictures("plain.tif", 1, func() ([]byte, error) { return stripBomb(r.size.plainStrips, 1), nil })},
		{name: "progressive JPEG bomb", run: r.pictures("scans.jpg", 2, func() ([]byte, error) { return scanBomb(r.size.jpeg, r.size.scans), nil })},
		{name: "grid of faces", run: r.pictures("grid.jpg", 2, r.grid)},
		{name: "gRPC messages of 199 MiB", run: r.messages(199 << 20)},
		{name: "gRPC messages of 15 MiB", run: r.messages(15 << 20)},
		{name: "gRPC match calls", run: r.matches},
		{name: "gRPC clients that send nothing", run: r.silent},
		{name: "corpora of the fuzz tests", run: r.fuzz},
		{name: "names that are not UTF-8", run: r.names},
		{name: "a worker is stopped by SIGSTOP", run: r.stopWorker},
		{name: "REST bodies that stay half sent", rest: true, run: r.slowBodies},
		{name: "REST posts of many long paths at once", rest: true, run: r.longPaths},
		{name: "REST gzip bomb", rest: true, run: r.gzipBomb},
		{name: "DNS rebinding", rest: true, run: r.rebinding},
		{name: "uploads with tricks in names, parts and boundaries", rest: true, run: r.uploadTricks},
		{name: "uploads of very many parts", rest: true, run: r.manyParts},
		{name: "uploads that stay half sent", rest: true, run: r.slowUploads},
		{name: "bombs to identify, compare, enrol and upload", rest: true, run: r.questions},
		{name: "known pictures by paths that lead elsewhere", rest: true, run: r.knownPaths},
		{name: "sizes, margins and ETags out of range", rest: true, run: r.numbers},
		{name: "strange names of people", rest: true, run: r.strangeNames},
	}
}

// pictures asks about a hostile picture, n times at once. Any answer will do if
// it comes in time: the canaries tell whether others suffer.
func (r *rig) pictures(name string, n int, content func() ([]byte, error)) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		raw, err := content()
		if err != nil {
			return err
		}
		path, err := r.put(name, raw)
		if err != nil {
			return err
		}
		var group errgroup.Group
		for range n {
			group.Go(func() error {
				_, err := r.ask(ctx, path)
				switch status.Code(err) {
				case codes.OK, codes.InvalidArgument, codes.OutOfRange:
					return nil
				}
				return fmt.Errorf("the hostile picture: %w", err)
			})
		}
		return errors.Join(group.Wait(), os.Remove(r.path("r", "unknown", name)))
	}
}

func (r *rig) grid() ([]byte, error) {
	portrait, err := os.ReadFile(r.path("r", "known", "Ada", "1.jpg"))
	if err != nil {
		return nil, err
	}
	return faceGrid(portrait, r.size.grid)
}

// messages sends large pictures as bytes. They are refused, as too large or as
// no picture.
func (r *rig) messages(size int) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		req := &recognizerv1.RecognizeRequest{MaxDescriptorSize: 1 << 16, Picture: &recognizerv1.RecognizeRequest_Content{Content: make([]byte, size)}}
		var group errgroup.Group
		for range r.size.calls {
			group.Go(func() error {
				_, err := r.client.Recognize(ctx, req)
				if c := status.Code(err); c != codes.ResourceExhausted && c != codes.InvalidArgument {
					return fmt.Errorf("a large message: %w", err)
				}
				return nil
			})
		}
		return group.Wait()
	}
}

func (r *rig) matches(ctx context.Context) error {
	info, err := r.client.GetInfo(ctx, &recognizerv1.GetInfoRequest{})
	if err != nil {
		return err
	}
	req := &recognizerv1.MatchRequest{
		ModelId: info.GetModel().GetId(), MaxDescriptorSize: 1 << 16,
		Neighbours: &recognizerv1.NeighbourLimit{Count: 1000, Slack: 10},
	}
	for range r.size.faces {
		req.Descriptors = append(req.Descriptors, make([]byte, 4*info.GetModel().GetSize()))
	}
	var group errgroup.Group
	for range r.size.calls {
		group.Go(func() error {
			_, err := r.client.Match(ctx, req, grpc.MaxCallRecvMsgSize(1<<30))
			if c := status.Code(err); c != codes.OK && c != codes.ResourceExhausted {
				return fmt.Errorf("a match call: %w", err)
			}
			return nil
		})
	}
	return group.Wait()
}

// silent opens calls whose messages never come. Good pictures are asked about on
// the same connection.
func (r *rig) silent(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for range r.size.clients {
		stream, err := r.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, recognizerv1.Recognizer_RecognizeBatch_FullMethodName)
		if err != nil {
			return err
		}
		if err := stream.SendMsg(&recognizerv1.RecognizeBatchRequest{}); err != nil {
			return err
		}
	}
	select {
	case <-time.After(5 * time.Second):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *rig) fuzz(ctx context.Context) error {
	list, err := r.corpus()
	if err != nil || len(list) == 0 {
		return errors.Join(fmt.Errorf("no corpora in %s", r.corpora), err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for _, raw := range list {
		group.Go(func() error {
			_, err := r.client.Recognize(ctx, &recognizerv1.RecognizeRequest{
				MaxDescriptorSize: 1 << 16, Picture: &recognizerv1.RecognizeRequest_Content{Content: raw},
			})
			if c := status.Code(err); c == codes.Internal || c == codes.Unavailable {
				return fmt.Errorf("input %.40q: %w", raw, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// names adds folders and files whose names are not UTF-8, and then a good
// picture, which must become known.
func (r *rig) names(ctx context.Context) error {
	portrait, err := os.ReadFile(r.path("r", "known", "Ada", "1.jpg"))
	if err != nil {
		return err
	}
	before, err := r.client.GetInfo(ctx, &recognizerv1.GetInfoRequest{})
	if err != nil {
		return err
	}
	for _, name := range []string{"M\xfcller/1.jpg", "Ada/J\xf6rg.jpg", "@eaDir/1.jpg", "New/1.jpg"} {
		full := r.path("r", "known", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, bytes.Clone(portrait), 0o644)); err != nil {
			return err
		}
	}
	return r.until(ctx, "the good picture among bad names is known", r.recognizer, func(ctx context.Context) error {
		now, err := r.client.GetInfo(ctx, &recognizerv1.GetInfoRequest{})
		if err == nil && now.GetKnownImages() != before.GetKnownImages()+1 {
			err = fmt.Errorf("%d known pictures, want one more than %d", now.GetKnownImages(), before.GetKnownImages())
		}
		return err
	})
}

// stopWorker stops a worker, which then hangs as a bug in C++ would.
func (r *rig) stopWorker(ctx context.Context) error {
	workers := r.recognizer.children()
	if len(workers) == 0 {
		return errors.New("the recognizer has no workers")
	}
	if err := syscall.Kill(workers[0], syscall.SIGSTOP); err != nil {
		return err
	}
	return r.until(ctx, "the stopped worker is replaced", r.recognizer, func(context.Context) error {
		for _, pid := range r.recognizer.children() {
			if pid == workers[0] {
				return errors.New("it is still there")
			}
		}
		return nil
	})
}
