package processor_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/processor"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// database is a store and a second way into its tables, for what only another
// program would do.
type database struct {
	*store.Store
	raw *sql.DB
}

func newDatabase(t *testing.T) *database {
	t.Helper()
	return databaseIn(t, t.TempDir())
}

func migrated(t *testing.T, db *database) *database {
	t.Helper()
	if _, err := db.Migrate(t.Context(), "/unknown_people"); err != nil {
		t.Fatal(err)
	}
	return db
}

func closeAfter(t *testing.T, f func() error) {
	t.Cleanup(func() {
		if err := f(); err != nil {
			t.Error(err)
		}
	})
}

// add stores n images and returns their ids.
func (db *database) add(t *testing.T, n int) []int64 {
	t.Helper()
	paths := make([]string, n)
	for i := range paths {
		paths[i] = fmt.Sprintf("/unknown_people/%d.jpg", i)
	}
	return db.addPaths(t, paths...)
}

func (db *database) addPaths(t *testing.T, paths ...string) []int64 {
	t.Helper()
	images, err := db.AddImages(t.Context(), paths)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]int64, len(images))
	for i, img := range images {
		ids[i] = img.ID
	}
	return ids
}

func (db *database) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := db.raw.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

func (db *database) image(t *testing.T, id int64) faces.Image {
	t.Helper()
	img, err := db.Image(context.WithoutCancel(t.Context()), id)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// counts returns how many images show each reason; those in processing have
// the empty one.
func (db *database) counts(t *testing.T) map[faces.Reason]int {
	t.Helper()
	list, err := db.CountImages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	counts := map[faces.Reason]int{}
	for _, c := range list {
		counts[c.Reason] += int(c.Images)
	}
	return counts
}

// settled reports whether the row needs no work, which is when its message
// may be finished.
func (db *database) settled(t *testing.T, id int64) bool {
	t.Helper()
	var status int
	var reason string
	var err error
	for range 10 { // the database may be away, and wants to be waited for
		err = db.raw.QueryRowContext(context.WithoutCancel(t.Context()),
			"SELECT status, reason FROM images WHERE id = ?", id).Scan(&status, &reason)
		if err == nil || errors.Is(err, sql.ErrNoRows) {
			break
		}
		<-time.After(time.Second)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return true
	}
	if err != nil {
		t.Errorf("read image %d: %v", id, err)
		return false
	}
	switch faces.Status(status) {
	case faces.Processing:
		return false
	case faces.Pending:
		return faces.ShownReason(faces.Pending, faces.Reason(reason)) != faces.Queued
	default:
		return true
	}
}

// faulty is a store that a test can break.
type faulty struct {
	processor.Store
	mu   sync.Mutex // guards the fields below
	when map[string]func(ctx context.Context) error
}

func newFaulty(st processor.Store) *faulty {
	return &faulty{Store: st, when: map[string]func(context.Context) error{}}
}

// on lets every call of a method begin with f; nil undoes it.
func (s *faulty) on(method string, f func(ctx context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.when[method] = f
}

func (s *faulty) before(ctx context.Context, method string) error {
	s.mu.Lock()
	f := s.when[method]
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(ctx)
}

func (s *faulty) Claim(ctx context.Context, owner string, ids []int64, lease time.Duration) (store.Claim, error) {
	if err := s.before(ctx, "Claim"); err != nil {
		return store.Claim{}, err
	}
	return s.Store.Claim(ctx, owner, ids, lease)
}

func (s *faulty) Renew(ctx context.Context, leases []store.Lease, lease time.Duration) ([]store.Lease, error) {
	if err := s.before(ctx, "Renew"); err != nil {
		return nil, err
	}
	return s.Store.Renew(ctx, leases, lease)
}

func (s *faulty) Release(ctx context.Context, leases []store.Lease, refund bool) error {
	if err := s.before(ctx, "Release"); err != nil {
		return err
	}
	return s.Store.Release(ctx, leases, refund)
}

func (s *faulty) Finish(ctx context.Context, results []store.Result) ([]int64, error) {
	if err := s.before(ctx, "Finish"); err != nil {
		return nil, err
	}
	return s.Store.Finish(ctx, results)
}

func (s *faulty) Owners(ctx context.Context, images []string) (map[string]faces.Person, error) {
	if err := s.before(ctx, "Owners"); err != nil {
		return nil, err
	}
	return s.Store.Owners(ctx, images)
}

func (s *faulty) UseModel(ctx context.Context, m faces.Model) error {
	if err := s.before(ctx, "UseModel"); err != nil {
		return err
	}
	return s.Store.UseModel(ctx, m)
}

var errAway = faces.Errorf(faces.CodeUnavailable, "the database cannot be reached")

// away is what a store that cannot be reached says.
func away(context.Context) error { return errAway }

// recognizer does what it is told, and counts.
type recognizer struct {
	recognize func(ctx context.Context, path string) (faces.Recognition, error)
	pinged    func(ctx context.Context) error

	mu    sync.Mutex // guards the fields below
	calls map[string]int
	known map[string]faces.File // that the last call of a path named
	now   map[string]int        // calls that have not returned
	most  int                   // calls at the same time, of one path
}

func newRecognizer(f func(ctx context.Context, path string) (faces.Recognition, error)) *recognizer {
	return &recognizer{
		recognize: f, pinged: func(context.Context) error { return nil },
		calls: map[string]int{}, known: map[string]faces.File{}, now: map[string]int{},
	}
}

func (r *recognizer) Recognize(ctx context.Context, path string, known faces.File) (faces.Recognition, error) {
	r.mu.Lock()
	r.calls[path]++
	r.known[path] = known
	r.now[path]++
	r.most = max(r.most, r.now[path])
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.now[path]--
	}()
	return r.recognize(ctx, path)
}

func (r *recognizer) Ping(ctx context.Context) error { return r.pinged(ctx) }

func (r *recognizer) allCalls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := 0
	for _, n := range r.calls {
		sum += n
	}
	return sum
}

