package webhooks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go" // the specification's own check

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
	"github.com/rollcall-faces/rollcall/apps/internal/webhooks"
)

var quiet = slog.New(slog.DiscardHandler)

// hook is a target with what it has taken.
type hook struct {
	t   *testing.T
	url string

	mu     sync.Mutex // guards the fields below
	answer func(n int) int
	asked  int
	took   []taken
	checks []*standardwebhooks.Webhook
}

type taken struct {
	ID   string
	Type string          `json:"type"`
	Data json.RawMessage `json:"data"`
	api.Event
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{t: t}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.url = server.URL
	return h
}

// expects makes the target check messages by a secret.
func (h *hook) expects(secrets ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = nil
	for _, s := range secrets {
		check, err := standardwebhooks.NewWebhook(s)
		if err != nil {
			h.t.Fatal(err)
		}
		h.checks = append(h.checks, check)
	}
}

func (h *hook) answers(f func(n int) int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = f
}

// ServeHTTP implements http.Handler.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, check := range h.checks {
		if err := check.Verify(body, r.Header); err != nil {
			h.t.Errorf("the signature of %s: %v", r.Header.Get("webhook-id"), err)
		}
	}
	h.asked++
	if h.answer != nil {
		if code := h.answer(h.asked); code != http.StatusOK {
			w.Header().Set("Location", "http://169.254.169.254/latest/meta-data")
			w.WriteHeader(code)
			return
		}
	}
	m := taken{ID: r.Header.Get("webhook-id")}
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	if err == nil {
		err = json.Unmarshal(m.Data, &m.Event)
	}
	if err != nil || r.Header.Get("Content-Type") != "application/json" {
		h.t.Errorf("a message: %v", err)
	}
	h.took = append(h.took, m)
}

func (h *hook) messages() []taken {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.took)
}

// office is a database with senders.
type office struct {
	t      *testing.T
	store  *store.Store
	sealer *webhooks.Sealer
	dir    string
	posted int
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, dir: t.TempDir()}
	var err error
	if o.store, err = store.OpenSQLite(filepath.Join(o.dir, "rollcall.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.store.Close() })
	if _, err := o.store.Migrate(t.Context(), "/unknown_people"); err != nil {
		t.Fatal(err)
	}
	if o.sealer, err = webhooks.OwnSealer(filepath.Join(o.dir, "key")); err != nil {
		t.Fatal(err)
	}
	return o
}

func (o *office) options() webhooks.Options {
	return webhooks.Options{
		Target: webhooks.Target{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, HTTP: true},
		Sealer: o.sealer, GiveUp: time.Hour, Poll: 2 * time.Millisecond, Pause: time.Millisecond,
	}
}

func (o *office) sender(change ...func(*webhooks.Options)) *webhooks.Sender {
	opts := o.options()
	for _, f := range change {
		f(&opts)
	}
	return webhooks.New(o.store, opts, quiet, prometheus.NewRegistry())
}

func (o *office) run(s *webhooks.Sender) {
	o.t.Helper()
	part := s.Part()
	if err := part.Start(o.t.Context(), func(err error) { o.t.Error(err) }); err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() {
		if err := part.Stop(o.t.Context()); err != nil {
			o.t.Error(err)
		}
	})
}

// add adds a webhook, and returns it with its secret.
func (o *office) add(h *hook, types ...faces.EventType) (faces.Webhook, string) {
	o.t.Helper()
	secret, text := webhooks.NewSecret()
	w, err := o.store.AddWebhook(o.t.Context(), faces.Webhook{Name: h.url, URL: h.url + "/hook?token=hidden", Types: types, Sealed: o.sealer.Seal(secret)})
	if err != nil {
		o.t.Fatal(err)
	}
	h.expects(text)
	return w, text
}

// post adds images, and answers those with even ids.
func (o *office) post(n int) {
	o.t.Helper()
	paths := make([]string, n)
	for i := range paths {
		o.posted++
		paths[i] = fmt.Sprintf("/unknown_people/%d.jpg", o.posted)
	}
	images, err := o.store.AddImages(o.t.Context(), paths)
	if err != nil {
		o.t.Fatal(err)
	}
	var ids []int64
	for _, img := range images {
		ids = append(ids, img.ID)
	}
	c, err := o.store.Claim(o.t.Context(), "p", ids, time.Minute)
	if err != nil {
		o.t.Fatal(err)
	}
	var results []store.Result
	for _, l := range c.Claimed {
		results = append(results, store.Result{Lease: l.Lease, Outcome: faces.Outcome{Reason: faces.NoFace}})
	}
	if _, err := o.store.Finish(o.t.Context(), results); err != nil {
		o.t.Fatal(err)
	}
	o.number()
}

