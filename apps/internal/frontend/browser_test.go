package frontend_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/browser"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/smallsystem"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
)

// openSite is a dashboard of a whole system, for a browser.
type openSite struct {
	*smallsystem.System
	t   *testing.T
	api *client.Client
	url string
	ids map[string]int64 // of images, by the names of their files
}

// newOpenSite starts a system whose pictures are answered: ada.png and stranger.png with a
// face each, and group.png with Ada and a stranger.
func newOpenSite(t *testing.T) *openSite {
	t.Helper()
	return newSite(t, func(_ *openSite, o *frontend.Options) { o.Everybody = access.AdminRole }, func(h http.Handler) http.Handler { return h })
}

// newSite is newOpenSite with other options, and with another handler around the dashboard.
func newSite(t *testing.T, change func(*openSite, *frontend.Options), wrap func(http.Handler) http.Handler, of ...smallsystem.Option) *openSite {
	t.Helper()
	s := newEmptySite(t, change, wrap, of...)
	for _, name := range []string{"ada.png", "stranger.png", "group.png"} {
		s.post(name)
	}
	return s
}

// newEmptySite is newSite before anybody has posted a picture.
func newEmptySite(t *testing.T, change func(*openSite, *frontend.Options), wrap func(http.Handler) http.Handler, of ...smallsystem.Option) *openSite {
	t.Helper()
	small, err := smallsystem.Start(t.Context(), t.TempDir(), of...)
	if err != nil {
		t.Fatal(err)
	}
	s := &openSite{System: small, t: t, ids: map[string]int64{}}
	if s.api, err = frontend.NewAPI(small.URL, nil); err != nil {
		t.Fatal(err)
	}
	opts := frontend.Options{API: s.api, Address: "127.0.0.1:0", UnknownPeople: small.Unknown, CountsFor: -1}
	change(s, &opts)
	dashboard, err := frontend.New(small.Store, opts)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(wrap(dashboard.Handler()))
	t.Cleanup(func() {
		dashboard.EndStreams()
		web.Close()
		if err := small.Close(); err != nil {
			t.Error(err)
		}
	})
	s.url = web.URL
	return s
}

// post posts a picture and waits for its answer.
func (s *openSite) post(name string) int64 {
	s.t.Helper()
	img, err := s.api.PostImage(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	s.ids[name] = img.ID
	wait.Until(s.t, name+" is answered", func() bool { return s.image(name).Reason != api.ReasonQueued && s.image(name).Reason != "" })
	return img.ID
}

func (s *openSite) image(name string) api.ImageDetail {
	s.t.Helper()
	img, err := s.api.GetImage(s.t.Context(), s.ids[name])
	if err != nil {
		s.t.Fatal(err)
	}
	return img
}

func (s *openSite) page(name string) string {
	return s.url + "/images/" + strconv.FormatInt(s.ids[name], 10)
}

// whoIs returns the names of an image's faces, from left to right.
func (s *openSite) whoIs(name string) (who []string) {
	s.t.Helper()
	for _, f := range s.image(name).Faces {
		person := ""
		if f.Person != nil {
			person = f.Person.Name
		}
		who = append(who, person)
	}
	return who
}

// checks are what holds on every page and every screen.
func checks(p *browser.Page) {
	p.CheckQuiet()
	p.CheckFits()
	p.CheckAccess()
}

// loaded waits for the pictures of a page.
const loaded = `[...document.images].every(i => i.complete && i.naturalWidth > 0)`

func TestBrowserLooksAtEveryPage(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	gone, err := s.api.PostImage(t.Context(), "gone.png")
	if err != nil {
		t.Fatal(err)
	}
	s.ids["gone.png"] = gone.ID
	wait.Until(t, "it has failed", func() bool { return s.image("gone.png").Status == api.StatusFailed })
	b := browser.Start(t)
	for name, screen := range map[string]browser.Screen{"laptop": browser.Laptop, "night": browser.Night, "phone": browser.Phone, "wall": browser.Wall} {
		p := b.Open(s.url+"/", screen)
		p.WaitFor(loaded)
		if n := browser.Eval[int](p, `document.querySelectorAll(".card").length`); n != 4 {
			t.Errorf("%s: %d cards, want 4", name, n)
		}
		checks(p)
		for _, target := range []string{"/?view=table", "/?q=nowhere", "/?colour=red", "/operations", "/nowhere"} {
			p.Go(s.url + target)
			checks(p)
		}
		p.Go(s.page("group.png"))
		p.WaitFor(loaded)
		checks(p)
		p.Go(s.page("gone.png"))
		checks(p)
		p.Go(s.page("group.png"))
		p.Press("?")
		p.WaitFor(`document.getElementById("help").open`)
		checks(p)
		p.Close()
	}
}

// Pictures that are refused, as by a recognizer that is busy, come a little later.
func TestBrowserAsksAgainForPictures(t *testing.T) {
	t.Parallel()
	var refused sync.Map // by path
	s := newSite(t, func(_ *openSite, o *frontend.Options) { o.Everybody = access.AdminRole }, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Sec-Fetch-Dest") == "image" {
				if _, before := refused.LoadOrStore(r.URL.Path, true); !before {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
			}
			h.ServeHTTP(w, r)
		})
	})
	p := browser.Start(t).Open(s.page("group.png"), browser.Laptop)
	p.WaitFor(`document.images.length > 0 && ` + loaded)
	p.CheckQuiet()
}

