package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/wait"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/cli"
)

func TestPost(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.run("post", "a.jpg", "party/b.jpg").expect(cli.ExitOK, "/unknown_people/a.jpg  queued", "/unknown_people/party/b.jpg  queued")
	o.run("post", "c.jpg", "../d.jpg").expect(cli.ExitRefused, "/unknown_people/c.jpg", "refused  ../d.jpg: path_not_allowed")
	o.run("post").expect(cli.ExitFailed, "requires at least 1 arg", "rollcall post -h")

	var paths strings.Builder
	for i := range 250 {
		fmt.Fprintf(&paths, "many/%d.jpg\r\n\n", i)
	}
	r := run(t.Context(), t, o.env, cli.Streams{In: strings.NewReader(paths.String())}, "post", "first.jpg", "-", "-o", "json").expect(cli.ExitOK)
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	var last api.PostedEntry
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || len(lines) != 251 || last.Path != "/unknown_people/many/249.jpg" {
		t.Errorf("%d lines, the last is %+v, %v", len(lines), last, err)
	}
}

func TestPostWaits(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.enrol("Ada", "Bruno")
	ada, gone := o.post("a.jpg"), o.post("b.jpg")
	o.see(ada, seen(0, "Ada.jpg", 0.25), seen(100))
	var asked atomic.Int32
	o.intercept(func(_ http.ResponseWriter, req *http.Request) bool {
		if req.URL.Path == fmt.Sprintf("/api/v1/images/%d", gone) && asked.Add(1) == 2 { // it has waited once
			o.finish(gone, faces.Failure(faces.Fault(faces.NotFound, "there is no such file")))
		}
		return false
	})
	o.run("post", "--wait", "--poll", "1ms", "a.jpg", "b.jpg").expect(cli.ExitRefused,
		"a.jpg  identified", "at 0,0 (40×40): Ada", "nobody known", "b.jpg  not_found: there is no such file")
	o.run("post", "--wait", "a.jpg").expect(cli.ExitOK)
}

func TestPostToAnOlderReceiver(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.intercept(func(w http.ResponseWriter, req *http.Request) bool {
		if req.URL.Path != "/images/post" {
			return false
		}
		http.NotFound(w, req)
		return true
	})
	o.run("post", "a.jpg", "../b.jpg", "c.jpg").expect(cli.ExitRefused, "a.jpg  queued", "refused  ../b.jpg", "c.jpg  queued")
}

