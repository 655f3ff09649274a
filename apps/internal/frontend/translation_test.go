package frontend_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/net/html"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/operations"
)

// bracketed is a language that has nothing but brackets around English. What is in no
// brackets on a page is not in the catalogue.
func bracketed(text string) string { return "⟦" + text + "⟧" }

// data are the texts that are the same in every language.
func data() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`https?://\S+`),                                                      // addresses
		regexp.MustCompile(`[\w/-]+\.jpg|/unknown_people|/elsewhere`),                           // files and folders
		regexp.MustCompile(`\bRollcall\b`),                                                      // the brand
		regexp.MustCompile(`\b(Anna|Bela|Cleo|Nobody Else)\b`),                                  // people
		regexp.MustCompile(`\b(ada|vera|nobody|dashboard|door|bell)\b`),                         // users, keys and webhooks
		regexp.MustCompile(`\btest-set-\d\b|\bp/1\b`),                                           // model sets and programs
		regexp.MustCompile(`as the program said it|no answer within 30s|there is no such file`), // what a program stored
		regexp.MustCompile(`\d\d:\d\d:\d\d UTC`),                                                // exact times
		regexp.MustCompile(`\d px`),                                                             // sizes of pictures
		regexp.MustCompile(`^[A-Z]$`),                                                           // keys of the keyboard
	}
}

// Every word of every page is in the catalogue, and so are those that scripts find in the
// attributes of a page.
func TestEveryWordIsInTheCatalogue(t *testing.T) {
	t.Parallel()
	h := newBracketedHouse(t)
	site := h.open()
	nobody, admin, viewer := h.browser(site), h.browser(site), h.browser(site)
	for _, address := range []string{"/sign-in", "/invite", "/first-admin", "/sign-in?next=/people"} {
		h.wordsOf(nobody.open(address), address)
	}
	h.wordsOf(nobody.signIn("ada", "wrong"), "a wrong password")
	h.wordsOf(nobody.send("/invite", "code", "x", "password", "a", "again", "b"), "two passwords")
	h.wordsOf(nobody.send("/invite", "code", "x", "password", goodPassword, "again", goodPassword), "a wrong code")
	admin.signIn("ada", goodPassword)
	viewer.signIn("vera", goodPassword)
	h.wordsOf(viewer.send("/people", "name", "X"), "a role that is too low")
	h.say(admin)
	for _, b := range []*tab{admin, viewer} {
		if n := h.readAll(b, "/", "/review", "/unknown", "/upload", "/people/1/merge?with=2", "/people/1/remove?images=delete"); n < 50 {
			t.Errorf("only %d pages were read", n)
		}
	}
	h.mistakes(admin)
}

// newBracketedHouse returns a house with something of everything.
func newBracketedHouse(t *testing.T) *house {
	t.Helper()
	h := newHouse(t, "Bela", "Cleo")
	h.speaks = bracketed
	poor := model
	poor.Floors = faces.Floors{Size: 40, Sharpness: 0.3, Yaw: 40, CutOff: 0.2, Detection: 0.4}
	h.check(h.UseModel(t.Context(), poor))
	h.user("ada", access.AdminRole)
	h.user("vera", access.Viewer)
	h.outcomes()
	for _, r := range faces.Reasons() {
		if r.Status() == faces.Failed {
			h.fail(root+"/"+strings.ReplaceAll(string(r), "_", "-")+".jpg", r, "as the program said it")
		}
	}
	for name, q := range map[string]faces.Quality{
		"small": {Score: 0.1, Size: 20, Sharpness: 0.9}, "cut": {Score: 0.1, Size: 90, Sharpness: 0.9, CutOff: 0.5},
		"turned": {Score: 0.1, Size: 90, Sharpness: 0.9, Yaw: 60}, "blurred": {Score: 0.1, Size: 90, Sharpness: 0.1}, "dim": {Score: 0.1, Size: 90, Sharpness: 0.9, Detection: 0.1},
	} {
		seen := sight(10, "Anna", 0.3)
		seen.Quality = q
		h.finish(root+"/"+name+".jpg", faces.Decide(
			faces.Recognition{Width: 800, Height: 600, Sightings: []faces.Sighting{seen}, Model: poor, Warning: "as the program said it", Omitted: 2},
			func(image string) (faces.Person, bool) { p, ok := h.people[image]; return p, ok },
		))
	}
	now := *h.now.Load()
	h.known("Anna", 3)
	for name, until := range map[string]time.Time{"Anna": now.AddDate(0, 0, 9), "Bela": now.Add(time.Minute)} {
		_, _, err := h.SetConsent(t.Context(), faces.Consent{Person: h.people[name+".jpg"].ID, Basis: faces.BasisContract, From: now.Add(-time.Hour), Until: until})
		h.check(err)
	}
	unknown := []int64{}
	for _, name := range []string{"x", "y", "z"} {
		img, err := h.Image(t.Context(), h.answer(root+"/"+name+".jpg", sight(10)))
		h.check(err)
		unknown = append(unknown, img.Faces[0].ID)
	}
	h.group(unknown...)
	h.grouping("waiting", "as the program said it", 3, 8)
	h.says(now, "processor", "p/1", operations.State{
		Processor:   &operations.Processor{Open: true, Since: now.Add(-time.Minute), NextTry: now.Add(time.Minute), Why: string(faces.Timeout), Slowest: []operations.Slow{{Image: 1, Took: 65_000, At: now}}},
		Queue:       &operations.Queue{Waiting: 1, InFlight: 2, Deferred: 3},
		Recognizers: []operations.Recognizer{{Address: "10.0.0.1:50051", Model: "test-set-1", Known: 20, Problems: 1, Engines: 2}, {Address: "10.0.0.2:50051", Away: true}},
	})
	h.says(now, "receiver", "r/1", operations.State{Volumes: []operations.Volume{{Name: "UNKNOWN_PEOPLE", Free: 5_000_000_000, Size: 100_000_000_000}}})
	h.says(now, "redeemer", "", operations.State{Redeemer: &operations.Run{Finished: now, Took: 1500, Retried: 6, Queued: 8}})
	h.setClock(now.Add(time.Hour))
	return h
}

