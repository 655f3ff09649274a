package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"

	"golang.org/x/image/tiff"
	"golang.org/x/image/tiff/lzw"
)

// This decoder handles what golang.org/x/image/tiff does not: CMYK, planar
// channels, JPEG compression, and files that are damaged or truncated.

const (
	tagImageWidth      = 256
	tagImageLength     = 257
	tagPhotometric     = 262
	tagStripOffsets    = 273
	tagSamplesPerPixel = 277
	tagStripByteCounts = 279
	tagPlanarConfig    = 284
	tagPredictor       = 317
	tagTileOffsets     = 324
	tagTileByteCounts  = 325
	tagJPEGTables      = 347
)

const (
	compressionNone     = 1
	compressionLZW      = 5
	compressionJPEG     = 7
	compressionDeflate  = 8
	compressionDeflate2 = 32946
	compressionPackBits = 32773
)

const (
	whiteIsZero      = 0
	blackIsZero      = 1
	photometricRGB   = 2
	photometricCMYK  = 5
	photometricYCbCr = 6
)

// Bounds on the lists in a TIFF's tags. Decoders read whole lists, and each
// strip or tile takes time of its own, however small it is.
const (
	maxBlocks = 1 << 16
	maxValues = 1 << 18 // the largest legitimate list is a colour table of 3 times 65,536
)

var errBlocks = errors.New("the picture is in more strips or tiles than any program makes")

// unsupportedTIFF returns the error for a feature that no decoder here
// supports.
func unsupportedTIFF(what string, value uint32) error {
	return fmt.Errorf("%s %d: %w", what, value, errors.ErrUnsupported)
}

// checkTIFFCounts refuses lists that are longer than any valid file has.
func checkTIFFCounts(data []byte) error {
	entries, order, err := tiffEntries(data)
	if err != nil {
		return err
	}
	for ; len(entries) > 0; entries = entries[tiffEntry:] {
		count := order.Uint32(entries[4:])
		switch order.Uint16(entries) {
		case tagStripOffsets, tagStripByteCounts, tagTileOffsets, tagTileByteCounts:
			if count > maxBlocks {
				return errBlocks
			}
		case tagBitsPerSample, 320, 338, 339: // the last three: colour table, extra samples, sample format
			if count > maxValues {
				return errBlocks
			}
		}
	}
	return nil
}

// tiffConfig returns the size of a TIFF's first picture.
func tiffConfig(data []byte) (image.Config, error) {
	if err := checkTIFFCounts(data); err != nil {
		return image.Config{}, err
	}
	config, err := tiff.DecodeConfig(bytes.NewReader(data))
	if err == nil || !isUnsupported(err) {
		return config, err
	}
	tags, tagsErr := tiffTags(data)
	if tagsErr != nil {
		return config, err
	}
	if _, kindErr := tiffKindOf(data, tags); kindErr != nil {
		return config, kindErr
	}
	return image.Config{Width: int(tags[tagImageWidth]), Height: int(tags[tagImageLength])}, nil
}

func decodeTIFF(data []byte, h *header) (image.Image, error) {
	planar := false
	if tags, err := tiffTags(data); err == nil {
		planar = tags[tagPlanarConfig] == 2 && tags[tagSamplesPerPixel] > 1 // x/image would read planes as interleaved pixels
	}
	var first error
	if !planar {
		m, err := tiff.Decode(bytes.NewReader(data))
		if err == nil {
			return m, nil
		}
		first = err
	}
	m, missing, err := decodeOtherTIFF(data, h)
	if err != nil {
		if first != nil && !isUnsupported(first) {
			err = first
		}
		return nil, err
	}
	if missing > maxMissing {
		return nil, fmt.Errorf("%s of the picture is missing", percent(missing))
	}
	if missing > 0 {
		h.warning = damageWarning(missing)
	}
	return m, nil
}

// tiffKind describes how a TIFF's pixels are stored.
type tiffKind struct {
	order       binary.ByteOrder
	photometric uint32
	compression uint32
	samples     int // per pixel
	bytes       int // per sample
	planar      bool
	predictor   bool
	tables      []byte // shared by its JPEGs
}

