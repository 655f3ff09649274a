// detect.h: finds places that may be faces with dlib's frontal face detector.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rollcall_detector rollcall_detector;

// rollcall_box is a place that looks like a face. dlib's detector accepts a place
// as a face if its score is 0 or more.
typedef struct {
	double score;
	long left, top, right, bottom; // of dlib's rectangle, unchanged as in go-face
} rollcall_box;

// rollcall_detector_get returns the detector. The first call constructs it; it is
// never freed. It is safe for concurrent use. On failure the function returns NULL
// and writes the reason to message.
const rollcall_detector *rollcall_detector_get(char *message, size_t size);

// rollcall_detect finds places with a score of at least least in a grey picture,
// whose rows are stride bytes apart. It writes up to most boxes, the best first,
// and returns their number. On failure it returns -1 and writes the reason to
// message.
int rollcall_detect(const rollcall_detector *, const uint8_t *grey, long width, long height, long stride,
	double least, rollcall_box *boxes, int most, char *message, size_t size);

#ifdef __cplusplus
}
#endif
