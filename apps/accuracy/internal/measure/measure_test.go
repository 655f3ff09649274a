package measure_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/accuracy/internal/measure"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
)

func TestInterval(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		rate      measure.Rate
		low, high float64
	}{
		{"no cases", measure.Rate{}, 0, 1},
		{"no event: the rule of three", measure.Rate{Of: 300}, 0, 0.01},
		{"no event in one case", measure.Rate{Of: 1}, 0, 1},
		{"all events: the rule of three", measure.Rate{Events: 100, Of: 100}, 0.97, 1},
		{"half", measure.Rate{Events: 5, Of: 10}, 0.2366, 0.7634},
		{"Wilson's for few events", measure.Rate{Events: 1, Of: 100}, 0.0018, 0.0545},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			low, high := c.rate.Interval()
			if math.Abs(low-c.low) > 5e-5 || math.Abs(high-c.high) > 5e-5 {
				t.Errorf("%.4f to %.4f, want %.4f to %.4f", low, high, c.low, c.high)
			}
		})
	}
}

func TestPropose(t *testing.T) {
	t.Parallel()
	curve := func(named ...int) (points []measure.Point) {
		for i, n := range named {
			points = append(points, measure.Point{Threshold: 0.1 * float64(i+1), StrangersNamed: measure.Rate{Events: n, Of: 1000}})
		}
		return points
	}
	for _, c := range []struct {
		name      string
		points    []measure.Point
		wanted    float64
		threshold float64 // 0: none
		shown     bool
	}{
		{"the largest that keeps the share", curve(0, 0, 1, 5), 0.001, 0.3, false},
		{"many strangers show it", curve(0, 0, 1, 5), 0.01, 0.4, false},
		{"none named is less than three in a thousand", curve(0, 0, 40), 0.003, 0.2, true},
		{"a dip beyond does not count", curve(0, 9, 0), 0.001, 0.1, false},
		{"none keeps it", curve(9, 10), 0.001, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := measure.Propose(c.points, c.wanted)
			if math.Abs(got.Point.Threshold-c.threshold) > 1e-9 || got.OK != (c.threshold > 0) || got.Shown != c.shown {
				t.Errorf("%+v", got)
			}
			if c.threshold > 0 && !strings.Contains(got.String(), "ROLLCALL_THRESHOLD=") {
				t.Errorf("it does not say what to set: %s", got)
			}
		})
	}
}

// Colours at known distances. The fake model's threshold is 0.2 and its margin
// 0.02; 30 of 255 is 0.118, 60 is 0.235.
func colours() (red, reddish, blue, green color.RGBA) {
	return color.RGBA{R: 240, G: 30, B: 30}, color.RGBA{R: 240, G: 60, B: 30},
		color.RGBA{R: 15, G: 30, B: 240}, color.RGBA{R: 30, G: 210, B: 30}
}

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	full := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

func options(dir string, studio *fakeengine.Studio, cache string) measure.Options {
	model := fakeengine.Model()
	model.GroupDistance = 0.15
	return measure.Options{
		Dir: dir, Model: model, Kernel: fakeengine.Kernel{}, Engines: 2, MaxPixels: 1_000_000,
		Open:     measure.NewRecorder(fakeengine.Model(), studio.Open, cache).Open,
		TurnStep: 90, Largest: 10, Wanted: 0.001, Progress: func(string) {},
	}
}

// folder writes pictures in which Eve looks like Ann: as a stranger she is named.
func folder(t *testing.T) string {
	red, reddish, blue, green := colours()
	dir := t.TempDir()
	write(t, dir, "people/Ann/1.png", fakeengine.Portrait(red))
	write(t, dir, "people/Ann/2.png", fakeengine.Portrait(red))
	write(t, dir, "people/north/Eve/1.png", fakeengine.Portrait(reddish))
	write(t, dir, "people/Bob/1.png", fakeengine.Portrait(blue))
	write(t, dir, "people/Bob/2.png", fakeengine.Portrait(blue))
	write(t, dir, "people/Bob/none.png", fakeengine.Group())
	write(t, dir, "people/Bob/two.png", fakeengine.Group(red, blue))
	write(t, dir, "people.txt", []byte("# name, group\nBob, south\n"))
	write(t, dir, "groups/1.png", fakeengine.Group(red, blue, green))
	write(t, dir, "groups/labels.txt", []byte("1.png, 20, 20, Ann\n1.png, 70, 20, Ann\n1.png, 120, 20, Gus\n1.png, 5, 5, Nobody\n"))
	write(t, dir, "bench/1.png", fakeengine.Group(red, green))
	write(t, dir, "bench/2.png", fakeengine.Portrait(reddish))
	write(t, dir, "bench/3.png", fakeengine.Portrait(green))
	write(t, dir, "bench/pairs.txt", []byte("1.png#1\t3.png#0\n"))
	return dir
}

