package frontend

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// pageSize is the number of images on one page of the table.
const pageSize = 50

// indexView is the body of the table's page.
type indexView struct {
	Problems []string // what is wrong with the query string
	Query    queryView
	Chips    []chip // one per outcome
	Failures []chip // one per reason of failure, if failures are shown
	Rows     []row
	Newer    string     // URL of the page before; "" if there is none
	Older    string     // URL of the page after; "" if there is none
	Empty    *emptyView // set if Rows is empty
	InWork   int64      // number of images that are queued or processing
}

// queryView is the current selection, and the links that remove one part of it.
type queryView struct {
	Text          string
	Status        string
	Reason        string
	NoChip        bool // a status is selected that has no chip
	Person        string
	PersonID      int64
	PersonShown   string
	WithoutPerson string
	WithoutText   string
	WithoutStatus string
}

// chip is a link that shows one outcome.
type chip struct {
	Label   string
	Tone    string
	URL     string
	Images  int64
	Counted bool // Images is shown
	Current bool // the chip is selected
}

// row is one image in the table.
type row struct {
	ID        int64
	Path      string // as shown
	FullPath  string
	Person    string
	PersonURL string
	Detail    string // the detail without the person's name
	Outcome   outcome
	Attempts  int
	Model     string
	Added     moment
}

// emptyView is shown in place of the rows.
type emptyView struct {
	Filtered bool   // the filters exclude all images
	All      string // URL of the table without filters
	Root     string // folder of the images
	Receiver string // URL of the REST API
}

// index answers with the table of images.
func (s *Server) index(c *gin.Context) {
	ctx := c.Request.Context()
	q, problems := parseQuery(c.Request.URL.RawQuery)
	images, newer, older, err := s.list(ctx, q)
	if err != nil {
		s.failed(c, err)
		return
	}
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
	view := indexView{
		Problems: problems, Query: viewQuery(q), Newer: newer, Older: older,
		Chips: chips(q, counts), Failures: failureChips(q, counts), Rows: s.rows(images),
		InWork: total(counts, waits),
	}
	if len(images) == 0 {
		view.Empty = &emptyView{
			Filtered: total(counts, nil) > 0, All: query{}.URL(),
			Root: s.opts.UnknownPeople, Receiver: s.opts.Receiver,
		}
	}
	code := http.StatusOK
	if len(problems) > 0 {
		code = http.StatusBadRequest
	}
	s.render(c, code, "index", page{Title: "Pictures", Waiting: view.InWork > 0 || slices.ContainsFunc(images, isWaiting), Model: model, Body: view})
}

// list returns a page of images, newest first, and the URLs of the pages before
// and after it. Pages are found by image id, so that new images do not move the
// older ones from page to page.
func (s *Server) list(ctx context.Context, q query) (images []faces.Image, newer, older string, err error) {
	f := q.filter()
	f.Limit = pageSize + 1 // one more than shown, to see whether there is another page
	if q.newer != 0 {
		f.After, f.Oldest = q.newer, true
		images, err = s.store.ListImages(ctx, f)
		if err != nil {
			return nil, "", "", err
		}
		if len(images) > pageSize {
			images = images[:pageSize]
			slices.Reverse(images)
			return images, q.newerThan(images), q.olderThan(images), nil
		}
		q, f.After, f.Oldest = q.first(), 0, false // less than a page is newer: show the newest page in full
	}
	f.After = q.after
	if images, err = s.store.ListImages(ctx, f); err != nil {
		return nil, "", "", err
	}
	more := len(images) > pageSize
	images = images[:min(len(images), pageSize)]
	if more {
		older = q.olderThan(images)
	}
	switch {
	case q.after == 0:
	case len(images) == 0:
		newer = q.first().URL()
	default:
		newer = q.newerThan(images)
	}
	return images, newer, older, nil
}

// newerThan returns the URL of the page before images.
func (q query) newerThan(images []faces.Image) string {
	q = q.first()
	q.newer = images[0].ID
	return q.URL()
}

// olderThan returns the URL of the page after images.
func (q query) olderThan(images []faces.Image) string {
	q = q.first()
	q.after = images[len(images)-1].ID
	return q.URL()
}

