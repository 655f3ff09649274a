package imagequeue

// This file owns publishing: one connection a process, ids in batches.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nsqio/go-nsq"
)

const (
	// maxBatch keeps a multi-publish well under nsqd's body limit of 5 MiB.
	maxBatch       = 10_000
	publishTimeout = 5 * time.Second
	// heartbeat is how often nsqd says that it is there; one that is silent for
	// silence is taken for dead.
	heartbeat = 2 * time.Second
	silence   = 5 * time.Second
)

var (
	errClosed = errors.New("the producer is closed")
	errLost   = errors.New("the connection to nsqd was lost")
	errSilent = errors.New("nsqd does not answer")
)

// Producer publishes image ids to one nsqd. It connects when it first has to
// and again after the connection broke. It is safe for concurrent use.
//
// It stands on the library's connection, and not on its producer, which takes a
// while to connect again, ignores contexts, and reads its connection without
// the lock that guards it.
type Producer struct {
	address string
	config  *nsq.Config
	log     *slog.Logger

	turn   chan struct{} // holds one token, for whoever uses the fields below
	link   *link         // nil while not connected
	closed bool
}

// NewProducer returns a Producer for the nsqd at a host:port (TCP).
func NewProducer(address string, log *slog.Logger) (*Producer, error) {
	cfg := nsq.NewConfig()
	cfg.DialTimeout = 2 * time.Second
	cfg.HeartbeatInterval, cfg.ReadTimeout = heartbeat, silence
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("make a producer for %s: %w", address, err)
	}
	return &Producer{address: address, config: cfg, log: log, turn: make(chan struct{}, 1)}, nil
}

// Publish queues the ids. On error some of them may be queued: publishing an
// id twice does no harm.
func (p *Producer) Publish(ctx context.Context, ids []int64) error {
	for len(ids) > 0 {
		n := min(maxBatch, len(ids))
		bodies := make([][]byte, n)
		for i, id := range ids[:n] {
			bodies[i] = Encode(id)
		}
		if err := p.publish(ctx, bodies); err != nil {
			return fmt.Errorf("queue %d image(s): %w", n, err)
		}
		ids = ids[n:]
	}
	return nil
}

func (p *Producer) publish(ctx context.Context, bodies [][]byte) error {
	command, err := nsq.MultiPublish(Topic, bodies)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	done := make(chan error, 1)
	go func() { // the library knows no context; it ends within its own time-outs
		defer func() { <-p.turn }()
		done <- p.send(command)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err() // nsqd may still take it, which does no harm
	}
}

// send is called by whoever has the turn. It tries twice where there was a
// connection, because the first word on one that nsqd has closed meanwhile is
// lost.
func (p *Producer) send(command *nsq.Command) error {
	if p.closed {
		return errClosed
	}
	if p.link != nil {
		err := p.link.send(command)
		if !errors.Is(err, errLost) {
			return p.keep(err)
		}
	}
	link, err := connect(p.address, p.config, p.log)
	if err != nil {
		p.link = nil
		return err
	}
	p.link = link
	return p.keep(link.send(command))
}

// keep gives up a connection on which something went wrong: an answer that
// comes late would be taken for that to the next command.
func (p *Producer) keep(err error) error {
	if err != nil {
		p.link.close()
		p.link = nil
	}
	return err
}

// Close ends the connection, after what is being published.
func (p *Producer) Close() {
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	p.closed = true
	if p.link != nil {
		p.link.close()
		p.link = nil
	}
}

// link is one connection to nsqd, and what the library tells about it.
type link struct {
	conn    *nsq.Conn
	answers chan error    // nsqd's, to the one command that is on its way
	lost    chan struct{} // closed when the connection has ended
	once    sync.Once
}

func connect(address string, config *nsq.Config, log *slog.Logger) (*link, error) {
	l := &link{answers: make(chan error, 1), lost: make(chan struct{})}
	l.conn = nsq.NewConn(address, config, l)
	l.conn.SetLogger(nsqLog{log}, nsq.LogLevelWarning, "(%s)")
	if _, err := l.conn.Connect(); err != nil {
		l.close()
		return nil, fmt.Errorf("connect to nsqd: %w", err)
	}
	return l, nil
}

// send writes one command and waits for the answer.
func (l *link) send(command *nsq.Command) error {
	if err := l.conn.WriteCommand(command); err != nil {
		l.end()
		return errors.Join(errLost, err)
	}
	timer := time.NewTimer(publishTimeout)
	defer timer.Stop()
	select {
	case err := <-l.answers:
		return err
	case <-l.lost:
		return errLost
	case <-timer.C:
		return errSilent
	}
}

func (l *link) close() { _ = l.conn.Close() } // it is of no more use, whatever it says

func (l *link) end() { l.once.Do(func() { close(l.lost) }) }

func (l *link) answer(err error) {
	select {
	case l.answers <- err:
	default: // nobody has asked
	}
}

// OnResponse and the others implement the library's ConnDelegate.
func (l *link) OnResponse(*nsq.Conn, []byte) { l.answer(nil) }

// OnError is told what nsqd refuses.
func (l *link) OnError(_ *nsq.Conn, text []byte) { l.answer(fmt.Errorf("nsqd says %s", text)) }

// OnIOError is told of a broken connection.
func (l *link) OnIOError(c *nsq.Conn, _ error) {
	l.end()
	_ = c.Close()
}

// OnClose is told of the connection's end.
func (l *link) OnClose(*nsq.Conn) { l.end() }

// OnHeartbeat and those below are told what a producer has no use for.
func (l *link) OnHeartbeat(*nsq.Conn) {}

// OnMessage is for consumers.
func (l *link) OnMessage(*nsq.Conn, *nsq.Message) {}

// OnMessageFinished is for consumers.
func (l *link) OnMessageFinished(*nsq.Conn, *nsq.Message) {}

// OnMessageRequeued is for consumers.
func (l *link) OnMessageRequeued(*nsq.Conn, *nsq.Message) {}

// OnBackoff is for consumers.
func (l *link) OnBackoff(*nsq.Conn) {}

// OnContinue is for consumers.
func (l *link) OnContinue(*nsq.Conn) {}

// OnResume is for consumers.
func (l *link) OnResume(*nsq.Conn) {}