func TestRun(t *testing.T) {
	t.Parallel()
	var studio fakeengine.Studio
	cache, dir := t.TempDir(), folder(t)
	var details bytes.Buffer
	o := options(dir, &studio, cache)
	o.Details = &details
	r, err := measure.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		got  measure.Rate
		want measure.Rate
	}{
		{"found", r.Whole.Found, measure.Rate{Events: 5, Of: 6}}, // Bob's third picture shows nobody
		{"named", r.Whole.Named, measure.Rate{Events: 4, Of: 6}}, // Eve has one picture only
		{"misnamed", r.Whole.Misnamed, measure.Rate{Events: 1, Of: 6}},
		{"strangers named", r.Whole.StrangersNamed, measure.Rate{Events: 3, Of: 6}}, // Ann's two as Eve, Eve as Ann
		{"labels at a face", r.Group.Labelled, measure.Rate{Events: 3, Of: 4}},
		{"labelled faces named", r.Group.Right, measure.Rate{Events: 1, Of: 3}},
		{"labelled faces misnamed", r.Group.Wrong, measure.Rate{Events: 1, Of: 3}},
		{"pairs of one person", r.Bench.Together, measure.Rate{Events: 1, Of: 1}},
		{"pairs of two people", r.Bench.Apart, measure.Rate{Events: 1, Of: 5}},
		{"bench faces named as another", r.Bench.Named, measure.Rate{Events: 2, Of: 4}},
		{"bench faces named as known people", r.Bench.Known, measure.Rate{Events: 2, Of: 4}},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
		}
	}
	if r.PeopleIn["south"] != 1 || r.PeopleIn["north"] != 1 || r.PeopleIn[measure.NoGroup] != 1 {
		t.Errorf("groups of people: %v", r.PeopleIn)
	}
	if len(r.Refused) != 2 {
		t.Errorf("refused: %q", r.Refused)
	}
	if n := len(r.Worse[measure.Turn]); n != 3 {
		t.Errorf("%d turns, want 3", n)
	}
	if !strings.Contains(details.String(), "whole\t\tnorth/Eve/1.png\tstranger\tidentified\tAnn\t0.1176") {
		t.Errorf("the answers lack Eve, who was taken for Ann:\n%s", details.String())
	}
	checkText(t, r)

	// What the engines saw is remembered: another run asks them nothing.
	calls := studio.Calls()
	if _, err := measure.Run(t.Context(), options(dir, &studio, cache)); err != nil {
		t.Fatal(err)
	}
	if more := studio.Calls() - calls; more != 0 {
		t.Errorf("the second run looked at %d pictures again", more)
	}
	if studio.Opened() != studio.Closed() {
		t.Errorf("%d engines opened, %d closed", studio.Opened(), studio.Closed())
	}
}

// checkText looks at what people get.
func checkText(t *testing.T, r *measure.Report) {
	t.Helper()
	var text bytes.Buffer
	if err := r.WriteMarkdown(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"## By size of the face", "## By gallery", "are not real", "## Thresholds", "south: 1 people", "none.png"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
	svg := xml.NewDecoder(bytes.NewReader(r.SVG()))
	for {
		if _, err := svg.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the plot is no XML: %v", err)
		}
	}
	if bytes.Contains(r.SVG(), []byte("NaN")) {
		t.Error("the plot has numbers that are none")
	}
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	red, _, blue, _ := colours()
	for _, c := range []struct{ name, file, text, want string }{
		{"one person only", "", "", "at least 2 are needed"},
		{"a group file of one column", "people.txt", "Bob\n", "people.txt, line 1: got 1 columns, want 2"},
		{"labels without numbers", "groups/labels.txt", "1.png, left, top, Ann\n", "must be whole numbers"},
		{"pairs of three columns", "bench/pairs.txt", "a#0, b#0, c#0\n", "got 3 columns, want 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, "people/Ann/1.png", fakeengine.Portrait(red))
			if c.file != "" {
				write(t, dir, "people/Bob/1.png", fakeengine.Portrait(blue))
				write(t, dir, c.file, []byte(c.text))
			}
			var studio fakeengine.Studio
			_, err := measure.Run(t.Context(), options(dir, &studio, ""))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}
