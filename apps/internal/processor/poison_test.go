package processor_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/processor"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// mortalEnv makes this program a recognizer that dies of one path. It serves on
// the socket that is its fourth file, as that of standalone does.
const mortalEnv = "ROLLCALL_TEST_MORTAL_RECOGNIZER"

type mortal struct {
	recognizerv1.UnimplementedRecognizerServer
}

// Recognize sees nobody, and dies of poison as a program does whose C++ reads
// where nothing is.
func (mortal) Recognize(ctx context.Context, req *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error) {
	select {
	case <-time.After(50 * time.Millisecond): // as long as a small picture takes: others are in flight meanwhile
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if strings.HasSuffix(req.GetPath(), poisoned) {
		_ = syscall.Kill(os.Getpid(), syscall.SIGSEGV)
		select {}
	}
	return &recognizerv1.RecognizeResponse{Width: 8, Height: 8, Model: &recognizerv1.Model{Id: "mortal-1", Threshold: 0.5}}, nil
}

func serveMortal() {
	l, err := net.FileListener(os.NewFile(3, "socket"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	s := grpc.NewServer()
	recognizerv1.RegisterRecognizerServer(s, mortal{})
	healthpb.RegisterHealthServer(s, health.NewServer())
	fmt.Fprintln(os.Stderr, s.Serve(l))
	os.Exit(1)
}

// mortals starts such a recognizer again and again, and returns its address and
// a function that tells how often it has died.
func mortals(t *testing.T) (address string, deaths func() int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done, ended := make(chan struct{}), make(chan error, 100)
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			cmd := exec.CommandContext(ctx, self)
			cmd.Env = append(os.Environ(), mortalEnv+"=1")
			cmd.ExtraFiles = []*os.File{socket}
			err := cmd.Run()
			if ctx.Err() == nil {
				ended <- err
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		<-done
		socket.Close()
		l.Close()
	})
	return l.Addr().String(), func() int { return len(ended) }
}

// frail is a recognizer in this process that ends all its calls at poison.
type frail struct {
	mortal
	end func()
}

// Recognize implements recognizerv1.RecognizerServer.
func (f frail) Recognize(ctx context.Context, req *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error) {
	if strings.HasSuffix(req.GetPath(), poisoned) {
		go f.end()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return f.mortal.Recognize(ctx, req)
}

// slowFrail serves such a recognizer, which takes a while to come back, during
// which nobody listens, as a pod does.
func slowFrail(t *testing.T, pause time.Duration) (address string, deaths func() int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	done, ended := make(chan struct{}), make(chan error, 100)
	go func() {
		defer close(done)
		for {
			s := grpc.NewServer()
			recognizerv1.RegisterRecognizerServer(s, frail{end: s.Stop})
			healthpb.RegisterHealthServer(s, health.NewServer())
			undo := context.AfterFunc(ctx, s.Stop)
			err := s.Serve(l) // it closes l
			undo()
			if ctx.Err() != nil {
				return
			}
			ended <- err
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
			if l, err = net.Listen("tcp", address); err != nil {
				t.Errorf("come back: %v", err)
				return
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return address, func() int { return len(ended) }
}

const poisoned = "poison.jpg"

// A picture that the recognizer dies of ends as failed after its attempts, and
// takes nobody with it.
func TestPoisonTakesNoNeighbourWithIt(t *testing.T) {
	t.Parallel()
	address, deaths := mortals(t)
	o := options()
	o.Calls, o.Attempts = 21, 3
	o.Breaker.Failures = 100 // what fails at once here would open it, and only cost time
	poisonAmong(t, 20, address, deaths, o)
}

// The same where recognizers are away for a while after each death: calls that
// find nobody are no attempts.
func TestPoisonAndSlowRestarts(t *testing.T) {
	t.Parallel()
	address, deaths := slowFrail(t, time.Second)
	o := options()
	o.Calls = 21
	o.Breaker.Pause, o.Breaker.MaxPause = 200*time.Millisecond, time.Second
	poisonAmong(t, 60, address, deaths, o)
}

// poisonAmong queues poison and its neighbours. They are all answered, each after
// two attempts at most; the poison has all of its own.
func poisonAmong(t *testing.T, neighbours int, address string, deaths func() int, o processor.Options) {
	t.Helper()
	client, err := recognizerclient.Dial(recognizerclient.Options{Address: address, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	db := newDatabase(t)
	q := newMemoryQueue(t, db)
	q.attach(newRig(t, db, client, o).start(t).Processor)
	paths := []string{"/unknown_people/" + poisoned}
	for i := range neighbours {
		paths = append(paths, fmt.Sprintf("/unknown_people/neighbour-%d.jpg", i))
	}
	images, err := db.AddImages(t.Context(), paths)
	if err != nil {
		t.Fatal(err)
	}
	var ids []int64
	for _, img := range images {
		ids = append(ids, img.ID)
	}
	q.publish(ids...)
	q.awaitFinishedWithin(3*time.Minute, ids...)
	if img := db.image(t, ids[0]); img.Status != faces.Failed || !img.Reason.Transient() {
		t.Errorf("the poison ended as %s/%s, want failed for a service's fault", img.Status, img.Reason)
	}
	for i, id := range ids[1:] {
		if img := db.image(t, id); img.Reason != faces.NoFace || img.Attempts > 2 {
			t.Errorf("neighbour %d ended as %s/%s after %d attempts, want no_face after two at most", i, img.Status, img.Reason, img.Attempts)
		}
	}
	if n := deaths(); n != o.Attempts {
		t.Errorf("the recognizer died %d times, want %d", n, o.Attempts)
	}
}

// A picture that crashed the recognizer of one processor is looked at alone by the next
// one, too: none of its neighbours loses an attempt.
func TestProcessorsShareSuspects(t *testing.T) {
	t.Parallel()
	address, deaths := mortals(t)
	o := options()
	o.Calls, o.Attempts, o.Breaker.Failures = 21, 3, 100
	client, err := recognizerclient.Dial(recognizerclient.Options{Address: address, Timeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	db := newDatabase(t)
	paths := []string{"/unknown_people/" + poisoned}
	for i := range 20 {
		paths = append(paths, fmt.Sprintf("/unknown_people/neighbour-%d.jpg", i))
	}
	images, err := db.AddImages(t.Context(), paths)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int64, len(images))
	for i, img := range images {
		ids[i] = img.ID
	}
	c, err := db.Claim(t.Context(), "another processor", ids[:1], time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.ReleaseSuspects(t.Context(), []store.Lease{c.Claimed[0].Lease}); err != nil {
		t.Fatal(err)
	}
	q := newMemoryQueue(t, db)
	q.attach(newRig(t, db, client, o).start(t).Processor)
	q.publish(ids...)
	q.awaitFinishedWithin(3*time.Minute, ids...)
	if img := db.image(t, ids[0]); img.Status != faces.Failed || !img.Reason.Transient() {
		t.Errorf("the poison ended as %s/%s, want failed for a service's fault", img.Status, img.Reason)
	}
	for i, id := range ids[1:] {
		if img := db.image(t, id); img.Reason != faces.NoFace || img.Attempts > 1 {
			t.Errorf("neighbour %d ended as %s/%s after %d attempts, want no_face after one", i, img.Status, img.Reason, img.Attempts)
		}
	}
	if n := deaths(); n != o.Attempts-1 {
		t.Errorf("the recognizer died %d times, want %d", n, o.Attempts-1)
	}
}
