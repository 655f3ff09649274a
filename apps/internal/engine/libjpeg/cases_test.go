package libjpeg_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/libjpeg"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// everything returns options that enable all formats.
func everything() picture.Options {
	opts := picture.Defaults()
	opts.Library = libjpeg.Library{}
	opts.Sandbox = picture.NewSandbox(opts.MaxMemory)
	return opts
}

// difference returns the mean difference of two pictures' bytes, after both
// are reduced to 120 by 180 pixels.
func difference(a, b *picture.RGB) float64 {
	a, b = a.Resize(120, 180), b.Resize(120, 180)
	var sum float64
	for i, v := range a.Pix {
		sum += math.Abs(float64(v) - float64(b.Pix[i]))
	}
	return sum / float64(len(a.Pix))
}

// The files show one photograph in many forms, some of them damaged.
func TestCasesShowTheirPhotograph(t *testing.T) {
	t.Parallel()
	root := os.Getenv("ROLLCALL_TEST_CASES")
	if root == "" {
		t.Skip("ROLLCALL_TEST_CASES does not name the folder of cases, which holds real photographs")
	}
	opts := everything()
	read := func(name string) (*picture.Picture, *picture.RGB, error) {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		p, err := picture.Open(data, opts)
		if err != nil {
			return nil, nil, err
		}
		m, err := p.Decode(1024)
		return p, m, err
	}
	_, base, err := read("lenient-jpeg/base.jpg")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, warning string
		reason        faces.Reason
	}{
		{name: "lenient-jpeg/cmyk-noadobe.jpg"},
		{name: "lenient-jpeg/rst-bad.jpg", warning: "damaged"},
		{name: "lenient-jpeg/samp-odd1.jpg"},
		{name: "lenient-jpeg/samp-odd3.jpg"},
		{name: "lenient-jpeg/samsung-pano.jpg"},
		{name: "lenient-jpeg/trunc-2.jpg", warning: "ends early"},
		{name: "lenient-jpeg/trunc-20pct.jpg", reason: faces.CorruptImage},
		{name: "formats/x.heic"},
		{name: "formats/x.avif"},
		{name: "formats/anim.webp"},
		{name: "formats/x.jxl", reason: faces.UnsupportedFormat},
		{name: "tiff-png/cmyk.tif"},
		{name: "tiff-png/big.tif", reason: faces.UnsupportedFormat},
		{name: "tiff-png/noiend.png", warning: "ends early"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			p, m, err := read(tt.name)
			if tt.reason != "" {
				if faces.ReasonOf(err) != tt.reason {
					t.Fatalf("the error is %v, want %s", err, tt.reason)
				}
				t.Log(faces.ErrorMessage(err))
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			d := 0.0
			if !strings.HasPrefix(tt.name, "tiff-png") {
				d = difference(m, base)
			}
			t.Logf("%v, %d x %d, %q, differs by %.2f, took %v", p.Size(), m.Width, m.Height, p.Warning(), d, time.Since(start))
			if d > 4 {
				t.Errorf("it differs by %.2f from the same photograph as a plain JPEG", d)
			}
			if !strings.Contains(p.Warning(), tt.warning) || tt.warning == "" && p.Warning() != "" {
				t.Errorf("the warning is %q, want one of %q", p.Warning(), tt.warning)
			}
		})
	}
}
