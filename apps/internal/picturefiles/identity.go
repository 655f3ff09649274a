package picturefiles

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// ReadFile is like Read, and also identifies the file: size, modification
// time and SHA-256. Size and time are read before the bytes, so that a change
// made meanwhile is noticed next time.
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

// LooksLike reports whether a file has the same size and modification time as
// known. It does not read the file. It returns false if the file is missing
// or cannot be accessed.
func (f *Folder) LooksLike(name string, known faces.File) bool {
	if known.IsZero() {
		return false
	}
	info, err := f.Stat(name)
	return err == nil && info.Mode().IsRegular() && known.LooksLike(identity(info))
}

func identity(info fs.FileInfo) faces.File {
	return faces.File{Size: info.Size(), Modified: info.ModTime().UnixNano()}
}
