package imagequeue

// The handler does not answer a message. Whoever does the work does: it
// finishes the message once the outcome is in the database, or requeues it.
// Until then the consumer touches it, so that nsqd does not deliver it to
// another process.
import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/nsqio/go-nsq"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/series"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/stages"
)

const (
	// messageTimeout is the default of ConsumerOptions.MessageTimeout.
	messageTimeout = time.Minute
	// lookupTimeout bounds one request to one nsqlookupd.
	lookupTimeout = 5 * time.Second
)

// Delivery is one message from the queue. Its receiver calls exactly one of
// Finish and Requeue, exactly once.
type Delivery struct {
	ImageID  int64 // always positive
	consumer *Consumer
	message  *nsq.Message
}

// Finish acknowledges the message: the outcome is recorded, or there was
// nothing to do.
func (d *Delivery) Finish() {
	d.consumer.forget(d)
	d.message.Finish()
}

// Requeue gives the message back. nsqd delivers it again after delay.
func (d *Delivery) Requeue(delay time.Duration) {
	d.consumer.forget(d)
	d.message.RequeueWithoutBackoff(delay)
}

// ConsumerOptions configures a Consumer. Registry, Log and Handle are required.
type ConsumerOptions struct {
	Lookupd []string // HTTP host:port of each nsqlookupd
	// NSQD is the TCP host:port of each nsqd to consume from without nsqlookupd.
	NSQD        []string
	MaxInFlight int // maximum number of unanswered messages
	// MessageTimeout is how long nsqd waits for an answer or a touch before it
	// delivers a message to another consumer. It is at least one second and at
	// most nsqd's own limit (15 minutes by default). 0 means one minute.
	MessageTimeout time.Duration
	Registry       prometheus.Registerer
	Log            *slog.Logger
	// Handle receives a delivery. It may block, which slows down the queue. It
	// must hand the work to another goroutine: the deliveries behind it wait.
	Handle func(*Delivery)
}

// Consumer takes messages from every nsqd registered with the nsqlookupds.
type Consumer struct {
	opts     ConsumerOptions
	nsq      *nsq.Consumer
	messages *prometheus.CounterVec
	stages   stages.Seconds
	touching context.Context // cancelled by Stop
	end      context.CancelFunc
	toucher  sync.WaitGroup

	mu       sync.Mutex             // guards the fields below
	held     map[*Delivery]struct{} // taken and not answered yet
	stopping bool
}

// NewConsumer returns a Consumer that takes nothing before Start. It registers
// its metrics with opts.Registry.
func NewConsumer(opts ConsumerOptions) (*Consumer, error) {
	if opts.MessageTimeout == 0 {
		opts.MessageTimeout = messageTimeout
	}
	cfg := nsq.NewConfig()
	cfg.MaxInFlight = opts.MaxInFlight
	cfg.MaxAttempts = 0 // attempts are counted in the database
	cfg.MaxBackoffDuration = 0
	cfg.MsgTimeout = opts.MessageTimeout
	cfg.LookupdPollInterval = 2 * time.Second // how late the first image of a new receiver may be
	cfg.LookupdPollJitter = 0.3
	cfg.LookupdPollTimeout = lookupTimeout
	cfg.DialTimeout = 2 * time.Second
	c, err := nsq.NewConsumer(Topic, Channel, cfg)
	if err != nil {
		return nil, fmt.Errorf("make a consumer: %w", err)
	}
	c.SetLogger(nsqLog{opts.Log}, nsq.LogLevelWarning)
	consumer := &Consumer{
		opts: opts, nsq: c, held: map[*Delivery]struct{}{}, stages: stages.New(opts.Registry, stages.Queue),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_messages_total", Help: "Messages taken from the queue, by what they were.",
		}, []string{"kind"}),
	}
	consumer.touching, consumer.end = context.WithCancel(context.Background())
	opts.Registry.MustRegister(series.AtZero(consumer.messages, "image", "bad", "panic"))
	c.AddHandler(nsq.HandlerFunc(consumer.handle))
	return consumer, nil
}

// Start begins to take messages. It keeps looking for nsqlookupds and nsqds
// that are not running yet.
func (c *Consumer) Start() error {
	c.toucher.Go(c.touch)
	if len(c.opts.NSQD) > 0 {
		if err := c.nsq.ConnectToNSQDs(c.opts.NSQD); err != nil {
			return fmt.Errorf("connect to nsqd: %w", err)
		}
	}
	if len(c.opts.Lookupd) > 0 {
		if err := c.nsq.ConnectToNSQLookupds(c.opts.Lookupd); err != nil {
			return fmt.Errorf("ask nsqlookupd for the queue: %w", err)
		}
	}
	return nil
}

// Pause stops taking messages. Messages taken before can still be answered.
func (c *Consumer) Pause() { c.nsq.ChangeMaxInFlight(0) }

// Stop closes the connections. Unanswered messages are requeued without delay,
// so that another process gets them at once. The error is ctx's.
func (c *Consumer) Stop(ctx context.Context) error {
	c.Pause() // otherwise the messages requeued below could be delivered here again
	c.end()
	c.toucher.Wait()
	for _, d := range c.takeAll() {
		d.message.RequeueWithoutBackoff(0)
	}
	c.nsq.Stop()
	select {
	case <-c.nsq.StopChan:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close the queue: %w", ctx.Err())
	}
}

// takeAll empties held for good: from now on hold refuses new messages.
func (c *Consumer) takeAll() []*Delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	all := slices.Collect(maps.Keys(c.held))
	clear(c.held)
	return all
}

// handle takes one message. go-nsq does not recover from panics: without the
// recover here, a panic would end the process at every delivery of the message.
func (c *Consumer) handle(m *nsq.Message) error {
	m.DisableAutoResponse()
	id, err := Decode(m.Body)
	if err != nil {
		c.messages.WithLabelValues("bad").Inc()
		c.opts.Log.Warn("dropped a queue message that is not an image id; check who else publishes to the topic",
			"topic", Topic, "error", err, "size", len(m.Body))
		m.Finish()
		return nil
	}
	c.messages.WithLabelValues("image").Inc()
	if m.Attempts == 1 { // later ones have waited on purpose
		c.stages.Observe(stages.Queue, time.Since(time.Unix(0, m.Timestamp)))
	}
	d := &Delivery{ImageID: id, consumer: c, message: m}
	if !c.hold(d) {
		m.RequeueWithoutBackoff(0)
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			c.messages.WithLabelValues("panic").Inc()
			c.opts.Log.Error("the handler of a message panicked; the message is requeued", "id", id, "panic", p, "stack", string(debug.Stack()))
			d.Requeue(time.Second)
		}
	}()
	c.opts.Handle(d)
	return nil
}

// hold records a delivery as unanswered. It returns false after Stop.
func (c *Consumer) hold(d *Delivery) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopping {
		c.held[d] = struct{}{}
	}
	return !c.stopping
}

func (c *Consumer) forget(d *Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, d)
}

// touch renews the timeout of all unanswered messages until Stop.
func (c *Consumer) touch() {
	background.Every(c.touching, c.opts.MessageTimeout/3, func(context.Context) {
		c.mu.Lock()
		held := slices.Collect(maps.Keys(c.held))
		c.mu.Unlock()
		for _, d := range held {
			// go-nsq ignores a touch of a message that was answered meanwhile.
			d.message.Touch()
		}
	})
}
