// Package portrait draws people who do not exist: heads and shoulders of plain
// shapes, shaded by a light, near enough to photographs for a face detector.
//
// This file owns what can be said about a person and about a picture of them.
package portrait

import "github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"

// Person is what stays the same from picture to picture.
type Person struct {
	Skin, Hair, Iris, Lips canvas.Colour
	BrowColour             canvas.Colour // Hair's where it is the zero Colour

	Build     Build
	Style     HairStyle
	Beard     Beard
	Moustache bool
	Glasses   Glasses
	Frame     canvas.Colour // of the glasses
	Age       float64       // 0 is smooth, 1 has many lines
	Freckles  bool
}

// Build says how a face differs from the average one. Every field goes from
// -1 to 1; 0 is average.
type Build struct {
	Width, Jaw, Length        float64 // of the head
	EyeGap, EyeSize, EyeOpen  float64
	EyeSlant                  float64 // positive: the outer corner is higher
	BrowHeight, BrowWeight    float64
	BrowArch                  float64 // positive: the outer end is lower
	NoseWidth, NoseLength     float64
	MouthWidth, MouthFull     float64
	MouthHeight, Ears, Cheeks float64
	Hairline                  float64 // positive: higher
}

// HairStyle names a way to wear one's hair.
type HairStyle int

// The styles of hair.
const (
	Bald HairStyle = iota
	Crop
	SidePart
	Quiff
	Bob
	Wavy // long, parted at the side
	Curls
	Bun
	Ring // the crown is bald, the sides are not
)

// Beard names a way to wear a beard.
type Beard int

// The styles of beard.
const (
	Shaven Beard = iota
	Goatee
	FullBeard
)

// Glasses names a shape of glasses.
type Glasses int

// The shapes of glasses.
const (
	NoGlasses Glasses = iota
	RoundGlasses
	SquareGlasses
)

// Setting is what changes from picture to picture of a person.
type Setting struct {
	Eyes  canvas.Point // on the canvas: the middle between the eyes
	Unit  float64      // pixels: half the width of an average face
	Tilt  float64      // radians, clockwise
	Turn  float64      // of the head, -1 to 1; 0 looks at the camera
	Smile float64      // 0 to 1

	Light   Light
	Clothes canvas.Colour
	Seed    uint64 // of strands, freckles and the like
}

// Light is where light comes from and how it looks.
type Light struct {
	From     canvas.Point  // 0,0 is the camera; -1,-1 is its upper left
	Contrast float64       // 0 has no shadows, 1 has deep ones
	Colour   canvas.Colour // white where it is the zero Colour
}
