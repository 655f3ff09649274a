package frontend

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// peoplePage is the number of people on one page.
const peoplePage = 60

// peopleQuery is the selection of people, as in the query string.
type peopleQuery struct {
	text   string
	need   string // a word of needWords; "" for any
	hidden bool
	after  int64 // the last person of the page before; 0 for the first page
}

// needWords are the needs in the query string.
func needWords() map[string]need {
	return map[string]need{"pictures": needsPictures, "few": needsMore, "uncertain": needsReview, "consent": needsConsent}
}

// parsePeopleQuery reads the valid parts and returns a message for each invalid one.
func parsePeopleQuery(values url.Values) (q peopleQuery, problems []phrase) {
	note := func(p *phrase) {
		if p != nil {
			problems = append(problems, *p)
		}
	}
	var bad *phrase // what is wrong with a value
	q.text, bad = readText("q", strings.TrimSpace(values.Get("q")), faces.MaxNameLength)
	note(bad)
	q.need, bad = readChoice("need", values.Get("need"), "pictures", "few", "uncertain", "consent")
	note(bad)
	show, bad := readChoice("show", values.Get("show"), "hidden")
	note(bad)
	q.hidden = show != ""
	q.after, bad = readID("after", values.Get("after"), "query.id.person")
	note(bad)
	return q, problems
}

// URL returns the address of the page that q selects.
func (q peopleQuery) URL() string {
	values := url.Values{}
	if q.text != "" {
		values.Set("q", q.text)
	}
	if q.need != "" {
		values.Set("need", q.need)
	}
	if q.hidden {
		values.Set("show", "hidden")
	}
	if q.after != 0 {
		values.Set("after", strconv.FormatInt(q.after, 10))
	}
	if len(values) == 0 {
		return "/people"
	}
	return "/people?" + values.Encode()
}

// peopleView is the body of the list of people.
type peopleView struct {
	Problems []string
	Text     string
	Need     string
	Hidden   bool
	Chips    []chip
	Cards    []personTile
	First    string // URL of the first page; "" on it
	Next     string // URL of the next page; "" on the last one
	Nobody   bool   // there is nobody at all
	Narrowed bool   // the search or a chip excludes everybody
	All      string // URL of everybody
	Changes  bool   // the viewer may add people
	Notice   string
}

// personTile is a person in the list.
type personTile struct {
	ID     int64
	URL    string
	Name   string
	Letter string // in place of a picture
	Cover  string // URL; "" if there is no picture
	Badges []outcome
	Known  int
}

// people answers with the list of people.
func (s *Server) people(c *gin.Context) {
	q, problems := parsePeopleQuery(c.Request.URL.Query())
	v, err := s.viewPeople(c.Request.Context(), q)
	if err != nil {
		s.failed(c, err)
		return
	}
	v.Problems, v.Changes = s.sayAll(problems), s.mayChange(c)
	if c.Query("said") == "deleted" {
		v.Notice = s.words("people.deleted")
	}
	code := http.StatusOK
	if len(problems) > 0 {
		code = http.StatusBadRequest
	}
	s.render(c, code, "people", page{Title: s.words("people.title"), Section: "people", Body: v})
}

// peopleLooks is how often people who are gone meanwhile are left out of the list for one
// page: as many may go while the list is kept as on so many pages.
const peopleLooks = 5

func (s *Server) viewPeople(ctx context.Context, q peopleQuery) (peopleView, error) {
	all, err := s.peopleIndex.get(ctx)
	if err != nil {
		return peopleView{}, err
	}
	for look := 1; ; look++ {
		shown, v := s.pageOfPeople(q, all)
		ids := q.asked(shown, all)
		cards, err := s.store.PeopleCards(ctx, ids)
		if err != nil {
			return peopleView{}, err
		}
		if len(cards) == len(ids) || look == peopleLooks {
			v.addCards(s, shown, cards)
			return v, nil
		}
		gone := map[int64]bool{}
		for _, id := range ids {
			gone[id] = true
		}
		for _, card := range cards {
			delete(gone, card.ID)
		}
		all = s.peopleIndex.drop(all, gone)
	}
}

// pageOfPeople returns the people of a page, and the page without them.
func (s *Server) pageOfPeople(q peopleQuery, all []listedPerson) ([]listedPerson, peopleView) {
	found := q.find(all)
	v := peopleView{
		Text: q.text, Need: q.need, Hidden: q.hidden, Chips: s.peopleChips(q, all), Nobody: len(all) == 0,
		Narrowed: len(found) == 0, All: peopleQuery{}.URL(),
	}
	begin := 0
	if q.after != 0 {
		begin = 1 + slices.IndexFunc(found, func(p listedPerson) bool { return p.ID == q.after })
		first := q
		first.after = 0
		v.First = first.URL()
	}
	found = found[begin:]
	if len(found) > peoplePage {
		next := q
		next.after = found[peoplePage-1].ID
		found, v.Next = found[:peoplePage], next.URL()
	}
	return found, v
}

