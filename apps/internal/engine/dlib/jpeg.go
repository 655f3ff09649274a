package dlib

// This file owns decoding JPEGs with libjpeg, which can reduce a picture while
// it decodes it and is several times faster than Go's decoder.

/*
#include <stdint.h>
#include "jpeg.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"image"
	"unsafe"
)

// maxSide is the largest side that a JPEG can have.
const maxSide = 1<<16 - 1

// DecodeJPEG decodes a JPEG that is width by height pixels as its header says,
// at eighths/8 of that size, rounded up. It refuses what libjpeg complains about
// and all that is not YCbCr or grey; another decoder may do better.
func DecodeJPEG(data []byte, width, height, eighths int) (*image.YCbCr, error) {
	if len(data) == 0 || width < 1 || height < 1 || width > maxSide || height > maxSide || eighths < 1 || eighths > 8 {
		return nil, errors.New("decode a JPEG: no such picture or size")
	}
	scaled := func(side int) int { return (side*eighths + 7) / 8 }
	m := image.NewYCbCr(image.Rect(0, 0, scaled(width), scaled(height)), image.YCbCrSubsampleRatio420)
	var message [200]C.char
	if C.rollcall_jpeg_decode(
		bytesOf(data), C.size_t(len(data)), C.int(width), C.int(height), C.int(eighths),
		bytesOf(m.Y), bytesOf(m.Cb), bytesOf(m.Cr), C.int(m.Rect.Dx()), C.int(m.Rect.Dy()),
		&message[0], C.size_t(len(message)),
	) != 0 {
		return nil, fmt.Errorf("decode a JPEG: %s", C.GoString(&message[0]))
	}
	return m, nil
}

// DecodeJPEG implements engine.JPEGDecoder.
func (e *Engine) DecodeJPEG(data []byte, width, height, eighths int) (*image.YCbCr, error) {
	return DecodeJPEG(data, width, height, eighths)
}

func bytesOf(b []byte) *C.uint8_t { return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(b))) }
