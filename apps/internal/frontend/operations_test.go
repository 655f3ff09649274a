package frontend_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/operations"
	"github.com/rollcall-faces/rollcall/apps/internal/operations/report"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// says stores what a program says about itself, at a time.
func (a *album) says(at time.Time, program, instance string, state operations.State) {
	a.t.Helper()
	a.setClock(at)
	a.check(report.Note(a.t.Context(), a, program, instance, state))
	a.setClock(noon)
}

func TestOperationsOfAnEmptySystem(t *testing.T) {
	t.Parallel()
	page := get(t, serve(t, newAlbum(t)), "/operations")
	if page.Code != http.StatusOK {
		t.Fatal(page.Code, page.Text)
	}
	for _, want := range []string{
		"Nothing to show yet", "There are no jobs", "No picture has failed", "no program has said so", "no processor has said which there are",
		"No picture was processed in the last hour", "No pass is known yet", "There are no webhooks", "nothing waits",
	} {
		if !strings.Contains(page.words("main"), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestOperationsShowWhatProgramsSay(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	now := noon.Add(time.Minute) // of the dashboard
	slow := a.answer("/unknown_people/team/slow.jpg", sight(10))
	a.says(now.Add(-2*time.Second), "processor", "one/1", operations.State{
		Processor: &operations.Processor{
			Open: true, Since: now.Add(-3 * time.Minute), NextTry: now.Add(12 * time.Second), Why: string(faces.RecognizerUnavailable),
			Slowest: []operations.Slow{{Image: 4711, Took: 9000, At: now}, {Image: slow, Took: 2500, At: now}},
		},
		Queue:       &operations.Queue{Waiting: 17, InFlight: 4, Deferred: 3},
		Recognizers: []operations.Recognizer{{Address: "10.0.0.1:50051", Model: "set-1", Known: 20, Engines: 2}, {Address: "10.0.0.2:50051", Model: "set-2", Known: 20, Problems: 1}},
	})
	a.says(now.Add(-time.Minute), "processor", "two/1", operations.State{Processor: &operations.Processor{InFlight: 3}, Queue: &operations.Queue{Waiting: 99}})
	a.says(now.Add(-time.Second), "receiver", "r/1", operations.State{Volumes: []operations.Volume{{Name: "UNKNOWN_PEOPLE", Free: 5_000_000_000, Size: 100_000_000_000}}})
	a.says(now.Add(-time.Hour), "redeemer", "", operations.State{Redeemer: &operations.Run{Finished: now.Add(-time.Hour), Took: 1500, Retried: 6, Queued: 8}})
	a.check(a.NoteProgram(t.Context(), "processor", "newer", []byte("not JSON")))
	page := get(t, serve(t, a), "/operations")
	for _, want := range []string{
		"one/1 Circuit open", "Recognizer unavailable, since 3 min ago", "Next try in 12 s", "two/1 Not heard from", "Waiting 17 In progress 4 For later 3",
		"They use 2 different model sets", "set-2 · Known pictures 20 (1 cannot be used)", "team/slow.jpg2.5 s", "Pictures 5.0 GB free of 100 GB", "Nearly full",
		"Last pass 1 h ago", "Given another round 6",
	} {
		if !strings.Contains(page.words("main"), want) {
			t.Errorf("the page does not say %q:\n%s", want, page.words("main"))
		}
	}
	if strings.Contains(page.words("main"), "4711") {
		t.Error("an image that is gone is shown")
	}
}

func TestRecognizersAreCompared(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		list []operations.Recognizer
		says string
	}{
		"they agree":             {[]operations.Recognizer{{Address: "a", Model: "m", Known: 3}, {Address: "b", Model: "m", Known: 3}}, "All use the same model set"},
		"one loads":              {[]operations.Recognizer{{Address: "a", Model: "m", Known: 3}, {Address: "b", Model: "m"}}, "different numbers of pictures"},
		"one is away":            {[]operations.Recognizer{{Address: "a", Model: "m", Known: 3}, {Address: "b", Away: true}}, "1 recognizer does not answer."},
		"none is there":          {[]operations.Recognizer{{Address: "a", Away: true}}, "No recognizer answers."},
		"there are several sets": {[]operations.Recognizer{{Address: "a", Model: "m"}, {Address: "b", Model: "n"}}, "2 different model sets"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAlbum(t)
			a.says(noon.Add(time.Minute), "processor", "p", operations.State{Recognizers: tc.list})
			if got := get(t, serve(t, a), "/operations").words(".verdict"); !strings.Contains(got, tc.says) {
				t.Errorf("got %q, want %q", got, tc.says)
			}
		})
	}
}

func TestChartsHaveTheirNumbersInATable(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	now := noon.Add(time.Minute)
	minute := now.Unix() / 60
	a.check(a.NoteOutcomes(t.Context(), "p", []store.MinuteOutcome{
		{Minute: minute, Reason: faces.Identified, Images: 7}, {Minute: minute, Reason: faces.Timeout, Images: 2}, {Minute: minute - 59, Reason: faces.NoFace, Images: 5},
		{Minute: minute - 60, Reason: faces.Identified, Images: 1000}, {Minute: minute - 61, Reason: faces.Identified, Images: 1000},
	}))
	a.post("/unknown_people/a.jpg", "/unknown_people/b.jpg")
	_, err := a.SampleTotals(t.Context())
	a.check(err)
	h := serve(t, a)
	page := get(t, h, "/operations")
	if got := page.words("#finished .sum"); got != "14 in the last hour" {
		t.Errorf("the sum is %q", got)
	}
	rows := page.each("#finished tbody tr")
	if len(rows) != 12 || !strings.HasSuffix(rows[0], "7002") || !strings.HasSuffix(rows[11], "0050") {
		t.Errorf("the table is %q", rows)
	}
	if n := page.Find("#finished rect").Length(); n != 3 {
		t.Errorf("%d bars, want 3", n)
	}
	if rows := page.each("#waited tbody tr"); !strings.HasSuffix(rows[0], " ago2") || !strings.HasSuffix(rows[11], "–") {
		t.Errorf("the table of what waited is %q", rows)
	}
	if got := get(t, h, "/operations?span=day").words("#finished .sum"); got != "2014 in the last day" {
		t.Errorf("the sum of a day is %q", got)
	}
	if got := get(t, h, "/operations?span=nonsense").words("#finished .sum"); got != "14 in the last hour" {
		t.Errorf("the sum of a span that does not exist is %q", got)
	}
}

func TestOperationsRefuseWhoMayNot(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	a.fail("/unknown_people/x.jpg", faces.NotFound, "gone")
	job, err := a.RequestRescan(t.Context(), "", true)
	a.check(err)
	h := serve(t, a)
	page := get(t, h, "/operations")
	if n := page.Find("main form").Length(); n != 0 {
		t.Errorf("a viewer sees %d forms", n)
	}
	for _, target := range []string{"/operations/retry", "/operations/rescans/" + strconv.FormatInt(job.ID, 10) + "/pause"} {
		if got := do(t, h, request(t, http.MethodPost, target)).Code; got != http.StatusForbidden {
			t.Errorf("%s answers %d to a viewer", target, got)
		}
	}
}

// gated is a store whose first list of rescans waits, after it was read.
type gated struct {
	*store.Store
	begun         atomic.Bool
	reached, open chan struct{}
}

func (g *gated) Rescans(ctx context.Context, before int64, limit int) ([]history.Rescan, error) {
	list, err := g.Store.Rescans(ctx, before, limit)
	if g.begun.CompareAndSwap(false, true) {
		close(g.reached)
		<-g.open
	}
	return list, err
}

// The page shows what its own form did, also when somebody's look at the system began
// before and ends after.
func TestOperationsShowTheirOwnChange(t *testing.T) {
	t.Parallel()
	house := newHouse(t)
	job, err := house.RequestRescan(t.Context(), "", true)
	house.check(err)
	db := &gated{Store: house.Store, reached: make(chan struct{}), open: make(chan struct{})}
	h := serve(t, db, func(o *frontend.Options) {
		o.CountsFor, o.Now, o.API, o.Everybody = time.Minute, time.Now, house.api, access.AdminRole
	})
	row := "#rescan-" + strconv.FormatInt(job.ID, 10) + " .badge"
	before := make(chan struct{})
	go func() {
		defer close(before)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, request(t, http.MethodGet, "/operations"))
	}()
	<-db.reached
	if p := do(t, h, request(t, http.MethodPost, "/operations/rescans/"+strconv.FormatInt(job.ID, 10)+"/pause")); p.Code != http.StatusSeeOther {
		t.Fatalf("got %d %s", p.Code, p.words("main"))
	}
	if got := get(t, h, "/operations").words(row); got != "Paused" {
		t.Errorf("while the look before goes on, the rescan is %q", got)
	}
	close(db.open)
	<-before
	if got := get(t, h, "/operations").words(row); got != "Paused" {
		t.Errorf("after the look before, the rescan is %q", got)
	}
}

