// landmarks.h: finds dlib's landmarks for several boxes of one picture at once.
#ifndef ROLLCALL_LANDMARKS_H
#define ROLLCALL_LANDMARKS_H

#include <algorithm>
#include <cstdint>
#include <istream>
#include <vector>

#include <dlib/image_processing.h>

namespace rollcall {

// landmark_predictor returns exactly the same landmarks as dlib::shape_predictor,
// but is several times faster: it stores its trees, a few megabytes, in one block
// of memory, and goes through them once for all boxes.
class landmark_predictor {
public:
	// read reads a predictor that was written by dlib::serialize.
	void read(std::istream &in) {
		int version = 0;
		dlib::deserialize(version, in);
		if (version != 1) throw dlib::serialization_error("the shape predictor has an unknown version");
		std::vector<std::vector<dlib::impl::regression_tree>> forests;
		dlib::deserialize(initial_, in);
		dlib::deserialize(forests, in);
		dlib::deserialize(anchors_, in);
		dlib::deserialize(deltas_, in);
		if (anchors_.size() != forests.size() || deltas_.size() != forests.size()) bad();
		cascades_.clear();
		for (size_t i = 0; i < forests.size(); i++) cascades_.push_back(flat(forests[i], deltas_[i].size()));
	}

	size_t num_parts() const { return initial_.size() / 2; }

	// predict returns the shape for each box.
	template <typename image> std::vector<dlib::full_object_detection> predict(const image &m, const std::vector<dlib::rectangle> &boxes) const {
		std::vector<dlib::matrix<float, 0, 1>> shapes(boxes.size(), initial_);
		std::vector<std::vector<float>> features(boxes.size());
		for (size_t i = 0; i < cascades_.size(); i++) {
			for (size_t b = 0; b < boxes.size(); b++)
				dlib::impl::extract_feature_pixel_values(m, boxes[b], shapes[b], initial_, anchors_[i], deltas_[i], features[b]);
			cascades_[i].add(features, shapes);
		}
		std::vector<dlib::full_object_detection> out;
		for (size_t b = 0; b < boxes.size(); b++) out.push_back(detection(boxes[b], shapes[b]));
		return out;
	}

private:
	struct split {
		uint16_t first, second; // indexes of the two features to compare
		float threshold;
	};

	static constexpr size_t five_points = 10; // x and y of five points

	// cascade has the trees of one step. They all have the same size.
	struct cascade {
		size_t trees = 0, depth = 0, numbers = 0; // numbers is the count per leaf
		std::vector<split> splits;                // tree by tree, and level by level
		std::vector<float> leaves;

		// add moves each shape by the leaves that its features lead to. It finds all
		// leaves before it adds them, so that the CPU can work on several trees at
		// once.
		void add(const std::vector<std::vector<float>> &features, std::vector<dlib::matrix<float, 0, 1>> &shapes) const {
			std::vector<const float *> found(trees * shapes.size());
			for (size_t t = 0; t < trees; t++)
				for (size_t b = 0; b < shapes.size(); b++)
					found[b * trees + t] = leaf(t, features[b].data());
			for (size_t b = 0; b < shapes.size(); b++)
				add_up(&found[b * trees], &shapes[b](0));
		}

	private:
		// leaf returns the numbers of the leaf of tree t for the features f.
		const float *leaf(size_t t, const float *f) const {
			const size_t inner = ((size_t)1 << depth) - 1;
			const split *tree = &splits[t * inner];
			size_t at = 0;
			for (size_t level = 0; level < depth; level++) {
				const split &s = tree[at];
				at = 2 * at + 2 - (f[s.first] - f[s.second] > s.threshold);
			}
			const float *numbers_of = &leaves[(t * (inner + 1) + at - inner) * numbers];
			__builtin_prefetch(numbers_of);
			__builtin_prefetch(numbers_of + numbers - 1);
			return numbers_of;
		}

		// add_up adds leaves to a shape in the order of the trees, so that the sums
		// are identical to dlib's.
		void add_up(const float *const *found, float *shape) const {
			if (numbers != five_points) {
				for (size_t t = 0; t < trees; t++)
					for (size_t n = 0; n < numbers; n++) shape[n] += found[t][n];
				return;
			}
			float sums[five_points]; // the compiler keeps these in registers
			std::copy_n(shape, five_points, sums);
			for (size_t t = 0; t < trees; t++)
				for (size_t n = 0; n < five_points; n++) sums[n] += found[t][n];
			std::copy_n(sums, five_points, shape);
		}
	};

	[[noreturn]] static void bad() { throw dlib::serialization_error("the shape predictor is damaged"); }

	cascade flat(const std::vector<dlib::impl::regression_tree> &forest, size_t features) const {
		cascade c;
		c.trees = forest.size();
		c.numbers = initial_.size();
		if (c.trees == 0) bad();
		const size_t leaves = forest[0].leaf_values.size();
		while (((size_t)1 << c.depth) < leaves) c.depth++;
		if (leaves < 2 || ((size_t)1 << c.depth) != leaves) bad();
		for (const auto &tree : forest) {
			if (tree.leaf_values.size() != leaves || tree.splits.size() + 1 != leaves) bad();
			for (const auto &s : tree.splits) {
				if (s.idx1 >= features || s.idx2 >= features || features > UINT16_MAX) bad();
				c.splits.push_back({(uint16_t)s.idx1, (uint16_t)s.idx2, s.thresh});
			}
			for (const auto &leaf : tree.leaf_values) {
				if ((size_t)leaf.size() != c.numbers) bad();
				c.leaves.insert(c.leaves.end(), leaf.begin(), leaf.end());
			}
		}
		c.splits.shrink_to_fit();
		c.leaves.shrink_to_fit();
		return c;
	}

	static dlib::full_object_detection detection(const dlib::rectangle &box, const dlib::matrix<float, 0, 1> &shape) {
		const dlib::point_transform_affine to_picture = dlib::impl::unnormalizing_tform(box);
		std::vector<dlib::point> parts(shape.size() / 2);
		for (size_t i = 0; i < parts.size(); i++) parts[i] = to_picture(dlib::impl::location(shape, i));
		return dlib::full_object_detection(box, parts);
	}

	dlib::matrix<float, 0, 1> initial_;
	std::vector<cascade> cascades_;
	std::vector<std::vector<unsigned long>> anchors_;
	std::vector<std::vector<dlib::vector<float, 2>>> deltas_;
};

} // namespace rollcall

#endif
