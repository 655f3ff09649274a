package processor_test

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/google/go-cmp/cmp"
	"github.com/nsqio/go-nsq"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/queuetest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func TestMain(m *testing.M) {
	if os.Getenv(mortalEnv) != "" {
		serveMortal()
	}
	os.Exit(mariadbtest.Main(m))
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func publish(t *testing.T, q *queuetest.Queue, ids ...int64) {
	t.Helper()
	p, err := imagequeue.NewProducer(q.NSQD(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Publish(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
}

// consume connects a processor to a queue, as the program does. stop stops
// both, as the program does.
func consume(t *testing.T, db *database, q *queuetest.Queue, p *rig) (stop func()) {
	t.Helper()
	c, err := imagequeue.NewConsumer(imagequeue.ConsumerOptions{
		Lookupd: []string{q.Lookupd()}, MaxInFlight: 50, Registry: prometheus.NewRegistry(), Log: quiet,
		Handle: func(d *imagequeue.Delivery) { p.Take(d.ImageID, promise{d, t, db}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Start()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		c.Pause()
		p.stop(t, 20*time.Second)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	}
}

// promise is a message that checks that it is finished after its outcome is
// in the database.
type promise struct {
	*imagequeue.Delivery
	t  *testing.T
	db *database
}

func (p promise) Finish() {
	if !p.db.settled(p.t, p.ImageID) {
		p.t.Errorf("the message of image %d was finished before its outcome was recorded", p.ImageID)
	}
	p.Delivery.Finish()
}

// awaitDone waits until every image is answered and the queue is empty. The
// queue alone would not do: while nsqd hands messages from a topic to its first
// channel, neither counts them.
func awaitDone(t *testing.T, q *queuetest.Queue, db *database) {
	t.Helper()
	await(t, "every image is answered", func() bool {
		counts := db.counts(t)
		return counts[faces.Queued]+counts[faces.NoReason] == 0
	})
	await(t, "the queue is empty", func() bool {
		depth, inFlight, deferred := q.Depth(imagequeue.Topic, imagequeue.Channel)
		return depth+inFlight+deferred == 0
	})
}

// wantDone checks that every image shows the one reason and nothing is leased.
func (db *database) wantDone(t *testing.T, want map[faces.Reason]int) {
	t.Helper()
	if diff := cmp.Diff(want, db.counts(t)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	var leased int
	err := db.raw.QueryRowContext(t.Context(),
		"SELECT COUNT(*) FROM images WHERE status = 3 OR lease_token <> 0 OR lease_until IS NOT NULL").Scan(&leased)
	if err != nil || leased != 0 {
		t.Errorf("%d leases left (%v)", leased, err)
	}
}

// The original read a row and then wrote it, so that two processors could both
// win. It is not parallel: it counts goroutines.
func TestTwoProcessorsNeverShareAnImage(t *testing.T) {
	db := newDatabase(t)
	q := queuetest.Start(t)
	const images = 500
	ids := db.add(t, images)
	rec := newRecognizer(nil)
	rec.recognize = func(ctx context.Context, path string) (faces.Recognition, error) {
		var leased bool
		err := db.raw.QueryRowContext(ctx,
			"SELECT status = 3 AND lease_token <> 0 FROM images WHERE path = ?", path).Scan(&leased)
		if err != nil || !leased {
			t.Errorf("%s is asked about without a lease (%v)", path, err)
		}
		if strings.HasSuffix(path, "7.jpg") {
			return faces.Recognition{}, faces.Fault(faces.CorruptImage, "torn")
		}
		return nobody(ctx, path)
	}
	o := options()
	o.Lease = 2 * time.Second // the duplicates of what is leased wait that long
	// Work begins when both are there: else the first might do it all.
	publish(t, q, ids[0])
	one, two := newRig(t, db, rec, o), newRig(t, db, rec, o)
	stopOne, stopTwo := consume(t, db, q, one), consume(t, db, q, two)
	await(t, "both processors are connected", func() bool { return q.Consumers(imagequeue.Topic, imagequeue.Channel) == 2 })
	publish(t, q, slices.Concat(ids[1:], ids)...) // each twice: both may want it
	awaitDone(t, q, db)
	stopOne()
	stopTwo()

	db.wantDone(t, map[faces.Reason]int{faces.NoFace: 450, faces.CorruptImage: 50})
	if got := rec.allCalls(); got != images || rec.most != 1 {
		t.Errorf("%d calls for %d images, %d at once for one", got, images, rec.most)
	}
	n1, n2 := one.count(t, "rollcall_outcomes_total", ""), two.count(t, "rollcall_outcomes_total", "")
	t.Logf("the processors answered %d and %d", n1, n2)
	if n1+n2 != images || n1 == 0 || n2 == 0 {
		t.Errorf("outcomes counted: %d and %d, want %d together and some of each", n1, n2, images)
	}
	await(t, "no goroutine of a processor is left", func() bool {
		stacks := make([]byte, 1<<20)
		return !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "internal/processor.(*Processor)")
	})
}

// What the original writes and sends is understood.
func TestImagesOfTheOriginal(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	q := queuetest.Start(t)
	rec := newRecognizer(nobody)
	defer consume(t, db, q, newRig(t, db, rec, options()))()

	var bodies [][]byte
	for i := range 3 {
		res, err := db.raw.ExecContext(t.Context(),
			"insert into images (path, person, status) values (?, -1, 0)", fmt.Sprintf("/unknown_people/old%d.jpg", i))
		if err != nil {
			t.Fatal(err)
		}
		id, err := res.LastInsertId()
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 8)
		binary.LittleEndian.PutUint64(body, uint64(id))
		bodies = append(bodies, body, body) // its redeemer sends what is queued again
	}
	bodies = append(bodies, []byte("bad"), make([]byte, 8), binary.LittleEndian.AppendUint64(nil, 4711))
	producer, err := nsq.NewProducer(q.NSQD(), nsq.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Stop()
	producer.SetLoggerLevel(nsq.LogLevelError)
	if err := producer.MultiPublish("images", bodies); err != nil {
		t.Fatal(err)
	}
	awaitDone(t, q, db)
	db.wantDone(t, map[faces.Reason]int{faces.NoFace: 3})
	if got := rec.allCalls(); got != 3 {
		t.Errorf("%d calls for 3 images", got)
	}
}

// Processors that stop and start while they work lose nothing and answer
// nothing twice.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	q := queuetest.Start(t)
	ids := db.add(t, 150)
	rec := newRecognizer(func(ctx context.Context, path string) (faces.Recognition, error) {
		select {
		case <-time.After(20 * time.Millisecond):
			return nobody(ctx, path)
		case <-ctx.Done():
			return faces.Recognition{}, faces.Fault(faces.RecognizerUnavailable, "given up").WithCause(ctx.Err())
		}
	})
	publish(t, q, ids...)
	random := rand.New(rand.NewPCG(1, 2))
	for range 4 {
		before, more := rec.allCalls(), 1+random.IntN(30)
		stop := consume(t, db, q, newRig(t, db, rec, options()))
		await(t, "some are answered", func() bool { return rec.allCalls() >= min(before+more, len(ids)) })
		stop()
		if n := db.counts(t)[faces.NoReason]; n != 0 {
			t.Errorf("%d images are leased after a stop", n)
		}
	}
	defer consume(t, db, q, newRig(t, db, rec, options()))()
	awaitDone(t, q, db)
	db.wantDone(t, map[faces.Reason]int{faces.NoFace: len(ids)})
	if got := rec.allCalls(); got != len(ids) {
		t.Errorf("%d calls for %d images", got, len(ids))
	}
}

// The queue's own restart breaks its connections; messages come back.
func TestQueueRestart(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	q := queuetest.Start(t)
	ids := db.add(t, 100)
	half := make(chan struct{})
	rec := newRecognizer(nil)
	rec.recognize = func(ctx context.Context, path string) (faces.Recognition, error) {
		if rec.allCalls() > 50 {
			<-half
		}
		return nobody(ctx, path)
	}
	publish(t, q, ids...)
	defer consume(t, db, q, newRig(t, db, rec, options()))()
	await(t, "half of it is done", func() bool { return rec.allCalls() > 50 })
	q.StopNSQD()
	close(half)
	q.StartNSQD()
	awaitDone(t, q, db)
	db.wantDone(t, map[faces.Reason]int{faces.NoFace: len(ids)})
}

func TestTwoProcessorsOnMariaDB(t *testing.T) {
	t.Parallel()
	db := openMariaDB(t, mariadbtest.Database(t))
	q := queuetest.Start(t)
	ids := db.add(t, 300)
	rec := newRecognizer(nobody)
	o := options()
	o.Lease = 2 * time.Second // the duplicates of what is leased wait that long
	publish(t, q, append(ids, ids[:50]...)...)
	defer consume(t, db, q, newRig(t, db, rec, o))()
	defer consume(t, db, q, newRig(t, db, rec, o))()
	awaitDone(t, q, db)
	db.wantDone(t, map[faces.Reason]int{faces.NoFace: len(ids)})
	if got := rec.allCalls(); got != len(ids) || rec.most != 1 {
		t.Errorf("%d calls for %d images, %d at once for one", got, len(ids), rec.most)
	}
}

// A database server that crashes, or stops answering for a while, in the midst
// of it loses nothing.
func TestMariaDBOutage(t *testing.T) {
	t.Parallel()
	mariadbtest.Database(t) // skips where there is no server to start
	server, err := mariadbtest.Start(t.Context(), t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, server.Close)
	if err := server.CreateDatabase(t.Context(), "outage"); err != nil {
		t.Fatal(err)
	}
	db := openMariaDB(t, mariadbtest.DB{
		Host: "127.0.0.1", Port: server.Port(), Name: "outage", User: server.User(), Password: server.Password(),
	})
	q := queuetest.Start(t)
	ids := db.add(t, 200)
	rec := newRecognizer(func(ctx context.Context, path string) (faces.Recognition, error) {
		<-time.After(10 * time.Millisecond)
		return nobody(ctx, path)
	})
	outcomes := &recording{Store: db, outcomes: map[int64]int{}}
	publish(t, q, ids...)
	o := options()
	o.Lease = 3 * time.Second // what a crash leaves leased waits that long
	defer consume(t, db, q, newRig(t, outcomes, rec, o))()
	outages := []struct {
		begin func() error
		end   func() error
	}{
		{server.Pause, server.Resume},
		{server.Kill, func() error { return server.Restart(t.Context()) }},
	}
	for i, outage := range outages {
		await(t, "some are answered", func() bool { return rec.allCalls() >= 40*(i+1) })
		if err := outage.begin(); err != nil {
			t.Fatal(err)
		}
		await(t, "everything waits for the database", still(rec))
		if err := outage.end(); err != nil {
			t.Fatal(err)
		}
	}
	awaitDone(t, q, db)
	db.wantDone(t, map[faces.Reason]int{faces.NoFace: len(ids)})
	for _, id := range ids {
		if n := outcomes.of(id); n > 1 {
			t.Errorf("image %d was answered %d times", id, n)
		}
	}
}

// still reports whether the last second has seen no call.
func still(rec *recognizer) func() bool {
	calls, since := -1, time.Now()
	return func() bool {
		if n := rec.allCalls(); n != calls {
			calls, since = n, time.Now()
		}
		return time.Since(since) > time.Second
	}
}

func openMariaDB(t *testing.T, at mariadbtest.DB) *database {
	t.Helper()
	r := config.NewReader(config.Map(map[string]string{
		"MYSQL_CONNECTION": at.Host, "MYSQL_PORT": strconv.Itoa(at.Port), "MYSQL_DBNAME": at.Name,
		"MYSQL_USERPASSWORD": at.User + ":" + at.Password,
	}))
	cfg := config.ReadDatabase(r)
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	s, err := store.OpenMySQL(cfg)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, s.Close)
	dsn, err := mysql.ParseDSN(at.DSN())
	if err != nil {
		t.Fatal(err)
	}
	dsn.Logger = &mysql.NopLogger{} // that the server dies is meant to be
	connector, err := mysql.NewConnector(dsn)
	if err != nil {
		t.Fatal(err)
	}
	raw := sql.OpenDB(connector)
	closeAfter(t, raw.Close)
	return migrated(t, &database{Store: s, raw: raw})
}
