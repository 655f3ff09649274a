package imagequeue

// This file owns publishing: one connection a process, ids in batches.

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nsqio/go-nsq"
)

const (
	// maxBatch keeps a multi-publish well under nsqd's body limit of 5 MiB.
	maxBatch       = 10_000
	publishTimeout = 5 * time.Second
)

// Producer publishes image ids to one nsqd. It connects when it first has to
// and again after the connection broke. It is safe for concurrent use.
type Producer struct{ nsq *nsq.Producer }

// NewProducer returns a Producer for the nsqd at a host:port (TCP).
func NewProducer(address string, log *slog.Logger) (*Producer, error) {
	cfg := nsq.NewConfig()
	cfg.DialTimeout = 2 * time.Second
	p, err := nsq.NewProducer(address, cfg)
	if err != nil {
		return nil, fmt.Errorf("make a producer for %s: %w", address, err)
	}
	p.SetLogger(nsqLog{log}, nsq.LogLevelWarning)
	return &Producer{nsq: p}, nil
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

// publish tries twice, because the first word on a connection that nsqd has
// closed meanwhile is lost.
func (p *Producer) publish(ctx context.Context, bodies [][]byte) error {
	err := p.publishOnce(ctx, bodies)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return p.publishOnce(ctx, bodies)
}

func (p *Producer) publishOnce(ctx context.Context, bodies [][]byte) error {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	done := make(chan *nsq.ProducerTransaction, 1)
	if err := p.nsq.MultiPublishAsync(Topic, bodies, done); err != nil {
		return err
	}
	select {
	case t := <-done:
		return t.Error
	case <-ctx.Done():
		return ctx.Err() // nsqd may still take it, which does no harm
	}
}

// Close ends the connection.
func (p *Producer) Close() { p.nsq.Stop() }
