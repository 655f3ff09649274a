package album

import (
	"github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"
	"github.com/rollcall-faces/rollcall/apps/portraits/internal/portrait"
)

// Shot is one picture. Without sitters it shows a landscape.
type Shot struct {
	File          string    // relative to the samples folder, with forward slashes
	Width, Height int       // in pixels
	Wall          [2]uint32 // colours at the top and at the bottom
	Light         portrait.Light
	Sitters       []Sitter // from back to front
}

// Sitter is one person in a picture.
type Sitter struct {
	Name    string
	X, Y    float64 // midpoint between the eyes, as a share of the picture's size
	Unit    float64 // half the width of an average face, in pixels
	Tilt    float64 // degrees, clockwise
	Turn    float64 // -1 to 1; 0 faces the camera
	Smile   float64 // 0 to 1
	Clothes uint32
}

func softLight() portrait.Light {
	return portrait.Light{From: canvas.Point{X: -0.25, Y: -0.35}, Contrast: 0.55}
}

func windowLeft() portrait.Light {
	return portrait.Light{From: canvas.Point{X: -0.6, Y: -0.4}, Contrast: 0.65}
}

func lampRight() portrait.Light {
	return portrait.Light{
		From: canvas.Point{X: 0.55, Y: -0.35}, Contrast: 0.6, Colour: canvas.Colour{1, 0.96, 0.9},
	}
}

func coolSky() portrait.Light {
	return portrait.Light{
		From: canvas.Point{X: -0.35, Y: -0.5}, Contrast: 0.6, Colour: canvas.Colour{0.93, 0.97, 1.01},
	}
}

func eveningSun() portrait.Light {
	return portrait.Light{
		From: canvas.Point{X: 0.35, Y: -0.2}, Contrast: 0.6, Colour: canvas.Colour{0.98, 0.9, 0.82},
	}
}

// format is a size of picture in pixels.
type format struct{ width, height int }

