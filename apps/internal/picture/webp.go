package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"

	"golang.org/x/image/webp"
)

// webpFrame is the first frame of an animated WebP.
type webpFrame struct {
	at     image.Point // position on the canvas
	size   image.Point
	chunks []byte // as in a still WebP
}

var errWebPFrame = errors.New("the animation has no first frame within its canvas")

// webpCanvas returns the canvas size of a WebP in the extended format, and
// whether it is animated. The size is zero for a simple WebP.
func webpCanvas(data []byte) (size image.Point, animated bool) {
	const animation = 1 << 1
	f := webpBlock(data, "VP8X")
	if len(f) < 10 {
		return image.Point{}, false
	}
	return image.Pt(uint24(f[4:])+1, uint24(f[7:])+1), f[0]&animation != 0
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func webpConfig(data []byte) (image.Config, error) {
	if size, animated := webpCanvas(data); animated {
		return image.Config{Width: size.X, Height: size.Y}, nil
	}
	return webp.DecodeConfig(bytes.NewReader(data))
}

// firstFrame finds the first frame of an animated WebP.
func firstFrame(data []byte) (webpFrame, error) {
	const head = 16 // position, size, duration, flags
	body := webpBlock(data, "ANMF")
	if len(body) < head {
		return webpFrame{}, errWebPFrame
	}
	canvas, _ := webpCanvas(data)
	f := webpFrame{
		at:     image.Pt(2*uint24(body), 2*uint24(body[3:])),
		size:   image.Pt(uint24(body[6:])+1, uint24(body[9:])+1),
		chunks: body[head:],
	}
	if f.at.X+f.size.X > canvas.X || f.at.Y+f.size.Y > canvas.Y {
		return webpFrame{}, errWebPFrame
	}
	return f, nil
}

// still returns the frame as a WebP file of its own.
func (f *webpFrame) still() []byte {
	const riff, alpha = "RIFF\x00\x00\x00\x00WEBP", 1 << 4
	out := []byte(riff)
	if webpBlock(append([]byte(riff), f.chunks...), "ALPH") != nil {
		w, h := f.size.X-1, f.size.Y-1
		out = append(out, "VP8X\x0a\x00\x00\x00"...)
		out = append(out, alpha, 0, 0, 0, byte(w), byte(w>>8), byte(w>>16), byte(h), byte(h>>8), byte(h>>16))
	}
	out = append(out, f.chunks...)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

// decodeWebP decodes a WebP. Of an animation it returns the first frame on
// its canvas.
func decodeWebP(data []byte, h *header) (image.Image, error) {
	if _, animated := webpCanvas(data); !animated {
		return decodeStillWebP(data)
	}
	frame, err := firstFrame(data)
	if err != nil {
		return nil, err
	}
	still := frame.still()
	config, err := webp.DecodeConfig(bytes.NewReader(still))
	if err != nil {
		return nil, err
	}
	if config.Width != frame.size.X || config.Height != frame.size.Y {
		return nil, errWebPFrame
	}
	m, err := decodeStillWebP(still)
	if err != nil {
		return nil, err
	}
	canvas := NewRGB(h.width, h.height)
	fill(canvas.Pix)
	read := pixelReader(m)
	for y := range m.Bounds().Dy() {
		row := canvas.Row(frame.at.Y + y)[bytesPerPixel*frame.at.X:]
		read(m.Bounds().Min.Y+y, row[:bytesPerPixel*m.Bounds().Dx()])
	}
	return canvas, nil
}

// decodeStillWebP decodes a WebP and corrects its range. A lossy WebP uses
// limited range (BT.601: black is 16, white is 235), but x/image returns its
// values in a type that means full range, so the picture would look washed
// out.
func decodeStillWebP(data []byte) (image.Image, error) {
	m, err := webp.Decode(bytes.NewReader(data))
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

// widenLevels converts limited range to the full range of JPEG, in place.
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
