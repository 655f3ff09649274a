package dlib

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

// maxSide is the largest width and height of a JPEG.
const maxSide = 1<<16 - 1

// DecodeJPEG decodes a JPEG of width by height pixels to eighths/8 of that
// size, rounded up. It fails if libjpeg gives a warning, or if the JPEG is
// neither YCbCr nor grey; another decoder may be able to decode it.
func DecodeJPEG(data []byte, width, height, eighths int) (*image.YCbCr, error) {
	if len(data) == 0 || width < 1 || height < 1 || width > maxSide || height > maxSide || eighths < 1 || eighths > 8 {
		return nil, errors.New("decode a JPEG: the file is empty, or its size or the reduction is out of range")
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
