package frontend

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// jobItem is a job of any kind.
type jobItem struct {
	ID          string // of its row
	Kind        string
	State       outcome
	Done, Total int64 // Total is 0 if it is not known
	Text        string
	At          moment
	Actions     []jobAction
	Cancel      string // the address that cancels it; "" if it cannot be cancelled
	active      bool
	at          time.Time
}

// jobAction is a button.
type jobAction struct{ Label, URL string }

// jobs lists the jobs: those at work first, then the newest.
func (s *Server) jobs(found *operationsFound) []jobItem {
	var list []jobItem
	for _, r := range found.rescans {
		list = append(list, s.rescanJob(r))
	}
	for _, r := range found.rematches {
		list = append(list, s.rematchJob(r))
	}
	for _, e := range found.erasures {
		list = append(list, s.erasureJob(e))
	}
	if !found.grouping.UpdatedAt.IsZero() {
		list = append(list, s.groupingJob(found.grouping))
	}
	slices.SortStableFunc(list, func(a, b jobItem) int {
		if a.active != b.active {
			if a.active {
				return -1
			}
			return 1
		}
		return b.at.Compare(a.at)
	})
	const shown = 10
	return list[:min(len(list), shown)]
}

func (s *Server) rescanJob(r history.Rescan) jobItem {
	tone, active := "quiet", false
	path := "/operations/rescans/" + strconv.FormatInt(r.ID, 10) + "/"
	v := jobItem{ID: "rescan-" + strconv.FormatInt(r.ID, 10), Kind: s.words("operations.job.rescan"), Done: r.Done, Total: r.Total, at: r.Created}
	switch r.State {
	case history.RescanWaiting, history.RescanRunning:
		tone, active = "work", true
		v.Actions, v.Cancel = []jobAction{{s.words("operations.pause"), path + "pause"}}, path+"cancel"
	case history.RescanPaused:
		tone, active = "warn", true
		v.Actions, v.Cancel = []jobAction{{s.words("operations.resume"), path + "resume"}}, path+"cancel"
	case history.RescanFinished:
		tone = "good"
	case history.RescanCancelled, history.RescanSuperseded:
	}
	v.State, v.active, v.At = s.jobOutcome(string(r.State), tone), active, s.moment(r.Created)
	v.Text = s.parts([]string{s.counted("operations.job.changed", r.Changed), s.counted("operations.job.failed", r.Failed)})
	if r.Detail != "" && active {
		v.Text = visible(r.Detail)
	}
	return v
}

func (s *Server) rematchJob(r history.Job) jobItem {
	tone, active := "quiet", false
	switch r.State {
	case history.Requested, history.Running, history.Applying, history.Undoing:
		tone, active = "work", true
	case history.Ready:
		tone = "warn"
	case history.Applied:
		tone = "good"
	case history.Failed:
		tone = "bad"
	case history.Undone, history.Outdated:
	}
	return jobItem{
		ID: "rematch-" + strconv.FormatInt(r.ID, 10), Kind: s.words("operations.job.rematch"), State: s.jobOutcome(string(r.State), tone),
		Text: s.parts([]string{s.counted("operations.job.compared", r.Faces), s.counted("operations.job.differ", r.Images)}), At: s.moment(r.Created), active: active, at: r.Created,
	}
}

func (s *Server) erasureJob(e erasure.Receipt) jobItem {
	tones := map[erasure.State]string{erasure.Erasing: "work", erasure.Erased: "wait", erasure.Found: "bad", erasure.Verified: "good"}
	return jobItem{
		ID: "erasure-" + e.ID, Kind: s.words("operations.job.erasure"), State: s.jobOutcome("erasure."+string(e.State), cmp.Or(tones[e.State], "wait")),
		Text: s.words("operations.job.erasure.text"), At: s.moment(e.CreatedAt), active: e.State == erasure.Erasing, at: e.CreatedAt,
	}
}

func (s *Server) groupingJob(g store.GroupingState) jobItem {
	tones := map[string]string{"building": "work", "ready": "good", "waiting": "wait"}
	return jobItem{
		ID: "grouping", Kind: s.words("operations.job.grouping"), State: s.jobOutcome("grouping."+g.State, cmp.Or(tones[g.State], "wait")),
		Done: g.Faces, Total: g.Total, Text: s.words("operations.job.grouping.text"), At: s.moment(g.UpdatedAt), active: g.State != "ready", at: g.UpdatedAt,
	}
}

