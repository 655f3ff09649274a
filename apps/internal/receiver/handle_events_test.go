package receiver_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-faces/rollcall/apps/api"
	apiclient "github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
	"github.com/rollcall-faces/rollcall/apps/internal/webhooks"
)

func (s fakeStore) SequenceEvents(context.Context, int) (int, error) { return 0, s.answer() }
func (s fakeStore) Events(context.Context, int64, []faces.EventType, int) (store.EventPage, error) {
	return store.EventPage{}, s.answer()
}
func (s fakeStore) EventRange(context.Context) (faces.EventRange, error) {
	return faces.EventRange{}, s.answer()
}
func (s fakeStore) EventBacklog(context.Context, int) (int, time.Time, error) {
	return 0, time.Time{}, s.answer()
}
func (s fakeStore) SweepEvents(context.Context, store.EventLimits) (bool, error) {
	return false, s.answer()
}

// countingStore counts the pages of events that are read.
type countingStore struct {
	*store.Store
	mu    sync.Mutex // guards pages
	pages int
}

func (s *countingStore) Events(ctx context.Context, after int64, types []faces.EventType, limit int) (store.EventPage, error) {
	s.mu.Lock()
	s.pages++
	s.mu.Unlock()
	return s.Store.Events(ctx, after, types, limit)
}

func (s *countingStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pages
}

// startEvents runs the part of a server that numbers events, and ends the streams
// when the test does.
func startEvents(t *testing.T, r *receiver.Server) {
	t.Helper()
	part := r.Events()
	if err := part.Start(t.Context(), func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := part.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func eventBench(t *testing.T) *bench {
	t.Helper()
	opts := options()
	opts.Events = receiver.EventOptions{Streams: 20, Keep: store.EventLimits{MaxAge: time.Hour, MaxRows: 1 << 40}}
	b := newBenchWith(t, newStore(t), opts)
	startEvents(t, b.client.server)
	return b
}

// follow collects the messages of a stream until enough reports true.
func follow(t *testing.T, c *apiclient.Client, after int64, enough func([]apiclient.EventMessage) bool, types ...api.EventType) []apiclient.EventMessage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []apiclient.EventMessage
	for m, err := range c.FollowEvents(ctx, after, types...) {
		if err != nil {
			t.Fatalf("after %d messages: %v", len(got), err)
		}
		if got = append(got, m); enough(got) {
			return got
		}
	}
	t.Fatal("the stream ended")
	return nil
}

func eventsOf(messages []apiclient.EventMessage) []string {
	var texts []string
	for _, m := range messages {
		switch {
		case m.Event != nil && m.Event.Image != nil:
			texts = append(texts, fmt.Sprintf("%d %s %s", m.Event.ID, m.Event.Type, m.Event.Image.Path))
		case m.Event != nil:
			texts = append(texts, fmt.Sprintf("%d %s %s", m.Event.ID, m.Event.Type, m.Event.Person.Name))
		case m.Reset != nil:
			texts = append(texts, fmt.Sprintf("reset %d %d", m.Reset.After, m.Reset.Next))
		}
	}
	return texts
}

func seenEvents(n int) func([]apiclient.EventMessage) bool {
	return func(got []apiclient.EventMessage) bool { return len(eventsOf(got)) >= n }
}

func TestEventsAsPages(t *testing.T) {
	t.Parallel()
	b := eventBench(t)
	b.enrol("Ada")
	b.postAll("a.jpg", "b.jpg")
	b.see(1, seen(0, "Ada.jpg", 0.25))
	c, ctx := apiclient.New(b.url), t.Context()
	var page api.EventList
	wait.Until(t, "the events have ids", func() bool {
		page = must(c.ListEvents(ctx, api.ListEventsParams{}))
		return len(page.Events) == 4
	})
	answered := page.Events[3]
	if answered.Type != api.EventImageAnswered || answered.Image.Status != api.StatusProcessed || answered.Image.Reason != api.ReasonIdentified || answered.Image.People[0].Name != "Ada" || page.Next != 4 {
		t.Errorf("the last event: %+v %+v, next %d", answered, answered.Image, page.Next)
	}
	var texts []string
	one, after := 1, int64(0)
	for range 4 {
		page = must(c.ListEvents(ctx, api.ListEventsParams{After: &after, Limit: &one}))
		texts = append(texts, eventsOf([]apiclient.EventMessage{{Event: &page.Events[0]}})...)
		after = page.Next
	}
	want := []string{"1 person.created Ada", "2 image.accepted /unknown_people/a.jpg", "3 image.accepted /unknown_people/b.jpg", "4 image.answered /unknown_people/a.jpg"}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Errorf("one at a time (-want +got):\n%s", diff)
	}
	if page = must(c.ListEvents(ctx, api.ListEventsParams{After: &after})); len(page.Events) != 0 || page.Next != 4 {
		t.Errorf("at the end: %+v", page)
	}
	if page = must(c.ListEvents(ctx, api.ListEventsParams{Types: &[]api.EventType{api.EventPersonCreated, api.EventImageDeleted}})); len(page.Events) != 1 || page.Next != 4 {
		t.Errorf("of two types: %+v", page)
	}
	b.get("/api/v1/events?after=99").refused(http.StatusGone, "events_gone")
	for _, query := range []string{"after=x", "after=-1", "types=image", "types=image.failed,", "limit=0", "since=1"} {
		b.do(http.MethodGet, "/api/v1/events?"+query, "").refused(http.StatusBadRequest, "invalid_request")
	}
	b.do(http.MethodGet, "/api/v1/events?position=4-x", "").refused(http.StatusBadRequest, "invalid_request")
	b.do(http.MethodGet, "/api/v1/events", "", "Accept", "text/event-stream", "Last-Event-ID", "x").refused(http.StatusBadRequest, "invalid_request")
}

