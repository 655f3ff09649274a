// The arithmetic of the search: what all versions share. See nearest.Kernel for
// what a scan does, and nearest/codes.go for why no sum of 16 bits overflows.
#ifndef ROLLCALL_SCAN_H
#define ROLLCALL_SCAN_H

#include <stdint.h>

enum {
	LANES = 16, // rows that stand interleaved
	GROUP = 4,  // numbers of a row that stand together
	QUAD = 4,   // groups whose bits share bytes
	STEP = 32,  // groups that are added up in 16 bits
	OFFSET = 32, // what is added to the numbers of a row
	// SHARE is how many rows are unpacked and compared with all queries before the
	// next ones: those of 320 numbers fit into a core's first cache.
	SHARE = 64,
	MAX_GROUPS = 1024 / GROUP,
	// AHEAD is how many bytes before they are needed rows are asked of memory.
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

// Rows from first to end, LANES at a time, are compared with some queries. Their
// numbers are unpacked: 64 bytes for a group of LANES rows.
typedef void rows_function(const struct scan *s, const uint8_t *unpacked, int first, int end, int query);

typedef uint16_t block32 __attribute__((vector_size(32), aligned(1), may_alias)); // of 64 bytes

// unpack makes bytes of the numbers of 6 bits in which rows are kept: see pack in
// nearest/codes.go. Those that are ahead bytes farther are asked of memory.
static inline __attribute__((always_inline)) void unpack(const uint8_t *packed, uint8_t *to, int quads, int ahead) {
	const block32 low = (block32){} + 0x0f0f, high = (block32){} + 0x3030;
	for (int quad = 0; quad < quads; quad++, packed += 192, to += 256) {
		for (int i = 0; i < 192; i += 64)
			__builtin_prefetch(packed + ahead + i, 0, 2); // past the end it does nothing
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

// found notes the rows whose bits are set, of LANES rows, with their scores.
static inline void found(const struct scan *s, int query, int row, uint32_t bits, const float *scores) {
	if (row + LANES > s->rows)
		bits &= (1u << (s->rows - row)) - 1; // the rest of the block is empty
	struct hit *to = s->hits + (long)query * s->rows + s->counts[query];
	s->counts[query] += __builtin_popcount(bits);
	for (; bits; bits &= bits - 1, to++) {
		int i = __builtin_ctz(bits);
		to->row = row + i;
		to->score = scores[i];
	}
}

// scan_all compares all rows with all queries: as many at once as most takes, then
// as some takes, then one by one.
static inline __attribute__((always_inline)) void scan_all(
	const struct scan *s, int n_most, rows_function *most, int n_some, rows_function *some, rows_function *one) {
	for (int query = 0; query < s->queries; query++)
		s->counts[query] = 0;
	uint8_t unpacked[SHARE * MAX_GROUPS * GROUP];
	const int share = s->queries == 1 ? LANES : SHARE; // the fewer, the sooner the next are asked of memory
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

// The versions of this processor's architecture, best last. supported says
// whether this processor has what a version needs.
struct version {
	const char *name;
	int (*supported)(void);
	void (*scan)(const struct scan *);
	void (*squares)(int size, const float *query, const float *vectors, int n, const int32_t *rows, double *out);
};
extern const struct version rollcall_versions[];
extern const int rollcall_version_count;

#endif
