package cli_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/cli"
)

func TestUpload(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(opts *receiver.Options) {
		opts.UnknownPeople = t.TempDir()
		opts.Upload = receiver.UploadOptions{MaxFile: 1 << 10, MaxFiles: 100, AtOnce: 2}
	})
	const jpeg = "\xff\xd8\xff\xe0picture"
	files := map[string]string{"empty.jpg": "", "notes.txt": "hello", "huge.jpg": jpeg + strings.Repeat("x", 1<<10)}
	args := []string{"upload"}
	for i := range 25 {
		files[fmt.Sprintf("%02d.jpg", i)] = fmt.Sprint(jpeg, i)
	}
	dir := folder(t, files)
	for i := range 25 {
		args = append(args, filepath.Join(dir, fmt.Sprintf("%02d.jpg", i)))
	}
	if r := o.run(args...).expect(cli.ExitOK, "24.jpg  queued"); strings.Count(r.out, "queued") != 25 {
		t.Errorf("not everything is queued: %s", r.out)
	}
	o.see(1)
	o.run("upload", "--wait", args[1]).expect(cli.ExitOK, "1  ", "no_face")
	if r := o.run("images").expect(cli.ExitOK, "00.jpg", "24.jpg"); strings.Contains(r.out, "uploads/") {
		t.Errorf("a file is listed by its hash: %s", r.out)
	}
	o.run("images", "1").expect(cli.ExitOK, "1  00.jpg  no_face", "uploaded to /", "uploads/")
	at := func(name string) string { return filepath.Join(dir, name) }
	o.run("upload", at("empty.jpg"), at("notes.txt"), at("huge.jpg"), at("00.jpg")).expect(cli.ExitRefused,
		"refused  empty.jpg: unsupported_format", "refused  notes.txt: unsupported_format", "refused  huge.jpg: body_too_large", "00.jpg")
	o.run("upload", at("gone.jpg")).expect(cli.ExitFailed, "gone.jpg")
	o.run("upload", dir).expect(cli.ExitFailed, "is no file")
	o.intercept(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return true
	})
	o.run("upload", at("00.jpg")).expect(cli.ExitFailed, "takes no uploads")
}