// jobOutcome returns a state in words. One that this program does not know is shown as it is.
func (s *Server) jobOutcome(state, tone string) outcome {
	key := "operations.state." + state
	text := s.words(key)
	if text == key {
		text = visible(state)
	}
	return outcome{Label: text, Tone: tone}
}

// operationsNotice says what a form did. A change that can be taken back has a form that
// does so.
type operationsNotice struct {
	Text string
	Undo string // an address; "" for none
}

func (s *Server) operationsNotice(c *gin.Context) *operationsNotice {
	id, err := strconv.ParseInt(c.Query("n"), 10, 64)
	if err != nil || id < 0 {
		return nil
	}
	path := "/operations/rescans/" + strconv.FormatInt(id, 10) + "/"
	switch c.Query("done") {
	case "retried":
		return &operationsNotice{Text: s.counted("operations.retried", id)}
	case "retrying":
		return &operationsNotice{Text: s.words("operations.retrying")}
	case "underway":
		return &operationsNotice{Text: s.words("operations.underway")}
	case "pause":
		return &operationsNotice{Text: s.words("operations.paused"), Undo: path + "resume"}
	case "resume":
		return &operationsNotice{Text: s.words("operations.resumed"), Undo: path + "pause"}
	case "cancel":
		return &operationsNotice{Text: s.words("operations.cancelled")}
	}
	return nil
}

const (
	retryWait = 7 * time.Second  // how long a form waits for a retry, which goes on after it
	retryMost = 10 * time.Minute // of a retry of very many images
)

// retryFailed processes all failed images with a reason again.
func (s *Server) retryFailed(c *gin.Context) {
	reason, err := faces.ParseReason(c.PostForm("reason"))
	if err != nil || reason.Status() != faces.Failed {
		s.problem(c, notValid(http.StatusBadRequest, "form.reason"))
		return
	}
	caller := s.actAs(c)
	if caller == nil {
		s.problem(c, readOnly())
		return
	}
	if !s.retries.begin(reason) {
		s.backToOperations(c, "underway", 0)
		return
	}
	type result struct {
		images int
		err    error
	}
	done, gone := make(chan result), make(chan struct{})
	defer close(gone)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), retryMost)
	go func() {
		defer cancel()
		n, err := caller.RetryImages(ctx, api.RetryFilter{Status: api.StatusFailed, Reason: api.Reason(reason)})
		s.retries.end(reason)
		select {
		case done <- result{n, err}:
		case <-gone:
			if err != nil {
				s.log.ErrorContext(ctx, "not all failed images are retried; retry them once more on the page of operations", "reason", reason, "error", err)
			}
		}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			s.refusedBy(c, r.err)
			return
		}
		s.backToOperations(c, "retried", int64(r.images))
	case <-time.After(retryWait):
		s.backToOperations(c, "retrying", 0)
	}
}

// retries are the reasons of which failed images are being retried: each once at a time.
// It is safe for concurrent use.
type retries struct {
	mu  sync.Mutex // guards now
	now map[faces.Reason]bool
}

// begin reports whether nobody retries these.
func (r *retries) begin(reason faces.Reason) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now[reason] {
		return false
	}
	if r.now == nil {
		r.now = map[faces.Reason]bool{}
	}
	r.now[reason] = true
	return true
}

func (r *retries) end(reason faces.Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.now, reason)
}

// changeRescan pauses, resumes or cancels a rescan.
func (s *Server) changeRescan(c *gin.Context) {
	a, ok := s.ask(c)
	if !ok {
		return
	}
	change, ok := map[string]func(context.Context, int64) (api.Rescan, error){
		"pause": a.api.PauseRescan, "resume": a.api.ResumeRescan, "cancel": a.api.CancelRescan,
	}[c.Param("to")]
	if !ok {
		s.problem(c, pageMissing())
		return
	}
	if _, err := change(c.Request.Context(), a.id); err != nil {
		s.refusedBy(c, err)
		return
	}
	s.backToOperations(c, c.Param("to"), a.id)
}

// backToOperations redirects to the page, which says what was done.
func (s *Server) backToOperations(c *gin.Context, done string, n int64) {
	s.operationsLooks.forget() // the page shows what is true now
	values := url.Values{"span": {spanOf(c.PostForm("span")).Key}, "done": {done}, "n": {strconv.FormatInt(n, 10)}}
	c.Redirect(http.StatusSeeOther, s.link("/operations?"+values.Encode()))
}

// forget forgets all looks, and those that are under way.
func (l *operationsLooks) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.change++
	clear(l.looks)
	for _, shown := range spans() {
		l.flight.Forget(shown.Key)
	}
}
