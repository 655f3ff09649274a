package embeddedqueue_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nsqio/go-nsq"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/embeddedqueue"
)

func startPrivate(t *testing.T, dir string, log *slog.Logger) *embeddedqueue.Private {
	t.Helper()
	p, err := embeddedqueue.StartPrivate(embeddedqueue.PrivateOptions{
		Dir: dir, Topic: topic, Channel: channel, Log: log, Fail: func(err error) { t.Error(err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// consumeFrom consumes one message.
func consumeFrom(t *testing.T, address string) string {
	t.Helper()
	c, err := nsq.NewConsumer(topic, channel, nsq.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	c.SetLogger(nil, nsq.LogLevelError)
	got := make(chan string, 10)
	c.AddHandler(nsq.HandlerFunc(func(m *nsq.Message) error { got <- string(m.Body); return nil }))
	if err := c.ConnectToNSQD(address); err != nil {
		t.Fatal(err)
	}
	defer func() { c.Stop(); <-c.StopChan }()
	select {
	case body := <-got:
		return body
	case <-time.After(patient):
		t.Fatal("no message came")
		return ""
	}
}

func publishTo(t *testing.T, address, body string) {
	t.Helper()
	p, err := nsq.NewProducer(address, nsq.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	p.SetLogger(nil, nsq.LogLevelError)
	defer p.Stop()
	if err := p.Publish(topic, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

func TestPrivateQueueOutlivesRestarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "queue")
	first := startPrivate(t, dir, nil)
	publishTo(t, first.NSQD(), "kept")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := startPrivate(t, dir, nil)
	if waiting, _, _ := second.Messages(); waiting != 1 {
		t.Errorf("%d messages wait, want 1", waiting)
	}
	if got := consumeFrom(t, second.NSQD()); got != "kept" {
		t.Errorf("consumed %q", got)
	}
	wait.Until(t, "the queue is empty", func() bool {
		waiting, inFlight, deferred := second.Messages()
		return waiting+inFlight+deferred == 0
	})
}

// A web page could send commands to nsqd's HTTP port. The process has no port that
// speaks HTTP.
func TestPrivateQueueHasNoHTTP(t *testing.T) {
	others := listeningPorts(t) // of servers that other tests could not start whole
	p := startPrivate(t, t.TempDir(), nil)
	ports := slices.DeleteFunc(listeningPorts(t), func(port int) bool { return slices.Contains(others, port) })
	if len(ports) != 1 {
		t.Errorf("it listens on the ports %v, want nsqd's alone", ports)
	}
	for _, port := range ports {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
			"http://127.0.0.1:"+strconv.Itoa(port)+"/channel/pause?topic="+topic+"&channel="+channel, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
			t.Errorf("port %d answers HTTP: %s", port, res.Status)
		}
	}
	publishTo(t, p.NSQD(), "one")
	if got := consumeFrom(t, p.NSQD()); got != "one" {
		t.Errorf("consumed %q", got)
	}
}

// listeningPorts returns the ports of 127.0.0.1 on which this process listens.
func listeningPorts(t *testing.T) []int {
	t.Helper()
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Skipf("cannot list the ports of this machine: %v", err)
	}
	inodes := map[string]bool{}
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, "socket:[") {
			inodes[strings.Trim(target, "socket:[]")] = true
		}
	}
	var ports []int
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 10 || fields[3] != "0A" || !inodes[fields[9]] {
			continue
		}
		_, hex, err := net.SplitHostPort(fields[1])
		if err != nil {
			t.Fatal(err)
		}
		port, err := strconv.ParseInt(hex, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, int(port))
	}
	return ports
}

// A pause that somebody made through the HTTP port of an earlier version does not
// outlast the next start.
func TestPausedQueueGoesOn(t *testing.T) {
	dir := t.TempDir()
	earlier := start(t, embeddedqueue.Options{Dir: dir, Topic: topic, Channel: channel})
	publish(t, earlier, "waits")
	for _, what := range []string{"/channel/pause?channel=" + channel + "&topic=", "/topic/pause?topic="} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+earlier.NSQDHTTP()+what+topic, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("pause: %v %v", res, err)
		}
		res.Body.Close()
	}
	closeServers(t, earlier)
	var log bytes.Buffer // slog's handler guards it
	now := startPrivate(t, dir, slog.New(slog.NewTextHandler(&log, nil)))
	if got := consumeFrom(t, now.NSQD()); got != "waits" {
		t.Errorf("consumed %q", got)
	}
	if !strings.Contains(log.String(), "the queue was paused; it goes on") {
		t.Errorf("the log does not tell: %s", log.String())
	}
}
