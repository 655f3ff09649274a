// Package portrait draws people who do not exist: head and shoulders from
// simple shapes with shading, similar enough to photographs for a face
// detector.
package portrait

import "github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"

// Person is what is the same in every picture of a person.
type Person struct {
	Skin, Hair, Iris, Lips canvas.Colour
	BrowColour             canvas.Colour // the zero Colour means that of Hair

	Build     Build
	Style     HairStyle
	Beard     Beard
	Moustache bool
	Glasses   Glasses
	Frame     canvas.Colour // of the glasses
	Age       float64       // 0 is smooth, 1 has many lines
	Freckles  bool
}

// Build is how a face differs from the average one. Every field is between -1
// and 1; 0 is average.
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

// HairStyle is a style of hair.
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

// Beard is a style of beard.
type Beard int

// The styles of beard.
const (
	Shaven Beard = iota
	Goatee
	FullBeard
)

// Glasses is a shape of glasses.
type Glasses int

// The shapes of glasses.
const (
	NoGlasses Glasses = iota
	RoundGlasses
	SquareGlasses
)

// Setting is what differs between the pictures of a person.
type Setting struct {
	Eyes  canvas.Point // midpoint between the eyes, on the canvas
	Unit  float64      // half the width of an average face, in pixels
	Tilt  float64      // radians, clockwise
	Turn  float64      // of the head, -1 to 1; 0 faces the camera
	Smile float64      // 0 to 1

	Light   Light
	Clothes canvas.Colour
	Seed    uint64 // of random details such as strands and freckles
}

// Light is the direction and colour of the light.
type Light struct {
	From     canvas.Point  // 0,0 is the camera; -1,-1 is its upper left
	Contrast float64       // 0 has no shadows, 1 has deep ones
	Colour   canvas.Colour // the zero Colour means white
}
