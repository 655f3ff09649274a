package pipelinebench

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The goals for single posts, as multiples of the original's rate.
var intakeGoals = map[int]float64{8: 6, 64: 20}

// IntakeOptions sets the size of the measurement of single posts. Zero fields have the
// given defaults.
type IntakeOptions struct {
	Dir     string        // an existing folder for the database and the queues; required
	Clients []int         // default 1, 8 and 64
	Rounds  int           // default 7
	Posting time.Duration // time of each round and receiver; default 20 s
	Rows    int           // rows of the full table; default 1,000,000
}

func (o IntakeOptions) withDefaults() IntakeOptions {
	if len(o.Clients) == 0 {
		o.Clients = []int{1, 8, 64}
	}
	if o.Rounds == 0 {
		o.Rounds = 7
	}
	if o.Posting == 0 {
		o.Posting = 20 * time.Second
	}
	if o.Rows == 0 {
		o.Rows = 1_000_000
	}
	return o
}

// target is a receiver to post to, and its table.
type target struct {
	name    string
	address string
	route   string
	raw     *sql.DB
	tables  []string // emptied before each round
}

// Intake compares the rates of single posts: of the receiver, of the receiver with a
// full table, and of a stand-in for the receiver of the original. Rounds alternate
// between them. The database commits to the disk at each commit.
func Intake(ctx context.Context, out io.Writer, opts IntakeOptions) error {
	opts = opts.withDefaults()
	r, err := newRig(ctx, opts.Dir)
	if err != nil {
		return fmt.Errorf("set up the measurement of posts: %w", err)
	}
	defer r.close()
	var u undo
	defer u.run()
	targets, err := intakeTargets(ctx, r, &u, opts)
	if err != nil {
		return err
	}
	t := table{out: out}
	t.line("| receiver | clients | posts a second | of the original | median | p99 | goal |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, clients := range opts.Clients {
		if err := compareIntake(ctx, targets, clients, opts, &t); err != nil {
			return err
		}
	}
	return t.err
}

// intakeTargets starts the receivers. The original is the first.
func intakeTargets(ctx context.Context, r *rig, u *undo, opts IntakeOptions) ([]target, error) {
	original, err := newOriginal(ctx, r, u)
	if err != nil {
		return nil, fmt.Errorf("start the original's stand-in: %w", err)
	}
	empty, err := newReceiver(ctx, r, u, "intake_empty", nil)
	if err != nil {
		return nil, err
	}
	full, err := newReceiver(ctx, r, u, "intake_full", nil)
	if err != nil {
		return nil, err
	}
	if err := fill(ctx, full.raw, opts.Rows); err != nil {
		return nil, fmt.Errorf("fill a table: %w", err)
	}
	ours := []string{"images", "outbox", "events"}
	return []target{
		original,
		{name: "Rollcall", address: strings.TrimPrefix(empty.url, "http://"), route: "/image/post", raw: empty.raw, tables: ours},
		{name: fmt.Sprintf("Rollcall, %d rows", opts.Rows), address: strings.TrimPrefix(full.url, "http://"), route: "/image/post"},
	}, nil
}

// compareIntake measures all targets with a number of clients.
func compareIntake(ctx context.Context, targets []target, clients int, opts IntakeOptions, t *table) error {
	rates := make([][]float64, len(targets))
	waits := make([][]time.Duration, len(targets))
	for round := range opts.Rounds {
		for i, one := range targets {
			for _, name := range one.tables {
				if _, err := one.raw.ExecContext(ctx, "TRUNCATE TABLE "+name); err != nil {
					return fmt.Errorf("empty %s: %w", name, err)
				}
			}
			rate, took, err := one.load(ctx, clients, fmt.Sprintf("%d-%d", clients, round), opts.Posting)
			if err != nil {
				return fmt.Errorf("post to %s: %w", one.name, err)
			}
			rates[i], waits[i] = append(rates[i], rate), append(waits[i], took...)
		}
	}
	for i, one := range targets {
		ratios := make([]float64, opts.Rounds)
		for n := range ratios {
			ratios[n] = rates[i][n] / rates[0][n]
		}
		slices.Sort(waits[i])
		goal := ""
		if least := intakeGoals[clients]; least > 0 && i > 0 {
			if goal = fmt.Sprintf("≥ %.0f", least); median(ratios) < least {
				goal += " (**missed**)"
			}
		}
		t.line("| %s | %d | %.0f | %.1f | %.1f ms | %.1f ms | %s |", one.name, clients, median(rates[i]), median(ratios),
			milliseconds(waits[i][len(waits[i])/2]), milliseconds(waits[i][len(waits[i])*99/100]), goal)
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// load posts with all clients for d. It returns posts a second, and how long each took.
// round is part of the paths, which are never posted twice.
func (t target) load(ctx context.Context, clients int, round string, d time.Duration) (rate float64, took []time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var posts atomic.Int64
	var mu sync.Mutex
	var all sync.WaitGroup
	begin := time.Now()
	for n := range clients {
		all.Go(func() {
			waits, err := t.post(ctx, fmt.Sprintf("%s/%d", round, n), begin.Add(d))
			posts.Add(int64(len(waits)))
			mu.Lock()
			defer mu.Unlock()
			took = append(took, waits...)
			if err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return float64(posts.Load()) / time.Since(begin).Seconds(), took, context.Cause(ctx)
}

// post posts one path after the other over one connection. It writes and reads the
// connection itself, so that the load takes little of the time of the cores that it
// shares with what is measured.
func (t target) post(ctx context.Context, folder string, end time.Time) (took []time.Duration, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", t.address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })()
	in := bufio.NewReader(conn)
	var out []byte
	for n := 0; ctx.Err() == nil; n++ {
		begin := time.Now()
		if begin.After(end) {
			return took, nil
		}
		body := fmt.Sprintf(`{"path":"post/%s/%09d.jpg"}`, folder, n)
		out = fmt.Appendf(out[:0], "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", t.route, t.address, len(body), body)
		if _, err := conn.Write(out); err != nil {
			return took, err
		}
		if err := readAnswer(in); err != nil {
			return took, err
		}
		took = append(took, time.Since(begin))
	}
	return took, nil
}

// readAnswer reads one answer. It fails if the post was not accepted.
func readAnswer(in *bufio.Reader) error {
	head := textproto.NewReader(in)
	status, err := head.ReadLine()
	if err != nil {
		return err
	}
	length := int64(-1)
	for {
		line, err := head.ReadLineBytes()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		if value, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
			if length, err = strconv.ParseInt(value, 10, 64); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return fmt.Errorf("an answer %q without a length", status)
	}
	body, err := io.ReadAll(io.LimitReader(in, length))
	if err != nil {
		return err
	}
	if want := strconv.Itoa(http.StatusAccepted); !strings.HasPrefix(status, "HTTP/1.1 "+want) {
		return fmt.Errorf("answered %s: %s", status, body)
	}
	return nil
}
