package picturefiles

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// ReadFile is Read, and says which file it was. Size and time are those before
// the bytes were read, so that a later change shows.
func (f *Folder) ReadFile(name string) ([]byte, faces.File, error) {
	data, info, err := f.read(name)
	if err != nil {
		return nil, faces.File{}, err
	}
	sum := sha256.Sum256(data)
	file := identity(info)
	file.SHA256 = hex.EncodeToString(sum[:])
	return data, file, nil
}

// LooksLike reports, without reading it, whether a file has the size and the
// modification time of a known one. A file that cannot be looked at does not.
func (f *Folder) LooksLike(name string, known faces.File) bool {
	rel, err := f.relative(name)
	if err != nil {
		return false
	}
	info, err := f.Stat(rel)
	return err == nil && info.Mode().IsRegular() && known.LooksLike(identity(info))
}

func identity(info fs.FileInfo) faces.File {
	return faces.File{Size: info.Size(), Modified: info.ModTime().UnixNano()}
}
