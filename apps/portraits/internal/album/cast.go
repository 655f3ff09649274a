// Package album holds Rollcall's sample pictures: who is drawn, and in which
// pictures. Nobody in it exists.
//
// This file owns the people. Their features were chosen for the distances that
// the lite face models of release 0.1.0 put between them: change one and measure again.
package album

import (
	"github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"
	"github.com/rollcall-faces/rollcall/apps/portraits/internal/portrait"
)

// Cast returns everybody by name.
func Cast() map[string]portrait.Person {
	return map[string]portrait.Person{
		"Ada": {
			Skin: canvas.Hex(0x7a4b33), Hair: canvas.Hex(0x2a1a14), Iris: canvas.Hex(0x4a2a18), Lips: canvas.Hex(0x8a3a3a),
			Style: portrait.Curls, BrowColour: canvas.Hex(0x1c110d),
			Build: portrait.Build{
				Width: 0.65, Jaw: -0.57, Length: -0.23, EyeGap: 0.28, EyeSize: 0.61, EyeOpen: 1,
				EyeSlant: -0.07, BrowHeight: 0.07, BrowWeight: -0.25, BrowArch: 0.52, NoseWidth: 0.78, NoseLength: -0.56,
				MouthWidth: 0.32, MouthFull: 0.88, MouthHeight: 0.24, Ears: 0.55, Cheeks: 0.63, Hairline: 0.52,
			},
		},
		"Bruno": {
			Skin: canvas.Hex(0xd09a72), Hair: canvas.Hex(0x2c2019), Iris: canvas.Hex(0x5a3a20), Lips: canvas.Hex(0xa8605a),
			Style: portrait.Bald, Beard: portrait.FullBeard, Moustache: true,
			Build: portrait.Build{
				Width: 0.03, Jaw: 0.73, Length: -0.41, EyeGap: 0.6, EyeSize: 0.5, EyeOpen: -0.6,
				EyeSlant: 0.43, BrowHeight: -0.24, BrowWeight: 0.67, BrowArch: -0.21, NoseWidth: 0.6, NoseLength: -0.02,
				MouthWidth: 0.22, MouthFull: -0.13, MouthHeight: -0.52, Ears: 0.81, Cheeks: -0.61, Hairline: -0.32,
			},
		},
		"Clara": {
			Skin: canvas.Hex(0xf0cdb6), Hair: canvas.Hex(0xc9c6c4), Iris: canvas.Hex(0x6d93b5), Lips: canvas.Hex(0xb9606a),
			Style: portrait.Bun, BrowColour: canvas.Hex(0x9b9490), Glasses: portrait.RoundGlasses, Frame: canvas.Hex(0x8c2433), Age: 0.53,
			Build: portrait.Build{
				Width: -0.69, Jaw: -0.56, Length: 0.14, EyeGap: -0.19, EyeSize: -0.78, EyeOpen: 0.5,
				EyeSlant: 0.01, BrowHeight: 0.18, BrowWeight: -1, BrowArch: 0.01, NoseWidth: 0.74, NoseLength: 0.55,
				MouthWidth: -0.03, MouthFull: -0.93, MouthHeight: -0.13, Ears: -0.2, Cheeks: -0.02, Hairline: 0.66,
			},
		},
		"Emil": {
			Skin: canvas.Hex(0xf3cbb0), Hair: canvas.Hex(0xb8541f), Iris: canvas.Hex(0x5f8f5a), Lips: canvas.Hex(0xc9776c),
			Style: portrait.Quiff, BrowColour: canvas.Hex(0xa9612f), Freckles: true,
			Build: portrait.Build{
				Width: -0.91, Jaw: 0.47, Length: 1, EyeGap: 0.59, EyeSize: 0.48, EyeOpen: 0.81,
				EyeSlant: 0.04, BrowHeight: -0.72, BrowWeight: -0.35, BrowArch: 0.3, NoseWidth: -0.38, NoseLength: 0.67,
				MouthWidth: 0.28, MouthFull: -0.75, MouthHeight: 0.32, Ears: 1, Cheeks: -0.59, Hairline: -0.19,
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
			Style: portrait.Ring, Moustache: true, Age: 1,
			Build: portrait.Build{
				Width: 0.88, Jaw: 0.47, Length: 0.27, EyeGap: 0.33, EyeSize: -0.43, EyeOpen: -0.39,
				EyeSlant: 0.41, BrowHeight: -0.24, BrowWeight: 0.73, BrowArch: -0.06, NoseWidth: 0.4, NoseLength: 0.75,
				MouthWidth: 0.02, MouthFull: 0.04, MouthHeight: -0.05, Ears: 1, Cheeks: -0.66, Hairline: 0.18,
			},
		},
		"Zora": {
			Skin: canvas.Hex(0xc98d63), Hair: canvas.Hex(0x4c2c1b), Iris: canvas.Hex(0x4d3a1f), Lips: canvas.Hex(0xa94b4b),
			Style: portrait.Wavy,
			Build: portrait.Build{
				Width: -0.11, Jaw: 1, Length: -0.41, EyeGap: -0.5, EyeSize: 1, EyeOpen: 1,
				EyeSlant: 0.02, BrowHeight: 0.87, BrowWeight: -0.08, BrowArch: 0.11, NoseWidth: 0.08, NoseLength: 0.83,
				MouthWidth: 0.79, MouthFull: 1, MouthHeight: -1, Ears: 0.25, Cheeks: -0.36, Hairline: 0.21,
			},
		},
		"Yann": {
			Skin: canvas.Hex(0xe2b08d), Hair: canvas.Hex(0x6b4a2a), Iris: canvas.Hex(0x4f6f8a), Lips: canvas.Hex(0xb06a62),
			Style: portrait.SidePart, BrowColour: canvas.Hex(0x5a3c22),
			Beard: portrait.Goatee, Glasses: portrait.SquareGlasses,
			Build: portrait.Build{
				Width: -0.2, Jaw: 1, Length: 0.29, EyeGap: -1, EyeSize: 0.31, EyeOpen: -0.2,
				EyeSlant: 0.41, BrowHeight: 0.12, BrowWeight: 0.43, BrowArch: -0.55, NoseWidth: -0.45, NoseLength: 0.15,
				MouthWidth: 0.22, MouthFull: 0.5, MouthHeight: 0.88, Ears: 0.89, Cheeks: -0.09, Hairline: -0.43,
			},
		},
		"Xavi": {
			Skin: canvas.Hex(0x5b3825), Hair: canvas.Hex(0x15100e), Iris: canvas.Hex(0x2e1b10), Lips: canvas.Hex(0x6f3b36),
			Style: portrait.Crop, Moustache: true, Glasses: portrait.RoundGlasses, Frame: canvas.Hex(0xe2a32c),
			Build: portrait.Build{
				Width: -0.54, Jaw: -0.45, Length: 0.21, EyeGap: 0.31, EyeSize: 0.47, EyeOpen: -0.2,
				EyeSlant: -0.48, BrowHeight: 0.94, BrowWeight: 0.72, BrowArch: -0.25, NoseWidth: 1, NoseLength: -0.13,
				MouthWidth: 0.34, MouthFull: 0.84, MouthHeight: 0.06, Ears: 0.49, Cheeks: 0.01, Hairline: 0.33,
			},
		},
	}
}
