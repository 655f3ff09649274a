package picture

import (
	"encoding/binary"
	"errors"
	"math"
)

var (
	errShort = errors.New("the header is incomplete")
	errTiles = errors.New("the tiles are far larger than the picture")
)

// The tags used here (TIFF 6.0, appendix A; the last is DNG's).
const (
	tagNewSubfileType = 254
	tagBitsPerSample  = 258
	tagCompression    = 259
	tagOrientation    = 274
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
		return unsupportedAs("a camera's RAW file", h.sandbox != nil)
	}
	width, height := blockSize(tags, h)
	// Pixels beyond the picture's edge are decoded too, so wide tiles make a
	// narrow picture as expensive as a wide one.
	if whole := roundUp(h.width, width) * roundUp(h.height, height); whole > float64(4*h.area()+16<<20) {
		return h.format.fault(errTiles, false)
	}
	perPixel := int64(4)
	if tags[tagBitsPerSample] == 16 {
		perPixel = 8
	}
	h.memory = perPixel*h.area() + blockMemory(int64(width)*int64(height), tags, len(data))
	h.exif = data // EXIF uses the structure of TIFF
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

// blockMemory returns the size in bytes of the decoder's buffer for one tile
// or strip. A compressed one takes up to eight bytes a pixel, twice that
// while the buffer grows. An uncompressed one is a copy of the file's bytes.
func blockMemory(pixels int64, tags map[uint16]uint32, fileSize int) int64 {
	const none = 1
	if c := tags[tagCompression]; c <= none {
		return min(8*pixels, 2*int64(fileSize))
	}
	return 16 * pixels
}

// isRAW reports whether the first picture of a TIFF is only the preview of a
// camera's RAW data.
func isRAW(data []byte, tags map[uint16]uint32) bool {
	const reducedResolution = 1
	_, dng := tags[tagDNGVersion]
	canon := len(data) >= 10 && string(data[8:10]) == "CR"
	return dng || canon || tags[tagNewSubfileType]&reducedResolution != 0
}

// tiffEntry is the size in bytes of a directory entry: tag, type, count, and
// the value or its offset.
const tiffEntry = 12

// tiffOrder returns the byte order of a TIFF.
func tiffOrder(data []byte) (binary.ByteOrder, error) {
	switch {
	case len(data) < 8:
		return nil, errShort
	case data[0] == 'M':
		return binary.BigEndian, nil
	}
	return binary.LittleEndian, nil
}

// tiffEntries returns the entries of the first directory.
func tiffEntries(data []byte) ([]byte, binary.ByteOrder, error) {
	order, err := tiffOrder(data)
	if err != nil {
		return nil, nil, err
	}
	directory, err := bytesFrom(data, order.Uint32(data[4:]), 2)
	if err != nil {
		return nil, nil, err
	}
	size := tiffEntry * int(order.Uint16(directory))
	entries, err := bytesFrom(directory, 2, size)
	if err != nil {
		return nil, nil, err
	}
	return entries[:size], order, nil
}

// tiffTags returns the first value of each integer tag of the first
// directory.
func tiffTags(data []byte) (map[uint16]uint32, error) {
	entries, order, err := tiffEntries(data)
	if err != nil {
		return nil, err
	}
	tags := map[uint16]uint32{}
	for ; len(entries) > 0; entries = entries[tiffEntry:] {
		id := order.Uint16(entries)
		if _, again := tags[id]; again {
			continue
		}
		if v, ok := tiffValue(data, entries[:tiffEntry], order); ok {
			tags[id] = v
		}
	}
	return tags, nil
}

// tiffValue returns the first value of a directory entry. ok is false if it
// is not an integer from 0 on.
func tiffValue(data, entry []byte, order binary.ByteOrder) (uint32, bool) {
	kind := order.Uint16(entry[2:])
	size := tiffSize(kind)
	count := order.Uint32(entry[4:])
	if size == 0 || count == 0 {
		return 0, false
	}
	value := entry[8:]
	if size*uint64(count) > 4 {
		var err error
		if value, err = bytesFrom(data, order.Uint32(value), int(size)); err != nil {
			return 0, false
		}
	}
	if v := order.Uint32(entry[8:]); kind == tiffShort && count == 1 && v <= math.MaxUint16 {
		return v, true // also accepts a big-endian short written as a long
	}
	return tiffNumber(kind, value, order)
}

// The types of TIFF values (TIFF 6.0, section 2).
const (
	tiffByte      = 1
	tiffASCII     = 2
	tiffShort     = 3
	tiffLong      = 4
	tiffRational  = 5
	tiffSByte     = 6
	tiffUndefined = 7
	tiffSShort    = 8
	tiffSLong     = 9
	tiffSRational = 10
	tiffFloat     = 11
	tiffDouble    = 12
	tiffIFD       = 13
)

// tiffNumber reads one value of a type.
func tiffNumber(kind uint16, value []byte, order binary.ByteOrder) (uint32, bool) {
	whole := func(v float64) (uint32, bool) {
		return uint32(v), v >= 0 && v <= math.MaxUint32 && v == math.Trunc(v)
	}
	switch kind {
	case tiffByte, tiffSByte, tiffUndefined:
		return uint32(value[0]), true
	case tiffASCII:
		return uint32(value[0] - '0'), value[0] >= '0' && value[0] <= '9'
	case tiffShort, tiffSShort:
		return uint32(order.Uint16(value)), true
	case tiffRational, tiffSRational:
		return whole(float64(order.Uint32(value)) / float64(order.Uint32(value[4:])))
	case tiffFloat:
		return whole(float64(math.Float32frombits(order.Uint32(value))))
	case tiffDouble:
		return whole(math.Float64frombits(order.Uint64(value)))
	default:
		return order.Uint32(value), true
	}
}

// tiffSize returns the size in bytes of a value of a type, or 0 if the type
// is unknown.
func tiffSize(kind uint16) uint64 {
	switch kind {
	case tiffByte, tiffASCII, tiffSByte, tiffUndefined:
		return 1
	case tiffShort, tiffSShort:
		return 2
	case tiffLong, tiffSLong, tiffFloat, tiffIFD:
		return 4
	case tiffRational, tiffSRational, tiffDouble:
		return 8
	}
	return 0
}

// bytesFrom returns data from an offset on. It fails if fewer than need bytes
// are left.
func bytesFrom(data []byte, offset uint32, need int) ([]byte, error) {
	if uint64(offset)+uint64(need) > uint64(len(data)) {
		return nil, errShort
	}
	return data[offset:], nil
}
