package webhooks

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/events"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/series"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Store is the part of the database that a Sender uses.
type Store interface {
	Events(ctx context.Context, after int64, types []faces.EventType, limit int) (store.EventPage, error)
	Webhooks(ctx context.Context) ([]faces.Webhook, error)
	DeclareWebhook(ctx context.Context, w faces.Webhook) (faces.Webhook, error)
	ClaimWebhook(ctx context.Context, among []int64, lease time.Duration) (faces.Webhook, faces.WebhookLease, bool, error)
	EndWebhookLease(ctx context.Context, l faces.WebhookLease, p faces.WebhookProgress) (bool, error)
	AddDelivery(ctx context.Context, d faces.Delivery) error
	SweepDeliveries(ctx context.Context, keep int) error
}

// Options configures a Sender.
type Options struct {
	Target Target
	Sealer *Sealer       // nil: webhooks of the API are refused, and not delivered
	File   string        // declares webhooks; "" for none
	GiveUp time.Duration // how long a target may fail
	Poll   time.Duration // between two looks; 0 is 500 ms
	Pause  time.Duration // after the first failure; 0 is 1 s
}

const (
	defaultPoll  = 500 * time.Millisecond
	defaultPause = time.Second
	longestPause = 10 * time.Minute
	// lanes are how many events of different images are sent to a target at once.
	lanes = 4
	batch = 100
	// tries are the attempts to send one message before the webhook waits.
	tries = 3
	// senders are how many webhooks a process delivers to at once.
	senders = 4
	// lease is longer than turn and the deliveries that began in it.
	lease = time.Minute
	turn  = 20 * time.Second
	// kept are the newest deliveries of a webhook, in its log.
	kept       = 1000
	sweepEvery = time.Minute
)

// Sender delivers events to webhooks.
type Sender struct {
	store  Store
	opts   Options
	log    *slog.Logger
	client *http.Client
	file   *file

	looking sync.Mutex // held by the loop that looks for work
	sealed  sync.Map   // ids of webhooks whose secrets cannot be read, which was logged

	delivered *prometheus.CounterVec
	seconds   prometheus.Histogram
	states    *prometheus.GaugeVec
	behind    *prometheus.GaugeVec
	oldest    *prometheus.GaugeVec
}

// New returns a Sender. It registers its metrics in reg.
func New(st Store, opts Options, log *slog.Logger, reg prometheus.Registerer) *Sender {
	if opts.Poll == 0 {
		opts.Poll = defaultPoll
	}
	if opts.Pause == 0 {
		opts.Pause = defaultPause
	}
	s := &Sender{
		store: st, opts: opts, log: log, client: opts.Target.client(), file: &file{name: opts.File, log: log},
		delivered: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rollcall_webhook_deliveries_total", Help: "Attempts to deliver an event to a webhook, by result: ok, failed.",
		}, []string{"result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "rollcall_webhook_seconds", Help: "Time of a delivery to a webhook.", Buckets: prometheus.ExponentialBuckets(0.005, 2.5, 10),
		}),
		states: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "rollcall_webhooks", Help: "Webhooks by state: active, paused, dead."}, []string{"state"}),
		behind: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "rollcall_webhook_backlog", Help: "Events that a webhook has still to get or pass over, by the id of the webhook.",
		}, []string{"webhook"}),
	}
	s.oldest = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "rollcall_webhook_oldest_seconds", Help: "Age of the oldest event that a webhook has still to get or pass over, by the id of the webhook; 0 if there is none, or if the webhook is not active.",
	}, []string{"webhook"})
	reg.MustRegister(series.AtZero(s.delivered, "ok", "failed"), s.seconds, s.states, s.behind, s.oldest)
	return s
}

// Part returns the Sender as a part of a program.
func (s *Sender) Part() lifecycle.Part {
	var cancel context.CancelFunc
	var loops sync.WaitGroup
	return lifecycle.Part{Name: "webhooks", Start: func(ctx context.Context, _ func(error)) error {
		ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
		for range senders {
			loops.Go(func() { s.run(ctx) })
		}
		loops.Go(func() { s.sweep(ctx) })
		return nil
	}, Stop: func(context.Context) error {
		cancel()
		loops.Wait()
		s.client.CloseIdleConnections()
		return nil
	}}
}

// run delivers until ctx ends.
func (s *Sender) run(ctx context.Context) {
	for ctx.Err() == nil {
		j, err := s.await(ctx)
		if err == nil {
			err = s.work(ctx, j)
		}
		if err != nil && ctx.Err() == nil {
			s.log.Warn("a webhook is late", "webhook", j.webhook.ID, "error", err)
		}
	}
}

