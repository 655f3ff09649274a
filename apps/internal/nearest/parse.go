package nearest

import (
	"fmt"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// farOut is more than any model set's descriptors have, and little enough for
// float32 to square and add.
const farOut = 1e6

// DescriptorFromBytes reads the bytes of a descriptor of size numbers. It
// refuses what no engine makes and what has no distance to anything.
func DescriptorFromBytes(raw []byte, size int) (faces.Descriptor, error) {
	if len(raw) != 4*size {
		return nil, fmt.Errorf("has %d bytes, where the model set's %d numbers have %d", len(raw), size, 4*size)
	}
	d, err := faces.DescriptorFromBytes(raw)
	if err != nil {
		return nil, err
	}
	for _, v := range d {
		if !(math.Abs(float64(v)) <= farOut) { // which NaN is not, either
			return nil, fmt.Errorf("has %v as a value, which is no number or too large", v)
		}
	}
	return d, nil
}
