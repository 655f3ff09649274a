// Package models knows the recognizer's model sets: what a complete one looks
// like on disk, which one to use, and how to fetch the official one.
//
// This file owns Set. A set is a folder that go-face can load, with a
// model.json beside the model files that says how to read their distances.
package models

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// manifestName is the file that describes a set. The fetcher writes it last,
// so its presence means that the set is complete.
const manifestName = "model.json"

// ErrIncomplete means that a folder holds no complete model set.
var ErrIncomplete = errors.New("no complete model set")

// modelFiles are the names that go-face looks for.
func modelFiles() []string {
	return []string{
		"dlib_face_recognition_resnet_model_v1.dat",
		"shape_predictor_5_face_landmarks.dat",
		"mmod_human_face_detector.dat",
	}
}

// Set is a folder of model files and how to read their distances.
type Set struct {
	ID          string
	Dir         string
	Threshold   float64 // Euclidean; a known picture farther than this is a stranger's
	Margin      float64 // Euclidean; how much farther the second person must be
	CNNDetector bool    // whether the CNN detector is a real one, fit for use
	Official    bool    // whether this is the set that official.lock.json names
}

// Model returns what the domain needs to know of the set.
func (s Set) Model() faces.Model {
	return faces.Model{ID: s.ID, Size: 128, Threshold: s.Threshold, Margin: s.Margin, Official: s.Official}
}

// manifest is the content of model.json.
type manifest struct {
	ID          string  `json:"id"`
	Threshold   float64 `json:"threshold"`
	Margin      float64 `json:"margin"`
	CNNDetector bool    `json:"cnn_detector"`
}

// check reports what no model set can have.
func (m manifest) check() error {
	switch {
	case m.ID == "":
		return errors.New(`"id" is missing`)
	case m.Threshold <= 0:
		return fmt.Errorf(`"threshold" is %v: it must be above 0`, m.Threshold)
	case m.Margin < 0:
		return fmt.Errorf(`"margin" is %v: it must not be negative`, m.Margin)
	}
	return nil
}

// Load reads the set in dir. The error is ErrIncomplete, with what to do about
// it, where model.json or a model file is missing or empty.
func Load(dir string) (Set, error) {
	lock, err := OfficialLock()
	if err != nil {
		return Set{}, err
	}
	m, err := readManifest(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return Set{}, incomplete(dir, manifestName+" is missing")
	}
	if err != nil {
		return Set{}, fmt.Errorf("model set in %s: %w", dir, err)
	}
	for _, name := range modelFiles() {
		if err := checkModelFile(dir, name); err != nil {
			return Set{}, err
		}
	}
	return Set{
		ID: m.ID, Dir: dir, Threshold: m.Threshold, Margin: m.Margin,
		CNNDetector: m.CNNDetector, Official: m.ID == lock.ID,
	}, nil
}

func checkModelFile(dir, name string) error {
	info, err := os.Stat(filepath.Join(dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return incomplete(dir, name+" is missing")
	case err != nil:
		return fmt.Errorf("model set: %w", err)
	case !info.Mode().IsRegular():
		return incomplete(dir, name+" is not a file")
	case info.Size() == 0:
		return incomplete(dir, name+" is empty")
	}
	return nil
}

func incomplete(dir, what string) error {
	return fmt.Errorf("%w in %s: %s; run `make models` to fetch the official models, "+
		"or `git checkout` to restore the lite ones", ErrIncomplete, dir, what)
}

func readManifest(path string) (manifest, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return manifest{}, err
	}
	var m manifest
	if err := unmarshalStrict(text, &m); err != nil {
		return manifest{}, fmt.Errorf("%s: %w", manifestName, err)
	}
	if err := m.check(); err != nil {
		return manifest{}, fmt.Errorf("%s: %w", manifestName, err)
	}
	return m, nil
}

// unmarshalStrict refuses unknown names: a misspelt "threshold" would
// otherwise pass as a threshold of 0.
func unmarshalStrict(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// Choose returns the set in the folder official where it is complete, else the
// one in lite.
func Choose(official, lite string) (Set, error) {
	set, officialErr := Load(official)
	if officialErr == nil {
		return set, nil
	}
	set, liteErr := Load(lite)
	if liteErr != nil {
		return Set{}, fmt.Errorf("no model set can be used: %w", errors.Join(officialErr, liteErr))
	}
	return set, nil
}
