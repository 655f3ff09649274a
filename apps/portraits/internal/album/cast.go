// Package album defines Rollcall's sample pictures: the people, and the
// pictures they are in. None of the people exists.
//
// The features were chosen so that the default model set separates the people:
// two pictures of different people are at least 1.05 apart, and the threshold
// is 0.90. Measure again after changing a feature.
package album

import (
	"github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"
	"github.com/rollcall-faces/rollcall/apps/portraits/internal/portrait"
)

// Cast returns all people by name.
func Cast() map[string]portrait.Person {
	return map[string]portrait.Person{
		"Ada": {
			Skin: canvas.Hex(0x7a4b33), Hair: canvas.Hex(0x2a1a14), Iris: canvas.Hex(0x4a2a18), Lips: canvas.Hex(0x8a3a3a),
			Style: portrait.Curls, BrowColour: canvas.Hex(0x1c110d), Glasses: portrait.SquareGlasses, Frame: canvas.Hex(0x3d7a52), Age: 1,
			Build: portrait.Build{
				Width: -0.69, Jaw: -1, Length: 1, EyeGap: 0.56, EyeSize: -0.53, EyeOpen: -1,
				EyeSlant: -0.36, BrowHeight: -0.48, BrowWeight: 0.24, BrowArch: -1, NoseWidth: -1, NoseLength: -0.85,
				MouthWidth: 1, MouthFull: -1, MouthHeight: -0.1, Ears: -0.67, Cheeks: -0.74, Hairline: 0.8,
			},
		},
		"Bruno": {
			Skin: canvas.Hex(0xd09a72), Hair: canvas.Hex(0x2c2019), Iris: canvas.Hex(0x5a3a20), Lips: canvas.Hex(0xa8605a),
			Style: portrait.Bald, Beard: portrait.FullBeard, Moustache: true, Freckles: true,
			Build: portrait.Build{
				Width: 0.91, Jaw: 0.78, Length: -0.91, EyeGap: -0.95, EyeSize: -0.8, EyeOpen: 0.94,
				EyeSlant: -0.92, BrowHeight: 0.72, BrowWeight: -0.78, BrowArch: -0.91, NoseWidth: -0.54, NoseLength: -0.78,
				MouthWidth: -0.55, MouthFull: -0.79, MouthHeight: -0.24, Ears: 0.69, Cheeks: 0.42, Hairline: -0.63,
			},
		},
		"Clara": {
			Skin: canvas.Hex(0xf0cdb6), Hair: canvas.Hex(0xc9c6c4), Iris: canvas.Hex(0x6d93b5), Lips: canvas.Hex(0xb9606a),
			Style: portrait.Bun, BrowColour: canvas.Hex(0x9b9490), Glasses: portrait.RoundGlasses, Frame: canvas.Hex(0x8c2433), Age: 1, Freckles: true,
			Build: portrait.Build{
				Width: -0.41, Jaw: 1, Length: 0.98, EyeGap: -0.76, EyeSize: 0.12, EyeOpen: -0.03,
				EyeSlant: -1, BrowHeight: -0.95, BrowWeight: -1, BrowArch: -0.46, NoseWidth: -0.43, NoseLength: -0.22,
				MouthWidth: 0.99, MouthFull: 0.76, MouthHeight: -0.58, Ears: -0.62, Cheeks: 0.27, Hairline: 0.7,
			},
		},
		"Emil": {
			Skin: canvas.Hex(0xf3cbb0), Hair: canvas.Hex(0xb8541f), Iris: canvas.Hex(0x5f8f5a), Lips: canvas.Hex(0xc9776c),
			Style: portrait.Quiff, BrowColour: canvas.Hex(0xa9612f), Moustache: true, Freckles: true,
			Build: portrait.Build{
				Width: -0.96, Jaw: -1, Length: 0.3, EyeGap: 1, EyeSize: -1, EyeOpen: 1,
				EyeSlant: -0.54, BrowHeight: -1, BrowWeight: 1, BrowArch: -0.58, NoseWidth: 0.84, NoseLength: 0.57,
				MouthWidth: 0.03, MouthFull: 0.5, MouthHeight: -1, Ears: -0.21, Cheeks: -0.24, Hairline: -1,
			},
		},
		"Mei": {
			Skin: canvas.Hex(0xeec39c), Hair: canvas.Hex(0x17141a), Iris: canvas.Hex(0x33221a), Lips: canvas.Hex(0xc22f3c),
			Style: portrait.Bob,
			Build: portrait.Build{
				Width: 0.26, Jaw: -0.76, Length: -0.75, EyeGap: -0.16, EyeSize: -0.21, EyeOpen: -0.5,
				EyeSlant: 0.24, BrowHeight: 0.75, BrowWeight: 0.33, BrowArch: 0.73, NoseWidth: -0.79, NoseLength: -0.36,
				MouthWidth: -1, MouthFull: 0.61, MouthHeight: -0.03, Ears: 0.21, Cheeks: -0.23, Hairline: -0.79,
			},
		},
		"Otto": {
			Skin: canvas.Hex(0xe5a98c), Hair: canvas.Hex(0xe4e2de), Iris: canvas.Hex(0x5a7f9f), Lips: canvas.Hex(0xb5706a),
			Style: portrait.Ring, Moustache: true, Freckles: true,
			Build: portrait.Build{
				Width: 0.95, Jaw: -0.72, Length: 0.53, EyeGap: -0.54, EyeSize: 0.68, EyeOpen: 0.63,
				EyeSlant: 0.98, BrowHeight: -0.76, BrowWeight: 0.68, BrowArch: 0.77, NoseWidth: 0.16, NoseLength: -0.78,
				MouthWidth: 0.44, MouthFull: 1, MouthHeight: -0.85, Ears: -0.64, Cheeks: 0.79, Hairline: -0.15,
			},
		},
		"Zora": {
			Skin: canvas.Hex(0xc98d63), Hair: canvas.Hex(0x4c2c1b), Iris: canvas.Hex(0x4d3a1f), Lips: canvas.Hex(0xa94b4b),
			Style: portrait.Wavy, Glasses: portrait.SquareGlasses, Frame: canvas.Hex(0xe2a32c), Age: 1, Freckles: true,
			Build: portrait.Build{
				Width: 0.63, Jaw: 1, Length: -0.68, EyeGap: 0.71, EyeSize: 0.24, EyeOpen: 0.69,
				EyeSlant: -1, BrowHeight: -1, BrowWeight: 0.7, BrowArch: -1, NoseWidth: 1, NoseLength: 0.61,
				MouthWidth: -1, MouthFull: -0.28, MouthHeight: -0.01, Ears: -1, Cheeks: 0.55, Hairline: -0.38,
			},
		},
		"Yann": {
			Skin: canvas.Hex(0xe2b08d), Hair: canvas.Hex(0x6b4a2a), Iris: canvas.Hex(0x4f6f8a), Lips: canvas.Hex(0xb06a62),
			Style: portrait.SidePart, BrowColour: canvas.Hex(0x5a3c22), Beard: portrait.Goatee, Moustache: true, Glasses: portrait.SquareGlasses, Frame: canvas.Hex(0x2f5fa8), Age: 1, Freckles: true,
			Build: portrait.Build{
				Width: -0.58, Jaw: -0.51, Length: 0.72, EyeGap: 1, EyeSize: 0.79, EyeOpen: -1,
				EyeSlant: 0.54, BrowHeight: -0.76, BrowWeight: -0.48, BrowArch: -0.92, NoseWidth: 0.68, NoseLength: -1,
				MouthWidth: -0.89, MouthFull: 0.75, MouthHeight: 0.92, Ears: 0.94, Cheeks: -1, Hairline: 1,
			},
		},
		"Xavi": {
			Skin: canvas.Hex(0x5b3825), Hair: canvas.Hex(0x15100e), Iris: canvas.Hex(0x2e1b10), Lips: canvas.Hex(0x6f3b36),
			Style: portrait.Crop, Beard: portrait.Goatee, Moustache: true, Glasses: portrait.RoundGlasses, Frame: canvas.Hex(0xe2a32c),
			Build: portrait.Build{
				Width: -0.38, Jaw: 0.61, Length: -0.44, EyeGap: 0.42, EyeSize: 0.55, EyeOpen: -0.92,
				EyeSlant: -0.58, BrowHeight: -0.69, BrowWeight: -0.79, BrowArch: 0.95, NoseWidth: 0.82, NoseLength: 0.97,
				MouthWidth: -0.81, MouthFull: 0.9, MouthHeight: -0.46, Ears: -0.84, Cheeks: -0.36, Hairline: 0.66,
			},
		},
	}
}
