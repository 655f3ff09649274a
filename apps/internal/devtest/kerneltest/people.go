package kerneltest

import (
	"math"
	"math/rand/v2"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// FaceSize is the length of the descriptors that People draws.
const FaceSize = dlibSize + mobileSize

const (
	dlibSize   = 128
	mobileSize = 192
)

// People draws random descriptors with the statistics of the model set
// dlib-mobilefacenet-1. The first 128 numbers are dlib's: two people are about
// 0.85 apart and two pictures of one person about 0.35, scaled by √0.3/0.55.
// The other 192 are MobileFaceNet's: their norm is √0.7, and two people are
// nearly orthogonal.
type People struct {
	rng  *rand.Rand
	mean []float64 // of dlib's numbers
}

// NewPeople returns a source of people. Equal seeds draw equal people.
func NewPeople(seed uint64) *People {
	p := &People{rng: rand.New(rand.NewPCG(seed, seed)), mean: make([]float64, dlibSize)}
	base := rand.New(rand.NewPCG(1, 1)) // the mean of all faces, the same for every seed
	for i := range p.mean {
		p.mean[i] = 0.11 * base.NormFloat64()
	}
	return p
}

// Person returns the centre of a new person's pictures.
func (p *People) Person() faces.Descriptor {
	d := make(faces.Descriptor, FaceSize)
	for i, m := range p.mean {
		d[i] = float32((m + 0.048*p.rng.NormFloat64()) * dlibFactor)
	}
	p.mobile(d[dlibSize:], nil, 1)
	return d
}

// Picture returns a new picture of a person. Some are hard: their distance from
// the person's other pictures is close to the threshold.
func (p *People) Picture(person faces.Descriptor) faces.Descriptor {
	d := make(faces.Descriptor, FaceSize)
	for i := range dlibSize {
		d[i] = person[i] + float32(0.022*p.rng.NormFloat64()*dlibFactor)
	}
	p.mobile(d[dlibSize:], person[dlibSize:], 0.3+0.7*p.rng.Float64())
	return d
}

// At returns a descriptor at a given distance from another one, in a random
// direction.
func (p *People) At(from faces.Descriptor, distance float64) faces.Descriptor {
	step, norm := make([]float64, len(from)), 0.0
	for i := range step {
		step[i] = p.rng.NormFloat64()
		norm += step[i] * step[i]
	}
	d := make(faces.Descriptor, len(from))
	for i, v := range from {
		d[i] = v + float32(distance*step[i]/math.Sqrt(norm))
	}
	return d
}

var (
	dlibFactor = math.Sqrt(0.3) / 0.55
	mobileNorm = math.Sqrt(0.7)
)

// mobile fills in the numbers of MobileFaceNet, at about the given distance
// from centre. A nil centre draws a new person.
func (p *People) mobile(to, centre []float32, distance float64) {
	var norm float64
	values := make([]float64, len(to))
	for i := range values {
		values[i] = distance * p.rng.NormFloat64() / math.Sqrt(mobileSize)
		if centre != nil {
			values[i] += float64(centre[i]) / mobileNorm
		}
		norm += values[i] * values[i]
	}
	for i, v := range values {
		to[i] = float32(v / math.Sqrt(norm) * mobileNorm)
	}
}
