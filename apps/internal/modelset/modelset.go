// Package modelset reads model sets: which networks describe a face, how their
// numbers are put together, and which distances mean the same person. The sets
// and their files are in apps/recognizer/models, whose README describes the
// format of set.json.
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

// Default is the id of the set that is used where nothing else is asked for.
const Default = "dlib-mobilefacenet-1"

// GoFaceSet is the id of the set that go-face alone answers.
const GoFaceSet = "dlib-1"

// Names of the networks that the engines know how to call.
const (
	YuNet         = "yunet"
	DlibResNet    = "dlibresnet"
	MobileFaceNet = "mobilefacenet"
)

// Engine says which engine a set is for.
type Engine string

const (
	// ONNX finds and describes faces with ONNX Runtime, and has go-face as its
	// reference.
	ONNX Engine = "onnx"
	// GoFace leaves everything to go-face.
	GoFace Engine = "go-face"
)

// ErrIncomplete means that a file of a set is missing or is not the file that
// the set names.
var ErrIncomplete = errors.New("the model set is incomplete")

// Set is a model set whose files were checked.
type Set struct {
	ID             string
	Engine         Engine
	DescriptorSize int // numbers in a descriptor

	// Detector finds faces. It is the zero File where go-face does so.
	Detector File
	// Networks describe faces, in the order of their numbers in a descriptor.
	// There are none where go-face describes.
	Networks []Network

	// Threshold is the largest distance at which a face is somebody's, and
	// Margin is how much farther the second person must be. Distances are
	// Euclidean, between whole descriptors.
	Threshold, Margin float64
	// FarThreshold and FarMargin let a distance beyond Threshold count where
	// the second person is farther by more than FarMargin.
	FarThreshold, FarMargin float64
	// Floors are the least qualities of a face that is named by itself.
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

// Network is a file with a network that describes an aligned face.
type Network struct {
	File
	Size   int     // numbers that it gives
	Weight float64 // its share in the squared distance; all shares add up to 1
	Scale  float64 // the distance of its own that counts as 1
}

// Factor is what the network's numbers are multiplied by before they become
// part of a descriptor: the squared distance of two descriptors is then the sum
// of Weight*(distance/Scale)² over the networks.
func (n Network) Factor() float64 { return math.Sqrt(n.Weight) / n.Scale }

// Floors are the least qualities of a face that is named by itself. They are
// compared with faces.Quality.
type Floors struct {
	Size      int     // pixels of the original: shorter side of the box, at least
	Sharpness float64 // 0 to 1, at least
	Yaw       float64 // degrees to either side, at most
	CutOff    float64 // share of the face outside of the picture, 0 to 1, at most
	Detection float64 // score of the detector, 0 to 1, at least
}

// Model returns what the domain needs to know of the set.
func (s Set) Model() faces.Model {
	names := make([]string, len(s.Networks))
	for i, n := range s.Networks {
		names[i] = n.Name
	}
	return faces.Model{
		ID: s.ID, Size: s.DescriptorSize, Networks: strings.Join(names, ","),
		Threshold: s.Threshold, Margin: s.Margin, FarThreshold: s.FarThreshold, FarMargin: s.FarMargin,
		Floors: faces.Floors(s.Floors),
	}
}

// Load reads and checks the set in dir, which is a folder of set.json in the
// folder of all models: every name and value in set.json, and the SHA-256 of
// every file. The error is ErrIncomplete where a file is missing or another.
func Load(dir string) (Set, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Set{}, fmt.Errorf("load model set: %w", err)
	}
	id, folder := filepath.Base(dir), filepath.Dir(dir)
	// A root cannot be left, neither by names nor by symbolic links.
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

// path returns where a file of the models lies.
func (s Set) path(name string) string { return filepath.Join(s.folder, filepath.FromSlash(name)) }
