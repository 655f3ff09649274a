package frontend_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// outcomes is an album with one picture of each kind; the newest is last.
func outcomes(t *testing.T) *album {
	t.Helper()
	a := newAlbum(t, "Anna", "Bela")
	a.outcomes()
	return a
}

// outcomes adds images with the outcomes that there are usually. Anna and Bela are known.
func (a *album) outcomes() {
	a.t.Helper()
	a.answer(root+"/anna.jpg", sight(10, "Anna", 0.3, "Bela", 0.5))
	a.answer(root+"/both.jpg", sight(10, "Anna", 0.3), sight(300, "Bela", 0.2), sight(500))
	a.answer(root+"/stranger.jpg", sight(10, "Anna", 0.9))
	a.answer(root+"/twins.jpg", sight(10, "Anna", 0.30, "Bela", 0.31))
	a.answer(root + "/lake.jpg")
	a.fail(root+"/gone.jpg", faces.NotFound, "there is no such file")
	a.fail(root+"/slow.jpg", faces.Timeout, "no answer within 30s")
	a.post("/elsewhere/new.jpg")
	a.claim(a.post(root + "/now.jpg")[0])
}

func TestIndexRows(t *testing.T) {
	t.Parallel()
	page := get(t, serve(t, outcomes(t)), "/")
	if page.Code != http.StatusOK {
		t.Fatalf("got code %d: %s", page.Code, page.Text)
	}
	want := []string{
		"9 now.jpg –nobody known In progress 1 min ago",
		"8 /elsewhere/new.jpg –nobody known Waiting 1 min ago",
		"7 slow.jpg no answer within 30s Timed out 1 min ago",
		"6 gone.jpg there is no such file File not found 1 min ago",
		"5 lake.jpg –nobody known No face test-set-1 1 min ago",
		"4 twins.jpg Anna or Bela? Uncertain test-set-1 1 min ago",
		"3 stranger.jpg –nobody known Unknown person test-set-1 1 min ago",
		"2 both.jpg Bela with Anna, 1 unknown Identified test-set-1 1 min ago",
		"1 anna.jpg Anna Identified test-set-1 1 min ago",
	}
	if diff := cmp.Diff(want, page.each("tbody tr")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	first := page.Find("tbody tr#image-1")
	for selector, attrs := range map[string]map[string]string{
		"th a":     {"href": "/images/1", "title": root + "/anna.jpg"},
		"td.who a": {"href": "/?person=Anna"},
		"time":     {"datetime": "2026-05-04T12:00:00Z", "title": "2026-05-04 12:00:00 UTC"},
	} {
		for name, want := range attrs {
			if got := first.Find(selector).AttrOr(name, ""); got != want {
				t.Errorf("%s: got %s=%q, want %q", selector, name, got, want)
			}
		}
	}
	if got := first.AttrOr("data-reason", ""); got != "identified" {
		t.Errorf("got data-reason %q, want identified", got)
	}
}

// The path of an uploaded file is a hash, which tells a reader nothing.
func TestUploadsAreShownByTheirNames(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	paths, names := []string{root + "/uploads/c1/c165.jpg", root + "/uploads/69/69a2.jpg"}, []string{"team.jpg", "\u202egpj.exe"}
	if _, err := a.AddUploads(t.Context(), paths, names); err != nil {
		t.Fatal(err)
	}
	h := serve(t, a)
	want := []string{`2 \u202egpj.exe –nobody known Waiting 1 min ago`, "1 team.jpg –nobody known Waiting 1 min ago"}
	if diff := cmp.Diff(want, get(t, h, "/").each("tbody tr")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if page := get(t, h, "/images/1"); !strings.Contains(page.Text, "team.jpg") || !strings.Contains(page.Text, paths[0]) {
		t.Errorf("the page of the image does not have both its name and its path: %s", page.Text)
	}
}

func TestIndexShowsOthersBesidesThePerson(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Anna", "Bela")
	a.answer(root+"/x.jpg", sight(10, "Anna", 0.1), sight(300, "Bela", 0.2), sight(500))
	page := get(t, serve(t, a), "/")
	if got, want := page.words("td.who .detail"), "with Bela, 1 unknown"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestIndexFilters(t *testing.T) {
	t.Parallel()
	h := serve(t, outcomes(t))
	for name, tc := range map[string]struct {
		target  string
		ids     []string
		current []string
	}{
		"all":              {"/", []string{"9", "8", "7", "6", "5", "4", "3", "2", "1"}, []string{"All 9"}},
		"waiting":          {"/?reason=queued", []string{"8"}, []string{"Waiting 1"}},
		"in progress":      {"/?status=processing", []string{"9"}, []string{"In progress 1"}},
		"identified":       {"/?reason=identified", []string{"2", "1"}, []string{"Identified 2"}},
		"processed":        {"/?status=processed", []string{"2", "1"}, []string{"Identified 2"}},
		"unknown person":   {"/?reason=unknown_person", []string{"3"}, []string{"Unknown person 1"}},
		"uncertain":        {"/?reason=uncertain", []string{"4"}, []string{"Uncertain 1"}},
		"no face":          {"/?reason=no_face", []string{"5"}, []string{"No face 1"}},
		"failed":           {"/?status=failed", []string{"7", "6"}, []string{"Failed 2"}},
		"one failure":      {"/?reason=timeout", []string{"7"}, []string{"Failed 2", "Timed out 1"}},
		"pending":          {"/?status=pending", []string{"8", "5", "4", "3"}, nil},
		"status, reason":   {"/?status=failed&reason=not_found", []string{"6"}, []string{"Failed 2", "File not found 1"}},
		"person":           {"/?person=Anna", []string{"2", "1"}, []string{"Identified"}},
		"person by id":     {"/?person_id=1", []string{"2", "1"}, []string{"Identified"}},
		"number as a name": {"/?person=1", nil, []string{"Identified"}},
		"search":           {"/?q=e.jpg", []string{"6", "5"}, []string{"All"}},
		"search and space": {"/?q=+lake+", []string{"5"}, []string{"All"}},
		"search, outcome":  {"/?q=.jpg&status=failed", []string{"7", "6"}, []string{"Failed"}},
		"wildcards":        {"/?q=%25", nil, []string{"All"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := get(t, h, tc.target)
			if page.Code != http.StatusOK {
				t.Fatalf("got code %d", page.Code)
			}
			if diff := cmp.Diff(tc.ids, nilIfEmpty(page.each("tbody td.id"))); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.current, nilIfEmpty(page.each(".chip[aria-current]"))); diff != "" {
				t.Errorf("current chips (-want +got):\n%s", diff)
			}
		})
	}
}

func nilIfEmpty(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

func TestIndexChipsKeepTheSearch(t *testing.T) {
	t.Parallel()
	page := get(t, serve(t, outcomes(t)), "/?q=a+b&person=Anna&after=4")
	var got []string
	for _, n := range page.Find(".chip").Nodes[:3] {
		for _, attr := range n.Attr {
			if attr.Key == "href" {
				got = append(got, attr.Val)
			}
		}
	}
	want := []string{"/?q=a+b", "/?q=a+b&reason=queued", "/?q=a+b&status=processing"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("links of chips (-want +got):\n%s", diff)
	}
	if got := page.Find("form input[name=person]").AttrOr("value", ""); got != "Anna" {
		t.Errorf("the search form forgets the person: %q", got)
	}
	if diff := cmp.Diff([]string{"Person Anna ×", "Path contains a b ×"}, page.each(".tags li")); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
}

func TestIndexRefusesWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	h := serve(t, outcomes(t))
	for name, tc := range map[string]struct{ target, says string }{
		"status":       {"/?status=done", `unknown status "done"`},
		"reason":       {"/?reason=tired", `unknown reason "tired"`},
		"both":         {"/?status=processed&reason=timeout", "no image has the status processed and the reason timeout"},
		"after":        {"/?after=x", "“after” is not an image id"},
		"person id":    {"/?person_id=Anna", "“person_id” is not a person's id"},
		"negative":     {"/?after=-4", "“after” is not an image id"},
		"newer":        {"/?newer=99999999999999999999", "“newer” is not an image id"},
		"two places":   {"/?after=3&newer=2", "cannot be used together"},
		"long search":  {"/?q=" + strings.Repeat("x", 751), "longer than 750 characters"},
		"broken text":  {"/?q=%ff", "not valid text"},
		"zero byte":    {"/?person=%00", "not valid text"},
		"long name":    {"/?person=" + strings.Repeat("x", 256), "longer than 255 characters"},
		"hostile":      {"/?status=" + url.QueryEscape(`"><script>alert(1)</script>`), "unknown status"},
		"percent sign": {"/?status=%zz&reason=x", "unknown reason"},
		"malformed":    {"/?q=100%", "malformed"},

		"an unknown filter":      {"/?colour=red", "ignored: the filter colour=red is unknown"},
		"a filter of the API":    {"/?limit=7", "the filter limit=7 is unknown"},
		"a mistyped filter":      {"/?Status=failed", "the filter Status=failed is unknown"},
		"a filter twice":         {"/?status=failed&status=pending", "the filter status is given 2 times; only the first one counts"},
		"a hostile filter":       {"/?" + url.QueryEscape("a<script>\u202e") + "=1", `the filter a<script>\u202e=1 is unknown`},
		"a long filter":          {"/?" + strings.Repeat("x", 1000) + "=1", strings.Repeat("x", 59) + "…=1 is unknown"},
		"very many of them":      {"/?a&b&c&d&e&f&g&h", "3 more filters are unknown"},
		"an unknown and a known": {"/?colour=red&reason=timeout", "the filter colour=red is unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := get(t, h, tc.target)
			if page.Code != http.StatusBadRequest {
				t.Errorf("got code %d, want 400", page.Code)
			}
			if got := page.words("[role=alert]"); !strings.Contains(got, tc.says) {
				t.Errorf("got %q, want it to say %q", got, tc.says)
			}
			if page.Find("tbody tr").Length() == 0 || page.Find(".chip").Length() == 0 {
				t.Error("the page is of no use: no rows or no chips")
			}
			if page.Find("script:not([src])").Length() > 0 {
				t.Error("the page has a script of somebody's")
			}
		})
	}
}

func TestIndexPages(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	var paths []string
	for i := range 120 {
		paths = append(paths, fmt.Sprintf("%s/%d.jpg", root, i))
	}
	a.post(paths...)
	h := serve(t, a)
	walk := func(from, rel string) (pages [][2]string, last string) {
		for target := from; target != ""; {
			page := get(t, h, target)
			ids := page.each("tbody td.id")
			pages = append(pages, [2]string{ids[0], ids[len(ids)-1]})
			last, target = target, page.Find("nav.pages a[rel="+rel+"]").AttrOr("href", "")
			if len(pages) > 5 {
				t.Fatal("the pages have no end")
			}
		}
		return pages, last
	}
	older, last := walk("/?q=.jpg", "next")
	if diff := cmp.Diff([][2]string{{"120", "71"}, {"70", "21"}, {"20", "1"}}, older); diff != "" {
		t.Errorf("towards older (-want +got):\n%s", diff)
	}
	if !strings.Contains(last, "q=.jpg") {
		t.Errorf("the link %q has lost the search", last)
	}
	a.post(root + "/one-more.jpg") // must not move images between pages
	newer, _ := walk(last, "prev")
	if diff := cmp.Diff([][2]string{{"20", "1"}, {"70", "21"}, {"120", "71"}, {"121", "72"}}, newer); diff != "" {
		t.Errorf("towards newer (-want +got):\n%s", diff)
	}
	if got := get(t, h, "/").Find("nav.pages a[rel=prev]").Length(); got != 0 {
		t.Error("the newest page links to newer ones")
	}
	end := get(t, h, "/?after=1")
	if got := end.Find("nav.pages a[rel=prev]").AttrOr("href", ""); end.Code != http.StatusOK || got != "/" {
		t.Errorf("past the end: got code %d and newer %q, want 200 and /", end.Code, got)
	}
}

func TestIndexEmpty(t *testing.T) {
	t.Parallel()
	h := serve(t, newAlbum(t), func(o *frontend.Options) { o.Receiver = "http://pictures:8000" })
	page := get(t, h, "/")
	if got, want := page.words(".empty pre"), `curl -d '{"path":"photo.jpg"}' http://pictures:8000/image/post`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := page.words(".empty"); !strings.Contains(got, root) {
		t.Errorf("%q does not say where pictures belong", got)
	}
	if got, want := get(t, h, "/operations").words("#model"), "No picture has been answered yet; the model set appears here after the first answer."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	filtered := get(t, serve(t, outcomes(t)), "/?q=nowhere")
	if got := filtered.Find(".empty a").AttrOr("href", ""); got != "/" || filtered.Find(".empty pre").Length() != 0 {
		t.Errorf("nothing found: got link %q, want / and no lesson", got)
	}
}

func TestIndexRefreshesWhilePicturesWait(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fill func(a *album)
		want bool
	}{
		"nothing there": {func(*album) {}, false},
		"all answered":  {func(a *album) { a.answer(root + "/a.jpg") }, false},
		"one waits":     {func(a *album) { a.answer(root + "/a.jpg"); a.post(root + "/b.jpg") }, true},
		"one at work":   {func(a *album) { a.claim(a.post(root + "/b.jpg")[0]) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAlbum(t)
			tc.fill(a)
			page := get(t, serve(t, a), "/?q=x") // with any filter
			got := map[string]bool{
				"waiting": page.Find("#live[data-waiting]").Length() == 1,
				"meta":    strings.Contains(page.Text, `<noscript><meta http-equiv="refresh" content="3"></noscript>`),
			}
			if diff := cmp.Diff(map[string]bool{"waiting": tc.want, "meta": tc.want}, got); diff != "" {
				t.Errorf("refreshes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIndexNamesTheModels(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		model faces.Model
		says  string
	}{
		"only the threshold speaks": {faces.Model{ID: "small", Threshold: 0.6, Margin: 0.03},
			"Model small Threshold 0.6 Margin 0.03"},
		"a far runner-up, too": {faces.Model{ID: "big", Threshold: 0.9, Margin: 0.05, FarThreshold: 1, FarMargin: 0.15},
			"Model big Threshold 0.9 Margin 0.05 Far 1 if the second person is more than 0.15 farther"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAlbum(t)
			a.check(a.UseModel(t.Context(), tc.model))
			page := get(t, serve(t, a), "/operations")
			if got := page.words("#model"); got != tc.says {
				t.Errorf("got %q, want %q", got, tc.says)
			}
		})
	}
}

func TestIndexAges(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		age  time.Duration
		want string
	}{
		"ahead of us": {-time.Hour, "just now"},
		"now":         {4 * time.Second, "just now"},
		"seconds":     {59 * time.Second, "59 s ago"},
		"minutes":     {2*time.Minute + 50*time.Second, "2 min ago"},
		"hours":       {23 * time.Hour, "23 h ago"},
		"yesterday":   {30 * time.Hour, "yesterday"},
		"days":        {3 * 24 * time.Hour, "3 days ago"},
		"long":        {30 * 24 * time.Hour, "4 May 2026"}, // the picture's day
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAlbum(t)
			a.post(root + "/a.jpg")
			h := serve(t, a, func(o *frontend.Options) { o.Now = func() time.Time { return noon.Add(tc.age) } })
			if got := get(t, h, "/").words("tbody td.age"); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestIndexShowsAttempts(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	id := a.post(root + "/a.jpg")[0]
	for range 2 {
		a.check(a.Release(t.Context(), []store.Lease{a.claim(id)}, false))
	}
	if got, want := get(t, serve(t, a), "/").words("tbody td.outcome"), "Waiting 2 attempts"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Paths and names are untrusted text that is shown to people.
func TestIndexHostileText(t *testing.T) {
	t.Parallel()
	const (
		name = `<script>alert("x")</script> O'Neil & "Co" {{.}}`
		path = root + `/"><img src=x onerror=alert(1)>'%3Cb%3E&amp;.jpg`
	)
	a := newAlbum(t, name)
	a.answer(path, sight(10, name, 0.2))
	a.post(root+"/invoice\u202egpj.exe", root+"/line\nbreak\x00.jpg", root+"/שלום.jpg")
	h := serve(t, a)
	page := get(t, h, "/")
	if n := page.Find("img, tbody script").Length(); n > 0 || strings.Contains(page.Text, "<script>alert") {
		t.Errorf("text became %d elements", n)
	}
	if got := page.Find("#image-1 th").Text(); got != strings.TrimPrefix(path, root+"/") {
		t.Errorf("got path %q", got)
	}
	if got := page.Find("#image-1 .person").Text(); got != name {
		t.Errorf("got name %q", got)
	}
	link := page.Find("#image-1 .who a").AttrOr("href", "")
	if got := get(t, h, link).each("tbody td.id"); !cmp.Equal(got, []string{"1"}) {
		t.Errorf("the link %q of the person finds %v, want image 1", link, got)
	}
	want := []string{"שלום.jpg", `line\u000abreak\u0000.jpg`, `invoice\u202egpj.exe`}
	if diff := cmp.Diff(want, page.each("tbody tr:not(#image-1) th")); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

func TestTableIsAccessible(t *testing.T) {
	t.Parallel()
	page := get(t, serve(t, outcomes(t)), "/")
	for selector, want := range map[string]int{
		"html[lang=en]": 1, "h1": 1, "main": 1, "table caption": 1, "thead th[scope=col]": 6,
		"tbody th[scope=row]": 9, "label[for=q]": 1, "input#q": 1, "nav[aria-label]": 2,
		"a.skip[href='#main']": 1, "[style]": 0, "[onclick]": 0, "style": 0,
	} {
		if got := page.Find(selector).Length(); got != want {
			t.Errorf("%s: got %d, want %d", selector, got, want)
		}
	}
}

// Who else is in a picture, and what is wrong with its file, is said beside the person.
func TestRowsAndCardsOfDamagedFiles(t *testing.T) {
	t.Parallel()
	const early = "the file ends early"
	for name, c := range map[string]struct {
		found        []faces.Sighting
		row, inACard string
	}{
		"nobody":                 {nil, early, early},
		"a person":               {[]faces.Sighting{sight(10, "Anna", 0.3)}, early, "Anna"},
		"a person and strangers": {[]faces.Sighting{sight(10, "Anna", 0.3), sight(300), sight(500)}, "with 2 unknown; " + early, "Anna with 2 unknown; " + early},
		"nobody for sure":        {[]faces.Sighting{sight(10, "Anna", 0.3, "Bela", 0.3)}, "Anna or Bela?; " + early, "Anna or Bela?; " + early},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAlbum(t, "Anna", "Bela")
			a.finish(root+"/a.jpg", faces.Decide(
				faces.Recognition{Width: 800, Height: 600, Sightings: c.found, Model: model, Warning: early},
				func(image string) (faces.Person, bool) { p, ok := a.people[image]; return p, ok },
			))
			h := receiverOf(t, a, nothing)
			if got := do(t, h, local(t, http.MethodGet, "/?view=table", "")).words(".detail"); got != c.row {
				t.Errorf("the row says %q, want %q", got, c.row)
			}
			if got := do(t, h, local(t, http.MethodGet, "/", "")).words(".card .who"); got != c.inACard {
				t.Errorf("the card says %q, want %q", got, c.inACard)
			}
		})
	}
}
