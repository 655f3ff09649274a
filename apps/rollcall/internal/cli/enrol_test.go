package cli_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/cli"
	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/enrol"
)

func TestEnrol(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	zoe := "Zoe\u0308" // as a Mac writes it
	dir := folder(t, map[string]string{
		"Ada Lovelace/1.jpg": "ada 1", "Ada Lovelace/trip/2.jpg": "ada 2", "Ada Lovelace/.DS_Store": "x",
		"O'Connor/1.jpg": "connor", zoe + "/1.jpg": "zoë", ".hidden/1.jpg": "x", "@eaDir/1.jpg": "x",
		"Thumbs.db": "x", "loose.jpg": "x", `Bobby"; DROP TABLE person;--/1.jpg`: "bobby",
	})
	if err := os.Mkdir(filepath.Join(dir, "Nobody"), 0o755); err != nil {
		t.Fatal(err)
	}
	o.run("enrol", dir).expect(cli.ExitOK, "4 people (4 new), 5 pictures: 5 added",
		"loose.jpg: it is in no person's folder", "Nobody: there is no picture in it", "Ada Lovelace/trip/2.jpg: added")
	want := map[string]int{"Ada Lovelace": 2, "O'Connor": 1, "Zoë": 1, `Bobby"; DROP TABLE person;--`: 1}
	if diff := cmp.Diff(want, o.people()); diff != "" {
		t.Errorf("people (-want +got):\n%s", diff)
	}
	calls := o.eyes.count()
	o.run("enrol", dir).expect(cli.ExitOK, "4 people (0 new), 5 pictures: 5 known already")
	if got := o.eyes.count(); got != calls {
		t.Errorf("what is known already was looked at %d times again", got-calls)
	}
}

func TestEnrolReportsWhatIsRefused(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	dir := folder(t, map[string]string{
		"Ada/1.jpg": "good", "Ada/copy.jpg": "good", "Ada/2.jpg": "small", "Ada/notes.txt": "no picture", "Bob/1.jpg": "no face", "Bob/2.jpg": "",
		"Cy/huge.jpg": strings.Repeat("x", 65<<10), "Cy/1.jpg": "cy",
	})
	r := o.run("enrol", dir).expect(cli.ExitRefused, "2 added", "1 the same as another file", "5 refused",
		"Ada/2.jpg: refused: too_small (the face is 30 pixels wide", "Ada/notes.txt: refused: unsupported_format",
		"Bob/1.jpg: refused: no_face", "Bob/2.jpg: refused: invalid_request", "Cy/huge.jpg: refused: body_too_large", "--accept too_small")
	if strings.Contains(r.out, "--accept too_small,") {
		t.Errorf("only soft reasons can be accepted: %s", r.out)
	}
	o.run("enrol", dir, "--accept", "blurred,too_small").expect(cli.ExitRefused, "1 added", "3 known already",
		"Ada/2.jpg: added in spite of too_small")

	var report enrol.Report
	r = o.run("enrol", dir, "-o", "json").expect(cli.ExitRefused)
	if err := json.Unmarshal([]byte(r.out), &report); err != nil {
		t.Fatalf("%v: %s", err, r.out)
	}
	if report.Counts[enrol.Known] != 4 || report.Counts[enrol.Refused] != 4 || report.Counts[enrol.Failed] != 0 {
		t.Errorf("counts: %v", report.Counts)
	}
	bob := report.People[1]
	if bob.Name != "Bob" || bob.Pictures[0].Refusals[0].Reason != "no_face" || bob.New {
		t.Errorf("Bob: %+v", bob)
	}
}

func TestEnrolDryRun(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.enrol("Old")
	dir := folder(t, map[string]string{"Ada/1.jpg": "good", "Ada/2.jpg": "small", "Old/1.jpg": "old", "Bob/1.jpg": "bob"})
	o.run("enrol", dir, "--dry-run").expect(cli.ExitRefused, "Dry run: nothing is stored.", "3 people (2 new)", "3 would be added", "1 refused")
	if diff := cmp.Diff(map[string]int{"Old": 1}, o.people()); diff != "" {
		t.Errorf("a dry run left (-want +got):\n%s", diff)
	}
}

func TestEnrolTakesOtherSpellings(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.enrol("Ada")
	dir := folder(t, map[string]string{"ADA/1.jpg": "1", "e\u0301a/1.jpg": "2", "\u00e9a/1.jpg": "3"})
	o.run("enrol", dir).expect(cli.ExitOK, "taken for Ada (person 1)", "2 people (1 new), 3 pictures")
	if diff := cmp.Diff(map[string]int{"Ada": 2, "éa": 2}, o.people()); diff != "" {
		t.Errorf("people (-want +got):\n%s", diff)
	}
}

func TestEnrolGoesOn(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	dir := folder(t, map[string]string{"Ada/1.jpg": "1", "Ada/2.jpg": "2", "Bob/1.jpg": "3"})
	var n atomic.Int32
	o.intercept(func(w http.ResponseWriter, req *http.Request) bool {
		// Every other request meets a service that is away; a person is added, but nobody says so.
		return req.Method == http.MethodPost && n.Add(1)%2 == 0 && unavailable(w)
	})
	o.run("enrol", dir).expect(cli.ExitOK, "3 added", "is away; trying again for 1m0s")

	o.intercept(func(w http.ResponseWriter, req *http.Request) bool {
		return strings.HasSuffix(req.URL.Path, "/known-pictures") && req.Method == http.MethodPost && unavailable(w)
	})
	more := folder(t, map[string]string{"Ada/1.jpg": "1", "Ada/3.jpg": "4", "Cy/1.jpg": "5"})
	o.run("enrol", more, "--retry-for", "10ms", "--jobs", "1").
		expect(cli.ExitFailed, "1 known already", "2 not tried", "the database is away", "Run the command again to go on")
	o.intercept(nil)
	o.run("enrol", more).expect(cli.ExitOK, "2 added, 1 known already")
}

