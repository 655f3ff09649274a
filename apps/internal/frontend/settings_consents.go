package frontend

import (
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// consentsView is the body of the page of consents that end soon.
type consentsView struct {
	Within   []settingsTab
	Days     int
	Consents []consentRow
	Newest   string // the link to the first page; "" on it
	Older    string
}

type consentRow struct {
	Person, URL string
	Basis       string
	From, Until moment
	State       outcome
}

// consentPeriods are the choices of the page, in days.
func consentPeriods() []int { return []int{30, 90, 365} }

// consentsPage lists the consents that end soon: whom to ask again.
func (s *Server) consentsPage(c *gin.Context) {
	v := consentsView{Days: consentPeriods()[0]}
	for _, days := range consentPeriods() {
		if c.Query("within") == strconv.Itoa(days) {
			v.Days = days
		}
	}
	for _, days := range consentPeriods() {
		v.Within = append(v.Within, settingsTab{s.counted("consents.days", days), "/settings/consents?within=" + strconv.Itoa(days), days == v.Days})
	}
	after := afterParam(c)
	list, err := s.store.Consents(c.Request.Context(), time.Duration(v.Days)*hoursOfDay*time.Hour, after, settingsPageSize+1)
	if err != nil {
		s.failed(c, err)
		return
	}
	if len(list) > settingsPageSize {
		list = list[:settingsPageSize]
		v.Older = nextPage(c, &list[settingsPageSize-1].Person)
	}
	for _, x := range list {
		v.Consents = append(v.Consents, s.viewConsentRow(x))
	}
	v.Newest = firstPage(c)
	s.showSettings(c, http.StatusOK, "consents", s.words("settings.consents"), v)
}

func (s *Server) viewConsentRow(x store.PersonConsent) consentRow {
	v := consentRow{
		Person: s.personName(faces.Person{ID: x.Person, Name: x.Name}), URL: "/people/" + strconv.FormatInt(x.Person, 10),
		Basis: s.basis(x.Basis), From: s.moment(x.From), Until: s.due(&x.Until),
		State: outcome{Label: s.words("consents.given"), Tone: "good"},
	}
	switch {
	case x.State == faces.ConsentUpcoming:
		v.State = outcome{Label: s.words("consents.upcoming"), Tone: "wait"}
	case x.Until.Sub(s.opts.Now()) < store.ConsentEndsSoon:
		v.State = outcome{Label: s.words("consents.soon"), Tone: "warn"}
	}
	return v
}
