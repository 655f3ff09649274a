// Package queuetest gives a test its own queue: a real nsqd and a real
// nsqlookupd in this process, on free ports of 127.0.0.1.
package queuetest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/embeddedqueue"
)

// Queue is an nsqd registered with an nsqlookupd.
type Queue struct {
	tb      testing.TB
	servers *embeddedqueue.Servers
}

// Start starts both servers. They stop when the test ends. Their warnings and
// errors go to the test's log.
//
// nsqlookupd learns of a topic shortly after its first message. A consumer that
// asks earlier asks again after its LookupdPollInterval. Set a short one:
// go-nsq's default is a minute.
func Start(tb testing.TB) *Queue {
	tb.Helper()
	out := &output{w: tb.Output()}
	servers, err := embeddedqueue.Start(embeddedqueue.Options{
		Dir: tb.TempDir(),
		Log: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		tb.Fatalf("start a queue: %v", err)
	}
	tb.Cleanup(func() {
		if err := servers.Close(); err != nil {
			tb.Errorf("close the queue: %v", err)
		}
		out.close()
	})
	return &Queue{tb: tb, servers: servers}
}

// NSQD returns nsqd's TCP host:port. It stays the same over StopNSQD and
// StartNSQD.
func (q *Queue) NSQD() string { return q.servers.NSQD() }

// NSQDHTTP returns nsqd's HTTP host:port. It stays the same over StopNSQD and
// StartNSQD.
func (q *Queue) NSQDHTTP() string { return q.servers.NSQDHTTP() }

// Lookupd returns nsqlookupd's HTTP host:port.
func (q *Queue) Lookupd() string { return q.servers.Lookupd() }

// StopNSQD stops nsqd. Its clients lose their connections and its messages stay
// on disk.
func (q *Queue) StopNSQD() {
	q.tb.Helper()
	if err := q.servers.StopNSQD(); err != nil {
		q.tb.Errorf("stop nsqd: %v", err)
	}
}

// StartNSQD starts nsqd again on the same ports and with its messages.
func (q *Queue) StartNSQD() {
	q.tb.Helper()
	if err := q.servers.StartNSQD(); err != nil {
		q.tb.Fatalf("start nsqd: %v", err)
	}
}

// Depth returns how many messages of the channel are waiting, in flight and
// deferred. Messages that the topic has not handed to its channels yet count as
// waiting. A missing topic or channel has none.
func (q *Queue) Depth(topic, channel string) (depth, inFlight, deferred int64) {
	q.tb.Helper()
	stats, err := q.stats(topic)
	if err != nil {
		q.tb.Errorf("read nsqd's statistics: %v", err)
		return 0, 0, 0
	}
	for _, t := range stats.Topics {
		depth += t.Depth
		for _, c := range t.Channels {
			if c.Name != channel {
				continue
			}
			depth += c.Depth
			inFlight += c.InFlight
			deferred += c.Deferred
		}
	}
	return depth, inFlight, deferred
}

// Consumers returns the number of connections to the channel.
func (q *Queue) Consumers(topic, channel string) int {
	q.tb.Helper()
	stats, err := q.stats(topic)
	if err != nil {
		q.tb.Errorf("read nsqd's statistics: %v", err)
		return 0
	}
	n := 0
	for _, t := range stats.Topics {
		for _, c := range t.Channels {
			if c.Name == channel {
				n += c.Clients
			}
		}
	}
	return n
}

// Command sends a command to nsqd as an operator does, such as
// "channel/pause?topic=images&channel=ch".
func (q *Queue) Command(command string) {
	q.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+q.NSQDHTTP()+"/"+command, nil)
	if err != nil {
		q.tb.Fatalf("command nsqd: %v", err)
	}
	req.Close = true // or an idle connection would outlive nsqd
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		q.tb.Fatalf("command nsqd: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		q.tb.Fatalf("nsqd answered %s to %s", resp.Status, command)
	}
}

// stats is the part of nsqd's statistics that Depth and Consumers read.
type stats struct {
	Topics []struct {
		Depth    int64 `json:"depth"`
		Channels []struct {
			Name     string `json:"channel_name"`
			Depth    int64  `json:"depth"`
			InFlight int64  `json:"in_flight_count"`
			Deferred int64  `json:"deferred_count"`
			Clients  int    `json:"client_count"`
		} `json:"channels"`
	} `json:"topics"`
}

// stats asks for all channels of the topic. With a channel that does not exist
// (yet), nsqd would leave out the topic and the messages that wait in it.
func (q *Queue) stats(topic string) (stats, error) {
	query := url.Values{
		"format": {"json"}, "topic": {topic}, "include_clients": {"false"}, "include_mem": {"false"},
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // not tb.Context: a Cleanup may call this
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		"http://"+q.NSQDHTTP()+"/stats?"+query.Encode(), nil)
	if err != nil {
		return stats{}, err
	}
	req.Close = true // or an idle connection would outlive nsqd
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return stats{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return stats{}, fmt.Errorf("nsqd answered %s", resp.Status)
	}
	var s stats
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return stats{}, fmt.Errorf("decode: %w", err)
	}
	return s, nil
}

// output is a test's log until close. nsqd's goroutines may write a last line
// after the test, which makes testing's own writer panic.
type output struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.w.Write(p)
}

func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.w = io.Discard
}
