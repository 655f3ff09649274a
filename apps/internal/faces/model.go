package faces

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// MaxNetworks is the largest number of networks that a model set combines.
const MaxNetworks = 4

// Model is a model set as the rule of deciding needs it. All distances are
// Euclidean, in the units of the whole descriptor.
type Model struct {
	ID   string
	Size int // numbers in a descriptor; 0 where it is not known
	// Networks names the set's networks in the order of Parts, separated by
	// commas. It is one string so that two models can be compared with ==.
	Networks string

	// Threshold is the largest distance at which a face is somebody's.
	Threshold float64
	// Margin is how much farther than the nearest person the second must be;
	// otherwise the face is Uncertain.
	Margin float64
	// FarThreshold is the largest distance at which a face is somebody's where
	// the second person is more than FarMargin farther. 0 is for sets in which
	// only Threshold speaks.
	FarThreshold float64
	FarMargin    float64

	Floors Floors
}

// NetworkNames returns the names of the set's networks, in the order of Parts.
// It is nil where they are not known.
func (m Model) NetworkNames() []string {
	if m.Networks == "" {
		return nil
	}
	return strings.Split(m.Networks, ",")
}

// WithRule returns the model with a deployment's own threshold and margin; 0
// keeps the model's. The far threshold moves with the threshold: it stays as
// far beyond it as before.
func (m Model) WithRule(threshold, margin float64) Model {
	if threshold > 0 {
		if m.FarThreshold > 0 {
			m.FarThreshold = max(0, m.FarThreshold+threshold-m.Threshold)
		}
		m.Threshold = threshold
	}
	if margin > 0 {
		m.Margin = margin
	}
	return m
}

// Reach is the largest distance at which a face can be somebody's.
func (m Model) Reach() float64 { return max(m.Threshold, m.FarThreshold) }

// RuleID names what of the rule Threshold and Margin do not say. Two models
// with the same id, threshold, margin and RuleID decide alike. It has at most 64
// characters.
func (m Model) RuleID() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%v %v %+v", m.FarThreshold, m.FarMargin, m.Floors))
	return hex.EncodeToString(sum[:16])
}

// decide reads distances: d to the nearest person and, where there is one
// among the candidates, to the second. atLeast is a distance that no other
// person is nearer than.
func (m Model) decide(d float64, second *Candidate, atLeast float64) Reason {
	far := d <= m.FarThreshold && atLeast-d > m.FarMargin
	switch {
	case !(d <= m.Threshold) && !far:
		return UnknownPerson
	case second != nil && second.Distance-d < m.Margin:
		return Uncertain
	default:
		return Identified
	}
}

// Parts are the distances by each network of the model set alone, in the order
// of Model.Networks and in the network's own units. Those that the set does
// not have are 0, and all are 0 where the recognizer does not tell them.
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
