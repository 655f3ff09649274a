package frontend_test

import (
	"bytes"
	"image/color"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/smallsystem"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
)

// known gives a person known pictures until there are n.
func (a *album) known(name string, n int) {
	a.t.Helper()
	for i := range n {
		_, _, err := a.AddKnownPicture(a.t.Context(), faces.Enrolled{KnownImage: faces.KnownImage{
			Name: name + "-" + strconv.Itoa(i) + ".png", PersonID: a.people[name+".jpg"].ID,
		}, Source: faces.SourceUpload})
		a.check(err)
	}
}

// Those who need attention come first, then all others by name; chips and the search
// narrow the list.
func TestPeopleAreSortedByWhatTheyNeed(t *testing.T) {
	t.Parallel()
	a := newAlbum(t, "Few", "Unsure", "Lapsed", "Well", "albert", "Hidden")
	_, err := a.AddPerson(t.Context(), "Émile")
	a.check(err)
	for _, name := range []string{"Unsure", "Lapsed", "Well", "albert"} {
		a.known(name, 3)
	}
	hidden, hide := a.people["Hidden.jpg"].ID, true
	_, err = a.ChangePerson(t.Context(), hidden, faces.AnyVersion, faces.ProfileChange{Hidden: &hide})
	a.check(err)
	_, _, err = a.SetConsent(t.Context(), faces.Consent{Person: a.people["Lapsed.jpg"].ID, Basis: faces.BasisConsent, From: noon.Add(-2 * time.Hour), Until: noon.Add(time.Hour)})
	a.check(err)
	a.answer(root+"/who.jpg", sight(10, "Unsure", 0.4, "Well", 0.41))
	a.setClock(noon.Add(2 * time.Hour))
	h := serve(t, a.Store)
	for target, want := range map[string]string{
		"/people":                "Émile,Few,Unsure,Lapsed,albert,Well",
		"/people?need=pictures":  "Émile",
		"/people?need=few":       "Few",
		"/people?need=uncertain": "Unsure",
		"/people?need=consent":   "Lapsed",
		"/people?show=hidden":    "Hidden",
		"/people?q=éM":           "Émile",
		"/people?q=nobody":       "",
	} {
		if got := strings.Join(get(t, h, target).each(".tile-name"), ","); got != want {
			t.Errorf("%s: got %q, want %q", target, got, want)
		}
	}
	page := get(t, h, "/people")
	if got := page.words(".tile:nth-child(4) .badge"); got != "Consent has ended" {
		t.Errorf("the badge says %q", got)
	}
	if got := page.words(".chips"); got != "All 6 No known pictures 1 Few known pictures 1 Uncertain faces 1 Consent 1 Hidden 1" {
		t.Errorf("the chips say %q", got)
	}
}

// Pages go on after a person, also if somebody comes or goes meanwhile.
func TestPagesOfPeople(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	for i := range 130 {
		_, err := a.AddPerson(t.Context(), "Person "+strconv.Itoa(1000+i))
		a.check(err)
	}
	h := serve(t, a.Store)
	var all []string
	for target := "/people"; target != ""; {
		page := get(t, h, target)
		all = append(all, page.each(".tile-name")...)
		target = page.Find(".pages [rel=next]").AttrOr("href", "")
		if target != "" {
			_, err := a.AddPerson(t.Context(), "A"+strconv.Itoa(len(all)))
			a.check(err)
		}
	}
	if len(all) != 130 || all[0] != "Person 1000" || all[129] != "Person 1129" {
		t.Errorf("got %d people, from %s to %s", len(all), all[0], all[len(all)-1])
	}
}

