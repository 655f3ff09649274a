package manifests

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nsqio/go-nsq"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/queuetest"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
)

// nsqModule has the programs of the image, in the version of the manifests.
const nsqModule = "github.com/nsqio/nsq@v1.3.0"

// asWget makes the test's program print the page of its last argument.
const asWget = "ROLLCALL_TEST_WGET"

func TestMain(m *testing.M) {
	if os.Getenv(asWget) == "" {
		os.Exit(m.Run())
	}
	if err := printPage(os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func printPage(address string) error {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(os.Stdout, res.Body)
	return err
}

// nsqTools puts the programs of nsq's image that the drain uses into a folder.
func nsqTools(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", dir, "./apps/nsq_stat", "./apps/nsq_to_nsq")
	cmd.Dir, cmd.Env = module(t, nsqModule), append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly -trimpath")
	if out, err := cmd.CombinedOutput(); err != nil {
		why := fmt.Sprintf("cannot build nsq's programs: %v: %s", err, out)
		if os.Getenv("ROLLCALL_TEST_REQUIRE") != "" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	wget := fmt.Sprintf("#!/bin/sh\n%s=1 exec '%s' \"$@\"\n", asWget, self)
	if err := os.WriteFile(filepath.Join(dir, "wget"), []byte(wget), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

const drainedPod = "10.0.0.7"

// drain returns the preStop hook of the nsqd of a receiver whose nsqd is from, as it runs
// when the Service nsqd leads to an nsqd. broadcast is the address that this one tells.
func drain(t *testing.T, tools string, from, to *queuetest.Queue, broadcast string) *exec.Cmd {
	t.Helper()
	w, _ := load(t, "minikube", nil).workload("receiver")
	in, _ := w.container("nsqd")
	command := in.Lifecycle.PreStop.Exec.Command
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"version":"1.3.0","broadcast_address":%q,"tcp_port":4150}`, broadcast)
	}))
	t.Cleanup(service.Close)
	script := strings.NewReplacer("127.0.0.1:4150", from.NSQD(), "127.0.0.1:4151", from.NSQDHTTP(), "nsqd:4150", to.NSQD(),
		"http://nsqd:4151", service.URL, ":2328 ", fmt.Sprintf(":%04X ", closedPort(t))).Replace(command[2])
	cmd := exec.CommandContext(t.Context(), command[0], command[1], script)
	cmd.Env = append(os.Environ(), "PATH="+tools+":"+os.Getenv("PATH"), "POD_IP="+drainedPod)
	return cmd
}

// closedPort returns a port at which nobody listens, as when the receiver has ended.
func closedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// post publishes as many ids.
func post(t *testing.T, q *queuetest.Queue, n int) {
	t.Helper()
	p, err := imagequeue.NewProducer(q.NSQD(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = int64(i + 1)
	}
	if err := p.Publish(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
}

// consume answers each message of the channel with answer, until done is closed.
func consume(t *testing.T, q *queuetest.Queue, answer func(*nsq.Message), done <-chan struct{}) {
	t.Helper()
	config := nsq.NewConfig()
	config.MaxInFlight, config.MaxAttempts = 100, 0
	c, err := nsq.NewConsumer(imagequeue.Topic, imagequeue.Channel, config)
	if err != nil {
		t.Fatal(err)
	}
	c.SetLogger(nil, nsq.LogLevelMax)
	c.AddHandler(nsq.HandlerFunc(func(m *nsq.Message) error {
		m.DisableAutoResponse()
		answer(m)
		return nil
	}))
	if err := c.ConnectToNSQD(q.NSQD()); err != nil {
		t.Fatal(err)
	}
	<-done
	c.Stop()
	<-c.StopChan
}

func waits(q *queuetest.Queue) int64 {
	depth, inFlight, deferred := q.Depth(imagequeue.Topic, imagequeue.Channel)
	return depth + inFlight + deferred
}

// What waits in the nsqd of a receiver that goes is in that of another one soon, also
// what has been delivered often.
func TestDrainHandsOver(t *testing.T) {
	t.Parallel()
	const messages, often = 300, 8
	from, to, tools := queuetest.Start(t), queuetest.Start(t), nsqTools(t)
	post(t, from, messages)
	delivered := make(chan struct{})
	var once sync.Once
	consume(t, from, func(m *nsq.Message) {
		m.RequeueWithoutBackoff(0)
		if m.Attempts > often {
			once.Do(func() { close(delivered) })
		}
	}, delivered)
	if out, err := drain(t, tools, from, to, "10.0.0.8").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := waits(from); got != 0 {
		t.Errorf("%d messages wait in the old queue", got)
	}
	if got := waits(to); got != messages {
		t.Errorf("%d messages wait in the new queue, want %d", got, messages)
	}
}

// A receiver may go before any processor has found its nsqd. Then what was posted waits in
// the topic, which has no channel yet.
func TestDrainHandsOverWhatNobodyHasAskedFor(t *testing.T) {
	t.Parallel()
	const messages = 20
	from, to := queuetest.Start(t), queuetest.Start(t)
	post(t, from, messages)
	if out, err := drain(t, nsqTools(t), from, to, "10.0.0.8").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := waits(to); got != messages || waits(from) != 0 {
		t.Errorf("%d messages wait in the new queue, want %d; %d in the old one", got, messages, waits(from))
	}
}

// A receiver to which nobody has posted anything has nothing to wait for.
func TestDrainOfNothing(t *testing.T) {
	t.Parallel()
	from, to := queuetest.Start(t), queuetest.Start(t)
	if out, err := drain(t, nsqTools(t), from, to, drainedPod).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := waits(to); got != 0 {
		t.Errorf("%d messages wait", got)
	}
}

// Where no other receiver serves, the Service leads to the one that goes. Then nothing is
// handed on, and the processors empty its queue.
func TestDrainAlone(t *testing.T) {
	t.Parallel()
	from, to, tools := queuetest.Start(t), queuetest.Start(t), nsqTools(t)
	post(t, from, 50)
	hook := drain(t, tools, from, to, drainedPod)
	ended := make(chan struct{})
	var out []byte
	var failed error
	go func() {
		defer close(ended)
		out, failed = hook.CombinedOutput()
	}()
	consume(t, from, (*nsq.Message).Finish, ended)
	if failed != nil {
		t.Errorf("%v: %s", failed, out)
	}
	if got := waits(from) + waits(to); got != 0 {
		t.Errorf("%d messages wait", got)
	}
}
