// Decodes JPEGs with libjpeg (the interface of libjpeg 6b, as extended by
// libjpeg-turbo). An error in libjpeg ends in a longjmp, so nothing here may be
// C++.
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#include "read.h"

// decoder is libjpeg's decoder with our own state. The error manager
// and the progress monitor come with pointers of their own type, so each is
// found by its address in here.
struct decoder {
	struct jpeg_decompress_struct info;
	struct jpeg_error_mgr errors;
	struct jpeg_progress_mgr progress;
	jmp_buf escape;
	int result; // of the error that led to the longjmp
	struct rollcall_jpeg_report *report;
	int max_scans;
	uint8_t *row; // one row of the picture

	// Damage to the current iMCU row (a row of blocks).
	int ran_out;  // the data ended before the row did
	int bad_code; // the data was invalid
	int starved;  // the data ended, and no restart marker followed

	// A file with several scans is read completely before any output.
	int reading_scans;
	int scan;                        // number of the current scan
	int vital;                       // see is_vital
	int lost;                        // its damaged rows
	unsigned char came[4][DCTSIZE2]; // 1 and the bits that a component's coefficient lacks; 0: all
};

static struct decoder *decoder_of(j_common_ptr info) { return info->client_data; }

static void on_error(j_common_ptr info) {
	struct decoder *d = decoder_of(info);
	char text[JMSG_LENGTH_MAX];
	d->errors.format_message(info, text);
	snprintf(d->report->message, sizeof d->report->message, "%s", text);
	switch (d->errors.msg_code) {
	case JERR_ARITH_NOTIMPL:
	case JERR_BAD_PRECISION:
	case JERR_CCIR601_NOTIMPL:
	case JERR_CONVERSION_NOTIMPL:
	case JERR_FRACT_SAMPLE_NOTIMPL:
	case JERR_NOTIMPL:
	case JERR_NOT_COMPILED:
	case JERR_SOF_UNSUPPORTED:
		d->result = ROLLCALL_JPEG_UNSUPPORTED;
		break;
	default:
		d->result = ROLLCALL_JPEG_DAMAGED;
	}
	longjmp(d->escape, 1);
}

static void refuse(struct decoder *d, int result, const char *why) {
	snprintf(d->report->message, sizeof d->report->message, "%s", why);
	d->result = result;
	longjmp(d->escape, 1);
}

// on_trace handles restart markers, after which the data is valid again.
static void on_trace(struct decoder *d) {
	enum { discard = 1 }; // the recovery that takes a wrong marker for the right one
	if (d->errors.msg_code == JTRC_RST)
		d->starved = 0;
	if (d->errors.msg_code == JTRC_RECOVERY_ACTION && d->errors.msg_parm.i[1] == discard)
		d->starved = 0;
}

// on_message is called for warnings (level -1) and traces.
static void on_message(j_common_ptr info, int level) {
	struct decoder *d = decoder_of(info);
	if (level >= 0) {
		on_trace(d);
		return;
	}
	switch (d->errors.msg_code) {
	case JWRN_HIT_MARKER:
		d->ran_out = d->starved = 1;
		break;
	case JWRN_HUFF_BAD_CODE:
		d->bad_code = 1;
		break;
	case JWRN_JPEG_EOF:
		d->report->ended = 1;
		break;
	case JWRN_ADOBE_XFORM:
	case JWRN_JFIF_MAJOR:
		return; // harmless: the picture is intact
	}
	if (d->errors.num_warnings++ == 0) {
		char text[JMSG_LENGTH_MAX];
		d->errors.format_message(info, text);
		snprintf(d->report->message, sizeof d->report->message, "%s", text);
	}
}

// row_lost reports whether the last iMCU row is damaged. If the data ends early,
// libjpeg warns once and continues without data.
static int row_lost(struct decoder *d) {
	int lost = d->ran_out || d->bad_code || d->starved;
	d->ran_out = d->bad_code = 0;
	return lost;
}

static void at_least_missing(struct decoder *d, double share) {
	if (d->report->missing < share)
		d->report->missing = share > 1 ? 1 : share;
}

