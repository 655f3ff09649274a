// Versions for x86-64: AVX2, and AVX-512 with VNNI.

#ifdef ROLLCALL_SIMDE // AVX-512 in software: see simde_test.go
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#define TARGET_AVX2
#define TARGET_VNNI
static simde__m512 _mm512_cvtepi32_ps(simde__m512i v) { // SIMDe has none
	int32_t from[16];
	float to[16];
	simde_mm512_storeu_si512(from, v);
	for (int i = 0; i < 16; i++)
		to[i] = from[i];
	return simde_mm512_loadu_ps(to);
}
#else
#include <immintrin.h>
#define TARGET_AVX2 __attribute__((target("avx2")))
#define TARGET_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))
#endif
#include <string.h>

#include "scan.h"

// four returns four numbers of a query as one 32-bit value.
static inline int32_t four(const int8_t *at) {
	int32_t v;
	memcpy(&v, at, sizeof v);
	return v;
}

static inline TARGET_AVX2 __m256 score_avx2(__m256i product, __m256 scale, __m256 loss, __m256 gain, __m256 norm, __m256 half) {
	__m256 sum = _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(product), scale), _mm256_mul_ps(loss, gain));
	return _mm256_sub_ps(sum, _mm256_mul_ps(norm, half));
}

// AVX2 multiplies 32 unsigned numbers of rows by 32 signed numbers of a query and adds
// pairs of products to 16-bit sums. Each row has two such sums. After STEP groups they
// are added to 32-bit sums.
static inline __attribute__((always_inline)) TARGET_AVX2 void rows_avx2(const struct scan *s, const uint8_t *unpacked, int first, int end, int query, const int n) {
	const int8_t *q = query_of(s, query);
	const long width = (long)s->groups * GROUP;
	const int steps = (s->groups + STEP - 1) / STEP;
	const int32_t *starts = s->starts + (long)query * steps;
	const __m256i ones = _mm256_set1_epi16(1);
	for (int row = first; row < end; row += LANES) {
		const uint8_t *codes = unpacked + (row - first) * width;
		__m256i low[6], high[6]; // products of the first and of the last eight rows
#pragma GCC unroll 6
		for (int k = 0; k < n; k++)
			low[k] = high[k] = _mm256_setzero_si256();
		for (int step = 0; step < steps; step++) {
			const int last = (step + 1) * STEP < s->groups ? (step + 1) * STEP : s->groups;
			__m256i a[6], b[6];
#pragma GCC unroll 6
			for (int k = 0; k < n; k++)
				a[k] = b[k] = _mm256_set1_epi32(starts[k * steps + step]);
#pragma GCC unroll 2
			for (int group = step * STEP; group < last; group++) {
				const uint8_t *at = codes + group * LANES * GROUP;
				__m256i x = _mm256_loadu_si256((const __m256i *)at), y = _mm256_loadu_si256((const __m256i *)(at + 32));
#pragma GCC unroll 6
				for (int k = 0; k < n; k++) {
					__m256i v = _mm256_set1_epi32(four(q + k * width + group * GROUP));
					a[k] = _mm256_add_epi16(a[k], _mm256_maddubs_epi16(x, v));
					b[k] = _mm256_add_epi16(b[k], _mm256_maddubs_epi16(y, v));
				}
			}
#pragma GCC unroll 6
			for (int k = 0; k < n; k++) {
				low[k] = _mm256_add_epi32(low[k], _mm256_madd_epi16(a[k], ones));
				high[k] = _mm256_add_epi32(high[k], _mm256_madd_epi16(b[k], ones));
			}
		}
		const __m256 low_scales = _mm256_loadu_ps(s->scales + row), high_scales = _mm256_loadu_ps(s->scales + row + 8);
		const __m256 low_losses = _mm256_loadu_ps(s->losses + row), high_losses = _mm256_loadu_ps(s->losses + row + 8);
		const __m256 low_norms = _mm256_loadu_ps(s->norms + row), high_norms = _mm256_loadu_ps(s->norms + row + 8);
#pragma GCC unroll 6
		for (int k = 0; k < n; k++) {
			__m256 gain = _mm256_set1_ps(s->gains[query + k]), half = _mm256_set1_ps(s->halves[query + k]);
			__m256 x = score_avx2(low[k], low_scales, low_losses, gain, low_norms, half);
			__m256 y = score_avx2(high[k], high_scales, high_losses, gain, high_norms, half);
			__m256 bound = _mm256_set1_ps(s->bounds[query + k]);
			uint32_t bits = (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(x, bound, _CMP_GE_OQ)) |
				(uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(y, bound, _CMP_GE_OQ)) << 8;
			if (__builtin_expect(bits != 0, 0)) {
				float scores[LANES];
				_mm256_storeu_ps(scores, x);
				_mm256_storeu_ps(scores + 8, y);
				found(s, query + k, row, bits, scores);
			}
		}
	}
}

