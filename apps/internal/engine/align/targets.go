package align

// MobileFaceNetSide is the side of MobileFaceNet's input, in pixels.
const MobileFaceNetSide = 112

// MobileFaceNet returns the positions of the five points in MobileFaceNet's
// input. It was trained on this template, that of ArcFace (Deng and others,
// 2019).
func MobileFaceNet() Points {
	return Points{
		{38.2946, 51.6963}, {73.5318, 51.5014}, {56.0252, 71.7366}, {41.5493, 92.3655}, {70.7299, 92.2041},
	}
}

const (
	// CutoutSide is the side of the cut-out for dlib's networks, in pixels.
	// dlib's chip is in its middle.
	CutoutSide = 240
	// ChipSide is the side of the input of dlib's ResNet (the chip), in
	// pixels.
	ChipSide = 150
)

// Cutout returns the positions of the five points in the cut-out: their mean
// positions in dlib's chip, measured on photographs.
func Cutout() Points {
	const margin = (CutoutSide - ChipSide) / 2
	p := Points{{46.8, 46.6}, {104.2, 46.7}, {76.2, 78.3}, {50.7, 103.8}, {101.7, 103.6}}
	for i := range p {
		p[i].X += margin
		p[i].Y += margin
	}
	return p
}
