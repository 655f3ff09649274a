package frontend

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// query is the selection of images in the table, as in the query string. Its
// zero value is the newest page of all images.
type query struct {
	status   *faces.Status
	reason   faces.Reason
	person   string // exact name
	personID int64  // 0 for none
	text     string // part of the path
	from, to string // days, as 2026-11-29; "" for any
	unsure   bool   // the uncertain ones first
	view     string // grid or table; "" is the default
	after    int64  // show the page after this place, towards older ones; 0 for none
	newer    int64  // show the page before this image, towards newer ones; 0 for none
}

// filters are the parameters of the query string.
var filters = [...]string{"status", "reason", "person", "person_id", "q", "from", "to", "order", "view", "after", "newer"}

// The values of view and order.
const (
	gridView    = "grid"
	tableView   = "table"
	unsureOrder = "uncertain"
)

// parseQuery reads the valid parts and returns a message for each invalid one.
func parseQuery(raw string) (query, []phrase) {
	var q query
	values, err := url.ParseQuery(raw)
	problems := unknownFilters(values)
	if err != nil {
		problems = append(problems, phrase{key: "query.malformed"})
	}
	note := func(p *phrase) {
		if p != nil {
			problems = append(problems, *p)
		}
	}
	note(q.readOutcome(values.Get("status"), values.Get("reason")))
	var bad *phrase // what is wrong with a value
	q.person, bad = readText("person", values.Get("person"), faces.MaxNameLength)
	note(bad)
	q.personID, bad = readID("person_id", values.Get("person_id"), "query.id.person")
	note(bad)
	q.text, bad = readText("q", strings.TrimSpace(values.Get("q")), faces.MaxPathLength)
	note(bad)
	q.from, bad = readDay("from", values.Get("from"))
	note(bad)
	q.to, bad = readDay("to", values.Get("to"))
	note(bad)
	q.view, bad = readChoice("view", values.Get("view"), gridView, tableView)
	note(bad)
	order, bad := readChoice("order", values.Get("order"), "newest", unsureOrder)
	note(bad)
	q.unsure = order == unsureOrder
	q.after, bad = readID("after", values.Get("after"), "query.id.image")
	note(bad)
	q.newer, bad = readID("newer", values.Get("newer"), "query.id.image")
	note(bad)
	if q.after != 0 && q.newer != 0 {
		note(&phrase{key: "query.together"})
		q.newer = 0
	}
	if q.unsure && q.newer != 0 {
		note(&phrase{key: "query.order"})
		q.newer = 0
	}
	return q, problems
}

// readDay checks a day, which is one of UTC.
func readDay(name, value string) (string, *phrase) {
	if value == "" {
		return "", nil
	}
	if _, err := time.Parse(time.DateOnly, value); err != nil {
		return "", &phrase{"query.day", []any{name}}
	}
	return value, nil
}

// day returns when a day begins, and when it has ended.
func day(value string) (begin, end time.Time) {
	begin, err := time.Parse(time.DateOnly, value)
	if err != nil {
		return time.Time{}, time.Time{}
	}
	return begin, begin.AddDate(0, 0, 1)
}

func readChoice(name, value string, options ...string) (string, *phrase) {
	if value == "" || slices.Contains(options, value) {
		return value, nil
	}
	return "", &phrase{"query.choice", []any{name, choices(options)}}
}

// shownFilter is the maximum length of a name and of a value in a message, in
// characters; shownFilters is the maximum number of messages about unknown filters.
const (
	shownFilter  = 60
	shownFilters = 5
)

// unknownFilters returns a message for each parameter that is not a filter, and for
// each that is given more than once.
func unknownFilters(values url.Values) (problems []phrase) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		shown := typed(name)
		switch {
		case !slices.Contains(filters[:], name):
			problems = append(problems, phrase{"query.unknown", []any{shown, typed(values.Get(name))}})
		case len(values[name]) > 1:
			problems = append(problems, phrase{"query.again", []any{shown, len(values[name])}})
		}
	}
	if more := len(problems) - shownFilters; more > 0 {
		problems = append(problems[:shownFilters], phrase{"query.more", []any{count(more)}})
	}
	return problems
}

func (q *query) readOutcome(status, reason string) *phrase {
	if status != "" {
		s, err := faces.ParseStatus(status)
		if err != nil {
			return &phrase{"query.status", []any{typed(status), statusNames()}}
		}
		q.status = &s
	}
	if reason == "" {
		return nil
	}
	r, err := faces.ParseReason(reason)
	if err != nil {
		return wrongReason(reason)
	}
	if faces.CheckOutcome(q.status, r) != nil {
		return &phrase{"query.outcome", []any{*q.status, r, r.Status()}}
	}
	q.reason = r
	return nil
}

