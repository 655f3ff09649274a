package imagequeue

// This file owns consuming. A message is answered by whoever does its work,
// not by the handler that takes it in: finished once the outcome is recorded,
// or given back. Until then it is touched, so that nsqd does not give it to
// somebody else.

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
)

const (
	// messageTimeout is the default of ConsumerOptions.MessageTimeout.
	messageTimeout = time.Minute
	// lookupTimeout bounds one question to one lookupd.
	lookupTimeout = 5 * time.Second
)

// Delivery is one id taken from the queue. Exactly one of Finish and Requeue
// must be called, once.
type Delivery struct {
	ImageID  int64
	consumer *Consumer
	message  *nsq.Message
}

// Finish says that the outcome is recorded, or that there is nothing to do.
func (d *Delivery) Finish() {
	d.consumer.forget(d)
	d.message.Finish()
}

// Requeue gives the message back, to be delivered again after a delay.
func (d *Delivery) Requeue(delay time.Duration) {
	d.consumer.forget(d)
	d.message.RequeueWithoutBackoff(delay)
}

// ConsumerOptions say where messages come from.
type ConsumerOptions struct {
	Lookupd     []string // host:port, HTTP
	MaxInFlight int      // messages taken and not answered, at most
	// MessageTimeout is how long nsqd waits for an answer or a touch before it
	// gives a message to somebody else: a second at least, to nsqd's own limit
	// (15 minutes unless set otherwise). 0: a minute.
	MessageTimeout time.Duration
	Registry       prometheus.Registerer
	Log            *slog.Logger
	// Handle takes a delivery in. It may block, which slows the queue down; it
	// must not do the work itself.
	Handle func(*Delivery)
}

// Consumer takes messages from every nsqd that the lookupds know.
type Consumer struct {
	opts     ConsumerOptions
	nsq      *nsq.Consumer
	messages *prometheus.CounterVec
	touching context.Context // ends with Stop
	end      context.CancelFunc
	toucher  sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	held     map[*Delivery]struct{}
	stopping bool
}

// NewConsumer returns a Consumer that takes nothing before Start.
func NewConsumer(opts ConsumerOptions) (*Consumer, error) {
	if opts.MessageTimeout == 0 {
		opts.MessageTimeout = messageTimeout
	}
	cfg := nsq.NewConfig()
	cfg.MaxInFlight = opts.MaxInFlight
	cfg.MaxAttempts = 0 // attempts are counted in the database
	cfg.MaxBackoffDuration = 0
	cfg.MsgTimeout = opts.MessageTimeout
	cfg.LookupdPollInterval = 2 * time.Second // the first picture of a new receiver waits for it
	cfg.LookupdPollJitter = 0.3
	cfg.LookupdPollTimeout = lookupTimeout
	cfg.DialTimeout = 2 * time.Second
	c, err := nsq.NewConsumer(Topic, Channel, cfg)
	if err != nil {
		return nil, fmt.Errorf("make a consumer: %w", err)
	}
	c.SetLogger(nsqLog{opts.Log}, nsq.LogLevelWarning)
	consumer := &Consumer{
		opts: opts, nsq: c, held: map[*Delivery]struct{}{},
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_messages_total", Help: "Messages taken from the queue, by what they were.",
		}, []string{"kind"}),
	}
	consumer.touching, consumer.end = context.WithCancel(context.Background())
	opts.Registry.MustRegister(consumer.messages)
	c.AddHandler(nsq.HandlerFunc(consumer.handle))
	return consumer, nil
}

// Start begins to take messages; it keeps looking for lookupds and nsqds that
// are not there yet.
func (c *Consumer) Start() error {
	c.toucher.Go(c.touch)
	if err := c.nsq.ConnectToNSQLookupds(c.opts.Lookupd); err != nil {
		return fmt.Errorf("ask nsqlookupd for the queue: %w", err)
	}
	return nil
}

// Pause stops taking messages. Those that were taken can still be answered.
func (c *Consumer) Pause() { c.nsq.ChangeMaxInFlight(0) }

// Stop ends the connections. Messages that were not answered are given back,
// so that somebody else has them at once.
func (c *Consumer) Stop(ctx context.Context) error {
	c.Pause() // or what is given back could be delivered here again
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

// takeAll empties held for good: what comes later is given back at once.
func (c *Consumer) takeAll() []*Delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	all := slices.Collect(maps.Keys(c.held))
	clear(c.held)
	return all
}

// handle takes one message in. The library has no recover of its own: a panic
// here would end the process, once for each delivery of the message.
func (c *Consumer) handle(m *nsq.Message) error {
	m.DisableAutoResponse()
	id, err := Decode(m.Body)
	if err != nil {
		c.messages.WithLabelValues("bad").Inc()
		c.opts.Log.Warn("dropped a message that is not an image id", "why", err, "size", len(m.Body))
		m.Finish()
		return nil
	}
	c.messages.WithLabelValues("image").Inc()
	d := &Delivery{ImageID: id, consumer: c, message: m}
	if !c.hold(d) {
		m.RequeueWithoutBackoff(0)
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			c.messages.WithLabelValues("panic").Inc()
			c.opts.Log.Error("panic while taking a message", "id", id, "panic", p, "stack", string(debug.Stack()))
			d.Requeue(time.Second)
		}
	}()
	c.opts.Handle(d)
	return nil
}

// hold returns false after Stop.
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

// touch keeps the messages that are being worked on.
func (c *Consumer) touch() {
	ticker := time.NewTicker(c.opts.MessageTimeout / 3)
	defer ticker.Stop()
	for {
		select {
		case <-c.touching.Done():
			return
		case <-ticker.C:
		}
		c.mu.Lock()
		held := slices.Collect(maps.Keys(c.held))
		c.mu.Unlock()
		for _, d := range held {
			// One that was answered meanwhile is not touched: the library knows.
			d.message.Touch()
		}
	}
}