func (o *office) number() {
	o.t.Helper()
	for n := 1; n > 0; {
		var err error
		if n, err = o.store.SequenceEvents(o.t.Context(), 500); err != nil {
			o.t.Fatal(err)
		}
	}
}

func (o *office) webhook(id int64) faces.Webhook {
	o.t.Helper()
	w, err := o.store.Webhook(o.t.Context(), id)
	if err != nil {
		o.t.Fatal(err)
	}
	return w
}

func (o *office) change(id int64, f func(*faces.Webhook)) {
	o.t.Helper()
	_, err := o.store.ChangeWebhook(o.t.Context(), id, access.WebhookChanged, func(w *faces.Webhook, _ faces.EventRange) error { f(w); return nil })
	if err != nil {
		o.t.Fatal(err)
	}
}

// checkOrder fails if an event is missing, or the first deliveries of an image's events
// are not in order.
func checkOrder(t *testing.T, got []taken, events int64) {
	t.Helper()
	seen, ids, last := map[int64]bool{}, map[string]int64{}, map[int64]int64{}
	for _, m := range got {
		if other, ok := ids[m.ID]; ok && other != m.Event.ID {
			t.Errorf("message %s is of event %d and of %d", m.ID, other, m.Event.ID)
		}
		ids[m.ID] = m.Event.ID
		if !seen[m.Event.ID] && m.Event.ID < last[m.Event.Image.ID] {
			t.Errorf("event %d of image %d comes after event %d", m.Event.ID, m.Event.Image.ID, last[m.Event.Image.ID])
		}
		seen[m.Event.ID] = true
		last[m.Event.Image.ID] = max(last[m.Event.Image.ID], m.Event.ID)
	}
	for id := int64(1); id <= events; id++ {
		if !seen[id] {
			t.Errorf("event %d was not delivered", id)
		}
	}
}

// A target that fails once in a while holds up nothing else.
func TestASingleFailureIsRepeatedAtOnce(t *testing.T) {
	t.Parallel()
	o, h := newOffice(t), newHook(t)
	h.answers(func(n int) int {
		if n <= 2 {
			return 503
		}
		return 200
	})
	w, _ := o.add(h)
	o.post(6)
	if worked, err := o.sender().Turn(t.Context()); !worked || err != nil {
		t.Fatal(worked, err)
	}
	if got := o.webhook(w.ID); got.Delivered != 12 || got.Failures != 0 || len(h.messages()) != 12 {
		t.Errorf("after one turn: %+v, %d messages", got, len(h.messages()))
	}
}

// Several processes deliver to a target that fails now and then.
func TestEachEventIsDeliveredInOrder(t *testing.T) {
	t.Parallel()
	o, h := newOffice(t), newHook(t)
	h.answers(func(int) int {
		if rand.N(5) == 0 {
			return []int{500, 429, 302, 404}[rand.N(4)]
		}
		return 200
	})
	w, _ := o.add(h)
	o.run(o.sender())
	o.run(o.sender())
	for range 10 {
		o.post(12)
	}
	wait.Until(t, "all is delivered", func() bool { return o.webhook(w.ID).Delivered == 240 })
	checkOrder(t, h.messages(), 240)
	if got := o.webhook(w.ID); got.State != faces.WebhookActive || got.Failures != 0 || !got.FailingSince.IsZero() {
		t.Errorf("the webhook: %+v", got)
	}
}

