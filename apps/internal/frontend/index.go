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

// pageSize is the number of images on one page.
const pageSize = 50

// indexView is the body of the page of images.
type indexView struct {
	Problems []string // what is wrong with the query string
	Query    queryView
	Chips    []chip     // one per outcome
	Failures []chip     // one per reason of failure, if failures are shown
	Rows     []row      // of the table
	Cards    []card     // of the grid
	Grid     bool       // Cards are shown
	Views    []chip     // grid or table; nil if there is no choice
	Newest   bool       // new images belong on this page
	Further  bool       // not all images were looked at
	Newer    string     // URL of the page before; "" if there is none
	Older    string     // URL of the page after; "" if there is none
	Empty    *emptyView // set if there is no image
	InWork   int64      // number of images that are queued or processing
}

// queryView is the current selection, and the links that remove one part of it.
type queryView struct {
	Text          string
	Status        string
	StatusShown   string
	Reason        string
	NoChip        bool // a status is selected that has no chip
	Person        string
	PersonID      int64
	PersonShown   string
	From          string
	To            string
	Times         string // of From and To, for people
	View          string
	Unsure        bool
	WithoutTime   string
	WithoutPerson string
	WithoutText   string
	WithoutStatus string
}

// chip is a link that shows one outcome.
type chip struct {
	Label   string
	Tone    string
	URL     string
	Key     string // names the number, for updates
	Images  int64
	Counted bool // Images is shown
	Current bool // the chip is selected
}

// row is one image in the table.
type row struct {
	ID        int64
	URL       string
	Thumb     string // URL; "" if there is no picture
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
	Further  bool   // not all images were looked at
	All      string // URL of the table without filters
	Root     string // folder of the images
	Receiver string // URL of the REST API
	Uploads  bool   // the viewer may upload pictures
}

// index answers with the images.
func (s *Server) index(c *gin.Context) {
	ctx := c.Request.Context()
	q, problems := parseQuery(c.Request.URL.RawQuery)
	found, err := s.list(ctx, q)
	if err != nil {
		s.failed(c, err)
		return
	}
	counts, err := s.counts.soon(ctx)
	if err != nil {
		s.failed(c, err)
		return
	}
	view := s.viewIndex(q, found, counts)
	view.Problems = s.sayAll(problems)
	if view.Empty != nil {
		view.Empty.Uploads = s.mayChange(c)
	}
	code := http.StatusOK
	if len(problems) > 0 {
		code = http.StatusBadRequest
	}
	s.render(c, code, "index", page{
		Title: s.words("images.title"), Section: "images", Body: view,
		Waiting: view.InWork > 0 || slices.ContainsFunc(found.images, isWaiting),
	})
}

func (s *Server) viewIndex(q query, found listed, counts []store.Count) indexView {
	view := indexView{
		Query: s.viewQuery(q), Newer: found.newer, Older: found.older, Further: found.further,
		Chips: s.chips(q, counts), Failures: s.failureChips(q, counts), InWork: total(counts, waits),
		Grid: s.isGrid(q), Views: s.views(q), Newest: q.after == 0 && q.newer == 0 && !q.unsure,
	}
	if view.Grid {
		view.Cards = s.cards(found.images, q)
	} else {
		view.Rows = s.rows(found.images, q)
	}
	if len(found.images) == 0 {
		view.Empty = &emptyView{
			Filtered: total(counts, nil) > 0, Further: found.further, All: query{view: q.view}.URL(),
			Root: s.opts.UnknownPeople, Receiver: s.opts.Receiver,
		}
	}
	return view
}

// isGrid reports whether images are shown as a grid. Without pictures, a table says
// more.
func (s *Server) isGrid(q query) bool { return s.hasPictures() && q.view != tableView }

func (s *Server) views(q query) []chip {
	if !s.hasPictures() {
		return nil
	}
	grid := s.isGrid(q)
	return []chip{
		{Label: s.words("images.view.grid"), URL: q.withView("").URL(), Current: grid},
		{Label: s.words("images.view.table"), URL: q.withView(tableView).URL(), Current: !grid},
	}
}

// listed is a page of images.
type listed struct {
	images       []faces.Image
	newer, older string // addresses of the pages before and after it; "" for none
	further      bool   // not all images were looked at
}

// list returns a page of images. Pages are found by the place of an image, so that new
// images do not move the older ones from page to page.
func (s *Server) list(ctx context.Context, q query) (listed, error) {
	f := q.filter()
	f.Limit = pageSize
	if q.newer != 0 {
		f.After, f.Oldest = q.newer, true
		page, err := s.store.PageOfImages(ctx, f)
		if err != nil {
			return listed{}, err
		}
		if page.Next != 0 {
			slices.Reverse(page.Images)
			newer := q.first()
			newer.newer = page.Next
			older := q.at(page.Next + 1)
			if n := len(page.Images); n > 0 {
				older = q.at(page.Images[n-1].ID)
			}
			return listed{images: page.Images, newer: newer.URL(), older: older.URL(), further: len(page.Images) < pageSize}, nil
		}
		q, f.After, f.Oldest = q.first(), 0, false // less than a page is newer: show the newest page in full
	}
	f.After = q.after
	page, err := s.store.PageOfImages(ctx, f)
	if err != nil {
		return listed{}, err
	}
	l := listed{images: page.Images}
	if page.Next != 0 {
		l.older, l.further = q.at(page.Next).URL(), len(page.Images) < pageSize
	}
	switch newer := q.first(); {
	case q.after == 0:
	case len(page.Images) > 0 && !q.unsure:
		newer.newer = page.Images[0].ID
		l.newer = newer.URL()
	default:
		l.newer = newer.URL() // places of uncertain images cannot be walked backwards
	}
	return l, nil
}