// Shots returns every picture.
func Shots() []Shot {
	upright, square, wide := format{480, 600}, format{540, 540}, format{660, 500}
	soft, left, right, cool, evening := softLight(), windowLeft(), lampRight(), coolSky(), eveningSun()
	shots := []Shot{
		// file, who, light, format, wall (above, below), clothes, scale, tilt, turn, smile
		single("known/Ada/1.jpg", "Ada", soft, upright, 0xf2d9a8, 0xd8a861, 0x2f6f73, 0.99, 0, 0, 0.4),
		single("known/Ada/2.jpg", "Ada", right, square, 0x9fc5c9, 0x5f8f99, 0xd9822b, 0.95, 4, 0.3, 0.7),
		single("known/Ada/3.jpg", "Ada", cool, upright, 0xd7c9e0, 0x9a86b0, 0x7a2f4f, 1.02, -4, -0.3, 0.2),
		single("known/Bruno/1.jpg", "Bruno", soft, upright, 0xc9d6df, 0x7f97a8, 0x3a4a5f, 1.01, 0, 0, 0.3),
		single("known/Bruno/2.jpg", "Bruno", left, upright, 0xe8d3bd, 0xb98f6b, 0x6b2f2a, 0.97, -4, 0.3, 0.7),
		single("known/Bruno/3.jpg", "Bruno", right, square, 0xb9cfae, 0x6f8f66, 0x2d2d33, 1.04, 4, -0.3, 0.4),
		single("known/Clara/1.jpg", "Clara", soft, upright, 0xd9e4e8, 0x9fb6c2, 0x5a4a78, 1.00, 0, 0, 0.5),
		single("known/Clara/2.jpg", "Clara", right, upright, 0xf0dfd0, 0xcfa58a, 0x2f5f4f, 0.96, 4, -0.3, 0.3),
		single("known/Clara/3.jpg", "Clara", cool, square, 0xc8c2dd, 0x8a82ae, 0xa8434f, 1.03, -4, 0.3, 0.7),
		single("known/Emil/1.jpg", "Emil", soft, upright, 0xbfe0d2, 0x6fae9a, 0x27496d, 0.97, 0, 0, 0.4),
		single("known/Emil/2.jpg", "Emil", left, square, 0xf5e3b5, 0xd9b25f, 0x3f7a3f, 0.94, 4, 0.3, 0.8),
		single("known/Mei/1.jpg", "Mei", soft, upright, 0xf4c9c9, 0xd98a8f, 0xf0ead8, 1.01, 0, 0, 0.4),
		single("known/Mei/2.jpg", "Mei", right, upright, 0xc5d9f0, 0x7fa3cf, 0xd6a62f, 0.97, -4, 0.3, 0.7),
		single("known/Mei/3.jpg", "Mei", left, square, 0xd5e8c5, 0x93b87a, 0x3d3d58, 1.04, 4, -0.3, 0.2),
		single("known/Otto/1.jpg", "Otto", soft, upright, 0xd6cfc0, 0x9a8f78, 0x40563f, 1.00, 0, 0, 0.4),
		single("known/Otto/2.jpg", "Otto", cool, square, 0xbfd0e5, 0x7388ad, 0x7a3b2e, 0.96, 4, 0.3, 0.7),

		single("unknown/unknown0001.jpg", "Ada", left, upright, 0xcfe6c0, 0x7fae6a, 0xf1efe6, 0.97, -6, 0.4, 0.8),
		single("unknown/unknown0002.jpg", "Bruno", evening, wide, 0xf1c8a0, 0x9a5a4a, 0x4f6d4a, 0.98, 6, -0.4, 0.6),
		single("unknown/unknown0003.jpg", "Zora", soft, upright, 0xcfe3ea, 0x86b0c0, 0xb5432f, 0.99, 3, 0.2, 0.6),
		single("unknown/unknown0004.jpg", "Clara", left, wide, 0xe6e2b0, 0xb0a860, 0x31538a, 0.98, -6, -0.4, 0.5),
		single("unknown/unknown0005.jpg", "Emil", right, upright, 0xd9cfe8, 0x8f7fb5, 0xc75b39, 0.96, -6, -0.4, 0.6),
		{File: "unknown/unknown0006.jpg", Width: 680, Height: 440},
		single("unknown/unknown0007.jpg", "Yann", cool, square, 0xead9c4, 0xb58f68, 0x2f4f6f, 1.00, -3, -0.2, 0.5),
		single("unknown/unknown0008.jpg", "Mei", evening, upright, 0xe9b98f, 0x6f5a80, 0x8fae9f, 0.98, 6, 0.4, 0.6),
		single("unknown/unknown0009.jpg", "Otto", left, upright, 0xbfe0dd, 0x6f9f9a, 0x5b4a7f, 0.98, -6, -0.4, 0.6),
		{
			File: "unknown/unknown0010.jpg", Width: 700, Height: 400, Wall: [2]uint32{0xf0e2c8, 0xb99a72}, Light: soft,
			Sitters: []Sitter{
				{Name: "Mei", X: 0.375, Y: 0.44, Unit: 64, Tilt: -3, Turn: 0.1, Smile: 0.7, Clothes: 0xd98a3f},
				{Name: "Xavi", X: 0.62, Y: 0.41, Unit: 64, Tilt: 2, Turn: -0.1, Smile: 0.6, Clothes: 0x4f7a5a},
				{Name: "Otto", X: 0.14, Y: 0.45, Unit: 64, Tilt: 3, Turn: 0.3, Smile: 0.7, Clothes: 0x2f4f6f},
				{Name: "Ada", X: 0.86, Y: 0.50, Unit: 62, Tilt: -4, Turn: -0.3, Smile: 0.8, Clothes: 0x8a3f6f},
			},
		},
	}
	return shots
}

// single is a picture of one person. A scale of 1 fills the picture well.
func single(
	file, name string, light portrait.Light, size format, above, below, clothes uint32,
	scale, tilt, turn, smile float64,
) Shot {
	return Shot{
		File: file, Width: size.width, Height: size.height, Wall: [2]uint32{above, below}, Light: light,
		Sitters: []Sitter{{
			Name: name, X: 0.5 - 0.02*turn, Y: 0.44,
			Unit: scale * 0.18 * float64(size.height),
			Tilt: tilt, Turn: turn, Smile: smile, Clothes: clothes,
		}},
	}
}
