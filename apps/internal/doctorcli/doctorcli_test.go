package doctorcli_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/commandtest"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
	"github.com/rollcall-faces/rollcall/apps/internal/doctor"
	"github.com/rollcall-faces/rollcall/apps/internal/doctorcli"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
)

// Colours and their distances: 0.118 within a person, far between people. The
// fake model's threshold is 0.2.
var (
	red      = color.RGBA{R: 240, G: 30, B: 30}
	reddish  = color.RGBA{R: 240, G: 60, B: 30}
	blue     = color.RGBA{R: 15, G: 30, B: 240}
	blueish  = color.RGBA{R: 15, G: 60, B: 240}
	greenish = color.RGBA{R: 30, G: 210, B: 60}
)

// rows implements Tables in memory.
type rows struct {
	people []faces.Person
	images []faces.KnownImage
	err    error
	closed bool
}

func (r *rows) People(context.Context) ([]faces.Person, error)          { return r.people, r.err }
func (r *rows) KnownImages(context.Context) ([]faces.KnownImage, error) { return r.images, r.err }
func (r *rows) Close() error                                            { r.closed = true; return nil }

// clinic is a program with a command doctor.
type clinic struct {
	known  string
	studio fakeengine.Studio
	tables *rows // nil for none
}

func newClinic(t *testing.T) *clinic {
	t.Helper()
	c := &clinic{known: t.TempDir()}
	c.studio.Recognize = func(jpeg []byte) ([]engine.PixelFace, error) {
		found, err := fakeengine.Find(jpeg)
		for i := range found {
			found[i].Sharpness = 0.9
		}
		return found, err
	}
	return c
}

// portrait returns a picture with one face that is large enough.
func portrait(c color.RGBA) []byte {
	return fakeengine.PNG(fakeengine.Draw(112, 112, fakeengine.Face{Box: image.Rect(16, 16, 96, 96), Colour: c}))
}

