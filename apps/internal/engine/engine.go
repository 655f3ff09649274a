// Package engine defines the interface of a face engine. An engine decodes a
// picture, finds the faces in it and describes each face as a vector (a
// descriptor). Package engine/opener opens the engine of a model set; the
// implementations are in the packages below.
package engine

import (
	"context"
	_ "embed" // for the portrait
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Purpose is why a picture is analysed.
type Purpose int

const (
	// Ask is for a picture that is to be recognized.
	Ask Purpose = iota
	// Enrol is for a picture of a known person. The reference network
	// describes its faces, even though that is slower.
	Enrol
)

// Face is one face in a picture. Positions are in pixels of the upright
// original.
type Face struct {
	Box        faces.Box
	Landmarks  []faces.Point
	Descriptor faces.Descriptor // nil if the reference should describe it but does not find the face
	// Variants are further descriptors of a known face. It is matched by any
	// of them.
	Variants []faces.Descriptor
	Quality  faces.Quality
}

// Seen is what an engine found in one picture, and how long the steps took.
type Seen struct {
	Width, Height int    // of the upright original, in pixels
	Faces         []Face // from left to right
	Omitted       int    // number of smaller faces beyond the limit for one picture; they are not described
	Warning       string // what is wrong with a damaged file; empty for an intact one

	Decode   time.Duration // decoding, including regions
	Detect   time.Duration // finding faces
	Describe time.Duration // aligning and describing them
}

// Engine analyses one picture at a time. It is not safe for concurrent use.
type Engine interface {
	// Look decodes an untrusted picture file, finds its faces and describes
	// them. Its errors have a reason (see faces.ReasonOf) if the picture is
	// at fault. Otherwise the engine failed. The engine does not keep file
	// after Look returns.
	Look(ctx context.Context, file []byte, purpose Purpose) (Seen, error)
	// Reexamine describes faces of the last picture again, with the reference
	// network. numbers are indexes into Seen.Faces. A descriptor is nil if
	// the reference does not find the face.
	Reexamine(ctx context.Context, numbers []int) ([]faces.Descriptor, error)
	// Close frees the engine. The engine must not be in use.
	Close()
}

//go:embed portrait.jpg
var portrait []byte

// Portrait returns a JPEG with one face that every working engine finds. It
// is known/Mei/1.jpg of the drawn samples. Do not modify it.
func Portrait() []byte { return portrait }

// Renderer is an optional interface of engines. Render decodes an untrusted
// picture file and returns it as a JPEG for people to look at. Its errors have
// a reason if the picture is at fault, and the code faces.CodeInvalid if r is.
// The engine forgets the last picture of Look.
type Renderer interface {
	Render(ctx context.Context, file []byte, r faces.Rendering) (faces.Rendered, error)
}

// BoxDescriber is an optional interface of engines. DescribeBox decodes an
// untrusted picture file and describes the face in a box of the upright original,
// where somebody says that there is one. Seen has this one face, with the box; it
// has landmarks if the detector finds a face there, and is aligned by the box alone
// otherwise. Its errors are those of Look, and one with the code faces.CodeInvalid
// if the box is not inside the picture. Reexamine then knows this face.
type BoxDescriber interface {
	DescribeBox(ctx context.Context, file []byte, box faces.Box) (Seen, error)
}

// Trimmer is an optional interface of engines. Trim returns memory that
// engines of this type have freed to the system. It may be called while they
// are in use.
type Trimmer interface {
	Trim()
}
