package frontend_test

import (
	"fmt"
	"image/color"
	"net/http"
	"os"
	"path/filepath"
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
	s := newSite(t, func(_ *openSite, o *frontend.Options) { o.Everybody = access.AdminRole },
		func(h http.Handler) http.Handler { return h }, smallsystem.WithGroups())
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

// draw posts a picture of faces.
func (s *openSite) draw(name string, people ...color.RGBA) {
	s.t.Helper()
	if err := s.Draw(name, people...); err != nil {
		s.t.Fatal(err)
	}
	s.post(name)
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
