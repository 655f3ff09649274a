package picture

// This file owns the walk through a TIFF's first directory. The decoder sizes
// its buffers by what stands there.

import (
	"encoding/binary"
	"errors"
)

var (
	errShort = errors.New("the header is incomplete")
	errTiles = errors.New("the tiles are far larger than the picture")
)

// The tags that matter here (TIFF 6.0, appendix A; the last is DNG's).
const (
	tagNewSubfileType = 254
	tagBitsPerSample  = 258
	tagCompression    = 259
	tagRowsPerStrip   = 278
	tagTileWidth      = 322
	tagTileLength     = 323
	tagDNGVersion     = 50706
)

func inspectTIFF(data []byte, h *header) error {
	tags, err := tiffTags(data)
	if err != nil {
		return h.format.fault(err, false)
	}
	if isRAW(data, tags) {
		return unsupportedAs("a camera's RAW file")
	}
	width, height := blockSize(tags, h)
	// What lies beyond the picture's edge is decoded as well: wide tiles make
	// a narrow picture as dear as a wide one.
	if whole := roundUp(h.width, width) * roundUp(h.height, height); whole > float64(4*h.area()+16<<20) {
		return h.format.fault(errTiles, false)
	}
	perPixel := int64(4)
	if tags[tagBitsPerSample] == 16 {
		perPixel = 8
	}
	h.memory = perPixel*h.area() + blockMemory(int64(width)*int64(height), tags, len(data))
	h.exif = data // a TIFF is its own EXIF block
	return nil
}

// blockSize returns the size in pixels of the picture's tiles or strips.
func blockSize(tags map[uint16]uint32, h *header) (width, height int) {
	if w := int(tags[tagTileWidth]); w > 0 {
		return w, max(1, int(tags[tagTileLength]))
	}
	if rows := int(tags[tagRowsPerStrip]); rows > 0 {
		return h.width, min(rows, h.height)
	}
	return h.width, h.height
}

func roundUp(n, unit int) float64 { return float64(unit) * float64(ceilDiv(n, unit)) }

// blockMemory returns the bytes that the decoder's buffer for a tile or strip
// may take: of a compressed one up to eight bytes a pixel, twice while it
// grows; of a plain one a copy of what the file holds.
func blockMemory(pixels int64, tags map[uint16]uint32, fileSize int) int64 {
	const none = 1
	if c := tags[tagCompression]; c <= none {
		return min(8*pixels, 2*int64(fileSize))
	}
	return 16 * pixels
}

// isRAW reports whether the first picture of a TIFF is a mere preview of what
// a camera's sensor saw.
func isRAW(data []byte, tags map[uint16]uint32) bool {
	const reducedResolution = 1
	_, dng := tags[tagDNGVersion]
	canon := len(data) >= 10 && string(data[8:10]) == "CR"
	return dng || canon || tags[tagNewSubfileType]&reducedResolution != 0
}

// tiffTags returns the first value of each whole-number tag of the first
// directory.
func tiffTags(data []byte) (map[uint16]uint32, error) {
	var order binary.ByteOrder = binary.LittleEndian
	if data[0] == 'M' {
		order = binary.BigEndian
	}
	directory, err := from(data, order.Uint32(data[4:]), 2)
	if err != nil {
		return nil, err
	}
	const entry = 12 // tag, type, count, value or where it is
	count := int(order.Uint16(directory))
	entries, err := from(directory, 2, entry*count)
	if err != nil {
		return nil, err
	}
	tags := make(map[uint16]uint32, count)
	for i := range count {
		e := entries[entry*i:][:entry]
		if v, ok := tiffValue(data, e, order); ok {
			tags[order.Uint16(e)] = v
		}
	}
	return tags, nil
}

// tiffValue returns the first value of a directory's entry.
func tiffValue(data, entry []byte, order binary.ByteOrder) (uint32, bool) {
	size := tiffSize(order.Uint16(entry[2:]))
	count := order.Uint32(entry[4:])
	if size == 0 || count == 0 {
		return 0, false
	}
	value := entry[8:]
	if size*uint64(count) > 4 {
		var err error
		if value, err = from(data, order.Uint32(value), int(size)); err != nil {
			return 0, false
		}
	}
	switch size {
	case 1:
		return uint32(value[0]), true
	case 2:
		return uint32(order.Uint16(value)), true
	default:
		return order.Uint32(value), true
	}
}

// tiffSize returns the bytes of a whole number of a type, or 0 for what is none.
func tiffSize(kind uint16) uint64 {
	switch kind {
	case 1: // byte
		return 1
	case 3: // short
		return 2
	case 4: // long
		return 4
	}
	return 0
}

// from returns data from an offset on, or an error where fewer than need bytes
// are left.
func from(data []byte, offset uint32, need int) ([]byte, error) {
	if uint64(offset)+uint64(need) > uint64(len(data)) {
		return nil, errShort
	}
	return data[offset:], nil
}
