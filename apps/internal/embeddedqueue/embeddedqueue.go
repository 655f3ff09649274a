// Package embeddedqueue runs a real nsqd and a real nsqlookupd of
// github.com/nsqio/nsq inside this process, on their usual TCP and HTTP ports.
// The standalone program uses it as its queue, and tests use it in place of a
// fake. Start returns both servers running; Close stops them.
package embeddedqueue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/nsqio/nsq/nsqd"
	"github.com/nsqio/nsq/nsqlookupd"
)

// host is the only interface the servers listen on and announce to clients: NSQ
// has no authentication.
const host = "127.0.0.1"

// registrationTimeout bounds how long nsqd and nsqlookupd may take to find each
// other. They share a process, so it is generous.
const registrationTimeout = 10 * time.Second

// Options configures the servers. All ports are on 127.0.0.1; 0 picks a free
// port.
type Options struct {
	Dir         string // nsqd's data folder; created if missing
	NSQDTCP     int
	NSQDHTTP    int
	LookupdTCP  int
	LookupdHTTP int

	// Topic and Channel are created before Start returns, so that the first
	// consumer finds them at its first lookup. An empty Topic creates none.
	Topic, Channel string

	Log *slog.Logger // nil discards the logs
	// Fail is called when a server ends on its own. It may be nil.
	Fail func(error)
}

// Servers is one nsqd registered with one nsqlookupd.
type Servers struct {
	opts    Options
	lookupd *nsqlookupd.NSQLookupd
	ended   sync.WaitGroup // the servers' Main functions

	mu   sync.Mutex // guards nsqd
	nsqd *nsqd.NSQD // nil while stopped
}

