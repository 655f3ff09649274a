package frontend

import (
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
)

// auditView is the body of the page of the audit log.
type auditView struct {
	Problem  string
	Entries  []auditEntry
	Targets  []choice
	TargetID string
	Since    string // dates
	Until    string
	Filtered bool
	Newest   string // the link to the first page; "" on it
	Older    string
}

type auditEntry struct {
	At      moment
	Action  string
	Target  string
	IDs     string
	More    int // ids that are not shown
	KeyID   string
	UserID  int64 // 0 for none
	Request string
}

// auditTargets are the kinds of things that the audit log is about.
func auditTargets() []string {
	return []string{"person", "image", "correction", "group_change", "merge", "known_picture", "key", "user", "session", "webhook", "retention", "rematch", "rescan"}
}

// shownIDs is how many ids of an entry a row shows.
const shownIDs = 12

// auditPage shows who changed what, by ids.
func (s *Server) auditPage(c *gin.Context) {
	v := auditView{TargetID: strings.TrimSpace(c.Query("id")), Since: c.Query("since"), Until: c.Query("until")}
	target := c.Query("target")
	for _, t := range auditTargets() {
		v.Targets = append(v.Targets, choice{Value: t, Label: s.wordsOr("audit.target."+t, t), Chosen: t == target})
	}
	v.Filtered = target != "" || v.Since != "" || v.Until != ""
	after, limit := afterParam(c), settingsPageSize
	params := api.ListAuditParams{After: &after, Limit: &limit}
	if target != "" {
		params.Target = &target
		if v.TargetID != "" {
			params.TargetID = &v.TargetID
		}
	} else if v.TargetID != "" {
		v.Problem = s.words("audit.notarget")
	}
	params.Since, params.Until = s.day(&v, v.Since, 0), s.day(&v, v.Until, 1)
	list, err := s.actAs(c).ListAudit(c.Request.Context(), params)
	if err != nil {
		var code int
		if v.Problem, code = s.settingsRefused(c, err); v.Problem != "" {
			s.showSettings(c, code, "audit", s.words("settings.audit"), v)
		}
		return
	}
	for _, e := range list.Entries {
		v.Entries = append(v.Entries, s.viewEntry(e))
	}
	v.Newest, v.Older = firstPage(c), nextPage(c, list.Next)
	s.showSettings(c, http.StatusOK, "audit", s.words("settings.audit"), v)
}

// day returns the start of a day in UTC, some days later; nil if the text is no day.
func (s *Server) day(v *auditView, text string, later int) *time.Time {
	if text == "" {
		return nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		v.Problem = s.words("audit.noday")
		return nil
	}
	t = t.AddDate(0, 0, later)
	return &t
}

func (s *Server) viewEntry(e api.AuditEntry) auditEntry {
	ids := e.TargetIDs
	v := auditEntry{At: s.moment(e.At), Action: visible(e.Action), Target: s.wordsOr("audit.target."+e.Target, visible(e.Target)), KeyID: visible(e.KeyID), Request: visible(e.RequestID)}
	if e.UserID != nil {
		v.UserID = *e.UserID
	}
	if len(ids) > shownIDs {
		v.More, ids = len(ids)-shownIDs, ids[:shownIDs]
	}
	v.IDs = visible(strings.Join(ids, ", "))
	return v
}
