// Decodes JPEGs, whole or in parts, with libjpeg.
#pragma once
#include <stddef.h>
#include <stdint.h>

// Results of rollcall_jpeg_read.
enum { ROLLCALL_JPEG_READ, ROLLCALL_JPEG_DAMAGED, ROLLCALL_JPEG_UNSUPPORTED };

// A part of the picture, in pixels of the reduced picture. Its rows are written
// without gaps, three bytes a pixel, to the caller's memory at offset.
struct rollcall_jpeg_part {
	int x, y, width, height;
	size_t offset;
};

// What to decode and how.
struct rollcall_jpeg_request {
	int width, height; // the required size of the file
	int eighths;       // 1 to 8: reduction of each side
	int max_scans;     // more scans are an error
	int parts;         // number of parts
};

// What was wrong with the file.
struct rollcall_jpeg_report {
	double missing;    // share of rows that are missing or damaged
	int ended;         // the file ends before the picture does
	char message[200]; // the error, or the first warning; empty if there is none
};

// rollcall_jpeg_read decodes parts of a JPEG, which must lie within the reduced
// picture. Rows of pixels that the file lacks are grey.
int rollcall_jpeg_read(const uint8_t *data, size_t length, const struct rollcall_jpeg_request *request,
	const struct rollcall_jpeg_part *parts, uint8_t *pixels, struct rollcall_jpeg_report *report);
