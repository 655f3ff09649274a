package browser_test

import (
	"flag"
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
	pages := map[string]string{"images": "/", "picture": "/images/" + *image, "operations": "/operations"}
	screens := map[string]browser.Screen{"": {Width: 1280, Height: 860}, "-dark": {Width: 1280, Height: 860, Dark: true}, "-phone": browser.Phone}
	if *all {
		pages["table"] = "/?view=table"
		pages["nothing"] = "/?q=nowhere"
		pages["problem"] = "/nowhere"
		pages["filters"] = "/?order=uncertain&from=2026-01-01"
		screens["-wall"] = browser.Wall
	}
	b := browser.Start(t)
	for kind, screen := range screens {
		for name, path := range pages {
			if !*all && kind != "" && name == "operations" {
				continue
			}
			p := b.Open(*address+path, screen)
			p.WaitFor(`[...document.images].filter(i => i.getBoundingClientRect().top < innerHeight).every(i => i.complete)`)
			p.Shot(filepath.Join(*out, "dashboard-"+name+kind+".png"))
			p.CheckQuiet()
			p.CheckFits()
			p.CheckAccess()
			p.Close()
		}
	}
}
