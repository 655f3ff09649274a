// Versions for arm64: NEON, and NEON with the dot products of ARMv8.2.

#include <arm_neon.h>
#include <string.h>
#include <sys/auxv.h>

#include "scan.h"

#define DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))

#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1 << 20)
#endif

// four returns four numbers of a query, repeated.
static inline int8x16_t four(const int8_t *at) {
	int32_t v;
	memcpy(&v, at, sizeof v);
	return vreinterpretq_s8_s32(vdupq_n_s32(v));
}

// signed_codes subtracts OFFSET from the numbers of rows.
static inline int8x16_t signed_codes(const uint8_t *at) { return vreinterpretq_s8_u8(vsubq_u8(vld1q_u8(at), vdupq_n_u8(OFFSET))); }

// wanted returns a bit for each of four rows whose score reaches the bound, and the
// scores.
static inline uint32_t wanted(const struct scan *s, int query, int row, int32x4_t products, float *scores) {
	float32x4_t x = vmulq_f32(vcvtq_f32_s32(products), vld1q_f32(s->scales + row));
	x = vaddq_f32(x, vmulq_n_f32(vld1q_f32(s->losses + row), s->gains[query]));
	x = vsubq_f32(x, vmulq_n_f32(vld1q_f32(s->norms + row), s->halves[query]));
	vst1q_f32(scores, x);
	const uint32x4_t places = {1, 2, 4, 8};
	return vaddvq_u32(vandq_u32(vcgeq_f32(x, vdupq_n_f32(s->bounds[query])), places));
}

// The dot products of ARMv8.2 add groups of four products to one 32-bit sum for each
// row.
static inline __attribute__((always_inline)) DOTPROD void rows_dot(const struct scan *s, const uint8_t *unpacked, int first, int end, int query, const int n) {
	const int8_t *q = query_of(s, query);
	const long width = (long)s->groups * GROUP;
	for (int row = first; row < end; row += LANES) {
		const uint8_t *codes = unpacked + (row - first) * width;
		int32x4_t sums[4][4];
#pragma GCC unroll 4
		for (int k = 0; k < n; k++)
#pragma GCC unroll 4
			for (int i = 0; i < 4; i++)
				sums[k][i] = vdupq_n_s32(0);
		for (int group = 0; group < s->groups; group++) {
			const uint8_t *at = codes + group * LANES * GROUP;
			int8x16_t rows[4] = {signed_codes(at), signed_codes(at + 16), signed_codes(at + 32), signed_codes(at + 48)};
#pragma GCC unroll 4
			for (int k = 0; k < n; k++) {
				int8x16_t v = four(q + k * width + group * GROUP);
#pragma GCC unroll 4
				for (int i = 0; i < 4; i++)
					sums[k][i] = vdotq_s32(sums[k][i], rows[i], v);
			}
		}
#pragma GCC unroll 4
		for (int k = 0; k < n; k++) {
			uint32_t bits = 0;
			float scores[LANES];
#pragma GCC unroll 4
			for (int i = 0; i < 4; i++)
				bits |= wanted(s, query + k, row + 4 * i, sums[k][i], scores + 4 * i) << 4 * i;
			if (bits)
				found(s, query + k, row, bits, scores);
		}
	}
}

static DOTPROD void most_dot(const struct scan *s, const uint8_t *unpacked, int first, int end, int query) { rows_dot(s, unpacked, first, end, query, 4); }
static DOTPROD void some_dot(const struct scan *s, const uint8_t *unpacked, int first, int end, int query) { rows_dot(s, unpacked, first, end, query, 2); }
static DOTPROD void one_dot(const struct scan *s, const uint8_t *unpacked, int first, int end, int query) { rows_dot(s, unpacked, first, end, query, 1); }
static DOTPROD void scan_dot(const struct scan *s) { scan_all(s, 4, most_dot, 2, some_dot, one_dot); }

