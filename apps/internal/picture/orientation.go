package picture

// orientation is EXIF's tag 0x0112: how to turn the stored pixels upright.
type orientation int

// The values of EXIF 2.32, section 4.6.4.
const (
	upright      orientation = 1
	mirrored     orientation = 2
	upsideDown   orientation = 3
	mirroredFlip orientation = 4 // mirrored top to bottom
	transposed   orientation = 5 // mirrored along the main diagonal
	turnedLeft   orientation = 6 // must be turned clockwise
	transversed  orientation = 7 // mirrored along the other diagonal
	turnedRight  orientation = 8 // must be turned counter-clockwise
)

// orient sets the orientation from the EXIF block. HEIC and AVIF state it in
// their boxes, and their EXIF block is not read.
func (h *header) orient() {
	if len(h.exif) > 0 {
		h.turn = orientationOf(h.exif)
	}
}

// orientationOf reads the orientation from an EXIF block, which is a TIFF
// file. EXIF prescribes a short, but cameras and programs have also written a
// byte, a long and more, so any integer type is accepted. A missing, damaged
// or hostile block means upright: it never makes the picture fail.
func orientationOf(exif []byte) orientation {
	if len(exif) < 8 || string(exif[:2]) != "II" && string(exif[:2]) != "MM" {
		return upright
	}
	// The first directory describes the picture, the second one the
	// thumbnail.
	tags, err := tiffTags(exif)
	if v := tags[tagOrientation]; err == nil && v >= uint32(upright) && v <= uint32(turnedRight) {
		return orientation(v)
	}
	return upright
}

// swapsSides reports whether turning upright swaps width and height.
func (o orientation) swapsSides() bool { return o >= transposed }

// apply returns p turned upright.
func (o orientation) apply(p planes) planes {
	if o == upright {
		return p
	}
	for i := range p {
		p[i] = o.turn(p[i])
	}
	return p
}

// turn returns src turned upright.
func (o orientation) turn(src plane) plane {
	width, height := src.width, src.height
	if o.swapsSides() {
		width, height = height, width
	}
	dst := newPlane(width, height)
	// The stored pixel of the upright (x, y) is at origin + x*right + y*down.
	origin, right, down := o.steps(src.width, src.height, 1, src.stride)
	for y := range height {
		row := dst.row(y)
		at := origin + y*down
		for x := range row {
			row[x] = src.pix[at]
			at += right
		}
	}
	return dst
}

// steps describes where an upright picture's pixels are in the bytes of the
// stored one, which has width by height pixels. origin is the offset of the
// first pixel, right that from a pixel to its right neighbour, down that to
// the one below.
func (o orientation) steps(width, height, pixel, stride int) (origin, right, down int) {
	lastColumn, lastRow := (width-1)*pixel, (height-1)*stride
	switch o {
	case mirrored:
		return lastColumn, -pixel, stride
	case upsideDown:
		return lastRow + lastColumn, -pixel, -stride
	case mirroredFlip:
		return lastRow, pixel, -stride
	case transposed:
		return 0, stride, pixel
	case turnedLeft:
		return lastRow, -stride, pixel
	case transversed:
		return lastRow + lastColumn, -stride, -pixel
	case turnedRight:
		return lastColumn, stride, -pixel
	default:
		return 0, pixel, stride
	}
}