// A wrong face is corrected with the mouse, and that is undone.
func TestBrowserCorrectsAndUndoes(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	p := browser.Start(t).Open(s.page("stranger.png"), browser.Laptop)
	p.Type("#name-1", "Bru")
	p.WaitFor(`document.querySelector("[role=option]")?.textContent === "Bruno"`)
	p.CheckAccess()
	p.Press(browser.Down, browser.Enter)
	p.WaitFor(`document.querySelector("h1").textContent === "Bruno is in this picture."`)
	if got := s.whoIs("stranger.png"); got[0] != "Bruno" {
		t.Errorf("the face is %v, want Bruno", got)
	}
	p.WaitFor(`document.querySelector(".toast")?.textContent.includes("Face 1 is Bruno")`)
	p.Click(".toast .button")
	p.WaitFor(`document.querySelector("h1").textContent.includes("nobody known")`)
	if got := s.whoIs("stranger.png"); got[0] != "" {
		t.Errorf("after the undo the face is %v, want nobody", got)
	}
	if n := browser.Eval[int](p, `document.querySelectorAll(".history .over").length`); n != 1 {
		t.Errorf("%d undone corrections in the history, want 1", n)
	}
	checks(p)
}

// A face that was missed is drawn with the mouse.
func TestBrowserDraws(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	p := browser.Start(t).Open(s.page("ada.png"), browser.Laptop)
	p.WaitFor(loaded)
	p.Click("#draw summary")
	p.WaitFor(`document.activeElement.matches(".drawing-now .overlay")`)
	box := browser.Eval[[]float64](p, `(() => { const m = document.querySelector(".overlay").getScreenCTM();
		const at = (x, y) => { const q = new DOMPoint(x, y).matrixTransform(m); return [q.x, q.y]; }; return [...at(2, 2), ...at(20, 22)]; })()`)
	p.Drag(box[0], box[1], box[2], box[3])
	p.CheckAccess()
	p.Type(`#draw input[name="name"]`, "Carla")
	p.Click("#draw .primary")
	p.WaitFor(`document.querySelectorAll(".face").length === 2`)
	faces := s.image("ada.png").Faces
	drawn := faces[0]
	if faces[1].Drawn {
		drawn = faces[1]
	}
	if b := drawn.Box; !drawn.Drawn || abs(b.X-2) > 1 || abs(b.Y-2) > 1 || abs(b.Width-18) > 2 || abs(b.Height-20) > 2 || drawn.Person == nil || drawn.Person.Name != "Carla" {
		t.Errorf("got %+v, want 18 × 20 at (2, 2), Carla", drawn)
	}
	checks(p)
}

func abs(n int) int { return max(n, -n) }

