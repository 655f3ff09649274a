package imagequeue

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
	// maxBatch is the number of ids in one multi-publish. It keeps the command
	// well under nsqd's body limit of 5 MiB.
	maxBatch       = 10_000
	publishTimeout = 5 * time.Second
	// heartbeat is how often nsqd sends a heartbeat. A connection silent for
	// longer than silence is treated as dead.
	heartbeat = 2 * time.Second
	silence   = 5 * time.Second
)

var (
	errClosed  = errors.New("the producer is closed")
	errLost    = errors.New("the connection to nsqd was lost")
	errTimeout = fmt.Errorf("nsqd did not answer within %s", publishTimeout)
)

// Producer publishes image ids to one nsqd. It connects on first use and
// reconnects after the connection broke. It is safe for concurrent use.
//
// It is built on nsq.Conn, not on nsq.Producer: that one reconnects slowly,
// ignores contexts, and has a data race on its connection.
type Producer struct {
	address string
	config  *nsq.Config
	log     *slog.Logger

	turn   chan struct{} // a mutex with a context: whoever put the token in may use the fields below
	link   *link         // nil while not connected
	closed bool
}

// NewProducer returns a Producer for the nsqd at address, a TCP host:port. It
// does not connect yet.
func NewProducer(address string, log *slog.Logger) (*Producer, error) {
	cfg := nsq.NewConfig()
	cfg.DialTimeout = 2 * time.Second
	cfg.HeartbeatInterval, cfg.ReadTimeout = heartbeat, silence
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("make a producer for %s: %w", address, err)
	}
	return &Producer{address: address, config: cfg, log: log, turn: make(chan struct{}, 1)}, nil
}

// Publish queues the ids. If it fails, some of them may be queued already;
// publishing an id twice is harmless.
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
	go func() { // go-nsq takes no context; the call ends within its own timeouts
		defer func() { <-p.turn }()
		done <- p.send(command)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err() // nsqd may still queue the ids, which is harmless
	}
}

// send sends one command. The caller holds the turn. With an existing
// connection it tries twice: if nsqd has closed that connection, the first
// write is lost.
func (p *Producer) send(command *nsq.Command) error {
	if p.closed {
		return errClosed
	}
	if p.link != nil {
		err := p.link.send(command)
		if !errors.Is(err, errLost) {
			return p.check(err)
		}
	}
	link, err := connect(p.address, p.config, p.log)
	if err != nil {
		p.link = nil
		return err
	}
	p.link = link
	return p.check(link.send(command))
}

// check drops the connection if err is not nil: a late answer on it would be
// taken for the answer to the next command.
func (p *Producer) check(err error) error {
	if err != nil {
		p.link.close()
		p.link = nil
	}
	return err
}

// Close closes the connection after the publish in progress. Later calls of
// Publish fail.
func (p *Producer) Close() {
	p.turn <- struct{}{}
	defer func() { <-p.turn }()
	p.closed = true
	if p.link != nil {
		p.link.close()
		p.link = nil
	}
}

// link is one connection to nsqd. It implements go-nsq's ConnDelegate.
type link struct {
	conn    *nsq.Conn
	answers chan error    // nsqd's answer to the one outstanding command
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
		return errTimeout
	}
}

func (l *link) close() { _ = l.conn.Close() } // the link is discarded, so its error does not matter

func (l *link) end() { l.once.Do(func() { close(l.lost) }) }

func (l *link) answer(err error) {
	select {
	case l.answers <- err:
	default: // no command is outstanding
	}
}

// OnResponse implements nsq.ConnDelegate: nsqd accepted a command.
func (l *link) OnResponse(*nsq.Conn, []byte) { l.answer(nil) }

// OnError implements nsq.ConnDelegate: nsqd refused a command.
func (l *link) OnError(_ *nsq.Conn, text []byte) { l.answer(fmt.Errorf("nsqd answered %s", text)) }

// OnIOError implements nsq.ConnDelegate: the connection broke.
func (l *link) OnIOError(c *nsq.Conn, _ error) {
	l.end()
	_ = c.Close()
}

// OnClose implements nsq.ConnDelegate: the connection ended.
func (l *link) OnClose(*nsq.Conn) { l.end() }

// OnHeartbeat does nothing: a producer does not need it.
func (l *link) OnHeartbeat(*nsq.Conn) {}

// OnMessage does nothing: only consumers receive messages.
func (l *link) OnMessage(*nsq.Conn, *nsq.Message) {}

// OnMessageFinished does nothing: only consumers receive messages.
func (l *link) OnMessageFinished(*nsq.Conn, *nsq.Message) {}

// OnMessageRequeued does nothing: only consumers receive messages.
func (l *link) OnMessageRequeued(*nsq.Conn, *nsq.Message) {}

// OnBackoff does nothing: only consumers back off.
func (l *link) OnBackoff(*nsq.Conn) {}

// OnContinue does nothing: only consumers back off.
func (l *link) OnContinue(*nsq.Conn) {}

// OnResume does nothing: only consumers back off.
func (l *link) OnResume(*nsq.Conn) {}
