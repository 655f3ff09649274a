// chip.cc: finds landmarks and cuts face chips with dlib in the same way as
// go-face (facerec.cc), but without its detector. No exception leaves this file,
// because Go cannot catch one.
#include "chip.h"

#include <cstdio>
#include <cstring>
#include <dlib/image_processing.h>
#include <dlib/image_transforms.h>
#include <fstream>

#include "landmarks.h"

struct rollcall_chipper {
	rollcall::landmark_predictor predictor;
};

static const long chip_side = 150;
static const double chip_padding = 0.25;

// steady_shape returns the mean of the landmarks for several boxes, which are moved
// by a few pixels. The predictor consists of decision trees, so a small change of
// one pixel can make the landmarks of one box jump. The mean is stable.
static dlib::full_object_detection steady_shape(const rollcall::landmark_predictor &predictor,
	const dlib::matrix<dlib::rgb_pixel> &m, const dlib::rectangle &box) {
	static const long moves[][2] = {{0, 0}, {-3, 0}, {3, 0}, {0, -3}, {0, 3}};
	std::vector<dlib::rectangle> boxes;
	for (const auto &move : moves) boxes.push_back(dlib::translate_rect(box, move[0], move[1]));
	std::vector<dlib::dpoint> sums(predictor.num_parts());
	for (const auto &shape : predictor.predict(m, boxes)) {
		for (unsigned long i = 0; i < shape.num_parts(); i++) sums[i] += shape.part(i);
	}
	std::vector<dlib::point> parts;
	for (const auto &sum : sums) parts.push_back(dlib::point(sum / (sizeof moves / sizeof *moves)));
	return dlib::full_object_detection(box, parts);
}

static void say(char *message, size_t room, const char *what) { snprintf(message, room, "%s", what); }

rollcall_chipper *rollcall_chipper_open(const char *file, char *message, size_t room) {
	rollcall_chipper *c = nullptr;
	try {
		c = new rollcall_chipper;
		std::ifstream in(file, std::ios::binary);
		if (!in) throw dlib::serialization_error("the file cannot be opened");
		c->predictor.read(in);
		if (c->predictor.num_parts() == 5) return c;
		say(message, room, "the shape predictor does not have 5 points");
	} catch (const std::exception &e) {
		say(message, room, e.what());
	} catch (...) {
		say(message, room, "unknown error");
	}
	delete c;
	return nullptr;
}

void rollcall_chipper_close(rollcall_chipper *c) { delete c; }

int rollcall_chip(rollcall_chipper *c, const uint8_t *rgb, int side, int left, int top, int right, int bottom,
	uint8_t *chip, double *points, char *message, size_t room) {
	try {
		dlib::matrix<dlib::rgb_pixel> m(side, side);
		memcpy(&m(0, 0), rgb, 3 * (size_t)side * side);
		const dlib::rectangle box(left, top, right, bottom);
		dlib::full_object_detection shape = steady_shape(c->predictor, m, box);
		for (unsigned long i = 0; i < shape.num_parts() && i < 5; i++) {
			points[2 * i] = shape.part(i).x();
			points[2 * i + 1] = shape.part(i).y();
		}
		dlib::matrix<dlib::rgb_pixel> out;
		dlib::extract_image_chip(m, dlib::get_face_chip_details(shape, chip_side, chip_padding), out);
		memcpy(chip, &out(0, 0), 3 * chip_side * chip_side);
		return 0;
	} catch (const std::exception &e) {
		say(message, room, e.what());
	} catch (...) {
		say(message, room, "unknown error");
	}
	return -1;
}
