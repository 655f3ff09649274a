// Compares the versions of scan_amd64.c with each other on random rows and
// queries. With SIMDe, AVX-512 runs on processors that do not have it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../scan.h"

enum { MAX_ROWS = 100, MAX_QUERIES = 22 };

static uint8_t codes[112 * MAX_GROUPS * 3];
static int8_t q[MAX_QUERIES * MAX_GROUPS * GROUP];
static int32_t starts[MAX_QUERIES * MAX_GROUPS], sums[MAX_QUERIES];
static float scales[112], norms[112], losses[112], gains[MAX_QUERIES], halves[MAX_QUERIES], bounds[MAX_QUERIES];
static struct hit hits[2][MAX_QUERIES * MAX_ROWS];
static int32_t counts[2][MAX_QUERIES];

static int below(int n) { return rand() / 7 % n; }

// fill makes random rows and queries, and bounds that some rows reach.
static void fill(int groups, int queries) {
	for (size_t i = 0; i < sizeof codes; i++)
		codes[i] = rand() >> 3;
	for (int i = 0; i < 112; i++)
		scales[i] = 1 + below(3), norms[i] = below(1000), losses[i] = below(10);
	memset(starts, 0, sizeof starts);
	int steps = (groups + STEP - 1) / STEP;
	for (int k = 0; k < queries; k++) {
		int32_t pairs[MAX_GROUPS][2] = {{0}};
		gains[k] = below(5), halves[k] = below(2), bounds[k] = below(2000) - 1000, sums[k] = 0;
		for (int i = 0; i < groups * GROUP; i++) {
			int8_t v = below(9) - 4;
			q[k * groups * GROUP + i] = v;
			sums[k] += v;
			pairs[i / (GROUP * STEP)][i % GROUP / 2] += v;
		}
		for (int step = 0; step < steps; step++)
			starts[k * steps + step] = (uint16_t)(-OFFSET * pairs[step][0]) | (uint32_t)(uint16_t)(-OFFSET * pairs[step][1]) << 16;
	}
}

int main(void) {
	const int groups[] = {4, 8, 32, 36, 80, 256}, rows[] = {1, 15, 16, 17, 64, MAX_ROWS}, queries[] = {1, 2, 3, 4, 5, 8, 9, 12, 13, MAX_QUERIES};
	long found = 0;
	for (int g = 0; g < 6; g++)
		for (int r = 0; r < 6; r++)
			for (int m = 0; m < 10; m++) {
				fill(groups[g], queries[m]);
				for (int v = 0; v < 2; v++) {
					struct scan s = {groups[g], rows[r], codes, scales, norms, losses, queries[m], q, starts, sums, gains, halves, bounds, hits[v], counts[v]};
					rollcall_versions[v].scan(&s);
				}
				for (int k = 0; k < queries[m]; k++) {
					found += counts[0][k];
					if (counts[0][k] != counts[1][k] ||
						memcmp(hits[0] + k * rows[r], hits[1] + k * rows[r], counts[0][k] * sizeof **hits)) {
						printf("%d groups, %d rows, query %d of %d: %s and %s differ\n", groups[g], rows[r], k, queries[m],
							rollcall_versions[0].name, rollcall_versions[1].name);
						return 1;
					}
				}
			}
	printf("%ld rows found by both\n", found);
	return found == 0;
}
