package picture

import (
	"bytes"
	"encoding/binary"
)

// exifPrefix precedes the EXIF block in a JPEG. Many WebP files have it too,
// against the specification.
const exifPrefix = "Exif\x00\x00"

func inspectPNG(data []byte, h *header) error {
	const ihdr = 16 // offset of the first chunk's fields
	if len(data) < ihdr+13 {
		return h.format.fault(errShort, false)
	}
	depth, colour, interlaced := data[ihdr+8], data[ihdr+9], data[ihdr+12] != 0
	const paletted = 3
	switch {
	case colour == paletted:
		h.memory = h.area()
	case depth == 16:
		h.memory = 8 * h.area()
	default:
		h.memory = 4 * h.area()
	}
	if interlaced { // the decoder keeps each pass as a picture
		h.memory *= 2
	}
	h.exif = pngBlock(data, "eXIf")
	return nil
}

// pngBlock returns the body of the first chunk of a kind, or nil.
func pngBlock(data []byte, kind string) []byte {
	const signature, frame = 8, 12 // length, kind, checksum
	rest := data[signature:]
	for len(rest) >= frame {
		size := uint64(binary.BigEndian.Uint32(rest))
		if size > uint64(len(rest)-frame) {
			return nil
		}
		if string(rest[4:8]) == kind {
			return rest[8 : 8+size]
		}
		rest = rest[frame+size:]
	}
	return nil
}

// inspectGIF relies on Go's decoder, which refuses a frame larger than the
// screen and decodes only the first frame.
func inspectGIF(_ []byte, h *header) error {
	h.memory = h.area()
	return nil
}

func inspectBMP(_ []byte, h *header) error {
	h.memory = 4 * h.area()
	return nil
}

func inspectWebP(data []byte, h *header) error {
	h.memory = webpMemory(data, h.area())
	if _, animated := webpCanvas(data); animated {
		if _, err := firstFrame(data); err != nil {
			return h.format.fault(err, false)
		}
		h.memory += bytesPerPixel * h.area() // the canvas
	}
	h.exif = bytes.TrimPrefix(webpBlock(data, "EXIF"), []byte(exifPrefix))
	return nil
}

// webpMemory estimates the memory of decoding area pixels, in bytes. A
// lossless chunk's name may also occur by chance in another chunk's pixels.
// The estimate is then too high, but no chunk can be hidden from it.
func webpMemory(data []byte, area int64) int64 {
	lossy := 3 * area / 2
	if !bytes.Contains(data, []byte("VP8L")) && !bytes.Contains(data, []byte("ALPH")) {
		return lossy
	}
	// In the worst case lossy colours have lossless transparency beside them,
	// and every square of 4 by 4 pixels has Huffman tables of its own.
	const perTables, mostTables = 3 << 10, 1 << 16
	return lossy + 5*area + perTables*min(area/16+1, mostTables)
}

// webpBlock returns the body of the first chunk of a kind, or nil.
func webpBlock(data []byte, kind string) []byte {
	const riff, frame = 12, 8 // kind, length
	rest := data[riff:]
	for len(rest) >= frame {
		size := uint64(binary.LittleEndian.Uint32(rest[4:]))
		if size > uint64(len(rest)-frame) {
			return nil
		}
		if string(rest[:4]) == kind {
			return rest[frame : frame+size]
		}
		padded := size + size&1
		rest = rest[min(frame+padded, uint64(len(rest))):]
	}
	return nil
}