// Everything works with the keyboard alone: from the list to a picture, through its
// faces, to a name, and back; drawing, too.
func TestBrowserKeyboardOnly(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	p := browser.Start(t).Open(s.url+"/", browser.Laptop)
	p.Press("j")
	p.WaitFor(`document.activeElement.closest(".card")`)
	p.Press(browser.Enter)
	p.WaitFor(`location.pathname.startsWith("/images/") && document.querySelector(".face")`)
	p.Go(s.page("group.png"))
	p.Press(browser.Down, browser.Down)
	p.WaitFor(`document.querySelector("#face-2.chosen")`)
	p.Press("t")
	p.WaitFor(`document.activeElement.id === "name-2"`)
	p.Press("G", "r", "a", "c", "e", browser.Enter)
	p.WaitFor(`document.querySelector("#face-2 h3").textContent.includes("Grace")`)
	if got := s.whoIs("group.png"); got[1] != "Grace" {
		t.Fatalf("the faces are %v, want Grace as the second", got)
	}
	p.Press(browser.Escape, "u")
	p.WaitFor(`!document.querySelector("#face-2 h3").textContent.includes("Grace")`)
	p.Press("d")
	p.WaitFor(`document.activeElement.matches(".overlay")`)
	browser.Eval[bool](p, `(window.rollcall.refresh().then(() => { document.body.dataset.again = "1"; }), true)`)
	p.WaitFor(`document.body.dataset.again`) // a change meanwhile does not take the box away
	before := browser.Eval[int](p, `Number(document.querySelector("#draw form").x.value)`)
	p.Press(browser.Right)
	if after := browser.Eval[int](p, `Number(document.querySelector("#draw form").x.value)`); after <= before {
		t.Errorf("the box is at %d after an arrow, and was at %d", after, before)
	}
	p.Press(browser.Escape)
	p.WaitFor(`!document.getElementById("draw").open`)
	p.Press("j")
	p.WaitFor(`location.pathname.endsWith("` + strconv.FormatInt(s.ids["stranger.png"], 10) + `") && window.rollcall?.keys.has("d")`)
	p.Press("g", "o")
	p.WaitFor(`location.pathname === "/operations" && window.rollcall`)
	p.Press("g", "i")
	p.WaitFor(`location.pathname === "/" && document.querySelector("#q") && window.rollcall`)
	p.Press("/")
	p.WaitFor(`document.activeElement.id === "q"`)
	p.Press("g", "r", "o", "u", "p", browser.Enter)
	p.WaitFor(`location.search.includes("q=group") && document.querySelectorAll(".card").length === 1`)
	p.CheckQuiet()
}

// Whoever looks at an older version is told so, nothing is saved, and the page shows
// what is true now.
func TestBrowserStaleTab(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	p := browser.Start(t).Open(s.page("stranger.png"), browser.Laptop)
	// Pages that were open before do not hear of it.
	browser.Eval[bool](p, `(document.querySelector("#live").dataset.image = "0", true)`)
	name := "Bruno"
	if _, err := s.api.AssignFace(t.Context(), s.image("stranger.png").Faces[0].ID, api.FaceAssignment{Name: &name}); err != nil {
		t.Fatal(err)
	}
	p.Type("#name-1", "Carla")
	p.Press(browser.Enter)
	p.WaitFor(`document.querySelector(".toast.bad")?.textContent.includes("Somebody has changed this picture meanwhile")`)
	p.WaitFor(`document.querySelector("h1").textContent === "Bruno is in this picture."`)
	if got := s.whoIs("stranger.png"); got[0] != "Bruno" {
		t.Errorf("the face is %v, want Bruno", got)
	}
	p.CheckQuiet()
}

