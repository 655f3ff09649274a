package frontend_test

import (
	"fmt"
	"image/color"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/browser"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/smallsystem"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
)

// newReviewSite starts a system with something to review, in this order: a group of four
// faces (Carla), one of three (Dora), an uncertain face, and the single faces of Grace in
// two pictures. follower.png shows Carla, but is too far from her group to be in it.
func newReviewSite(t *testing.T) *openSite {
	t.Helper()
	return newReviewSiteBehind(t, func(h http.Handler) http.Handler { return h })
}

// newReviewSiteBehind is newReviewSite with another handler around the dashboard.
func newReviewSiteBehind(t *testing.T, wrap func(http.Handler) http.Handler) *openSite {
	t.Helper()
	s := newSite(t, func(_ *openSite, o *frontend.Options) { o.Everybody = access.AdminRole }, wrap, smallsystem.WithGroups())
	carla, dora := color.RGBA{R: 30, G: 60, B: 120, A: 255}, color.RGBA{R: 120, G: 60, B: 120, A: 255}
	s.draw("carla1.png", carla)
	s.draw("carla2.png", smallsystem.Shade(carla, 1), smallsystem.Ada)
	s.draw("carla3.png", carla)
	s.draw("carla4.png", carla)
	for n := range 3 {
		s.draw(fmt.Sprintf("dora%d.png", n+1), dora)
	}
	s.addTwin()
	s.draw("uncertain.png", smallsystem.Shade(smallsystem.Ada, 1))
	wait.Until(t, "the groups are there", func() bool {
		list, err := s.Groups(t.Context())
		return err == nil && len(list) == 2 && list[0].Faces == 4
	})
	return s
}

// addTwin makes a person known who looks like Ada.
func (s *openSite) addTwin() {
	s.t.Helper()
	ctx := s.t.Context()
	who, err := s.api.CreatePerson(ctx, "Adele")
	if err != nil {
		s.t.Fatal(err)
	}
	accept := api.AcceptRefusals("looks_like_other")
	if _, err := s.api.AddKnownPicture(ctx, who.ID, smallsystem.Portrait(smallsystem.Shade(smallsystem.Ada, 2)), api.AddKnownPictureParams{Accept: &accept}); err != nil {
		s.t.Fatal(err)
	}
}

// asked waits for a question and its prefetched successor.
func asked(p *browser.Page, title string) {
	p.WaitFor(`document.querySelector("#question")?.textContent.startsWith(` + quoted(title) + `)`)
}

func quoted(text string) string { return fmt.Sprintf("%q", text) }

// shot writes a picture of a page for people to look at, if ROLLCALL_SHOTS names a folder.
func shot(p *browser.Page, name string) {
	if dir := os.Getenv("ROLLCALL_SHOTS"); dir != "" {
		p.WaitFor(loaded)
		p.Shot(filepath.Join(dir, name+".png"))
	}
}

func TestBrowserReviewLooks(t *testing.T) {
	t.Parallel()
	s := newReviewSite(t)
	b := browser.Start(t)
	for name, screen := range map[string]browser.Screen{"laptop": browser.Laptop, "night": browser.Night, "phone": browser.Phone, "wall": browser.Wall} {
		p := b.Open(s.url+"/review", screen)
		asked(p, "Who is this?")
		p.WaitFor(loaded)
		shot(p, "group-"+name)
		checks(p)
		p.Go(s.url + "/review?only=uncertain")
		asked(p, "Is this Ad")
		p.WaitFor(loaded)
		shot(p, "face-"+name)
		checks(p)
		p.Go(s.url + "/review?only=single")
		asked(p, "Who is this?")
		p.WaitFor(loaded)
		shot(p, "single-"+name)
		checks(p)
		p.Close()
	}
}

