package frontend_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	crowd          = 200 // viewers
	crowdImages    = 20  // that finish, a second
	crowdTime      = 30 * time.Second
	crowdShare     = 0.1 // of a core
	crowdVariable  = "ROLLCALL_TEST_CROWD"
	crowdMeasuring = "measuring\n"
)

// crowdOf is what the other process needs.
type crowdOf struct {
	Address string // of the dashboard
	DB      mariadbtest.DB
}

// Two hundred viewers of the page of images cost the dashboard less than a tenth of a core,
// while twenty images a second finish. The viewers, and what stores the answers, are another
// process.
func TestManyViewers(t *testing.T) {
	if text := os.Getenv(crowdVariable); text != "" {
		beCrowd(t, text)
		return
	}
	n := manyRows(t)
	db, at := largeMariaDB(t, n)
	api, err := frontend.NewAPI("http://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := frontend.New(db, frontend.Options{API: api, Address: "127.0.0.1:0", UnknownPeople: root, Everybody: access.AdminRole})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(srv.Handler())
	t.Cleanup(func() { srv.EndStreams(); web.Close() })
	text, err := json.Marshal(crowdOf{web.Listener.Addr().String(), at})
	if err != nil {
		t.Fatal(err)
	}
	other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestManyViewers$", "-test.timeout=10m")
	other.Env = append(os.Environ(), crowdVariable+"="+string(text))
	other.Stderr = os.Stderr
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || line != crowdMeasuring {
		t.Fatalf("the viewers say %q, %v", line, err)
	}
	begin, used := time.Now(), cpuTime(t)
	line, err := lines.ReadString('\n')
	took, used := time.Since(begin), cpuTime(t)-used
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, lines); err != nil {
		t.Fatal(err)
	}
	if err := other.Wait(); err != nil {
		t.Fatal(err)
	}
	share := used.Seconds() / took.Seconds()
	t.Logf("%.3f of a core for %d viewers, %s in %.0f s", share, crowd, strings.TrimSpace(line), took.Seconds())
	if share > crowdShare {
		t.Errorf("the viewers cost %.3f of a core, want at most %.1f", share, crowdShare)
	}
}

// cpuTime returns the time of processors that this process has used.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// beCrowd is the other process: it looks, and stores answers.
func beCrowd(t *testing.T, text string) {
	var of crowdOf
	if err := json.Unmarshal([]byte(text), &of); err != nil {
		t.Fatal(err)
	}
	db, err := openAt(of.DB)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for sequenced := 1; sequenced > 0; {
		if sequenced, err = db.SequenceEvents(t.Context(), 500); err != nil {
			t.Fatal(err)
		}
	}
	var messages, bytes atomic.Int64
	var ready, viewers sync.WaitGroup
	ctx, leave := context.WithCancel(t.Context())
	for range crowd {
		ready.Add(1)
		viewers.Go(func() { watchLive(ctx, t, of.Address, &messages, &bytes, ready.Done) })
	}
	ready.Wait()
	answerSome(t, db, time.Now().Add(3*time.Second)) // until everything is warm
	messages.Store(0)
	bytes.Store(0)
	fmt.Print(crowdMeasuring)
	n := answerSome(t, db, time.Now().Add(crowdTime))
	fmt.Printf("%d images, %d messages of %d kB each\n", n, messages.Load(), bytes.Load()/max(messages.Load(), 1)/1000)
	leave()
	viewers.Wait()
}

// watchLive is one viewer.
func watchLive(ctx context.Context, t *testing.T, address string, messages, bytes *atomic.Int64, ready func()) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		t.Error(err)
		ready()
		return
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	fmt.Fprintf(conn, "GET /live?view=grid HTTP/1.1\r\nHost: %s\r\n\r\n", address)
	lines := bufio.NewReaderSize(conn, 1<<20)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			if ctx.Err() == nil {
				t.Error(err)
			}
			return
		}
		bytes.Add(int64(len(line)))
		switch {
		case strings.HasPrefix(line, "event: ready"):
			ready()
		case strings.HasPrefix(line, "data: {\"changed"):
			messages.Add(1)
		}
	}
}

// answerSome stores answers at an even pace, as processors do, and returns how many.
func answerSome(t *testing.T, db *store.Store, until time.Time) int {
	t.Helper()
	begin, done := time.Now(), 0
	tick := time.NewTicker(time.Second / 4)
	defer tick.Stop()
	for time.Now().Before(until) {
		<-tick.C
		var paths []string
		for range int(time.Since(begin).Seconds()*crowdImages) - done {
			paths = append(paths, fmt.Sprintf("%s/%d-%d.jpg", root, begin.UnixNano(), done+len(paths)))
		}
		if len(paths) == 0 {
			continue
		}
		done += len(paths)
		images, err := db.AddImages(t.Context(), paths)
		if err != nil {
			t.Fatal(err)
		}
		ids := make([]int64, len(images))
		for i, img := range images {
			ids[i] = img.ID
		}
		claim, err := db.Claim(t.Context(), "test", ids, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var results []store.Result
		for _, c := range claim.Claimed {
			outcome := faces.Decide(faces.Recognition{Width: 800, Height: 600, Sightings: []faces.Sighting{sight(10), sight(300)}, Model: model},
				func(string) (faces.Person, bool) { return faces.Person{}, false })
			results = append(results, store.Result{Lease: c.Lease, Outcome: outcome})
		}
		if _, err := db.Finish(t.Context(), results); err != nil {
			t.Fatal(err)
		}
		if _, err := db.SequenceEvents(t.Context(), 500); err != nil {
			t.Fatal(err)
		}
	}
	return done
}
