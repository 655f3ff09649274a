package cli_test

import (
	"path/filepath"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/cli"
)

func TestIdentify(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(opts *receiver.Options) { opts.MaxIdentify = 1 << 20 })
	dir := folder(t, map[string]string{"good.jpg": "good", "two.jpg": "two faces", "none.jpg": "no face", "notes.txt": "no picture"})
	at := func(name string) string { return filepath.Join(dir, name) }
	o.run("identify", at("good.jpg"), at("two.jpg"), at("none.jpg")).expect(cli.ExitOK, "good.jpg  unknown_person", "nobody known", "none.jpg  no_face")
	o.run("identify", at("notes.txt"), at("good.jpg"), "-o", "json").expect(cli.ExitRefused, `"code":"unsupported_format"`, `"reason":"unknown_person"`)
	o.run("identify", at("gone.jpg")).expect(cli.ExitFailed, "gone.jpg")
	o.eyes.mu.Lock()
	o.eyes.away = true
	o.eyes.mu.Unlock()
	o.run("identify", at("good.jpg"), "--retry-for", "0s").expect(cli.ExitFailed, "503")
}
