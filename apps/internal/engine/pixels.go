package engine

import (
	"errors"
	"image"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// PixelFace is one face. Positions are in pixels of the picture that the
// PixelEngine was given.
type PixelFace struct {
	Box        image.Rectangle // may extend beyond the picture
	Landmarks  []image.Point   // two corners of each eye, and the base of the nose
	Descriptor faces.Descriptor
	// Sharpness is 0 (blurred) to 1 (sharp). It is measured at the size at
	// which the face is described.
	Sharpness float64
}

// PixelsSeen is what a PixelEngine found in one picture, and how long the
// steps took.
type PixelsSeen struct {
	Faces    []PixelFace // from left to right
	Detect   time.Duration
	Describe time.Duration // landmarks and descriptors
}

// ErrUnreadable means that a PixelEngine cannot process this picture. Other
// pictures are not affected.
var ErrUnreadable = errors.New("the engine cannot read the picture")

// PixelEngine finds and describes the faces of decoded pictures, one at a
// time.
type PixelEngine interface {
	// Look finds and describes the faces of an upright picture.
	Look(*image.YCbCr) (PixelsSeen, error)
	// Close frees the engine. The engine must not be in use.
	Close()
}

// JPEGDecoder is an optional interface of a PixelEngine: a fast decoder (see
// picture.JPEGDecoder).
type JPEGDecoder interface {
	DecodeJPEG(data []byte, width, height, eighths int) (*image.YCbCr, error)
}
