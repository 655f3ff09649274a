package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gofrs/flock" // two programs on one database would undo each other
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/embeddedqueue"
	"github.com/rollcall-faces/rollcall/apps/internal/erasedsearch"
	"github.com/rollcall-faces/rollcall/apps/internal/eraser"
	"github.com/rollcall-faces/rollcall/apps/internal/facefeed"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/grouping"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
	"github.com/rollcall-faces/rollcall/apps/internal/operations"
	"github.com/rollcall-faces/rollcall/apps/internal/operations/gauges"
	"github.com/rollcall-faces/rollcall/apps/internal/operations/report"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/adminhttp"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/background"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/tracing"
	"github.com/rollcall-faces/rollcall/apps/internal/processor"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	"github.com/rollcall-faces/rollcall/apps/internal/redeemer"
	"github.com/rollcall-faces/rollcall/apps/internal/rematch"
	"github.com/rollcall-faces/rollcall/apps/internal/rescan"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
	"github.com/rollcall-faces/rollcall/apps/internal/webhooks"
)

// redeemEvery is how often the redeemer runs a pass.
const redeemEvery = 30 * time.Second

// databaseFile is the name of the database in the data folder.
const databaseFile = "rollcall.db"

// system is all of Rollcall, wired together.
type system struct {
	settings
	log     *slog.Logger
	out     io.Writer
	reg     *prometheus.Registry
	program *lifecycle.Program

	store  *store.Store
	queue  *embeddedqueue.Private
	recog  *localRecognizer
	client *recognizerclient.Client
	calls  *recognizerclient.Metrics
	rest   *receiver.Server
	api    *lifecycle.HTTP
	pages  *lifecycle.HTTP
	admin  *lifecycle.HTTP
	ownKey string                         // of the REST API, for this process
	pass   atomic.Pointer[operations.Run] // of the redeemer, the last one
}

