package picture

import (
	"image"
	"image/color"
)

// backdrop is the value of R, G and B behind transparent pixels: white. Web
// pages show white there, and cut-out portraits are made for it. Of faces cut
// out of photographs and put on white, grey or black, those on white had
// descriptors closest to the photograph's.
const backdrop = 0xff

// rowReader writes row y of a picture to dst as R, G, B, R, G, B and so on.
type rowReader func(y int, dst []byte)

// rowsOf returns a reader of m's rows, width pixels wide. m may be smaller
// than the picture: a GIF's frame may cover only a part of its screen.
func rowsOf(m image.Image, width int) rowReader {
	read := pixelReader(m)
	b := m.Bounds()
	return func(y int, dst []byte) {
		if b.Min.X > 0 || b.Max.X < width || y < b.Min.Y || y >= b.Max.Y {
			fill(dst)
		}
		if y >= b.Min.Y && y < b.Max.Y {
			read(y, dst[3*b.Min.X:3*b.Max.X])
		}
	}
}

func fill(dst []byte) {
	for i := range dst {
		dst[i] = backdrop
	}
}

// pixelReader returns a reader of the rows within m's bounds.
func pixelReader(m image.Image) rowReader {
	switch m := m.(type) {
	case *RGB:
		return func(y int, dst []byte) { copy(dst, m.Row(y)) }
	case *image.RGBA:
		return func(y int, dst []byte) {
			readRGBA(dst, m.Pix[m.PixOffset(m.Rect.Min.X, y):])
		}
	case *image.NRGBA:
		return func(y int, dst []byte) {
			readNRGBA(dst, m.Pix[m.PixOffset(m.Rect.Min.X, y):])
		}
	case *image.Paletted:
		table := paletteTable(m.Palette)
		return func(y int, dst []byte) {
			at := m.PixOffset(m.Rect.Min.X, y)
			for i := 0; i < len(dst); i += 3 {
				copy(dst[i:i+3], table[m.Pix[at]][:])
				at++
			}
		}
	case *image.YCbCr:
		return func(y int, dst []byte) { readYCbCr(dst, m, y) }
	case *image.Gray:
		return func(y int, dst []byte) {
			at := m.PixOffset(m.Rect.Min.X, y)
			for i := 0; i+2 < len(dst); i += 3 {
				v := m.Pix[at]
				dst[i], dst[i+1], dst[i+2] = v, v, v
				at++
			}
		}
	case image.RGBA64Image:
		return func(y int, dst []byte) {
			x := m.Bounds().Min.X
			for i := 0; i < len(dst); i += 3 {
				copyColor(dst[i:i+3], m.RGBA64At(x, y))
				x++
			}
		}
	default:
		return func(y int, dst []byte) {
			x := m.Bounds().Min.X
			for i := 0; i < len(dst); i += 3 {
				copyColor(dst[i:i+3], rgba64(m.At(x, y)))
				x++
			}
		}
	}
}

// readYCbCr reads row y of m.
func readYCbCr(dst []byte, m *image.YCbCr, y int) {
	x := m.Rect.Min.X
	at := m.YOffset(x, y)
	for i := 0; i+2 < len(dst); i += 3 {
		c := m.COffset(x, y)
		dst[i], dst[i+1], dst[i+2] = color.YCbCrToRGB(m.Y[at], m.Cb[c], m.Cr[c])
		x++
		at++
	}
}

// readRGBA converts pixels with premultiplied alpha.
func readRGBA(dst, src []byte) {
	for i, j := 0, 0; i < len(dst); i, j = i+3, j+4 {
		p, q := src[j:j+4:j+4], dst[i:i+3:i+3]
		if p[3] == 0xff {
			q[0], q[1], q[2] = p[0], p[1], p[2]
			continue
		}
		behind := (0xff - uint32(p[3])) * backdrop / 0xff
		// A valid file has no premultiplied value above its alpha, but a
		// damaged one may.
		q[0] = byte(min(0xff, uint32(p[0])+behind))
		q[1] = byte(min(0xff, uint32(p[1])+behind))
		q[2] = byte(min(0xff, uint32(p[2])+behind))
	}
}

// readNRGBA converts pixels whose alpha is not premultiplied.
func readNRGBA(dst, src []byte) {
	for i, j := 0, 0; i < len(dst); i, j = i+3, j+4 {
		p, q := src[j:j+4:j+4], dst[i:i+3:i+3]
		if p[3] == 0xff {
			q[0], q[1], q[2] = p[0], p[1], p[2]
			continue
		}
		alpha := uint32(p[3])
		behind := (0xff - alpha) * backdrop
		q[0] = byte((uint32(p[0])*alpha + behind) / 0xff)
		q[1] = byte((uint32(p[1])*alpha + behind) / 0xff)
		q[2] = byte((uint32(p[2])*alpha + behind) / 0xff)
	}
}

// paletteTable has an entry for every byte value, so that no pixel is out of
// range.
func paletteTable(p color.Palette) *[256][3]byte {
	var table [256][3]byte
	for i, c := range p[:min(len(p), len(table))] {
		copyColor(table[i][:], rgba64(c))
	}
	return &table
}

func rgba64(c color.Color) color.RGBA64 {
	r, g, b, a := c.RGBA()
	return color.RGBA64{R: uint16(r), G: uint16(g), B: uint16(b), A: uint16(a)}
}

// copyColor writes one colour with premultiplied alpha.
func copyColor(dst []byte, c color.RGBA64) {
	behind := (0xffff - uint32(c.A)) * backdrop / 0xff
	dst[0] = byte(min(0xffff, uint32(c.R)+behind) >> 8)
	dst[1] = byte(min(0xffff, uint32(c.G)+behind) >> 8)
	dst[2] = byte(min(0xffff, uint32(c.B)+behind) >> 8)
}
