// Package libjpeg decodes and encodes JPEG files with libjpeg-turbo. It is
// several times faster than Go's decoder, can reduce a picture while decoding
// it, can decode regions, and decodes damaged files as browsers do. It
// accepts untrusted files.
package libjpeg

/*
#cgo CFLAGS: -Wall -O2
#cgo LDFLAGS: -ljpeg
#include "read.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"image"
	"unsafe"

	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// maxSide is the largest width and height of a JPEG, in pixels.
const maxSide = 1<<16 - 1

// Library implements picture.JPEGLibrary. It is stateless.
type Library struct{}

var _ picture.JPEGLibrary = Library{}

// Decode decodes the whole picture; see picture.JPEGLibrary.
func (Library) Decode(file []byte, width, height, eighths int) (*picture.RGB, picture.Loss, error) {
	scaled := func(side int) int { return (side*eighths + 7) / 8 }
	whole := image.Rect(0, 0, scaled(width), scaled(height))
	parts, loss, err := read(file, width, height, eighths, []image.Rectangle{whole})
	if err != nil {
		return nil, picture.Loss{}, err
	}
	return parts[0], loss, nil
}

// Regions decodes parts of the picture; see picture.JPEGLibrary. Pixels
// missing from a damaged file are grey.
func (Library) Regions(file []byte, width, height int, parts []image.Rectangle) ([]*picture.RGB, error) {
	pixels, _, err := read(file, width, height, 8, parts)
	return pixels, err
}

// read decodes parts of the picture, given in pixels of the reduced picture.
func read(file []byte, width, height, eighths int, parts []image.Rectangle) ([]*picture.RGB, picture.Loss, error) {
	if len(file) == 0 || width < 1 || height < 1 || width > maxSide || height > maxSide || eighths < 1 || eighths > 8 {
		return nil, picture.Loss{}, errors.New("libjpeg: the file is empty, or its size or the reduction is out of range")
	}
	if len(parts) == 0 {
		return nil, picture.Loss{}, nil
	}
	whole := image.Rect(0, 0, (width*eighths+7)/8, (height*eighths+7)/8)
	places := make([]C.struct_rollcall_jpeg_part, len(parts))
	size := 0
	for i, r := range parts {
		if r.Empty() || !r.In(whole) {
			return nil, picture.Loss{}, fmt.Errorf("libjpeg: the part %v is empty or outside the picture %v", r, whole)
		}
		places[i] = C.struct_rollcall_jpeg_part{
			x: C.int(r.Min.X), y: C.int(r.Min.Y), width: C.int(r.Dx()), height: C.int(r.Dy()), offset: C.size_t(size),
		}
		size += 3 * r.Dx() * r.Dy()
	}
	pixels := make([]byte, size)
	request := C.struct_rollcall_jpeg_request{
		width: C.int(width), height: C.int(height), eighths: C.int(eighths),
		max_scans: picture.MaxScans, parts: C.int(len(parts)),
	}
	var report C.struct_rollcall_jpeg_report
	result := C.rollcall_jpeg_read(bytesOf(file), C.size_t(len(file)), &request, &places[0], bytesOf(pixels), &report)
	message := C.GoString(&report.message[0])
	switch result {
	case C.ROLLCALL_JPEG_READ:
	case C.ROLLCALL_JPEG_UNSUPPORTED:
		return nil, picture.Loss{}, fmt.Errorf("libjpeg: %w: %s", picture.ErrUnsupportedJPEG, message)
	default:
		return nil, picture.Loss{}, fmt.Errorf("libjpeg: %s", message)
	}
	loss := picture.Loss{Missing: float64(report.missing), Truncated: report.ended != 0, Warning: message}
	return split(pixels, parts), loss, nil
}

// split returns the pictures whose pixels are stored one after the other.
func split(pixels []byte, parts []image.Rectangle) []*picture.RGB {
	out := make([]*picture.RGB, len(parts))
	for i, r := range parts {
		n := 3 * r.Dx() * r.Dy()
		out[i] = &picture.RGB{Pix: pixels[:n:n], Stride: 3 * r.Dx(), Width: r.Dx(), Height: r.Dy()}
		pixels = pixels[n:]
	}
	return out
}

func bytesOf(b []byte) *C.uint8_t { return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(b))) }
