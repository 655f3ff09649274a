// Package embeddedqueue runs a queue inside this process: the real nsqd and
// the real nsqlookupd of github.com/nsqio/nsq, as the libraries that they are,
// behind the same TCP and HTTP ports as ever. The standalone program needs no
// other queue, and tests need no imitation of one.
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

// host is the only interface that the servers listen on and tell clients of:
// NSQ asks nobody for a password.
const host = "127.0.0.1"

// registrationTimeout bounds how long nsqd and nsqlookupd, which share a
// process, may take to notice each other.
const registrationTimeout = 10 * time.Second

// Options says where the servers keep their data and listen. Ports are on
// 127.0.0.1; 0 picks a free one.
type Options struct {
	Dir         string // nsqd's data: what it holds when it stops; made where missing
	NSQDTCP     int
	NSQDHTTP    int
	LookupdTCP  int
	LookupdHTTP int

	// Topic and Channel are there when Start returns, so that the first
	// consumer need not look again for a topic nobody has published to yet.
	Topic, Channel string

	Log *slog.Logger // nil: silent
	// Fail is told when a server ends without being asked to; may be nil.
	Fail func(error)
}

// Servers is one nsqd that is registered with one nsqlookupd.
type Servers struct {
	opts    Options
	lookupd *nsqlookupd.NSQLookupd
	ended   sync.WaitGroup // the servers' Main functions

	mu   sync.Mutex // guards nsqd
	nsqd *nsqd.NSQD // nil while stopped
}

// Start starts both servers. When it returns they accept connections, and
// nsqlookupd knows the nsqd.
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

// NSQDHTTP returns the host:port of nsqd's statistics and commands.
func (s *Servers) NSQDHTTP() string { return address(s.opts.NSQDHTTP) }

// Lookupd returns the HTTP host:port where consumers find the nsqd.
func (s *Servers) Lookupd() string { return address(s.opts.LookupdHTTP) }

// Close stops both servers after nsqd has written the messages that it holds
// in memory to its data folder. A second call does nothing.
func (s *Servers) Close() error {
	err := s.StopNSQD()
	s.lookupd.Exit()
	s.ended.Wait()
	return err
}

// StartNSQD starts the nsqd again after StopNSQD, on the same ports and data.
// It does nothing where nsqd runs.
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

// StopNSQD stops the nsqd alone: clients lose their connections, nsqlookupd
// forgets it, its messages stay in the data folder. It does nothing where nsqd
// is stopped already.
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
	// Its Exit must not come before its Main has got going, which it would
	// where nsqd cannot start.
	return s.ping()
}

// ping waits until nsqlookupd answers over HTTP. It listens already, so that
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

// startNSQD is called with mu held.
func (s *Servers) startNSQD() error {
	if err := os.MkdirAll(s.opts.Dir, 0o750); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	opts := nsqd.NewOptions()
	opts.DataPath = s.opts.Dir
	opts.TCPAddress = address(s.opts.NSQDTCP)
	opts.HTTPAddress = address(s.opts.NSQDHTTP)
	// The ports to broadcast stay 0: nsqd fills in those that it listens on.
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
	// Before nsqd knows of any nsqlookupd: one that knows of some asks them
	// for a new topic's channels, and logs an error where it has not got as
	// far as to count them as connected.
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

// run runs a server's Main, which returns nil when its Exit was called.
func (s *Servers) run(name string, main func() error) {
	s.ended.Go(func() {
		if err := main(); err != nil {
			s.opts.Fail(fmt.Errorf("%s: %w", name, err))
		}
	})
}

// register makes nsqd tell nsqlookupd of itself and of its topics.
func (s *Servers) register() error {
	if err := s.setLookupds(address(s.opts.LookupdTCP)); err != nil {
		return fmt.Errorf("register with nsqlookupd: %w", err)
	}
	return s.awaitRegistered(true)
}

// unregister makes nsqd close its connection to nsqlookupd. A process that
// ends closes its connections; nsqd's Exit does not, and nsqlookupd would send
// consumers to it for minutes.
func (s *Servers) unregister() error {
	if err := s.setLookupds(); err != nil {
		return fmt.Errorf("unregister from nsqlookupd: %w", err)
	}
	return s.awaitRegistered(false)
}

// setLookupds tells the running nsqd which nsqlookupds there are, as host:port
// of their TCP ports.
func (s *Servers) setLookupds(addresses ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), registrationTimeout)
	defer cancel()
	body, err := json.Marshal(append([]string{}, addresses...)) // [], not null, for none
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

// awaitRegistered waits until nsqlookupd has an nsqd, or has none.
func (s *Servers) awaitRegistered(want bool) error {
	return s.await("nsqd", func() bool {
		return (len(s.lookupd.DB.FindProducers("client", "", "")) > 0) == want
	})
}

// await waits for nsqlookupd to hear of something.
func (s *Servers) await(what string, heard func() bool) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(registrationTimeout)
	for !heard() {
		select {
		case <-tick.C:
		case <-timeout:
			return fmt.Errorf("nsqlookupd did not hear of %s within %s", what, registrationTimeout)
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