// Names and addresses are text, whoever made them, and an address makes nothing true.
func TestHostilePeople(t *testing.T) {
	t.Parallel()
	const name = `<script>alert(1)</script> "a" 'b'`
	a := newAlbum(t)
	p, err := a.AddPerson(t.Context(), name)
	a.check(err)
	h := serve(t, a.Store, withReceiver(t))
	page := personURL(p.ID)
	for _, target := range []string{
		"/people", page, "/people?q=%3Cscript%3E", "/people?need=<b>", page + "?said=renamed&was=<script>", page + "?said=face&image=9&correction=9",
		page + "?said=merged&merge=7", page + "?faces=1_NaN_1", page + "?faces=x&known=x", page + "?said=known-added&picture=9", page + "?said=cover&was=-1",
	} {
		got := get(t, h, target)
		if got.Find("main script").Length() > 0 || strings.Contains(got.Text, "<script>alert") {
			t.Errorf("%s has a script", target)
		}
	}
	if got := get(t, h, page+"?said=renamed&was=Evil").Find(".notice form").Length(); got != 0 {
		t.Error("an address offers a name that the person never had")
	}
	for target, code := range map[string]int{"/people/0": 404, "/people/x": 404, "/people/999": 404, page + "/known/x": 404, page + "/merge?with=" + strconv.FormatInt(p.ID, 10): 400, page + "/merge?name=nobody": 404} {
		if got := get(t, h, target); got.Code != code {
			t.Errorf("%s: got %d, want %d", target, got.Code, code)
		}
	}
}

func personURL(id int64) string { return "/people/" + strconv.FormatInt(id, 10) }

// withReceiver lets everybody change people by a receiver that does not answer.
func withReceiver(t *testing.T) func(*frontend.Options) {
	t.Helper()
	to, err := frontend.NewAPI("http://127.0.0.1:9", nil)
	if err != nil {
		t.Fatal(err)
	}
	return func(o *frontend.Options) { o.API, o.Everybody = to, access.AdminRole }
}

// The pages show each role only what it may do, and refuse the rest.
func TestRolesOfPeople(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	site, page := h.open(), personURL(h.people["Anna.jpg"].ID)
	for _, role := range access.AllRoles() {
		h.user(string(role)+"-user", role)
		b := h.browser(site)
		b.signIn(string(role)+"-user", goodPassword)
		reviewer, admin := role.Includes(access.Reviewer), role.Includes(access.AdminRole)
		got := b.get(page)
		if has := got.Find("main form[method=post]").Length() > 0; has != reviewer {
			t.Errorf("%s: forms that change something: %v", role, has)
		}
		if has := got.Find("#export").Length() > 0; has != admin {
			t.Errorf("%s: an export: %v", role, has)
		}
		for _, target := range []string{
			"/rename", "/hidden", "/cover", "/merge", "/unmerge", "/face", "/undo", "/consent", "/withdraw", "/delete", "/known", "/known/1/delete",
		} {
			if p := b.send(page+target, "version", "4711"); !reviewer && p.Code != http.StatusForbidden || reviewer && p.Code == http.StatusForbidden {
				t.Errorf("%s, POST %s: got %d", role, target, p.Code)
			}
		}
		if p := b.send("/people", "name", "By "+string(role)); (p.Code == http.StatusSeeOther) != reviewer {
			t.Errorf("%s adds a person: got %d", role, p.Code)
		}
		if p := b.send(page+"/erase", "version", "4711"); !admin && p.Code != http.StatusForbidden || admin && p.Code != http.StatusPreconditionFailed {
			t.Errorf("%s erases: got %d", role, p.Code)
		}
		for _, target := range []string{page + "/export", "/erasures/abc"} {
			if p := b.get(target); (p.Code == http.StatusForbidden) == admin {
				t.Errorf("%s, %s: got %d", role, target, p.Code)
			}
		}
	}
}