// A retry of many images is not begun twice, and its error is in the log when its form has
// been answered before.
func TestRetryOfManyFailedPictures(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	goOn := make(chan struct{})
	rest := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		<-goOn
		http.Error(w, "no", http.StatusForbidden)
	}))
	t.Cleanup(rest.Close)
	log := &syncBuffer{}
	h := serve(t, newAlbum(t), func(o *frontend.Options) {
		o.API, o.Everybody, o.Log = client.New(rest.URL), access.AdminRole, slog.New(slog.NewTextHandler(log, nil))
	})
	click := func(reason string) answered {
		req := request(t, http.MethodPost, "/operations/retry")
		req.Body = io.NopCloser(strings.NewReader("reason=" + reason))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		return answered{Code: rec.Code, Header: rec.Header()}
	}
	first := make(chan answered, 1)
	go func() { first <- click("not_found") }()
	wait.Until(t, "the receiver is asked", func() bool { return asked.Load() == 1 })
	if p := click("not_found"); p.Code != http.StatusSeeOther || !strings.Contains(p.Header.Get("Location"), "done=underway") {
		t.Errorf("the second click: got %d to %s", p.Code, p.Header.Get("Location"))
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the receiver was asked %d times", n)
	}
	if p := <-first; p.Code != http.StatusSeeOther || !strings.Contains(p.Header.Get("Location"), "done=retrying") {
		t.Errorf("the first click: got %d to %s", p.Code, p.Header.Get("Location"))
	}
	close(goOn)
	wait.Until(t, "the error is logged", func() bool { return strings.Contains(log.String(), "not all failed images are retried") })
	if p := click("not_found"); p.Code != http.StatusForbidden || asked.Load() != 2 {
		t.Errorf("a click after it: got %d, the receiver was asked %d times", p.Code, asked.Load())
	}
	if got := get(t, h, "/operations?done=underway&n=0").words(".notice"); !strings.Contains(got, "already") {
		t.Errorf("the page says %q", got)
	}
}

