package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"image"
	"image/jpeg"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/standalone/samples"
)

// TestCommittedSamplesAreWhatTheProgramDraws fails where somebody changed the
// drawing or the people without drawing again, and where a picture stayed
// behind that nothing draws any more.
func TestCommittedSamplesAreWhatTheProgramDraws(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := realMain(t.Context(), []string{"-out", dir}, t.Output()); err != nil {
		t.Fatal(err)
	}
	drawn := readAll(t, os.DirFS(dir))
	committed := readAll(t, samples.Files())
	if diff := cmp.Diff(names(committed), names(drawn)); diff != "" {
		t.Fatalf("files (-committed +drawn); draw again with -out apps/standalone/samples:\n%s", diff)
	}
	for name := range drawn {
		if !same(t, name, committed[name], drawn[name]) {
			t.Errorf("%s: the committed file is not what the program draws; draw again with -out apps/standalone/samples", name)
		}
	}
}

// same reports whether two files are the same, or two pictures that nobody can
// tell apart: other processors round otherwise, and other releases of Go encode
// otherwise.
func same(t *testing.T, name string, a, b []byte) bool {
	t.Helper()
	if bytes.Equal(a, b) || path.Ext(name) != ".jpg" {
		return bytes.Equal(a, b)
	}
	p, q := decode(t, name, a), decode(t, name, b)
	if p.Bounds() != q.Bounds() {
		return false
	}
	const mean, most = 0.5, 32 // levels of 255
	sum, n, worst := 0, 0, 0
	for y := p.Bounds().Min.Y; y < p.Bounds().Max.Y; y++ {
		for x := p.Bounds().Min.X; x < p.Bounds().Max.X; x++ {
			d := difference(p, q, x, y)
			sum, n, worst = sum+d, n+1, max(worst, d)
		}
	}
	t.Logf("%s: not the same bytes; pixels differ by %.3f levels on average, %d at most", name, float64(sum)/float64(n), worst)
	return float64(sum)/float64(n) <= mean && worst <= most
}

// difference returns how far two pictures' brightness is apart at a pixel.
func difference(p, q image.Image, x, y int) int {
	r1, g1, b1, _ := p.At(x, y).RGBA()
	r2, g2, b2, _ := q.At(x, y).RGBA()
	d := (int(r1) + int(g1) + int(b1) - int(r2) - int(g2) - int(b2)) / 3 >> 8
	return max(d, -d)
}

func decode(t *testing.T, name string, raw []byte) image.Image {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return img
}

func readAll(t *testing.T, tree fs.FS) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		out[name], err = fs.ReadFile(tree, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func names(files map[string][]byte) map[string]bool {
	out := map[string]bool{}
	for name := range files {
		out[name] = true
	}
	return out
}

func TestHelpTeaches(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := realMain(t.Context(), []string{"-h"}, &out); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("error: got %v, want flag.ErrHelp", err)
	}
	for _, want := range []string{"-out apps/standalone/samples", "-seed", "expected.json"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("help does not mention %q:\n%s", want, out.String())
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for _, tc := range []struct {
		name string
		ctx  context.Context
		args []string
		want string
	}{
		{"no folder", t.Context(), nil, "output folder with -out"},
		{"a stray argument", t.Context(), []string{"-out", t.TempDir(), "more"}, "output folder with -out"},
		{"a seed that is no number", t.Context(), []string{"-seed", "x"}, "-seed"},
		{"stopped by a signal", stopped, []string{"-out", t.TempDir()}, "canceled"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			err := realMain(tc.ctx, tc.args, &out)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error: got %v, want one with %q", err, tc.want)
			}
		})
	}
}
