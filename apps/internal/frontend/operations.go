package frontend

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// operationsStore is what the page of operations reads of the store.
type operationsStore interface {
	Programs(ctx context.Context) ([]store.ProgramState, error)
	OutcomeBuckets(ctx context.Context, since time.Time, minutes int) ([]store.Bucket, error)
	TotalBuckets(ctx context.Context, since time.Time, minutes int) ([]store.Bucket, error)
	LatestTotals(ctx context.Context, since time.Time) ([]store.Count, error)
	OldestWaiting(ctx context.Context) (id int64, since time.Time, err error)
	Rescans(ctx context.Context, before int64, limit int) ([]history.Rescan, error)
	Rematches(ctx context.Context, before int64, limit int) ([]history.Job, error)
	Erasures(ctx context.Context, before string, limit int) ([]erasure.Receipt, error)
	GroupingOf(ctx context.Context, model string) (store.GroupingState, error)
	Webhooks(ctx context.Context) ([]faces.Webhook, error)
	Retention(ctx context.Context) (faces.Retention, faces.RetentionRun, error)
}

// operationsRoutes adds the page of operations.
func (s *Server) operationsRoutes(e *gin.Engine) {
	e.GET("/operations", s.operations)
	e.HEAD("/operations", s.operations)
	e.POST("/operations/retry", s.require(access.Reviewer), s.retryFailed)
	e.POST("/operations/rescans/:id/:to", s.require(access.AdminRole), s.changeRescan)
}

// span is how far back the charts go.
type span struct {
	Key     string
	minutes int // of a column
	columns int
}

// spans are those that a visitor can choose; the first one is shown at first.
func spans() []span { return []span{{"hour", 1, 60}, {"day", 15, 96}} }

func spanOf(key string) span {
	all := spans()
	if i := slices.IndexFunc(all, func(p span) bool { return p.Key == key }); i >= 0 {
		return all[i]
	}
	return all[0]
}

// operationsView is the body of the page of operations.
type operationsView struct {
	Spans      []segment
	Span       string
	Now        moment
	Notice     *operationsNotice
	Figures    []figure
	Finished   chart
	Waiting    chart
	Outcomes   []tally
	Problems   []tally // reasons of failure that occur
	Retries    bool    // whether the visitor may retry
	Manages    bool    // whether the visitor may change jobs
	Processors []processorView
	Queue      *queueView
	Recognize  recognizersView
	Slowest    []slowView
	Redeemer   *passView
	Retention  *lastRetentionView
	Webhooks   []backlogView
	Volumes    []volumeView
	Jobs       []jobItem
	Model      *modelView
}

// segment is one of a few views of the same page.
type segment struct {
	Label, URL string
	Current    bool
}

// figure is a number at the top of the page.
type figure struct {
	Label, Tone, URL string
	Images           int64
	More             string
}

// tally is how many images have an outcome.
type tally struct {
	Outcome outcome
	URL     string
	Images  int64
	Recent  int64  // finished in the time that the charts show
	Share   string // of all images, in per cent
}

// operations answers with what the system has done and what it waits for.
func (s *Server) operations(c *gin.Context) {
	ctx := c.Request.Context()
	counts, err := s.counts.soon(ctx)
	if err != nil {
		s.failed(c, err)
		return
	}
	shown := spanOf(c.Query("span"))
	found, err := s.operationsOf(ctx, shown)
	if err != nil {
		s.failed(c, err)
		return
	}
	view := s.viewOperations(shown, counts, found)
	view.Retries, view.Manages = s.mayChange(c), s.mayManage(c)
	view.Notice = s.operationsNotice(c)
	s.render(c, http.StatusOK, "operations", page{
		Title: s.words("operations.title"), Section: "operations", Waiting: view.Figures[1].Images > 0, Body: view,
	})
}

// mayManage reports whether whoever asks may change jobs.
func (s *Server) mayManage(c *gin.Context) bool {
	return s.opts.API != nil && currentUser(c).Role.Includes(access.AdminRole)
}

