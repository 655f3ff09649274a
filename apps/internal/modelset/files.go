package modelset

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// checkFiles compares every file of the set with its checksum. Its error
// lists all files that are missing or different.
func (s Set) checkFiles(root *os.Root) error {
	var wrong []error
	list := s.files()
	for _, f := range list {
		name, err := filepath.Rel(s.folder, f.Path)
		if err != nil {
			return err
		}
		wrong = append(wrong, checkFile(root, name, f.SHA256))
	}
	wrong = append(wrong, s.reference.checkFiles(root))
	return errors.Join(wrong...)
}

// files returns the files of the set, without those of the reference.
func (s Set) files() []File {
	var list []File
	if s.Detector != (File{}) {
		list = append(list, s.Detector)
	}
	for _, n := range s.Networks {
		list = append(list, n.File)
	}
	return list
}

// checkFiles checks that each file of the reference, or the archive it can be
// unpacked from, has its checksum. If both exist, only the file is checked.
func (r reference) checkFiles(root *os.Root) error {
	var wrong []error
	for _, f := range r.Files {
		name := path.Join(r.Folder, f.Name)
		_, err := root.Stat(filepath.FromSlash(name))
		if errors.Is(err, fs.ErrNotExist) {
			wrong = append(wrong, checkFile(root, name+archiveSuffix, f.ArchiveSHA256))
			continue
		}
		wrong = append(wrong, checkFile(root, name, f.SHA256))
	}
	return errors.Join(wrong...)
}

// checkFile compares a file with its SHA-256.
func checkFile(root *os.Root, name, want string) error {
	file, err := root.Open(filepath.FromSlash(name))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s is missing; `git checkout` restores it", ErrIncomplete, name)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is not a file", ErrIncomplete, name)
	}
	return checkContent(file, name, want)
}

func checkContent(r io.Reader, name, want string) error {
	h := sha256.New()
	size, err := io.Copy(h, r)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if have := hex.EncodeToString(h.Sum(nil)); have != want {
		return fmt.Errorf("%w: %s, %d bytes, has the SHA-256 %s, but the set names %s; is it damaged or of another version?",
			ErrIncomplete, name, size, have, want)
	}
	return nil
}