static TARGET_AVX2 void most_avx2(const struct scan *s, const uint8_t *unpacked, int first, int end, int query) { rows_avx2(s, unpacked, first, end, query, 6); }
static TARGET_AVX2 void some_avx2(const struct scan *s, const uint8_t *unpacked, int first, int end, int query) { rows_avx2(s, unpacked, first, end, query, 4); }
static TARGET_AVX2 void one_avx2(const struct scan *s, const uint8_t *unpacked, int first, int end, int query) { rows_avx2(s, unpacked, first, end, query, 1); }
// quad_avx2 sums the products of a query and 32 bytes of each of four groups.
static inline __attribute__((always_inline)) TARGET_AVX2 __m256i quad_avx2(__m256i sum, const uint8_t *at, const __m256i *v) {
	const __m256i low = _mm256_set1_epi8(0x0f), high = _mm256_set1_epi8(0x30);
	__m256i a = _mm256_loadu_si256((const __m256i *)at), b = _mm256_loadu_si256((const __m256i *)(at + 64));
	__m256i c = _mm256_loadu_si256((const __m256i *)(at + 128));
	__m256i w = _mm256_or_si256(_mm256_and_si256(a, low), _mm256_and_si256(_mm256_slli_epi16(c, 4), high));
	__m256i x = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(a, 4), low), _mm256_and_si256(_mm256_slli_epi16(c, 2), high));
	__m256i y = _mm256_or_si256(_mm256_and_si256(b, low), _mm256_and_si256(c, high));
	__m256i z = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(b, 4), low), _mm256_and_si256(_mm256_srli_epi16(c, 2), high));
	sum = _mm256_add_epi16(sum, _mm256_add_epi16(_mm256_maddubs_epi16(w, v[0]), _mm256_maddubs_epi16(x, v[1])));
	return _mm256_add_epi16(sum, _mm256_add_epi16(_mm256_maddubs_epi16(y, v[2]), _mm256_maddubs_epi16(z, v[3])));
}

// single_avx2 compares all rows with one query. It unpacks them on the fly, because
// each row is needed only once.
static TARGET_AVX2 void single_avx2(const struct scan *s) {
	const int quads = s->groups / QUAD;
	const long bytes = (long)quads * 192;
	const __m256i ones = _mm256_set1_epi16(1);
	const __m256 gain = _mm256_set1_ps(s->gains[0]), half = _mm256_set1_ps(s->halves[0]), bound = _mm256_set1_ps(s->bounds[0]);
	__m256i query[MAX_GROUPS]; // each four numbers repeated
	for (int group = 0; group < s->groups; group++)
		query[group] = _mm256_set1_epi32(four(s->q + group * GROUP));
	s->counts[0] = 0;
	for (int row = 0; row < s->rows; row += LANES) {
		const uint8_t *codes = s->codes + row / LANES * bytes;
		__m256i low = _mm256_setzero_si256(), high = low;
		for (int first = 0, step = 0; first < quads; first += STEP / QUAD, step++) {
			const int last = first + STEP / QUAD < quads ? first + STEP / QUAD : quads;
			__m256i a = _mm256_set1_epi32(s->starts[step]), b = a;
			for (int quad = first; quad < last; quad++) {
				const uint8_t *at = codes + quad * 192;
				for (int i = 0; i < 192; i += 64)
					__builtin_prefetch(at + AHEAD + i);
				a = quad_avx2(a, at, query + quad * QUAD);
				b = quad_avx2(b, at + 32, query + quad * QUAD);
			}
			low = _mm256_add_epi32(low, _mm256_madd_epi16(a, ones));
			high = _mm256_add_epi32(high, _mm256_madd_epi16(b, ones));
		}
		__m256 x = score_avx2(low, _mm256_loadu_ps(s->scales + row), _mm256_loadu_ps(s->losses + row), gain, _mm256_loadu_ps(s->norms + row), half);
		__m256 y = score_avx2(high, _mm256_loadu_ps(s->scales + row + 8), _mm256_loadu_ps(s->losses + row + 8), gain, _mm256_loadu_ps(s->norms + row + 8), half);
		uint32_t bits = (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(x, bound, _CMP_GE_OQ)) |
			(uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(y, bound, _CMP_GE_OQ)) << 8;
		if (__builtin_expect(bits != 0, 0)) {
			float scores[LANES];
			_mm256_storeu_ps(scores, x);
			_mm256_storeu_ps(scores + 8, y);
			found(s, 0, row, bits, scores);
		}
	}
}

static TARGET_AVX2 void scan_avx2(const struct scan *s) {
	if (s->queries == 1)
		single_avx2(s);
	else
		scan_all(s, 6, most_avx2, 4, some_avx2, one_avx2);
}