// Three questions and more with the keyboard alone: a name, "later", "yes"; each answer
// says what it settled, and what followed.
func TestBrowserReviewByKeyboard(t *testing.T) {
	t.Parallel()
	s := newReviewSite(t)
	p := browser.Start(t).Open(s.url+"/review", browser.Laptop)
	asked(p, "Who is this?")
	if got := p.Text(".settles"); got != "Your answer settles 4 faces in 4 pictures" {
		t.Errorf("before the answer it says %q", got)
	}
	p.WaitFor(`document.activeElement.id === "review-name"`)
	first := browser.Eval[string](p, `document.getElementById("live").dataset.place`)
	p.Press("C", "a", "r", "l", "a", browser.Enter)
	p.WaitFor(`document.getElementById("live").dataset.place !== ` + quoted(first))
	p.WaitFor(`document.querySelector("#review-last")?.textContent.includes("Saved: 4 faces in 4 pictures, Carla.")`)
	if got := s.whoIs("carla1.png"); got[0] != "Carla" {
		t.Errorf("the face is %v, want Carla", got)
	}
	p.Press(browser.Escape, "s")
	asked(p, "Is this Ad")
	p.WaitFor(`location.search.includes("skipped=g3")`)
	checks(p)
	p.Press("y")
	p.WaitFor(`document.querySelector("#review-last")?.textContent.includes("1 face in 1 picture, Ad")`)
	asked(p, "Who is this?") // Grace, twice
	p.Press("f")
	p.WaitFor(`document.querySelector("#review-last")?.textContent.includes("1 face in 1 picture.")`)
	p.Press("i")
	p.WaitFor(`document.querySelectorAll(".crop").length === 3`) // what was skipped is back
	if got := p.Text(".settles"); got != "Your answer settles 3 faces in 3 pictures" {
		t.Errorf("the question that comes back says %q", got)
	}
	p.Press("D", "o", "r", "a", browser.Enter)
	asked(p, "Nothing to review")
	p.WaitFor(`document.querySelector("#review-last")?.textContent.includes("Dora")`)
	checks(p)
}

// An answer is undone, and its question comes back; a reload keeps the place, and what was
// skipped is not forgotten.
func TestBrowserReviewUndoAndReload(t *testing.T) {
	t.Parallel()
	s := newReviewSite(t)
	p := browser.Start(t).Open(s.url+"/review", browser.Laptop)
	asked(p, "Who is this?")
	p.Press(browser.Escape, "s")
	p.WaitFor(`location.search.includes("skipped=g4")`)
	here := browser.Eval[string](p, `location.pathname + location.search`)
	p.Go(s.url + here)
	p.WaitFor(`document.querySelectorAll(".crop").length === 3`)
	if got := browser.Eval[string](p, `location.pathname + location.search`); got != here {
		t.Errorf("after a reload the address is %s, and was %s", got, here)
	}
	p.Press("D", "o", "r", "i", browser.Enter) // keys: a capital letter begins a name
	p.WaitFor(`document.querySelector("#review-last")?.textContent.includes("Dori")`)
	asked(p, "Is this Ad")
	p.Press("u")
	p.WaitFor(`document.querySelectorAll(".crop").length === 3`)
	if got := s.whoIs("dora1.png"); got[0] != "" {
		t.Errorf("after the undo the face is %v, want nobody", got)
	}
	p.WaitFor(`location.search.includes("skipped=g4")`)
	p.Press("k")
	p.WaitFor(`document.querySelector("#question")?.textContent.startsWith("Is this Ad")`)
	checks(p)
}

// An undo that fails can be tried again. A question that is looked at is kept.
func TestBrowserReviewUndoIsTriedAgain(t *testing.T) {
	t.Parallel()
	var fails, kept atomic.Int64
	fails.Store(1)
	s := newReviewSiteBehind(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/review/undo" && fails.Add(-1) >= 0 {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			if r.URL.Path == "/review/held" && r.FormValue("question") != "" {
				kept.Add(1)
			}
			h.ServeHTTP(w, r)
		})
	})
	p := browser.Start(t).Open(s.url+"/review", browser.Laptop)
	asked(p, "Who is this?")
	browser.Eval[bool](p, `document.dispatchEvent(new Event("visibilitychange"))`)
	wait.Until(t, "the question is kept", func() bool { return kept.Load() > 0 })
	p.WaitFor(`document.activeElement.id === "review-name"`)
	p.Press("C", "a", "r", "l", "a", browser.Enter)
	p.WaitFor(`document.querySelector("#review-last")?.textContent.includes("Carla")`)
	p.Press(browser.Escape, "u")
	p.WaitFor(`document.querySelector(".toast.bad")`)
	p.Press("u")
	p.WaitFor(`document.querySelector("#review-last")?.textContent.includes("Undone.")`)
	s.waitForNobody("carla1.png")
}

