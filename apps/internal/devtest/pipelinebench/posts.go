package pipelinebench

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/embeddedqueue"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	posters = 8
	// rounds are short and alternate between the tables, so that other load on
	// the machine affects both equally.
	rounds    = 5
	bulkPosts = 5
	bulkPause = time.Second
)

// measurePosts measures single posts into an empty and into a full table, and
// one large post.
func measurePosts(ctx context.Context, r *rig, opts Options, t *table) error {
	var u undo
	defer u.run()
	empty, err := newReceiver(ctx, r, &u, "posts_empty", nil)
	if err != nil {
		return err
	}
	full, err := newReceiver(ctx, r, &u, "posts_full", nil)
	if err != nil {
		return err
	}
	if err := fill(ctx, full.raw, opts.Rows); err != nil {
		return fmt.Errorf("fill a table: %w", err)
	}
	var ratios []float64
	var intoEmpty, intoFull []float64
	for range rounds {
		a, err := empty.postFor(ctx, opts.Posting/rounds)
		if err != nil {
			return err
		}
		b, err := full.postFor(ctx, opts.Posting/rounds)
		if err != nil {
			return err
		}
		intoEmpty, intoFull, ratios = append(intoEmpty, a), append(intoFull, b), append(ratios, b/a)
		if _, err := empty.raw.ExecContext(ctx, "TRUNCATE TABLE images"); err != nil {
			return err
		}
	}
	t.fact(fmt.Sprintf("single posts per second, %d clients, empty table", posters), fmt.Sprintf("%.0f", median(intoEmpty)))
	t.fact(fmt.Sprintf("the same into %d rows", opts.Rows), fmt.Sprintf("%.0f", median(intoFull)))
	ratio := median(ratios)
	t.row("the second in relation to the first", fmt.Sprintf("%.2f", ratio), fmt.Sprintf("≥ %.1f", targetRatio), ratio >= targetRatio)
	return measureBulk(ctx, full, opts, t)
}

// measureBulk measures one large post into the full table. Its answer comes
// when all images are stored and queued.
func measureBulk(ctx context.Context, rc *testReceiver, opts Options, t *table) error {
	var seconds []float64
	for range bulkPosts {
		// Rows are marked as published after the answer. Wait, so that one post
		// does not pay for the one before.
		select {
		case <-time.After(bulkPause):
		case <-ctx.Done():
			return ctx.Err()
		}
		took, err := rc.postBulk(ctx, opts.Bulk)
		if err != nil {
			return err
		}
		seconds = append(seconds, took.Seconds())
	}
	s := median(seconds)
	t.row(fmt.Sprintf("one post of %d paths, stored and queued", opts.Bulk), fmt.Sprintf("%.2f s", s),
		fmt.Sprintf("< %.1f s", targetBulk.Seconds()), s < targetBulk.Seconds())
	return nil
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

// fill inserts n answered images with one statement: a join of digit tables
// produces the next power of ten, and LIMIT cuts it to n.
func fill(ctx context.Context, db *sql.DB, n int) error {
	const digits = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4" +
		" UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
	from, number := digits+" AS t0", "t0.d"
	for i, all := 1, 10; all < n; i, all = i+1, all*10 {
		name := fmt.Sprintf("t%d", i)
		from += ", " + digits + " AS " + name
		number = fmt.Sprintf("(%s) * 10 + %s.d", number, name)
	}
	_, err := db.ExecContext(ctx, "INSERT INTO images (path, status, reason, published_at)"+
		" SELECT CONCAT('"+root+"/full/', LPAD("+number+", 9, '0'), '.jpg'), 1, 'identified', UTC_TIMESTAMP(6) FROM "+from+
		fmt.Sprintf(" LIMIT %d", n))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "ANALYZE TABLE images")
	return err
}

// testReceiver is the real REST API in this process, on a free port.
type testReceiver struct {
	url  string
	http *http.Client
	raw  *sql.DB

	store *store.Store
	queue *embeddedqueue.Servers

	next atomic.Int64 // number of the next path
}

