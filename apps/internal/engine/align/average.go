package align

import (
	"encoding/binary"

	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// maxBlock is the largest side of a block whose column sums fit into 16 bits.
const maxBlock = 256

// average fills out with blocks of k by k pixels of m from (x0, y0) on. k is at
// most maxBlock.
func average(m *picture.RGB, x0, y0, k int, out *picture.RGB) {
	width := 3 * k * out.Width
	sums := make([]uint64, (width+7)/8*2)
	columns := make([]uint16, (width+7)/8*8)
	for y := range out.Height {
		clear(sums)
		for i := range k {
			addRow(sums, m.Pix[(y0+y*k+i)*m.Stride+3*x0:][:width])
		}
		spread(sums, columns)
		meanRow(columns, k, out.Pix[y*out.Stride:][:3*out.Width])
	}
}

// lanes are the bytes of eight that stand at even places, with room for a sum
// beside each.
const lanes = 0x00ff00ff00ff00ff

// addRow adds a row of bytes to sums: of each eight, those at even places to one
// number and those at odd places to the next.
func addRow(sums []uint64, row []byte) {
	for ; len(row) >= 8 && len(sums) >= 2; row, sums = row[8:], sums[2:] {
		v := binary.LittleEndian.Uint64(row)
		sums[0] += v & lanes
		sums[1] += v >> 8 & lanes
	}
	if len(row) > 0 {
		var rest [8]byte
		copy(rest[:], row)
		addRow(sums, rest[:])
	}
}

// spread writes the sums one behind the other.
func spread(sums []uint64, columns []uint16) {
	for ; len(columns) >= 8 && len(sums) >= 2; columns, sums = columns[8:], sums[2:] {
		even, odd := sums[0], sums[1]
		c := (*[8]uint16)(columns)
		c[0], c[1], c[2], c[3] = uint16(even), uint16(odd), uint16(even>>16), uint16(odd>>16)
		c[4], c[5], c[6], c[7] = uint16(even>>32), uint16(odd>>32), uint16(even>>48), uint16(odd>>48)
	}
}

// meanRow writes the rounded means of blocks, k columns each.
func meanRow(columns []uint16, k int, out []byte) {
	n := uint64(k * k)
	// The product with scale is the exact quotient by n, for sums of up to 256*n.
	const shift = 40
	scale := (1<<shift + n - 1) / n
	for ; len(out) >= 3; out = out[3:] {
		red, green, blue := n/2, n/2, n/2
		for block := columns[:3*k]; len(block) >= 3; block = block[3:] {
			red += uint64(block[0])
			green += uint64(block[1])
			blue += uint64(block[2])
		}
		columns = columns[3*k:]
		out[0], out[1], out[2] = byte(red*scale>>shift), byte(green*scale>>shift), byte(blue*scale>>shift)
	}
}