// say does what people do, and reads what the dashboard says about it.
func (h *house) say(b *tab) {
	h.t.Helper()
	for _, form := range []struct {
		to    string
		pairs []string
	}{
		{"/faces/2/ignore", nil},
		{"/faces/3/person", []string{"name", "Cleo"}},
		{"/faces/4/not-person", []string{"person_id", "1"}},
		{"/faces/5/not-a-face", nil},
		{"/images/2/faces", []string{"x", "300", "y", "300", "width", "90", "height", "90", "name", "Cleo"}},
		{"/corrections/1/undo", nil},
		{"/people", []string{"name", "Nobody Else"}},
		{"/people/2/hidden", []string{"hidden", "true"}},
		{"/people/1/rename", []string{"name", "Anna", "was", "Anna"}},
		{"/users", []string{"name", "nobody", "role", "reviewer"}},
		{"/users", []string{"name", "nobody", "role", "reviewer"}},
		{"/users/delete", []string{"name", "ada"}},
		{"/settings/keys", []string{"do", "make", "name", "door", "preset", "read", "expires", "30"}},
		{"/settings/keys", []string{"do", "make", "name", "", "preset", "own", "expires", "x"}},
		{"/settings/webhooks", []string{"name", "bell", "url", "https://bell.example.org/x"}},
		{"/settings/retention", []string{"do", "try", "days-no_face", "1", "days-unknown_person", "30"}},
		{"/settings/retention", []string{"do", "try", "days-no_face", "x"}},
		{"/settings/matching", []string{"do", "try", "threshold", "0.5", "margin", "0.04"}},
		{"/settings/matching", []string{"do", "try", "threshold", "x", "margin", "0.04"}},
		{"/settings/matching", []string{"do", "start", "threshold", "0.5", "margin", "0.04"}},
		{"/unknown/4711/name", nil},
		{"/operations/retry", []string{"reason", "x"}},
		{"/password", []string{"old", "x", "password", "short", "again", "short"}},
		{"/sessions/revoke", []string{"id", "4711"}},
	} {
		page := b.send(form.to, form.pairs...)
		if page.To != "" {
			page = b.open(page.To)
		}
		h.wordsOf(page, form.to+" "+strings.Join(form.pairs, " "))
	}
}

// mistakes reads what the dashboard says about addresses that are wrong.
func (h *house) mistakes(b *tab) {
	h.t.Helper()
	for _, address := range []string{
		"/nowhere", "/images/4711", "/people/4711", "/people/1/merge?with=1", "/people/1/merge?name=", "/people/1/merge?name=nobody",
		"/?q=%zz", "/?status=nobody", "/?reason=nobody", "/?reason=blurred", "/?reason=ignored", "/?status=failed&reason=queued",
		"/?from=nobody", "/?to=nobody", "/?view=nobody", "/?order=nobody", "/?after=nobody", "/?person_id=nobody", "/?after=1&newer=1", "/?order=uncertain&newer=1",
		"/?nobody=1", "/?person=Anna&person=Bela", "/?a=1&b=1&c=1&d=1&e=1&f=1&g=1", "/?person=" + strings.Repeat("x", 300), "/?person=%00",
		"/people?need=nobody", "/settings/audit?id=1", "/settings/audit?since=nobody", "/settings/webhooks/4711", "/settings/matching/4711", "/?person_id=4711", "/?status=pending",
	} {
		h.wordsOf(b.get(address), address)
	}
}