var lite = faces.Model{ID: "lite", Threshold: 0.6, Margin: 0.05}

// nobody is the answer for a picture without a face.
func nobody(context.Context, string) (faces.Recognition, error) {
	return faces.Recognition{Width: 640, Height: 480, Model: lite}, nil
}

// near is the answer for a picture with one face near known pictures.
func near(neighbours ...faces.Neighbour) faces.Recognition {
	return faces.Recognition{Width: 640, Height: 480, Model: lite, Sightings: []faces.Sighting{{
		Box: faces.Box{X: 1, Y: 2, Width: 30, Height: 40}, Neighbours: neighbours,
	}}}
}

// memoryQueue keeps messages as NSQ does: each is delivered until it is
// finished. It checks the promise of every message: none is finished before
// its image's row is settled.
type memoryQueue struct {
	t  *testing.T
	db *database

	mu       sync.Mutex // guards the fields below
	taker    *processor.Processor
	waiting  []*message // for a taker
	finished map[int64]int
	pauses   map[int64][]time.Duration
	flying   map[*message]bool // with a taker
}

func newMemoryQueue(t *testing.T, db *database) *memoryQueue {
	return &memoryQueue{t: t, db: db, finished: map[int64]int{}, pauses: map[int64][]time.Duration{}, flying: map[*message]bool{}}
}

type message struct {
	queue *memoryQueue
	id    int64
}

// publish puts ids into the queue.
func (q *memoryQueue) publish(ids ...int64) {
	for _, id := range ids {
		q.deliver(&message{queue: q, id: id})
	}
}

func (q *memoryQueue) deliver(m *message) {
	q.mu.Lock()
	taker := q.taker
	if taker == nil {
		q.waiting = append(q.waiting, m)
	} else {
		q.flying[m] = true
	}
	q.mu.Unlock()
	if taker != nil {
		taker.Take(m.id, m)
	}
}

