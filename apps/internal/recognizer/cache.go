package recognizer

// This file owns the gallery's cache: descriptors of known pictures on disk,
// one file for each model set, so that a second start need not describe them
// again. It is only a memory: a file that is missing, damaged or another
// program's costs time, never an answer.
//
// The file is a line of text that names the format, the SHA-256 of what
// follows, and a gob-encoded cacheContent.

import (
	"bytes"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const (
	cacheMagic = "rollcall gallery cache 2\n"
	// maxCacheSize bounds the file, read or written: about 200,000 pictures.
	maxCacheSize = 256 << 20
)

// cache remembers described pictures. The zero folder remembers nothing.
type cache struct {
	folder string
	scope  cacheScope
}

// cacheScope is what descriptors and problems depend on besides the pictures.
type cacheScope struct {
	ModelID   string
	MaxPixels int64
	// Build decides about problems only: another build may read what this one
	// could not. A model set describes the same face the same in every build.
	Build string
}

// cacheContent is what the file holds.
type cacheContent struct {
	Scope    cacheScope
	Pictures []cachedPicture
}

// cachedPicture is a known picture with its descriptors' bytes or its problem.
type cachedPicture struct {
	Name     string
	Size     int64
	Modified int64 // nanoseconds since 1970
	Prepared []byte
	AsIs     []byte // empty for a picture that was not enlarged
	Problem  string
}

// path returns the file's name. A model set's id may hold any character.
func (c cache) path() string {
	return filepath.Join(c.folder, url.PathEscape(c.scope.ModelID)+".cache")
}

// load returns what an earlier run has described, by name. It is empty, never
// nil, where there is nothing of use; the error says why, and is nil where
// there simply is no file.
func (c cache) load() (map[string]knownFace, error) {
	known := map[string]knownFace{}
	if c.folder == "" {
		return known, nil
	}
	raw, err := readBounded(c.path(), maxCacheSize)
	if errors.Is(err, fs.ErrNotExist) {
		return known, nil
	}
	if err != nil {
		return known, fmt.Errorf("read the gallery cache: %w", err)
	}
	content, err := decodeCache(raw)
	if err != nil {
		return known, fmt.Errorf("gallery cache %s: %w", c.path(), err)
	}
	if content.Scope.ModelID != c.scope.ModelID {
		return known, fmt.Errorf("gallery cache %s: is of model set %q", c.path(), content.Scope.ModelID)
	}
	for _, p := range content.Pictures {
		k, err := p.face()
		if err != nil {
			return map[string]knownFace{}, fmt.Errorf("gallery cache %s: %w", c.path(), err)
		}
		if k.problem == "" || content.Scope == c.scope {
			known[p.Name] = k
		}
	}
	return known, nil
}

func (p cachedPicture) face() (knownFace, error) {
	k := knownFace{file: knownFile{name: p.Name, size: p.Size, modified: p.Modified}, problem: p.Problem}
	if p.Problem != "" {
		return k, nil
	}
	var err error
	if k.descriptors.prepared, err = faces.DescriptorFromBytes(p.Prepared); err != nil {
		return k, err
	}
	if k.descriptors.both = len(p.AsIs) > 0; k.descriptors.both {
		k.descriptors.asIs, err = faces.DescriptorFromBytes(p.AsIs)
	}
	return k, err
}

// readBounded reads a regular file of at most limit bytes.
func readBounded(name string, limit int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(raw)) > limit {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, limit>>20)
	}
	return raw, err
}

func decodeCache(raw []byte) (cacheContent, error) {
	var content cacheContent
	body, ok := bytes.CutPrefix(raw, []byte(cacheMagic))
	if !ok {
		return content, errors.New("is not of this format")
	}
	if len(body) < sha256.Size {
		return content, errors.New("is cut off")
	}
	sum, body := body[:sha256.Size], body[sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return content, errors.New("is damaged: its checksum is wrong")
	}
	if err := gob.NewDecoder(bytes.NewReader(body)).Decode(&content); err != nil {
		return content, fmt.Errorf("cannot be decoded: %w", err)
	}
	return content, nil
}

// save replaces the file. What may pass is not remembered.
func (c cache) save(known map[string]knownFace) error {
	if c.folder == "" {
		return nil
	}
	raw, err := encodeCache(c.scope, known)
	if err != nil {
		return fmt.Errorf("write the gallery cache: %w", err)
	}
	// Descriptors tell who somebody is: for this user's eyes only.
	if err := os.MkdirAll(c.folder, 0o700); err != nil {
		return fmt.Errorf("write the gallery cache: %w", err)
	}
	if err := replaceFile(c.path(), raw); err != nil {
		return fmt.Errorf("write the gallery cache: %w", err)
	}
	return nil
}

func encodeCache(scope cacheScope, known map[string]knownFace) ([]byte, error) {
	content := cacheContent{Scope: scope}
	for name, k := range known {
		if k.passing || k.file.problem != "" {
			continue
		}
		p := cachedPicture{Name: name, Size: k.file.size, Modified: k.file.modified, Problem: k.problem}
		if p.Problem == "" {
			p.Prepared = k.descriptors.prepared.Bytes()
			if k.descriptors.both {
				p.AsIs = k.descriptors.asIs.Bytes()
			}
		}
		content.Pictures = append(content.Pictures, p)
	}
	var body bytes.Buffer
	if err := gob.NewEncoder(&body).Encode(content); err != nil {
		return nil, err
	}
	if body.Len() > maxCacheSize-len(cacheMagic)-sha256.Size {
		return nil, fmt.Errorf("it would be larger than %d MiB", maxCacheSize>>20)
	}
	sum := sha256.Sum256(body.Bytes())
	return slices.Concat([]byte(cacheMagic), sum[:], body.Bytes()), nil
}

// replaceFile writes a file under another name and moves it into place, so
// that no reader sees half of it.
func replaceFile(name string, raw []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), ".gallery-*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails once renamed
	_, err = tmp.Write(raw)
	if err := errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), name)
}
