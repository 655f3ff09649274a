package embeddedqueue_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nsqio/go-nsq"

	"github.com/rollcall-faces/rollcall/apps/internal/embeddedqueue"
)

const (
	topic   = "images"
	channel = "ch"
	patient = 20 * time.Second // far more than any step takes
)

// Messages that wait when the program stops are there when it starts again.
func TestDataOutlivesTheServers(t *testing.T) {
	opts := embeddedqueue.Options{Dir: t.TempDir() + "/made/on/demand"}
	first := start(t, opts)
	publish(t, first, "kept")
	closeServers(t, first)

	if got := consume(t, start(t, opts)); got != "kept" {
		t.Errorf("consumed %q, want %q", got, "kept")
	}
}

func TestGivenPortsAreUsed(t *testing.T) {
	first := start(t, embeddedqueue.Options{Dir: t.TempDir()})
	closeServers(t, first)
	second := start(t, embeddedqueue.Options{
		Dir:     t.TempDir(),
		NSQDTCP: port(t, first.NSQD()), NSQDHTTP: port(t, first.NSQDHTTP()), LookupdHTTP: port(t, first.Lookupd()),
	})
	if second.NSQD() != first.NSQD() || second.NSQDHTTP() != first.NSQDHTTP() || second.Lookupd() != first.Lookupd() {
		t.Errorf("addresses are %s, %s, %s, want %s, %s, %s",
			second.NSQD(), second.NSQDHTTP(), second.Lookupd(), first.NSQD(), first.NSQDHTTP(), first.Lookupd())
	}
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	failed := make(chan error, 1)
	s := start(t, embeddedqueue.Options{Dir: t.TempDir(), Fail: func(err error) { failed <- err }})
	publish(t, s, "one")
	consume(t, s)
	closeServers(t, s)
	closeServers(t, s) // a second time: nothing to do
	select {
	case err := <-failed:
		t.Errorf("a server that was closed is said to have failed: %v", err)
	default:
	}
	// A client's last goroutine inside nsqd ends on its own, after Close.
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for begin := time.Now(); ; <-tick.C {
		left := serverGoroutines()
		if len(left) == 0 {
			return
		}
		if time.Since(begin) > patient {
			t.Fatalf("%d goroutines of the servers are left, the first:\n%s", len(left), left[0])
		}
	}
}

// On any machine, the topic is created without a warning and is registered when
// Start returns.
func TestTopicIsThereFromTheStart(t *testing.T) {
	var log bytes.Buffer // slog's handler guards it
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	var starts sync.WaitGroup
	for range 40 {
		dir := t.TempDir()
		starts.Go(func() {
			s, err := embeddedqueue.Start(embeddedqueue.Options{Dir: dir, Topic: topic, Channel: channel, Log: logger})
			if err != nil {
				t.Errorf("Start() = %v", err)
				return
			}
			if known := channels(t, s); !slices.Equal(known, []string{channel}) {
				t.Errorf("nsqlookupd knows the channels %q, want %q", known, channel)
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close() = %v", err)
			}
		})
	}
	starts.Wait()
	if log.Len() > 0 {
		t.Errorf("healthy starts warn:\n%s", log.String())
	}
}

// channels asks nsqlookupd for the topic's channels.
func channels(t *testing.T, s *embeddedqueue.Servers) []string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Lookupd()+"/channels?topic="+topic, nil)
	if err != nil {
		t.Error(err)
		return nil
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Errorf("ask nsqlookupd: %v", err)
		return nil
	}
	defer resp.Body.Close()
	var answer struct{ Channels []string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Errorf("nsqlookupd's answer: %v", err)
	}
	return answer.Channels
}

func TestStartSaysWhyNot(t *testing.T) {
	running := start(t, embeddedqueue.Options{Dir: t.TempDir()})
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		opts embeddedqueue.Options
		want string
	}{
		{"no folder", embeddedqueue.Options{}, "no data folder"},
		{"folder is a file", embeddedqueue.Options{Dir: file}, "data folder"},
		{"nsqd's port is taken", embeddedqueue.Options{Dir: t.TempDir(), NSQDTCP: port(t, running.NSQD())}, "in use"},
		{"nsqlookupd's port is taken", embeddedqueue.Options{Dir: t.TempDir(), LookupdHTTP: port(t, running.Lookupd())}, "in use"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := embeddedqueue.Start(tt.opts)
			if err == nil {
				closeServers(t, s)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Start() = %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func start(t *testing.T, opts embeddedqueue.Options) *embeddedqueue.Servers {
	t.Helper()
	s, err := embeddedqueue.Start(opts)
	if err != nil {
		t.Fatalf("Start() = %v", err)
	}
	t.Cleanup(func() { closeServers(t, s) })
	return s
}

func closeServers(t *testing.T, s *embeddedqueue.Servers) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
}

func publish(t *testing.T, s *embeddedqueue.Servers, body string) {
	t.Helper()
	p, err := nsq.NewProducer(s.NSQD(), nsq.NewConfig())
	if err != nil {
		t.Fatalf("make a producer: %v", err)
	}
	p.SetLogger(nil, nsq.LogLevelError)
	defer p.Stop()
	if err := p.Publish(topic, []byte(body)); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

// consume returns the next message that a consumer finds through nsqlookupd.
func consume(t *testing.T, s *embeddedqueue.Servers) string {
	t.Helper()
	cfg := nsq.NewConfig()
	cfg.LookupdPollInterval = 20 * time.Millisecond // nsqlookupd hears of a new topic a little late
	c, err := nsq.NewConsumer(topic, channel, cfg)
	if err != nil {
		t.Fatalf("make a consumer: %v", err)
	}
	c.SetLogger(nil, nsq.LogLevelError)
	arrived := make(chan string, 1)
	c.AddHandler(nsq.HandlerFunc(func(m *nsq.Message) error {
		select {
		case arrived <- string(m.Body):
			return nil
		default:
			return errors.New("one message is enough")
		}
	}))
	if err := c.ConnectToNSQLookupd(s.Lookupd()); err != nil {
		t.Fatalf("connect through nsqlookupd: %v", err)
	}
	defer func() {
		c.Stop()
		<-c.StopChan
	}()
	select {
	case body := <-arrived:
		return body
	case <-time.After(patient):
		t.Fatalf("no message within %s", patient)
		return ""
	}
}

// serverGoroutines returns the stacks that are inside nsqd or nsqlookupd.
func serverGoroutines() []string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var found []string
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(stack, "github.com/nsqio/nsq/") {
			found = append(found, stack)
		}
	}
	return found
}

func port(t *testing.T, address string) int {
	t.Helper()
	_, p, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatalf("SplitHostPort(%q): %v", address, err)
	}
	n, err := strconv.Atoi(p)
	if err != nil {
		t.Fatalf("port of %q: %v", address, err)
	}
	return n
}
