package libjpeg

/*
#include "write.h"
*/
import "C"

import "fmt"

// Encode returns an RGB picture, 3 bytes a pixel without gaps between rows, as a
// baseline JPEG of a quality of 1 to 100. Its colours keep the full resolution,
// which Go's encoder halves.
func Encode(rgb []byte, width, height, quality int) ([]byte, error) {
	if width < 1 || height < 1 || width > maxSide || height > maxSide || quality < 1 || quality > 100 || len(rgb) < 3*width*height {
		return nil, fmt.Errorf("libjpeg: encode %d bytes as %d x %d pixels at quality %d", len(rgb), width, height, quality)
	}
	out := make([]byte, 4096+4*width*height) // noise at quality 100 takes less
	n := C.rollcall_jpeg_write(bytesOf(rgb), C.int(width), C.int(height), C.int(quality), bytesOf(out), C.size_t(len(out)))
	if n == 0 {
		return nil, fmt.Errorf("libjpeg: a picture of %d x %d pixels cannot be encoded", width, height)
	}
	return out[:n], nil
}