func (s *Server) viewOperations(shown span, counts []store.Count, found *operationsFound) operationsView {
	now := s.opts.Now()
	v := operationsView{
		Span: shown.Key, Now: s.moment(found.at), Figures: s.figures(counts, found),
		Finished: s.finishedChart(shown, now, found.outcomes), Waiting: s.waitingChart(shown, now, found.totals),
		Model: found.model, Jobs: s.jobs(found), Webhooks: s.webhooks(found), Slowest: s.slowest(found),
	}
	for _, p := range spans() {
		v.Spans = append(v.Spans, segment{s.words("operations.span." + p.Key), "/operations?span=" + p.Key, p == shown})
	}
	s.viewPrograms(&v, now, found)
	recent := map[faces.Reason]int64{}
	for _, b := range found.outcomes {
		recent[b.Reason] += b.Images
	}
	all := total(counts, nil)
	for _, r := range faces.Reasons() {
		n := total(counts, func(c store.Count) bool { return c.Reason == r })
		if n == 0 && recent[r] == 0 {
			continue
		}
		t := tally{Outcome: s.outcomeOf(r.Status(), r), URL: query{reason: r}.URL(), Images: n, Recent: recent[r], Share: s.share(n, all)}
		if r.Status() == faces.Failed {
			v.Problems = append(v.Problems, t)
		} else {
			v.Outcomes = append(v.Outcomes, t)
		}
	}
	return v
}

// figures are the numbers at the top.
func (s *Server) figures(counts []store.Count, found *operationsFound) []figure {
	failed := faces.Failed
	all, waiting := total(counts, nil), total(counts, waits)
	failures := total(counts, func(c store.Count) bool { return c.Status == faces.Failed })
	oldest := s.words("operations.none.waits")
	switch {
	case found.oldest != 0:
		oldest = s.words("operations.oldest", s.ago(s.opts.Now(), found.oldestSince))
	case waiting > 0:
		oldest = s.words("operations.at.work")
	}
	return []figure{
		{s.words("operations.all"), "", query{}.URL(), all, ""},
		{s.words("operations.waiting"), "work", query{reason: faces.Queued}.URL(), waiting, oldest},
		{s.words("operations.answered"), "good", query{}.URL(), all - waiting - failures, s.share(all-waiting-failures, all)},
		{s.words("operations.failed"), "bad", query{status: &failed}.URL(), failures, s.share(failures, all)},
	}
}

// share returns a part of all in per cent.
func (l *language) share(n, all int64) string {
	const whole = 100
	if all == 0 {
		return "–"
	}
	return l.percent(whole*float64(n)/float64(all), 1)
}

// slowView is an image whose processing took long.
type slowView struct {
	Name, URL string
	Took      string
	At        moment
	outcome
}

func (s *Server) slowest(found *operationsFound) []slowView {
	var list []slowView
	for _, one := range found.slow {
		list = append(list, slowView{
			Name: s.shownName(one.image), URL: query{}.image(one.image.ID), Took: s.took(one.took), At: s.moment(one.at),
			outcome: s.outcomeOf(one.image.Status, one.image.Reason),
		})
	}
	return list
}

// backlogView is a webhook and what waits for it.
type backlogView struct {
	Name    string
	State   outcome
	Waiting int64
	Failing moment // Exact is "" if the last delivery succeeded
	Next    string
}

func (s *Server) webhooks(found *operationsFound) []backlogView {
	tones := map[faces.WebhookState]string{faces.WebhookActive: "good", faces.WebhookPaused: "quiet", faces.WebhookDead: "bad"}
	var list []backlogView
	for _, w := range found.webhooks {
		v := backlogView{
			Name: visible(w.Name), State: outcome{Label: s.words("operations.webhook." + string(w.State)), Tone: cmp.Or(tones[w.State], "wait")},
			Waiting: max(0, found.newest-w.Delivered),
		}
		if !w.FailingSince.IsZero() {
			v.Failing = s.moment(w.FailingSince)
			if w.State == faces.WebhookActive {
				v.State, v.Next = outcome{Label: s.words("operations.webhook.failing"), Tone: "warn"}, s.until(w.NextAttempt)
			}
		}
		list = append(list, v)
	}
	return list
}

// until writes when something happens, for people.
func (s *Server) until(at time.Time) string {
	d := at.Sub(s.opts.Now())
	switch {
	case at.IsZero():
		return ""
	case d < time.Second:
		return s.words("operations.soon")
	case d < 2*time.Minute:
		return s.words("operations.in.seconds", int(d.Seconds()))
	default:
		return s.words("operations.in.minutes", int(d.Minutes()))
	}
}

// modelView is the model set in use, for people.
type modelView struct {
	Known                   bool // false if no image has been answered yet
	ID                      string
	Threshold, Margin       float64
	FarThreshold, FarMargin float64
}

func (s *Server) model(ctx context.Context) (*modelView, error) {
	m, ok, err := s.store.ModelInUse(ctx)
	if err != nil {
		return nil, err
	}
	return &modelView{
		Known: ok, ID: m.ID, Threshold: m.Threshold, Margin: m.Margin, FarThreshold: m.FarThreshold, FarMargin: m.FarMargin,
	}, nil
}
