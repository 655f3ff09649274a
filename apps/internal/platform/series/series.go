// Package series makes the series of a counter before their first event. A series that
// begins with 1 has no rate, so the first failure of a night would be on no chart.
package series

import "github.com/prometheus/client_golang/prometheus"

// AtZero makes the series of a counter with one label, and returns the counter.
func AtZero(counter *prometheus.CounterVec, values ...string) *prometheus.CounterVec {
	for _, v := range values {
		counter.WithLabelValues(v)
	}
	return counter
}
