package kerneltest

import (
	"math"
	"math/rand/v2"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// FaceSize is how many numbers the descriptors of People have.
const FaceSize = dlibSize + mobileSize

const (
	dlibSize   = 128
	mobileSize = 192
)

// People draws descriptors with the statistics of the model set
// dlib-mobilefacenet-1: 128 numbers of dlib, in which two people are about 0.85
// apart and two pictures of one person about 0.35, times √0.3/0.55; then 192
// numbers of MobileFaceNet with the norm √0.7, in which two people are nearly at
// right angles.
type People struct {
	rng  *rand.Rand
	mean []float64 // of dlib's numbers
}

// NewPeople returns People drawn from a seed.
func NewPeople(seed uint64) *People {
	p := &People{rng: rand.New(rand.NewPCG(seed, seed)), mean: make([]float64, dlibSize)}
	base := rand.New(rand.NewPCG(1, 1)) // the same for every seed, as all faces have it in common
	for i := range p.mean {
		p.mean[i] = 0.11 * base.NormFloat64()
	}
	return p
}

// Person returns where a new person's pictures lie.
func (p *People) Person() faces.Descriptor {
	d := make(faces.Descriptor, FaceSize)
	for i, m := range p.mean {
		d[i] = float32((m + 0.048*p.rng.NormFloat64()) * dlibFactor)
	}
	p.mobile(d[dlibSize:], nil, 1)
	return d
}

// Picture returns a new picture of a person. Some are hard: close to the
// threshold from the person's others.
func (p *People) Picture(person faces.Descriptor) faces.Descriptor {
	d := make(faces.Descriptor, FaceSize)
	for i := range dlibSize {
		d[i] = person[i] + float32(0.022*p.rng.NormFloat64()*dlibFactor)
	}
	p.mobile(d[dlibSize:], person[dlibSize:], 0.3+0.7*p.rng.Float64())
	return d
}

// At returns a descriptor at a distance from another one, in any direction.
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

// mobile fills in the numbers of MobileFaceNet: at about a relative distance from
// a centre, or anywhere.
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