// wrongReason says why a text is no reason of an image.
func wrongReason(text string) *phrase {
	switch r := faces.Reason(text); {
	case r.BelowFloor():
		return &phrase{"query.reason.poor", []any{text}}
	case r.IsDismissed():
		return &phrase{"query.reason.dismissed", []any{text}}
	}
	var names choices
	for _, r := range faces.Reasons() {
		names = append(names, string(r))
	}
	return &phrase{"query.reason", []any{typed(text), names}}
}

// statusNames are those of all statuses in the query string.
func statusNames() choices {
	var names choices
	for _, s := range []faces.Status{faces.Pending, faces.Processed, faces.Failed, faces.Processing} {
		names = append(names, s.String())
	}
	return names
}

func readText(name, value string, limit int) (string, *phrase) {
	if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
		return "", &phrase{"query.text", []any{name}}
	}
	if utf8.RuneCountInString(value) > limit {
		return "", &phrase{"query.long", []any{name, limit}}
	}
	return value, nil
}

func readID(name, value, key string) (int64, *phrase) {
	if value == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(value, 10, 64)
	if err != nil || id < 1 {
		return 0, &phrase{key, []any{name}}
	}
	return id, nil
}

// filter returns the selection for the store, without the page.
func (q query) filter() store.Filter {
	f := store.Filter{
		Status: q.status, Reason: q.reason, Person: q.person, PersonID: q.personID, Query: q.text, UncertainFirst: q.unsure, Scan: scanned,
	}
	f.CreatedAfter, _ = day(q.from)
	_, f.CreatedBefore = day(q.to)
	return f
}

// scanned is the largest number of images that a page looks at, so that it is there in
// a moment whatever the filter.
const scanned = 15_000

// narrowed reports whether a person, a text or a time limits the selection.
func (q query) narrowed() bool { return q.text != "" || q.hasPerson() || q.hasTime() }

func (q query) hasTime() bool { return q.from != "" || q.to != "" }

func (q query) hasPerson() bool { return q.person != "" || q.personID != 0 }

// URL returns the address of the page that q selects.
func (q query) URL() string { return "/" + q.search() }

// search returns the query string with its question mark; "" if there is nothing to say.
func (q query) search() string {
	values := url.Values{}
	set := func(name, value string) {
		if value != "" {
			values.Set(name, value)
		}
	}
	if q.status != nil {
		set("status", q.status.String())
	}
	set("reason", string(q.reason))
	set("person", q.person)
	if q.personID != 0 {
		set("person_id", strconv.FormatInt(q.personID, 10))
	}
	set("q", q.text)
	set("from", q.from)
	set("to", q.to)
	set("view", q.view)
	if q.unsure {
		set("order", unsureOrder)
	}
	if q.after != 0 {
		set("after", strconv.FormatInt(q.after, 10))
	}
	if q.newer != 0 {
		set("newer", strconv.FormatInt(q.newer, 10))
	}
	if len(values) == 0 {
		return ""
	}
	return "?" + values.Encode()
}

// image returns the address of an image's page, which knows its neighbours in q.
func (q query) image(id int64) string {
	q = q.first()
	q.view = ""
	return "/images/" + strconv.FormatInt(id, 10) + q.search()
}

// first returns the selection on its newest page.
func (q query) first() query {
	q.after, q.newer = 0, 0
	return q
}

// withOutcome returns the selection with another outcome. It drops the person,
// because only identified images have one.
func (q query) withOutcome(status *faces.Status, reason faces.Reason) query {
	return query{status: status, reason: reason, text: q.text, from: q.from, to: q.to, unsure: q.unsure, view: q.view}
}

func (q query) withoutTime() query {
	q = q.first()
	q.from, q.to = "", ""
	return q
}

func (q query) withView(view string) query {
	q.view = view
	return q
}

// at returns the selection on the page after a place.
func (q query) at(place int64) query {
	q = q.first()
	q.after = place
	return q
}

func (q query) withoutPerson() query {
	q = q.first()
	q.person, q.personID = "", 0
	return q
}

func (q query) withoutText() query {
	q = q.first()
	q.text = ""
	return q
}

// personLink returns the URL of a person's images.
func personLink(p faces.Person) string {
	if p.Name == "" {
		return query{personID: p.ID}.URL()
	}
	return query{person: p.Name}.URL()
}