// tiffKindOf reads how the pixels are stored. It returns an error if they
// cannot be decoded.
func tiffKindOf(data []byte, tags map[uint16]uint32) (tiffKind, error) {
	order, err := tiffOrder(data)
	if err != nil {
		return tiffKind{}, err
	}
	k := tiffKind{
		order: order, photometric: tags[tagPhotometric], compression: max(compressionNone, tags[tagCompression]),
		samples: max(1, int(tags[tagSamplesPerPixel])), bytes: int(tags[tagBitsPerSample]) / 8,
		planar: tags[tagPlanarConfig] == 2, predictor: tags[tagPredictor] == 2,
	}
	needs := map[uint32]int{whiteIsZero: 1, blackIsZero: 1, photometricRGB: 3, photometricCMYK: 4, photometricYCbCr: 3}
	need, known := needs[k.photometric]
	switch {
	case !known || k.photometric == photometricYCbCr && k.compression != compressionJPEG:
		return k, unsupportedTIFF("colours of the kind", k.photometric)
	case tags[tagBitsPerSample] != 8 && tags[tagBitsPerSample] != 16 || k.bytes == 2 && k.compression == compressionJPEG:
		return k, unsupportedTIFF("bits a sample:", tags[tagBitsPerSample])
	case k.samples < need || k.samples > 8:
		return k, unsupportedTIFF("samples a pixel:", uint32(k.samples))
	case tags[tagPredictor] > 2:
		return k, unsupportedTIFF("predictor", tags[tagPredictor])
	}
	switch k.compression {
	case compressionNone, compressionLZW, compressionDeflate, compressionDeflate2, compressionPackBits:
	case compressionJPEG:
		if k.planar || k.photometric == photometricCMYK {
			return k, unsupportedTIFF("JPEGs inside, with colours of the kind", k.photometric)
		}
		k.tables = tiffBytes(data, tagJPEGTables)
	default:
		return k, unsupportedTIFF("compression", k.compression)
	}
	return k, nil
}

// decodeOtherTIFF decodes a TIFF that x/image does not support. It also
// returns the share of the pixels that could not be read; those are zero
// samples.
func decodeOtherTIFF(data []byte, h *header) (*RGB, float64, error) {
	tags, err := tiffTags(data)
	if err != nil {
		return nil, 0, err
	}
	k, err := tiffKindOf(data, tags)
	if err != nil {
		return nil, 0, err
	}
	width, height := blockSize(tags, h)
	offsets, counts := uint16(tagStripOffsets), uint16(tagStripByteCounts)
	if tags[tagTileWidth] > 0 {
		offsets, counts = tagTileOffsets, tagTileByteCounts
	}
	across, down, planes := ceilDiv(h.width, width), ceilDiv(h.height, height), 1
	if k.planar {
		planes = k.samples
	}
	if int64(across)*int64(down)*int64(planes) > maxBlocks {
		return nil, 0, errBlocks
	}
	at, size := tiffList(data, offsets), tiffList(data, counts)
	out := &tiffCanvas{kind: k, pix: make([]byte, k.samples*h.width*h.height), width: h.width, height: h.height}
	var missing int
	for i := range across * down * planes {
		plane, number := i/(across*down), i%(across*down)
		r := image.Rect(0, 0, width, height).Add(image.Pt(number%across*width, number/across*height))
		n := 0
		if i < len(at) && i < len(size) {
			n = out.block(tiffSlice(data, at[i], size[i]), r, plane)
		}
		shown := r.Intersect(image.Rect(0, 0, h.width, h.height))
		missing += shown.Dx() * max(0, shown.Dy()-n)
	}
	return out.rgb(), float64(missing) / float64(planes) / float64(h.area()), nil
}

// tiffCanvas collects a TIFF's samples, reduced to 8 bits and interleaved.
type tiffCanvas struct {
	kind          tiffKind
	pix           []byte
	width, height int
}

