package frontend_test

import (
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/browser"
)

// hold is a key that is held: what the keyboard sends again and again.
func hold(p *browser.Page, key string) {
	browser.Eval[bool](p, `(document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: `+quoted(key)+`, repeat: true, bubbles: true, cancelable: true })), true)`)
}

// Keys wait while a face is drawn and behind a dialog, and a held key acts once. What is
// half typed, and the focus, outlive that the page is replaced.
func TestBrowserKeepsHandsAndWords(t *testing.T) {
	t.Parallel()
	s := newOpenSite(t)
	p := browser.Start(t).Open(s.page("group.png"), browser.Laptop)
	p.WaitFor(loaded + ` && window.rollcall?.keys.has("d")`)
	const open = `document.getElementById("draw").open`

	hold(p, "d")
	if browser.Eval[bool](p, open) {
		t.Error("a held key began to draw")
	}
	browser.Eval[bool](p, `(() => { const d = document.createElement("dialog"); d.id = "other"; d.innerHTML = "<button>x</button>"; document.body.append(d); d.showModal(); return true; })()`)
	p.Press("d")
	if browser.Eval[bool](p, open) {
		t.Error("a key acted behind a dialog")
	}
	browser.Eval[bool](p, `(document.getElementById("other").remove(), true)`)

	before := browser.Eval[string](p, `location.href`)
	p.Press("d")
	p.WaitFor(`document.activeElement.matches(".drawing-now .overlay")`)
	p.Press("k", "j", "i", "f", "u", "t")
	if got := browser.Eval[string](p, `location.href`); got != before || !browser.Eval[bool](p, open+` && document.activeElement.matches(".overlay")`) {
		t.Errorf("keys left the drawing for %s", got)
	}
	p.Press(browser.Escape)
	p.WaitFor(`!` + open)

	p.Type("#name-2", "Gra")
	p.Click(`#face-1 [data-key="i"]`)
	p.WaitFor(`document.querySelectorAll(".history li").length === 1`)
	p.WaitFor(`document.activeElement.closest("#face-1") && document.getElementById("name-2").value === "Gra"`)
	if got := s.whoIs("group.png"); got[0] != "" || got[1] != "" {
		t.Errorf("the faces are %v, want nobody", got)
	}
	p.Press("u")
	p.WaitFor(`document.querySelector(".history .over")`)

	browser.Eval[bool](p, `(window.rightFetch = window.fetch, window.fetch = () => Promise.reject(new TypeError("Failed to fetch")), true)`)
	p.Click(`#face-1 [data-key="i"]`)
	p.WaitFor(`document.querySelector(".toast.bad span").textContent === "The dashboard did not answer. It may have been saved; look again."`)
	p.WaitFor(`document.activeElement.matches('#face-1 [data-key="i"]')`)
	browser.Eval[bool](p, `(window.fetch = window.rightFetch, true)`)
	checks(p)
}

// A message stays while somebody is at it.
func TestBrowserMessageWaits(t *testing.T) {
	t.Parallel()
	s := newEmptySite(t, asAdmin, unwrapped)
	p := browser.Start(t).Open(s.url+"/operations?done=retried&n=2", browser.Laptop)
	p.WaitFor(`window.rollcall && location.search === ""`) // it was said once
	if got := browser.Eval[string](p, `document.getElementById("live").dataset.watch`); got != "own" {
		t.Errorf("the page watches %q, and has a script of its own", got)
	}
	browser.Eval[bool](p, `(() => { const later = []; const right = window.setTimeout; window.setTimeout = (f) => later.push(f);
		window.rollcall.toast("Saved."); window.setTimeout = right; window.leave = later[0]; return true; })()`)
	browser.Eval[bool](p, `(document.querySelector(".toast button").focus(), window.leave(), true)`)
	if !browser.Eval[bool](p, `document.querySelector(".toast") !== null`) {
		t.Error("the message went with the focus in it")
	}
	browser.Eval[bool](p, `(document.activeElement.blur(), window.leave(), true)`)
	p.WaitFor(`document.querySelector(".toast") === null`)
	p.CheckQuiet()
}

// In the review, a held key skips nothing, and an undo keeps the filter. On the page of
// groups the bar says its words without quotes, and keys work while a slider has the focus.
func TestBrowserKeysOfReviewAndGroups(t *testing.T) {
	t.Parallel()
	s := newReviewSite(t)
	b := browser.Start(t)
	p := b.Open(s.url+"/review?only=groups", browser.Laptop)
	asked(p, "Who is this?")
	p.WaitFor(`document.activeElement.id === "review-name"`)
	p.Press(browser.Escape)
	place := browser.Eval[string](p, `document.getElementById("live").dataset.place`)
	hold(p, "s")
	hold(p, "i")
	hold(p, "x")
	if got := browser.Eval[string](p, `document.getElementById("live").dataset.place + document.activeElement.id`); got != place+"question" {
		t.Errorf("held keys lead from %s to %s", place, got)
	}
	p.Press("i")
	p.WaitFor(`document.querySelector("#review-last .button")`)
	p.WaitFor(`document.getElementById("live").dataset.place !== ` + quoted(place))
	p.Press("u")
	p.WaitFor(`new URLSearchParams(location.search).get("only") === "groups" && document.getElementById("live").dataset.place.endsWith(` + quoted(place[strings.LastIndex(place, "-")+1:]) + `)`)
	p.CheckQuiet()

	p.Go(s.url + "/unknown")
	p.WaitFor(`window.rollcall?.keys.has("x")`)
	p.Press("j", " ")
	p.WaitFor(`/^1 group selected: [34] faces$/.test(document.getElementById("effect").textContent)`)
	p.Press(browser.Enter)
	p.WaitFor(`document.getElementById("distance") && window.rollcall?.keys.has("[")`)
	was := browser.Eval[string](p, `(document.getElementById("distance").focus(), document.getElementById("distance").value)`)
	p.Press("]")
	p.WaitFor(`document.getElementById("distance").value !== ` + quoted(was))
	p.WaitFor(`location.search.includes("distance=")`)
	p.CheckQuiet()

	// On a phone, the bar is small until a face is selected.
	p = b.Open(browser.Eval[string](p, `location.origin + location.pathname`), browser.Phone)
	const visible = `document.querySelector('#bar [data-key="i"]').offsetHeight > 0`
	p.WaitFor(`document.querySelector('#bar [data-key="i"]') && window.rollcall?.keys.has("x")`)
	if browser.Eval[bool](p, visible) {
		t.Error("the bar has all its buttons before a face is selected")
	}
	p.Press("j", " ")
	p.WaitFor(visible)
	checks(p)
}
