// chip.h: a C interface to dlib's landmarks and face chips.
#ifndef ROLLCALL_CHIP_H
#define ROLLCALL_CHIP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rollcall_chipper rollcall_chipper;

// rollcall_chipper_open loads a 5-point shape predictor from a file. On failure it
// returns NULL and writes the reason to message, a buffer of room bytes.
rollcall_chipper *rollcall_chipper_open(const char *file, char *message, size_t room);
void rollcall_chipper_close(rollcall_chipper *c);

// rollcall_chip finds the landmarks of the face in a box of a square RGB picture of
// side by side pixels. It cuts out the chip of 150 by 150 RGB pixels that is the
// input of dlib's ResNet, and writes x and y of the five landmarks to points. It
// returns 0. On failure it returns -1 and writes the reason to message.
int rollcall_chip(rollcall_chipper *c, const uint8_t *rgb, int side, int left, int top, int right, int bottom,
	uint8_t *chip, double *points, char *message, size_t room);

#ifdef __cplusplus
}
#endif

#endif
