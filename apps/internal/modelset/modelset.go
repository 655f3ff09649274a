// Package modelset loads model sets. A model set says which networks describe
// a face, how their outputs are combined into a descriptor, and at which
// distances two faces are the same person. Programs call ReadSettings and
// then Settings.Load, which checks every file. The sets are in
// apps/recognizer/models, whose README describes the format of set.json.
package modelset

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Default is the id of the set that is used unless another one is selected.
const Default = "dlib-mobilefacenet-1"

// GoFaceSet is the id of the set that uses go-face only.
const GoFaceSet = "dlib-1"

// Names of the networks that the engines can run.
const (
	YuNet         = "yunet"
	DlibResNet    = "dlibresnet"
	MobileFaceNet = "mobilefacenet"
)

// Engine is the engine that a set is for.
type Engine string

const (
	// ONNX finds and describes faces with ONNX Runtime. It uses go-face as
	// its reference.
	ONNX Engine = "onnx"
	// GoFace finds and describes faces with go-face only.
	GoFace Engine = "go-face"
)

// ErrIncomplete means that a file of a set is missing or does not have the
// checksum that the set states.
var ErrIncomplete = errors.New("the model set is incomplete")

// Set is a model set whose files have been checked.
type Set struct {
	ID             string
	Engine         Engine
	DescriptorSize int // numbers in a descriptor

	// Detector finds faces. It is the zero File if go-face does.
	Detector File
	// Networks describe faces. Their outputs follow one another in a
	// descriptor in this order. There are none if go-face describes faces.
	Networks []Network

	// Threshold is the largest distance at which a face is identified. Margin
	// is the smallest difference to the distance of the second person.
	// Distances are Euclidean, between whole descriptors.
	Threshold, Margin float64
	// A distance beyond Threshold, up to FarThreshold, also identifies a face
	// if the second person is farther by more than FarMargin.
	FarThreshold, FarMargin float64
	// GroupDistance is the largest distance of two neighbours in a group of
	// unknown faces. 0 if no groups are made.
	GroupDistance float64
	// Floors are the minimum qualities of a face that is identified
	// automatically.
	Floors Floors

	reference reference
	folder    string // of all models, absolute
}

// File is a model file.
type File struct {
	Name    string // such as YuNet
	Path    string // absolute
	SHA256  string // in hexadecimal
	Licence string // an SPDX identifier
}

// Network is a network that describes an aligned face.
type Network struct {
	File
	Size   int     // numbers that it gives
	Weight float64 // its share in the squared distance; all shares add up to 1
	Scale  float64 // the distance of its own that counts as 1
}

// Factor is what the network's output is multiplied by in a descriptor. The
// squared distance of two descriptors is then the sum of
// Weight*(distance/Scale)² over the networks.
func (n Network) Factor() float64 { return math.Sqrt(n.Weight) / n.Scale }

// Floors are the minimum qualities of a face that is identified
// automatically. faces.Quality is compared with them.
type Floors struct {
	Size      int     // pixels of the original: shorter side of the box, at least
	Sharpness float64 // 0 to 1, at least
	Yaw       float64 // degrees to either side, at most
	CutOff    float64 // share of the face outside of the picture, 0 to 1, at most
	Detection float64 // score of the detector, 0 to 1, at least
}

// Model returns the part of the set that the domain needs.
func (s Set) Model() faces.Model {
	names := make([]string, len(s.Networks))
	for i, n := range s.Networks {
		names[i] = n.Name
	}
	return faces.Model{
		ID: s.ID, Size: s.DescriptorSize, Networks: strings.Join(names, ","),
		Threshold: s.Threshold, Margin: s.Margin, FarThreshold: s.FarThreshold, FarMargin: s.FarMargin,
		GroupDistance: s.GroupDistance,
		Floors:        faces.Floors(s.Floors),
	}
}

// Load loads the set in dir, a folder with a set.json inside the folder of
// all models. It checks every name and value in set.json, and the SHA-256 of
// every file. The error wraps ErrIncomplete if a file is missing or
// different.
func Load(dir string) (Set, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Set{}, fmt.Errorf("load model set: %w", err)
	}
	id, folder := filepath.Base(dir), filepath.Dir(dir)
	// An os.Root cannot be left by names or by symbolic links.
	root, err := os.OpenRoot(folder)
	if err != nil {
		return Set{}, fmt.Errorf("open the folder of the models: %w", err)
	}
	defer root.Close()
	text, err := readManifest(root, id)
	if err != nil {
		return Set{}, fmt.Errorf("load model set %s from %s: %w", id, folder, err)
	}
	set, err := parse(text, id, folder)
	if err != nil {
		return Set{}, fmt.Errorf("load model set %s: %s: %w", id, filepath.Join(dir, manifestName), err)
	}
	if err := set.checkFiles(root); err != nil {
		return Set{}, fmt.Errorf("load model set %s from %s: %w", id, folder, err)
	}
	return set, nil
}

// path returns the absolute path of a file of the models.
func (s Set) path(name string) string { return filepath.Join(s.folder, filepath.FromSlash(name)) }