func TestEnrolFindsThePersonOfALostAnswer(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	var lost atomic.Bool
	o.intercept(func(w http.ResponseWriter, req *http.Request) bool {
		if req.Method != http.MethodPost || req.URL.Path != "/api/v1/people" || lost.Swap(true) {
			return false
		}
		if _, err := o.store.AddPerson(req.Context(), "Ada"); err != nil {
			t.Error(err)
		}
		return unavailable(w)
	})
	o.run("enrol", folder(t, map[string]string{"Ada/1.jpg": "1"})).expect(cli.ExitOK, "1 added")
}

func TestEnrolStops(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	dir := folder(t, map[string]string{"Ada/1.jpg": "1", "Bob/1.jpg": "2"})
	ctx, cancel := context.WithCancel(t.Context())
	o.intercept(func(w http.ResponseWriter, req *http.Request) bool {
		if !strings.HasSuffix(req.URL.Path, "/known-pictures") {
			return false
		}
		cancel()
		return unavailable(w)
	})
	run(ctx, t, o.env, cli.Streams{}, "enrol", dir, "--dry-run").expect(cli.ExitFailed, "2 not tried", "interrupted")
	if diff := cmp.Diff(map[string]int{}, o.people()); diff != "" {
		t.Errorf("an interrupted dry run left (-want +got):\n%s", diff)
	}
}

func TestEnrolDrawsABar(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	dir := folder(t, map[string]string{"Ada/1.jpg": "1", "Ada/\x1b[31m2.jpg": "2"})
	r := run(t.Context(), t, o.env, cli.Streams{Draws: true}, "enrol", dir, "--jobs", "1")
	r.expect(cli.ExitOK, "[###############...............] 1/2", "2 added")
	if strings.Contains(r.out+r.errors, "\x1b[31m") {
		t.Error("the name of a file reaches the terminal as it is")
	}
}

func TestEnrolOriginal(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	known := folder(t, map[string]string{
		"hannibal_1.jpg": "1", "hannibal_2.jpg": "2", "skarlso_1.jpg": "3", "zoe\u0308.jpg": "4", "spare.jpg": "5", ".DS_Store": "x",
	})
	dump := folder(t, map[string]string{"database_setup.sql": `use kube;
create table person(
    id int not null auto_increment primary key,
    name varchar(255) not null
);
insert into person (name) values('Hannibal');
insert into person (name) values('O''Connor');
insert into person (name) values('Zoë');
insert into person_images (image_name, person_id) values ('hannibal_1.jpg', 1);
insert into person_images (image_name, person_id) values ('hannibal_2.jpg', 1), ('skarlso_1.jpg', 2), ('zoë.jpg', 3);
insert into person_images (image_name, person_id) values ('gone.jpg', 2), ('../secret.jpg', 2), ('spare.jpg', 9), ('hannibal_1.jpg', null);
`})
	o.run("enrol", "--sql", filepath.Join(dump, "database_setup.sql"), "--known", known).expect(cli.ExitOK,
		"3 people (3 new), 4 pictures: 4 added", "gone.jpg: there is no such file", "../secret.jpg: the picture is not below",
		"spare.jpg: the row of person_images names person 9", "hannibal_1.jpg: the row of person_images names no person")
	if diff := cmp.Diff(map[string]int{"Hannibal": 2, "O'Connor": 1, "Zoë": 1}, o.people()); diff != "" {
		t.Errorf("people (-want +got):\n%s", diff)
	}
	o.run("enrol", "--sql", filepath.Join(dump, "other.sql"), "--known", known).expect(cli.ExitFailed, "other.sql")
	o.run("enrol", "--sql", filepath.Join(known, "spare.jpg"), "--known", known).expect(cli.ExitFailed, "inserts nothing into person_images")
}

func TestEnrolWrongUse(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	empty := t.TempDir()
	for name, tt := range map[string]struct {
		args []string
		want string
	}{
		"nothing":       {[]string{"enrol"}, "name the folder"},
		"both":          {[]string{"enrol", empty, "--sql", "x", "--known", "y"}, "either DIR, or --sql"},
		"half":          {[]string{"enrol", "--sql", "x"}, "either DIR, or --sql"},
		"jobs":          {[]string{"enrol", empty, "--jobs", "0"}, "--jobs is 0"},
		"reason":        {[]string{"enrol", empty, "--accept", "ugly"}, `no reason "ugly"`},
		"hard reason":   {[]string{"enrol", empty, "--accept", "no_face"}, `no reason "no_face"`},
		"flag":          {[]string{"enrol", empty, "--fast"}, "unknown flag: --fast"},
		"two folders":   {[]string{"enrol", empty, empty}, "at most 1"},
		"empty folder":  {[]string{"enrol", empty}, "has no folder with pictures"},
		"no folder":     {[]string{"enrol", filepath.Join(empty, "x")}, "list the folder of people"},
		"output format": {[]string{"enrol", empty, "-o", "xml"}, "must be text or json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t.Context(), t, o.env, cli.Streams{}, tt.args...).expect(cli.ExitFailed, tt.want)
		})
	}
}
