package frontend

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// webhooksView is the body of the page of webhooks.
type webhooksView struct {
	Problem  string
	Notice   string
	Secret   *madeSecret
	Webhooks []webhookView
	Form     webhookForm
}

// madeSecret is the signing secret of a webhook, which is shown this once.
type madeSecret struct {
	ID         int64
	Name, Text string
	Rotated    bool
}

type webhookView struct {
	ID         int64
	Name, Link string
	Types      []string
	State      outcome
	Meaning    string // of the state
	Declared   bool
	Paused     bool
	Dead       bool
	Delivered  int64
	Failures   int
	Since      moment // failing since
	Next       moment // attempt
	Added      moment
}

// webhookForm is the form of a new webhook, or of one that is changed.
type webhookForm struct {
	Open            bool
	Name, URL, Once string
	Types           []choice
}

// webhookForm returns a form that is filled in.
func (s *Server) webhookForm(name, url string, types []string) webhookForm {
	f := webhookForm{Name: name, URL: url, Once: rand.Text()}
	for _, t := range faces.EventTypes() {
		f.Types = append(f.Types, choice{Value: string(t), Label: s.eventWords(string(t)), Chosen: slices.Contains(types, string(t))})
	}
	return f
}

// typedWebhook returns the form as it was sent.
func (s *Server) typedWebhook(c *gin.Context) webhookForm {
	return s.webhookForm(c.PostForm("name"), c.PostForm("url"), c.PostFormArray("types"))
}

// webhooksPage lists the webhooks.
func (s *Server) webhooksPage(c *gin.Context) {
	v := webhooksView{}
	if c.Query("said") == "deleted" {
		v.Notice = s.words("webhooks.deleted")
	}
	s.showWebhooks(c, http.StatusOK, v)
}

func (s *Server) showWebhooks(c *gin.Context, code int, v webhooksView) {
	list, err := s.actAs(c).ListWebhooks(c.Request.Context())
	if err != nil {
		s.refusedBy(c, err)
		return
	}
	for _, w := range list {
		v.Webhooks = append(v.Webhooks, s.viewWebhook(w))
	}
	v.Form = s.typedWebhook(c)
	v.Form.Open = v.Problem != ""
	s.showSettings(c, code, "webhooks", s.words("settings.webhooks"), v)
}

func (s *Server) viewWebhook(w api.Webhook) webhookView {
	v := webhookView{
		ID: w.ID, Name: visible(w.Name), Link: visible(w.URL), Declared: w.Declared, Delivered: w.Delivered, Failures: w.Failures,
		Since: s.past(w.FailingSince), Next: s.due(w.NextAttempt), Added: s.moment(w.CreatedAt),
		Paused: w.State == api.WebhookPaused, Dead: w.State == api.WebhookDead,
	}
	for _, t := range w.Types {
		v.Types = append(v.Types, s.eventWords(string(t)))
	}
	switch {
	case v.Dead:
		v.State, v.Meaning = outcome{Label: s.words("webhooks.dead"), Tone: "bad"}, s.words("webhooks.dead.text")
	case v.Paused:
		v.State, v.Meaning = outcome{Label: s.words("webhooks.paused"), Tone: "quiet"}, s.words("webhooks.paused.text")
	case w.Failures > 0:
		v.State, v.Meaning = outcome{Label: s.words("webhooks.failing"), Tone: "warn"}, s.words("webhooks.failing.text")
	default:
		v.State, v.Meaning = outcome{Label: s.words("webhooks.active"), Tone: "good"}, s.words("webhooks.active.text")
	}
	return v
}

// addWebhook adds a webhook and shows its secret, this once.
func (s *Server) addWebhook(c *gin.Context) {
	if !s.mayChangeSettings(c) {
		return
	}
	made, err := s.actAs(c).CreateWebhook(onceFrom(c), wantedWebhook(c))
	if err != nil {
		if why, code := s.settingsRefused(c, err); why != "" {
			s.showWebhooks(c, code, webhooksView{Problem: why})
		}
		return
	}
	s.showWebhook(c, http.StatusOK, made.ID, webhookPageView{Secret: &madeSecret{ID: made.ID, Name: visible(made.Name), Text: made.Secret}})
}

// wantedWebhook reads the form.
func wantedWebhook(c *gin.Context) api.WebhookRequest {
	want := api.WebhookRequest{Name: strings.TrimSpace(c.PostForm("name")), URL: strings.TrimSpace(c.PostForm("url"))}
	for _, t := range c.PostFormArray("types") {
		want.Types = append(want.Types, api.EventType(t))
	}
	return want
}

// webhookPageView is the body of the page of one webhook.
type webhookPageView struct {
	webhookView
	Problem    string
	Notice     string
	Secret     *madeSecret
	Test       *testView
	Messages   []messageView
	Older      string
	Newest     string // the link to the first page; "" on it
	Once       string
	Form       webhookForm
	ReplayFrom int64
	Unread     bool // all but the secret could not be read
}

// testView says how a test message went.
type testView struct {
	Tone, Text string
}

