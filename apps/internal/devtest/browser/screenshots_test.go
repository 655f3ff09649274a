package browser_test

import (
	"bytes"
	"flag"
	stdimage "image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/browser"
)

var (
	address = flag.String("address", "", "address of a dashboard of which to take pictures, such as http://127.0.0.1:8081")
	out     = flag.String("out", "", "folder for the pictures")
	image   = flag.String("image", "1", "id of the image whose page is taken")
	all     = flag.Bool("all", false, "on every screen, not only those of the documentation")
)

// TestScreenshots takes pictures of the pages of a dashboard that runs. `make
// screenshots` does it with the sample people.
func TestScreenshots(t *testing.T) {
	if *address == "" || *out == "" {
		t.Skip("it needs a running dashboard: make screenshots")
	}
	b := browser.Start(t)
	for _, s := range shots() {
		p := b.Open(*address+s.path, s.screen)
		p.WaitFor(`[...document.images].filter(i => i.getBoundingClientRect().top < innerHeight).every(i => i.complete)`)
		file := filepath.Join(*out, "dashboard-"+s.name+".png")
		p.Shot(file)
		if !*all {
			shrink(t, file)
		}
		p.CheckQuiet()
		p.CheckFits()
		p.CheckAccess()
		p.Close()
	}
}

// shot is a picture to take.
type shot struct {
	name, path string
	screen     browser.Screen
}

// shots returns those of the documentation, or each page on each screen.
func shots() (list []shot) {
	laptop, picture := browser.Screen{Width: 1180, Height: 760}, "/images/"+*image
	night := laptop
	night.Dark = true
	if !*all {
		return []shot{
			{"images", "/", laptop}, {"picture-dark", picture, night}, {"images-phone", "/", browser.Phone},
			{"review", "/review", laptop}, {"operations", "/operations", laptop},
		}
	}
	pages := map[string]string{
		"images": "/", "table": "/?view=table", "picture": picture, "people": "/people", "person": "/people/1",
		"review": "/review", "unknown": "/unknown", "upload": "/upload", "operations": "/operations",
		"keys": "/settings/keys", "matching": "/settings/matching", "retention": "/settings/retention",
		"nothing": "/?q=nowhere", "problem": "/nowhere", "filters": "/?order=uncertain&from=2026-01-01",
	}
	for kind, screen := range map[string]browser.Screen{"": laptop, "-dark": night, "-phone": browser.Phone, "-wall": browser.Wall} {
		for name, path := range pages {
			list = append(list, shot{name + kind, path, screen})
		}
	}
	return list
}

// shrink writes a PNG anew with fewer colours, which makes it a third of its size.
func shrink(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	from, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	const step = 8
	round := func(v uint32) uint8 { return uint8(min((v>>8+step/2)/step*step, 255)) }
	to := stdimage.NewRGBA(from.Bounds())
	for y := range from.Bounds().Dy() {
		for x := range from.Bounds().Dx() {
			r, g, b, _ := from.At(x, y).RGBA()
			to.SetRGBA(x, y, color.RGBA{round(r), round(g), round(b), 255})
		}
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, to); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, small.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
