package frontend_test

import (
	"fmt"
	"image/color"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/browser"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/smallsystem"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
)

// Strangers, far from each other and from whom smallsystem knows.
var (
	carla = color.RGBA{R: 30, G: 60, B: 120, A: 255}
	dora  = color.RGBA{R: 120, G: 15, B: 240, A: 255}
)

// newGroupSite is newOpenSite with groups of unknown faces: Carla in five pictures, and Dora
// in three.
func newGroupSite(t *testing.T) *openSite {
	t.Helper()
	s := newSite(t, func(_ *openSite, o *frontend.Options) { o.Everybody = access.AdminRole },
		func(h http.Handler) http.Handler { return h }, smallsystem.WithGroups())
	for i := range 5 {
		s.draw(fmt.Sprintf("carla%d.png", i), smallsystem.Shade(carla, i/3)) // the last two are a shade brighter
	}
	for i := range 3 {
		s.draw(fmt.Sprintf("dora%d.png", i), dora, smallsystem.Ada)
	}
	s.waitForGroups(5, 3)
	return s
}

// draw posts a picture that shows faces, and waits for its answer.
func (s *openSite) draw(name string, people ...color.RGBA) int64 {
	s.t.Helper()
	if err := s.Draw(name, people...); err != nil {
		s.t.Fatal(err)
	}
	return s.post(name)
}

// waitForGroups waits until there are groups of these sizes, and returns their keys.
func (s *openSite) waitForGroups(sizes ...int) (keys []int64) {
	s.t.Helper()
	wait.Until(s.t, fmt.Sprintf("groups of %v", sizes), func() bool {
		list, err := s.Groups(s.t.Context())
		if err != nil || len(list) != len(sizes) {
			return false
		}
		keys = keys[:0]
		for i, g := range list {
			if g.Faces != sizes[i] {
				return false
			}
			keys = append(keys, g.Key)
		}
		return true
	})
	return keys
}

func (s *openSite) group(key int64) string { return s.url + "/unknown/" + strconv.FormatInt(key, 10) }

const (
	cards   = `document.querySelectorAll("#list .group").length`
	members = `document.querySelectorAll(".member").length`
	picked  = `document.querySelectorAll(".picked").length`
)

func TestBrowserUnknownOnEveryScreen(t *testing.T) {
	t.Parallel()
	s := newGroupSite(t)
	keys := s.waitForGroups(5, 3)
	b := browser.Start(t)
	for name, screen := range map[string]browser.Screen{"laptop": browser.Laptop, "night": browser.Night, "phone": browser.Phone, "wall": browser.Wall} {
		p := b.Open(s.url+"/unknown", screen)
		p.WaitFor(loaded)
		if n := browser.Eval[int](p, cards); n != 2 {
			t.Errorf("%s: %d cards, want 2", name, n)
		}
		checks(p)
		p.Press("j", " ")
		p.WaitFor(picked + ` === 1 && document.querySelector("#chosen").offsetHeight > 0`)
		checks(p)
		p.Go(s.group(keys[0]))
		p.WaitFor(loaded)
		checks(p)
		p.Press("?")
		p.WaitFor(`document.getElementById("help").open`)
		checks(p)
		p.Go(s.group(9999))
		p.WaitFor(`document.querySelector("h1").textContent.includes("not there any more")`)
		p.CheckFits()
		p.CheckAccess()
		p.Close()
	}
}

// A group gets a name, and a picture that is too far for the group follows, without a
// reload. That is undone in one call.
func TestBrowserNamesAGroup(t *testing.T) {
	t.Parallel()
	s := newGroupSite(t)
	near := s.draw("near.png", color.RGBA{R: 75, G: 60, B: 120, A: 255})
	p := browser.Start(t).Open(s.url+"/unknown", browser.Laptop)
	browser.Eval[bool](p, `(window.same = true)`)
	p.Click("#list .group .group-open")
	p.WaitFor(members + ` === 5 && window.rollcall?.keys.has("t")`)
	if got := p.Text("#effect"); got != "Applies to the whole group: 5 faces in 5 pictures." {
		t.Errorf("before, the page says %q", got)
	}
	browser.Eval[bool](p, `(window.same = true)`)
	p.Press("t")
	p.WaitFor(`document.activeElement.id === "who"`)
	p.Press("C", "a", "r", "l", "a", browser.Enter)
	p.WaitFor(`document.querySelector(".toast")?.textContent.includes("Carla: 5 faces in 5 pictures.")`)
	p.WaitFor(`location.pathname === "/unknown" && ` + cards + ` === 1`)
	p.WaitFor(`window.same && document.querySelector(".followed")?.textContent === "1 other picture followed."`)
	img, err := s.api.GetImage(t.Context(), near)
	if err != nil || img.Faces[0].Person == nil || img.Faces[0].Person.Name != "Carla" {
		t.Errorf("the other picture shows %+v, %v, want Carla", img.Faces, err)
	}
	checks(p)
	p.Press("u")
	p.WaitFor(`document.querySelector(".notice")?.textContent.includes("Undone. Carla: 5 faces in 5 pictures.")`)
	p.WaitFor(`document.querySelector(".notice").textContent.includes("Carla stays as a person without pictures")`)
	p.WaitFor(`window.same && ` + cards + ` === 2`)
	if got := s.whoIs("carla0.png"); got[0] != "" {
		t.Errorf("after the undo the face is %v, want nobody", got)
	}
	checks(p)
}