// messageView is a message and what became of its attempts.
type messageView struct {
	EventID  int64
	Type     string
	State    outcome
	Result   string
	Attempts int
	Last     moment
}

// webhookPage shows a webhook and its deliveries.
func (s *Server) webhookPage(c *gin.Context) {
	id, ok := s.settingsID(c)
	if !ok {
		return
	}
	v := webhookPageView{}
	switch c.Query("said") {
	case "paused":
		v.Notice = s.words("webhooks.paused.notice")
	case "active":
		v.Notice = s.words("webhooks.resumed.notice")
	case "changed":
		v.Notice = s.words("webhooks.changed.notice")
	case "replayed":
		v.Notice = s.words("webhooks.replayed.notice")
	}
	s.showWebhook(c, http.StatusOK, id, v)
}

// showWebhook shows a webhook. A new secret is shown alone if the rest cannot be read:
// nothing else has its text, and the old one ends.
func (s *Server) showWebhook(c *gin.Context, code int, id int64, v webhookPageView) {
	err := s.readWebhook(c, id, &v)
	if err != nil && v.Secret == nil {
		s.webhookRefused(c, err)
		return
	}
	if v.Unread = err != nil; v.Unread {
		s.log.WarnContext(c, "a new signing secret is shown without its webhook, which cannot be read", "webhook", id, "error", err)
		v.ID, v.Name = id, v.Secret.Name
	}
	s.showSettings(c, code, "webhook", v.Name, v)
}

func (s *Server) readWebhook(c *gin.Context, id int64, v *webhookPageView) error {
	ctx := c.Request.Context()
	w, err := s.actAs(c).GetWebhook(ctx, id)
	if err != nil {
		return err
	}
	after, limit := afterParam(c), settingsPageSize
	list, err := s.actAs(c).ListDeliveries(ctx, id, api.ListDeliveriesParams{After: &after, Limit: &limit})
	if err != nil {
		return err
	}
	v.webhookView, v.Messages = s.viewWebhook(w), s.viewDeliveries(list.Deliveries)
	v.Newest, v.Older, v.Once = firstPage(c), nextPage(c, list.Next), rand.Text()
	v.ReplayFrom = w.Delivered
	if !v.Form.Open {
		v.Form = s.webhookForm(w.Name, w.URL, eventNames(w.Types))
	}
	return nil
}

// webhookRefused answers where a webhook cannot be read.
func (s *Server) webhookRefused(c *gin.Context, err error) {
	if problemOf(err).Code == http.StatusNotFound {
		s.problem(c, problem{Code: http.StatusNotFound, Title: s.words("webhooks.gone"), Text: s.words("webhooks.gone.text")})
		return
	}
	s.refusedBy(c, err)
}

// viewDeliveries shows each message once, with its newest attempt and their number.
func (s *Server) viewDeliveries(list []api.Delivery) []messageView {
	var messages []messageView
	at := map[string]int{}
	for _, d := range list {
		if i, again := at[d.Message]; again {
			messages[i].Attempts++
			continue
		}
		at[d.Message] = len(messages)
		m := messageView{EventID: d.EventID, Type: s.eventWords(d.Type), Attempts: 1, Last: s.moment(d.CreatedAt), Result: s.resultOf(d)}
		m.State = outcome{Label: s.words("webhooks.took"), Tone: "good"}
		if !d.OK {
			m.State = outcome{Label: s.words("webhooks.nottook"), Tone: "bad"}
		}
		messages = append(messages, m)
	}
	return messages
}

// resultOf says how a delivery went.
func (s *Server) resultOf(d api.Delivery) string {
	took := strconv.FormatFloat(d.Seconds, 'f', 2, 64)
	switch {
	case d.OK:
		return s.words("webhooks.result.ok", d.Status, took)
	case d.Status != 0:
		return s.words("webhooks.result.status", d.Status, took)
	default:
		return s.words("webhooks.result.none", visible(d.Problem))
	}
}

// changeWebhook does what a button of the page of a webhook says.
func (s *Server) changeWebhook(c *gin.Context) {
	id, ok := s.settingsID(c)
	if !ok || !s.mayChangeSettings(c) {
		return
	}
	switch c.PostForm("do") {
	case "change":
		s.editWebhook(c, id)
	case "test":
		s.testWebhook(c, id)
	case "rotate":
		s.rotateWebhook(c, id)
	case "pause":
		s.setWebhook(c, id, api.WebhookPaused)
	case "resume":
		s.setWebhook(c, id, api.WebhookActive)
	case "replay":
		s.replayWebhook(c, id)
	case "delete":
		if err := s.actAs(c).DeleteWebhook(c.Request.Context(), id); err != nil {
			s.webhookProblem(c, id, err)
			return
		}
		s.goTo(c, "/settings/webhooks?said=deleted")
	default:
		s.problem(c, pageMissing())
	}
}

