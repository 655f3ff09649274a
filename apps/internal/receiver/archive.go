package receiver

import (
	"archive/zip"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"
	"time"
)

// archive is a zip archive that is sent while it is made. Its last file is the
// manifest. Only finish makes it whole: a reader finds the files by what comes last.
type archive struct {
	zip      *zip.Writer
	at       time.Time
	manifest manifest
}

// manifest lists the files of an archive.
type manifest struct {
	Format     string         `json:"format"`
	PersonID   int64          `json:"person_id"`
	CreatedAt  time.Time      `json:"created_at"`
	BlurOthers bool           `json:"blur_others"`
	Files      []manifestFile `json:"files"`
	Missing    []missingFile  `json:"missing"`
}

type manifestFile struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// missingFile is a picture that is not in the archive.
type missingFile struct {
	What string `json:"what"` // known_picture or image
	ID   int64  `json:"id"`
	Why  string `json:"why"`
}

const archiveFormat = "rollcall-person-export-1"

func newArchive(w io.Writer, person int64, blur bool, now time.Time) *archive {
	now = now.UTC().Truncate(time.Second)
	return &archive{zip: zip.NewWriter(w), at: now, manifest: manifest{
		Format: archiveFormat, PersonID: person, CreatedAt: now, BlurOthers: blur, Files: []manifestFile{}, Missing: []missingFile{},
	}}
}

// add adds a file. Pictures are not compressed: they are already.
func (a *archive) add(name string, content io.Reader, compress bool) error {
	h := &zip.FileHeader{Name: name, Method: zip.Store, Modified: a.at}
	if compress {
		h.Method = zip.Deflate
	}
	w, err := a.zip.CreateHeader(h)
	if err != nil {
		return fmt.Errorf("begin %s: %w", name, err)
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, sum), content)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	a.manifest.Files = append(a.manifest.Files, manifestFile{Path: name, Size: n, SHA256: hex.EncodeToString(sum.Sum(nil))})
	return a.zip.Flush()
}

// addJSON adds a value as JSON.
func (a *archive) addJSON(name string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	return a.add(name, bytes.NewReader(append(text, '\n')), true)
}

// addList adds a list as JSON, whose pages next returns until one is empty.
func (a *archive) addList(name string, next func() ([]any, error)) error {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(writeList(w, next))
	}()
	err := a.add(name, r, true)
	_ = r.CloseWithError(io.ErrClosedPipe) // ends the goroutine if add has failed
	<-done
	return err
}

func writeList(w io.Writer, next func() ([]any, error)) error {
	separator := "[\n"
	for {
		page, err := next()
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		for _, v := range page {
			text, err := json.Marshal(v)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(w, "%s  %s", separator, text); err != nil {
				return err
			}
			separator = ",\n"
		}
	}
	if separator == "[\n" {
		_, err := io.WriteString(w, "[]\n")
		return err
	}
	_, err := io.WriteString(w, "\n]\n")
	return err
}

func (a *archive) miss(what string, id int64, why string) {
	a.manifest.Missing = append(a.manifest.Missing, missingFile{What: what, ID: id, Why: why})
}

// finish adds the manifest and the central directory.
func (a *archive) finish() error {
	list := a.manifest // without the manifest itself
	if err := a.addJSON("manifest.json", list); err != nil {
		return err
	}
	return a.zip.Close()
}

// maxEntryName is the largest length of the stem of a file's name in an archive.
const maxEntryName = 80

// entryName returns the name of a file in an archive. Only its stem is of others, and
// it may be anything: what remains of it are letters, digits, dots, dashes and
// underscores, so that no file system takes it for something else. The id makes it
// unique.
func entryName(folder string, id int64, name, ext string) string {
	stem := path.Base("/" + strings.ReplaceAll(name, `\`, "/"))
	stem = strings.TrimSuffix(stem, path.Ext(stem))
	stem = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		default:
			return '_'
		}
	}, stem)
	stem = cmp.Or(strings.Trim(stem[:min(len(stem), maxEntryName)], "_"), "picture")
	return fmt.Sprintf("%s/%d-%s%s", folder, id, stem, ext)
}