// A range of faces is selected by shift-click and split off.
func TestBrowserSplitsAGroup(t *testing.T) {
	t.Parallel()
	s := newGroupSite(t)
	key := s.waitForGroups(5, 3)[0]
	p := browser.Start(t).Open(s.group(key), browser.Laptop)
	p.WaitFor(loaded + ` && window.rollcall?.keys.has("x")`)
	p.Press("x") // nothing is selected
	p.WaitFor(`document.querySelector(".toast.bad")?.textContent.includes("Select the faces of the other person first")`)
	p.Click(".member:nth-child(3) label")
	p.WaitFor(`document.querySelector("#effect").textContent === "Applies to this picture only: 1 face in 1 picture."`)
	shiftClick(p, ".member:nth-child(5) label")
	p.WaitFor(picked + ` === 3 && document.querySelector("#effect").textContent === "Applies to the selection only: 3 faces in 3 pictures."`)
	p.Click(".member:nth-child(3) label")
	p.WaitFor(picked + ` === 2`)
	checks(p)
	p.Click(`[data-key="x"]`)
	p.WaitFor(`document.querySelector(".toast")?.textContent.includes("Split off")`)
	s.waitForGroups(3, 3)
	p.WaitFor(members + ` === 3 || document.querySelector("h1").textContent.includes("not there any more") || location.pathname === "/unknown"`)
	p.Press("u")
	p.WaitFor(`document.querySelector(".notice")?.textContent.includes("Undone.")`)
	s.waitForGroups(5, 3)
	p.CheckQuiet()
}

// shiftClick clicks with the shift key, as people do to select a range.
func shiftClick(p *browser.Page, selector string) {
	browser.Eval[bool](p, fmt.Sprintf(`document.querySelector(%q).dispatchEvent(new MouseEvent("click", {bubbles: true, cancelable: true, shiftKey: true, detail: 1})) || true`, selector))
}

// Some faces are ignored, which is undone; then the others are no faces.
func TestBrowserIgnoresFaces(t *testing.T) {
	t.Parallel()
	s := newGroupSite(t)
	key := s.waitForGroups(5, 3)[0]
	p := browser.Start(t).Open(s.group(key), browser.Laptop)
	p.WaitFor(loaded + ` && window.rollcall?.keys.has("i")`)
	p.Click(".member:nth-child(2) label")
	p.Click(`[data-key="i"]`)
	p.WaitFor(`document.querySelector(".toast")?.textContent.includes("Ignored: 1 face in 1 picture.") && ` + members + ` === 4`)
	p.Click(".toast .button")
	p.WaitFor(`document.querySelector(".notice")?.textContent.includes("Undone. Ignored: 1 face")`)
	p.WaitFor(members + ` === 5`)
	p.Click(`[data-key="f"]`)
	p.WaitFor(`location.pathname === "/unknown" && document.querySelector(".toast")?.textContent.includes("Not faces: 5 faces in 5 pictures.") && ` + cards + ` === 1`)
	checks(p)
}