static TARGET_AVX2 void squares_avx2(int size, const float *query, const float *vectors, int n, const int32_t *rows, double *out) {
	for (int i = 0; i < n; i++) {
		const float *v = vectors + (long)rows[i] * size;
		if (i + 1 < n) // the next row may be anywhere
			for (int k = 0; k < size; k += 16)
				__builtin_prefetch(vectors + (long)rows[i + 1] * size + k);
		__m256d a = _mm256_setzero_pd(), b = _mm256_setzero_pd();
		int k = 0;
		for (; k + 8 <= size; k += 8) {
			__m256d c = _mm256_sub_pd(_mm256_cvtps_pd(_mm_loadu_ps(v + k)), _mm256_cvtps_pd(_mm_loadu_ps(query + k)));
			__m256d d = _mm256_sub_pd(_mm256_cvtps_pd(_mm_loadu_ps(v + k + 4)), _mm256_cvtps_pd(_mm_loadu_ps(query + k + 4)));
			a = _mm256_add_pd(a, _mm256_mul_pd(c, c));
			b = _mm256_add_pd(b, _mm256_mul_pd(d, d));
		}
		double part[4], sum;
		_mm256_storeu_pd(part, _mm256_add_pd(a, b));
		sum = (part[0] + part[1]) + (part[2] + part[3]);
		for (; k < size; k++)
			sum += ((double)v[k] - (double)query[k]) * ((double)v[k] - (double)query[k]);
		out[i] = sum;
	}
}

// AVX-512 with VNNI multiplies 64 numbers and adds groups of four products to one
// 32-bit sum for each row.
static inline __attribute__((always_inline)) TARGET_VNNI void rows_vnni(const struct scan *s, const uint8_t *unpacked, int first, int end, int query, const int n) {
	const int8_t *q = query_of(s, query);
	const long width = (long)s->groups * GROUP;
	for (int row = first; row < end; row += LANES) {
		const uint8_t *codes = unpacked + (row - first) * width;
		__m512i sums[8];
#pragma GCC unroll 8
		for (int k = 0; k < n; k++)
			sums[k] = _mm512_set1_epi32(-OFFSET * s->sums[query + k]);
#pragma GCC unroll 2
		for (int group = 0; group < s->groups; group++) {
			const uint8_t *at = codes + group * LANES * GROUP;
			__m512i rows = _mm512_loadu_si512((const void *)at);
#pragma GCC unroll 8
			for (int k = 0; k < n; k++)
				sums[k] = _mm512_dpbusd_epi32(sums[k], rows, _mm512_set1_epi32(four(q + k * width + group * GROUP)));
		}
		const __m512 scales = _mm512_loadu_ps(s->scales + row), norms = _mm512_loadu_ps(s->norms + row);
		const __m512 losses = _mm512_loadu_ps(s->losses + row);
#pragma GCC unroll 8
		for (int k = 0; k < n; k++) {
			__m512 x = _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sums[k]), scales), _mm512_mul_ps(losses, _mm512_set1_ps(s->gains[query + k])));
			x = _mm512_sub_ps(x, _mm512_mul_ps(norms, _mm512_set1_ps(s->halves[query + k])));
			uint32_t bits = _mm512_cmp_ps_mask(x, _mm512_set1_ps(s->bounds[query + k]), _CMP_GE_OQ);
			if (__builtin_expect(bits != 0, 0)) {
				float scores[LANES];
				_mm512_storeu_ps(scores, x);
				found(s, query + k, row, bits, scores);
			}
		}
	}
}

static TARGET_VNNI void most_vnni(const struct scan *s, const uint8_t *unpacked, int first, int end, int query) { rows_vnni(s, unpacked, first, end, query, 8); }
static TARGET_VNNI void some_vnni(const struct scan *s, const uint8_t *unpacked, int first, int end, int query) { rows_vnni(s, unpacked, first, end, query, 4); }
static TARGET_VNNI void one_vnni(const struct scan *s, const uint8_t *unpacked, int first, int end, int query) { rows_vnni(s, unpacked, first, end, query, 1); }
static TARGET_VNNI void scan_vnni(const struct scan *s) { scan_all(s, 8, most_vnni, 4, some_vnni, one_vnni); }

#ifdef ROLLCALL_SIMDE
static int has_avx2(void) { return 1; }
static int has_vnni(void) { return 1; }
#else
static int has_avx2(void) {
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx2");
}

static int has_vnni(void) {
	return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}
#endif

const struct version rollcall_versions[] = {
	{"AVX2", has_avx2, scan_avx2, squares_avx2},
	{"AVX-512 VNNI", has_vnni, scan_vnni, squares_avx2},
};
const int rollcall_version_count = sizeof rollcall_versions / sizeof *rollcall_versions;
