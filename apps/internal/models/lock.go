package models

// This file owns Lock: which files make up the official set, where they come
// from, and the checksums that they must have.

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	modelfiles "github.com/rollcall-faces/rollcall/apps/recognizer/models"
)

// Lock describes a set that can be fetched.
type Lock struct {
	ID          string  `json:"id"`
	Threshold   float64 `json:"threshold"` // Euclidean
	Margin      float64 `json:"margin"`    // Euclidean
	CNNDetector bool    `json:"cnn_detector"`
	Files       []File  `json:"files"`
}

// manifest returns the model.json of the fetched set.
func (l Lock) manifest() manifest {
	return manifest{ID: l.ID, Threshold: l.Threshold, Margin: l.Margin, CNNDetector: l.CNNDetector}
}

// File is one model file of a Lock and the bzip2 archive that it comes in.
type File struct {
	Name   string `json:"name"`   // of the unpacked file
	URL    string `json:"url"`    // of the archive
	SHA256 string `json:"sha256"` // of the archive, in hexadecimal
}

// archive returns the archive's file name.
func (f File) archive() string { return path.Base(f.URL) }

// OfficialLock returns the lock that is committed with the recognizer.
func OfficialLock() (Lock, error) {
	return ParseLock([]byte(modelfiles.OfficialLock()))
}

// ParseLock reads a lock file and checks that a set can be made from it.
func ParseLock(text []byte) (Lock, error) {
	var l Lock
	if err := unmarshalStrict(text, &l); err != nil {
		return Lock{}, fmt.Errorf("model lock: %w", err)
	}
	if err := l.check(); err != nil {
		return Lock{}, fmt.Errorf("model lock: %w", err)
	}
	return l, nil
}

func (l Lock) check() error {
	if err := l.manifest().check(); err != nil {
		return err
	}
	var names []string
	for _, f := range l.Files {
		if err := f.check(); err != nil {
			return fmt.Errorf("file %q: %w", f.Name, err)
		}
		names = append(names, f.Name)
	}
	slices.Sort(names)
	want := modelFiles()
	slices.Sort(want)
	if !slices.Equal(names, want) {
		return fmt.Errorf("the files are %q, but a model set has %q", names, want)
	}
	return nil
}

func (f File) check() error {
	if !filepath.IsLocal(f.Name) || filepath.Base(f.Name) != f.Name {
		return errors.New("the name must be a plain file name")
	}
	if err := CheckURL(f.URL); err != nil {
		return err
	}
	if !strings.HasSuffix(f.archive(), ".bz2") {
		return fmt.Errorf("url %s: not a .bz2 archive", f.URL)
	}
	if sum, err := hex.DecodeString(f.SHA256); err != nil || len(sum) != 32 {
		return fmt.Errorf("sha256 %q: not 64 hexadecimal digits", f.SHA256)
	}
	return nil
}

// CheckURL reports whether models can be fetched from an address.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("%q is not an http or https address", address)
	}
	return nil
}
