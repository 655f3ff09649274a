package recognizer

import (
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
)

// Network is a part of a descriptor: the output of one network times a
// factor.
type Network struct {
	Size   int
	Factor float64
}

// NetworksOf returns the parts of a model set's descriptors.
func NetworksOf(set modelset.Set) []Network {
	var list []Network
	for _, n := range set.Networks {
		list = append(list, Network{Size: n.Size, Factor: n.Factor()})
	}
	return list
}

// maxExplained is how many neighbours of a face have the distance by each
// network. An answer explains the nearest person and the second one.
const maxExplained = 16

// explain sets the distances by each network for the nearest neighbours.
func (r *Recognizer) explain(x *nearest.Index, list []faces.Sighting) {
	if len(r.opts.Networks) == 0 {
		return
	}
	for _, s := range list {
		for i := range s.Neighbours[:min(len(s.Neighbours), maxExplained)] {
			n := &s.Neighbours[i]
			n.Parts = r.parts(s.Descriptor, nearestOf(s.Descriptor, x.Descriptors(n.Image)))
		}
	}
}

// nearestOf returns the nearest of a known picture's descriptors, or nil.
func nearestOf(asked faces.Descriptor, known []faces.Descriptor) faces.Descriptor {
	var best faces.Descriptor
	for _, d := range known {
		if best == nil || asked.Distance(d) < asked.Distance(best) {
			best = d
		}
	}
	return best
}

// parts returns the distances of two descriptors by each network, in that
// network's own units.
func (r *Recognizer) parts(a, b faces.Descriptor) faces.Parts {
	var list []float32
	for _, n := range r.opts.Networks {
		if n.Size > len(a) || n.Size > len(b) || n.Factor <= 0 {
			return faces.Parts{}
		}
		list = append(list, float32(a[:n.Size].Distance(b[:n.Size])/n.Factor))
		a, b = a[n.Size:], b[n.Size:]
	}
	return faces.PartsOf(list)
}