// asked returns the ids of whom a page has to know that they are still there: of those it
// shows, and of some whom its chips count because of their names. The number of a name must
// not tell of somebody who was erased.
func (q peopleQuery) asked(shown, all []listedPerson) []int64 {
	ids := make([]int64, 0, 2*peoplePage)
	for _, p := range shown {
		ids = append(ids, p.ID)
	}
	if q.text == "" {
		return ids
	}
	text := strings.ToLower(q.text)
	for _, p := range all {
		if len(ids) == 2*peoplePage {
			break
		}
		if strings.Contains(p.key, text) && !slices.Contains(ids, p.ID) {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// addCards adds the people of the page, as they are now.
func (v *peopleView) addCards(s *Server, shown []listedPerson, cards []store.PersonCard) {
	byID := map[int64]store.PersonCard{}
	for _, card := range cards {
		byID[card.ID] = card
	}
	for _, p := range shown {
		if card, ok := byID[p.ID]; ok {
			v.Cards = append(v.Cards, s.personTile(card, p.Unsure))
		}
	}
}

// find returns the people that q selects, in the order of all.
func (q peopleQuery) find(all []listedPerson) []listedPerson {
	text, wanted := strings.ToLower(q.text), needsNothing
	if n, ok := needWords()[q.need]; ok {
		wanted = n
	}
	var found []listedPerson
	for _, p := range all {
		if p.Hidden == q.hidden && p.has(wanted) && strings.Contains(p.key, text) {
			found = append(found, p)
		}
	}
	return found
}

// peopleChips returns the needs to choose from, with their numbers.
func (s *Server) peopleChips(q peopleQuery, all []listedPerson) []chip {
	list := []chip{
		{Label: s.words("people.all"), Key: "", URL: "/people"},
		{Label: s.words("need.pictures"), Key: "pictures"},
		{Label: s.words("need.few"), Key: "few"},
		{Label: s.words("need.uncertain"), Key: "uncertain"},
		{Label: s.words("need.consent"), Key: "consent"},
	}
	for i := range list {
		ch, of := &list[i], peopleQuery{text: q.text, need: list[i].Key}
		ch.URL, ch.Counted, ch.Current = of.URL(), true, !q.hidden && q.need == ch.Key
		ch.Images = int64(len(of.find(all)))
		ch.Key = "people-" + ch.Key
	}
	hidden := peopleQuery{text: q.text, hidden: true}
	if n := len(hidden.find(all)); n > 0 || q.hidden {
		list = append(list, chip{Label: s.words("people.hidden"), Key: "people-hidden", URL: hidden.URL(), Images: int64(n), Counted: true, Current: q.hidden})
	}
	return list
}

func (s *Server) personTile(p store.PersonCard, unsure bool) personTile {
	t := personTile{
		ID: p.ID, URL: personURL(p.ID), Name: s.personName(p.Person), Known: p.KnownPictures, Cover: s.cover(p.Profile, p.Face),
		Badges: s.personBadges(p.Profile, unsure, p.State, p.Until),
	}
	t.Letter = initial(t.Name)
	return t
}

// cover returns the address of a picture of a person, and "" if there is none.
func (s *Server) cover(p faces.Profile, face int64) string {
	switch {
	case !s.hasPictures():
		return ""
	case p.Cover != 0:
		return personURL(p.ID) + "/known/" + strconv.FormatInt(p.Cover, 10)
	case face != 0:
		return "/faces/" + strconv.FormatInt(face, 10) + "/crop"
	default:
		return ""
	}
}

// initial returns the first letter of a name.
func initial(name string) string {
	for _, r := range strings.ToUpper(name) {
		return string(r)
	}
	return ""
}

// personBadges say what about a person needs attention.
func (s *Server) personBadges(p faces.Profile, unsure bool, consent faces.ConsentState, until time.Time) (list []outcome) {
	add := func(tone, label string) { list = append(list, outcome{Tone: tone, Label: label}) }
	switch {
	case p.KnownPictures == 0:
		add("bad", s.words("need.pictures"))
	case p.KnownPictures < store.FewPictures:
		add("wait", s.counted("people.card.known", p.KnownPictures))
	}
	if unsure {
		add("warn", s.words("need.uncertain"))
	}
	switch consent {
	case faces.ConsentLapsed:
		add("bad", s.words("consent.lapsed"))
	case faces.ConsentWithdrawn:
		add("bad", s.words("consent.withdrawn"))
	case faces.ConsentUpcoming:
		add("wait", s.words("consent.upcoming"))
	case faces.ConsentGiven:
		if !until.IsZero() && until.Sub(s.opts.Now()) < store.ConsentEndsSoon {
			add("warn", s.words("consent.soon", s.date(until)))
		}
	}
	if p.Hidden {
		add("quiet", s.words("people.hidden"))
	}
	return list
}
