package picture

// This file owns what golang.org/x/image/webp leaves undone.

import (
	"image"
	"io"

	"golang.org/x/image/webp"
)

// decodeWebP decodes a WebP and puts its colours right. A lossy one holds
// video levels (BT.601: black is 16, white is 235), which the decoder passes on
// in a type whose levels are those of JPEG, so that all would look washed out.
func decodeWebP(r io.Reader) (image.Image, error) {
	m, err := webp.Decode(r)
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *image.YCbCr:
		widenLevels(m)
	case *image.NYCbCrA:
		widenLevels(&m.YCbCr)
	}
	return m, nil
}

// widenLevels turns video levels into those of JPEG, in place.
func widenLevels(m *image.YCbCr) {
	var brightness, colour [256]byte
	for i := range 256 {
		brightness[i] = clampByte((2*255*(i-16) + 219) / (2 * 219))
		colour[i] = clampByte((2*255*(i-128) + 2*224*128 + 224) / (2 * 224))
	}
	for i, v := range m.Y {
		m.Y[i] = brightness[v]
	}
	for _, pix := range [][]byte{m.Cb, m.Cr} {
		for i, v := range pix {
			pix[i] = colour[v]
		}
	}
}

func clampByte(v int) byte { return byte(min(max(v, 0), 0xff)) }
