// A C interface to dlib's landmarks and face chips.
#ifndef ROLLCALL_CHIP_H
#define ROLLCALL_CHIP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rollcall_chipper rollcall_chipper;

// rollcall_chipper_open loads a 5-point shape predictor from a file. It returns
// NULL and a message where that fails.
rollcall_chipper *rollcall_chipper_open(const char *file, char *message, size_t room);
void rollcall_chipper_close(rollcall_chipper *c);

// rollcall_chip finds the landmarks of the face in a box of a square RGB picture
// of side by side pixels, and cuts out the chip of 150 by 150 RGB pixels that
// dlib's ResNet takes. points gets x and y of the five landmarks. It returns 0,
// or -1 and a message.
int rollcall_chip(rollcall_chipper *c, const uint8_t *rgb, int side, int left, int top, int right, int bottom,
	uint8_t *chip, double *points, char *message, size_t room);

#ifdef __cplusplus
}
#endif

#endif