// await waits until a webhook has something to deliver. One loop of a process looks at a
// time.
func (s *Sender) await(ctx context.Context) (job, error) {
	s.looking.Lock()
	defer s.looking.Unlock()
	for failing := false; ; {
		j, ok, err := s.look(ctx)
		if ok {
			return j, nil
		}
		if err != nil && !failing && ctx.Err() == nil {
			s.log.Warn("webhooks are late", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return job{}, ctx.Err()
		case <-time.After(s.opts.Poll/2 + rand.N(s.opts.Poll)):
		}
	}
}

func (s *Sender) sweep(ctx context.Context) {
	for {
		if err := errors.Join(s.measure(ctx), s.store.SweepDeliveries(ctx, kept)); err != nil && ctx.Err() == nil {
			s.log.Debug("the log of deliveries was not swept", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepEvery):
		}
	}
}

// usable returns the secrets of the webhooks that this process can sign for, by id.
func (s *Sender) usable(ctx context.Context) (map[int64][]Secret, error) {
	secrets := map[int64][]Secret{}
	declared, err := s.file.read()
	if err != nil {
		return nil, err
	}
	names := map[string][]Secret{}
	for _, d := range declared {
		names[d.Name] = d.secrets
	}
	list, err := s.store.Webhooks(ctx)
	if err != nil {
		return nil, err
	}
	if list, err = s.declare(ctx, declared, list); err != nil {
		return nil, err
	}
	for _, w := range list {
		if w.State != faces.WebhookActive {
			continue
		}
		if own := names[w.Name]; w.Declared && own != nil {
			secrets[w.ID] = own
		}
		if w.Declared || s.opts.Sealer == nil {
			continue
		}
		own, err := s.Secrets(w)
		if _, told := s.sealed.Load(w.ID); err != nil && !told { // once, and not twice a second
			s.log.Error("a webhook cannot be delivered", "webhook", w.ID, "error", err)
			s.sealed.Store(w.ID, true)
		}
		if err != nil {
			continue
		}
		s.sealed.Delete(w.ID)
		secrets[w.ID] = own
	}
	return secrets, nil
}

// Secrets returns the secrets that sign the messages of a webhook now.
func (s *Sender) Secrets(w faces.Webhook) ([]Secret, error) {
	if w.Declared {
		declared, err := s.file.read()
		if err != nil {
			return nil, err
		}
		for _, d := range declared {
			if d.Name == w.Name {
				return d.secrets, nil
			}
		}
		return nil, faces.Errorf(faces.CodeConflict, "the file of webhooks does not declare %q any more", w.Name)
	}
	if s.opts.Sealer == nil {
		return nil, faces.Errorf(faces.CodeConflict, "the secret of webhook %d cannot be read without ROLLCALL_WEBHOOK_KEY_FILE", w.ID)
	}
	secret, err := s.opts.Sealer.Open(w.Sealed)
	if err != nil {
		return nil, err
	}
	secrets := []Secret{secret}
	if w.OldSealed != "" && time.Now().Before(w.OldUntil) {
		if old, err := s.opts.Sealer.Open(w.OldSealed); err == nil {
			secrets = append(secrets, old)
		}
	}
	return secrets, nil
}

// declare makes the rows of declared webhooks, also of those whose row somebody deleted,
// and returns all rows.
func (s *Sender) declare(ctx context.Context, list []declared, rows []faces.Webhook) ([]faces.Webhook, error) {
	changed := false
	for _, d := range list {
		hasRow := slices.ContainsFunc(rows, func(w faces.Webhook) bool { return w.Name == d.Name })
		if hasRow && s.file.isStored(d) {
			continue
		}
		if _, err := s.store.DeclareWebhook(ctx, d.Webhook); err != nil {
			if faces.ErrorCode(err) != faces.CodeConflict {
				return nil, err
			}
			s.log.Error("a declared webhook is not used", "error", err)
		}
		changed = true
		s.file.stored(d)
	}
	if !changed {
		return rows, nil
	}
	return s.store.Webhooks(ctx)
}

// Declares reports whether the file declares a webhook.
func (s *Sender) Declares(w faces.Webhook) (bool, error) {
	list, err := s.file.read()
	isDeclared := w.Declared && slices.ContainsFunc(list, func(d declared) bool { return d.Name == w.Name })
	return isDeclared, err
}

// job is a webhook that this process delivers to.
type job struct {
	webhook faces.Webhook
	lease   faces.WebhookLease
	secrets []Secret
}

// Turn delivers to one webhook for a while. worked is false if none had anything to
// deliver.
func (s *Sender) Turn(ctx context.Context) (worked bool, err error) {
	j, ok, err := s.look(ctx)
	if err != nil || !ok {
		return false, err
	}
	return true, s.work(ctx, j)
}

// look leases a webhook that has something to deliver.
func (s *Sender) look(ctx context.Context) (j job, ok bool, err error) {
	secrets, err := s.usable(ctx)
	if err != nil || len(secrets) == 0 {
		return job{}, false, err
	}
	ids := make([]int64, 0, len(secrets))
	for id := range secrets {
		ids = append(ids, id)
	}
	w, l, ok, err := s.store.ClaimWebhook(ctx, ids, lease)
	return job{webhook: w, lease: l, secrets: secrets[w.ID]}, ok, err
}

// work delivers to a leased webhook, and stores how far it came.
func (s *Sender) work(ctx context.Context, j job) error {
	begun, w := time.Now(), j.webhook
	p := faces.WebhookProgress{Delivered: w.Delivered, State: w.State, FailingSince: w.FailingSince, Failures: w.Failures, NextAttempt: w.NextAttempt}
	err := s.deliver(ctx, w, j.secrets, &p, begun.Add(turn))
	// What was delivered is stored also if the process is stopping.
	ended, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, errEnd := s.store.EndWebhookLease(ended, j.lease, p)
	return errors.Join(err, errEnd)
}

// Test sends a test message to a webhook, and notes how it went.
func (s *Sender) Test(ctx context.Context, w faces.Webhook) (faces.Delivery, error) {
	secrets, err := s.Secrets(w)
	if err != nil {
		return faces.Delivery{}, err
	}
	m, err := newMessage(0, testType, time.Now(), map[string]any{"webhook": w.ID})
	if err != nil {
		return faces.Delivery{}, err
	}
	d, _ := send(ctx, s.client, w, secrets, m) // the delivery says why it failed
	s.count(d)
	return d, s.store.AddDelivery(ctx, d)
}

// deliver sends events until none is left, one fails, or the time is over.
func (s *Sender) deliver(ctx context.Context, w faces.Webhook, secrets []Secret, p *faces.WebhookProgress, until time.Time) error {
	for ctx.Err() == nil && time.Now().Before(until) {
		page, err := s.store.Events(ctx, p.Delivered, w.Types, batch)
		if err != nil {
			return err
		}
		if !page.Has.Has(p.Delivered) {
			gone := &events.GoneError{Seen: p.Delivered, Has: page.Has}
			m, err := newMessage(0, resetType, time.Now(), resetData(gone))
			if err != nil {
				return err
			}
			if !s.sendAll(ctx, w, secrets, []message{m}, page.Has.After, p, until) {
				return nil
			}
			continue
		}
		messages := make([]message, len(page.Events))
		for i, e := range page.Events {
			if messages[i], err = eventMessage(e); err != nil {
				return err
			}
		}
		if !s.sendAll(ctx, w, secrets, messages, page.Next, p, until) || page.Next >= page.Has.Newest {
			return nil
		}
	}
	return nil
}

// sendAll sends messages, in several lanes: those of one image in one lane, in order.
// It moves the progress to the last message before the first one that was not
// delivered, and reports whether all were.
func (s *Sender) sendAll(ctx context.Context, w faces.Webhook, secrets []Secret, list []message, next int64, p *faces.WebhookProgress, until time.Time) bool {
	done := make([][]faces.Delivery, len(list))
	problems := make([]error, len(list))
	var all sync.WaitGroup
	for lane := range lanes {
		all.Go(func() {
			for i, m := range list {
				if int(m.image%lanes) != lane {
					continue
				}
				if ctx.Err() != nil || !time.Now().Before(until) {
					return
				}
				if done[i], problems[i] = s.try(ctx, w, secrets, m, until); problems[i] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	var failed error
	for i := range list {
		p.Deliveries = append(p.Deliveries, done[i]...)
		if problems[i] != nil && len(done[i]) > 0 && failed == nil {
			failed = problems[i]
		}
	}
	for i, m := range list {
		if len(done[i]) == 0 || problems[i] != nil {
			if failed != nil {
				s.failed(w, p, failed)
			}
			return false
		}
		if m.event > 0 { // so the target works, at times
			p.Delivered = m.event
			p.FailingSince, p.Failures = time.Time{}, 0
		}
	}
	p.Delivered = next
	p.FailingSince, p.Failures, p.NextAttempt = time.Time{}, 0, time.Time{}
	return true
}

// try sends a message up to three times within a second, so that a target that fails
// now and then does not hold up the others. It returns each attempt. If the process is
// stopping, there is none: that says nothing about the target.
func (s *Sender) try(ctx context.Context, w faces.Webhook, secrets []Secret, m message, until time.Time) (done []faces.Delivery, err error) {
	for n := range tries {
		var d faces.Delivery
		d, err = send(ctx, s.client, w, secrets, m)
		if err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		s.count(d)
		if done = append(done, d); err == nil || errors.Is(err, errGone) || n == tries-1 || time.Now().After(until) {
			break
		}
		pause := s.opts.Pause / 4 * time.Duration(n+1)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
	return done, err
}

// failed notes a failure: the webhook waits, longer each time, and is dead after too
// long.
func (s *Sender) failed(w faces.Webhook, p *faces.WebhookProgress, why error) {
	now := time.Now()
	if p.FailingSince.IsZero() {
		p.FailingSince = now
	}
	p.Failures++
	pause := min(s.opts.Pause<<min(p.Failures-1, 20), longestPause)
	p.NextAttempt = now.Add(pause/2 + rand.N(pause))
	if errors.Is(why, errGone) || now.Sub(p.FailingSince) > s.opts.GiveUp {
		p.State = faces.WebhookDead
		s.log.Error("a webhook is given up; resume it when its target works again", "webhook", w.ID, "failing_since", p.FailingSince, "error", withoutURL(why))
		return
	}
	s.log.Warn("a webhook does not take an event", "webhook", w.ID, "failures", p.Failures, "again_at", p.NextAttempt, "error", withoutURL(why))
}
