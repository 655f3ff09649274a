// write.h: writes JPEGs with libjpeg.
#pragma once
#include <stddef.h>
#include <stdint.h>

// rollcall_jpeg_write writes an RGB picture as a baseline JPEG whose colours have
// the full resolution. It returns how many bytes it wrote, or 0 where size is too
// small or libjpeg fails.
size_t rollcall_jpeg_write(const uint8_t *rgb, int width, int height, int quality, uint8_t *out, size_t size);
