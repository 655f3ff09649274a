// detect.cc: dlib's frontal face detector on brightness alone, in two stages.
//
// The detector consists of five linear filters over histograms of gradients. dlib
// applies each filter as about sixty separable filters. This file applies the
// strongest few of them everywhere, and the complete filter only at the places
// where these give a high score. The final scores are the same, for a third of the
// work. Detection on brightness takes three quarters of the time of detection in
// colour. No exception leaves this file, because Go cannot catch one.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <vector>

#include <dlib/image_processing/frontal_face_detector.h>

#include "detect.h"

namespace {

using dlib::array;
using dlib::array2d;
using dlib::matrix;
using dlib::rectangle;

// The strongest parts of a filter give a lower score than the complete filter. We
// measured the difference with 20 parts at every place with a score above -0.2 in
// 25 photographs: it was 0.5 to 2.4, and below 1.9 at 98% of the places. A face
// has many such places, and only the best one must be found.
constexpr size_t strongest = 20;
constexpr double left_out = 2.0;

// part is a separable filter over one plane of features: the product of a column
// and a row.
struct part {
	size_t plane;
	double weight;
	matrix<float, 0, 1> row, column;
};

// filter is one of the detector's five filters. They are for faces that look
// ahead, to the left or to the right, and for faces that are tilted to the left or
// to the right.
struct filter {
	std::vector<matrix<float>> planes;
	std::vector<part> parts; // the strongest
	double threshold;
};

filter make_filter(const dlib::frontal_face_detector &d, unsigned long i) {
	filter f;
	f.planes = d.get_scanner().build_fhog_filterbank(d.get_w(i)).get_filters();
	f.threshold = d.get_w(i)(d.get_scanner().get_num_dimensions());
	for (size_t p = 0; p < f.planes.size(); p++) {
		const matrix<double> plane = dlib::matrix_cast<double>(f.planes[p]);
		matrix<double> u, w, v;
		dlib::svd(plane, u, w, v);
		for (long k = 0; k < w.nr(); k++) {
			const double half = std::sqrt(w(k, k));
			f.parts.push_back({p, w(k, k), dlib::matrix_cast<float>(dlib::colm(v, k) * half),
				dlib::matrix_cast<float>(dlib::colm(u, k) * half)});
		}
	}
	std::sort(f.parts.begin(), f.parts.end(), [](const part &a, const part &b) { return a.weight > b.weight; });
	f.parts.resize(std::min(f.parts.size(), strongest));
	return f;
}

typedef array<array2d<float>> features;

// score applies the complete filter with its centre at row r and column c.
double score(const filter &f, const features &feats, long r, long c) {
	float sum = 0;
	for (size_t p = 0; p < f.planes.size(); p++) {
		const matrix<float> &w = f.planes[p];
		for (long y = 0; y < w.nr(); y++) {
			const float *at = &feats[p][r - w.nr() / 2 + y][c - w.nc() / 2];
			const float *weights = &w(y, 0);
			for (long x = 0; x < w.nc(); x++)
				sum += weights[x] * at[x];
		}
	}
	return sum - f.threshold;
}

} // namespace

// rollcall_detector is constant after construction, so all callers share one.
struct rollcall_detector {
	std::vector<filter> filters;
	dlib::test_box_overlap overlap;
	long rows, columns, cell; // of the window, in cells; of a cell, in pixels

	rollcall_detector() {
		const dlib::frontal_face_detector d = dlib::get_frontal_face_detector();
		for (unsigned long i = 0; i < d.num_detectors(); i++)
			filters.push_back(make_filter(d, i));
		overlap = d.get_overlap_tester();
		rows = d.get_scanner().get_fhog_window_height();
		columns = d.get_scanner().get_fhog_window_width();
		cell = d.get_scanner().get_cell_size();
	}

	std::vector<dlib::rect_detection> detect(array2d<unsigned char> &img, double least) const {
		std::vector<dlib::rect_detection> all;
		const dlib::pyramid_down<6> pyramid;
		features feats;
		array2d<unsigned char> smaller;
		for (unsigned level = 0;; level++) { // holds the features of one level at a time
			dlib::extract_fhog_features(img, feats, cell, rows, columns);
			if (feats.size() > 0 && feats[0].size() > 0)
				scan(feats, level, least, all);
			const rectangle next = pyramid.rect_down(get_rect(img));
			if (next.width() < min_side || next.height() < min_side)
				break;
			pyramid(img, smaller);
			smaller.swap(img);
		}
		return best(all);
	}

private:
	static constexpr unsigned long min_side = 64; // the same as in dlib's scanner

	void scan(const features &feats, unsigned level, double least, std::vector<dlib::rect_detection> &all) const {
		array2d<float> sum, scratch;
		const dlib::pyramid_down<6> pyramid;
		for (size_t i = 0; i < filters.size(); i++) {
			const filter &f = filters[i];
			rectangle area;
			for (size_t k = 0; k < f.parts.size(); k++)
				area = dlib::float_spatially_filter_image_separable(
					feats[f.parts[k].plane], sum, f.parts[k].row, f.parts[k].column, scratch, k > 0);
			const double worth = f.threshold + least - left_out;
			for (long r = area.top(); r <= area.bottom(); r++)
				for (long c = area.left(); c <= area.right(); c++) {
					if (sum[r][c] < worth)
						continue;
					const double s = score(f, feats, r, c);
					if (s < least)
						continue;
					dlib::rect_detection d;
					d.detection_confidence = s;
					d.weight_index = i;
					d.rect = pyramid.rect_up(fe.feats_to_image(
						dlib::centered_rect(dlib::point(c, r), columns, rows), cell, rows, columns), level);
					all.push_back(d);
				}
		}
	}

	// best keeps the box with the highest score of all boxes that overlap.
	std::vector<dlib::rect_detection> best(std::vector<dlib::rect_detection> all) const {
		std::sort(all.rbegin(), all.rend());
		std::vector<dlib::rect_detection> kept;
		for (const auto &d : all)
			if (std::none_of(kept.begin(), kept.end(), [&](const auto &k) { return overlap(k.rect, d.rect); }))
				kept.push_back(d);
		return kept;
	}

	dlib::default_fhog_feature_extractor fe;
};

extern "C" const rollcall_detector *rollcall_detector_get(char *message, size_t size) {
	try {
		static const rollcall_detector detector; // constructing it is slow
		return &detector;
	} catch (const std::exception &e) {
		snprintf(message, size, "%s", e.what());
	} catch (...) {
		snprintf(message, size, "an exception without a message");
	}
	return nullptr;
}

extern "C" int rollcall_detect(const rollcall_detector *d, const uint8_t *grey, long width, long height, long stride,
	double least, rollcall_box *boxes, int most, char *message, size_t size) {
	try {
		array2d<unsigned char> img(height, width);
		for (long y = 0; y < height; y++)
			std::copy_n(grey + y * stride, width, &img[y][0]);
		const auto found = d->detect(img, least);
		const int n = std::min<size_t>(found.size(), most);
		for (int i = 0; i < n; i++) {
			const rectangle &r = found[i].rect;
			boxes[i] = {found[i].detection_confidence, r.left(), r.top(), r.right(), r.bottom()};
		}
		return n;
	} catch (const std::exception &e) {
		snprintf(message, size, "%s", e.what());
	} catch (...) {
		snprintf(message, size, "an exception without a message");
	}
	return -1;
}
