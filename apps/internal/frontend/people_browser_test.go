package frontend_test

import (
	"encoding/base64"
	"fmt"
	"image/color"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/browser"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/smallsystem"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/erasedsearch"
)

// personNamed returns a person by name.
func (s *openSite) personNamed(name string) api.PersonDetail {
	s.t.Helper()
	list, err := s.api.ListPeople(s.t.Context(), api.ListPeopleParams{Name: &name})
	if err != nil || len(list.People) != 1 {
		s.t.Fatalf("people named %s: %v, %v", name, list.People, err)
	}
	return list.People[0]
}

func (s *openSite) personPage(name string) string {
	return s.url + "/people/" + strconv.FormatInt(s.personNamed(name).ID, 10)
}

// toasted waits for a toast that says something.
func toasted(p *browser.Page, text string) {
	p.WaitFor(`document.querySelector(".toast")?.textContent.includes(` + strconv.Quote(text) + `)`)
}

// Pages of people look right on every screen, and work without a script, too.
func TestBrowserPeople(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	b := browser.Start(t)
	ada, bruno := s.personNamed("Ada"), s.personNamed("Bruno")
	for name, screen := range map[string]browser.Screen{
		"laptop": browser.Laptop, "night": browser.Night, "phone": browser.Phone, "wall": browser.Wall,
		"no script": {Width: 1280, Height: 800, NoScript: true},
	} {
		p := b.Open(s.url+"/people", screen)
		for _, target := range []string{
			"/people", "/people?need=few", "/people?q=nobody", "/people?need=colour", s.personPage("Ada")[len(s.url):], "/people/4711",
			fmt.Sprintf("/people/%d/merge?with=%d", ada.ID, bruno.ID), fmt.Sprintf("/people/%d/remove", ada.ID),
			fmt.Sprintf("/people/%d/known/%d/delete", ada.ID, *ada.Cover),
		} {
			p.Go(s.url + target)
			if !screen.NoScript {
				p.WaitFor(loaded)
				checks(p)
			}
			if text := p.Text("main"); text == "" {
				t.Errorf("%s: %s is empty", name, target)
			}
		}
		p.Close()
	}
}

// A wrong face is corrected on the person's page, with the keyboard alone, and undone.
func TestBrowserCorrectsAFaceOfAPerson(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	p := browser.Start(t).Open(s.url+"/people", browser.Laptop)
	p.WaitFor(`window.rollcall?.keys.has("y") && document.querySelectorAll(".tile").length === 2`)
	p.Press("j")
	p.WaitFor(`document.activeElement.textContent.includes("Ada")`)
	p.Press(browser.Enter)
	p.WaitFor(`window.rollcall?.keys.has("y") && document.querySelectorAll(".crop").length === 2`)
	p.WaitFor(loaded)
	checks(p)
	p.Press("n") // chooses the first, and does nothing else
	p.WaitFor(`document.activeElement.closest(".crop")`)
	p.Press("n")
	toasted(p, "is not Ada")
	p.WaitFor(`document.querySelectorAll(".crop").length === 1 && document.activeElement.closest(".crop")`)
	if got := append(s.whoIs("ada.png"), s.whoIs("group.png")...); strings.Count(strings.Join(got, " "), "Ada") != 1 {
		t.Errorf("the faces are %q, want one Ada", got)
	}
	p.Press("u")
	p.WaitFor(`document.querySelectorAll(".crop").length === 2`)
	toasted(p, "Undone")
	p.WaitFor(`document.activeElement.tagName`)
	p.Press("j", "y")
	toasted(p, "is Ada")
	p.WaitFor(`document.querySelector(".crop .badge.good")?.textContent === "Confirmed"`)
	checks(p)
}