// block unpacks a strip or tile that covers r. It holds all samples, or one
// plane of them. It returns how many rows could be read.
func (c *tiffCanvas) block(packed []byte, r image.Rectangle, plane int) int {
	k := &c.kind
	if k.compression == compressionJPEG {
		return c.jpegBlock(packed, r)
	}
	samples := k.samples
	if k.planar {
		samples = 1
	}
	row := r.Dx() * samples * k.bytes
	rows := min(r.Dy(), c.height-r.Min.Y) // the last strip may end with the picture
	raw := make([]byte, row*rows)
	n := unpackTIFF(raw, packed, k.compression)
	came := n / row
	for y := range came {
		line := raw[y*row:][:row]
		if k.predictor {
			undoPredictor(line, samples, k.bytes, k.order)
		}
		c.put(line, r.Min.X, r.Min.Y+y, samples, plane)
	}
	return came
}

// put writes one row of samples.
func (c *tiffCanvas) put(line []byte, x, y, samples, plane int) {
	k := &c.kind
	high := 0 // offset of a sample's most significant byte
	if k.bytes == 2 && k.order == binary.ByteOrder(binary.LittleEndian) {
		high = 1
	}
	n := min(len(line)/(samples*k.bytes), c.width-x)
	to := c.pix[(y*c.width+x)*k.samples:]
	for i := range n {
		for s := range samples {
			to[i*k.samples+plane+s] = line[(i*samples+s)*k.bytes+high]
		}
	}
}

// jpegBlock decodes a strip or tile that is a JPEG. It returns how many rows
// could be read.
func (c *tiffCanvas) jpegBlock(packed []byte, r image.Rectangle) int {
	file := packed
	if t := c.kind.tables; len(t) > 4 && len(packed) > 2 {
		file = append(append([]byte{0xff, 0xd8}, t[2:len(t)-2]...), packed[2:]...)
	}
	config, err := jpegConfig(file)
	if err != nil || config.Width > r.Dx() || config.Height > r.Dy() {
		return 0
	}
	m, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		return 0
	}
	if y, ok := m.(*image.YCbCr); ok && c.kind.photometric == photometricRGB {
		m = rgbPlanes(y) // Go assumes that three channels are YCbCr
	}
	read := pixelReader(m)
	row := make([]byte, bytesPerPixel*m.Bounds().Dx())
	rows := min(m.Bounds().Dy(), c.height-r.Min.Y)
	for y := range rows {
		read(m.Bounds().Min.Y+y, row)
		to := c.pix[((r.Min.Y+y)*c.width+r.Min.X)*c.kind.samples:]
		for x := range min(m.Bounds().Dx(), c.width-r.Min.X) {
			for s := range min(bytesPerPixel, c.kind.samples) {
				to[x*c.kind.samples+s] = row[bytesPerPixel*x+s]
			}
		}
	}
	return rows
}

// rgbPlanes reinterprets the three channels of m as red, green and blue.
func rgbPlanes(m *image.YCbCr) *RGB {
	out := NewRGB(m.Rect.Dx(), m.Rect.Dy())
	for y := range out.Height {
		row := out.Row(y)
		for x := range out.Width {
			c := m.COffset(m.Rect.Min.X+x, m.Rect.Min.Y+y)
			row[3*x], row[3*x+1], row[3*x+2] = m.Y[m.YOffset(m.Rect.Min.X+x, m.Rect.Min.Y+y)], m.Cb[c], m.Cr[c]
		}
	}
	return out
}

// rgb converts the collected samples to RGB.
func (c *tiffCanvas) rgb() *RGB {
	out := NewRGB(c.width, c.height)
	for i, j := 0, 0; i < len(out.Pix); i, j = i+bytesPerPixel, j+c.kind.samples {
		p, d := c.pix[j:], out.Pix[i:i+3:i+3]
		switch c.kind.photometric {
		case whiteIsZero:
			d[0], d[1], d[2] = 0xff-p[0], 0xff-p[0], 0xff-p[0]
		case blackIsZero:
			d[0], d[1], d[2] = p[0], p[0], p[0]
		case photometricCMYK: // 0 is no ink
			k := 0xff - int(p[3])
			for s := range d {
				d[s] = byte(((0xff-int(p[s]))*k + 127) / 0xff)
			}
		default:
			d[0], d[1], d[2] = p[0], p[1], p[2]
		}
	}
	return out
}

