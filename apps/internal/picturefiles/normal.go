package picturefiles

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// otherForm returns the name that a file has on disk, if it differs from rel in
// the normal form only: "é" is one character in what most people type and two
// in what a Mac writes. It returns rel if there is no such file.
func (f *Folder) otherForm(rel string) string {
	if isASCII(rel) {
		return rel
	}
	root := f.root.Load()
	found := ""
	for part := range strings.SplitSeq(rel, string(filepath.Separator)) {
		at := ""
		for _, form := range []string{part, norm.NFC.String(part), norm.NFD.String(part)} {
			try := filepath.Join(found, form)
			if _, err := root.Lstat(try); !errors.Is(err, fs.ErrNotExist) {
				at = try
				break
			}
		}
		if at == "" {
			return rel
		}
		found = at
	}
	return found
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}
