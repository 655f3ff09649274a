package nearest

import (
	"fmt"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// maxMagnitude is larger than any value in a descriptor, and small enough for
// float32 to square and add.
const maxMagnitude = 1e6

// DescriptorFromBytes decodes a descriptor of size numbers. It returns an
// error for a wrong length and for values that are not finite or larger than
// 1e6.
func DescriptorFromBytes(raw []byte, size int) (faces.Descriptor, error) {
	if len(raw) != 4*size {
		return nil, fmt.Errorf("has %d bytes, but a descriptor of %d numbers has %d", len(raw), size, 4*size)
	}
	d, err := faces.DescriptorFromBytes(raw)
	if err != nil {
		return nil, err
	}
	for _, v := range d {
		if !(math.Abs(float64(v)) <= maxMagnitude) { // also false for NaN
			return nil, fmt.Errorf("has the value %v, which is not a number or too large", v)
		}
	}
	return d, nil
}