// Baseline NEON multiplies eight numbers and adds them to eight 16-bit sums. Four
// products fit: 4 * 31 * 127 < 2^15.
static inline __attribute__((always_inline)) void rows_neon(const struct scan *s, const uint8_t *unpacked, int first, int end, int query, const int n) {
	const int8_t *q = query_of(s, query);
	const long width = (long)s->groups * GROUP;
	for (int row = first; row < end; row += LANES) {
		const uint8_t *codes = unpacked + (row - first) * width;
		uint32_t bits[4] = {0};
		float scores[4][LANES];
		for (int i = 0; i < 4; i++) { // four rows
			int32x4_t low[4], high[4]; // two sums of each of the first two rows, and of the last two
#pragma GCC unroll 4
			for (int k = 0; k < n; k++)
				low[k] = high[k] = vdupq_n_s32(0);
			for (int group = 0; group < s->groups; group += 4) {
				int16x8_t a[4], b[4];
#pragma GCC unroll 4
				for (int k = 0; k < n; k++)
					a[k] = b[k] = vdupq_n_s16(0);
				for (int g = group; g < group + 4 && g < s->groups; g++) {
					int8x16_t rows = signed_codes(codes + g * LANES * GROUP + 16 * i);
#pragma GCC unroll 4
					for (int k = 0; k < n; k++) {
						int8x16_t v = four(q + k * width + g * GROUP);
						a[k] = vmlal_s8(a[k], vget_low_s8(rows), vget_low_s8(v));
						b[k] = vmlal_high_s8(b[k], rows, v);
					}
				}
#pragma GCC unroll 4
				for (int k = 0; k < n; k++) {
					low[k] = vpadalq_s16(low[k], a[k]);
					high[k] = vpadalq_s16(high[k], b[k]);
				}
			}
#pragma GCC unroll 4
			for (int k = 0; k < n; k++)
				bits[k] |= wanted(s, query + k, row + 4 * i, vpaddq_s32(low[k], high[k]), scores[k] + 4 * i) << 4 * i;
		}
#pragma GCC unroll 4
		for (int k = 0; k < n; k++)
			if (bits[k])
				found(s, query + k, row, bits[k], scores[k]);
	}
}

static void most_neon(const struct scan *s, const uint8_t *unpacked, int first, int end, int query) { rows_neon(s, unpacked, first, end, query, 4); }
static void some_neon(const struct scan *s, const uint8_t *unpacked, int first, int end, int query) { rows_neon(s, unpacked, first, end, query, 2); }
static void one_neon(const struct scan *s, const uint8_t *unpacked, int first, int end, int query) { rows_neon(s, unpacked, first, end, query, 1); }
static void scan_neon(const struct scan *s) { scan_all(s, 4, most_neon, 2, some_neon, one_neon); }

static void squares_neon(int size, const float *query, const float *vectors, int n, const int32_t *rows, double *out) {
	for (int i = 0; i < n; i++) {
		const float *v = vectors + (long)rows[i] * size;
		if (i + 1 < n) // the next row may be anywhere
			for (int k = 0; k < size; k += 16)
				__builtin_prefetch(vectors + (long)rows[i + 1] * size + k);
		float64x2_t a = vdupq_n_f64(0), b = vdupq_n_f64(0);
		int k = 0;
		for (; k + 4 <= size; k += 4) {
			float32x4_t x = vld1q_f32(v + k), y = vld1q_f32(query + k);
			float64x2_t c = vsubq_f64(vcvt_f64_f32(vget_low_f32(x)), vcvt_f64_f32(vget_low_f32(y)));
			float64x2_t d = vsubq_f64(vcvt_high_f64_f32(x), vcvt_high_f64_f32(y));
			a = vfmaq_f64(a, c, c);
			b = vfmaq_f64(b, d, d);
		}
		double sum = vaddvq_f64(vaddq_f64(a, b));
		for (; k < size; k++)
			sum += ((double)v[k] - (double)query[k]) * ((double)v[k] - (double)query[k]);
		out[i] = sum;
	}
}

static int always(void) { return 1; }
static int has_dot(void) { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }

const struct version rollcall_versions[] = {
	{"NEON", always, scan_neon, squares_neon},
	{"NEON dot product", has_dot, scan_dot, squares_neon},
};
const int rollcall_version_count = sizeof rollcall_versions / sizeof *rollcall_versions;