func TestTypesAndLog(t *testing.T) {
	t.Parallel()
	o, h := newOffice(t), newHook(t)
	w, _ := o.add(h, faces.ImageAnswered)
	o.post(3)
	s := o.sender()
	if worked, err := s.Turn(t.Context()); !worked || err != nil {
		t.Fatal(worked, err)
	}
	if worked, err := s.Turn(t.Context()); worked || err != nil {
		t.Errorf("a second turn: %v, %v", worked, err)
	}
	got := h.messages()
	if len(got) != 3 || got[0].Type != "image.answered" || got[0].Event.Image.Status != api.StatusPending || got[0].Event.Image.Path == "" {
		t.Errorf("%+v", got)
	}
	log, err := o.store.Deliveries(t.Context(), w.ID, 0, 10)
	if err != nil || len(log) != 3 || !log[0].OK || log[0].Status != 200 || log[0].Message == "" {
		t.Errorf("the log: %+v, %v", log, err)
	}
	if err := o.store.SweepDeliveries(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if log, err = o.store.Deliveries(t.Context(), w.ID, 0, 10); err != nil || len(log) != 2 {
		t.Errorf("the log after a sweep: %d, %v", len(log), err)
	}
}

// A target that fails for too long, or says that it is gone, gets no more; resumed, it
// gets all.
func TestDeadWebhooks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		code   int
		giveUp time.Duration
		turns  int
	}{
		{"it fails for too long", 503, time.Nanosecond, 2},
		{"it is gone", 410, time.Hour, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o, h := newOffice(t), newHook(t)
			w, _ := o.add(h)
			h.answers(func(int) int { return tc.code })
			o.post(1)
			s := o.sender(func(opts *webhooks.Options) { opts.GiveUp = tc.giveUp })
			turns := 0
			wait.Until(t, "the webhook is dead", func() bool {
				if worked, err := s.Turn(t.Context()); err != nil {
					t.Fatal(err)
				} else if worked {
					turns++
				}
				return o.webhook(w.ID).State == faces.WebhookDead
			})
			if turns < tc.turns {
				t.Errorf("%d turns, want %d", turns, tc.turns)
			}
			log, err := o.store.Deliveries(t.Context(), w.ID, 0, 1)
			if err != nil || len(log) != 1 || log[0].OK || log[0].Status != tc.code || strings.Contains(log[0].Problem, "hidden") {
				t.Errorf("the log: %+v, %v", log, err)
			}
			h.answers(nil)
			if worked, err := s.Turn(t.Context()); worked || err != nil {
				t.Errorf("a dead webhook is delivered to: %v, %v", worked, err)
			}
			o.change(w.ID, func(w *faces.Webhook) {
				w.State, w.NextAttempt, w.FailingSince = faces.WebhookActive, time.Time{}, time.Time{}
			})
			if worked, err := s.Turn(t.Context()); !worked || err != nil {
				t.Errorf("a resumed webhook: %v, %v", worked, err)
			}
			checkOrder(t, h.messages(), 2)
		})
	}
}

// A webhook that comes too late is told so.
func TestWebhookThatIsTooLate(t *testing.T) {
	t.Parallel()
	o, h := newOffice(t), newHook(t)
	w, _ := o.add(h)
	o.post(3)
	if _, err := o.store.SweepEvents(t.Context(), store.EventLimits{MaxAge: time.Hour, MaxRows: 1}); err != nil {
		t.Fatal(err)
	}
	s := o.sender()
	if worked, err := s.Turn(t.Context()); !worked || err != nil {
		t.Fatal(worked, err)
	}
	got := h.messages()
	if len(got) != 2 || got[0].Type != "events.reset" || string(got[0].Data) != `{"after":0,"next":5}` || got[1].Event.ID != 6 || o.webhook(w.ID).Delivered != 6 {
		t.Errorf("%+v", got)
	}
}

// While a secret is changed, messages have the signatures of both.
func TestBothSecretsSign(t *testing.T) {
	t.Parallel()
	o, h := newOffice(t), newHook(t)
	w, old := o.add(h)
	secret, text := webhooks.NewSecret()
	o.change(w.ID, func(w *faces.Webhook) {
		w.OldSealed, w.OldUntil, w.Sealed = w.Sealed, time.Now().Add(time.Hour), o.sealer.Seal(secret)
	})
	h.expects(old, text)
	o.post(2)
	s := o.sender()
	if worked, err := s.Turn(t.Context()); !worked || err != nil || len(h.messages()) != 4 {
		t.Errorf("%v, %v, %d messages", worked, err, len(h.messages()))
	}
	d, err := s.Test(t.Context(), o.webhook(w.ID))
	if err != nil || !d.OK || d.Type != "webhook.test" {
		t.Errorf("the test: %+v, %v", d, err)
	}
	h.answers(func(int) int { return 500 })
	if d, err = s.Test(t.Context(), o.webhook(w.ID)); err != nil || d.OK || d.Status != 500 || o.webhook(w.ID).Failures != 0 {
		t.Errorf("the failed test: %+v, %v", d, err)
	}
	dump, err := os.ReadFile(filepath.Join(o.dir, "rollcall.db"))
	if err != nil || strings.Contains(string(dump), strings.TrimPrefix(text, "whsec_")) {
		t.Errorf("the database has the secret itself, or %v", err)
	}
	for _, printed := range []string{fmt.Sprint(secret), fmt.Sprintf("%+v", secret), fmt.Sprintf("%#v", secret)} {
		if printed != "whsec_…" {
			t.Errorf("a secret prints as %s", printed)
		}
	}
}

