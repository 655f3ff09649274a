package measure_test

import (
	"bytes"
	"fmt"
	"image/color"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/accuracy/internal/measure"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/fakeengine"
)

// Ann and Bob have five pictures each, and Cleo, who looks a little like Ann, is
// with Ann in two pictures of several people.
func TestGrouping(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ann, bob := color.RGBA{R: 240, G: 30, B: 30}, color.RGBA{R: 15, G: 30, B: 240}
	cleo := color.RGBA{R: 240, G: 64, B: 30} // 0.133 from Ann
	for i := range 5 {
		write(t, dir, fmt.Sprintf("people/Ann/%d.png", i), fakeengine.Portrait(ann))
		write(t, dir, fmt.Sprintf("people/Bob/%d.png", i), fakeengine.Portrait(bob))
	}
	write(t, dir, "groups/1.png", fakeengine.Group(ann, cleo))
	write(t, dir, "groups/2.png", fakeengine.Group(ann, cleo))
	write(t, dir, "groups/labels.txt", []byte("1.png, 20, 20, Ann\n1.png, 70, 20, Cleo\n2.png, 20, 20, Ann\n"))
	write(t, dir, "bench/1.png", fakeengine.Portrait(color.RGBA{R: 30, G: 210, B: 30}))
	var studio fakeengine.Studio
	o := options(dir, &studio, "")
	o.OnlyGrouping = true
	r, err := measure.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	g := r.Grouping
	if g.Faces != 15 || g.People != 4 || g.Unlabelled != 1 || g.BelowFloor != 0 {
		t.Errorf("%d faces of %d people, %d without a label, %d below a floor", g.Faces, g.People, g.Unlabelled, g.BelowFloor)
	}
	seen := 0
	for _, p := range g.Points {
		if p.Distance != 0.15 {
			continue
		}
		seen++
		// Without the guard, Cleo's faces are in Ann's group. Seven faces of Ann make 21
		// pairs, five of Bob 10, and the labelled one of Cleo 7 wrong ones.
		want := measure.GroupingPoint{
			Distance: 0.15, Groups: 2, Faces: 14, Mixed: 1, OnePicture: 2,
			Pure: measure.Rate{Events: 31, Of: 38}, Together: measure.Rate{Events: 31, Of: 31},
		}
		if p.Guard {
			want = measure.GroupingPoint{
				Distance: 0.15, Guard: true, Groups: 2, Faces: 12,
				Pure: measure.Rate{Events: 31, Of: 31}, Together: measure.Rate{Events: 31, Of: 31},
			}
		}
		if p != want {
			t.Errorf("got  %+v\nwant %+v", p, want)
		}
	}
	if seen != 2 {
		t.Errorf("%d points at the model set's distance, want 2", seen)
	}
	var text bytes.Buffer
	if err := r.WriteMarkdown(&text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "## Groups of unknown faces") || strings.Contains(text.String(), "## By size") {
		t.Errorf("the report says:\n%s", text.String())
	}
}