// Two tabs: the second one is told that the group has changed, nothing is saved, and it
// shows what is true now.
func TestBrowserConflictOfTwoReviewers(t *testing.T) {
	t.Parallel()
	s := newGroupSite(t)
	key := s.waitForGroups(5, 3)[0]
	b := browser.Start(t)
	one, two := b.Open(s.group(key), browser.Laptop), b.Open(s.group(key), browser.Laptop)
	list := b.Open(s.url+"/unknown", browser.Laptop)
	for _, p := range []*browser.Page{one, two, list} {
		p.WaitFor(loaded + ` && window.rollcall?.keys.has("i")`)
	}
	two.Type("#who", "Zoe") // while somebody types, the page is left alone
	list.Click(fmt.Sprintf("#group-%d .tick-box", key))
	list.Type("#who", "Zoe")
	one.Click(".member:nth-child(1) label") // whose id is the key of the group
	one.Click(`[data-key="i"]`)
	one.WaitFor(members + ` === 4`)
	next := s.waitForGroups(4, 3)[0]
	one.WaitFor(fmt.Sprintf(`location.pathname === "/unknown/%d" && %s === 4`, next, members))
	for _, p := range []*browser.Page{two, list} {
		p.Press(browser.Enter)
		p.WaitFor(`document.querySelector(".toast.bad")?.textContent.includes("This group has changed meanwhile")`)
	}
	// The rest of the group has another key. The page says so, or is there already.
	two.WaitFor(fmt.Sprintf(`document.querySelector("h1").textContent === "This group is not there any more" || location.pathname === "/unknown/%d" && %s === 4`, next, members))
	list.WaitFor(`document.querySelector("#list .group")?.dataset.faces === "4"`)
	if people, err := s.api.ListPeople(t.Context(), api.ListPeopleParams{}); err != nil || len(people.People) != 2 {
		t.Errorf("there are %d people, %v, want those of before", len(people.People), err)
	}
	one.CheckQuiet()
}

// Cards are selected by shift-click, and all get one name.
func TestBrowserNamesSeveralGroups(t *testing.T) {
	t.Parallel()
	s := newGroupSite(t)
	p := browser.Start(t).Open(s.url+"/unknown", browser.Laptop)
	p.WaitFor(loaded + ` && window.rollcall?.keys.has("i")`)
	p.Click("#list .group:nth-child(1) .tick-box")
	shiftClick(p, "#list .group:nth-child(2) .group-open")
	p.WaitFor(`document.querySelector("#effect").textContent === "2 groups selected: 8 faces"`)
	checks(p)
	p.Type("#who", "Carla")
	p.Press(browser.Enter)
	p.WaitFor(`document.querySelector(".toast")?.textContent.includes("Carla: 8 faces in 8 pictures.")`)
	p.WaitFor(`document.querySelector(".empty h2")?.textContent === "Nobody unknown to name"`)
	if a, b := s.whoIs("carla1.png"), s.whoIs("dora1.png"); a[0] != "Carla" || strings.Join(b, " ") != "Carla Ada" {
		t.Errorf("the pictures show %v and %v, want Carla in both", a, b)
	}
	checks(p)
	p.Click(".toast .button")
	p.WaitFor(`document.querySelector(".notice")?.textContent.includes("Undone.")`)
	s.waitForGroups(5, 3)
	p.WaitFor(cards + ` === 2`)
	p.CheckQuiet()
}

// A stricter look shows a part of the group, and a looser one shows it all. A storm of
// movements asks the server a few times only.
func TestBrowserSlider(t *testing.T) {
	t.Parallel()
	s := newGroupSite(t)
	// A bridge of two steps in two colours, which a stricter look does not cross.
	for i := range 3 {
		s.draw(fmt.Sprintf("far%d.png", i), color.RGBA{R: 45, G: 60, B: 135, A: 255})
	}
	key := s.waitForGroups(8, 3)[0]
	p := browser.Start(t).Open(s.group(key), browser.Laptop)
	p.WaitFor(loaded + ` && window.rollcall?.keys.has("[")`)
	browser.Eval[bool](p, `(window.asked = 0, window.load = window.fetch, window.fetch = (...a) => { window.asked++; return window.load(...a); }, true)`)
	browser.Eval[bool](p, `(() => { const s = document.getElementById("distance"); for (let i = 0; i < 100; i++) { s.stepDown(1); s.dispatchEvent(new Event("input", {bubbles: true})); } return true; })()`)
	p.WaitFor(`location.search.includes("distance=0.07") && ` + members + ` < 8 && ` + members + ` > 2`)
	if n := browser.Eval[int](p, `window.asked`); n > 4 {
		t.Errorf("100 movements of the slider made %d requests", n)
	}
	if got := p.Text("output"); got != "0.070" && got != "0.071" {
		t.Errorf("the number is %q, want 0.07", got)
	}
	if got := p.Text("#effect"); !strings.HasPrefix(got, "Applies to all faces shown: ") {
		t.Errorf("the page says %q", got)
	}
	checks(p)
	p.Click("#usual")
	p.WaitFor(`location.search === "" && ` + members + ` === 8`)
	p.Press("]")
	p.WaitFor(`location.search.includes("distance=0.10")`)
	p.CheckQuiet()
}