// Two people become one, after a swap of who stays; that is undone.
func TestBrowserMergesAndUndoes(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	p := browser.Start(t).Open(s.personPage("Ada"), browser.Laptop)
	p.WaitFor(`window.rollcall?.keys.has("y") && document.querySelector(".combo")`)
	p.Click("#merge summary")
	p.Type("#merge-name", "Bruno")
	p.Press(browser.Escape)
	p.Click("#merge .primary")
	p.WaitFor(`document.querySelector("#ask[open] .stays")?.textContent.includes("Ada")`)
	p.CheckAccess()
	p.Click("#ask .swap a")
	p.WaitFor(`document.querySelector("#ask .stays")?.textContent.includes("Bruno") && document.querySelector("#ask").textContent.includes("The name Bruno stays")`)
	p.Click("#ask .primary")
	bruno := s.personPage("Bruno")
	p.WaitFor(`location.pathname === ` + strconv.Quote(bruno[len(s.url):]) + ` && document.querySelector(".notice")?.textContent.includes("Ada is part of Bruno now") && window.rollcall`)
	if got := s.whoIs("ada.png"); got[0] != "Bruno" {
		t.Errorf("the face is %q, want Bruno", got)
	}
	checks(p)
	p.Click(".notice form button")
	toasted(p, "Ada is a person of their own again")
	wait.Until(t, "the face is Ada's again", func() bool { return s.whoIs("ada.png")[0] == "Ada" })
	p.WaitFor(`document.querySelector("#merges .over")`)
	checks(p)
}

// A tab that has not seen a change renames nobody, says so, and shows what is true. What
// was renamed can be undone.
func TestBrowserRenames(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	b := browser.Start(t)
	p := b.Open(s.personPage("Ada"), browser.Laptop)
	p.WaitFor(`window.rollcall?.keys.has("y")`)
	p.Click("#rename summary")
	ada, name := s.personNamed("Ada"), "Ada King"
	// The page hears of a change at once; this tab is one that has not yet.
	browser.Eval[bool](p, `(document.querySelector("#live").removeAttribute("id"), true)`)
	if _, err := s.api.ChangePerson(t.Context(), ada.ID, ada.Version, api.PersonChange{Name: &name}); err != nil {
		t.Fatal(err)
	}
	browser.Eval[bool](p, `(document.querySelector("[data-live]").id = "live", true)`)
	p.Type("#rename-name", " the second")
	p.Press(browser.Enter)
	toasted(p, "Somebody has changed this person meanwhile")
	p.WaitFor(`document.querySelector("h1").textContent === "Ada King"`)
	p.WaitFor(`document.querySelector("#rename").open`)
	browser.Eval[bool](p, `(document.querySelector("#rename-name").value = "", true)`)
	p.Type("#rename-name", "Augusta")
	p.Press(browser.Enter)
	toasted(p, "The name is Augusta now")
	p.Click(".toast .button")
	p.WaitFor(`document.querySelector("h1").textContent === "Ada King"`)
	checks(p)
}

// Pictures are dropped: one is taken, one is refused in the gate's words.
func TestBrowserDropsKnownPictures(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	p := browser.Start(t).Open(s.personPage("Bruno"), browser.Laptop)
	p.WaitFor(`window.rollcall?.keys.has("y")`)
	good := smallsystem.Portrait(color.RGBA{R: 60, G: 60, B: 240, A: 255})
	looks := smallsystem.Portrait(smallsystem.Ada)
	p.WaitFor(dropOf(map[string][]byte{"bruno2.png": good, "no picture.png": []byte("hello"), "ada.png": looks}))
	p.WaitFor(`document.querySelectorAll("#known-log .good").length === 1 && document.querySelectorAll("#known-log .bad").length === 2`)
	p.WaitFor(`document.querySelectorAll(".known").length === 2`)
	if text := p.Text("#known-log"); !strings.Contains(text, "bruno2.png added") || !strings.Contains(text, "ada.png The face looks like Ada (distance 0.00") {
		t.Errorf("the log is %q", text)
	}
	checks(p)
	p.Click("#known-log .bad .button")
	p.WaitFor(`document.querySelectorAll("#known-log .good").length === 2 && document.querySelectorAll(".known").length === 3`)
	p.Click(".known form button")
	toasted(p, "The cover was changed")
	p.Click(".known:last-child [data-ask]")
	p.WaitFor(`document.querySelector("#ask[open]")`)
	p.CheckAccess()
	p.Click("#ask .danger")
	p.WaitFor(`document.querySelectorAll(".known").length === 2 && !document.querySelector("#ask[open]")`)
	if n := s.personNamed("Bruno").KnownPictures; n != 2 {
		t.Errorf("%d known pictures, want 2", n)
	}
	checks(p)
}

