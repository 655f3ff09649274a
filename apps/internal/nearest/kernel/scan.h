// The parts of the search that all versions share. See nearest.Kernel for what a
// scan does, and nearest/codes.go for why no 16-bit sum overflows.
#ifndef ROLLCALL_SCAN_H
#define ROLLCALL_SCAN_H

#include <stdint.h>

enum {
	LANES = 16, // rows that are interleaved
	GROUP = 4,  // adjacent numbers of a row
	QUAD = 4,   // groups whose bits share bytes
	STEP = 32,  // groups that are summed in 16 bits
	OFFSET = 32, // added to the numbers of a row
	// SHARE is how many rows are unpacked and then compared with all queries. Rows of
	// 320 numbers then fit into the L1 cache.
	SHARE = 64,
	MAX_GROUPS = 1024 / GROUP,
	// AHEAD is the prefetch distance in bytes.
	AHEAD = 4096,
};

struct scan {
	int groups, rows;
	const uint8_t *codes;
	const float *scales, *norms, *losses;
	int queries;
	const int8_t *q;
	const int32_t *starts, *sums;
	const float *gains, *halves, *bounds;
	struct hit *hits;
	int32_t *counts;
};

struct hit {
	int32_t row;
	float score;
};

// A rows_function compares the rows from first to end, LANES at a time, with one or
// more queries. The rows are unpacked: 64 bytes for a group of LANES rows.
typedef void rows_function(const struct scan *s, const uint8_t *unpacked, int first, int end, int query);

typedef uint16_t block32 __attribute__((vector_size(32), aligned(1), may_alias)); // of 64 bytes

// unpack unpacks 6-bit numbers to bytes; see pack in nearest/codes.go. It prefetches
// the numbers that are ahead bytes farther.
static inline __attribute__((always_inline)) void unpack(const uint8_t *packed, uint8_t *to, int quads, int ahead) {
	const block32 low = (block32){} + 0x0f0f, high = (block32){} + 0x3030;
	for (int quad = 0; quad < quads; quad++, packed += 192, to += 256) {
		for (int i = 0; i < 192; i += 64)
			__builtin_prefetch(packed + ahead + i, 0, 2); // harmless beyond the end
#pragma GCC unroll 2
		for (int i = 0; i < 64; i += 32) {
			block32 a = *(const block32 *)(packed + i), b = *(const block32 *)(packed + 64 + i), c = *(const block32 *)(packed + 128 + i);
			*(block32 *)(to + i) = (a & low) | (c << 4 & high);
			*(block32 *)(to + 64 + i) = (a >> 4 & low) | (c << 2 & high);
			*(block32 *)(to + 128 + i) = (b & low) | (c & high);
			*(block32 *)(to + 192 + i) = (b >> 4 & low) | (c >> 2 & high);
		}
	}
}

// found adds the rows whose bits are set, out of LANES rows, to the hits.
static inline void found(const struct scan *s, int query, int row, uint32_t bits, const float *scores) {
	if (row + LANES > s->rows)
		bits &= (1u << (s->rows - row)) - 1; // the rest of the block is padding
	struct hit *to = s->hits + (long)query * s->rows + s->counts[query];
	s->counts[query] += __builtin_popcount(bits);
	for (; bits; bits &= bits - 1, to++) {
		int i = __builtin_ctz(bits);
		to->row = row + i;
		to->score = scores[i];
	}
}

// scan_all compares all rows with all queries: n_most queries at a time, then n_some,
// then one by one.
static inline __attribute__((always_inline)) void scan_all(
	const struct scan *s, int n_most, rows_function *most, int n_some, rows_function *some, rows_function *one) {
	for (int query = 0; query < s->queries; query++)
		s->counts[query] = 0;
	uint8_t unpacked[SHARE * MAX_GROUPS * GROUP];
	const int share = s->queries == 1 ? LANES : SHARE; // fewer rows at a time means that the next are prefetched sooner
	const int quads = s->groups / QUAD;
	for (int first = 0; first < s->rows; first += share) {
		int end = first + share < s->rows ? first + share : s->rows, query = 0;
		unpack(s->codes + (long)first / LANES * quads * 192, unpacked, (end - first + LANES - 1) / LANES * quads, share / LANES * quads * 192);
		for (; query + n_most <= s->queries; query += n_most)
			most(s, unpacked, first, end, query);
		for (; query + n_some <= s->queries; query += n_some)
			some(s, unpacked, first, end, query);
		for (; query < s->queries; query++)
			one(s, unpacked, first, end, query);
	}
}

static inline const int8_t *query_of(const struct scan *s, int query) { return s->q + (long)query * s->groups * GROUP; }

// The versions for this architecture, the fastest last. supported reports whether
// this processor has the necessary instructions.
struct version {
	const char *name;
	int (*supported)(void);
	void (*scan)(const struct scan *);
	void (*squares)(int size, const float *query, const float *vectors, int n, const int32_t *rows, double *out);
};
extern const struct version rollcall_versions[];
extern const int rollcall_version_count;

#endif
