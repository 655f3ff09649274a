// jpeg.h: a JPEG's pixels by libjpeg, reduced while they are decoded.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// rollcall_jpeg_decode decodes a JPEG of width by height pixels at eighths/8 of
// its size, which must come out as out_width by out_height. y gets as many bytes
// of brightness, cb and cr the colours at half that size each way, rounded up;
// rows follow each other without a gap. It returns 0, or 1 where libjpeg cannot
// or complained on the way; message, with room for size bytes, then says why.
int rollcall_jpeg_decode(const uint8_t *data, size_t length, int width, int height, int eighths,
	uint8_t *y, uint8_t *cb, uint8_t *cr, int out_width, int out_height, char *message, size_t size);

#ifdef __cplusplus
}
#endif
