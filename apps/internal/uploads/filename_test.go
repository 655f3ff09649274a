package uploads_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/rollcall-faces/rollcall/apps/internal/uploads"
)

func TestFileName(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, sent, want string }{
		{"as it is", "Ada Lovelace (1).JPG", "Ada Lovelace (1).JPG"},
		{"a path", "/home/ada/../pictures/ada.jpg", "ada.jpg"},
		{"a path of Windows", `C:\Users\Ada\ada.jpg`, "ada.jpg"},
		{"both", `..\..//etc/passwd`, "passwd"},
		{"a folder", "pictures/", ""},
		{"the folder itself", ".", ""},
		{"the folder above", `a\..`, ""},
		{"a hidden file", ".ada.jpg", ".ada.jpg"},
		{"composed letters", "Ame\u0301lie.jpg", "Amélie.jpg"},
		{"control characters", "a\x00d\r\na\x1b[31m\x7f\u0085.jpg", "ada[31m.jpg"},
		{"a slash behind a control character", "a/\x00.\x00./b.jpg", "b.jpg"},
		{"turned around", "a\u202egpj.exe", "agpj.exe"},
		{"isolated", "\u2066ada\u2069.jpg", "ada.jpg"},
		{"new lines of Unicode", "a\u2028b\u2029.jpg", "ab.jpg"},
		{"a family, which has joiners", "👩\u200d👧.jpg", "👩\u200d👧.jpg"},
		{"no UTF-8", "\xff\xfe.jpg", "\ufffd.jpg"},
		{"spaces", " \t ", ""},
		{"markup", `"><script>alert(1)</script>.jpg`, "script>.jpg"},
		{"255 bytes", strings.Repeat("a", 251) + ".jpg", strings.Repeat("a", 251) + ".jpg"},
		{"too long", strings.Repeat("a", 300) + ".jpg", strings.Repeat("a", 251) + ".jpg"},
		{"too long, of long characters", strings.Repeat("語", 100) + ".jpg", strings.Repeat("語", 83) + ".jpg"},
		{"too long, without an end", "a." + strings.Repeat("b", 300), "a." + strings.Repeat("b", 253)},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := uploads.FileName(tt.sent); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzFileName(f *testing.F) {
	f.Add("ada.jpg")
	f.Add("e\u0301" + strings.Repeat("\u0301", 200))
	f.Fuzz(func(t *testing.T, sent string) {
		got := uploads.FileName(sent)
		if len(got) > 255 || !utf8.ValidString(got) || !norm.NFC.IsNormalString(got) || strings.ContainsAny(got, "/\\\r\n\x00") || got == "." || got == ".." {
			t.Errorf("%q becomes %q", sent, got)
		}
		if again := uploads.FileName(got); again != got {
			t.Errorf("%q becomes %q, and that %q", sent, got, again)
		}
	})
}
