package embeddedqueue

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/nsqio/nsq/nsqd"
)

// PrivateOptions configures StartPrivate.
type PrivateOptions struct {
	Dir            string // data folder; created if missing
	Topic, Channel string
	Log            *slog.Logger // nil discards the logs
	Fail           func(error)  // called when nsqd ends on its own; it may be nil
}

// Private is an nsqd inside this process for one topic and one channel, without
// nsqlookupd and without an HTTP port. Through nsqd's HTTP port, any web page could
// pause the channel, and the pause would outlast restarts: NSQ checks neither Host
// nor Origin.
type Private struct {
	nsqd    *nsqd.NSQD
	topic   string
	channel string
	ended   sync.WaitGroup // nsqd's Main
	once    sync.Once
}

// StartPrivate starts nsqd on a free TCP port of 127.0.0.1. It ends a pause that an
// earlier version left behind.
func StartPrivate(opts PrivateOptions) (*Private, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the queue's data folder: %w", err)
	}
	o := nsqd.NewOptions()
	o.DataPath, o.TCPAddress, o.HTTPAddress, o.HTTPSAddress = opts.Dir, address(0), "", ""
	o.BroadcastAddress = host
	o.Logger = logger{opts.Log.With("server", "nsqd")}
	server, err := nsqd.New(o)
	if err != nil {
		return nil, fmt.Errorf("start nsqd: %w", err)
	}
	p := &Private{nsqd: server, topic: opts.Topic, channel: opts.Channel}
	err = errors.Join(server.LoadMetadata(), p.resume(opts.Log), server.PersistMetadata())
	if err != nil {
		server.Exit()
		return nil, fmt.Errorf("start nsqd: %w", err)
	}
	p.ended.Go(func() {
		if err := server.Main(); err != nil && opts.Fail != nil {
			opts.Fail(fmt.Errorf("nsqd: %w", err))
		}
	})
	return p, nil
}

// resume creates the topic and the channel, and ends their pauses.
func (p *Private) resume(log *slog.Logger) error {
	topic := p.nsqd.GetTopic(p.topic)
	channel := topic.GetChannel(p.channel)
	if !topic.IsPaused() && !channel.IsPaused() {
		return nil
	}
	log.Warn("the queue was paused; it goes on", "topic", p.topic, "channel", p.channel)
	return errors.Join(topic.UnPause(), channel.UnPause())
}

// NSQD returns the host:port that clients publish to and consume from.
func (p *Private) NSQD() string { return p.nsqd.RealTCPAddr().String() }

// Messages returns how many messages wait, are being processed, and were requeued
// for later.
func (p *Private) Messages() (waiting, inFlight, deferred int64) {
	for _, topic := range p.nsqd.GetStats(p.topic, p.channel, false).Topics {
		waiting += topic.Depth
		for _, channel := range topic.Channels {
			waiting += channel.Depth
			inFlight += int64(channel.InFlightCount)
			deferred += int64(channel.DeferredCount)
		}
	}
	return waiting, inFlight, deferred
}

// Close stops nsqd. It first writes the messages that it holds in memory to its
// data folder. A second call does nothing.
func (p *Private) Close() error {
	p.once.Do(func() {
		p.nsqd.Exit()
		p.ended.Wait()
	})
	return nil
}