func (c *clinic) add(t *testing.T, name string, content []byte) {
	t.Helper()
	file := filepath.Join(c.known, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func (c *clinic) spec() command.Spec {
	return doctorcli.Spec(doctorcli.Program{
		Name:  "clinic",
		Flags: func(f *flag.FlagSet) { f.Bool("white", false, "wear white") },
		Read: func(r *config.Reader) (recognizer.Options, func() (doctorcli.Tables, error)) {
			opts := recognizer.ReadKnownOptions(r)
			if c.tables == nil {
				return opts, nil
			}
			return opts, func() (doctorcli.Tables, error) { return c.tables, nil }
		},
		Models: func(context.Context, recognizer.Options) (faces.Model, func() (engine.Engine, error), error) {
			return fakeengine.Model(), c.studio.Open, nil
		},
	})
}

// run runs the command with JSON output. It returns, by kind, the first
// picture or person of each finding.
func (c *clinic) run(t *testing.T, wantCode int, args ...string) (found map[doctor.Kind][]string, report doctor.Report) {
	t.Helper()
	code, stdout, stderr := commandtest.Run(t, c.spec(), map[string]string{"KNOWN_PEOPLE": c.known}, append(args, "-json")...)
	if code != wantCode {
		t.Fatalf("exit code %d, want %d; stderr %s", code, wantCode, stderr)
	}
	if c.studio.Opened() != c.studio.Closed() {
		t.Errorf("%d engines opened, %d closed", c.studio.Opened(), c.studio.Closed())
	}
	if code == doctorcli.ExitFailed {
		return nil, report
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatalf("%v in: %s", err, stdout)
	}
	found = map[doctor.Kind][]string{}
	for _, f := range report.Findings {
		found[f.Kind] = append(found[f.Kind], append(f.Pictures, f.People...)[0])
	}
	return found, report
}

func (c *clinic) addTwoPeople(t *testing.T) {
	t.Helper()
	c.add(t, "Ann/1.png", portrait(red))
	c.add(t, "Ann/2.png", portrait(reddish))
	c.add(t, "Bob/1.png", portrait(blue))
	c.add(t, "Bob/2.png", portrait(blueish))
}

func TestHealthy(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	c.addTwoPeople(t)
	found, report := c.run(t, doctorcli.ExitHealthy)
	if len(found) != 0 || report.People != 2 || report.Filed.Known != (doctor.Known{Asked: 4, Rank1: 4, Right: 4}) {
		t.Errorf("found %v in %+v", found, report)
	}
}

func TestPlantedFaults(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	c.addTwoPeople(t)
	c.add(t, "Bob/copy of Ann.png", portrait(red))
	c.add(t, "Ann/none.png", fakeengine.Group())
	c.add(t, "Ann/two.png", fakeengine.Group(red, greenish))
	c.add(t, "Ann/notes.txt", []byte("notes"))
	c.add(t, "Gus/none.png", fakeengine.Group())
	c.add(t, "Bob/small.png", fakeengine.PNG(fakeengine.Draw(112, 112, fakeengine.Face{Box: image.Rect(32, 32, 72, 72), Colour: blue})))
	c.add(t, "loose.png", portrait(greenish))
	c.add(t, ".hidden.png", portrait(greenish))
	found, _ := c.run(t, doctorcli.ExitFindings)
	for kind, want := range map[doctor.Kind]string{
		doctor.Shared: "Ann/1.png", doctor.NoFace: "Ann/none.png Gus/none.png", doctor.SeveralFaces: "Ann/two.png",
		doctor.Unreadable: "Ann/notes.txt", doctor.NoUsablePicture: "Gus/none.png", doctor.Nobodys: "loose.png", doctor.Missing: "",
		doctor.Small: "Bob/small.png",
	} {
		if got := strings.Join(found[kind], " "); got != want {
			t.Errorf("%s: got %q, want %q", kind, got, want)
		}
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	c.add(t, "1.png", portrait(red))
	c.add(t, "2.png", portrait(reddish))
	c.add(t, "3.png", portrait(blue))
	c.add(t, "4.png", portrait(blueish))
	c.add(t, "Ann/5.png", portrait(greenish)) // a folder that no row names
	ann, bob, eve := faces.Person{ID: 7, Name: "Ann"}, faces.Person{ID: 9, Name: "Bob"}, faces.Person{ID: 11, Name: "Eve"}
	c.tables = &rows{people: []faces.Person{ann, bob, eve}, images: []faces.KnownImage{
		{ID: 1, Name: "1.png", PersonID: ann.ID}, {ID: 2, Name: "2.png", PersonID: ann.ID}, {ID: 3, Name: "2.png", PersonID: ann.ID},
		{ID: 4, Name: "3.png", PersonID: bob.ID}, {ID: 5, Name: "4.png", PersonID: bob.ID}, {ID: 6, Name: "4.png", PersonID: ann.ID},
		{ID: 7, Name: "gone.png", PersonID: bob.ID}, {ID: 8, Name: "Ann/5.png", PersonID: 4711},
	}}
	found, report := c.run(t, doctorcli.ExitFindings)
	for kind, want := range map[doctor.Kind]string{
		doctor.TwoOwners: "4.png", doctor.Missing: "gone.png", doctor.Nobodys: "Ann/5.png", doctor.NoUsablePicture: "Eve",
	} {
		if got := strings.Join(found[kind], " "); got != want {
			t.Errorf("%s: got %q, want %q", kind, got, want)
		}
	}
	if report.People != 2 || report.Filed.Known.Right != 4 || !c.tables.closed {
		t.Errorf("people %d, known %+v, tables closed %v", report.People, report.Filed.Known, c.tables.closed)
	}
	c.tables.err = errors.New("away")
	c.run(t, doctorcli.ExitFailed)
}

func TestPeopleFile(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	c.add(t, "1.png", portrait(red))
	c.add(t, "2.png", portrait(reddish))
	file := filepath.Join(t.TempDir(), "people.csv")
	for _, test := range []struct {
		name, text string
		code       int
		people     int
	}{
		{"with a header", "image,person\n1.png,Ann\n2.png, Ann \n", doctorcli.ExitHealthy, 1},
		{"without", "1.png,Ann\n2.png,\"Ann\"\n", doctorcli.ExitHealthy, 1},
		{"as mysql writes it", "image_name\tname\n1.png\tAnn \"A\", x\n2.png\tAnn \"A\", x\n", doctorcli.ExitHealthy, 1},
		{"two people", "1.png,Ann\n2.png,Bob\n", doctorcli.ExitFindings, 2},
		{"three columns", "1.png,Ann,x\n", doctorcli.ExitFailed, 0},
		{"empty", "", doctorcli.ExitFailed, 0},
		{"an empty name", "1.png,\n", doctorcli.ExitFailed, 0},
	} {
		if err := os.WriteFile(file, []byte(test.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, report := c.run(t, test.code, "-people", file); report.People != test.people {
			t.Errorf("%s: %d people, want %d", test.name, report.People, test.people)
		}
	}
	c.run(t, doctorcli.ExitFailed, "-people", file+".gone")
}

// The doctor uses the rule that the deployment uses.
func TestRuleOfTheDeployment(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	c.addTwoPeople(t)
	code, stdout, stderr := commandtest.Run(t, c.spec(), map[string]string{
		"KNOWN_PEOPLE": c.known, "ROLLCALL_THRESHOLD": "0.1", "ROLLCALL_MARGIN": "0.05",
	})
	if code != doctorcli.ExitHealthy || !strings.Contains(stdout, "threshold 0.10, margin 0.05.") || !strings.Contains(stdout, "4 of 4 (100 %)") {
		t.Errorf("exit code %d, stdout %s, stderr %s", code, stdout, stderr)
	}
	code, stdout, stderr = commandtest.Run(t, c.spec(), map[string]string{"KNOWN_PEOPLE": c.known, "ROLLCALL_THRESHOLD": "0.1"},
		"-threshold", "0.3", "-margin", "0.07", "-engines", "1")
	if code != doctorcli.ExitHealthy || !strings.Contains(stdout, "threshold 0.30, margin 0.07.") {
		t.Errorf("with flags: exit code %d, stdout %s, stderr %s", code, stdout, stderr)
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	c := newClinic(t)
	for name, args := range map[string][]string{
		"unknown flag": {"-nonsense"}, "argument": {"now"}, "a share of 1": {"-far", "1"}, "no share": {"-far", "few"},
	} {
		code, _, stderr := commandtest.Run(t, c.spec(), nil, args...)
		if code != doctorcli.ExitFailed || !strings.Contains(stderr, "-h") {
			t.Errorf("%s: exit code %d, stderr %q", name, code, stderr)
		}
	}
	code, stdout, _ := commandtest.Run(t, c.spec(), nil, "-h")
	for _, want := range []string{"KNOWN_PEOPLE", "ROLLCALL_THRESHOLD", "-people file", "-white", "Exit code"} {
		if code != command.ExitOK || !strings.Contains(stdout, want) {
			t.Errorf("exit code %d; %q is not in: %s", code, want, stdout)
		}
	}
	if code, _, stderr := commandtest.Run(t, c.spec(), map[string]string{"KNOWN_PEOPLE": filepath.Join(c.known, "gone")}); code != doctorcli.ExitFailed || !strings.Contains(stderr, "KNOWN_PEOPLE") {
		t.Errorf("without a folder: exit code %d, stderr %q", code, stderr)
	}
}
