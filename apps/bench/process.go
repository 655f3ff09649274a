package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/childproc"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// process is a recognizer that runs as a child process.
type process struct {
	child   *childproc.Process
	address string
	conn    *grpc.ClientConn
	client  recognizerv1.RecognizerClient
	started time.Duration // from exec to SERVING
}

// startRecognizer starts a recognizer and waits until it serves. workers 0
// means one per core.
func startRecognizer(ctx context.Context, o options, known, unknown string, workers int) (*process, error) {
	return startRecognizerOn(ctx, o, known, unknown, workers, anyCore)
}

// anyCore lets a process run on all cores.
const anyCore = -1

// startRecognizerOn is startRecognizer for a recognizer that runs on one core only,
// with all its workers. It needs taskset.
func startRecognizerOn(ctx context.Context, o options, known, unknown string, workers, core int) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, childName)
	if core != anyCore {
		cmd = exec.CommandContext(ctx, "taskset", "--cpu-list", strconv.Itoa(core), self, childName)
	}
	cmd.Env = append(append(os.Environ(), o.models.Env()...), "KNOWN_PEOPLE="+known, "UNKNOWN_PEOPLE="+unknown,
		"ROLLCALL_LISTEN_ADDRESS="+address, "ROLLCALL_ADMIN_ADDRESS=127.0.0.1:0", "ROLLCALL_LOG_LEVEL=error")
	if workers > 0 {
		cmd.Env = append(cmd.Env, "ROLLCALL_ENGINES="+strconv.Itoa(workers))
	}
	cmd.Stderr = os.Stderr
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	child, err := childproc.Start(cmd)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start a recognizer: %w", err), conn.Close())
	}
	p := &process{child: child, address: address, conn: conn, client: recognizerv1.NewRecognizerClient(conn)}
	if err := p.waitUntilServing(ctx); err != nil {
		p.stop()
		return nil, err
	}
	p.started = time.Since(begin)
	return p, nil
}

// waitUntilServing pings the recognizer until it serves. Each ping uses a new
// connection, because gRPC waits before it reconnects.
func (p *process) waitUntilServing(ctx context.Context) error {
	const pause = 20 * time.Millisecond
	for {
		probe, err := recognizerclient.Dial(recognizerclient.Options{Address: p.address, Timeout: time.Minute})
		if err != nil {
			return err
		}
		err = errors.Join(probe.Ping(ctx), probe.Close())
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.child.Done():
			return fmt.Errorf("the recognizer ended before it was ready; the last ping failed with: %w", err)
		case <-time.After(pause):
		}
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// stop stops the recognizer and waits for its end.
func (p *process) stop() {
	_ = p.conn.Close()
	_ = p.child.Signal(syscall.SIGTERM)
	<-p.child.Done()
}

// ask sends the path of a picture to the recognizer.
func (p *process) ask(ctx context.Context, path string) (*recognizerv1.RecognizeResponse, error) {
	return p.client.Recognize(ctx, &recognizerv1.RecognizeRequest{
		Picture: &recognizerv1.RecognizeRequest_Path{Path: path}, MaxDescriptorSize: faces.MaxDescriptorSize,
	})
}

// family returns the process ids of the recognizer and its workers.
func (p *process) family() []int {
	pids := []int{p.child.PID()}
	list, err := processes()
	if err != nil {
		return pids
	}
	for pid, one := range list {
		if one.parent == pids[0] {
			pids = append(pids, pid)
		}
	}
	return pids
}

// residentMiB returns the resident memory of processes in MiB. Shared pages
// count once per process.
func residentMiB(pids []int) float64 {
	pages := 0
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			continue // the worker was replaced
		}
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			n, _ := strconv.Atoi(fields[1]) // always a number
			pages += n
		}
	}
	return float64(pages*os.Getpagesize()) / (1 << 20)
}

// proportionalMiB returns the memory of processes. A page that several of them
// share counts once in all, as it does for a container's limit.
func proportionalMiB(pids []int) float64 {
	kib := 0
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue // the worker was replaced
		}
		_, rest, _ := strings.Cut(string(text), "\nPss:")
		if fields := strings.Fields(rest); len(fields) > 0 {
			n, _ := strconv.Atoi(fields[0]) // always a number
			kib += n
		}
	}
	return float64(kib) / 1024
}
