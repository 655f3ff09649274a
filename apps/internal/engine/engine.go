// Package engine defines what a face engine offers: it decodes one picture,
// finds the faces in it and describes each as a vector. The engines themselves
// are in packages below.
package engine

import (
	"context"
	_ "embed" // for the portrait
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Purpose is what a picture is looked at for.
type Purpose int

const (
	// Ask is for a picture that somebody asks about.
	Ask Purpose = iota
	// Enrol is for a picture of a known person: the reference network
	// describes its faces, however long that takes.
	Enrol
)

// Face is one face of a picture, in pixels of the upright original.
type Face struct {
	Box        faces.Box
	Landmarks  []faces.Point
	Descriptor faces.Descriptor // nil where the reference was to describe it and sees no face
	// Variants are further descriptors of a known face, by each of which it may be
	// matched.
	Variants []faces.Descriptor
	Quality  faces.Quality
}

// Seen is what an engine saw in one picture, and where its time went.
type Seen struct {
	Width, Height int    // of the upright original, in pixels
	Faces         []Face // from left to right
	Omitted       int    // smaller faces beyond the limit for one picture, which were not described
	Warning       string // what is wrong with the file though it could be read; empty where nothing is

	Decode   time.Duration // reading the file's pixels, whole or in parts
	Detect   time.Duration // finding faces
	Describe time.Duration // aligning and describing them
}

// Engine looks at one picture at a time. It is not safe for concurrent use.
type Engine interface {
	// Look decodes a picture file that nobody vouches for, finds its faces and
	// describes them. Its errors are the picture's faults (see faces.ReasonOf)
	// or the engine's. The engine does not read file after it has returned.
	Look(ctx context.Context, file []byte, purpose Purpose) (Seen, error)
	// Reexamine describes faces of the picture that Look saw last once more,
	// with the reference network. The numbers are indices into Seen.Faces. A
	// descriptor is nil where the reference sees no face.
	Reexamine(ctx context.Context, numbers []int) ([]faces.Descriptor, error)
	// Close frees the engine. It must not be in use.
	Close()
}

//go:embed portrait.jpg
var portrait []byte

// Portrait returns a JPEG with one face, which every engine that works finds.
// It is known/Mei/1.jpg of the drawn samples. It must not be changed.
func Portrait() []byte { return portrait }

// Trimmer is what an engine may offer beside: giving memory that engines like
// it have freed back to the system, whether one is in use or not.
type Trimmer interface {
	Trim()
}