func (l *language) viewQuery(q query) queryView {
	v := queryView{
		Text: q.text, Reason: string(q.reason), Person: q.person, PersonID: q.personID, PersonShown: l.shownPerson(q),
		WithoutPerson: q.withoutPerson().URL(), WithoutText: q.withoutText().URL(),
		WithoutStatus: q.withOutcome(nil, "").URL(), WithoutTime: q.withoutTime().URL(),
		From: q.from, To: q.to, Times: shownTimes(q), View: q.view, Unsure: q.unsure,
	}
	if q.status != nil {
		v.Status, v.StatusShown = q.status.String(), l.status(*q.status)
		v.NoChip = *q.status == faces.Pending && q.reason == ""
	}
	return v
}

// shownTimes describes the days of the selection, "" for any.
func shownTimes(q query) string {
	switch {
	case q.from != "" && q.to != "":
		return q.from + " – " + q.to
	case q.from != "":
		return q.from + " –"
	case q.to != "":
		return "– " + q.to
	default:
		return ""
	}
}

// shownPerson describes the person of the selection, "" for none.
func (l *language) shownPerson(q query) string {
	switch {
	case q.personID == 0:
		return visible(q.person)
	case q.person == "":
		return l.personName(faces.Person{ID: q.personID})
	default:
		return fmt.Sprintf("%s (%d)", visible(q.person), q.personID)
	}
}

// chips returns the outcomes to choose from. Their counts are of all images, so
// they are hidden if a search or a person narrows the selection.
func (l *language) chips(q query, counts []store.Count) []chip {
	list := []chip{{
		Label: l.words("images.all"), Key: "all", URL: q.withOutcome(nil, "").URL(), Images: total(counts, nil),
		Counted: !q.narrowed(), Current: q.status == nil && q.reason == "" && !q.hasPerson(),
	}}
	processing, failed := faces.Processing, faces.Failed
	list = append(list,
		l.reasonChip(q, counts, faces.Queued),
		l.statusChip(q, counts, processing),
		l.reasonChip(q, counts, faces.Identified),
		l.reasonChip(q, counts, faces.UnknownPerson),
		l.reasonChip(q, counts, faces.Uncertain),
		l.reasonChip(q, counts, faces.NoFace),
		l.statusChip(q, counts, failed),
	)
	return list
}

func (l *language) reasonChip(q query, counts []store.Count, r faces.Reason) chip {
	o := l.outcomeOf(r.Status(), r)
	// Identified is the only reason of processed images, and the only one with
	// a person.
	processed := r == faces.Identified && (q.hasPerson() || q.status != nil && *q.status == faces.Processed)
	return chip{
		Label: o.Label, Key: string(r), Tone: o.Tone, URL: q.withOutcome(nil, r).URL(),
		Images:  total(counts, func(c store.Count) bool { return c.Reason == r }),
		Counted: !q.narrowed(), Current: q.reason == r || processed,
	}
}

func (l *language) statusChip(q query, counts []store.Count, s faces.Status) chip {
	return chip{
		Label: l.status(s), Key: s.String(), Tone: toneOf(s, ""), URL: q.withOutcome(&s, "").URL(),
		Images:  total(counts, func(c store.Count) bool { return c.Status == s }),
		Counted: !q.narrowed(), Current: asksStatus(q, s),
	}
}

func asksStatus(q query, s faces.Status) bool {
	return q.status != nil && *q.status == s || q.reason != "" && q.reason.Status() == s
}

// failureChips returns a chip for each reason of failure that occurs. It
// returns nil unless failures are shown.
func (l *language) failureChips(q query, counts []store.Count) []chip {
	if !asksStatus(q, faces.Failed) {
		return nil
	}
	var list []chip
	for _, r := range faces.Reasons() {
		if r.Status() != faces.Failed {
			continue
		}
		if ch := l.reasonChip(q, counts, r); ch.Images > 0 || ch.Current {
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

func (s *Server) rows(images []faces.Image, q query) []row {
	rows := make([]row, len(images))
	for i, img := range images {
		rows[i] = s.row(img, q)
	}
	return rows
}

func (s *Server) row(img faces.Image, q query) row {
	r := row{
		ID: img.ID, URL: q.image(img.ID), Path: s.shownName(img), FullPath: visible(img.Path),
		Outcome: s.outcomeOf(img.Status, img.Reason), Attempts: img.Attempts,
		Model: img.Model, Added: s.moment(img.CreatedAt), Thumb: s.thumbnail(img),
	}
	if img.Person != nil {
		r.Person, r.PersonURL = s.personName(*img.Person), personLink(*img.Person)
	}
	r.Detail = s.besides(img)
	return r
}
