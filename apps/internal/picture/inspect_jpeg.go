package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// MaxScans is the largest number of scans of a progressive JPEG. A scan may take
// a hundred bytes of the file and yet decode every pixel. Encoders write about a
// dozen scans, most of them over one component, which is 8 passes over all
// samples.
const MaxScans = 100

// maxScanWork bounds the samples of all scans together.
const maxScanWork = 1 << 30

// The markers used here (ITU T.81, table B.1).
const (
	markerTEM   = 0x01
	markerSOF0  = 0xc0 // baseline
	markerSOF1  = 0xc1
	markerSOF2  = 0xc2 // progressive
	markerSOF15 = 0xcf
	markerDHT   = 0xc4 // in the range of the frame markers, but not a frame
	markerJPG   = 0xc8
	markerDAC   = 0xcc
	markerRST0  = 0xd0
	markerRST7  = 0xd7
	markerEOI   = 0xd9
	markerSOS   = 0xda
	markerAPP1  = 0xe1 // Exif, XMP
	markerAPP14 = 0xee // Adobe: colour transform
)

// The colour transform of an Adobe segment.
const (
	transformUnknown = 0 // RGB or CMYK
	transformYCbCr   = 1
)

// jpegInfo is what the segments of a JPEG say.
type jpegInfo struct {
	components  []component
	progressive bool
	scans       int
	work        int64 // sum over all scans of their components' sampling factors
	transform   byte  // from the Adobe segment, or the default
	exif        []byte
}

// jpegConfig returns the size from the first frame header. It does not use
// Go's decoder, which refuses sampling factors that libjpeg and browsers
// accept.
func jpegConfig(data []byte) (image.Config, error) {
	var config image.Config
	err := errShort
	walkJPEG(data, func(marker byte, body []byte) {
		if errors.Is(err, errShort) && isFrame(marker) {
			config, err = jpegFrame(marker, body)
		}
	})
	return config, err
}

// isFrame reports whether a marker starts a frame, of any kind.
func isFrame(marker byte) bool {
	switch marker {
	case markerDHT, markerJPG, markerDAC:
		return false
	}
	return marker >= markerSOF0 && marker <= markerSOF15
}

// jpegFrame parses the body of a frame header.
func jpegFrame(marker byte, body []byte) (image.Config, error) {
	const fixed = 6 // precision, height, width, number of components
	if len(body) < fixed {
		return image.Config{}, errBadFrame
	}
	precision, components := body[0], body[5]
	switch {
	case marker == 0xc3 || marker == 0xcb:
		return image.Config{}, jpegUnsupported("lossless")
	case marker >= 0xc9:
		return image.Config{}, jpegUnsupported("arithmetic coding")
	case marker > markerSOF2:
		return image.Config{}, jpegUnsupported("hierarchical")
	case precision != 8:
		return image.Config{}, jpegUnsupported(fmt.Sprintf("%d bits a channel instead of 8", precision))
	case components != 1 && components != 3 && components != 4:
		return image.Config{}, jpegUnsupported(fmt.Sprintf("%d channels", components))
	}
	return image.Config{
		ColorModel: color.YCbCrModel,
		Height:     int(binary.BigEndian.Uint16(body[1:])),
		Width:      int(binary.BigEndian.Uint16(body[3:])),
	}, nil
}

var errBadFrame = errors.New("the frame header is incomplete")

// jpegUnsupported names the feature of a JPEG that no decoder here supports.
type jpegUnsupported string

func (e jpegUnsupported) Error() string { return "JPEG with " + string(e) }

// component is one channel of a JPEG.
type component struct {
	id         byte
	horizontal int64 // sampling factors
	vertical   int64
}

func inspectJPEG(data []byte, h *header) error {
	info := jpegInfo{transform: transformYCbCr}
	walkJPEG(data, info.add)
	if info.scans > MaxScans {
		return faces.Fault(faces.CorruptImage,
			"the JPEG file has %d scans, more than any camera or program makes", info.scans)
	}
	if samples := info.scanSamples(h.area()); info.progressive && samples > maxScanWork {
		return faces.Fault(faces.ImageTooLarge,
			"%s in %d scans, which take too long to decode; a plain JPEG takes less", h.describe(), info.scans)
	}
	h.memory = info.memory(h.area())
	h.exif = info.exif
	return nil
}