// dropOf is an expression that drops files on a page.
func dropOf(files map[string][]byte) string {
	var list []string
	for name, content := range files {
		list = append(list, fmt.Sprintf("new File([Uint8Array.from(atob(%q), c => c.charCodeAt(0))], %q, {type: 'image/png'})", base64.StdEncoding.EncodeToString(content), name))
	}
	return `(() => { const data = new DataTransfer(); for (const f of [` + strings.Join(list, ",") + `]) { data.items.add(f); }
		document.getElementById("drop").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})); return true; })()`
}

// A person is added, found by a search, hidden, and erased: the page says first what goes,
// and then shows the receipt until a search has verified it.
func TestBrowserErases(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	p := browser.Start(t).Open(s.url+"/people", browser.Phone)
	p.WaitFor(`window.rollcall?.keys.has("y")`)
	p.Click("#add summary")
	checks(p)
	p.Type("#new-name", "Zoë")
	p.Press(browser.Enter)
	p.WaitFor(`document.querySelector(".notice")?.textContent.includes("Zoë was added") && window.rollcall`)
	p.Go(s.url + "/people?q=zoË")
	p.WaitFor(`document.querySelectorAll(".tile").length === 1 && document.querySelector(".tile .bad")`)
	p.Go(s.personPage("Ada"))
	p.WaitFor(`window.rollcall?.keys.has("y")`)
	for _, menu := range []string{"rename", "merge", "export"} {
		p.Click("#" + menu + " summary")
		p.WaitFor(`document.querySelectorAll(".menu[open]").length === 1`)
		checks(p)
	}
	p.Press(browser.Escape)
	p.Click(".who-actions > form button")
	toasted(p, "Ada is hidden")
	p.Click(".who-actions .danger")
	p.WaitFor(`document.querySelector("#ask[open] .counts")`)
	p.CheckAccess()
	p.Click("#ask .segments a:last-child")
	p.WaitFor(`document.querySelector('#ask input[name="images"]').value === "delete"`)
	p.Click("#ask .segments a:first-child")
	p.WaitFor(`document.querySelector('#ask input[name="images"]').value === "keep"`)
	if text := p.Text("#ask"); !strings.Contains(text, "Ada/1.png") {
		t.Errorf("the question is %q, want the file that stays", text)
	}
	p.Click("#ask input[type=checkbox]")
	p.Click("#ask .danger")
	p.WaitFor(`document.querySelector(".receipt .alert")?.textContent.includes("Ada/1.png")`)
	checks(p)
	number := p.Text(".receipt code")
	p.Go(s.url + "/erasures/" + number)
	p.WaitFor(`document.querySelectorAll(".steps .done").length >= 2`)
	if text := p.Text("main"); strings.Contains(text, "Ada") {
		t.Errorf("the receipt has the name: %q", text)
	}
	checks(p)
	opts := erasedsearch.Options{KnownPeople: filepath.Join(filepath.Dir(s.Unknown), "known"), UnknownPeople: s.Unknown}
	if err := erasedsearch.Verify(t.Context(), s.Store, opts, io.Discard); err != nil {
		t.Fatal(err)
	}
	p.WaitFor(`document.querySelectorAll(".steps .done").length === 3`)
	if got := s.whoIs("ada.png"); len(got) != 0 {
		t.Errorf("the picture still has faces: %q", got)
	}
	checks(p)
}
