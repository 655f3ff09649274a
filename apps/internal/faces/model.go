package faces

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// MaxNetworks is the largest number of networks that a model set combines.
const MaxNetworks = 4

// Model is the part of a model set that the decision rule needs. All distances
// are Euclidean distances of whole descriptors.
type Model struct {
	ID   string
	Size int // numbers in a descriptor; 0 if unknown
	// Networks names the set's networks in the order of Parts, separated by
	// commas. It is one string so that two models can be compared with ==.
	Networks string

	// Threshold is the largest distance at which a face is identified.
	Threshold float64
	// Margin is the smallest difference between the distances of the nearest and
	// the second person. A face with a smaller one is Uncertain.
	Margin float64
	// FarThreshold replaces Threshold if the second person is more than FarMargin
	// farther than the nearest. 0 means that only Threshold applies.
	FarThreshold float64
	FarMargin    float64

	// GroupDistance is the largest distance of two neighbours in a group of faces
	// that nobody knows; 0 if the set does not say. It is smaller than Threshold: a
	// chain of neighbours must not lead from one person to another.
	GroupDistance float64

	Floors Floors
}

// NetworkNames returns the names of the set's networks, in the order of Parts.
// It returns nil if they are unknown.
func (m Model) NetworkNames() []string {
	if m.Networks == "" {
		return nil
	}
	return strings.Split(m.Networks, ",")
}

// WithRule returns the model with a deployment's own threshold and margin. 0
// keeps the model's value. The far threshold and the distance of groups keep their
// differences to the threshold.
func (m Model) WithRule(threshold, margin float64) Model {
	if threshold > 0 {
		if m.FarThreshold > 0 {
			m.FarThreshold = max(0, m.FarThreshold+threshold-m.Threshold)
		}
		if m.GroupDistance > 0 {
			m.GroupDistance = max(0, m.GroupDistance+threshold-m.Threshold)
		}
		m.Threshold = threshold
	}
	if margin > 0 {
		m.Margin = margin
	}
	return m
}

// Reach returns the largest distance at which a face can be identified.
func (m Model) Reach() float64 { return max(m.Threshold, m.FarThreshold) }

// RuleID identifies the parts of the rule other than Threshold and Margin. Two
// models with the same id, threshold, margin and RuleID decide alike. It has at
// most 64 characters.
func (m Model) RuleID() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%v %v %+v", m.FarThreshold, m.FarMargin, m.Floors))
	return hex.EncodeToString(sum[:16])
}

// decide applies the rule to the distance d of the nearest person. second is the
// second person, or nil if it is not among the candidates. No other person is
// nearer than othersFrom.
func (m Model) decide(d float64, second *Candidate, othersFrom float64) Reason {
	farMatch := d <= m.FarThreshold && othersFrom-d > m.FarMargin
	switch {
	case !(d <= m.Threshold) && !farMatch: // a distance that is NaN is unknown, too
		return UnknownPerson
	case second != nil && second.Distance-d < m.Margin:
		return Uncertain
	default:
		return Identified
	}
}

// Parts are the distances by each network of the model set, in the order of
// Model.Networks and in the network's own units. Entries beyond the set's
// networks are 0. All are 0 if the recognizer does not report them.
type Parts [MaxNetworks]float32

// List returns the parts up to the last one that is not 0.
func (p Parts) List() []float32 {
	n := len(p)
	for n > 0 && p[n-1] == 0 {
		n--
	}
	return p[:n:n]
}

// PartsOf returns the parts in a list, which may be shorter or longer.
func PartsOf(list []float32) Parts {
	var p Parts
	copy(p[:], list)
	return p
}
