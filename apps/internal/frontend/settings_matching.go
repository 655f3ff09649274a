package frontend

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// matchingView is the body of the page of matching.
type matchingView struct {
	Problem   string
	Model     *modelView
	Threshold string // typed
	Margin    string
	Jobs      []jobView
	Newest    string // the link to the first page; "" on it
	Older     string
}

// jobView is a re-match in a list and at the top of its page.
type jobView struct {
	ID        int64
	URL       string
	What      string
	State     outcome
	Meaning   string // of the state
	Rule      string
	Trial     bool
	Ends      bool // it will change by itself
	Ready     bool
	Applied   bool
	Images    int64
	Shown     string
	Faces     string
	Skipped   int64
	Detail    string
	Made      moment
	Movements []movementView
	Changes   []imageChangeView
}

type movementView struct {
	From, To outcome
	Images   string
}

type imageChangeView struct {
	URL, Thumb, Path string
	From, To         outcome
	State            string
}

// rematchView is the body of the page of one re-match.
type rematchView struct {
	jobView
	Problem string
	Setting *settingView
	Newest  string // the link to the first page; "" on it
	Older   string
}

// settingView is how a rule becomes the deployment's.
type settingView struct {
	Patch   string // of an overlay
	Command string // for standalone
}

// recentJobs is how many re-matches the page of matching has.
const recentJobs = 20

// matchingPage shows the rule in use, and the re-matches.
func (s *Server) matchingPage(c *gin.Context) { s.showMatching(c, http.StatusOK, matchingView{}) }

func (s *Server) showMatching(c *gin.Context, code int, v matchingView) {
	ctx := c.Request.Context()
	model, err := s.model(ctx)
	if err != nil {
		s.failed(c, err)
		return
	}
	after := afterParam(c)
	jobs, err := s.store.Rematches(ctx, after, recentJobs+1)
	if err != nil {
		s.failed(c, err)
		return
	}
	if len(jobs) > recentJobs {
		jobs = jobs[:recentJobs]
		v.Older = nextPage(c, &jobs[recentJobs-1].ID)
	}
	for _, j := range jobs {
		v.Jobs = append(v.Jobs, s.viewJob(j))
	}
	v.Model, v.Newest = model, firstPage(c)
	if v.Problem == "" && model.Known {
		v.Threshold, v.Margin = decimal(model.Threshold), decimal(model.Margin)
	}
	s.showSettings(c, code, "matching", s.words("settings.matching"), v)
}