// is_vital reports whether the picture would be grey or coarse without the current
// scan. That is the first scan of a component's mean values (DC), and every scan of
// the first component (luma) except those that only refine the last bit.
static int is_vital(const struct jpeg_decompress_struct *info) {
	if (info->cur_comp_info[0]->component_index == 0)
		return info->Ah == 0 || info->Al > 0;
	return info->Ah == 0 && info->Ss == 0;
}

static void end_scan(struct decoder *d) {
	if (d->vital)
		at_least_missing(d, (double)d->lost / d->info.total_iMCU_rows);
	d->lost = 0;
}

static void begin_scan(struct decoder *d) {
	const struct jpeg_decompress_struct *info = &d->info;
	d->scan = info->input_scan_number;
	d->vital = is_vital(info);
	d->starved = 0;
	int last = info->progressive_mode ? info->Se : DCTSIZE2 - 1;
	for (int i = 0; i < info->comps_in_scan; i++) {
		int component = info->cur_comp_info[i]->component_index;
		for (int k = info->Ss; k <= last && k < DCTSIZE2 && component < 4; k++)
			d->came[component][k] = 1 + info->Al;
	}
}

// on_progress is called before each iMCU row of a file with several scans is read.
static void on_progress(j_common_ptr common) {
	struct decoder *d = decoder_of(common);
	if (!d->reading_scans)
		return;
	if (d->info.input_scan_number > d->max_scans)
		refuse(d, ROLLCALL_JPEG_DAMAGED, "too many scans");
	d->lost += row_lost(d);
	if (d->info.input_scan_number != d->scan) {
		end_scan(d);
		begin_scan(d);
	}
}

// end_scans counts what is missing from a file with several scans.
static void end_scans(struct decoder *d) {
	d->lost += row_lost(d);
	end_scan(d);
	for (int c = 0; c < d->info.num_components && c < 4; c++)
		if (!d->came[c][0])
			at_least_missing(d, 1);
	for (int k = 1; k < DCTSIZE2; k++)
		if (d->report->ended && (d->came[0][k] == 0 || d->came[0][k] > 2))
			at_least_missing(d, 1);
}

static JDIMENSION reduced(int side, int eighths) { return (side * eighths + 7) / 8; }

// start checks the header and sets the output to RGB, or to CMYK if libjpeg cannot
// convert the picture to RGB.
static void start(struct decoder *d, const uint8_t *data, size_t length, const struct rollcall_jpeg_request *request) {
	struct jpeg_decompress_struct *info = &d->info;
	jpeg_mem_src(info, data, length);
	jpeg_read_header(info, TRUE);
	if (info->image_width != (JDIMENSION)request->width || info->image_height != (JDIMENSION)request->height)
		refuse(d, ROLLCALL_JPEG_DAMAGED, "libjpeg sees another size");
	switch (info->jpeg_color_space) {
	case JCS_GRAYSCALE:
	case JCS_RGB:
	case JCS_YCbCr:
		info->out_color_space = JCS_RGB;
		break;
	case JCS_CMYK:
	case JCS_YCCK:
		info->out_color_space = JCS_CMYK;
		break;
	default:
		refuse(d, ROLLCALL_JPEG_UNSUPPORTED, "the colours are of no known kind");
	}
	info->scale_num = request->eighths;
	info->scale_denom = 8;
	d->progress.progress_monitor = on_progress;
	info->progress = &d->progress;
	d->reading_scans = jpeg_has_multiple_scans(info);
	jpeg_start_decompress(info);
	if (d->reading_scans)
		end_scans(d);
	d->reading_scans = 0;
	if (info->output_width != reduced(request->width, request->eighths) ||
		info->output_height != reduced(request->height, request->eighths))
		refuse(d, ROLLCALL_JPEG_DAMAGED, "libjpeg decoded it to an unexpected size");
}

