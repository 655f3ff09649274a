package imagequeue

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Depth is the number of messages of our topic, summed over all nsqds.
type Depth struct {
	Waiting  int64 // in the channel, or in the topic while it has no channel
	InFlight int64 // delivered to a consumer and not answered yet
	Deferred int64 // requeued, to be delivered later
}

// Empty reports whether no message is left.
func (d Depth) Empty() bool { return d.Waiting+d.InFlight+d.Deferred == 0 }

// Monitor asks every nsqd registered with the nsqlookupds for its depth. It is
// safe for concurrent use.
type Monitor struct {
	lookupd []string
	http    *http.Client
}

// NewMonitor returns a Monitor. lookupd holds the HTTP host:port of each
// nsqlookupd.
func NewMonitor(lookupd []string) *Monitor {
	return &Monitor{lookupd: lookupd, http: &http.Client{Timeout: 5 * time.Second}}
}

// Depth sums the depths of all nsqds. It fails if any nsqlookupd or nsqd does
// not answer, because the sum is then unknown.
func (m *Monitor) Depth(ctx context.Context) (Depth, error) {
	nodes, err := m.nodes(ctx)
	if err != nil {
		return Depth{}, err
	}
	var sum Depth
	for _, node := range nodes {
		if err := m.add(ctx, node, &sum); err != nil {
			return Depth{}, err
		}
	}
	return sum, nil
}

// nodes returns the HTTP host:port of every nsqd, each once.
func (m *Monitor) nodes(ctx context.Context) ([]string, error) {
	known := map[string]bool{}
	var nodes []string
	for _, lookupd := range m.lookupd {
		var answer struct {
			Producers []struct {
				BroadcastAddress string `json:"broadcast_address"`
				HTTPPort         int    `json:"http_port"`
			} `json:"producers"`
		}
		if err := m.get(ctx, "http://"+lookupd+"/nodes", &answer); err != nil {
			return nil, fmt.Errorf("ask nsqlookupd for the nsqds: %w", err)
		}
		for _, p := range answer.Producers {
			node := net.JoinHostPort(p.BroadcastAddress, strconv.Itoa(p.HTTPPort))
			if !known[node] {
				known[node] = true
				nodes = append(nodes, node)
			}
		}
	}
	if len(nodes) == 0 {
		return nil, fmt.Errorf("no nsqd is registered with nsqlookupd (%s); check that nsqd runs with -lookupd-tcp-address", strings.Join(m.lookupd, ", "))
	}
	return nodes, nil
}

// add adds the depth of one nsqd to sum.
func (m *Monitor) add(ctx context.Context, node string, sum *Depth) error {
	topics, err := m.topics(ctx, node)
	if err != nil {
		return fmt.Errorf("ask nsqd for its depth: %w", err)
	}
	for _, t := range topics {
		sum.Waiting += t.Depth
		for _, c := range t.Channels {
			if c.Name == Channel {
				sum.Waiting += c.Depth
				sum.InFlight += c.InFlight
				sum.Deferred += c.Deferred
			}
		}
	}
	return nil
}

// topic is the part of nsqd's statistics that a Monitor reads.
type topic struct {
	Depth    int64 `json:"depth"`
	Paused   bool  `json:"paused"`
	Channels []struct {
		Name     string `json:"channel_name"`
		Depth    int64  `json:"depth"`
		InFlight int64  `json:"in_flight_count"`
		Deferred int64  `json:"deferred_count"`
		Paused   bool   `json:"paused"`
	} `json:"channels"`
}

// topics returns the statistics of our topic at one nsqd: at most one, and none
// before the first message.
func (m *Monitor) topics(ctx context.Context, node string) ([]topic, error) {
	// The request does not filter by channel: with channel=, nsqd leaves out a
	// topic that has no channel yet, and the messages that wait in it.
	var answer struct {
		Topics []topic `json:"topics"`
	}
	address := "http://" + node + "/stats?" + url.Values{"format": {"json"}, "topic": {Topic}}.Encode()
	err := m.get(ctx, address, &answer)
	return answer.Topics, err
}

func (m *Monitor) get(ctx context.Context, address string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	res, err := m.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", address, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(v)
}
