// jpeg.h: decodes a JPEG with libjpeg, which can reduce it while decoding.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// rollcall_jpeg_decode decodes a JPEG of width by height pixels at eighths/8 of
// its size. The result must have out_width by out_height pixels. y receives the
// brightness of each pixel. cb and cr receive the colours at half the width and
// half the height, both rounded up. There are no gaps between rows. The function
// returns 0, or 1 if libjpeg reports an error or a warning. Then message, which
// has room for size bytes, contains the reason.
int rollcall_jpeg_decode(const uint8_t *data, size_t length, int width, int height, int eighths,
	uint8_t *y, uint8_t *cb, uint8_t *cr, int out_width, int out_height, char *message, size_t size);

#ifdef __cplusplus
}
#endif