func viewQuery(q query) queryView {
	v := queryView{
		Text: q.text, Reason: string(q.reason), Person: q.person, PersonID: q.personID, PersonShown: shownPerson(q),
		WithoutPerson: q.withoutPerson().URL(), WithoutText: q.withoutText().URL(),
		WithoutStatus: q.withOutcome(nil, "").URL(),
	}
	if q.status != nil {
		v.Status = q.status.String()
		v.NoChip = *q.status == faces.Pending && q.reason == ""
	}
	return v
}

// shownPerson describes the person of the selection, "" for none.
func shownPerson(q query) string {
	switch {
	case q.personID == 0:
		return visible(q.person)
	case q.person == "":
		return faces.Person{ID: q.personID}.DisplayName()
	default:
		return fmt.Sprintf("%s (%d)", visible(q.person), q.personID)
	}
}

// chips returns the outcomes to choose from. Their counts are of all images, so
// they are hidden if a search or a person narrows the selection.
func chips(q query, counts []store.Count) []chip {
	list := []chip{{
		Label: "All", URL: q.withOutcome(nil, "").URL(), Images: total(counts, nil),
		Counted: !q.narrowed(), Current: q.status == nil && q.reason == "" && !q.hasPerson(),
	}}
	processing, failed := faces.Processing, faces.Failed
	list = append(list,
		reasonChip(q, counts, faces.Queued),
		statusChip(q, counts, processing, "In progress"),
		reasonChip(q, counts, faces.Identified),
		reasonChip(q, counts, faces.UnknownPerson),
		reasonChip(q, counts, faces.Uncertain),
		reasonChip(q, counts, faces.NoFace),
		statusChip(q, counts, failed, "Failed"),
	)
	return list
}

func reasonChip(q query, counts []store.Count, r faces.Reason) chip {
	o := outcomeOf(r.Status(), r)
	// Identified is the only reason of processed images, and the only one with
	// a person.
	processed := r == faces.Identified && (q.hasPerson() || q.status != nil && *q.status == faces.Processed)
	return chip{
		Label: o.Label, Tone: o.Tone, URL: q.withOutcome(nil, r).URL(),
		Images:  total(counts, func(c store.Count) bool { return c.Reason == r }),
		Counted: !q.narrowed(), Current: q.reason == r || processed,
	}
}

func statusChip(q query, counts []store.Count, s faces.Status, label string) chip {
	return chip{
		Label: label, Tone: outcomeOf(s, "").Tone, URL: q.withOutcome(&s, "").URL(),
		Images:  total(counts, func(c store.Count) bool { return c.Status == s }),
		Counted: !q.narrowed(), Current: asksStatus(q, s),
	}
}

func asksStatus(q query, s faces.Status) bool {
	return q.status != nil && *q.status == s || q.reason != "" && q.reason.Status() == s
}

// failureChips returns a chip for each reason of failure that occurs. It
// returns nil unless failures are shown.
func failureChips(q query, counts []store.Count) []chip {
	if !asksStatus(q, faces.Failed) {
		return nil
	}
	var list []chip
	for _, r := range faces.Reasons() {
		if r.Status() != faces.Failed {
			continue
		}
		if ch := reasonChip(q, counts, r); ch.Images > 0 || ch.Current {
			list = append(list, ch)
		}
	}
	return list
}

// total sums the counts that which selects. nil selects all.
func total(counts []store.Count, which func(store.Count) bool) int64 {
	var n int64
	for _, c := range counts {
		if which == nil || which(c) {
			n += c.Images
		}
	}
	return n
}

func waits(c store.Count) bool { return awaitsOutcome(c.Status, c.Reason) }

// isWaiting reports whether the image has no outcome yet. The counts may be older
// than the images beside them.
func isWaiting(img faces.Image) bool { return awaitsOutcome(img.Status, img.Reason) }

func (s *Server) rows(images []faces.Image) []row {
	rows := make([]row, len(images))
	for i, img := range images {
		r := row{
			ID: img.ID, Path: s.shownName(img), FullPath: visible(img.Path),
			Outcome: outcomeOf(img.Status, img.Reason), Attempts: img.Attempts,
			Model: img.Model, Added: s.moment(img.CreatedAt),
		}
		if img.Person != nil {
			r.Person, r.PersonURL = personName(*img.Person), personLink(*img.Person)
		}
		r.Detail = visible(faces.DescribeOthers(img))
		rows[i] = r
	}
	return rows
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