// waitForNobody waits until a face has no name. A re-match that began before an undo may
// answer after it, and is then matched again.
func (s *openSite) waitForNobody(name string) {
	s.t.Helper()
	wait.Until(s.t, "nobody is in "+name, func() bool { return s.whoIs(name)[0] == "" })
}

// What an answer makes known is told of: the pictures that follow it.
func TestBrowserReviewTellsWhatFollows(t *testing.T) {
	t.Parallel()
	s := newReviewSite(t)
	p := browser.Start(t).Open(s.url+"/review", browser.Laptop)
	asked(p, "Who is this?")
	s.draw("follower.png", color.RGBA{R: 75, G: 60, B: 120, A: 255}) // too far for the group
	p.Press("C", "a", "r", "l", "a", browser.Enter)
	p.WaitFor(`document.querySelector("#review-last")?.textContent.includes("Saved: 4 faces in 4 pictures, Carla. 1 more picture followed.")`)
	p.CheckQuiet()
}

// The pictures that follow may do so before the answer itself has arrived.
func TestBrowserReviewTellsWhatFollowedBeforeTheReply(t *testing.T) {
	t.Parallel()
	heard := make(chan struct{}) // the page has heard that the other picture has changed
	s := newReviewSiteBehind(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/live"): // the page hears only what the test says
				<-r.Context().Done()
			case r.Method == http.MethodPost:
				reply := httptest.NewRecorder()
				h.ServeHTTP(reply, r)
				<-heard
				maps.Copy(w.Header(), reply.Header())
				w.WriteHeader(reply.Code)
				_, _ = reply.Body.WriteTo(w)
			default:
				h.ServeHTTP(w, r)
			}
		})
	})
	p := browser.Start(t).Open(s.url+"/review", browser.Laptop)
	asked(p, "Who is this?")
	follower := s.draw("follower.png", color.RGBA{R: 75, G: 60, B: 120, A: 255}) // too far for the group
	p.Press("C", "a", "r", "l", "a", browser.Enter)
	wait.Until(t, "the other picture follows", func() bool { return s.whoIs("follower.png")[0] == "Carla" })
	browser.Eval[bool](p, fmt.Sprintf(`document.dispatchEvent(new CustomEvent("rollcall:changed", {detail: {changed: [%d]}}))`, follower))
	close(heard)
	p.WaitFor(`document.querySelector("#review-last")?.textContent.includes("Saved: 4 faces in 4 pictures, Carla. 1 more picture followed.")`)
	p.CheckQuiet()
}

// A group is not the suggested person: the faces are of the other one whom they resemble.
// Of the next group, one face only has a name.
func TestBrowserReviewNoAndPart(t *testing.T) {
	t.Parallel()
	s := newReviewSite(t)
	for n := range 4 {
		s.draw(fmt.Sprintf("ad%d.png", n), smallsystem.Shade(smallsystem.Ada, 1))
	}
	wait.Until(t, "there is a group of uncertain faces", func() bool {
		list, err := s.Groups(t.Context())
		return err == nil && len(list) == 3 && list[0].Faces == 5
	})
	p := browser.Start(t).Open(s.url+"/review", browser.Laptop)
	asked(p, "Is this Ad")
	other := "Ada"
	if p.Text("#question") == "Is this Ada?" {
		other = "Adele"
	}
	p.CheckAccess()
	p.Press("n")
	asked(p, "Who is this?")
	if got := s.whoIs("ad3.png"); got[0] != other {
		t.Errorf("the face is %v, want %s", got, other)
	}
	p.WaitFor(`document.activeElement.id === "review-name"`)
	p.Press(browser.Escape, "1")
	p.WaitFor(`document.querySelector("[data-scope]").textContent === "Only for the selected face"`)
	p.CheckAccess()
	p.Press("t", "C", "l", "a", "r", "a", browser.Enter)
	p.WaitFor(`document.querySelector("#review-last")?.textContent.includes("1 face in 1 picture, Clara")`)
	p.CheckQuiet()
}