// readAll follows all links from some addresses, and returns how many pages there are.
func (h *house) readAll(b *tab, todo ...string) int {
	h.t.Helper()
	seen := map[string]bool{}
	file := regexp.MustCompile(`^/static|/(picture|thumbnail|crop|export)\b|/known(/|\?|$)`)
	for len(todo) > 0 {
		target := todo[0]
		todo = todo[1:]
		if kind := kindOf(target); seen[kind] || file.MatchString(target) {
			continue
		} else {
			seen[kind] = true
		}
		page := b.open(target)
		h.wordsOf(page, target)
		for _, link := range page.Find("a[href]").EachIter() {
			u, err := url.Parse(link.AttrOr("href", ""))
			h.check(err)
			if u.Host == "" && strings.HasPrefix(u.Path, "/") {
				todo = append(todo, u.RequestURI())
			}
		}
	}
	return len(seen)
}

// kindOf returns what one of many addresses stands for: its path, and either its only
// parameter or the names of its parameters.
func kindOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || len(u.Query()) == 0 {
		return address
	}
	if strings.HasPrefix(u.Path, "/images/") || strings.HasPrefix(u.Path, "/review") {
		return u.Path
	}
	if len(u.Query()) == 1 && !u.Query().Has("after") {
		return u.Path + "?" + u.RawQuery
	}
	return u.Path + "?" + strings.Join(slices.Sorted(maps.Keys(u.Query())), "&")
}

// wordsOf reports the words of a page that are in no brackets.
func (h *house) wordsOf(page webPage, what string) {
	h.t.Helper()
	if page.Code == 500 || page.Find("title").Length() == 0 {
		h.t.Errorf("%s: code %d, %.200s", what, page.Code, page.Text)
		return
	}
	r := reader{said: func(where, text string) {
		h.t.Errorf("%s: %s has %q, which is not in the catalogue", what, where, text)
	}}
	r.read(page.Nodes[0])
}

// reader reads the texts of a page that people see or hear.
type reader struct {
	depth int // of brackets
	said  func(where, text string)
}

// read reads an element. Brackets begin and end in one block.
func (r *reader) read(n *html.Node) {
	inline := []string{"a", "abbr", "b", "bdi", "code", "em", "kbd", "span", "strong", "time"}
	switch {
	case n.Type == html.TextNode:
		r.text("<"+n.Parent.Data+">", n.Data)
		return
	case slices.Contains([]string{"script", "style", "noscript", "code", "kbd"}, n.Data), attribute(n, "class") == "portrait":
		return
	case n.Type == html.ElementNode && !slices.Contains(inline, n.Data):
		r.depth = 0
	}
	for _, a := range n.Attr {
		words := strings.HasPrefix(a.Key, "data-") && strings.Contains(a.Val, " ") // for scripts
		words = words || slices.Contains([]string{"title", "aria-label", "alt", "placeholder", "label"}, a.Key)
		words = words || a.Key == "value" && attribute(n, "type") == "submit"
		texts := []string{a.Val}
		if forms := map[string]string{}; strings.HasSuffix(a.Key, "forms") && json.Unmarshal([]byte(a.Val), &forms) == nil {
			texts = slices.Collect(maps.Values(forms))
		}
		for _, text := range texts {
			if words {
				alone := reader{said: r.said}
				alone.text(n.Data+"["+a.Key+"]", text)
			}
		}
	}
	for c := range n.ChildNodes() {
		r.read(c)
	}
}

// text reads a text. Letters outside of brackets are data, or a fault.
func (r *reader) text(where, text string) {
	var outside strings.Builder
	for _, letter := range text {
		switch letter {
		case '⟦':
			r.depth++
		case '⟧':
			r.depth--
		default:
			if r.depth <= 0 {
				outside.WriteRune(letter)
			}
		}
	}
	rest := strings.TrimSpace(outside.String())
	if !strings.ContainsFunc(rest, unicode.IsLetter) {
		return
	}
	for _, known := range data() {
		rest = known.ReplaceAllString(rest, "")
	}
	if strings.ContainsFunc(rest, unicode.IsLetter) {
		r.said(where, strings.TrimSpace(outside.String()))
	}
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}
