// Encodes JPEGs with libjpeg. An error in libjpeg ends in a longjmp, so
// nothing here may be C++.
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include "write.h"

struct encoder {
	struct jpeg_compress_struct info;
	struct jpeg_error_mgr errors;
	jmp_buf escape;
};

static void on_error(j_common_ptr info) { longjmp(((struct encoder *)info->client_data)->escape, 1); }

static void on_message(j_common_ptr info, int level) { (void)info, (void)level; }

static void start_nothing(j_compress_ptr info) { (void)info; }

// The caller's memory is full. libjpeg cannot continue.
static boolean no_more_room(j_compress_ptr info) {
	on_error((j_common_ptr)info);
	return FALSE;
}

size_t rollcall_jpeg_write(const uint8_t *rgb, int width, int height, int quality, uint8_t *out, size_t size) {
	struct encoder e;
	struct jpeg_destination_mgr destination = {
		.next_output_byte = out, .free_in_buffer = size,
		.init_destination = start_nothing, .empty_output_buffer = no_more_room, .term_destination = start_nothing,
	};
	memset(&e, 0, sizeof e);
	e.info.err = jpeg_std_error(&e.errors);
	e.errors.error_exit = on_error;
	e.errors.emit_message = on_message;
	e.info.client_data = &e;
	if (setjmp(e.escape)) {
		jpeg_destroy_compress(&e.info);
		return 0;
	}
	jpeg_create_compress(&e.info);
	e.info.client_data = &e; // jpeg_create_compress keeps err and client_data
	e.info.dest = &destination;
	e.info.image_width = width;
	e.info.image_height = height;
	e.info.input_components = 3;
	e.info.in_color_space = JCS_RGB;
	jpeg_set_defaults(&e.info);
	jpeg_set_quality(&e.info, quality, TRUE);
	for (int i = 0; i < e.info.num_components; i++) e.info.comp_info[i].h_samp_factor = e.info.comp_info[i].v_samp_factor = 1;
	jpeg_start_compress(&e.info, TRUE);
	while (e.info.next_scanline < e.info.image_height) {
		JSAMPROW row = (JSAMPROW)(rgb + (size_t)3 * width * e.info.next_scanline);
		jpeg_write_scanlines(&e.info, &row, 1);
	}
	jpeg_finish_compress(&e.info);
	jpeg_destroy_compress(&e.info);
	return size - destination.free_in_buffer;
}