// A secret that cannot be decrypted is said once, and the other webhooks go on.
func TestSecretOfAnotherKey(t *testing.T) {
	t.Parallel()
	o, h := newOffice(t), newHook(t)
	other, err := webhooks.OwnSealer(filepath.Join(o.dir, "other.key"))
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := webhooks.NewSecret()
	if _, err := o.store.AddWebhook(t.Context(), faces.Webhook{Name: "lost", URL: h.url, Sealed: other.Seal(secret)}); err != nil {
		t.Fatal(err)
	}
	o.add(h)
	o.post(1)
	o.number()
	var log strings.Builder
	s := webhooks.New(o.store, o.options(), slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry())
	for range 5 {
		if _, err := s.Turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(log.String(), "cannot be delivered"); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, log.String())
	}
	if len(h.messages()) == 0 {
		t.Error("the other webhook got nothing")
	}
}

func TestDeclaredWebhooks(t *testing.T) {
	t.Parallel()
	o, h := newOffice(t), newHook(t)
	_, text := webhooks.NewSecret()
	_, old := webhooks.NewSecret()
	file := filepath.Join(o.dir, "webhooks.json")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(fmt.Sprintf(`{"webhooks":[{"name":"hr","url":%q,"secret":%q,"previous_secret":%q,"types":["image.accepted"]}]}`, h.url, text, old))
	h.expects(text, old)
	// No key is needed: the secret stays in the file.
	s := o.sender(func(opts *webhooks.Options) { opts.File, opts.Sealer = file, nil })
	o.run(s)
	var w faces.Webhook
	wait.Until(t, "the webhook has its row", func() bool {
		list, err := o.store.Webhooks(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 1 {
			w = list[0]
		}
		return len(list) == 1
	})
	if !w.Declared || w.Sealed != "" || w.Name != "hr" {
		t.Errorf("%+v", w)
	}
	o.post(2)
	wait.Until(t, "both are delivered", func() bool { return len(h.messages()) == 2 })
	write(fmt.Sprintf(`{"webhooks":[{"name":"hr","url":%q,"secret":%q}]}`, h.url+"/other", text))
	wait.Until(t, "the row follows the file", func() bool { return o.webhook(w.ID).URL == h.url+"/other" && len(o.webhook(w.ID).Types) == 0 })

	for name, content := range map[string]string{
		"no JSON":           `{"webhooks":[`,
		"an unknown field":  `{"webhooks":[{"name":"a","url":"https://example.com","secret":"` + text + `","type":"x"}]}`,
		"a wrong secret":    `{"webhooks":[{"name":"a","url":"https://example.com","secret":"whsec_c2hvcnQ="}]}`,
		"no secret":         `{"webhooks":[{"name":"a","url":"https://example.com"}]}`,
		"no name":           `{"webhooks":[{"url":"https://example.com","secret":"` + text + `"}]}`,
		"a private address": `{"webhooks":[{"name":"a","url":"https://10.0.0.1","secret":"` + text + `"}]}`,
		"two of one name":   `{"webhooks":[{"name":"a","url":"https://example.com","secret":"` + text + `"},{"name":"a","url":"https://example.com","secret":"` + text + `"}]}`,
		"an unknown type":   `{"webhooks":[{"name":"a","url":"https://example.com","secret":"` + text + `","types":["image"]}]}`,
	} {
		write(content)
		err := webhooks.CheckFile(file, webhooks.Target{})
		if err == nil || strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "c2hvcnQ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDeclaredWebhookThatWasDeleted deletes the row of a declared webhook, and frees a
// name that another webhook had. Both are used again at once, without a restart.
func TestDeclaredWebhookThatWasDeleted(t *testing.T) {
	t.Parallel()
	o, h := newOffice(t), newHook(t)
	_, text := webhooks.NewSecret()
	file := filepath.Join(o.dir, "webhooks.json")
	content := fmt.Sprintf(`{"webhooks":[{"name":"hr","url":%q,"secret":%q},{"name":"taken","url":%q,"secret":%q}]}`, h.url, text, h.url, text)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := o.store.AddWebhook(t.Context(), faces.Webhook{Name: "taken", URL: h.url})
	if err != nil {
		t.Fatal(err)
	}
	o.run(o.sender(func(opts *webhooks.Options) { opts.File, opts.Sealer = file, nil }))
	declared := func(name string) (id int64) {
		list, err := o.store.Webhooks(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range list {
			if w.Declared && w.Name == name {
				id = w.ID
			}
		}
		return id
	}
	wait.Until(t, "the webhook has its row", func() bool { return declared("hr") != 0 })
	first := declared("hr")
	if err := o.store.DeleteWebhook(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "it has a row again", func() bool { return declared("hr") != 0 })
	if err := o.store.DeleteWebhook(t.Context(), other.ID); err != nil {
		t.Fatal(err)
	}
	wait.Until(t, "the other one has a row, too", func() bool { return declared("taken") != 0 })
	o.post(1)
	wait.Until(t, "both get the two events of the image", func() bool { return len(h.messages()) == 4 })
}

// gauge returns the value of a metric of the only webhook; -1 if there is none.
func gauge(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if m := f.GetMetric(); f.GetName() == name && len(m) == 1 {
			return m[0].GetGauge().GetValue()
		}
	}
	return -1
}

// How far a webhook is behind is measured, in events and in time.
func TestHowFarAWebhookIsBehind(t *testing.T) {
	t.Parallel()
	o, h := newOffice(t), newHook(t)
	h.answers(func(int) int { return 503 })
	o.add(h)
	o.post(3)
	reg := prometheus.NewPedanticRegistry()
	o.run(webhooks.New(o.store, o.options(), quiet, reg))
	wait.Until(t, "it is behind", func() bool {
		age := gauge(t, reg, "rollcall_webhook_oldest_seconds")
		return gauge(t, reg, "rollcall_webhook_backlog") == 6 && age > 0 && age < 60
	})
}

// Nothing is late for a webhook that somebody paused; how many events wait is told.
func TestAPausedWebhookIsNotLate(t *testing.T) {
	t.Parallel()
	o, h := newOffice(t), newHook(t)
	w, _ := o.add(h)
	o.change(w.ID, func(w *faces.Webhook) { w.State = faces.WebhookPaused })
	o.post(3)
	reg := prometheus.NewPedanticRegistry()
	o.run(webhooks.New(o.store, o.options(), quiet, reg))
	wait.Until(t, "it is measured", func() bool { return gauge(t, reg, "rollcall_webhook_oldest_seconds") >= 0 })
	if age := gauge(t, reg, "rollcall_webhook_oldest_seconds"); age != 0 || gauge(t, reg, "rollcall_webhook_backlog") != 6 {
		t.Errorf("its oldest event is %v seconds late", age)
	}
}

// damaged is a database whose events after some numbers cannot be read.
type damaged struct {
	*store.Store
	after map[int64]bool
}

// Events implements webhooks.Store.
func (d damaged) Events(ctx context.Context, after int64, types []faces.EventType, limit int) (store.EventPage, error) {
	if d.after[after] {
		return store.EventPage{}, errors.New("no database")
	}
	return d.Store.Events(ctx, after, types, limit)
}

// What cannot be read has no value, and hides nothing else.
func TestMetricsWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.post(1)
	o.add(newHook(t))
	o.post(1)
	o.add(newHook(t))
	o.post(1)
	list, err := o.store.Webhooks(t.Context())
	if err != nil || len(list) != 2 || list[0].Delivered == list[1].Delivered {
		t.Fatalf("%+v, %v", list, err)
	}
	st, reg := damaged{o.store, map[int64]bool{}}, prometheus.NewPedanticRegistry()
	s := webhooks.New(st, o.options(), quiet, reg)
	for _, c := range []struct {
		name            string
		fails           []int64
		behind, ofTimes int
	}{
		{"all can be read", nil, 2, 2},
		{"the events of one webhook", []int64{list[0].Delivered}, 2, 1},
		{"nothing can be read", []int64{0}, 0, 0},
		{"all can be read again", nil, 2, 2},
	} {
		clear(st.after)
		for _, after := range c.fails {
			st.after[after] = true
		}
		if err := s.Measure(t.Context()); (err == nil) != (c.fails == nil) {
			t.Errorf("%s: %v", c.name, err)
		}
		if behind, times := values(t, reg, "rollcall_webhook_backlog"), values(t, reg, "rollcall_webhook_oldest_seconds"); behind != c.behind || times != c.ofTimes {
			t.Errorf("%s: %d webhooks with a backlog and %d with a time, want %d and %d", c.name, behind, times, c.behind, c.ofTimes)
		}
	}
}

// values returns how many values a metric has.
func values(t *testing.T, reg prometheus.Gatherer, name string) int {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return len(f.GetMetric())
		}
	}
	return 0
}
