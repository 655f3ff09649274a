package frontend

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
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
	after    int64  // show the page after this image, towards older ones; 0 for none
	newer    int64  // show the page before this image, towards newer ones; 0 for none
}

// filters are the parameters of the query string.
var filters = [...]string{"status", "reason", "person", "person_id", "q", "after", "newer"}

// parseQuery reads the valid parts and returns a message for each invalid one.
func parseQuery(raw string) (query, []string) {
	var q query
	values, err := url.ParseQuery(raw)
	problems := unknownFilters(values)
	if err != nil {
		problems = append(problems, "a part of the address after the “?” is malformed, perhaps a % that is not written as %25")
	}
	note := func(err error) {
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	note(q.readOutcome(values.Get("status"), values.Get("reason")))
	q.person, err = readText("name in “person”", values.Get("person"), faces.MaxNameLength)
	note(err)
	q.personID, err = readID("person_id", values.Get("person_id"), "a person's id")
	note(err)
	q.text, err = readText("search text in “q”", strings.TrimSpace(values.Get("q")), faces.MaxPathLength)
	note(err)
	q.after, err = readID("after", values.Get("after"), "an image id")
	note(err)
	q.newer, err = readID("newer", values.Get("newer"), "an image id")
	note(err)
	if q.after != 0 && q.newer != 0 {
		note(fmt.Errorf("“after” and “newer” cannot be used together"))
		q.newer = 0
	}
	return q, problems
}

// shownFilter is the maximum length of a name and of a value in a message, in
// characters; shownFilters is the maximum number of messages about unknown filters.
const (
	shownFilter  = 60
	shownFilters = 5
)

// unknownFilters returns a message for each parameter that is not a filter, and for
// each that is given more than once.
func unknownFilters(values url.Values) (problems []string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		shown := visible(faces.Truncate(name, shownFilter))
		switch {
		case !slices.Contains(filters[:], name):
			problems = append(problems, fmt.Sprintf("the filter %s=%s is unknown", shown, visible(faces.Truncate(values.Get(name), shownFilter))))
		case len(values[name]) > 1:
			problems = append(problems, fmt.Sprintf("the filter %s is given %d times; only the first one counts", shown, len(values[name])))
		}
	}
	if more := len(problems) - shownFilters; more > 0 {
		problems = append(problems[:shownFilters], fmt.Sprintf("%d more filters are unknown", more))
	}
	return problems
}

func (q *query) readOutcome(status, reason string) error {
	if status != "" {
		s, err := faces.ParseStatus(status)
		if err != nil {
			return err
		}
		q.status = &s
	}
	if reason == "" {
		return nil
	}
	r, err := faces.ParseReason(reason)
	if err != nil {
		return err
	}
	if err := faces.CheckOutcome(q.status, r); err != nil {
		return err
	}
	q.reason = r
	return nil
}

func readText(what, value string, limit int) (string, error) {
	if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
		return "", fmt.Errorf("the %s is not valid text", what)
	}
	if utf8.RuneCountInString(value) > limit {
		return "", fmt.Errorf("the %s is longer than %d characters", what, limit)
	}
	return value, nil
}

func readID(name, value, what string) (int64, error) {
	if value == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(value, 10, 64)
	if err != nil || id < 1 {
		return 0, fmt.Errorf("“%s” is not %s", name, what)
	}
	return id, nil
}

// filter returns the selection for the store, without the page.
func (q query) filter() store.Filter {
	return store.Filter{Status: q.status, Reason: q.reason, Person: q.person, PersonID: q.personID, Query: q.text}
}

// narrowed reports whether a person or a text limits the selection.
func (q query) narrowed() bool { return q.text != "" || q.hasPerson() }

func (q query) hasPerson() bool { return q.person != "" || q.personID != 0 }

// URL returns the address of the page that q selects.
func (q query) URL() string {
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
	if q.after != 0 {
		set("after", strconv.FormatInt(q.after, 10))
	}
	if q.newer != 0 {
		set("newer", strconv.FormatInt(q.newer, 10))
	}
	if len(values) == 0 {
		return "/"
	}
	return "/?" + values.Encode()
}

// first returns the selection on its newest page.
func (q query) first() query {
	q.after, q.newer = 0, 0
	return q
}

// withOutcome returns the selection with another outcome. It drops the person,
// because only identified images have one.
func (q query) withOutcome(status *faces.Status, reason faces.Reason) query {
	return query{status: status, reason: reason, text: q.text}
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
