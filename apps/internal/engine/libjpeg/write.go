package libjpeg

/*
#include "write.h"
*/
import "C"

import "fmt"

// Encode returns rgb as a baseline JPEG. rgb has 3 bytes a pixel and no gaps
// between rows; quality is 1 to 100. Chroma keeps the full resolution
// (4:4:4), unlike with Go's encoder.
func Encode(rgb []byte, width, height, quality int) ([]byte, error) {
	if width < 1 || height < 1 || width > maxSide || height > maxSide || quality < 1 || quality > 100 || len(rgb) < 3*width*height {
		return nil, fmt.Errorf("libjpeg: encode %d bytes as %d x %d pixels at quality %d", len(rgb), width, height, quality)
	}
	out := make([]byte, 4096+4*width*height) // enough for noise at quality 100
	n := C.rollcall_jpeg_write(bytesOf(rgb), C.int(width), C.int(height), C.int(quality), bytesOf(out), C.size_t(len(out)))
	if n == 0 {
		return nil, fmt.Errorf("libjpeg: a picture of %d x %d pixels cannot be encoded", width, height)
	}
	return out[:n], nil
}
