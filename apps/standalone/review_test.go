package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/browser"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
)

// fromTheLeft are the people of the photographs of groups, from left to right.
func fromTheLeft() map[string][]string {
	return map[string][]string{
		"bbt1.jpg": {"raj", "leonard", "howard", "sheldon"},
		"bbt2.jpg": {"raj", "leonard", "sheldon"},
		"bbt3.jpg": {"sheldon", "howard", "penny", "raj", "leonard"},
		"bbt4.jpg": {"leonard", "amy", "raj", "penny", "sheldon", "bernadette"},
		"bbt5.jpg": {"raj", "penny", "sheldon", "leonard", "howard"},
	}
}

// strokesPerPerson is how many keys a reviewer may press for each person, besides those of
// typing each name once.
const strokesPerPerson = 3

// A reviewer with a keyboard names everybody in photographs of groups, where nobody is
// known. Typing each name once, and a few keys more, settles all faces.
func TestReviewTakesFewStrokes(t *testing.T) {
	t.Parallel()
	photos := os.Getenv("ROLLCALL_TEST_FACES")
	if photos == "" {
		t.Skip("ROLLCALL_TEST_FACES names no folder of photographs")
	}
	dir := t.TempDir()
	known, unknown := filepath.Join(dir, "known"), filepath.Join(dir, "unknown")
	if err := os.Mkdir(known, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(unknown, os.DirFS(filepath.Join(photos, "groups"))); err != nil {
		t.Fatal(err)
	}
	i := start(t, filepath.Join(dir, "data"), []string{"ROLLCALL_REMATCH_DELAY=100ms"}, "-known", known, "-unknown", unknown, "-ask=false")
	eventually(t, "the welcome", i.welcomed)
	r := newReviewer(t, i)
	r.open(browser.Start(t))
	for r.answer() {
	}
	people := map[string]bool{}
	for id, name := range r.truth {
		people[name] = true
		if got := r.nameOf(id); got != name {
			t.Errorf("face %d is %q, want %q", id, got, name)
		}
	}
	t.Logf("%d faces of %d people: %d questions, %d key strokes besides the names, which is %.1f a person",
		len(r.truth), len(people), r.questions, r.strokes, float64(r.strokes)/float64(len(people)))
	if r.strokes > strokesPerPerson*len(people) {
		t.Errorf("%d key strokes for %d people, want at most %d each", r.strokes, len(people), strokesPerPerson)
	}
	r.page.CheckQuiet()
	i.stop(syscall.SIGTERM)
}

// reviewer is somebody who knows everybody, and answers with the keyboard.
type reviewer struct {
	t         *testing.T
	i         *instance
	page      *browser.Page
	truth     map[int64]string // who each face is
	images    map[int64]int64  // the image of each face
	typed     map[string]bool  // names that were typed in full
	strokes   int              // besides those of typing each name once
	questions int
}

// newReviewer posts the photographs, and waits until they are answered and grouped.
func newReviewer(t *testing.T, i *instance) *reviewer {
	t.Helper()
	r := &reviewer{t: t, i: i, truth: map[int64]string{}, images: map[int64]int64{}, typed: map[string]bool{}}
	for file, people := range fromTheLeft() {
		img := i.answered(file)
		var detail struct {
			Faces []struct {
				ID  int64
				Box struct{ X int }
			}
		}
		i.get(fmt.Sprintf("/api/v1/images/%d", img.ID), &detail)
		if len(detail.Faces) != len(people) {
			t.Fatalf("%s has %d faces, want those of %v", file, len(detail.Faces), people)
		}
		slices.SortFunc(detail.Faces, func(a, b struct {
			ID  int64
			Box struct{ X int }
		}) int {
			return a.Box.X - b.Box.X
		})
		for n, f := range detail.Faces {
			r.truth[f.ID], r.images[f.ID] = people[n], img.ID
		}
	}
	eventually(t, "the faces are grouped", func() bool {
		var list struct {
			Groups   []struct{ Faces int }
			Grouping struct {
				Complete     bool
				Faces, Total int
			}
		}
		i.get("/api/v1/groups", &list)
		return list.Grouping.Complete && list.Grouping.Faces == len(r.truth) && len(list.Groups) > 0
	})
	return r
}

func (r *reviewer) nameOf(face int64) string {
	var img struct {
		Faces []struct {
			ID     int64
			Person *struct{ Name string }
		}
	}
	if code := r.i.get(fmt.Sprintf("/api/v1/images/%d", r.images[face]), &img); code != http.StatusOK {
		r.t.Fatalf("image of face %d: %d", face, code)
	}
	for _, f := range img.Faces {
		if f.ID == face && f.Person != nil {
			return f.Person.Name
		}
	}
	return ""
}

func (r *reviewer) open(b *browser.Browser) {
	r.page = b.Open("http://"+r.i.page+"/review", browser.Laptop)
	r.page.WaitFor(`document.getElementById("question") && window.rollcall?.keys.has("y")`)
}

// press presses keys that count.
func (r *reviewer) press(keys ...string) {
	r.strokes += len(keys)
	r.page.Press(keys...)
}

// shown is what the page asks.
type shown struct {
	Place, Suggested string
	Faces            []int64
	Count            int // answers that were saved
	Typing           bool
	Waits            bool
	Ended            bool // the question was answered by what followed from another answer
}

func (r *reviewer) look() (q shown) {
	text := browser.Eval[string](r.page, `JSON.stringify({
		place: document.getElementById("live").dataset.place,
		suggested: document.querySelector(".side:last-child figcaption bdi[data-person]")?.textContent ?? "",
		faces: [...document.querySelectorAll("[data-face-id]")].map(e => Number(e.dataset.faceId)),
		typing: document.activeElement?.id === "review-name",
		ended: document.getElementById("live").dataset.ended !== undefined,
		count: Number(sessionStorage.getItem("review.count") ?? 0),
		waits: document.getElementById("review-last").getAttribute("aria-busy") === "true"})`)
	if err := json.Unmarshal([]byte(text), &q); err != nil {
		r.t.Fatal(err)
	}
	return q
}

// settled waits until the answers before are saved, and what follows from them is there.
func (r *reviewer) settled() shown {
	var q shown
	wait.Within(r.t, time.Minute, "the answer is saved", func() bool {
		q = r.look()
		return !q.Waits
	})
	return q
}

// answer answers one question. It returns false when nothing is left.
func (r *reviewer) answer() bool {
	q := r.settled()
	if q.Place == "" {
		return false
	}
	if name := r.truth[q.Faces[0]]; q.Suggested == "" && r.typed[name] {
		r.expect(q.Place) // somebody named a moment ago
		q = r.settled()
		if q.Place == "" {
			return false
		}
	}
	r.questions++
	name := r.truth[q.Faces[0]]
	if q.Ended {
		r.next(q.Place)
		return true
	}
	for _, f := range q.Faces {
		if r.truth[f] != name {
			r.t.Fatalf("%s shows %s and %s", q.Place, name, r.truth[f])
		}
	}
	switch {
	case q.Suggested == name:
		r.press("y")
	case r.typed[name]:
		r.again(q, name)
	default:
		if !q.Typing {
			r.press("t")
		}
		r.page.Press(strings.Split(name, "")...)
		r.press(browser.Enter)
	}
	r.page.WaitFor(movedOn(q.Place) + ` || ` + ended)
	if r.look().Ended {
		r.next(q.Place)
	}
	if r.settled().Count > q.Count { // else the face was settled meanwhile
		r.typed[name] = true
	}
	r.t.Logf("%s: %s, suggested %q, %d faces, %d strokes so far", q.Place, name, q.Suggested, len(q.Faces), r.strokes)
	return true
}

// ended is whether the question has been answered meanwhile: the page then waits for Enter.
const ended = `document.getElementById("live").dataset.ended !== undefined`

// movedOn is whether the page has left a question.
func movedOn(place string) string {
	return fmt.Sprintf(`document.getElementById("live").dataset.place !== %q`, place)
}

// next leaves a question that has been answered meanwhile.
func (r *reviewer) next(place string) {
	r.press(browser.Enter)
	r.page.WaitFor(movedOn(place))
}

// expect looks for a while whether the page recognizes the person: it suggests the name, or
// says that the question is answered because the face got the name meanwhile.
func (r *reviewer) expect(place string) {
	browser.Eval[bool](r.page, `new Promise(done => {
		const end = Date.now() + 15000;
		const look = () => {
			const live = document.getElementById("live");
			if (`+movedOn(place)+` || `+ended+` || live.dataset.suggested !== undefined || Date.now() > end) {
				setTimeout(done, 800, true); // keys do nothing for a moment after the page has moved on
			} else {
				setTimeout(look, 100);
			}
		};
		look();
	})`)
}

// again names somebody who was named before: the first letters, and the completion.
func (r *reviewer) again(q shown, name string) {
	if !q.Typing {
		r.press("t")
	}
	r.press(name[:1])
	r.page.WaitFor(fmt.Sprintf(`document.querySelector("[role=option]")?.textContent === %q || `, name) + ended)
	if !r.look().Ended {
		r.press(browser.Down, browser.Enter)
	}
}
