package frontend_test

import (
	"fmt"
	"image/color"
	"io"
	"net/http"
	"os"
	"path/filepath"
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

// asAdmin lets everybody do everything.
func asAdmin(_ *openSite, o *frontend.Options) { o.Everybody = access.AdminRole }

func unwrapped(h http.Handler) http.Handler { return h }

// onDisk writes files of a user's machine and returns their paths.
func onDisk(t *testing.T, contents map[string][]byte) map[string]string {
	t.Helper()
	dir, paths := t.TempDir(), map[string]string{"": ""}
	for name, content := range contents {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		paths[name] = file
	}
	paths[""] = dir
	return paths
}

// images returns how many images there are.
func (s *openSite) images() int64 {
	s.t.Helper()
	counts, err := s.Store.CountImages(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	var n int64
	for _, c := range counts {
		n += c.Images
	}
	return n
}

// rowSays is an expression that is true once the row of a file says something.
func rowSays(name, text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(".upload-row")].some(r => r.querySelector(".name").textContent.trim() === %q && r.querySelector(".say").textContent.includes(%q))`, name, text)
}

// From an empty system to the first name: whoever has the code becomes the first admin,
// uploads a picture, and sees who is in it without loading the page again.
func TestBrowserFirstVisit(t *testing.T) {
	t.Parallel()
	code := ""
	s := newEmptySite(t, func(s *openSite, o *frontend.Options) {
		deps := frontend.SignInDeps{Store: s.Store, API: s.api, Log: quietLog()}
		if err := (frontend.SignInConfig{Open: "false"}).Apply(o, deps); err != nil {
			t.Fatal(err)
		}
		var err error
		if code, _, err = o.SignIn.FirstAdminCode(t.Context()); err != nil || code == "" {
			t.Fatalf("no code for the first admin: %v", err)
		}
	}, unwrapped)
	p := browser.Start(t).Open(s.url+"/", browser.Laptop)
	p.WaitFor(`location.pathname === "/first-admin"`)
	checks(p)
	p.Type("#code", code)
	p.Type("#name", "ada")
	p.Type("#new-password", goodPassword)
	p.Type("#again", goodPassword)
	p.Press(browser.Enter)
	p.WaitFor(`document.querySelector("nav.me bdi")?.textContent === "ada"`)
	p.Click("nav.me form .button")
	p.WaitFor(`location.pathname === "/sign-in"`)
	p.Type("#name", "ada")
	p.Type("#password", goodPassword)
	p.Press(browser.Enter)
	p.WaitFor(`document.querySelector(".empty .primary")`)
	checks(p)
	p.Click(".empty .primary")
	p.WaitFor(`location.pathname === "/upload" && window.rollcall?.keys.has("c")`)
	checks(p)
	browser.Eval[bool](p, `(window.same = true)`)
	files := onDisk(t, map[string][]byte{"Holiday.png": smallsystem.Portrait(smallsystem.Ada)})
	p.Choose(`[data-source="files"]`, files["Holiday.png"])
	p.WaitFor(`window.same && ` + rowSays("Holiday.png", "Ada is in this picture"))
	p.WaitFor(loaded)
	checks(p)
	p.Click(".upload-row a.name")
	p.WaitFor(`document.querySelector("h1").textContent === "Ada is in this picture."`)
	checks(p)
}

// Files are chosen; each is answered or refused in words, on every screen.
func TestBrowserUploads(t *testing.T) {
	t.Parallel()
	s := newEmptySite(t, asAdmin, unwrapped)
	large := append(smallsystem.Portrait(smallsystem.Bruno), make([]byte, 9<<20)...)
	files := onDisk(t, map[string][]byte{
		"ada.png": smallsystem.Portrait(smallsystem.Ada), "group of two.png": smallsystem.Portrait(smallsystem.Grace),
		"poem.png": []byte("No picture at all, in spite of its name."), "notes.txt": []byte("notes"), "empty.jpg": nil,
		"huge.png": large, "slightly too large.png": large[:1<<20+1],
	})
	b := browser.Start(t)
	for name, screen := range map[string]browser.Screen{"laptop": browser.Laptop, "night": browser.Night, "phone": browser.Phone, "wall": browser.Wall} {
		p := b.Open(s.url+"/upload", screen)
		checks(p)
		p.Choose(`[data-source="files"]`, files["ada.png"], files["group of two.png"], files["poem.png"], files["notes.txt"], files["empty.jpg"], files["huge.png"], files["slightly too large.png"])
		for file, text := range map[string]string{
			"ada.png": "Ada is in this picture", "group of two.png": "nobody known", "poem.png": "not a picture", "notes.txt": "not a picture",
			"empty.jpg": "empty", "huge.png": "larger than this server takes", "slightly too large.png": "larger than this server takes",
		} {
			p.WaitFor(rowSays(file, text))
		}
		p.WaitFor(loaded)
		p.WaitFor(`document.querySelector("[data-count]").textContent === "2 of 7 sent"`)
		p.WaitFor(`document.querySelector("[data-more]").textContent.includes("5 not sent")`)
		p.WaitFor(`document.querySelector("[data-tell]").textContent.includes("All files are sent")`)
		checks(p)
		address := browser.Eval[string](p, `location.href`)
		p.Go(address) // the answers stay after a reload
		p.WaitFor(`document.querySelectorAll(".upload-row").length === 2`)
		checks(p)
		p.Close()
		if n := s.images(); n != 2 {
			t.Errorf("%s: %d images are stored, want 2 however often they are sent", name, n)
		}
	}
}

// Folders are dropped on the page; what is no picture in them is left out. On the page of
// images the same list appears over it.
func TestBrowserDropsFolders(t *testing.T) {
	t.Parallel()
	s := newEmptySite(t, asAdmin, unwrapped)
	files := onDisk(t, map[string][]byte{
		"trip/day 1/ada.png": smallsystem.Portrait(smallsystem.Ada), "trip/bruno.png": smallsystem.Portrait(smallsystem.Bruno),
		"trip/.DS_Store": []byte("x"), "trip/notes.txt": []byte("x"), "grace.png": smallsystem.Portrait(smallsystem.Grace),
	})
	b := browser.Start(t)
	p := b.Open(s.url+"/upload", browser.Laptop)
	p.WaitFor(`window.rollcall?.keys.has("c")`)
	p.Drop(300, 200, filepath.Join(files[""], "trip"))
	p.WaitFor(rowSays("trip/day 1/ada.png", "Ada is in this picture"))
	p.WaitFor(rowSays("trip/bruno.png", "Bruno is in this picture"))
	if text := p.Text("[data-left-out]"); !strings.HasSuffix(text, ": 2") {
		t.Errorf("the page says %q, want 2 files that were left out", text)
	}
	checks(p)
	p.Go(s.url + "/")
	p.WaitFor(`window.rollcall?.files && document.querySelectorAll(".card").length === 2`)
	p.Drop(700, 60, files["grace.png"])
	p.WaitFor(rowSays("grace.png", "nobody known"))
	p.WaitFor(`document.querySelectorAll(".card").length === 3`)
	p.WaitFor(loaded)
	checks(p)
}

// Pictures of the clipboard are uploaded, and get a name of their own.
func TestBrowserPastes(t *testing.T) {
	t.Parallel()
	s := newEmptySite(t, asAdmin, unwrapped)
	picture := fmt.Sprint(smallsystem.Portrait(smallsystem.Ada))
	p := browser.Start(t).Open(s.url+"/upload", browser.Laptop)
	p.WaitFor(`window.rollcall?.keys.has("c")`)
	browser.Eval[bool](p, `(() => { const data = new DataTransfer();
		data.items.add(new File([new Uint8Array(`+strings.ReplaceAll(picture, " ", ",")+`)], "image.png", {type: "image/png"}));
		document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, cancelable: true})); return true; })()`)
	p.WaitFor(`[...document.querySelectorAll(".upload-row .name")].some(n => n.textContent.trim().startsWith("pasted-"))`)
	p.WaitFor(`document.querySelector(".upload-row .say").textContent.includes("Ada is in this picture")`)
	checks(p)
}

// A dashboard that dies in the middle of an upload costs nothing: the page says so, sends
// the file again, and it is stored once. A file that failed for longer is retried by hand.
func TestBrowserUploadSurvivesRestart(t *testing.T) {
	t.Parallel()
	var away atomic.Bool
	var cut atomic.Int32
	away.Store(true)
	s := newEmptySite(t, asAdmin, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost || !away.Load() {
				h.ServeHTTP(w, r)
				return
			}
			if cut.Add(1) == 1 { // the receiver has stored it, and nobody hears of it
				h.ServeHTTP(discarded{http.Header{}}, r)
			} else {
				_, _ = io.CopyN(io.Discard, r.Body, 1000)
			}
			panic(http.ErrAbortHandler)
		})
	})
	files := onDisk(t, map[string][]byte{"ada.png": smallsystem.Portrait(smallsystem.Ada)})
	p := browser.Start(t).Open(s.url+"/upload", browser.Laptop)
	p.Choose(`[data-source="files"]`, files["ada.png"])
	p.WaitFor(rowSays("ada.png", "The connection was lost. Trying again"))
	p.CheckAccess()
	wait.Until(t, "it is sent again", func() bool { return cut.Load() > 1 })
	away.Store(false)
	p.WaitFor(rowSays("ada.png", "Ada is in this picture"))
	if n := s.images(); n != 1 {
		t.Errorf("%d images are stored, want 1", n)
	}
	checks(p)
}

// discarded is a browser that is gone.
type discarded struct{ header http.Header }

func (d discarded) Header() http.Header         { return d.header }
func (d discarded) Write(p []byte) (int, error) { return len(p), nil }
func (d discarded) WriteHeader(int)             {}

// A full disk is said in words, and the files are retried all at once, by key. A file is
// cancelled while it is sent.
func TestBrowserUploadRetriesAndCancels(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	full.Store(true)
	var hold atomic.Bool
	held := make(chan struct{})
	s := newEmptySite(t, asAdmin, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == http.MethodPost && full.Load():
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusInsufficientStorage)
				fmt.Fprint(w, `{"why":"The disk is full.","again":true}`)
			case r.Method == http.MethodPost && hold.Load():
				_, _ = io.CopyN(io.Discard, r.Body, 10)
				<-held
			default:
				h.ServeHTTP(w, r)
			}
		})
	})
	t.Cleanup(func() { close(held) })
	files := onDisk(t, map[string][]byte{
		"ada.png": smallsystem.Portrait(smallsystem.Ada), "bruno.png": smallsystem.Portrait(smallsystem.Bruno),
		"big.png": append(smallsystem.Portrait(color.RGBA{R: 200, A: 255}), make([]byte, 64<<20)...),
	})
	p := browser.Start(t).Open(s.url+"/upload", browser.Laptop)
	p.Choose(`[data-source="files"]`, files["ada.png"], files["bruno.png"])
	p.WaitFor(rowSays("ada.png", "The disk is full.") + " && " + rowSays("bruno.png", "The disk is full."))
	checks(p)
	full.Store(false)
	p.Press("r")
	p.WaitFor(rowSays("ada.png", "Ada is in this picture") + " && " + rowSays("bruno.png", "Bruno is in this picture"))
	hold.Store(true)
	p.Choose(`[data-source="files"]`, files["big.png"])
	p.WaitFor(rowSays("big.png", "Being sent"))
	p.CheckAccess()
	p.Click(`.upload-row[data-state="sending"] [data-cancel]`)
	p.WaitFor(rowSays("big.png", "Cancelled"))
	if n := s.images(); n != 2 {
		t.Errorf("%d images are stored, want 2", n)
	}
	p.CheckQuiet()
}

// Without JavaScript a form uploads, says what was refused, and the page loads itself again
// until the answer is there.
func TestBrowserUploadsWithoutScript(t *testing.T) {
	t.Parallel()
	s := newEmptySite(t, asAdmin, unwrapped)
	files := onDisk(t, map[string][]byte{"ada.png": smallsystem.Portrait(smallsystem.Ada), "poem.png": []byte("No picture at all.")})
	screen := browser.Laptop
	screen.NoScript = true
	p := browser.Start(t).Open(s.url+"/upload", screen)
	if got := browser.Eval[string](p, `getComputedStyle(document.querySelector(".source")).backgroundColor`); got != "rgba(0, 0, 0, 0)" {
		t.Errorf("around the field is a block of %s", got)
	}
	p.Choose(`input[name="files"]`, files["ada.png"], files["poem.png"])
	p.Click("form.drop button")
	p.WaitFor(`document.querySelector(".alert")?.textContent.includes("poem.png")`)
	p.Click(".alert a")
	p.WaitFor(`document.querySelector(".upload-row .say")?.textContent.includes("Ada is in this picture")`)
	img, err := s.api.GetImage(t.Context(), 1)
	if err != nil || img.FileName != "ada.png" || img.Reason != api.ReasonIdentified {
		t.Errorf("got %+v, %v", img, err)
	}
	p.CheckQuiet()
}