// An answer appears in an open list, and in the page of its picture, without a reload.
func TestBrowserAnswersAppear(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	b := browser.Start(t)
	list := b.Open(s.url+"/", browser.Laptop)
	list.WaitFor(loaded)
	one := b.Open(s.page("stranger.png"), browser.Laptop)
	browser.Eval[bool](list, `(window.same = true)`)
	browser.Eval[bool](one, `(window.same = true)`)
	content, err := os.ReadFile(filepath.Join(s.Unknown, "ada.png"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Unknown, "new.png"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	id := strconv.FormatInt(s.post("new.png"), 10)
	list.WaitFor(`window.same && document.querySelector("#image-` + id + ` .who")?.textContent === "Ada"`)
	list.WaitFor(`document.querySelector('[data-count="all"]').textContent === "4"`)
	name := "Bruno"
	if _, err := s.api.AssignFace(t.Context(), s.image("stranger.png").Faces[0].ID, api.FaceAssignment{Name: &name}); err != nil {
		t.Fatal(err)
	}
	one.WaitFor(`window.same && document.querySelector("h1").textContent === "Bruno is in this picture."`)
	list.WaitFor(`document.querySelector("#image-` + strconv.FormatInt(s.ids["stranger.png"], 10) + ` .who")?.textContent === "Bruno"`)
	list.CheckQuiet()
	one.CheckQuiet()
}

// A page whose stream was refused, as while the database is away, listens again.
func TestBrowserListensAgain(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	s := newSite(t, func(_ *openSite, o *frontend.Options) { o.Everybody = access.AdminRole }, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/live" && asked.Add(1) == 1 {
				http.Error(w, "not now", http.StatusServiceUnavailable)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	p := browser.Start(t).Open(s.page("stranger.png"), browser.Laptop)
	wait.Until(t, "the page listens again", func() bool { return asked.Load() > 1 })
	name := "Bruno"
	if _, err := s.api.AssignFace(t.Context(), s.image("stranger.png").Faces[0].ID, api.FaceAssignment{Name: &name}); err != nil {
		t.Fatal(err)
	}
	p.WaitFor(`document.querySelector("h1").textContent === "Bruno is in this picture."`)
}

// A user with the longest name signs in, and every page still fits.
func TestBrowserSignedIn(t *testing.T) {
	t.Parallel()
	name := strings.Repeat("w", 128)
	s := newSite(t, func(s *openSite, o *frontend.Options) {
		deps := frontend.SignInDeps{Store: s.Store, API: s.api, Log: quietLog()}
		if err := (frontend.SignInConfig{Open: "false"}).Apply(o, deps); err != nil {
			t.Fatal(err)
		}
		_, err := s.Store.SetUser(t.Context(), strings.Repeat("v", 128), access.Viewer)
		if err != nil {
			t.Fatal(err)
		}
		u, err := s.Store.SetUser(t.Context(), name, access.AdminRole)
		if err == nil {
			err = s.Store.SetPassword(t.Context(), u.ID, cheapHash(goodPassword))
		}
		if err != nil {
			t.Fatal(err)
		}
	}, func(h http.Handler) http.Handler { return h })
	b := browser.Start(t)
	for screen, size := range map[string]browser.Screen{"phone": browser.Phone, "laptop": browser.Laptop, "night": browser.Night} {
		p := b.Open(s.url+"/sign-in", size)
		checks(p)
		p.Type("#name", name)
		p.Type("#password", goodPassword)
		p.Press(browser.Enter)
		p.WaitFor(`document.querySelector("nav.me bdi") !== null`)
		for _, target := range []string{"/", "/users", "/sessions"} {
			p.Go(s.url + target)
			if got := p.Text("nav.me bdi"); got != name {
				t.Errorf("%s, %s: signed in as %q", screen, target, got)
			}
			if n := browser.Eval[int](p, `document.querySelector(".top").offsetHeight`); n > 120 {
				t.Errorf("%s, %s: the top of the page is %d pixels high", screen, target, n)
			}
			if n := browser.Eval[int](p, `document.querySelector(".list th")?.offsetHeight ?? 0`); n > 60 {
				t.Errorf("%s, %s: the head of the table is %d pixels high; its words are broken", screen, target, n)
			}
			checks(p)
		}
		p.Click("nav.me form .button")
		p.WaitFor(`location.pathname === "/sign-in"`)
		p.Close()
	}
}

// Reading, filtering and correcting work without JavaScript.
func TestBrowserWithoutScript(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	screen := browser.Laptop
	screen.NoScript = true
	p := browser.Start(t).Open(s.url+"/?reason=identified", screen)
	if n := browser.Eval[int](p, `document.querySelectorAll(".card").length`); n != 2 {
		t.Errorf("%d cards, want 2", n)
	}
	p.Go(s.page("stranger.png"))
	p.Type("#name-1", "Carla")
	p.Click("#face-1 .naming .button")
	p.WaitFor(`location.search.includes("said=")`)
	if got := p.Text(".notice p"); got != "Saved: Face 1 is Carla." {
		t.Errorf("the page says %q", got)
	}
	p.Click(".notice .button")
	p.WaitFor(`document.querySelector(".notice p")?.textContent.includes("Undone")`)
	if got := s.whoIs("stranger.png"); got[0] != "" {
		t.Errorf("after the undo the face is %v, want nobody", got)
	}
	p.CheckQuiet()
}
