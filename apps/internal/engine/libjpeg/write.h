// Encodes JPEGs with libjpeg.
#pragma once
#include <stddef.h>
#include <stdint.h>

// rollcall_jpeg_write encodes an RGB picture as a baseline JPEG without chroma
// subsampling. It returns the number of bytes written, or 0 if size is too small or
// libjpeg fails.
size_t rollcall_jpeg_write(const uint8_t *rgb, int width, int height, int quality, uint8_t *out, size_t size);