// Everything works with the keyboard alone.
func TestBrowserUnknownKeyboardOnly(t *testing.T) {
	t.Parallel()
	s := newGroupSite(t)
	p := browser.Start(t).Open(s.url+"/", browser.Laptop)
	p.Press("g", "u")
	p.WaitFor(`location.pathname === "/unknown" && window.rollcall?.keys.has("i")`)
	p.Press(browser.Right, browser.Enter)
	p.WaitFor(members + ` === 5 && window.rollcall?.keys.has("x")`)
	p.Press(browser.Right, " ", browser.Right)
	p.WaitFor(picked + ` === 1`)
	p.PressShift(browser.Right)
	p.PressShift(browser.Right)
	p.WaitFor(picked + ` === 4`) // the first one, and three of a range
	p.Press(browser.Escape)
	p.WaitFor(picked + ` === 0`)
	p.PressCtrl("a")
	p.WaitFor(picked + ` === 5`)
	p.Press("t")
	p.WaitFor(`document.activeElement.id === "who"`)
	p.Press("D", "o", "r", "a", browser.Enter)
	p.WaitFor(`location.pathname === "/unknown" && document.querySelector(".toast")?.textContent.includes("Dora: 5 faces")`)
	p.Press(browser.Right, " ", "i")
	p.WaitFor(`document.querySelector(".toast")?.textContent.includes("Ignored: 3 faces in 3 pictures.")`)
	p.Press("u")
	p.WaitFor(`document.querySelector(".notice")?.textContent.includes("Undone. Ignored")`)
	p.CheckQuiet()
}

// Looking, selecting, naming and undoing work without JavaScript.
func TestBrowserUnknownWithoutScript(t *testing.T) {
	t.Parallel()
	s := newGroupSite(t)
	key := s.waitForGroups(5, 3)[0]
	screen := browser.Laptop
	screen.NoScript = true
	p := browser.Start(t).Open(s.url+"/unknown", screen)
	p.Click("#list .group .group-open")
	p.WaitFor(members + ` === 5`)
	p.Go(s.group(key) + "?distance=0.08")
	if got := p.Text("#effect"); !strings.HasPrefix(got, "Applies to all faces shown: ") {
		t.Errorf("at another distance the page says %q", got)
	}
	p.Go(s.group(key))
	p.Click(".member:nth-child(2) label")
	p.Click(`[name=scope][value=selected] + span`)
	p.Type("#who", "Carla")
	p.Click("#say .primary")
	p.WaitFor(`location.search.includes("said=")`)
	if got := p.Text(".notice bdi"); got != "Carla: 1 face in 1 picture." {
		t.Errorf("the page says %q", got)
	}
	p.Click(".notice .button")
	p.WaitFor(`document.querySelector(".notice")?.textContent.includes("Undone.")`)
	p.CheckQuiet()
}

// A group between two known people is none of them for sure: the card and the page suggest
// one, and a key confirms it.
func TestBrowserSuggestsWhoAGroupIs(t *testing.T) {
	t.Parallel()
	s := newGroupSite(t)
	for name, c := range map[string]color.RGBA{"Eva": {R: 30, G: 150, B: 150, A: 255}, "Eve": {R: 90, G: 150, B: 150, A: 255}} {
		person, err := s.api.CreatePerson(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.api.AddKnownPicture(t.Context(), person.ID, smallsystem.Portrait(c), api.AddKnownPictureParams{}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		s.draw(fmt.Sprintf("between%d.png", i), color.RGBA{R: 60, G: 150, B: 150, A: 255})
	}
	key := s.waitForGroups(5, 4, 3)[1]
	p := browser.Start(t).Open(s.url+"/unknown", browser.Laptop)
	p.WaitFor(fmt.Sprintf(`document.querySelector("#group-%d .maybe")?.textContent.startsWith("Maybe Ev")`, key))
	if n := browser.Eval[int](p, `document.querySelectorAll(".maybe.shown").length`); n != 1 {
		t.Errorf("%d groups have a suggestion, want one", n)
	}
	checks(p)
	p.Go(s.group(key))
	p.WaitFor(`document.querySelector('[data-key="y"]') && window.rollcall?.keys.has("y")`)
	checks(p)
	p.Press("y")
	p.WaitFor(`document.querySelector(".toast")?.textContent.includes(": 4 faces in 4 pictures.")`)
	if got := s.whoIs("between0.png"); !strings.HasPrefix(got[0], "Ev") {
		t.Errorf("the face is %v, want the suggested person", got)
	}
	p.CheckQuiet()
}
