// Package samples holds Rollcall's sample pictures: drawn portraits of people
// who do not exist, and what Rollcall should say of them. The pictures and
// expected.json are made by apps/portraits (go run ./apps/portraits -out apps/standalone/samples); do not
// edit them.
package samples

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

//go:embed known unknown expected.json
var files embed.FS

// Expectation is what Rollcall, with the default model set and all people of
// known/ enrolled, should say of a picture in unknown/.
type Expectation struct {
	People []string `json:"people"` // everybody known who is in it, sorted; empty where nobody is
	Faces  int      `json:"faces"`  // of known people and strangers
	Reason string   `json:"reason"` // identified, unknown_person or no_face
}

// Files returns the pictures, known/<person's name>/<n>.jpg and
// unknown/<name>.jpg, and expected.json.
func Files() fs.FS { return files }

// Expected returns what to expect of each picture in unknown/, by file name.
func Expected() (map[string]Expectation, error) {
	raw, err := files.ReadFile("expected.json")
	if err != nil {
		return nil, fmt.Errorf("read the samples' expectations: %w", err)
	}
	var out map[string]Expectation
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("read the samples' expectations: %w", err)
	}
	return out, nil
}

// Extract writes known/ and unknown/ below dir, which is made where it is not
// there. A file that is there already stays as it is.
func Extract(dir string) error {
	for _, root := range []string{"known", "unknown"} {
		err := fs.WalkDir(files, root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			return extractFile(name, filepath.Join(dir, filepath.FromSlash(name)))
		})
		if err != nil {
			return fmt.Errorf("extract the sample pictures: %w", err)
		}
	}
	return nil
}

// extractFile writes through a temporary name: a recognizer that watches the
// folder must never see half a picture.
func extractFile(name, target string) error {
	if _, err := os.Lstat(target); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	raw, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	folder := filepath.Dir(target)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(folder, ".sample-*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails once renamed
	_, err = tmp.Write(raw)
	if err := errors.Join(err, tmp.Chmod(0o644), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), target)
}
