package uploads

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm" // one name has one spelling, however a file system composes it
)

// maxFileName is the length of the longest file name that is kept, in bytes. File
// systems have the same limit.
const maxFileName = 255

// FileName returns the name that a client gave to a file, as it is kept: without
// folders, control characters and what turns the direction of writing, in the normal
// form C, and not too long. It is empty if nothing is left.
func FileName(sent string) string {
	name := strings.ToValidUTF8(sent, "\uFFFD")
	name = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.In(r, unicode.Zl, unicode.Zp) {
			return -1
		}
		return r
	}, name)
	name = name[strings.LastIndexAny(name, `/\`)+1:] // browsers on Windows have sent whole paths
	name = strings.TrimSpace(norm.NFC.String(name))
	if name == "." || name == ".." {
		return ""
	}
	if len(name) <= maxFileName {
		return name
	}
	ext := path.Ext(name)
	if len(ext) > 16 {
		ext = ""
	}
	stem := name[:maxFileName-len(ext)]
	for !utf8.ValidString(stem) { // the last character is cut
		stem = stem[:len(stem)-1]
	}
	return strings.TrimSpace(stem) + ext
}