// walkJPEG calls visit for each segment of a JPEG until its end or the end of
// the data.
func walkJPEG(data []byte, visit func(marker byte, body []byte)) {
	rest := data
	for {
		i := bytes.IndexByte(rest, 0xff)
		if i < 0 || i+1 >= len(rest) {
			return
		}
		marker := rest[i+1]
		switch {
		case marker == 0xff: // a fill byte
			rest = rest[i+1:]
			continue
		case marker == 0, marker == markerTEM, marker >= markerRST0 && marker <= markerEOI-1:
			rest = rest[i+2:] // pixel data, or a marker without a body
			continue
		case marker == markerEOI:
			return
		}
		rest = rest[i+2:]
		if len(rest) < 2 {
			return
		}
		size := int(binary.BigEndian.Uint16(rest))
		if size < 2 || size > len(rest) {
			return
		}
		visit(marker, rest[2:size])
		rest = rest[size:]
	}
}

// add updates j with a segment.
func (j *jpegInfo) add(marker byte, body []byte) {
	switch marker {
	case markerSOF0, markerSOF1, markerSOF2:
		if j.components != nil {
			return // decoders read the first frame or refuse the file
		}
		j.progressive = marker == markerSOF2
		j.components = jpegComponents(body)
	case markerSOS:
		j.scans++
		j.work += j.scanFactors(body)
	case markerAPP1:
		if j.exif == nil && bytes.HasPrefix(body, []byte(exifPrefix)) {
			j.exif = body[len(exifPrefix):]
		}
	case markerAPP14:
		j.transform = adobeTransform(body)
	}
}

// adobeTransform returns the colour transform of an Adobe segment. It is
// unknown for a damaged segment and for another program's.
func adobeTransform(body []byte) byte {
	if len(body) < 12 || !bytes.HasPrefix(body, []byte("Adobe")) {
		return transformUnknown
	}
	return body[11]
}

// jpegComponents parses the components of a frame header.
func jpegComponents(body []byte) []component {
	const fixed, each = 6, 3
	if len(body) < fixed || len(body) < fixed+each*int(body[5]) {
		return nil
	}
	var out []component
	for i := range int(body[5]) {
		c := body[fixed+each*i:]
		out = append(out, component{id: c[0], horizontal: int64(c[1] >> 4), vertical: int64(c[1] & 0xf)})
	}
	return out
}

// scanFactors returns the sum of the sampling factors of a scan's components.
func (j *jpegInfo) scanFactors(body []byte) int64 {
	if len(body) < 1 || len(body) < 1+2*int(body[0]) {
		return 0
	}
	var sum int64
	for i := range int(body[0]) {
		for _, c := range j.components {
			if c.id == body[1+2*i] {
				sum += c.horizontal * c.vertical
				break
			}
		}
	}
	return sum
}

// largestFactors returns the largest product of a component's sampling
// factors, at least 1.
func (j *jpegInfo) largestFactors() int64 {
	largest := int64(1)
	for _, c := range j.components {
		largest = max(largest, c.horizontal*c.vertical)
	}
	return largest
}

// scanSamples returns how many samples all scans of a picture of area pixels
// decode in total.
func (j *jpegInfo) scanSamples(area int64) int64 { return area * j.work / j.largestFactors() }

// memory estimates the memory of decoding area pixels, in bytes.
func (j *jpegInfo) memory(area int64) int64 {
	var factors int64
	for _, c := range j.components {
		factors += c.horizontal * c.vertical
	}
	samples := area * factors / j.largestFactors()
	need := samples
	if j.progressive {
		need += 4 * samples // all coefficients are kept until the last scan
	}
	if len(j.components) == 4 || j.transform == transformUnknown {
		need += 4 * area // copied into a picture of four channels
	}
	return need
}
