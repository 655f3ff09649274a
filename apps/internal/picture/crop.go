package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
)

// Crop cuts the part r out of m and scales it by scale. r is clipped to m and
// widened to even edges; Crop also returns the rectangle that it used.
func Crop(m *image.YCbCr, r image.Rectangle, scale float64) (*image.YCbCr, image.Rectangle) {
	r = r.Intersect(m.Rect)
	// Even edges: a chroma sample covers two by two pixels.
	r.Min = image.Pt(r.Min.X-(r.Min.X-m.Rect.Min.X)%2, r.Min.Y-(r.Min.Y-m.Rect.Min.Y)%2)
	if r.Empty() {
		return image.NewYCbCr(image.Rectangle{}, image.YCbCrSubsampleRatio420), r
	}
	part := m.SubImage(r).(*image.YCbCr)
	side := func(n int) int { return max(1, int(float64(n)*scale+0.5)) }
	return resize(planesOfYCbCr(part, 1), side(r.Dx()), side(r.Dy())).image(), r
}

// EncodeJPEG returns m as a baseline JPEG that libjpeg reads without a warning.
// Its quality is 1 to 100.
func EncodeJPEG(m *image.YCbCr, quality int) ([]byte, error) {
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, m, &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("picture: encode: %w", err)
	}
	return buf.Bytes(), nil
}
