package align

// MobileFaceNetSide is the side of the square that MobileFaceNet takes, in
// pixels.
const MobileFaceNetSide = 112

// MobileFaceNet returns where the five points lie in MobileFaceNet's square:
// the template of ArcFace (Deng and others, 2019), which it was trained on.
func MobileFaceNet() Points {
	return Points{
		{38.2946, 51.6963}, {73.5318, 51.5014}, {56.0252, 71.7366}, {41.5493, 92.3655}, {70.7299, 92.2041},
	}
}

const (
	// CutoutSide is the side of the square that is cut out for dlib's networks, in
	// pixels. Its middle is dlib's chip.
	CutoutSide = 240
	// ChipSide is the side of the chip that dlib's ResNet takes, in pixels.
	ChipSide = 150
)

// Cutout returns where the five points lie in the cut-out: the middle of the
// eyes, the nose and the corners of the mouth as they lie in dlib's chip in the
// mean, measured on photographs of faces.
func Cutout() Points {
	const margin = (CutoutSide - ChipSide) / 2
	p := Points{{46.8, 46.6}, {104.2, 46.7}, {76.2, 78.3}, {50.7, 103.8}, {101.7, 103.6}}
	for i := range p {
		p[i].X += margin
		p[i].Y += margin
	}
	return p
}
