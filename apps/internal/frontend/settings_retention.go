package frontend

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// retentionView is the body of the page of retention.
type retentionView struct {
	Problem  string
	Notice   string
	Declared bool
	Rules    []ruleView
	Version  string // the rules that count, which the user has seen
	Plan     *planView
	Last     *retentionRunView
}

// ruleView is a row of the form: how long images of an outcome are kept.
type ruleView struct {
	Outcome   string
	Label     outcome
	Days      string // "" is for ever
	Corrected bool
}

// planView is what rules would delete.
type planView struct {
	Tried          string // the rules, as text
	Images         int64
	Shown          string
	Files          int64
	ShownFiles     string
	Oldest, Newest moment
	Setting        string // what declares the same
}

type retentionRunView struct {
	Began    moment
	Images   int64
	Shown    string
	Running  bool
	Complete bool
}

// retentionPage shows how long images are kept.
func (s *Server) retentionPage(c *gin.Context) {
	v := retentionView{}
	if c.Query("said") == "saved" {
		v.Notice = s.words("retention.saved")
	}
	s.showRetention(c, http.StatusOK, nil, v)
}

// showRetention renders the page. typed are the rules in the form; nil are those that count.
func (s *Server) showRetention(c *gin.Context, code int, typed []ruleView, v retentionView) {
	now, err := s.actAs(c).GetRetention(c.Request.Context())
	if err != nil {
		s.refusedBy(c, err)
		return
	}
	v.Declared, v.Version, v.Rules = now.Declared, rulesText(now.Rules), typed
	if typed == nil {
		v.Rules = s.rulesForm(now.Rules)
	}
	if r := now.LastRun; r != nil {
		v.Last = &retentionRunView{s.moment(r.StartedAt), r.Images, s.thousands(r.Images), r.FinishedAt == nil, r.Complete}
	}
	s.showSettings(c, code, "retention", s.words("settings.retention"), v)
}

// rulesForm returns a row for each outcome.
func (s *Server) rulesForm(rules []api.RetentionRule) []ruleView {
	var rows []ruleView
	for _, name := range faces.RetentionOutcomes() {
		row := ruleView{Outcome: name, Label: s.retentionLabel(name)}
		for _, rule := range rules {
			if string(rule.Outcome) == name {
				row.Days, row.Corrected = strconv.Itoa(rule.Days), rule.Corrected != nil && *rule.Corrected
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func (l *language) retentionLabel(name string) outcome {
	if name == faces.OutcomeFailed {
		return outcome{Label: l.words("retention.failures"), Tone: "bad"}
	}
	r := faces.Reason(name)
	return l.outcomeOf(r.Status(), r)
}

// rulesText writes rules as ROLLCALL_RETENTION has them.
func rulesText(rules []api.RetentionRule) string {
	var parts []string
	for _, r := range rules {
		text := string(r.Outcome) + "=" + strconv.Itoa(r.Days)
		if r.Corrected != nil && *r.Corrected {
			text += "+corrected"
		}
		parts = append(parts, text)
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// typedRules reads the form. It returns what was typed, and the rules.
func (s *Server) typedRules(c *gin.Context) (rows []ruleView, rules []api.RetentionRule, err error) {
	for _, name := range faces.RetentionOutcomes() {
		row := ruleView{
			Outcome: name, Label: s.retentionLabel(name),
			Days: strings.TrimSpace(c.PostForm("days-" + name)), Corrected: c.PostForm("corrected-"+name) != "",
		}
		rows = append(rows, row)
		if row.Days == "" {
			continue
		}
		days, bad := strconv.Atoi(row.Days)
		if bad != nil {
			err = wrong("retention.nodays", row.Label.Label)
			continue
		}
		rules = append(rules, api.RetentionRule{Outcome: api.RetentionOutcome(name), Days: days, Corrected: &row.Corrected})
	}
	return rows, rules, err
}

// changeRetention tries rules, and stores them once the user has seen what they delete.
func (s *Server) changeRetention(c *gin.Context) {
	if !s.mayChangeSettings(c) {
		return
	}
	rows, rules, err := s.typedRules(c)
	var plan api.RetentionPlan
	if err == nil {
		plan, err = s.actAs(c).TryRetention(c.Request.Context(), rules)
	}
	if err != nil {
		if why, code := s.settingsRefused(c, err); why != "" {
			s.showRetention(c, code, rows, retentionView{Problem: why})
		}
		return
	}
	if c.PostForm("do") != "save" {
		s.showRetention(c, http.StatusOK, rows, retentionView{Plan: s.viewPlan(plan)})
		return
	}
	s.saveRetention(c, rows, rules, plan)
}

// saveRetention stores rules, unless they are others than those that were tried, or
// somebody has changed the stored ones meanwhile.
func (s *Server) saveRetention(c *gin.Context, rows []ruleView, rules []api.RetentionRule, plan api.RetentionPlan) {
	now, err := s.actAs(c).GetRetention(c.Request.Context())
	switch {
	case err != nil:
	case rulesText(now.Rules) != c.PostForm("version"):
		s.showRetention(c, http.StatusPreconditionFailed, nil, retentionView{Problem: s.words("retention.stale")})
		return
	case rulesText(rules) != c.PostForm("tried"):
		s.showRetention(c, http.StatusConflict, rows, retentionView{Problem: s.words("retention.untried"), Plan: s.viewPlan(plan)})
		return
	default:
		_, err = s.actAs(c).SetRetention(c.Request.Context(), rules)
	}
	if err != nil {
		if why, code := s.settingsRefused(c, err); why != "" {
			s.showRetention(c, code, rows, retentionView{Problem: why})
		}
		return
	}
	s.goTo(c, "/settings/retention?said=saved")
}

func (s *Server) viewPlan(p api.RetentionPlan) *planView {
	v := &planView{
		Tried: rulesText(p.Rules), Images: p.Images, Shown: s.thousands(p.Images), Files: p.Files, ShownFiles: s.thousands(p.Files),
		Oldest: s.past(p.Oldest), Newest: s.past(p.Newest),
	}
	v.Setting = "ROLLCALL_RETENTION=" + v.Tried
	return v
}
