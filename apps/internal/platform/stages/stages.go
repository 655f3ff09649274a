// Package stages measures how long each stage of an image takes. The programs share one
// metric, so that one query shows where the time of an image goes.
package stages

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Stage is a part of an image's way from the request to the stored answer.
type Stage string

// The stages, in the order of an image.
const (
	// Accept is from the parsed request, or the last byte of an upload, until its images are stored and published.
	Accept Stage = "accept"
	// Queue is from publishing until a processor has the message for the first time.
	Queue Stage = "queue"
	// Claim is from the message until its image is leased.
	Claim Stage = "claim"
	// Call is the processor's call to a recognizer. The six stages after it are parts of it.
	Call Stage = "call"
	// Wait is the wait for a free engine.
	Wait Stage = "wait"
	// Read is the reading of the picture's file.
	Read Stage = "read"
	// Decode turns the file into pixels.
	Decode Stage = "decode"
	// Find is the search for faces.
	Find Stage = "find"
	// Describe computes the descriptors of the faces.
	Describe Stage = "describe"
	// Match finds the known pictures that are nearest.
	Match Stage = "match"
	// Decide decides who is in the picture. It is a part of Store.
	Decide Stage = "decide"
	// Store is from the recognizer's answer until the outcome is in the database.
	Store Stage = "store"
)

// Seconds measures stages. It is safe for concurrent use.
type Seconds struct{ histogram *prometheus.HistogramVec }

// New returns the Seconds of a registry, and makes the metric of these stages, so that
// it is there before the first image. Parts of one program may call it with the same
// registry.
func New(reg prometheus.Registerer, list ...Stage) Seconds {
	histogram := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "rollcall_stage_seconds", Help: "Time that a stage of an image took.",
		Buckets: prometheus.ExponentialBuckets(0.0002, 3, 16), // from 0.2 ms to 48 minutes
	}, []string{"stage"})
	if err := reg.Register(histogram); err != nil {
		there := prometheus.AlreadyRegisteredError{}
		if !errors.As(err, &there) {
			panic(err) // as MustRegister does: the name is used for something else
		}
		histogram = there.ExistingCollector.(*prometheus.HistogramVec)
	}
	for _, stage := range list {
		histogram.WithLabelValues(string(stage))
	}
	return Seconds{histogram: histogram}
}

// Observe notes that a stage took a time. Less than nothing, as of two clocks that
// differ, counts as nothing.
func (s Seconds) Observe(stage Stage, took time.Duration) {
	s.histogram.WithLabelValues(string(stage)).Observe(max(0, took.Seconds()))
}