// Two reviewers get different questions. If they have the same one nevertheless, the first
// answer counts: the other reviewer's page moves on by itself, or says so.
func TestBrowserTwoReviewers(t *testing.T) {
	t.Parallel()
	var deaf atomic.Bool // pages hear of no changes
	s := newReviewSiteBehind(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if deaf.Load() && strings.HasSuffix(r.URL.Path, "/live") {
				w.Header().Set("Content-Type", "text/event-stream")
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	one := browser.Start(t).Open(s.url+"/review", browser.Laptop)
	asked(one, "Who is this?")
	one.WaitFor(`document.querySelectorAll(".crop").length === 4`)
	two := browser.Start(t).Open(s.url+"/review", browser.Laptop)
	two.WaitFor(`document.getElementById("live").dataset.place`)
	same := browser.Eval[string](one, `location.href`)
	if got := browser.Eval[string](two, `location.href`); got == same {
		t.Errorf("both reviewers are at %s", got)
	}
	two.Go(same)
	two.WaitFor(`document.querySelector(".settles")?.textContent.includes("Another reviewer looks at this question, too.")`)
	one.Press("C", "a", "r", "l", "a", browser.Enter)
	two.WaitFor(`document.querySelector("#review-last")?.textContent.includes("answered meanwhile")`)

	// What is typed now is meant for the question that was answered, and goes nowhere.
	two.Press("B", "r", "u", "n", "o", " ", "J")
	if got := browser.Eval[string](two, `location.href`); got != same {
		t.Errorf("the page has moved on to %s while somebody typed", got)
	}
	checks(two)
	two.Press(browser.Enter)
	two.WaitFor(`document.getElementById("live").dataset.place !== "" && document.getElementById("live").dataset.ended === undefined && !location.href.endsWith(` + quoted(same[strings.LastIndex(same, "/"):]) + `)`)

	// Now the second one hears of nothing, and answers, too.
	one.WaitFor(`document.querySelectorAll(".crop").length === 3`)
	deaf.Store(true)
	two.Go(browser.Eval[string](one, `location.href`))
	two.WaitFor(`document.querySelectorAll(".crop").length === 3 && window.rollcall.keys.has("y")`)
	one.Press("D", "o", "r", "a", browser.Enter)
	one.WaitFor(`document.querySelector("#review-last")?.textContent.includes("Dora")`)
	two.Press("B", "r", "u", "n", "o", browser.Enter)
	two.WaitFor(`document.querySelector("#review-last")?.textContent.includes("Somebody else has answered that question")`)
	for n := range 3 {
		if got := s.whoIs(fmt.Sprintf("dora%d.png", n+1)); got[0] != "Dora" {
			t.Errorf("the face is %v, want Dora", got)
		}
	}
	for _, name := range []string{"stranger.png", "group.png", "uncertain.png"} {
		if got := s.whoIs(name); slices.Contains(got, "Bruno") {
			t.Errorf("%s has faces %v: an answer was saved on another question", name, got)
		}
	}
	if n := browser.Eval[int](two, `document.querySelectorAll(".toast.bad").length`); n != 0 {
		t.Errorf("the second reviewer sees %d errors", n)
	}
	checks(one)
	checks(two)
}

// Without JavaScript, a form leads to the next question, and to the undo.
func TestBrowserReviewWithoutScript(t *testing.T) {
	t.Parallel()
	s := newReviewSite(t)
	screen := browser.Laptop
	screen.NoScript = true
	p := browser.Start(t).Open(s.url+"/review", screen)
	p.Type("#review-name", "Carla")
	p.Press(browser.Enter)
	p.WaitFor(`document.querySelector(".notice p")?.textContent.includes("Saved: 4 faces in 4 pictures.")`)
	if got := s.whoIs("carla1.png"); got[0] != "Carla" {
		t.Errorf("the face is %v, want Carla", got)
	}
	p.CheckFits()
	p.Click(".notice .button")
	p.WaitFor(`location.search.includes("said=undone")`)
	s.waitForNobody("carla1.png")
	p.Go(s.url + "/review?only=uncertain")
	p.Click(`button[value="yes"]`)
	p.WaitFor(`document.querySelector("h1").textContent === "Nothing to review"`)
	if got := s.whoIs("uncertain.png"); !strings.HasPrefix(got[0], "Ad") {
		t.Errorf("the face is %v, want the suggested person", got)
	}
	p.CheckQuiet()
}