// webhookProblem shows the page of a webhook with what went wrong.
func (s *Server) webhookProblem(c *gin.Context, id int64, err error) {
	if problemOf(err).Code == http.StatusNotFound {
		s.webhookRefused(c, err)
		return
	}
	if why, code := s.settingsRefused(c, err); why != "" {
		s.showWebhook(c, code, id, webhookPageView{Problem: why})
	}
}

// editWebhook gives a webhook the name, the address and the events that were typed.
func (s *Server) editWebhook(c *gin.Context, id int64) {
	want := wantedWebhook(c)
	types := append([]api.EventType{}, want.Types...) // none is all events
	_, err := s.actAs(c).ChangeWebhook(c.Request.Context(), id, api.WebhookChange{Name: &want.Name, URL: &want.URL, Types: &types})
	if err == nil {
		s.goTo(c, s.webhookURL(id)+"?said=changed")
		return
	}
	if problemOf(err).Code == http.StatusNotFound {
		s.webhookRefused(c, err)
		return
	}
	if why, code := s.settingsRefused(c, err); why != "" {
		form := s.typedWebhook(c)
		form.Open = true
		s.showWebhook(c, code, id, webhookPageView{Problem: why, Form: form})
	}
}

func eventNames(types []api.EventType) (names []string) {
	for _, t := range types {
		names = append(names, string(t))
	}
	return names
}

// testPatience is how long a page waits for the address of a webhook. Deliveries wait
// longer, but a page has to be answered in requestTimeout.
const testPatience = 7 * time.Second

func (s *Server) testWebhook(c *gin.Context, id int64) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), testPatience)
	defer cancel()
	d, err := s.actAs(c).TestWebhook(ctx, id)
	if ctx.Err() != nil && c.Request.Context().Err() == nil {
		s.showWebhook(c, http.StatusOK, id, webhookPageView{Test: &testView{Tone: "bad", Text: s.words("webhooks.test.slow", int(testPatience.Seconds()))}})
		return
	}
	if err != nil {
		s.webhookProblem(c, id, err)
		return
	}
	took := strconv.FormatFloat(d.Seconds, 'f', 2, 64)
	t := &testView{Tone: "good", Text: s.words("webhooks.test.ok", d.Status, took)}
	switch {
	case d.OK:
	case d.Status != 0:
		t = &testView{Tone: "bad", Text: s.words("webhooks.test.status", d.Status)}
	default:
		t = &testView{Tone: "bad", Text: s.words("webhooks.test.none", visible(d.Problem))}
	}
	s.showWebhook(c, http.StatusOK, id, webhookPageView{Test: t})
}

// rotateWebhook gives a webhook a new secret and shows it, this once.
func (s *Server) rotateWebhook(c *gin.Context, id int64) {
	made, err := s.actAs(c).RotateWebhook(onceFrom(c), id)
	if err != nil {
		s.webhookProblem(c, id, err)
		return
	}
	s.showWebhook(c, http.StatusOK, id, webhookPageView{Secret: &madeSecret{ID: id, Name: visible(made.Name), Text: made.Secret, Rotated: true}})
}

func (s *Server) setWebhook(c *gin.Context, id int64, state api.WebhookState) {
	if _, err := s.actAs(c).ChangeWebhook(c.Request.Context(), id, api.WebhookChange{State: &state}); err != nil {
		s.webhookProblem(c, id, err)
		return
	}
	s.goTo(c, s.webhookURL(id)+"?said="+string(state))
}

// replayWebhook sends events again, or passes over them.
func (s *Server) replayWebhook(c *gin.Context, id int64) {
	from, err := strconv.ParseInt(strings.TrimSpace(c.PostForm("from")), 10, 64)
	if err != nil || from < 1 {
		s.webhookProblem(c, id, wrong("webhooks.nofrom"))
		return
	}
	_, err = s.actAs(c).ReplayWebhook(c.Request.Context(), id, from-1)
	var said *api.Error
	if errors.As(err, &said) && said.Code == api.CodeEventsGone {
		err = wrong("webhooks.forgotten")
	}
	if err != nil {
		s.webhookProblem(c, id, err)
		return
	}
	s.goTo(c, s.webhookURL(id)+"?said=replayed")
}

func (*Server) webhookURL(id int64) string { return "/settings/webhooks/" + strconv.FormatInt(id, 10) }

// eventWords says what an event is about.
func (s *Server) eventWords(kind string) string {
	switch kind {
	case "webhook.test":
		return s.words("event.test")
	case "image.accepted":
		return s.words("event.accepted")
	case "image.answered":
		return s.words("event.answered")
	case "image.changed":
		return s.words("event.changed")
	case "image.failed":
		return s.words("event.failed")
	case "image.retried":
		return s.words("event.retried")
	case "image.deleted":
		return s.words("event.deleted")
	case "person.created":
		return s.words("event.person.created")
	case "person.renamed":
		return s.words("event.person.renamed")
	case "person.deleted":
		return s.words("event.person.deleted")
	case "person.merged":
		return s.words("event.person.merged")
	case "person.merge_undo":
		return s.words("event.person.unmerged")
	case "person.consent":
		return s.words("event.person.consent")
	default:
		return visible(kind)
	}
}
