// jpeg.c: decodes a JPEG with libjpeg. It is written in C because libjpeg's errors
// end in a longjmp, which must not skip C++ destructors.
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "jpeg.h"

// planes receive the decoded pixels.
struct planes {
	uint8_t *y, *cb, *cr;
	int width, height; // of y
};

// errors is libjpeg's error manager with our own fields. pub must be the first
// field, because libjpeg gets a pointer to it.
struct errors {
	struct jpeg_error_mgr pub;
	jmp_buf escape;
	char *message;
	size_t size;
};

static void keep_message(j_common_ptr info) {
	struct errors *e = (struct errors *)info->err;
	char text[JMSG_LENGTH_MAX];
	e->pub.format_message(info, text);
	snprintf(e->message, e->size, "%s", text);
}

static void escape(j_common_ptr info) {
	keep_message(info);
	longjmp(((struct errors *)info->err)->escape, 1);
}

// A warning means that the file is damaged. Go's decoder decides about such files,
// so decoding stops at the first warning.
static void warn(j_common_ptr info, int level) {
	if (level < 0)
		escape(info);
}

static void refuse(struct errors *e, const char *why) {
	snprintf(e->message, e->size, "%s", why);
	longjmp(e->escape, 1);
}

static int half(int n) { return n / 2 + n % 2; }

// split writes one or two rows of Y, Cb, Cr triples to the planes. Each value of cb
// and cr is the mean of a square of two by two pixels.
static void split(const uint8_t *first, const uint8_t *second, int row, const struct planes *out) {
	int w = out->width;
	uint8_t *y0 = out->y + (size_t)row * w;
	for (int x = 0; x < w; x++)
		y0[x] = first[3 * x];
	if (second)
		for (int x = 0; x < w; x++)
			y0[w + x] = second[3 * x];
	else
		second = first; // the last row of an odd height
	uint8_t *cb = out->cb + (size_t)(row / 2) * half(w), *cr = out->cr + (size_t)(row / 2) * half(w);
	for (int x = 0; x < half(w); x++) {
		int a = 6 * x, b = 2 * x + 1 < w ? a + 3 : a;
		cb[x] = (first[a + 1] + first[b + 1] + second[a + 1] + second[b + 1] + 2) / 4;
		cr[x] = (first[a + 2] + first[b + 2] + second[a + 2] + second[b + 2] + 2) / 4;
	}
}

static void read_colour(struct jpeg_decompress_struct *info, uint8_t *rows, const struct planes *out) {
	uint8_t *first = rows, *second = rows + (size_t)3 * out->width;
	for (int row = 0; row < out->height; row += 2) {
		JSAMPROW at = first;
		jpeg_read_scanlines(info, &at, 1);
		int pair = row + 1 < out->height;
		at = second;
		if (pair)
			jpeg_read_scanlines(info, &at, 1);
		split(first, pair ? second : NULL, row, out);
	}
}

static void read_grey(struct jpeg_decompress_struct *info, const struct planes *out) {
	for (int row = 0; row < out->height; row++) {
		JSAMPROW at = out->y + (size_t)row * out->width;
		jpeg_read_scanlines(info, &at, 1);
	}
	size_t colours = (size_t)half(out->width) * half(out->height);
	memset(out->cb, 128, colours);
	memset(out->cr, 128, colours);
}

int rollcall_jpeg_decode(const uint8_t *data, size_t length, int width, int height, int eighths,
	uint8_t *y, uint8_t *cb, uint8_t *cr, int out_width, int out_height, char *message, size_t size) {
	const struct planes planes = {y, cb, cr, out_width, out_height}, *out = &planes;
	struct jpeg_decompress_struct info;
	struct errors errors = {.message = message, .size = size};
	uint8_t *volatile rows = NULL; // volatile, because it is read after a longjmp
	info.err = jpeg_std_error(&errors.pub);
	errors.pub.error_exit = escape;
	errors.pub.emit_message = warn;
	if (setjmp(errors.escape)) {
		jpeg_destroy_decompress(&info);
		free(rows);
		return 1;
	}
	jpeg_create_decompress(&info);
	jpeg_mem_src(&info, data, length);
	jpeg_read_header(&info, TRUE);
	if (info.image_width != (JDIMENSION)width || info.image_height != (JDIMENSION)height)
		refuse(&errors, "libjpeg sees another size");
	int grey = info.jpeg_color_space == JCS_GRAYSCALE;
	if (!grey && info.jpeg_color_space != JCS_YCbCr)
		refuse(&errors, "the colours are neither YCbCr nor grey");
	info.out_color_space = grey ? JCS_GRAYSCALE : JCS_YCbCr;
	info.scale_num = eighths;
	info.scale_denom = 8;
	jpeg_start_decompress(&info);
	if (info.output_width != (JDIMENSION)out->width || info.output_height != (JDIMENSION)out->height ||
		info.output_components != (grey ? 1 : 3))
		refuse(&errors, "libjpeg makes another size of it");
	if (grey) {
		read_grey(&info, out);
	} else {
		rows = malloc((size_t)6 * out->width);
		if (!rows)
			refuse(&errors, "out of memory");
		read_colour(&info, rows, out);
	}
	jpeg_finish_decompress(&info);
	jpeg_destroy_decompress(&info);
	free(rows);
	return 0;
}
