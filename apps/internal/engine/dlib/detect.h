// detect.h: where faces may be, by dlib's frontal face detector.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rollcall_detector rollcall_detector;

// rollcall_box is a place that looks like a face. One with a score of 0 or more
// is what dlib's detector calls one.
typedef struct {
	double score;
	long left, top, right, bottom; // dlib's, as go-face passes them on
} rollcall_box;

// rollcall_detector_get returns the detector, which is made at the first call and
// stays, or NULL and in message why. It may be used by many at once.
const rollcall_detector *rollcall_detector_get(char *message, size_t size);

// rollcall_detect finds places that score at least least in a grey picture
// whose rows are stride bytes apart. It writes up to most boxes, best first,
// and returns how many, or -1 and in message why.
int rollcall_detect(const rollcall_detector *, const uint8_t *grey, long width, long height, long stride,
	double least, rollcall_box *boxes, int most, char *message, size_t size);

#ifdef __cplusplus
}
#endif
