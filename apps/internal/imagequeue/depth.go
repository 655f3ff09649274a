package imagequeue

// This file owns the question whether the queue is empty.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Depth is what all nsqds together hold of our topic.
type Depth struct {
	Waiting  int64 // in the channel, or in the topic before the channel is there
	InFlight int64 // with a consumer
	Deferred int64 // to be delivered later
}

// Empty reports whether nothing is left to be delivered.
func (d Depth) Empty() bool { return d.Waiting+d.InFlight+d.Deferred == 0 }

// Monitor asks the nsqds that the lookupds know. It is safe for concurrent use.
type Monitor struct {
	lookupd []string
	http    *http.Client
}

// NewMonitor returns a Monitor for lookupds at host:port (HTTP).
func NewMonitor(lookupd []string) *Monitor {
	return &Monitor{lookupd: lookupd, http: &http.Client{Timeout: 5 * time.Second}}
}

// Depth adds up what the nsqds hold. An nsqd or a lookupd that does not answer
// is an error: what it holds cannot be known.
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

// nodes returns the HTTP addresses of all nsqds.
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
		return nil, errors.New("nsqlookupd knows no nsqd")
	}
	return nodes, nil
}

func (m *Monitor) add(ctx context.Context, node string, sum *Depth) error {
	// Asked with channel=, nsqd leaves out a topic whose channel is not there
	// yet, and with it what waits in the topic.
	var answer struct {
		Topics []struct {
			Depth    int64 `json:"depth"`
			Channels []struct {
				Name     string `json:"channel_name"`
				Depth    int64  `json:"depth"`
				InFlight int64  `json:"in_flight_count"`
				Deferred int64  `json:"deferred_count"`
			} `json:"channels"`
		} `json:"topics"`
	}
	address := "http://" + node + "/stats?" + url.Values{"format": {"json"}, "topic": {Topic}}.Encode()
	if err := m.get(ctx, address, &answer); err != nil {
		return fmt.Errorf("ask nsqd for its depth: %w", err)
	}
	for _, t := range answer.Topics {
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
		return fmt.Errorf("%s answers %s", address, res.Status)
	}
	return json.NewDecoder(res.Body).Decode(v)
}