// unpackTIFF decompresses a strip or tile into dst as far as possible. It
// returns the number of bytes written.
func unpackTIFF(dst, packed []byte, compression uint32) int {
	var r io.Reader
	switch compression {
	case compressionNone:
		return copy(dst, packed)
	case compressionPackBits:
		return unpackBits(dst, packed)
	case compressionLZW:
		l := lzw.NewReader(bytes.NewReader(packed), lzw.MSB, 8)
		defer l.Close()
		r = l
	default:
		z, err := zlib.NewReader(bytes.NewReader(packed))
		if err != nil {
			return 0
		}
		r = z
	}
	n, _ := io.ReadFull(r, dst) // a damaged block is used up to where it breaks off
	return n
}

// unpackBits decompresses PackBits (TIFF 6.0, section 9).
func unpackBits(dst, packed []byte) int {
	n := 0
	for len(packed) > 1 && n < len(dst) {
		code := int(int8(packed[0]))
		packed = packed[1:]
		switch {
		case code >= 0:
			run := packed[:min(code+1, len(packed))]
			n += copy(dst[n:], run)
			packed = packed[len(run):]
		case code != -128:
			for range min(1-code, len(dst)-n) {
				dst[n] = packed[0]
				n++
			}
			packed = packed[1:]
		}
	}
	return n
}

// undoPredictor adds to each sample the one before it (TIFF 6.0, section 14).
func undoPredictor(line []byte, samples, size int, order binary.ByteOrder) {
	if size == 1 {
		for i := samples; i < len(line); i++ {
			line[i] += line[i-samples]
		}
		return
	}
	for i := 2 * samples; i+1 < len(line); i += 2 {
		order.PutUint16(line[i:], order.Uint16(line[i:])+order.Uint16(line[i-2*samples:]))
	}
}

// tiffSlice returns size bytes of data at an offset, or as many as there are.
func tiffSlice(data []byte, at, size uint32) []byte {
	if uint64(at) >= uint64(len(data)) {
		return nil
	}
	data = data[at:]
	return data[:min(uint64(size), uint64(len(data)))]
}

// tiffList returns the values of an integer tag.
func tiffList(data []byte, id uint16) []uint32 {
	raw, kind, order := tiffRaw(data, id)
	size := int(tiffSize(kind))
	if size == 0 {
		return nil
	}
	out := make([]uint32, 0, len(raw)/size)
	for ; len(raw) >= size; raw = raw[size:] {
		v, _ := tiffNumber(kind, raw, order)
		out = append(out, v)
	}
	return out
}

// tiffBytes returns the bytes of a tag, or nil.
func tiffBytes(data []byte, id uint16) []byte {
	raw, _, _ := tiffRaw(data, id)
	return raw
}

// tiffRaw returns the bytes of a tag's values and their type.
func tiffRaw(data []byte, id uint16) ([]byte, uint16, binary.ByteOrder) {
	entries, order, err := tiffEntries(data)
	if err != nil {
		return nil, 0, order
	}
	for ; len(entries) > 0; entries = entries[tiffEntry:] {
		if order.Uint16(entries) != id {
			continue
		}
		kind := order.Uint16(entries[2:])
		size := tiffSize(kind) * uint64(order.Uint32(entries[4:]))
		if size <= 4 {
			return entries[8 : 8+size], kind, order
		}
		value, err := bytesFrom(data, order.Uint32(entries[8:]), 0)
		if err != nil || size > uint64(len(value)) {
			return nil, 0, order
		}
		return value[:size], kind, order
	}
	return nil, 0, order
}
