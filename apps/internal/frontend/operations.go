package frontend

import (
	"context"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// operationsStore is what the page of operations reads of the store.
type operationsStore interface{}

// operationsRoutes adds the page of operations.
func (s *Server) operationsRoutes(e *gin.Engine) {
	e.GET("/operations", s.operations)
	e.HEAD("/operations", s.operations)
}

// operationsView is the body of the page of operations.
type operationsView struct {
	Figures  []figure
	Outcomes []tally
	Problems []tally // reasons of failure that occur
	Model    *modelView
}

// figure is a number at the top of the page.
type figure struct {
	Label, Tone, URL string
	Images           int64
}

// tally is how many images have an outcome.
type tally struct {
	Outcome outcome
	URL     string
	Images  int64
	Share   string // of all images, in per cent
}

// operations answers with what the system has done and what it waits for.
func (s *Server) operations(c *gin.Context) {
	ctx := c.Request.Context()
	counts, err := s.counts.get(ctx)
	if err != nil {
		s.failed(c, err)
		return
	}
	model, err := s.model(ctx)
	if err != nil {
		s.failed(c, err)
		return
	}
	view := s.viewOperations(counts)
	view.Model = model
	s.render(c, http.StatusOK, "operations", page{
		Title: s.words("operations.title"), Section: "operations", Waiting: view.Figures[1].Images > 0, Body: view,
	})
}

func (s *Server) viewOperations(counts []store.Count) operationsView {
	failed := faces.Failed
	all, waiting := total(counts, nil), total(counts, waits)
	failures := total(counts, func(c store.Count) bool { return c.Status == faces.Failed })
	v := operationsView{Figures: []figure{
		{s.words("operations.all"), "", query{}.URL(), all},
		{s.words("operations.waiting"), "work", query{reason: faces.Queued}.URL(), waiting},
		{s.words("operations.answered"), "good", query{}.URL(), all - waiting - failures},
		{s.words("operations.failed"), "bad", query{status: &failed}.URL(), failures},
	}}
	for _, r := range faces.Reasons() {
		n := total(counts, func(c store.Count) bool { return c.Reason == r })
		if n == 0 {
			continue
		}
		t := tally{Outcome: outcomeOf(r.Status(), r), URL: query{reason: r}.URL(), Images: n, Share: share(n, all)}
		if r.Status() == faces.Failed {
			v.Problems = append(v.Problems, t)
		} else {
			v.Outcomes = append(v.Outcomes, t)
		}
	}
	return v
}

// share returns a part of all in per cent.
func share(n, all int64) string {
	const whole = 100
	if all == 0 {
		return "–"
	}
	return strconv.FormatFloat(whole*float64(n)/float64(all), 'f', 1, 64) + " %"
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