// decimal writes a distance with the figures that it has.
func decimal(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

func (s *Server) viewJob(j history.Job) jobView {
	v := jobView{
		ID: j.ID, URL: "/settings/matching/" + strconv.FormatInt(j.ID, 10), What: s.causeWords(j), Trial: j.Cause == history.CauseTrial,
		Images: j.Images, Shown: s.thousands(j.Images), Faces: s.thousands(j.Faces), Skipped: j.Skipped, Detail: visible(j.Detail), Made: s.moment(j.Created),
		Ready: j.State == history.Ready, Applied: j.State == history.Applied,
	}
	if j.Basis.Threshold > 0 {
		v.Rule = s.words("matching.rule", decimal(j.Basis.Threshold), decimal(j.Basis.Margin))
	}
	v.State, v.Meaning, v.Ends = s.jobState(j)
	return v
}

// causeWords says why there is a re-match.
func (s *Server) causeWords(j history.Job) string {
	switch j.Cause {
	case history.CauseTrial:
		switch t, m := j.Basis.Threshold, j.Basis.Margin; {
		case t > 0 && m > 0:
			return s.words("matching.trial.both", decimal(t), decimal(m))
		case t > 0:
			return s.words("matching.trial.threshold", decimal(t))
		default:
			return s.words("matching.trial.margin", decimal(m))
		}
	case history.CauseKnown:
		return s.words("matching.cause.known")
	case history.CauseModel:
		return s.words("matching.cause.model")
	default:
		return s.words("matching.cause.request")
	}
}

// jobState says what a state means, and whether it will be another one by itself.
func (s *Server) jobState(j history.Job) (state outcome, meaning string, ends bool) {
	switch j.State {
	case history.Requested:
		return outcome{Label: s.words("matching.requested"), Tone: "wait"}, s.words("matching.requested.text"), true
	case history.Running:
		return outcome{Label: s.words("matching.running"), Tone: "work"}, s.counted("matching.running.text", s.thousands(j.Faces)), true
	case history.Ready:
		if j.Cause == history.CauseTrial {
			return outcome{Label: s.words("matching.ready"), Tone: "work"}, s.words("matching.trial.text"), false
		}
		return outcome{Label: s.words("matching.ready"), Tone: "work"}, s.words("matching.ready.text"), false
	case history.Applying:
		return outcome{Label: s.words("matching.applying"), Tone: "work"}, s.words("matching.applying.text"), true
	case history.Applied:
		return outcome{Label: s.words("matching.applied"), Tone: "good"}, s.words("matching.applied.text"), false
	case history.Undoing:
		return outcome{Label: s.words("matching.undoing"), Tone: "work"}, s.words("matching.undoing.text"), true
	case history.Undone:
		return outcome{Label: s.words("matching.undone"), Tone: "quiet"}, s.words("matching.undone.text"), false
	case history.Outdated:
		return outcome{Label: s.words("matching.outdated"), Tone: "quiet"}, s.words("matching.outdated.text"), false
	default:
		return outcome{Label: s.words("matching.failed"), Tone: "bad"}, s.words("matching.failed.text"), false
	}
}

// tryRule asks for a preview: of another rule, or of the known people as they are now.
func (s *Server) tryRule(c *gin.Context) {
	if !s.mayChangeSettings(c) {
		return
	}
	v := matchingView{Threshold: strings.TrimSpace(c.PostForm("threshold")), Margin: strings.TrimSpace(c.PostForm("margin"))}
	want := api.RematchRequest{Full: true}
	var err error
	if c.PostForm("do") == "try" {
		want, err = s.wantedTrial(c.Request.Context(), v)
	}
	var job api.Rematch
	if err == nil {
		job, err = s.actAs(c).CreateRematch(c.Request.Context(), want)
	}
	if err != nil {
		if why, code := s.settingsRefused(c, err); why != "" {
			v.Problem = why
			s.showMatching(c, code, v)
		}
		return
	}
	s.goTo(c, "/settings/matching/"+strconv.FormatInt(job.ID, 10))
}

// wantedTrial reads what the form wants to try: the values that are not in use.
func (s *Server) wantedTrial(ctx context.Context, v matchingView) (api.RematchRequest, error) {
	want := api.RematchRequest{Full: true}
	now, _, err := s.store.ModelInUse(ctx)
	if err != nil {
		return want, err
	}
	threshold, bad := strconv.ParseFloat(strings.ReplaceAll(v.Threshold, ",", "."), 64)
	margin, worse := strconv.ParseFloat(strings.ReplaceAll(v.Margin, ",", "."), 64)
	if bad != nil || worse != nil {
		return want, wrong("matching.nonumber")
	}
	if threshold != now.Threshold {
		want.Threshold = &threshold
	}
	if margin != now.Margin {
		want.Margin = &margin
	}
	if want.Threshold == nil && want.Margin == nil {
		return want, wrong("matching.same")
	}
	return want, nil
}

// rematchPage shows a re-match and what it changes.
func (s *Server) rematchPage(c *gin.Context) {
	if id, ok := s.settingsID(c); ok {
		s.showRematch(c, http.StatusOK, id, rematchView{})
	}
}

// manyChanges is above how many changes a page leaves their summary to the job's own.
const manyChanges = 20_000

func (s *Server) showRematch(c *gin.Context, code int, id int64, v rematchView) {
	ctx := c.Request.Context()
	job, err := s.store.Rematch(ctx, id)
	if faces.ErrorCode(err) == faces.CodeMissing {
		s.problem(c, problem{Code: http.StatusNotFound, Title: s.words("matching.gone"), Text: s.words("matching.gone.text")})
		return
	}
	var movements []history.Movement
	if err == nil && job.Images <= manyChanges {
		movements, err = s.store.RematchSummary(ctx, id, settingsPageSize)
	}
	after := afterParam(c)
	var changes []history.ImageChange
	if err == nil {
		changes, err = s.store.RematchChanges(ctx, id, after, settingsPageSize+1)
	}
	if err == nil {
		v.Setting, err = s.settingOf(ctx, job)
	}
	if err != nil {
		s.failed(c, err)
		return
	}
	v.jobView, v.Newest = s.viewJob(job), firstPage(c)
	for _, m := range movements {
		v.Movements = append(v.Movements, movementView{s.movedOutcome(m.From), s.movedOutcome(m.To), s.thousands(m.Images)})
	}
	if len(changes) > settingsPageSize {
		changes = changes[:settingsPageSize]
		v.Older = nextPage(c, &changes[settingsPageSize-1].ImageID)
	}
	for _, x := range changes {
		v.Changes = append(v.Changes, s.viewImageChange(x))
	}
	s.render(c, code, "settings_rematch", page{Title: v.What, Section: "settings", Waiting: v.Ends, Body: v})
}

func (s *Server) viewImageChange(x history.ImageChange) imageChangeView {
	id := strconv.FormatInt(x.ImageID, 10)
	v := imageChangeView{URL: "/images/" + id, Path: s.shownPath(x.Path), From: s.movedOutcome(x.From), To: s.movedOutcome(x.To)}
	if s.hasPictures() {
		v.Thumb = "/images/" + id + "/thumbnail"
	}
	switch x.State {
	case history.ChangeSkipped:
		v.State = s.words("matching.skipped")
	case history.ChangeUndone:
		v.State = s.words("matching.undone")
	}
	return v
}

// movedOutcome shows who is in an image, or why nobody is.
func (s *Server) movedOutcome(o history.Outcome) outcome {
	v := s.outcomeOf(o.Reason.Status(), o.Reason)
	if o.Person != nil {
		v.Label = s.personName(*o.Person)
	}
	return v
}

// changeRematch applies a preview, or undoes what a re-match has changed.
func (s *Server) changeRematch(c *gin.Context) {
	id, ok := s.settingsID(c)
	if !ok || !s.mayChangeSettings(c) {
		return
	}
	do := s.actAs(c).ApplyRematch
	switch c.PostForm("do") {
	case "apply":
	case "undo":
		do = s.actAs(c).UndoRematch
	default:
		s.problem(c, pageMissing())
		return
	}
	_, err := do(c.Request.Context(), id)
	var said *api.Error
	switch {
	case err == nil:
		s.goTo(c, "/settings/matching/"+strconv.FormatInt(id, 10))
	case errors.As(err, &said) && said.Code == api.CodeConflict:
		s.showRematch(c, http.StatusConflict, id, rematchView{Problem: sentenceOf(said.Message)})
	default:
		s.refusedBy(c, err)
	}
}

// settingOf returns how the rule of a trial becomes the deployment's; nil for other jobs.
func (s *Server) settingOf(ctx context.Context, j history.Job) (*settingView, error) {
	if j.Cause != history.CauseTrial || j.State != history.Ready {
		return nil, nil
	}
	now, _, err := s.store.ModelInUse(ctx)
	if err != nil {
		return nil, err
	}
	var names, values []string
	add := func(name string, tried, used float64) {
		if tried != used {
			names, values = append(names, name), append(values, decimal(tried))
		}
	}
	add("ROLLCALL_THRESHOLD", j.Basis.Threshold, now.Threshold)
	add("ROLLCALL_MARGIN", j.Basis.Margin, now.Margin)
	if len(names) == 0 {
		return nil, nil // it is the rule in use by now
	}
	v := &settingView{Patch: patchHead}
	for i, name := range names {
		v.Patch += "            - {name: " + name + ", value: \"" + values[i] + "\"}\n"
		v.Command += name + "=" + values[i] + " "
	}
	v.Command += "./standalone …"
	return v, nil
}

// patchHead is the patch of an overlay, up to the settings.
const patchHead = `patches:
- patch: |-
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: processor}
    spec:
      template:
        spec:
          containers:
          - name: processor
            env:
`

var _ settingsStore = (*store.Store)(nil)