// newReceiver starts a receiver, which may have no recognizer.
func newReceiver(ctx context.Context, r *rig, u *undo, name string, rec receiver.Recognizer) (*testReceiver, error) {
	st, raw, err := r.database(ctx, u, name)
	if err != nil {
		return nil, err
	}
	servers, err := r.queue(u)
	if err != nil {
		return nil, err
	}
	producer, err := imagequeue.NewProducer(servers.NSQD(), r.log)
	if err != nil {
		return nil, err
	}
	u.add(producer.Close)
	reg := prometheus.NewRegistry()
	publisher := receiver.NewPublisher(st, producer, r.log, reg)
	opts := receiver.Options{Address: "127.0.0.1:0", UnknownPeople: r.root, MaxBody: 16 << 20, MaxPaths: 1_000_000, MaxIdentify: 16 << 20}
	api := &lifecycle.HTTP{
		Name: "REST API", Address: opts.Address,
		Handler: receiver.New(st, publisher, rec, opts, r.log, reg).Handler(reg, st.Ping),
	}
	if err := api.Listen(); err != nil {
		return nil, err
	}
	u.add(serve(r, api, publisher))
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: posters}, Timeout: time.Minute}
	u.add(client.CloseIdleConnections)
	return &testReceiver{url: "http://" + api.Addr(), raw: raw, http: client, store: st, queue: servers}, nil
}

// serve runs the API and the publisher. The returned function stops them.
func serve(r *rig, api *lifecycle.HTTP, publisher *receiver.Publisher) (stop func()) {
	program := lifecycle.New(r.log, 10*time.Second)
	program.Add(lifecycle.Part{
		Name:  "publisher",
		Start: func(context.Context, func(error)) error { publisher.Start(); return nil },
		Stop:  func(ctx context.Context) error { publisher.Stop(ctx); return nil },
	})
	program.Add(api.Part())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = program.Run(ctx) // a failure makes the posts fail
	}()
	return func() { cancel(); <-ended }
}

// postFor posts single paths with all clients for d and returns posts per
// second.
func (rc *testReceiver) postFor(ctx context.Context, d time.Duration) (float64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	begin := time.Now()
	end := begin.Add(d)
	var posts atomic.Int64
	var all sync.WaitGroup
	for range posters {
		all.Go(func() {
			for ctx.Err() == nil && time.Now().Before(end) {
				body := map[string]string{"path": fmt.Sprintf("post/%09d.jpg", rc.next.Add(1))}
				if _, err := rc.post(ctx, "/image/post", body); err != nil {
					cancel(err)
					return
				}
				posts.Add(1)
			}
		})
	}
	all.Wait()
	return float64(posts.Load()) / time.Since(begin).Seconds(), context.Cause(ctx)
}

// postBulk posts n new paths in one request and returns how long it took.
func (rc *testReceiver) postBulk(ctx context.Context, n int) (time.Duration, error) {
	paths := make([]path, n)
	for i := range paths {
		paths[i].Path = fmt.Sprintf("bulk/%09d.jpg", rc.next.Add(1))
	}
	return rc.postPaths(ctx, paths)
}

type path struct {
	Path string `json:"path"`
}

// postPaths posts paths in one request and returns how long it took. It fails
// if any of them was not queued.
func (rc *testReceiver) postPaths(ctx context.Context, paths []path) (time.Duration, error) {
	n := len(paths)
	begin := time.Now()
	text, err := rc.post(ctx, "/images/post", map[string]any{"paths": paths})
	if err != nil {
		return 0, err
	}
	took := time.Since(begin)
	var answer struct {
		Images []struct{ Queued bool }
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return 0, fmt.Errorf("read the answer: %w", err)
	}
	queued := 0
	for _, i := range answer.Images {
		if i.Queued {
			queued++
		}
	}
	if queued != n {
		return 0, fmt.Errorf("%d of %d images were queued", queued, n)
	}
	return took, nil
}

func (rc *testReceiver) post(ctx context.Context, route string, body any) ([]byte, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, rc.url+route, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	res, err := rc.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusAccepted {
		return nil, fmt.Errorf("%s answered %s: %s", route, res.Status, answer)
	}
	return answer, nil
}