// run runs the system until ctx is cancelled. Only one may use a data folder.
func run(ctx context.Context, s settings, out io.Writer, log *slog.Logger) (err error) {
	unlock, err := lockData(s.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	sys := &system{
		settings: s, log: log, out: out, reg: prometheus.NewRegistry(),
		program: lifecycle.New(log, s.server.ShutdownTimeout),
	}
	traces, err := tracing.Open(ctx, "standalone", s.tracing, log)
	if err != nil {
		return err
	}
	sys.receiver.Traces = traces.Entry(s.sampling)
	sys.processor.Traces, sys.recognizer.Traces = traces.Follow(), traces.Follow()
	sys.program.Add(traces.Part())
	defer func() { err = errors.Join(err, sys.close()) }()
	if err := sys.open(ctx); err != nil {
		return err
	}
	if err := sys.assemble(); err != nil {
		return err
	}
	return sys.program.Run(ctx)
}

// lockData keeps other programs from using a data folder.
func lockData(data string) (unlock func() error, err error) {
	lock := flock.New(filepath.Join(data, "lock"))
	switch ok, err := lock.TryLock(); {
	case err != nil:
		return nil, fmt.Errorf("lock the data folder: %w", err)
	case !ok:
		return nil, fmt.Errorf("another standalone uses the data folder %s; stop it, or choose another folder with -data", data)
	}
	return lock.Unlock, nil
}

// open opens what several parts share.
func (s *system) open(ctx context.Context) error {
	var err error
	if s.store, err = store.OpenSQLite(filepath.Join(s.data, databaseFile), store.WithConsentRequired(s.consent)); err != nil {
		return err
	}
	if _, err := s.store.Migrate(ctx, s.unknown); err != nil {
		return err
	}
	s.reg.MustRegister(store.Collector(s.store), store.BackupCollector(s.store))
	s.named("standalone").MustRegister(report.VolumeRoom("data", s.data))
	s.calls = recognizerclient.NewMetrics(s.named("standalone"))
	s.replayErasures(ctx)
	if err := s.reclaim(ctx); err != nil {
		return err
	}
	if s.queue, err = embeddedqueue.StartPrivate(embeddedqueue.PrivateOptions{
		Dir: filepath.Join(s.data, "queue"), Log: s.log, Topic: imagequeue.Topic, Channel: imagequeue.Channel,
	}); err != nil {
		return err
	}
	if s.recog, err = newRecognizer(ctx, s.settings, s.log, s.named("recognizer")); err != nil {
		return err
	}
	s.client, err = recognizerclient.Dial(recognizerclient.Options{
		Address: s.recog.Address(), Timeout: s.timeout, Threshold: s.processor.Threshold, Margin: s.processor.Margin,
		Metrics: s.calls, Traces: s.processor.Traces,
	})
	return err
}

// replayErasures erases people again whom a restored database has, before their folders
// are enrolled.
func (s *system) replayErasures(ctx context.Context) {
	n, err := eraser.New(s.store, nil, eraser.Options{KnownPeople: s.known}, s.log).Replay(ctx)
	if err != nil {
		s.log.Warn("the ledger of erasures was not read to its end; the next try follows", "error", err)
	}
	if n > 0 {
		s.log.Warn("the database did not know some erasures, as after a restore; they are carried out again", "erasures", n)
	}
}

// reclaim requeues the images that a killed run was processing. Nobody else
// uses the data folder, so there is no need to wait for their leases to expire.
func (s *system) reclaim(ctx context.Context) error {
	n, err := s.store.ReclaimAll(ctx)
	if n > 0 {
		s.log.Info("the last run was interrupted; its images are processed again", "images", n)
	}
	return err
}

// close closes what several parts share, after the parts have stopped.
func (s *system) close() error {
	var errs []error
	if s.rest != nil {
		s.rest.Close()
	}
	if s.client != nil {
		errs = append(errs, s.client.Close())
	}
	if s.recog != nil {
		errs = append(errs, s.recog.Close())
	}
	if s.queue != nil {
		errs = append(errs, s.queue.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}

// assemble adds the parts in the order of their dependencies.
func (s *system) assemble() error {
	for _, add := range []func() error{
		s.addRecognizer, s.addServers, s.addProcessor, s.addRedeemer, s.addWelcome,
	} {
		if err := add(); err != nil {
			return err
		}
	}
	return nil
}

// named adds the program's name to its metrics, because all share one registry.
func (s *system) named(program string) prometheus.Registerer {
	return prometheus.WrapRegistererWith(prometheus.Labels{"program": program}, s.reg)
}

func (s *system) addRecognizer() error {
	// The dashboard shows the model set before the first answer.
	s.program.Add(lifecycle.Part{Name: "model set", Start: func(ctx context.Context, _ func(error)) error {
		return s.store.UseModel(ctx, s.recog.model.WithRule(s.processor.Threshold, s.processor.Margin))
	}})
	for _, part := range s.recog.Parts(s.client) {
		s.program.Add(part)
	}
	s.program.Add(s.enrolment())
	return nil
}

func (s *system) addServers() error {
	producer, err := imagequeue.NewProducer(s.queue.NSQD(), s.log)
	if err != nil {
		return err
	}
	reg := s.named("receiver")
	publisher := receiver.NewPublisher(s.store, producer, s.log, reg)
	if s.receiver.Webhooks.Sealer == nil {
		if s.receiver.Webhooks.Sealer, err = webhooks.OwnSealer(filepath.Join(s.data, "webhook.key")); err != nil {
			return fmt.Errorf("read the key of webhooks: %w", err)
		}
	}
	rest := receiver.New(s.store, publisher, s.client, s.receiver, s.log, reg)
	s.rest = rest
	s.api = &lifecycle.HTTP{Name: "REST API", Address: s.receiver.Address, Handler: rest.Handler(reg, s.program.Ready), MaxConnections: s.receiver.Connections, OnShutdown: rest.EndStreams}
	s.pages = &lifecycle.HTTP{Name: "dashboard", Address: s.frontend.Address(), MaxConnections: s.frontend.Connections}
	if err := errors.Join(listen(s.api, "ROLLCALL_LISTEN_ADDRESS"), listen(s.pages, "FRONTEND_PORT")); err != nil {
		return err
	}
	dashboard, err := s.dashboard()
	if err != nil {
		return err
	}
	s.pages.Handler, s.pages.OnShutdown = dashboard.Handler(), dashboard.EndStreams
	if s.ownKey, err = rest.OwnKey("standalone", access.Ingest, access.Read); err != nil {
		return err
	}
	s.program.Add(rest.KeysPart())
	s.program.Add(publisher.Part(producer.Close))
	s.program.Add(rest.Erasures().Part())
	s.program.Add(rest.KnownPictures())
	s.program.Add(rest.Answers())
	s.program.Add(rest.Events())
	s.program.Add(rest.Webhooks())
	s.program.Add(s.rest.Uploads().Part())
	s.program.Add(gauges.New(s.store, s.log, reg).Part())
	s.program.Add(s.api.Part())
	s.program.Add(dashboard.SignInPart())
	s.program.Add(s.pages.Part())
	return nil
}

// dashboard returns the dashboard. It calls the REST API with a key that only this
// process knows.
func (s *system) dashboard() (*frontend.Server, error) {
	key, err := s.rest.OwnKey("dashboard", access.Admin, access.Act)
	if err != nil {
		return nil, err
	}
	api, err := frontend.NewAPI("http://"+s.api.Addr(), func() (string, error) { return key, nil })
	if err != nil {
		return nil, err
	}
	opts := frontend.Options{
		Log: s.log, Registry: s.named("frontend"), Address: s.frontend.Address(), AllowedHosts: s.frontend.AllowedHosts, BasePath: s.frontend.BasePath, UnknownPeople: s.unknown,
		Receiver: "http://" + s.receiver.Address,
	}
	deps := frontend.SignInDeps{
		Store: s.store, API: api, Keyed: !s.receiver.IsOpen(),
		Log: s.log, Registry: opts.Registry,
	}
	if err := s.frontend.SignIn.Apply(&opts, deps); err != nil {
		return nil, err
	}
	return frontend.New(s.store, opts)
}

// listen binds h. If the address is in use, the error names the setting to
// change.
func listen(h *lifecycle.HTTP, setting string) error {
	err := h.Listen()
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%w; stop the program that uses the address, or choose another one with %s", err, setting)
	}
	return err
}

func (s *system) addProcessor() error {
	reg := s.named("processor")
	owner := fmt.Sprintf("standalone/%d", os.Getpid())
	p := processor.New(s.store, s.client, owner, s.processor, s.log, reg)
	rematcher := rematch.New(s.store, s.client, owner, processor.RematchOptions(s.rematch, s.processor), s.log, reg)
	rescanner := rescan.New(s.store, s.client, func(id int64, m rescan.Message) { p.Take(id, m) }, s.rescan, s.log, reg)
	rematcher.WhenIdle(rescanner.Work)
	replicas := recognizerclient.NewReplicas(recognizerclient.Options{Address: s.recog.Address(), Timeout: processor.FeedTimeout, Metrics: s.calls})
	feeder := facefeed.New(s.store, replicas.List, rematcher.Leads, facefeed.Defaults(), s.log, reg)
	asked := recognizerclient.NewReplicas(recognizerclient.Options{Address: s.recog.Address(), Timeout: processor.GroupTimeout, Metrics: s.calls})
	grouper := grouping.New(s.store, asked.List, rematcher.Token, processor.GroupOptions(s.groups, s.processor), s.log, reg)
	consumer, err := imagequeue.NewConsumer(imagequeue.ConsumerOptions{
		NSQD: []string{s.queue.NSQD()}, MaxInFlight: s.processor.InFlight, Registry: reg, Log: s.log,
		Handle: func(d *imagequeue.Delivery) { p.Take(d.ImageID, d) },
	})
	if err != nil {
		return err
	}
	reporter := s.reporter(owner, p, asked.List, report.NewGauges(reg))
	s.admin = &lifecycle.HTTP{Name: "admin server", Address: s.server.Admin, Handler: adminhttp.Handler(adminhttp.Options{
		Registry: s.reg, Ready: s.program.Ready,
		Checks: []adminhttp.Check{{Name: "database", Run: s.store.Ping}, {Name: "recognizer", Run: s.client.Ping}},
		Info:   s.facts(p),
	})}
	if err := listen(s.admin, "ROLLCALL_ADMIN_ADDRESS"); err != nil {
		return err
	}
	s.program.Add(s.admin.Part())
	s.program.Add(lifecycle.Part{
		Name: "processor",
		Start: func(context.Context, func(error)) error {
			p.Start()
			rematcher.Start()
			feeder.Start()
			grouper.Start()
			reporter.Start()
			return consumer.Start()
		},
		Stop: func(ctx context.Context) error {
			consumer.Pause()
			return errors.Join(feeder.Stop(ctx), replicas.Close(), grouper.Stop(ctx), asked.Close(), rematcher.Stop(ctx), p.Stop(ctx), consumer.Stop(ctx), reporter.Stop(ctx))
		},
	})
	return nil
}

// reporter returns what tells the dashboard how this program is.
func (s *system) reporter(owner string, p *processor.Processor, recognizers func(context.Context) ([]*recognizerclient.Replica, error), around *report.Gauges) *report.Reporter {
	folders := map[string]string{"UNKNOWN_PEOPLE": s.unknown, "KNOWN_PEOPLE": s.known, "data": s.data}
	return report.New(s.store, report.Options{Program: "standalone", Instance: owner, Tally: p.Tally(), Samples: true, Log: s.log, Say: func(ctx context.Context) operations.State {
		around.Ready(ctx, recognizers)
		return operations.State{
			Processor: p.Operations(), Queue: around.Queue(report.Queue(ctx, queueDepth{s.queue}.Depth)), Recognizers: report.Recognizers(ctx, recognizers),
			Volumes: report.Volumes(folders), Redeemer: s.pass.Load(),
		}
	}})
}

func (s *system) facts(p *processor.Processor) adminhttp.Info {
	return func() map[string]any {
		facts := p.Info()
		facts["model"] = s.recog.model.ID
		maps.Copy(facts, s.rest.Warnings())
		return facts
	}
}

// addRedeemer runs the redeemer at the start and then every redeemEvery.
func (s *system) addRedeemer() error {
	producer, err := imagequeue.NewProducer(s.queue.NSQD(), s.log)
	if err != nil {
		return err
	}
	r := redeemer.New(s.store, producer, queueDepth{s.queue}, s.redeemer, s.log)
	retention := redeemer.NewRetention(s.store, s.rest.Uploads(), s.redeemer.Retention, s.log)
	loop := newLoop(redeemEvery, func(ctx context.Context) {
		begin := time.Now()
		sum, err := r.Run(ctx, s.retry)
		s.retry = redeemer.Request{} // -retry applies to the first pass only
		switch {
		case ctx.Err() != nil:
		case err != nil:
			s.log.Warn("redeemer pass failed; the next pass continues", "done", sum.String(), "error", err)
		case sum.Reclaimed+int64(sum.Retried+sum.Queued) > 0:
			s.log.Info("redeemer pass", "done", sum.String())
		}
		s.verifyErased(ctx)
		run, failed := s.retain(ctx, retention)
		s.pass.Store(redeemer.Operations(begin, sum, run, errors.Join(err, failed)))
	})
	s.program.Add(lifecycle.Part{Name: "redeemer", Start: loop.start, Stop: func(ctx context.Context) error {
		defer producer.Close()
		return loop.stop(ctx)
	}})
	return nil
}

// retain deletes the images that are kept no longer.
func (s *system) retain(ctx context.Context, retention *redeemer.Retention) (faces.RetentionRun, error) {
	run, err := retention.Run(ctx)
	if err != nil && ctx.Err() == nil {
		s.log.Warn("images that are kept no longer are not all deleted; the next pass continues", "error", err)
	}
	if run.Images > 0 {
		s.log.Info("retention", "done", redeemer.DescribeRun(run))
	}
	return run, err
}

// verifyErased searches for what is left of people whose erasure nobody has verified.
func (s *system) verifyErased(ctx context.Context) {
	switch waits, err := s.store.UnverifiedErasures(ctx); {
	case err != nil || !waits:
		return
	}
	var found bytes.Buffer
	err := erasedsearch.Verify(ctx, s.store, erasedsearch.Options{KnownPeople: s.known, UnknownPeople: s.unknown}, &found)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.log.Warn("erased people: the search was not clean; the next one follows", "found", found.String(), "error", err)
	default:
		s.log.Info("erased people: the search found nothing")
	}
}

// queueDepth reports the depth of the queue in this process.
type queueDepth struct{ queue *embeddedqueue.Private }

// Depth implements redeemer.Depth.
func (q queueDepth) Depth(context.Context) (imagequeue.Depth, error) {
	waiting, inFlight, deferred := q.queue.Messages()
	return imagequeue.Depth{Waiting: waiting, InFlight: inFlight, Deferred: deferred}, nil
}

// loop calls a function at once and then at an interval, until stopped.
type loop struct {
	every  time.Duration
	f      func(ctx context.Context)
	cancel context.CancelFunc
	done   chan struct{}
}

func newLoop(every time.Duration, f func(ctx context.Context)) *loop {
	return &loop{every: every, f: f, done: make(chan struct{})}
}

func (l *loop) start(context.Context, func(error)) error {
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	go func() {
		defer close(l.done)
		l.f(ctx)
		background.Every(ctx, l.every, l.f)
	}()
	return nil
}

func (l *loop) stop(ctx context.Context) error {
	l.cancel()
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