// Start starts both servers. When it returns, both accept connections and nsqd
// is registered with nsqlookupd.
func Start(opts Options) (*Servers, error) {
	if opts.Dir == "" {
		return nil, errors.New("start queue: no data folder given")
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Fail == nil {
		opts.Fail = func(error) {}
	}
	s := &Servers{opts: opts}
	if err := s.startLookupd(); err != nil {
		return nil, fmt.Errorf("start nsqlookupd: %w", err)
	}
	if err := s.StartNSQD(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// NSQD returns the host:port that clients publish to and consume from.
func (s *Servers) NSQD() string { return address(s.opts.NSQDTCP) }

// NSQDHTTP returns the host:port of nsqd's HTTP API (statistics and commands).
func (s *Servers) NSQDHTTP() string { return address(s.opts.NSQDHTTP) }

// Lookupd returns the host:port of nsqlookupd's HTTP API, which consumers ask
// for the nsqd.
func (s *Servers) Lookupd() string { return address(s.opts.LookupdHTTP) }

// Close stops both servers. nsqd first writes the messages it holds in memory
// to its data folder. A second call does nothing.
func (s *Servers) Close() error {
	err := s.StopNSQD()
	s.lookupd.Exit()
	s.ended.Wait()
	return err
}

// StartNSQD starts nsqd again after StopNSQD, on the same ports and data
// folder. It does nothing if nsqd is running.
func (s *Servers) StartNSQD() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nsqd != nil {
		return nil
	}
	if err := s.startNSQD(); err != nil {
		return fmt.Errorf("start nsqd: %w", err)
	}
	return nil
}

// StopNSQD stops only nsqd. Clients lose their connections, nsqlookupd drops
// it, and its messages stay in the data folder. It does nothing if nsqd is
// stopped.
func (s *Servers) StopNSQD() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.nsqd == nil {
		return nil
	}
	err := s.unregister()
	s.nsqd.Exit()
	s.nsqd = nil
	if err != nil {
		return fmt.Errorf("stop nsqd: %w", err)
	}
	return nil
}

func (s *Servers) startLookupd() error {
	opts := nsqlookupd.NewOptions()
	opts.TCPAddress = address(s.opts.LookupdTCP)
	opts.HTTPAddress = address(s.opts.LookupdHTTP)
	opts.BroadcastAddress = host
	opts.Logger = logger{s.opts.Log.With("server", "nsqlookupd")}
	server, err := nsqlookupd.New(opts)
	if err != nil {
		return err
	}
	s.lookupd = server
	s.opts.LookupdTCP = server.RealTCPAddr().Port
	s.opts.LookupdHTTP = server.RealHTTPAddr().Port
	s.run("nsqlookupd", server.Main)
	// Wait until Main runs: if nsqd then fails to start, Close calls Exit, and
	// Exit must not come before Main.
	return s.ping()
}

// ping waits until nsqlookupd answers over HTTP. The port is open already, so
// one request is enough.
func (s *Servers) ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), registrationTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Lookupd()+"/ping", nil)
	if err != nil {
		return err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// startNSQD starts nsqd and registers it. The caller holds mu.
func (s *Servers) startNSQD() error {
	if err := os.MkdirAll(s.opts.Dir, 0o750); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	opts := nsqd.NewOptions()
	opts.DataPath = s.opts.Dir
	opts.TCPAddress = address(s.opts.NSQDTCP)
	opts.HTTPAddress = address(s.opts.NSQDHTTP)
	// BroadcastTCPPort and BroadcastHTTPPort stay 0: nsqd fills in the ports it
	// listens on.
	opts.BroadcastAddress = host
	opts.Logger = logger{s.opts.Log.With("server", "nsqd")}
	server, err := nsqd.New(opts)
	if err != nil {
		return err
	}
	s.opts.NSQDTCP = port(server.RealTCPAddr())
	s.opts.NSQDHTTP = port(server.RealHTTPAddr())
	if err := errors.Join(server.LoadMetadata(), server.PersistMetadata()); err != nil {
		server.Exit()
		return err
	}
	s.nsqd = server
	// Create the topic before nsqd knows any nsqlookupd. Later, nsqd would ask
	// the lookupds for the topic's channels and log an error while the
	// connection is still being set up.
	if s.opts.Topic != "" {
		server.GetTopic(s.opts.Topic).GetChannel(s.opts.Channel)
	}
	s.run("nsqd", server.Main)
	if err := s.register(); err != nil {
		return err
	}
	if s.opts.Topic == "" {
		return nil
	}
	return s.await("topic "+s.opts.Topic, func() bool {
		return len(s.lookupd.DB.FindProducers("channel", s.opts.Topic, s.opts.Channel)) > 0
	})
}

// run runs a server's Main in a goroutine. Main returns nil after Exit.
func (s *Servers) run(name string, main func() error) {
	s.ended.Go(func() {
		if err := main(); err != nil {
			s.opts.Fail(fmt.Errorf("%s: %w", name, err))
		}
	})
}

// register makes nsqd announce itself and its topics to nsqlookupd.
func (s *Servers) register() error {
	if err := s.setLookupds(address(s.opts.LookupdTCP)); err != nil {
		return fmt.Errorf("register with nsqlookupd: %w", err)
	}
	return s.awaitRegistered(true)
}

// unregister makes nsqd close its connection to nsqlookupd. nsqd's Exit does
// not close it, since a process normally ends then, and nsqlookupd would send
// consumers to the dead nsqd for minutes.
func (s *Servers) unregister() error {
	if err := s.setLookupds(); err != nil {
		return fmt.Errorf("unregister from nsqlookupd: %w", err)
	}
	return s.awaitRegistered(false)
}

// setLookupds replaces nsqd's list of nsqlookupds, given as host:port of their
// TCP ports.
func (s *Servers) setLookupds(addresses ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), registrationTimeout)
	defer cancel()
	body, err := json.Marshal(append([]string{}, addresses...)) // an empty list is [], not null
	if err != nil {
		return err
	}
	url := "http://" + s.NSQDHTTP() + "/config/nsqlookupd_tcp_addresses"
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Close = true // nsqd's Exit leaves idle connections open
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("%s: %s", resp.Status, answer)
	}
	return nil
}

// awaitRegistered waits until nsqlookupd knows an nsqd (want) or knows none.
func (s *Servers) awaitRegistered(want bool) error {
	return s.await("nsqd", func() bool {
		return (len(s.lookupd.DB.FindProducers("client", "", "")) > 0) == want
	})
}

// await polls until done reports true. The error names what was awaited.
func (s *Servers) await(what string, done func() bool) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(registrationTimeout)
	for !done() {
		select {
		case <-tick.C:
		case <-timeout:
			return fmt.Errorf("nsqlookupd did not report %s within %s", what, registrationTimeout)
		}
	}
	return nil
}

func address(port int) string { return net.JoinHostPort(host, fmt.Sprint(port)) }

func port(a net.Addr) int {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}