// A consumer that is cut off again and again, and goes on after the last message that
// it has handled, sees every event once.
func TestEventsAsStream(t *testing.T) {
	t.Parallel()
	b := eventBench(t)
	c := apiclient.New(b.url)
	b.postOne("before.jpg")
	ready := follow(t, c, 0, seenEvents(1))
	var paths []string
	go func() {
		for i := range 40 {
			b.postOne(fmt.Sprintf("%02d.jpg", i))
		}
	}()
	after := ready[len(ready)-1].After
	for len(paths) < 40 {
		got := follow(t, c, after, seenEvents(min(7, 40-len(paths)))) // then the connection is closed
		for _, m := range got {
			after = m.After
			if m.Event != nil {
				paths = append(paths, strings.TrimPrefix(m.Event.Image.Path, "/unknown_people/"))
			}
		}
	}
	for i, p := range paths {
		if want := fmt.Sprintf("%02d.jpg", i); p != want {
			t.Fatalf("event %d is about %s, want %s", i, p, want)
		}
	}
}

// From now on: what was before is not told, and nothing after the first message is
// lost.
func TestEventsFromNow(t *testing.T) {
	t.Parallel()
	b := eventBench(t)
	b.postOne("before.jpg")
	wait.Until(t, "the first event has an id", func() bool {
		return len(must(apiclient.New(b.url).ListEvents(t.Context(), api.ListEventsParams{})).Events) == 1
	})
	got := follow(t, apiclient.New(b.url), apiclient.FromNow, func(m []apiclient.EventMessage) bool {
		if len(m) == 1 {
			b.postOne("after.jpg")
		}
		return len(m) == 2
	})
	if diff := cmp.Diff([]string{"2 image.accepted /unknown_people/after.jpg"}, eventsOf(got)); diff != "" || got[0].After != 1 {
		t.Errorf("from %d (-want +got):\n%s", got[0].After, diff)
	}
}