// attach delivers to p what waits and what comes; nil keeps it.
func (q *memoryQueue) attach(p *processor.Processor) {
	q.mu.Lock()
	q.taker = p
	var waiting []*message
	if p != nil {
		waiting, q.waiting = q.waiting, nil
	}
	q.mu.Unlock()
	for _, m := range waiting {
		q.deliver(m)
	}
}

func (m *message) Finish() {
	if !m.queue.db.settled(m.queue.t, m.id) {
		m.queue.t.Errorf("the message of image %d was finished before its outcome was recorded", m.id)
	}
	m.answered()
	m.queue.mu.Lock()
	defer m.queue.mu.Unlock()
	m.queue.finished[m.id]++
}

// redeliveryTime is the least time from a message's return to its next
// delivery. It is not zero: a stopped processor returns each message at once,
// and without a pause the clock of a synctest bubble would never move.
const redeliveryTime = 10 * time.Millisecond

func (m *message) Requeue(delay time.Duration) {
	if delay < 0 {
		m.queue.t.Errorf("image %d was requeued with a delay of %s", m.id, delay)
	}
	m.answered()
	m.queue.mu.Lock()
	m.queue.pauses[m.id] = append(m.queue.pauses[m.id], delay)
	m.queue.mu.Unlock()
	time.AfterFunc(max(delay, redeliveryTime), func() { m.queue.deliver(m) })
}

func (m *message) answered() {
	m.queue.mu.Lock()
	defer m.queue.mu.Unlock()
	if !m.queue.flying[m] {
		m.queue.t.Errorf("the message of image %d was answered twice", m.id)
	}
	delete(m.queue.flying, m)
}

func (q *memoryQueue) finishedIDs() map[int64]int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return maps.Clone(q.finished)
}

func (q *memoryQueue) pausesOf(id int64) []time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.pauses[id])
}

// inFlight returns how many messages nobody has answered.
func (q *memoryQueue) inFlight() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.flying)
}

// awaitFinished waits until the ids' messages are finished.
func (q *memoryQueue) awaitFinished(ids ...int64) {
	q.t.Helper()
	q.awaitFinishedWithin(time.Minute, ids...)
}

func (q *memoryQueue) awaitFinishedWithin(limit time.Duration, ids ...int64) {
	q.t.Helper()
	awaitWithin(q.t, limit, "the messages are finished", func() bool {
		q.mu.Lock()
		defer q.mu.Unlock()
		return !slices.ContainsFunc(ids, func(id int64) bool { return q.finished[id] == 0 })
	})
}

// await waits for a condition. In a bubble of synctest a minute is nothing.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	awaitWithin(t, time.Minute, what, ok)
}

func awaitWithin(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	wait.Within(t, limit, what, ok)
}

// rig is a processor under test.
type rig struct {
	*processor.Processor
	reg *prometheus.Registry
}

func options() processor.Options {
	o := processor.Defaults()
	o.Calls = 4
	return o
}

func newRig(t *testing.T, st processor.Store, rec processor.Recognizer, o processor.Options) *rig {
	t.Helper()
	reg := prometheus.NewRegistry()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	return &rig{Processor: processor.New(st, rec, t.Name(), o, log, reg), reg: reg}
}

// start starts the processor; it stops when the test ends.
func (r *rig) start(t *testing.T) *rig {
	t.Helper()
	r.Start()
	t.Cleanup(func() { r.stop(t, time.Minute) })
	return r
}

func (r *rig) stop(t *testing.T, within time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), within)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// count returns the sum of a counter over the series whose labels have the
// value, or over all where it is empty.
func (r *rig) count(t *testing.T, name, value string) int {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := m.GetLabel()
			if value != "" && (len(labels) != 1 || labels[0].GetValue() != value) {
				continue
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return int(sum)
}
