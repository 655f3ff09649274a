package picture

import (
	"encoding/binary"
	"errors"
	"image"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// HEIC and AVIF files consist of boxes (ISO/IEC 14496-12). The box "meta"
// (ISO/IEC 23008-12) says which item is the picture and lists its properties,
// such as its size. This code does not trust any of it.

// maxProperties bounds the properties of a file. Tiles share their
// properties, so a picture of 1,000 tiles has few more than one without
// tiles.
const maxProperties = 4096

var errNoPicture = errors.New("no box says how large the picture is")

// isoPicture is what the boxes say about the picture.
type isoPicture struct {
	size    image.Point // as stored
	largest image.Point // largest size in the file, including tiles and thumbnails
	upright image.Point // after cropping and turning
	turns   int         // quarter turns, counter-clockwise
	mirror  int         // 0: none; 1: top and bottom swapped; 2: left and right swapped
	video   bool        // limited range: black is 16, white is 235
	matrix  int         // matrix coefficients (ITU-T H.273, table 4)
}

// box is one of a file's boxes.
type box struct {
	kind string
	body []byte
}

// nextBox returns the first box in data and the bytes after it. ok is false
// if there is none.
func nextBox(data []byte) (b box, rest []byte, ok bool) {
	if len(data) < 8 {
		return box{}, nil, false
	}
	size, head := uint64(binary.BigEndian.Uint32(data)), uint64(8)
	switch size {
	case 0: // the box extends to the end of the file
		size = uint64(len(data))
	case 1: // the size is in 64 bits
		if len(data) < 16 {
			return box{}, nil, false
		}
		size, head = binary.BigEndian.Uint64(data[8:]), 16
	}
	if size < head || size > uint64(len(data)) {
		return box{}, nil, false
	}
	return box{kind: string(data[4:8]), body: data[head:size]}, data[size:], true
}

// findBox returns the body of the first box of a kind, or nil.
func findBox(data []byte, kind string) []byte {
	for {
		b, rest, ok := nextBox(data)
		if !ok {
			return nil
		}
		if b.kind == kind {
			return b.body
		}
		data = rest
	}
}

// readISO reads what the boxes of a HEIC or AVIF file say about its picture.
func readISO(data []byte) (isoPicture, error) {
	meta := findBox(data, "meta")
	if len(meta) < 4 {
		return isoPicture{}, errNoPicture
	}
	meta = meta[4:] // version and flags
	item, ok := primaryItem(findBox(meta, "pitm"))
	if !ok {
		return isoPicture{}, errNoPicture
	}
	properties := findBox(meta, "iprp")
	var all []box
	for rest := findBox(properties, "ipco"); len(all) < maxProperties; {
		b, next, ok := nextBox(rest)
		if !ok {
			break
		}
		all, rest = append(all, b), next
	}
	p := isoPicture{matrix: matrixUnknown}
	for _, b := range all {
		if size, ok := spatialExtent(b); ok {
			p.largest.X, p.largest.Y = max(p.largest.X, size.X), max(p.largest.Y, size.Y)
		}
	}
	for _, index := range propertiesOf(findBox(properties, "ipma"), item) {
		if index >= 1 && index <= len(all) {
			p.apply(all[index-1])
		}
	}
	if p.size == (image.Point{}) {
		return isoPicture{}, errNoPicture
	}
	return p, nil
}

// primaryItem reads the id of the item that is the picture.
func primaryItem(body []byte) (uint32, bool) {
	switch {
	case len(body) >= 6 && body[0] == 0:
		return uint32(binary.BigEndian.Uint16(body[4:])), true
	case len(body) >= 8 && body[0] > 0:
		return binary.BigEndian.Uint32(body[4:]), true
	}
	return 0, false
}

// propertiesOf reads the indexes of an item's properties, in order, from the
// body of a box "ipma".
func propertiesOf(body []byte, item uint32) []int {
	if len(body) < 8 {
		return nil
	}
	version, wide := body[0], body[3]&1 != 0
	rest := body[8:]
	for len(rest) > 0 {
		id, size := uint32(0), 2
		if version > 0 {
			size = 4
		}
		if len(rest) < size+1 {
			return nil
		}
		if version > 0 {
			id = binary.BigEndian.Uint32(rest)
		} else {
			id = uint32(binary.BigEndian.Uint16(rest))
		}
		count, each := int(rest[size]), 1
		if wide {
			each = 2
		}
		rest = rest[size+1:]
		if len(rest) < count*each {
			return nil
		}
		if id == item {
			return propertyNumbers(rest, count, wide)
		}
		rest = rest[count*each:]
	}
	return nil
}

// propertyNumbers reads count indexes. The highest bit of each says whether
// the property is essential; it is ignored.
func propertyNumbers(data []byte, count int, wide bool) []int {
	out := make([]int, count)
	for i := range out {
		if wide {
			out[i] = int(binary.BigEndian.Uint16(data[2*i:]) & 0x7fff)
		} else {
			out[i] = int(data[i] & 0x7f)
		}
	}
	return out
}

// spatialExtent reads the size of an item.
func spatialExtent(b box) (image.Point, bool) {
	if b.kind != "ispe" || len(b.body) < 12 {
		return image.Point{}, false
	}
	return image.Pt(int(binary.BigEndian.Uint32(b.body[4:])), int(binary.BigEndian.Uint32(b.body[8:]))), true
}

// apply updates p with a property of the picture.
func (p *isoPicture) apply(b box) {
	switch b.kind {
	case "ispe":
		if size, ok := spatialExtent(b); ok && p.size == (image.Point{}) {
			p.size, p.upright = size, size
		}
	case "clap": // a crop: width and height as fractions
		if len(b.body) >= 16 {
			v := func(at int) int { return int(binary.BigEndian.Uint32(b.body[at:])) }
			if v(4) > 0 && v(12) > 0 {
				p.upright = image.Pt(min(v(0)/v(4), p.upright.X), min(v(8)/v(12), p.upright.Y))
			}
		}
	case "irot":
		if len(b.body) >= 1 {
			p.turns = (p.turns + int(b.body[0]&3)) % 4
			if b.body[0]&1 != 0 {
				p.upright.X, p.upright.Y = p.upright.Y, p.upright.X
			}
		}
	case "imir":
		if len(b.body) >= 1 {
			p.mirror = 1 + int(b.body[0]&1)
		}
	case "colr":
		if len(b.body) >= 11 && string(b.body[:4]) == "nclx" {
			p.matrix = int(binary.BigEndian.Uint16(b.body[8:]))
			p.video = b.body[10]&0x80 == 0
		}
	}
}

// orientation returns how to turn the stored picture upright. MIAF prescribes
// to rotate first (counter-clockwise) and then to mirror.
func (p *isoPicture) orientation() orientation {
	turned := [4]orientation{upright, turnedRight, upsideDown, turnedLeft}
	switch p.mirror {
	case 1: // top and bottom swapped
		turned = [4]orientation{mirroredFlip, transposed, mirrored, transversed}
	case 2: // left and right swapped
		turned = [4]orientation{mirrored, transversed, mirroredFlip, transposed}
	}
	return turned[p.turns]
}

// isoConfig returns the size of the picture in a HEIC or AVIF file, as stored.
func isoConfig(data []byte) (image.Config, error) {
	p, err := readISO(data)
	return image.Config{Width: p.size.X, Height: p.size.Y}, err
}

// inspectISO reads the boxes into the header.
func inspectISO(data []byte, h *header) error {
	var err error
	if h.iso, err = readISO(data); err != nil {
		return h.format.fault(err, false)
	}
	// Decoders allocate memory for these sizes, too.
	const slack = 4 << 20
	if p := h.iso.largest; float64(p.X)*float64(p.Y) > float64(2*h.area()+slack) {
		return faces.Fault(faces.CorruptImage, "the %s file holds a part of %d x %d pixels, larger than its picture",
			h.format.title, p.X, p.Y)
	}
	return nil
}

// Peak memory of the decoders in bytes a pixel, as measured: the module's
// memory and the copy of its result.
const (
	heicBytes = 10
	avifBytes = 24
)

func inspectHEIC(data []byte, h *header) error {
	if err := inspectISO(data, h); err != nil {
		return err
	}
	h.memory = heicBytes*h.area() + int64(len(data))
	h.width, h.height = h.iso.upright.X, h.iso.upright.Y // libheif crops and turns
	return nil
}

func inspectAVIF(data []byte, h *header) error {
	if err := inspectISO(data, h); err != nil {
		return err
	}
	h.memory = avifBytes*h.area() + int64(len(data))
	h.turn = h.iso.orientation()
	return nil
}

func decodeHEIC(data []byte, h *header) (image.Image, error) {
	m, err := h.sandbox.decodeHEIC(data, h)
	if y, ok := m.(*image.YCbCr); ok {
		return h.iso.rgb(y), err
	}
	return m, err
}

func decodeAVIF(data []byte, h *header) (image.Image, error) { return h.sandbox.decodeAVIF(data, h) }

// The matrix coefficients used here (ITU-T H.273, table 4).
const (
	matrixBT709   = 1
	matrixUnknown = 2
	matrixBT2020  = 9
)

// rgb returns m as RGB if its matrix is not that of JPEG, and m itself
// otherwise. It widens limited range in place.
func (p *isoPicture) rgb(m *image.YCbCr) image.Image {
	var red, blue float64
	switch p.matrix {
	case matrixBT709:
		red, blue = 0.2126, 0.0722
	case matrixBT2020:
		red, blue = 0.2627, 0.0593
	default: // BT.601, as in JPEG
		if p.video {
			widenLevels(m)
		}
		return m
	}
	if p.video {
		widenLevels(m)
	}
	green := 1 - red - blue
	const shift = 16
	fixed := func(v float64) int { return int(math.Round(v * (1 << shift))) }
	crRed, cbBlue := fixed(2*(1-red)), fixed(2*(1-blue))
	crGreen, cbGreen := fixed(2*red*(1-red)/green), fixed(2*blue*(1-blue)/green)
	out := NewRGB(m.Rect.Dx(), m.Rect.Dy())
	for y := range out.Height {
		row := out.Row(y)
		for x := range out.Width {
			c := m.COffset(x, y)
			v, cb, cr := int(m.Y[m.YOffset(x, y)])<<shift+1<<(shift-1), int(m.Cb[c])-128, int(m.Cr[c])-128
			row[3*x] = clampByte((v + crRed*cr) >> shift)
			row[3*x+1] = clampByte((v - crGreen*cr - cbGreen*cb) >> shift)
			row[3*x+2] = clampByte((v + cbBlue*cb) >> shift)
		}
	}
	return out
}
