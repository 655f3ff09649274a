package measure_test

import (
	"context"
	"errors"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/accuracy/internal/measure"
	"github.com/rollcall-faces/rollcall/apps/internal/doctor"
	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/fake"
)

// Colours at known distances. The fake model's threshold is 0.2 and its margin
// 0.02; 30 of 255 is 0.118, 60 is 0.235.
var (
	red      = color.RGBA{R: 240, G: 30, B: 30}
	reddish  = color.RGBA{R: 240, G: 60, B: 30} // 0.118 from red
	blue     = color.RGBA{R: 15, G: 30, B: 240}
	darkBlue = color.RGBA{R: 15, G: 30, B: 165} // 0.294 from blue
	green    = color.RGBA{R: 30, G: 210, B: 30}
)

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	full := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// whole is the fake's way of looking at a JPEG.
type whole struct{}

func (whole) Recognize(jpeg []byte) ([]engine.PixelFace, error) { return fake.Find(jpeg) }
func (whole) Close()                                            {}

func reference() (measure.Reference, error) { return whole{}, nil }

func run(t *testing.T, dir string) *measure.Report {
	t.Helper()
	var studio fake.Studio
	report, err := measure.Run(t.Context(), measure.Options{Dir: dir, Model: fake.Model(), Open: studio.Open, Reference: reference})
	if err != nil {
		t.Fatal(err)
	}
	if studio.Opened() != studio.Closed() {
		t.Errorf("%d engines opened, %d closed", studio.Opened(), studio.Closed())
	}
	return report
}

func TestPeople(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// Ann's two are alike, and Eve looks like Ann. Bob's two differ.
	write(t, dir, "people/Ann/1.png", fake.Portrait(red))
	write(t, dir, "people/Ann/2.png", fake.Portrait(red))
	write(t, dir, "people/Eve/1.png", fake.Portrait(reddish))
	write(t, dir, "people/Bob/1.png", fake.Portrait(blue))
	write(t, dir, "people/Bob/2.png", fake.Portrait(darkBlue))
	write(t, dir, "people/Gus/1.png", fake.Portrait(green))
	write(t, dir, "people/Gus/two.png", fake.Group(green, red))
	write(t, dir, "people/Gus/none.png", fake.Group())
	write(t, dir, "people/Gus/notes.txt", []byte("notes"))
	write(t, dir, "people/Gus/.hidden", []byte("x"))
	write(t, dir, "people/.rollcall/gallery-1/model/0.seg", []byte("x"))

	got := run(t, dir).People
	want := &measure.People{
		People: 4, Pictures: 9,
		Unusable: []measure.Unusable{
			{Picture: "people/Gus/none.png", Why: "no face found"},
			{Picture: "people/Gus/notes.txt", Why: "the file seems to be text/plain; JPEG, PNG, WebP, GIF, BMP and TIFF can be read"},
			{Picture: "people/Gus/two.png", Why: "several faces found"},
		},
		Figures: doctor.Figures{
			Known:   doctor.Known{Asked: 4, Rank1: 4, Right: 2, Missed: 2},
			Strange: doctor.Strange{Asked: 6, FalseAccept: 3}, // Ann twice for Eve, Eve for Ann
			Pairs:   doctor.Pairs{Same: 2, SameAccepted: 1, Different: 13, DifferentAccepted: 2},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("people (-want +got):\n%s", diff)
	}
	if got := got.Known.FalseRejects(); got != 2 {
		t.Errorf("%d false rejects, want 2", got)
	}
}

func TestMisnamedAndUncertain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// Ann's second picture is far from her first; it is Eve's colour. Of Ida's
	// and Pam's pictures each has one of the other's at the same distance as
	// its own.
	write(t, dir, "people/Ann/1.png", fake.Portrait(red))
	write(t, dir, "people/Ann/2.png", fake.Portrait(green))
	write(t, dir, "people/Eve/1.png", fake.Portrait(green))
	for _, person := range []string{"Ida", "Pam"} {
		write(t, dir, "people/"+person+"/1.png", fake.Portrait(blue))
		write(t, dir, "people/"+person+"/2.png", fake.Portrait(blue))
	}
	got := run(t, dir).People.Known
	// Among pictures at the same distance the name decides who is nearest: Ida.
	want := doctor.Known{Asked: 6, Rank1: 3, Misnamed: 1, Missed: 1, Uncertain: 4}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("known (-want +got):\n%s", diff)
	}
}

func TestDetection(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "groups/three.png", fake.PNG(fake.Draw(1000, 400,
		fake.Face{Box: image.Rect(100, 100, 200, 200), Colour: red},
		fake.Face{Box: image.Rect(400, 100, 500, 200), Colour: blue},
		fake.Face{Box: image.Rect(700, 100, 800, 200), Colour: green},
	)))
	write(t, dir, "groups/nobody.png", fake.Group())
	write(t, dir, "groups/notes.txt", []byte("notes"))
	report := run(t, dir)
	want := []measure.Detection{{
		Folder: "groups", Pictures: 3, Found: 3, Reference: 3, Both: 3,
		Unread: []measure.Unusable{{Picture: "groups/notes.txt", Why: "the file seems to be text/plain; JPEG, PNG, WebP, GIF, BMP and TIFF can be read"}},
	}}
	for i := range report.Detection {
		if d := &report.Detection[i]; d.Time == 0 || d.ReferenceTime == 0 {
			t.Errorf("no time was taken: %+v", d)
		} else {
			d.Time, d.ReferenceTime = 0, 0
		}
	}
	if diff := cmp.Diff(want, report.Detection); diff != "" {
		t.Errorf("detection (-want +got):\n%s", diff)
	}
	if report.People != nil {
		t.Error("there are no people, and yet they were judged")
	}
}

func TestMarkdown(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "people/Ann/1.png", fake.Portrait(red))
	write(t, dir, "people/Ann/2.png", fake.Portrait(red))
	write(t, dir, "bench/1.png", fake.Portrait(red))
	var b strings.Builder
	if err := run(t, dir).WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Model set `fake-1`, threshold 0.20, margin 0.02.",
		"| known people, each picture left out in turn | nearest picture is of the same person (rank 1) | 2 of 2 | 100.0 % |",
		"| strangers, each person left out in turn | named: false accepts | 0 of 0 | – |",
		"| `bench/` | 1 | 1 | 1 | 1 | 0 | 0 | ",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("missing %q in:\n%s", want, b.String())
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	var studio fake.Studio
	opts := measure.Options{Dir: t.TempDir(), Model: fake.Model(), Open: studio.Open, Reference: reference}
	if _, err := measure.Run(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "no pictures") {
		t.Errorf("an empty folder: error %v", err)
	}
	write(t, opts.Dir, "people/Ann/1.png", fake.Portrait(red))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := measure.Run(ctx, opts); !errors.Is(err, context.Canceled) {
		t.Errorf("given up: error %v", err)
	}
}
