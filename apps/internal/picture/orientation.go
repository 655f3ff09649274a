package picture

// This file owns EXIF orientation: reading it and undoing it.

import (
	"bytes"

	"github.com/bep/imagemeta"
)

// orientation is EXIF's tag 0x0112: how the stored rows and columns lie in the
// upright picture.
type orientation int

// The values of EXIF 2.32, section 4.6.4.
const (
	upright       orientation = 1
	mirrored      orientation = 2
	upsideDown    orientation = 3
	mirroredFlip  orientation = 4 // mirrored top to bottom
	transposed    orientation = 5 // mirrored along the main diagonal
	turnedLeft    orientation = 6 // must be turned clockwise
	transversed   orientation = 7 // mirrored along the other diagonal
	turnedRight   orientation = 8 // must be turned counter-clockwise
	orientationID             = "Orientation"
)

// Bounds on the work that a hostile EXIF block can cause. An orientation has
// two bytes. Longer values are skipped, above all lists of further directories,
// each of which would be walked.
const (
	maxExifTags    = 1000
	maxExifTagSize = 8
)

// orientationOf reads the orientation from an EXIF block, which is a TIFF file
// of its own. A block that is missing, damaged or hostile means upright: it is
// never the picture's fault.
func orientationOf(exif []byte) orientation {
	found := upright
	if len(exif) == 0 {
		return found
	}
	wanted := func(t imagemeta.TagInfo) bool {
		return t.Tag == orientationID && t.Namespace == "IFD0" // IFD1 is the thumbnail's
	}
	// An error changes nothing: what was found before it stands.
	_, _ = imagemeta.Decode(imagemeta.Options{
		R:               bytes.NewReader(exif),
		ImageFormat:     imagemeta.TIFF,
		Sources:         imagemeta.EXIF,
		LimitNumTags:    maxExifTags,
		LimitTagSize:    maxExifTagSize,
		ShouldHandleTag: wanted,
		HandleTag: func(t imagemeta.TagInfo) error {
			if v, ok := t.Value.(uint16); ok && v >= 1 && v <= 8 {
				found = orientation(v)
			}
			return imagemeta.ErrStopWalking
		},
	})
	return found
}

// swapsSides reports whether the upright picture's width is the stored one's
// height.
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

// steps returns where, in the bytes of a stored picture of width by height
// pixels, the upright picture begins, and how far it is to its next pixel to
// the right and to the next one down.
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
