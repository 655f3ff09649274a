// Package engine is what a face engine offers: it finds and describes the
// faces of one picture. The engines themselves are in packages below.
package engine

import (
	_ "embed" // for the portrait
	"errors"
	"image"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Found is one face in the pixels of the picture that the engine was given.
type Found struct {
	Box        image.Rectangle // may leave the picture
	Landmarks  []image.Point   // two corners of each eye, and the base of the nose
	Descriptor faces.Descriptor
	// Sharpness is 0 (blurred) to 1 (sharp), at the size at which the face was
	// described.
	Sharpness float64
}

// Seen is what an engine saw in one picture, and where its time went.
type Seen struct {
	Faces    []Found // from left to right
	Detect   time.Duration
	Describe time.Duration // landmarks and descriptors
}

// ErrUnreadable is what an engine returns where it cannot take a picture as it
// is, and another will do.
var ErrUnreadable = errors.New("the engine cannot read the picture")

// Engine finds and describes faces, one picture at a time.
type Engine interface {
	// Look finds and describes the faces of an upright picture.
	Look(*image.YCbCr) (Seen, error)
	// Close frees the engine. It must not be in use.
	Close()
}

//go:embed portrait.jpg
var portrait []byte

// Portrait returns a JPEG with one face, which every engine that works finds.
// It is known/Ada/1.jpg of the drawn samples. It must not be changed.
func Portrait() []byte { return portrait }

// JPEGDecoder is what an engine may offer beside: a quick decoder (see
// picture.JPEGDecoder).
type JPEGDecoder interface {
	DecodeJPEG(data []byte, width, height, eighths int) (*image.YCbCr, error)
}

// Trimmer is what an engine may offer beside: giving memory that engines like
// it have freed back to the system, whether one is in use or not.
type Trimmer interface {
	Trim()
}
