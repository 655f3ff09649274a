package store

import (
	"context"
	"crypto/tls"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Collector returns the metrics of a database: what keeps it from working, its
// statements, its pools, and until when its certificate is valid.
func Collector(s *Store) prometheus.Collector {
	c := collector{
		store: s,
		problem: prometheus.NewDesc("rollcall_database_problem",
			"1 for what keeps the database from working: unreachable, locked, full, read_only or damaged.", []string{"kind"}, nil),
		expiry: prometheus.NewDesc("rollcall_certificate_expiry_timestamp_seconds",
			"When the first of the certificates expires that a server showed at the last connection. Only with TLS.", []string{"certificate"}, nil),
		others: []prometheus.Collector{s.seconds.histogram},
	}
	if pool, err := s.db.DB(); err == nil {
		c.others = append(c.others, collectors.NewDBStatsCollector(pool, "main"))
	}
	if pool, err := s.reader.DB(); err == nil && s.reader != s.db {
		c.others = append(c.others, collectors.NewDBStatsCollector(pool, "readers"))
	}
	return c
}

type collector struct {
	store           *Store
	problem, expiry *prometheus.Desc
	others          []prometheus.Collector
}

// Describe implements prometheus.Collector.
func (c collector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.problem
	ch <- c.expiry
	for _, other := range c.others {
		other.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	now := c.store.Problem(ctx)
	for _, p := range Problems() {
		value := 0.0
		if p == now {
			value = 1
		}
		ch <- prometheus.MustNewConstMetric(c.problem, prometheus.GaugeValue, value, string(p))
	}
	if at := c.store.validUntil.Load(); at != 0 {
		ch <- prometheus.MustNewConstMetric(c.expiry, prometheus.GaugeValue, float64(at), "database")
	}
	for _, other := range c.others {
		other.Collect(ch)
	}
}

// noteExpiry returns settings of TLS that note in until when the first certificate of
// the server expires, as a Unix time. Connections are short-lived, so it is up to date.
func noteExpiry(settings *tls.Config, until *atomic.Int64) *tls.Config {
	settings = settings.Clone()
	settings.VerifyConnection = func(state tls.ConnectionState) error {
		first := int64(0)
		for _, c := range state.PeerCertificates {
			if at := c.NotAfter.Unix(); first == 0 || at < first {
				first = at
			}
		}
		until.Store(first)
		return nil
	}
	return settings
}