func TestImages(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.enrol("Ada", "Bruno", "Cleo")
	for i := range 5 {
		o.post(fmt.Sprintf("%d.jpg", i))
	}
	o.see(1, seen(0, "Ada.jpg", 0.25), seen(100, "Bruno.jpg", 0.25))
	o.see(2)
	o.run("images").expect(cli.ExitOK, "identified  Ada, Bruno", "/unknown_people/0.jpg", "no_face", "queued")
	for name, tt := range map[string]struct {
		args []string
		want []int64
	}{
		"newest first": {nil, []int64{5, 4, 3, 2, 1}},
		"oldest first": {[]string{"--oldest", "--limit", "2"}, []int64{1, 2}},
		"all":          {[]string{"--limit", "0"}, []int64{5, 4, 3, 2, 1}},
		"person":       {[]string{"--person", "Ada"}, []int64{1}},
		"reason":       {[]string{"--reason", "no_face", "--status", "pending"}, []int64{2}},
		"path":         {[]string{"--path", "/3.J"}, []int64{4}},
		"nothing":      {[]string{"--person-id", "3"}, []int64{}},
	} {
		var list api.ImageList
		r := o.run(append([]string{"images", "-o", "json"}, tt.args...)...).expect(cli.ExitOK)
		if err := json.Unmarshal([]byte(r.out), &list); err != nil {
			t.Fatalf("%v: %s", err, r.out)
		}
		got := []int64{}
		for _, img := range list.Images {
			got = append(got, img.ID)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	o.run("images", "1").expect(cli.ExitOK, "1  /unknown_people/0.jpg  identified", "face 1 at 0,0")
	o.run("images", "99").expect(cli.ExitFailed, "404")
	o.run("images", "x").expect(cli.ExitFailed, `"x" is not an id`)
	o.run("images", "--status", "strange").expect(cli.ExitFailed, "strange")
	o.run("images", "--limit", "-1").expect(cli.ExitFailed, "--limit is -1")
}

func TestRetry(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.post("a.jpg")
	o.post("b.jpg")
	for id := range int64(2) {
		o.finish(id+1, faces.Failure(faces.Fault(faces.NotFound, "there is no such file")))
	}
	o.run("retry", "1").expect(cli.ExitOK, "1 image will be processed again")
	o.run("retry", "--status", "failed", "--path", "B.jpg").expect(cli.ExitOK, "1 image will")
	o.run("retry", "--reason", "not_found", "-o", "json").expect(cli.ExitOK, `"images": 0`)
	o.run("retry").expect(cli.ExitFailed, "name ids or a filter")
}

func TestDelete(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for i := range 6 {
		o.post(fmt.Sprintf("%d.jpg", i))
	}
	left := func() int {
		list, err := o.api.ListImages(t.Context(), api.ListImagesParams{})
		if err != nil {
			t.Fatal(err)
		}
		return len(list.Images)
	}
	o.run("delete", "1", "2", "99", "--dry-run", "-o", "json").expect(cli.ExitOK, `"images": 2`, `"dry_run": true`)
	o.run("delete", "1", "2").expect(cli.ExitFailed, "2 images will be deleted", "nothing was changed", "--yes")
	o.answer("n\n", "delete", "1", "2").expect(cli.ExitFailed, "nothing was changed")
	if n := left(); n != 6 {
		t.Errorf("%d images are left, want 6", n)
	}
	o.answer("y\n", "delete", "1", "2").expect(cli.ExitOK, "Deleted 2 images.")
	o.run("delete", "--path", "3.JPG", "--limit", "5", "--yes").expect(cli.ExitOK, "Deleted 1 image.")
	o.run("delete", "--reason", "not_found", "--all").expect(cli.ExitOK, "Deleted 0 images.")
	o.run("delete", "--created-before", "2001-01-01", "--all", "--yes").expect(cli.ExitOK, "Deleted 0 images.")
	o.answer("y\n", "delete", "--all").expect(cli.ExitOK, "3 images will be deleted", "Deleted 3 images.")
	for _, wrong := range [][]string{{}, {"--status", "failed"}, {"1", "--all"}, {"x"}, {"--all", "--created-before", "yesterday"}} {
		o.run(append([]string{"delete", "--yes"}, wrong...)...).expect(cli.ExitFailed, "rollcall delete -h")
	}
	o.run("delete", "--all", "--limit", "3", "--yes").expect(cli.ExitFailed, `send either "all" or "limit"`)
}

func TestWatch(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.enrol("Ada")
	old := o.post("old.jpg")
	o.see(old)
	waits := o.post("waits.jpg")
	looks := 0
	o.intercept(func(_ http.ResponseWriter, req *http.Request) bool {
		if req.URL.Path != "/api/v1/images" {
			return false
		}
		if looks++; looks == 2 { // it has begun
			o.see(waits)
			for _, path := range []string{"/unknown_people/new.jpg", "/unknown_people/newer.jpg"} {
				if _, err := o.store.AddImages(req.Context(), []string{path}); err != nil {
					t.Error(err)
				}
			}
			o.see(waits+1, seen(0, "Ada.jpg", 0.25))
		} else if looks == 3 {
			o.see(waits + 2)
		}
		return false
	})
	r := o.run("watch", "--poll", "1ms", "--count", "3").expect(cli.ExitOK, "waits.jpg  no_face", "new.jpg  identified", ": Ada", "newer.jpg  no_face")
	if strings.Contains(r.out, "old.jpg") {
		t.Errorf("an old answer is shown: %s", r.out)
	}
	o.run("watch", "--poll", "0s").expect(cli.ExitFailed, "--poll is 0s")
}

func TestPeople(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.run("people", "add", "Ada").expect(cli.ExitOK, "1  Ada, 0 known pictures")
	o.run("people", "add", "ada").expect(cli.ExitFailed, "409")
	o.run("people", "add", "42").expect(cli.ExitOK, "2  42")
	o.run("people", "rename", "Ada", "Ada Lovelace").expect(cli.ExitFailed, "Person 1, Ada, gets the name Ada Lovelace.", "--yes")
	o.answer("n\n", "people", "rename", "Ada", "Ada Lovelace").expect(cli.ExitFailed, "nothing was changed")
	o.answer("y\n", "people", "rename", "Ada", "Ada Lovelace").expect(cli.ExitOK, "1  Ada Lovelace")
	o.run("people", "rename", "name:42", "O'Connor", "--yes").expect(cli.ExitOK, "2  O'Connor")
	o.run("people", "hide", "Ada Lovelace").expect(cli.ExitOK, "hidden")
	o.run("people", "hide", "1").expect(cli.ExitOK, "hidden")
	if r := o.run("people", "list").expect(cli.ExitOK, "O'Connor"); strings.Contains(r.out, "Ada") {
		t.Errorf("hidden people are listed: %s", r.out)
	}
	o.run("people", "list", "--hidden", "all", "--name", "LOVE").expect(cli.ExitOK, "Ada Lovelace", "hidden")
	o.run("people", "show", "Ada Lovelace").expect(cli.ExitOK, "1  Ada Lovelace, 0 known pictures\n")
	o.run("people", "info", "Nobody").expect(cli.ExitFailed, `nobody with the name "Nobody"`)
	o.run("people", "info", "99").expect(cli.ExitFailed, "404")
	o.run("people", "delete", "2", "--yes").expect(cli.ExitOK, "O'Connor is deleted")
	o.run("people", "list", "-o", "json").expect(cli.ExitOK, `"name": "Ada Lovelace"`)
}

func TestMerge(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.enrol("Ada", "Ada Lovelace")
	o.run("people", "merge", "Ada Lovelace", "Ada").expect(cli.ExitFailed, "--yes", "1 known picture becomes person 2")
	o.run("people", "merge", "Ada Lovelace", "Ada", "--name", "Ada King", "--yes").
		expect(cli.ExitOK, "2  Ada King, 2 known pictures", "rollcall people undo-merge 1")
	o.run("people", "info", "Ada King").expect(cli.ExitOK, ": Ada.jpg", "merge 1: Ada (person 1) became")
	o.run("people", "undo-merge", "1").expect(cli.ExitFailed, "--yes")
	o.run("people", "undo-merge", "1", "-y").expect(cli.ExitOK, "1  Ada, 1 known picture", "undone")
	o.run("people", "undo-merge", "1", "-y").expect(cli.ExitFailed, "409")
	o.run("people", "info", "Ada Lovelace", "-o", "json").expect(cli.ExitOK, `"undone_at": "2`) // her name is back, too
}

// A bad face is asked about if somebody is near, and not otherwise.
func TestReviewOfBadFaces(t *testing.T) {
	t.Parallel()
	strict := model
	strict.ID, strict.Floors.Size = "m2", 50
	for _, tt := range []struct {
		name     string
		distance float64
		want     string
	}{
		{"near", 0.3, "1 yes"},
		{"far", 0.9, "0 yes, 0 no, 0 skipped"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.enrol("Ada")
			if err := o.store.UseModel(t.Context(), strict); err != nil {
				t.Fatal(err)
			}
			bad := seen(0, "Ada.jpg", tt.distance)
			bad.Quality = faces.Quality{Score: 0.5, Size: 20, Sharpness: 0.8, Detection: 0.9}
			o.seeBy(strict, o.post("a.jpg"), bad)
			o.answer("y\n", "review", "--status", "pending").expect(cli.ExitOK, tt.want)
		})
	}
}

// Somebody else changes the person between what is shown and what is done.
func TestPeopleWhoChangedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"rename": {"people", "rename", "1", "New", "--yes"},
		"delete": {"people", "delete", "1", "--yes"},
		"merge":  {"people", "merge", "2", "1", "--yes"},
		"into":   {"people", "merge", "1", "2", "--yes"},
		"erase":  {"erase", "1", "--yes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.enrol("Ada", "Bob")
			o.intercept(func(_ http.ResponseWriter, req *http.Request) bool {
				if req.Method != http.MethodGet {
					hidden := true
					if _, err := o.store.ChangePerson(req.Context(), 1, faces.AnyVersion, faces.ProfileChange{Hidden: &hidden}); err != nil {
						t.Error(err)
					}
				}
				return false
			})
			o.run(args...).expect(cli.ExitFailed, "412", "Somebody changed it meanwhile")
			if diff := cmp.Diff(map[string]int{"Ada": 1, "Bob": 1}, o.people()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestKnown(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.run("people", "add", "Ada").expect(cli.ExitOK)
	dir := folder(t, map[string]string{"1.jpg": "1", "2.jpg": "small", "3.jpg": "no picture"})
	at := func(name string) string { return filepath.Join(dir, name) }
	o.run("known", "add", "Ada", at("1.jpg"), at("2.jpg"), at("3.jpg")).expect(cli.ExitRefused,
		"1.jpg: known picture 1", "2.jpg: refused: picture_refused (the face is 30", "3.jpg: refused: unsupported_format")
	o.run("known", "add", "Ada", at("2.jpg"), "--accept", "too_small", "--dry-run").expect(cli.ExitOK, "would be taken")
	o.run("known", "add", "Ada", at("2.jpg"), "--accept", "too_small", "-o", "json").expect(cli.ExitOK, `"reason":"too_small"`)
	o.run("known", "add", "Ada", at("2.jpg"), "--accept", "ugly").expect(cli.ExitFailed, `"ugly"`)
	o.run("known", "add", "Ada", at("gone.jpg")).expect(cli.ExitFailed, "gone.jpg")
	o.run("known", "add", "Bob", at("1.jpg")).expect(cli.ExitFailed, "nobody with the name")

	if err := os.WriteFile(filepath.Join(o.known, "there.jpg"), []byte("there"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.run("known", "add", "Ada", "there.jpg", "--on-server").expect(cli.ExitOK, "known picture 3")
	o.run("known", "list", "Ada").expect(cli.ExitOK, "upload", "there.jpg")
	o.run("known", "delete", "Ada", "1").expect(cli.ExitFailed, "--yes")
	o.run("known", "delete", "Ada", "1", "--yes").expect(cli.ExitOK, "Known picture 1 is deleted")
	o.run("known", "delete", "Ada", "1", "--yes").expect(cli.ExitFailed, "404")
	if diff := cmp.Diff(map[string]int{"Ada": 2}, o.people()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReview(t *testing.T) {
	t.Parallel()
	unsure := seen(0, "Ada.jpg", 0.3, "Bruno.jpg", 0.35)
	for _, tt := range []struct {
		name, lines string
		want        string // who the face is in the end
		texts       []string
	}{
		{"yes", "y\n", "Ada", []string{"Is it Ada?", "1 yes, 0 no, 0 skipped."}},
		{"no", "n\n", "Bruno", []string{"0 yes, 1 no"}},
		{"skip", "s\n", "", []string{"1 skipped"}},
		{"quit", "q\n", "", []string{"0 yes, 0 no, 0 skipped"}},
		{"the end of the input", "", "", []string{"0 yes, 0 no, 0 skipped"}},
		{"a word that is none", "perhaps\nYES\n", "Ada", []string{"Please answer y, n, s, u or q."}},
		{"nothing to undo", "u\ns\n", "", []string{"There is nothing to undo."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.enrol("Ada", "Bruno")
			o.see(o.post("a.jpg"), unsure)
			o.answer(tt.lines, "review").expect(cli.ExitOK, tt.texts...)
			if got := o.person(1); got != tt.want {
				t.Errorf("it is %q, want %q", got, tt.want)
			}
		})
	}
}

// person returns who the first face of an image is.
func (o *office) person(image int64) string {
	o.t.Helper()
	img, err := o.api.GetImage(o.t.Context(), image)
	if err != nil {
		o.t.Fatal(err)
	}
	if p := img.Faces[0].Person; p != nil {
		return p.Name
	}
	return ""
}

func TestReviewUndo(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.enrol("Ada", "Bruno")
	for _, path := range []string{"a.jpg", "b.jpg"} {
		o.see(o.post(path), seen(0, "Ada.jpg", 0.3, "Bruno.jpg", 0.35))
	}
	// Newest first: b.jpg is Ada; no, undone: it is not her. a.jpg is skipped.
	o.answer("y\nu\nn\ns\n", "review").expect(cli.ExitOK, "Undone: /unknown_people/b.jpg", "0 yes, 1 no, 1 skipped")
	if got := []string{o.person(1), o.person(2)}; !cmp.Equal(got, []string{"", "Bruno"}) {
		t.Errorf("people: %q", got)
	}
}

// The quickest to confirm comes first, however old it is.
func TestReviewOrder(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.enrol("Ada", "Bruno", "Cy")
	o.see(o.post("a.jpg"), seen(0, "Ada.jpg", 0.3, "Cy.jpg", 0.36))
	o.see(o.post("b.jpg"), seen(0, "Bruno.jpg", 0.3, "Cy.jpg", 0.31))
	o.answer("y\nq\n", "review").expect(cli.ExitOK, "Is it Ada?", "Is it Bruno?", "1 yes")
	if got := []string{o.person(1), o.person(2)}; !cmp.Equal(got, []string{"Ada", ""}) {
		t.Errorf("people: %q", got)
	}
}

func TestSeveralFacesAreReviewedOneByOne(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.enrol("Ada", "Bruno", "Cy", "Dora")
	o.see(o.post("a.jpg"), seen(0, "Ada.jpg", 0.3, "Bruno.jpg", 0.35), seen(100, "Cy.jpg", 0.3, "Dora.jpg", 0.35))
	o.answer("y\ny\n", "review", "--path", "a.jpg").expect(cli.ExitOK, "Is it Ada?", "Is it Cy?", "2 yes")
}

func TestSettings(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	var keys atomic.Value
	o.intercept(func(w http.ResponseWriter, req *http.Request) bool {
		keys.Store(req.Header.Get("Authorization"))
		return nobody(w)
	})
	dir := folder(t, map[string]string{
		"key": "  secret-of-the-file\n", "other": "secret-of-the-environment", "bad": "two words", "empty": "\n",
		"rollcall/config.yaml":       "server: " + o.url + "\nkey_file: ../key\n",
		"wrong/rollcall/config.yaml": "server: " + o.url + "\nkey: secret-in-settings\n",
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, tt := range []struct {
		name string
		env  map[string]string
		args []string
		code int
		key  string
		text string
	}{
		{"file", map[string]string{"XDG_CONFIG_HOME": dir}, nil, cli.ExitOK, "secret-of-the-file", ""},
		{"environment first", map[string]string{"XDG_CONFIG_HOME": dir, "ROLLCALL_KEY_FILE": at("other")}, nil, cli.ExitOK, "secret-of-the-environment", ""},
		{"flag first", map[string]string{"XDG_CONFIG_HOME": dir, "ROLLCALL_KEY_FILE": at("bad")}, []string{"--key-file", at("key")}, cli.ExitOK, "secret-of-the-file", ""},
		{"no file", map[string]string{"HOME": dir, "ROLLCALL_SERVER": o.url}, nil, cli.ExitOK, "", ""},
		{"unknown field", map[string]string{"XDG_CONFIG_HOME": at("wrong")}, nil, cli.ExitFailed, "", "the fields are server and key_file"},
		{"bad key", map[string]string{"ROLLCALL_SERVER": o.url, "ROLLCALL_KEY_FILE": at("bad")}, nil, cli.ExitFailed, "", "does not contain one API key"},
		{"empty key", map[string]string{"ROLLCALL_SERVER": o.url, "ROLLCALL_KEY_FILE": at("empty")}, nil, cli.ExitFailed, "", "does not contain one API key"},
		{"no key file", map[string]string{"ROLLCALL_SERVER": o.url, "ROLLCALL_KEY_FILE": at("gone")}, nil, cli.ExitFailed, "", "read the API key"},
		{"no address", nil, []string{"--server", "receiver:8000"}, cli.ExitFailed, "", "it must be an address such as http://127.0.0.1:8000"},
		{"no host", map[string]string{"ROLLCALL_SERVER": "http://:8000"}, nil, cli.ExitFailed, "", "it must be an address such as http://127.0.0.1:8000"},
		{"no host but brackets", nil, []string{"--server", "http://[]:8000/"}, cli.ExitFailed, "", "it must be an address such as http://127.0.0.1:8000"},
		{"no host and no port", nil, []string{"--server", "https:///api"}, cli.ExitFailed, "", "it must be an address such as http://127.0.0.1:8000"},
		{"password in the address", nil, []string{"--server", "http://me:secret-in-url@host"}, cli.ExitFailed, "", "put the API key into a file"},
		{"nobody there", nil, []string{"--server", "http://127.0.0.1:1", "--retry-for", "0s"}, cli.ExitFailed, "", "Does the server run there?"},
	} {
		keys.Store("")
		r := run(t.Context(), t, tt.env, cli.Streams{}, append([]string{"people", "list"}, tt.args...)...).expect(tt.code, tt.text)
		if got := strings.TrimPrefix(keys.Load().(string), "Bearer "); got != tt.key {
			t.Errorf("%s: key %q, want %q", tt.name, got, tt.key)
		}
		for _, secret := range []string{"secret-", "two words"} {
			if strings.Contains(r.out+r.errors, secret) {
				t.Errorf("%s: the output tells a secret: %s", tt.name, r.errors)
			}
		}
	}
}

// A key goes to nobody but the server, and a new one is taken up at once.
func TestKeyStaysWithTheServer(t *testing.T) {
	t.Parallel()
	o, other := newOffice(t), newOffice(t)
	file := filepath.Join(folder(t, map[string]string{"key": "first"}), "key")
	o.env["ROLLCALL_KEY_FILE"] = file
	got := map[string]string{}
	other.intercept(func(w http.ResponseWriter, req *http.Request) bool {
		got["other"] = req.Header.Get("Authorization")
		return nobody(w)
	})
	o.intercept(func(w http.ResponseWriter, req *http.Request) bool {
		got["server"] = req.Header.Get("Authorization")
		http.Redirect(w, req, other.url+req.URL.RequestURI(), http.StatusTemporaryRedirect)
		return true
	})
	o.run("people", "list").expect(cli.ExitOK)
	if diff := cmp.Diff(map[string]string{"server": "Bearer first", "other": ""}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	asked := 0
	o.intercept(func(w http.ResponseWriter, req *http.Request) bool {
		got["server"] = req.Header.Get("Authorization")
		if asked++; asked > 1 {
			return nobody(w)
		}
		if err := os.WriteFile(file, []byte("second"), 0o600); err != nil {
			t.Error(err)
		}
		return unavailable(w)
	})
	o.run("people", "list").expect(cli.ExitOK)
	if got["server"] != "Bearer second" {
		t.Errorf("sent %q after the key was replaced", got["server"])
	}
	o.intercept(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(http.StatusUnauthorized); return true })
	o.run("people", "list").expect(cli.ExitFailed, "The server wants an API key")
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		code int
	}{
		"post":  {[]string{"post", "--wait", "a.jpg"}, cli.ExitFailed},
		"watch": {[]string{"watch"}, cli.ExitOK}, // how it ends
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.post("a.jpg")
			var asked atomic.Bool
			o.intercept(func(http.ResponseWriter, *http.Request) bool { asked.Store(true); return false })
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan outcome)
			go func() { done <- run(ctx, t, o.env, cli.Streams{}, tt.args...) }()
			wait.Until(t, "it has asked", asked.Load)
			cancel()
			(<-done).expect(tt.code)
		})
	}
}