// Who comes too late is told so, and goes on with what is kept.
func TestEventsThatAreGone(t *testing.T) {
	t.Parallel()
	b := eventBench(t)
	b.postAll("1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg")
	c := apiclient.New(b.url)
	wait.Until(t, "the events have ids", func() bool {
		return len(must(c.ListEvents(t.Context(), api.ListEventsParams{})).Events) == 5
	})
	if _, err := b.store.SweepEvents(t.Context(), store.EventLimits{MaxAge: time.Hour, MaxRows: 2}); err != nil {
		t.Fatal(err)
	}
	b.get("/api/v1/events?after=1").refused(http.StatusGone, "events_gone")
	for _, tc := range []struct {
		name  string
		after int64
		want  []string
	}{
		{"from the beginning of what is kept", 0, []string{"4 image.accepted /unknown_people/4.jpg", "5 image.accepted /unknown_people/5.jpg"}},
		{"too late", 2, []string{"reset 2 3", "4 image.accepted /unknown_people/4.jpg", "5 image.accepted /unknown_people/5.jpg"}},
		{"just in time", 3, []string{"4 image.accepted /unknown_people/4.jpg", "5 image.accepted /unknown_people/5.jpg"}},
		{"from a database that was restored", 77, []string{"reset 77 3", "4 image.accepted /unknown_people/4.jpg"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, eventsOf(follow(t, c, tc.after, seenEvents(len(tc.want))))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Who comes with an event of a database that another one has replaced is told so, also if
// the new one has an event with this id by now.
func TestEventsAfterARestore(t *testing.T) {
	t.Parallel()
	lost, restored := eventBench(t), eventBench(t)
	lost.postAll("1.jpg", "2.jpg", "3.jpg")
	restored.postAll("other.jpg", "2.jpg", "3.jpg", "4.jpg")
	for b, n := range map[*bench]int{lost: 3, restored: 4} {
		wait.Until(t, "the events have ids", func() bool {
			return len(must(apiclient.New(b.url).ListEvents(t.Context(), api.ListEventsParams{})).Events) == n
		})
	}
	two := 2
	page := must(apiclient.New(lost.url).ListEvents(t.Context(), api.ListEventsParams{Limit: &two}))
	message := follow(t, apiclient.New(lost.url), 2, seenEvents(1))
	seen := message[len(message)-1]
	if page.Next != 2 || !strings.HasPrefix(page.Position, "2-") || !strings.HasPrefix(seen.Position, "3-") {
		t.Fatalf("the page ends at %d %s, the stream at %s", page.Next, page.Position, seen.Position)
	}
	lost.get("/api/v1/events?position=" + page.Position).expect(http.StatusOK)
	for _, position := range []string{page.Position, seen.Position} {
		restored.get("/api/v1/events?position="+position).refused(http.StatusGone, "events_gone")
	}
	restored.get("/api/v1/events?after=3").expect(http.StatusOK)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []apiclient.EventMessage
	for m, err := range apiclient.New(restored.url).FollowEventsFrom(ctx, seen.Position) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, m); len(eventsOf(got)) == 5 {
			break
		}
	}
	want := []string{"reset 3 0", "1 image.accepted /unknown_people/other.jpg", "2 image.accepted /unknown_people/2.jpg", "3 image.accepted /unknown_people/3.jpg", "4 image.accepted /unknown_people/4.jpg"}
	if diff := cmp.Diff(want, eventsOf(got)); diff != "" {
		t.Errorf("a stream (-want +got):\n%s", diff)
	}
	// What it is told is a position of the database that is there now.
	restored.get("/api/v1/events?position=" + got[len(got)-1].Position).expect(http.StatusOK)
}

// Many listeners cost the database what one does, and no stream more than are allowed
// is opened.
func TestManyListeners(t *testing.T) {
	t.Parallel()
	st := &countingStore{Store: newStore(t)}
	opts := options()
	opts.Events = receiver.EventOptions{Streams: 20, Keep: store.EventLimits{MaxAge: time.Hour, MaxRows: 1 << 40}}
	reg := prometheus.NewRegistry()
	r := receiver.New(st, nowhere{}, nil, opts, quiet, reg)
	server := httptest.NewServer(r.Handler(reg, func(context.Context) error { return nil }))
	t.Cleanup(server.Close)
	startEvents(t, r)
	b := &client{t: t, http: server.Client(), url: server.URL, server: r, metrics: reg}
	c := apiclient.New(server.URL)
	var listening, listeners sync.WaitGroup
	results := make([][]string, 20)
	listening.Add(20)
	for i := range 20 {
		listeners.Go(func() {
			results[i] = eventsOf(follow(t, c, apiclient.FromNow, func(m []apiclient.EventMessage) bool {
				if len(m) == 1 {
					listening.Done()
				}
				return len(eventsOf(m)) == 30
			}))
		})
	}
	listening.Wait()
	b.do(http.MethodGet, "/api/v1/events", "", "Accept", "text/event-stream").refused(http.StatusServiceUnavailable, "unavailable")
	begin := st.count()
	for i := range 30 {
		b.postOne(fmt.Sprintf("%02d.jpg", i))
	}
	listeners.Wait()
	for i, got := range results {
		if !slices.Equal(got, results[0]) {
			t.Errorf("listener %d: %v", i, got)
		}
	}
	// A poll reads all that is there, and each listener looks once at most.
	if n := st.count() - begin; n > 30+20 {
		t.Errorf("%d pages were read for 30 events and 20 listeners", n)
	}
	expected := `# HELP rollcall_events_total Events that this process has numbered.
# TYPE rollcall_events_total counter
rollcall_events_total 30
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(expected), "rollcall_events_total"); err != nil {
		t.Error(err)
	}
	wait.Until(t, "all streams are closed", func() bool {
		n, err := testutil.GatherAndCount(reg, "rollcall_event_listeners")
		return err == nil && n == 1 && gauge(t, reg, "rollcall_event_listeners") == 0
	})
}

// A stream gives signs of life whose id moves on, although it has no event of its
// types; it ends when its key is revoked, and when the receiver stops.
func TestStreamLives(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.Address, opts.Events = "0.0.0.0:8000", receiver.EventOptions{Streams: 20, Beat: 20 * time.Millisecond, Keep: store.EventLimits{MaxAge: time.Hour, MaxRows: 1 << 40}}
	b := newBenchWith(t, newStore(t), opts)
	startEvents(t, b.client.server)
	key, text, err := access.NewKey("reader", access.ScopesOf(access.Read), access.Limits{}, time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.AddKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.AddImages(t.Context(), []string{"/unknown_people/a.jpg"}); err != nil {
		t.Fatal(err)
	}
	c := apiclient.New(b.url, apiclient.WithKey(text))
	got := follow(t, c, 0, func(m []apiclient.EventMessage) bool { return m[len(m)-1].After == 1 }, api.EventImageDeleted)
	if got[0].After != 0 || len(eventsOf(got)) != 0 {
		t.Errorf("signs of life: %+v", got)
	}
	revoked, stopped := make(chan error, 1), make(chan error, 1)
	listen := func(text string, ended chan<- error) {
		ended <- readStream(t.Context(), b.url, text)
	}
	go listen(text, revoked)
	other, otherText, err := access.NewKey("other", access.ScopesOf(access.Read), access.Limits{}, time.Now(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.AddKey(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	go listen(otherText, stopped)
	wait.Until(t, "both streams are open", func() bool { return gauge(t, b.metrics, "rollcall_event_listeners") == 2 })
	if _, err := b.store.RevokeKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	if err := <-revoked; err != nil {
		t.Errorf("the stream of a revoked key: %v", err)
	}
	select {
	case err := <-stopped:
		t.Errorf("the stream of the other key ended: %v", err)
	default:
	}
	b.client.server.EndStreams()
	if err := <-stopped; err != nil {
		t.Errorf("the stream of a receiver that stops: %v", err)
	}
}

// readStream reads one stream until it ends.
func readStream(ctx context.Context, url, key string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/v1/events", http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Authorization", "Bearer "+key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", strconv.Itoa(res.StatusCode))
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// The Go client and the receiver understand each other about webhooks; secrets are
// shown once.
func TestWebhooksByAPI(t *testing.T) {
	t.Parallel()
	opts := options()
	sealer, err := webhooks.OwnSealer(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	opts.Webhooks.Sealer = sealer
	b := newBenchWith(t, newStore(t), opts)
	c, ctx := apiclient.New(b.url), t.Context()
	made := must(c.CreateWebhook(ctx, api.WebhookRequest{Name: "a", URL: "https://example.com/hook", Types: []api.EventType{api.EventImageFailed}}))
	if !strings.HasPrefix(made.Secret, "whsec_") || made.State != api.WebhookActive || made.Types[0] != api.EventImageFailed {
		t.Errorf("made: %+v", made.Webhook)
	}
	for _, route := range []string{"/api/v1/webhooks", "/api/v1/webhooks/1", "/api/v1/webhooks/1/deliveries"} {
		if a := b.get(route).expect(http.StatusOK); strings.Contains(string(a.body), made.Secret) || strings.Contains(string(a.body), "whsec_") {
			t.Errorf("%s tells the secret", route)
		}
	}
	paused, all := api.WebhookPaused, []api.EventType{}
	if got := must(c.ChangeWebhook(ctx, 1, api.WebhookChange{State: &paused, Types: &all})); got.State != api.WebhookPaused || len(got.Types) != 0 {
		t.Errorf("paused: %+v", got)
	}
	if got := must(c.RotateWebhook(ctx, 1)); got.Secret == made.Secret || got.State != api.WebhookPaused {
		t.Errorf("rotated: %+v", got.Webhook)
	}
	if got := must(c.ReplayWebhook(ctx, 1, 0)); got.State != api.WebhookActive || got.Delivered != 0 {
		t.Errorf("replayed: %+v", got)
	}
	if list := must(c.ListWebhooks(ctx)); len(list) != 1 || list[0].ID != 1 {
		t.Errorf("listed: %+v", list)
	}
	post := func(body string) answer { return b.post("/api/v1/webhooks", body) }
	post(`{"name":"b","url":"https://169.254.169.254/"}`).refused(http.StatusBadRequest, "invalid_request")
	post(`{"name":"b","url":"http://example.com/"}`).refused(http.StatusBadRequest, "invalid_request")
	post(`{"name":"b","url":"https://example.com/","type":"x"}`).refused(http.StatusBadRequest, "invalid_request")
	post(`{"name":"a","url":"https://example.com/"}`).refused(http.StatusConflict, "conflict")
	b.post("/api/v1/webhooks/1/replay", `{"after":77}`).refused(http.StatusGone, "events_gone")
	b.do(http.MethodPatch, "/api/v1/webhooks/1", `{"url":"https://10.0.0.1"}`).refused(http.StatusBadRequest, "invalid_request")
	must(c.CreateWebhook(ctx, api.WebhookRequest{Name: "b", URL: "https://example.com/hook"}))
	b.do(http.MethodPatch, "/api/v1/webhooks/1", `{"name":"b"}`).refused(http.StatusConflict, "conflict")
	b.do(http.MethodPatch, "/api/v1/webhooks/1", `{"name":"a"}`).expect(http.StatusOK)
	b.do(http.MethodPatch, "/api/v1/webhooks/1", `{"state":"dead"}`).refused(http.StatusBadRequest, "invalid_request")
	if err := c.DeleteWebhook(ctx, 1); err != nil {
		t.Error(err)
	}
	b.get("/api/v1/webhooks/1").refused(http.StatusNotFound, "not_found")

	without := newBench(t)
	without.post("/api/v1/webhooks", `{"name":"b","url":"https://example.com/"}`).refused(http.StatusConflict, "conflict")
}