// crop limits the output to the columns of all parts plus a margin, because pixels
// depend on their neighbours. It returns the first column of the output.
static int crop(struct decoder *d, const struct rollcall_jpeg_part *parts, int count) {
	int from = d->info.output_width, to = 0;
	for (int i = 0; i < count; i++) {
		if (parts[i].x < from)
			from = parts[i].x;
		if (parts[i].x + parts[i].width > to)
			to = parts[i].x + parts[i].width;
	}
	const int margin = 16;
	from = from > margin ? from - margin : 0;
	to = to + margin < (int)d->info.output_width ? to + margin : (int)d->info.output_width;
	if (from == 0 && to == (int)d->info.output_width)
		return 0;
	JDIMENSION x = from, width = to - from;
	jpeg_crop_scanline(&d->info, &x, &width);
	if ((int)x > from || (int)(x + width) < to)
		refuse(d, ROLLCALL_JPEG_DAMAGED, "libjpeg cropped it to an unexpected part");
	return x;
}

// write_rgb converts width pixels of an output row. CMYK is treated as inverted, with
// or without Adobe's marker, because Adobe's programs write it so and browsers read it
// so.
static void write_rgb(const struct decoder *d, uint8_t *out, const uint8_t *in, int width) {
	if (d->info.out_color_components == 3) {
		memcpy(out, in, (size_t)3 * width);
		return;
	}
	for (int i = 0; i < width; i++, in += 4, out += 3)
		for (int c = 0; c < 3; c++)
			out[c] = (in[c] * in[3] + 127) / 255;
}

// next_row returns the first row from y on that a part needs, or the picture's
// height if there is none.
static int next_row(const struct decoder *d, int y, const struct rollcall_jpeg_part *parts, int count) {
	int next = d->info.output_height;
	for (int i = 0; i < count; i++) {
		int first = parts[i].y > y ? parts[i].y : y;
		if (first < parts[i].y + parts[i].height && first < next)
			next = first;
	}
	return next;
}

// read_parts writes the rows that the parts need.
static void read_parts(struct decoder *d, const struct rollcall_jpeg_part *parts, int count, uint8_t *pixels) {
	struct jpeg_decompress_struct *info = &d->info;
	int left = crop(d, parts, count), single = !jpeg_has_multiple_scans(info), lost = 0;
	int pixel = info->out_color_components;
	d->row = malloc((size_t)pixel * info->output_width);
	if (!d->row)
		refuse(d, ROLLCALL_JPEG_DAMAGED, "out of memory");
	JDIMENSION block_row = 0;
	for (int y = 0; (y = next_row(d, y, parts, count)) < (int)info->output_height; y++) {
		if (y > (int)info->output_scanline)
			jpeg_skip_scanlines(info, y - info->output_scanline);
		JSAMPROW row = d->row;
		jpeg_read_scanlines(info, &row, 1);
		if (block_row != info->input_iMCU_row)
			lost += row_lost(d);
		block_row = info->input_iMCU_row;
		for (int i = 0; i < count; i++) {
			const struct rollcall_jpeg_part *p = &parts[i];
			if (y >= p->y && y < p->y + p->height)
				write_rgb(d, pixels + p->offset + (size_t)(y - p->y) * 3 * p->width,
					d->row + (size_t)pixel * (p->x - left), p->width);
		}
	}
	if (single)
		at_least_missing(d, (double)(lost + row_lost(d)) / info->total_iMCU_rows);
}

int rollcall_jpeg_read(const uint8_t *data, size_t length, const struct rollcall_jpeg_request *request,
	const struct rollcall_jpeg_part *parts, uint8_t *pixels, struct rollcall_jpeg_report *report) {
	// On the heap, so that a longjmp does not change it.
	struct decoder *d = calloc(1, sizeof *d);
	memset(report, 0, sizeof *report);
	if (!d)
		return ROLLCALL_JPEG_DAMAGED;
	d->report = report;
	d->max_scans = request->max_scans;
	d->info.err = jpeg_std_error(&d->errors);
	d->info.client_data = d;
	d->errors.error_exit = on_error;
	d->errors.emit_message = on_message;
	if (setjmp(d->escape) == 0) {
		jpeg_create_decompress(&d->info);
		start(d, data, length, request);
		read_parts(d, parts, request->parts, pixels);
	}
	int result = d->result;
	jpeg_destroy_decompress(&d->info);
	free(d->row);
	free(d);
	return result;
}
