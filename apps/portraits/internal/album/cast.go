// Package album holds Rollcall's sample pictures: who is drawn, and in which
// pictures. Nobody in it exists.
//
// The people's features were searched for, so that no two people are alike to
// the default model set: the nearest two are 1.15 apart, and its threshold is
// 0.90. Change a feature and measure again.
package album

import (
	"github.com/rollcall-faces/rollcall/apps/portraits/internal/canvas"
	"github.com/rollcall-faces/rollcall/apps/portraits/internal/portrait"
)

// Cast returns everybody by name.
func Cast() map[string]portrait.Person {
	return map[string]portrait.Person{
		"Ada": {
			Skin: canvas.Hex(0x4a2d1e), Hair: canvas.Hex(0x2a1a14), Iris: canvas.Hex(0x4a2a18), Lips: canvas.Hex(0x3b1a11),
			Style: portrait.Curls, BrowColour: canvas.Hex(0x1c110d), Glasses: portrait.RoundGlasses, Frame: canvas.Hex(0x2f5fa8), Freckles: true,
			Build: portrait.Build{
				Width: -0.05, Jaw: 0.96, Length: 1, EyeGap: -0.74, EyeSize: -0.2, EyeOpen: -0.42,
				EyeSlant: -0.09, BrowHeight: -0.96, BrowWeight: -0.68, BrowArch: -0.18, NoseWidth: 0.7, NoseLength: 0.99,
				MouthWidth: -0.22, MouthFull: 0.86, MouthHeight: 0.22, Ears: 0.44, Cheeks: 0.31, Hairline: -1,
			},
		},
		"Bruno": {
			Skin: canvas.Hex(0xf6d8c4), Hair: canvas.Hex(0x2c2019), Iris: canvas.Hex(0x5a3a20), Lips: canvas.Hex(0xc57d72),
			Style: portrait.Bald, BrowColour: canvas.Hex(0xd8c08a), Beard: portrait.FullBeard, Moustache: true, Glasses: portrait.RoundGlasses, Frame: canvas.Hex(0x3d7a52), Age: 1,
			Build: portrait.Build{
				Width: -0.71, Jaw: 0.17, Length: 1, EyeGap: -1, EyeSize: 0.86, EyeOpen: -1,
				EyeSlant: -1, BrowHeight: -0.59, BrowWeight: -0.7, BrowArch: -0.08, NoseWidth: -1, NoseLength: -1,
				MouthWidth: 0.85, MouthFull: 0.09, MouthHeight: -1, Ears: -0.63, Cheeks: 1, Hairline: -0.98,
			},
		},
		"Clara": {
			Skin: canvas.Hex(0xf0cdb6), Hair: canvas.Hex(0xc9c6c4), Iris: canvas.Hex(0x6d93b5), Lips: canvas.Hex(0xc0776a),
			Style: portrait.Bun, BrowColour: canvas.Hex(0xa9612f), Glasses: portrait.RoundGlasses, Frame: canvas.Hex(0x2f5fa8), Age: 0.53,
			Build: portrait.Build{
				Width: -0.43, Jaw: 0.89, Length: 0.81, EyeGap: 1, EyeSize: 1, EyeOpen: 1,
				EyeSlant: -0.75, BrowHeight: -0.54, BrowWeight: 0.8, BrowArch: -0.86, NoseWidth: 1, NoseLength: -1,
				MouthWidth: -0.52, MouthFull: 0.43, MouthHeight: -0.61, Ears: -1, Cheeks: 0.35, Hairline: 1,
			},
		},
		"Emil": {
			Skin: canvas.Hex(0x7a4b33), Hair: canvas.Hex(0xb8541f), Iris: canvas.Hex(0x5f8f5a), Lips: canvas.Hex(0x622c1e),
			Style: portrait.Quiff, BrowColour: canvas.Hex(0x15100e), Beard: portrait.FullBeard, Moustache: true, Freckles: true,
			Build: portrait.Build{
				Width: -0.22, Jaw: 0.54, Length: 0.31, EyeGap: -0.78, EyeSize: -0.79, EyeOpen: 0.62,
				EyeSlant: -1, BrowHeight: -0.09, BrowWeight: 0.09, BrowArch: -1, NoseWidth: 1, NoseLength: -1,
				MouthWidth: 0.58, MouthFull: 0.2, MouthHeight: -0.47, Ears: -0.31, Cheeks: 0.69, Hairline: 0.39,
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
			Skin: canvas.Hex(0xa9714e), Hair: canvas.Hex(0xe4e2de), Iris: canvas.Hex(0x5a7f9f), Lips: canvas.Hex(0x87422d),
			Style: portrait.Ring, BrowColour: canvas.Hex(0xd8c08a), Moustache: true, Age: 1, Freckles: true,
			Build: portrait.Build{
				Width: 1, Jaw: 0.19, Length: 0.71, EyeGap: -1, EyeSize: -0.81, EyeOpen: 1,
				EyeSlant: 1, BrowHeight: 1, BrowWeight: 0.39, BrowArch: -1, NoseWidth: -0.49, NoseLength: 1,
				MouthWidth: -0.41, MouthFull: 1, MouthHeight: -1, Ears: -1, Cheeks: 0.63, Hairline: 0.52,
			},
		},
		"Zora": {
			Skin: canvas.Hex(0x7a4b33), Hair: canvas.Hex(0x4c2c1b), Iris: canvas.Hex(0x4d3a1f), Lips: canvas.Hex(0x622c1e),
			Style: portrait.Wavy, BrowColour: canvas.Hex(0xd8c08a),
			Build: portrait.Build{
				Width: -0.92, Jaw: -0.75, Length: 0.09, EyeGap: -0.93, EyeSize: 0.61, EyeOpen: 0.55,
				EyeSlant: -0.88, BrowHeight: -0.55, BrowWeight: 0.08, BrowArch: 0.91, NoseWidth: -0.68, NoseLength: -0.61,
				MouthWidth: 0.88, MouthFull: 1, MouthHeight: 0.77, Ears: 1, Cheeks: 0.86, Hairline: -0.34,
			},
		},
		"Yann": {
			Skin: canvas.Hex(0x4a2d1e), Hair: canvas.Hex(0x6b4a2a), Iris: canvas.Hex(0x4f6f8a), Lips: canvas.Hex(0x3b1a11),
			Style: portrait.SidePart, BrowColour: canvas.Hex(0xa9612f), Beard: portrait.Goatee,
			Build: portrait.Build{
				Width: -0.55, Jaw: 0.6, Length: -0.7, EyeGap: 0.94, EyeSize: -1, EyeOpen: -0.6,
				EyeSlant: 1, BrowHeight: -1, BrowWeight: 1, BrowArch: -1, NoseWidth: -0.59, NoseLength: -0.63,
				MouthWidth: 0.44, MouthFull: -0.1, MouthHeight: 1, Ears: 0.65, Cheeks: -1, Hairline: 0.41,
			},
		},
		"Xavi": {
			Skin: canvas.Hex(0x5b3825), Hair: canvas.Hex(0x15100e), Iris: canvas.Hex(0x2e1b10), Lips: canvas.Hex(0x6f3b36),
			Style: portrait.Crop, BrowColour: canvas.Hex(0x15100e), Moustache: true, Glasses: portrait.SquareGlasses, Frame: canvas.Hex(0xe2a32c), Age: 1,
			Build: portrait.Build{
				Width: -0.26, Jaw: 0.59, Length: 0.64, EyeGap: 0.65, EyeSize: 1, EyeOpen: 1,
				EyeSlant: 1, BrowHeight: 0.02, BrowWeight: 0.38, BrowArch: 1, NoseWidth: 0.75, NoseLength: -0.86,
				MouthWidth: 1, MouthFull: -0.75, MouthHeight: 1, Ears: 0.72, Cheeks: 1, Hairline: 1,
			},
		},
	}
}
