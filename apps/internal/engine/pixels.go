package engine

import (
	"errors"
	"image"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// PixelFace is one face in the pixels of the picture that a PixelEngine was given.
type PixelFace struct {
	Box        image.Rectangle // may leave the picture
	Landmarks  []image.Point   // two corners of each eye, and the base of the nose
	Descriptor faces.Descriptor
	// Sharpness is 0 (blurred) to 1 (sharp), at the size at which the face was
	// described.
	Sharpness float64
}

// PixelsSeen is what a PixelEngine saw in one picture, and where its time went.
type PixelsSeen struct {
	Faces    []PixelFace // from left to right
	Detect   time.Duration
	Describe time.Duration // landmarks and descriptors
}

// ErrUnreadable is what a PixelEngine returns where it cannot take a picture as
// it is, and another will do.
var ErrUnreadable = errors.New("the engine cannot read the picture")

// PixelEngine finds and describes the faces of decoded pictures, one at a time.
type PixelEngine interface {
	// Look finds and describes the faces of an upright picture.
	Look(*image.YCbCr) (PixelsSeen, error)
	// Close frees the engine. It must not be in use.
	Close()
}

// JPEGDecoder is what an engine may offer beside: a quick decoder (see
// picture.JPEGDecoder).
type JPEGDecoder interface {
	DecodeJPEG(data []byte, width, height, eighths int) (*image.YCbCr, error)
}