// A chart stays true while it is looked at: it shows what was finished since the last look,
// also what processors tell of a little later, and what is too old leaves it.
func TestChartsGoOn(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	now := noon
	h := serve(t, a, func(o *frontend.Options) { o.CountsFor, o.Now = time.Hour, func() time.Time { return now } })
	finish := func(minutesAgo, images int64) {
		t.Helper()
		a.check(a.NoteOutcomes(t.Context(), "p", []store.MinuteOutcome{{Minute: now.Unix()/60 - minutesAgo, Reason: faces.Identified, Images: images}}))
	}
	look := func(span, want string) {
		t.Helper()
		if got := get(t, h, "/operations?span="+span).words("#finished .sum"); got != want {
			t.Errorf("%s at %s: %q, want %q", span, now.Format(time.TimeOnly), got, want)
		}
	}
	finish(55, 1)
	finish(0, 2)
	look("hour", "3 in the last hour")
	look("day", "3 in the last day")
	now = now.Add(3 * time.Minute)
	finish(3, 20) // the rest of a minute that was seen before
	finish(1, 100)
	look("hour", "121 in the last hour")
	look("day", "121 in the last day")
	now = now.Add(4 * time.Minute)
	look("hour", "120 in the last hour")
	now = now.Add(25 * time.Hour)
	finish(0, 5)
	look("hour", "5 in the last hour")
	look("day", "5 in the last day")
}