// Without a script a form adds known pictures, and a page says which were refused and why.
// It also takes a form that is larger than other forms may be.
func TestKnownPicturesByForm(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	page := s.personPage("Bruno")
	send := func(accept string, files map[string][]byte) answered {
		t.Helper()
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		if accept != "" {
			s.must(w.WriteField("accept", accept))
		}
		for name, content := range files {
			part, err := w.CreateFormFile("file", name)
			s.must(err)
			_, err = part.Write(content)
			s.must(err)
		}
		s.must(w.Close())
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, page+"/known", &body)
		s.must(err)
		req.Header.Set("Content-Type", w.FormDataContentType())
		return s.answer(req)
	}
	large := append(smallsystem.Portrait(color.RGBA{R: 60, G: 60, B: 240, A: 255}), make([]byte, 200<<10)...)
	if got := send("", map[string][]byte{"<b>large.png": large}); got.Code != http.StatusOK || got.words(".notice p") != "The known picture was added." {
		t.Fatalf("got %d, %q", got.Code, got.words("main"))
	}
	got := send("", map[string][]byte{"<b>text.png": []byte("hello"), "huge.png": make([]byte, 3<<20), "ada.png": smallsystem.Portrait(smallsystem.Ada)})
	text := got.words(".known-log")
	if got.Code != http.StatusUnprocessableEntity || !strings.Contains(text, "<b>text.png The file seems to be") ||
		!strings.Contains(text, "ada.png The face looks like Ada") || !strings.Contains(text, "huge.png The") || got.Find(".known-log b").Length() > 0 {
		t.Errorf("got %d, %q", got.Code, text)
	}
	for range 50 { // the receiver may answer at any moment of the sending
		if got := send("", map[string][]byte{"huge.png": make([]byte, 3<<20)}); got.Code != http.StatusUnprocessableEntity {
			t.Fatalf("a file that is refused before its end: got %d, %q", got.Code, got.words("main"))
		}
	}
	if got := send("all", map[string][]byte{"ada.png": smallsystem.Portrait(smallsystem.Ada)}); got.Code != http.StatusOK {
		t.Errorf("with all accepted: got %d, %q", got.Code, got.words("main"))
	}
	if got := send("", nil); got.Code != http.StatusBadRequest {
		t.Errorf("without files: got %d", got.Code)
	}
	if n := s.personNamed("Bruno").KnownPictures; n != 3 {
		t.Errorf("%d known pictures, want 3", n)
	}
}

func (s *openSite) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// answer sends a request and reads the page that it leads to.
func (s *openSite) answer(req *http.Request) answered {
	s.t.Helper()
	res, err := http.DefaultClient.Do(req)
	s.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	s.must(err)
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(text))
	s.must(err)
	return answered{Document: doc, Code: res.StatusCode, Header: res.Header, Text: string(text)}
}

// Consent is recorded and withdrawn, and an export is an archive.
func TestConsentAndExport(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	page := s.personPage("Ada")
	send := func(path string, values url.Values) answered {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, page+path, strings.NewReader(values.Encode()))
		s.must(err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return s.answer(req)
	}
	got := send("/consent", url.Values{"seen": {"none"}, "basis": {"consent"}, "until": {"2999-06-30"}})
	if text := got.words("#consent .facts"); !strings.Contains(text, "Until 2999-07-01 00:00:00 UTC") || got.words("#consent .badge") != "Given" {
		t.Errorf("the consent is %q", text)
	}
	if got := send("/consent", url.Values{"basis": {"whim"}}); got.Code < 400 || got.Code > 499 {
		t.Errorf("no basis: got %d", got.Code)
	}
	if got := send("/withdraw", nil); got.words("#consent .badge") != "Consent withdrawn" {
		t.Errorf("after the withdrawal the badge says %q", got.words("#consent .badge"))
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page+"/export?blur=true", nil)
	s.must(err)
	res, err := http.DefaultClient.Do(req)
	s.must(err)
	defer res.Body.Close()
	var archive bytes.Buffer
	_, err = archive.ReadFrom(res.Body)
	s.must(err)
	if !bytes.HasPrefix(archive.Bytes(), []byte("PK")) || res.Header.Get("Content-Type") != "application/zip" || !strings.HasPrefix(res.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("the export is %.20q, %v", archive.String(), res.Header)
	}
}

// The list of people is kept for a while, and shows at once what somebody has just changed.
func TestKeptListShowsChanges(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(_ *openSite, o *frontend.Options) { o.Everybody, o.CountsFor = access.AdminRole, time.Hour }, func(h http.Handler) http.Handler { return h })
	names := func() string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/people", nil)
		s.must(err)
		return strings.Join(s.answer(req).each(".tile-name"), ",")
	}
	before := names()
	_, err := s.api.CreatePerson(t.Context(), "By another program")
	s.must(err)
	kept := names()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/people", strings.NewReader("name=Zed"))
	s.must(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	s.answer(req)
	if after := names(); before != "Ada,Bruno" || kept != before || after != "By another program,Zed,Ada,Bruno" {
		t.Errorf("got %q, then %q, then %q", before, kept, after)
	}
}
