// Package engine is what a face engine offers: it finds and describes the
// faces of one picture. The engines themselves are in packages below.
package engine

import (
	_ "embed" // for the portrait
	"errors"
	"image"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Found is one face in the pixels of the picture that the engine was given.
type Found struct {
	Box        image.Rectangle // may leave the picture
	Landmarks  []image.Point   // two corners of each eye, and the base of the nose
	Descriptor faces.Descriptor
}

// ErrUnreadable is what an engine returns where its own JPEG decoder does not
// take the bytes as they are.
var ErrUnreadable = errors.New("the engine cannot read the JPEG")

// Engine finds and describes faces, one picture at a time.
type Engine interface {
	// Recognize returns the faces of an RGB JPEG from left to right.
	Recognize(jpeg []byte) ([]Found, error)
	// Close frees the engine. It must not be in use.
	Close()
}

//go:embed portrait.jpg
var portrait []byte

// Portrait returns a JPEG with one face, which every engine that works finds.
// It is known/Ada/1.jpg of the drawn samples. It must not be changed.
func Portrait() []byte { return portrait }
