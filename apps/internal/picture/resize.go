package picture

import "encoding/binary"

// Resize returns m at width by height pixels, both at least 1. It uses a
// linear filter that widens when it shrinks, so that every pixel counts.
// While m is at least twice as large, squares of two by two pixels are
// averaged first. It returns m itself if m has that size already.
//
// The loops process several values at once in lanes of a 64-bit word, because
// every picture is shrunk for the detector.
func (m *RGB) Resize(width, height int) *RGB {
	for m.Width >= 2*width && m.Height >= 2*height {
		m = m.halved()
	}
	if m.Height != height {
		m = m.resizeColumns(height)
	}
	if m.Width != width {
		m = m.resizeRows(width)
	}
	return m
}

// lanes selects every other byte of a word. Each of the four lanes holds a
// value of up to 16 bits.
const lanes = 0x00ff00ff00ff00ff

// halved returns m with squares of two by two pixels averaged into one. It
// drops an odd last row or column.
func (m *RGB) halved() *RGB {
	out := NewRGB(m.Width/2, m.Height/2)
	for y := range out.Height {
		halveRows(out.Row(y), m.Row(2*y), m.Row(2*y+1))
	}
	return out
}

// halveRows averages two by two pixels of the rows a and b into dst.
func halveRows(dst, a, b []byte) {
	const rounding = 2<<16 | 2
	for len(a) >= 8 && len(b) >= 8 && len(dst) >= 3 {
		// Two pixels of each row, in bytes 0 to 5. even holds the bytes with
		// even numbers, odd the others.
		p, q := binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(b)
		even := p&lanes + q&lanes
		odd := p>>8&lanes + q>>8&lanes
		redBlue := even + odd>>16 + rounding // bytes 0 and 3, 2 and 5
		green := odd + even>>32 + rounding   // bytes 1 and 4
		dst[0], dst[1], dst[2] = byte(redBlue>>2), byte(green>>2), byte(redBlue>>18)
		a, b, dst = a[6:], b[6:], dst[3:]
	}
	for i := range dst {
		at := i/bytesPerPixel*2*bytesPerPixel + i%bytesPerPixel
		sum := uint32(a[at]) + uint32(a[at+3]) + uint32(b[at]) + uint32(b[at+3])
		dst[i] = byte((sum + 2) >> 2)
	}
}

// columnUnit is the sum of a column's weights. A 16-bit lane can hold 255
// times as much.
const columnUnit = 1 << 8

func (m *RGB) resizeColumns(height int) *RGB {
	out := NewRGB(m.Width, height)
	var rows [][]byte
	for y, t := range tapsFor(m.Height, height, columnUnit) {
		rows = rows[:0]
		for i := range t.weights {
			rows = append(rows, m.Row(t.start+i))
		}
		weights := t.weights
		if len(rows) == 2 {
			rows, weights = append(rows, rows[1]), append(weights, 0)
		}
		mixRows(out.Row(y), rows, weights)
	}
	return out
}

// mixRows writes the weighted sum of the rows to dst.
func mixRows(dst []byte, rows [][]byte, weights []int32) {
	if len(rows) == 3 { // also the case of 2, padded by the caller
		mixThree(dst, rows, weights)
		return
	}
	at := 0
	for ; at+8 <= len(dst); at += 8 {
		even, odd := uint64(columnHalf), uint64(columnHalf)
		for i, w := range weights {
			v := binary.LittleEndian.Uint64(rows[i][at:])
			even += v & lanes * uint64(w)
			odd += v >> 8 & lanes * uint64(w)
		}
		binary.LittleEndian.PutUint64(dst[at:], even>>8&lanes|odd&^lanes)
	}
	mixBytes(dst[at:], rows, weights, at)
}

// columnHalf rounds each lane.
const columnHalf = columnUnit / 2 * (1 | 1<<16 | 1<<32 | 1<<48)

// mixThree is mixRows for three rows.
func mixThree(dst []byte, rows [][]byte, weights []int32) {
	a, b, c, out := rows[0], rows[1], rows[2], dst
	u, v, w := uint64(weights[0]), uint64(weights[1]), uint64(weights[2])
	for len(a) >= 8 && len(b) >= 8 && len(c) >= 8 && len(out) >= 8 {
		p, q, r := binary.LittleEndian.Uint64(a), binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(c)
		even := columnHalf + p&lanes*u + q&lanes*v + r&lanes*w
		odd := columnHalf + p>>8&lanes*u + q>>8&lanes*v + r>>8&lanes*w
		binary.LittleEndian.PutUint64(out, even>>8&lanes|odd&^lanes)
		a, b, c, out = a[8:], b[8:], c[8:], out[8:]
	}
	mixBytes(out, rows, weights, len(dst)-len(out))
}

// mixBytes is mixRows for the bytes of the rows starting at at.
func mixBytes(dst []byte, rows [][]byte, weights []int32, at int) {
	for i := range dst {
		sum := int32(columnUnit / 2)
		for k, w := range weights {
			sum += w * int32(rows[k][at+i])
		}
		dst[i] = byte(sum / columnUnit)
	}
}

// rowUnit is the sum of a row's weights. A word has three lanes of 21 bits;
// each can hold 255 times as much.
const (
	rowShift  = 12
	rowUnit   = 1 << rowShift
	laneShift = 21
)

func (m *RGB) resizeRows(width int) *RGB {
	out := NewRGB(width, m.Height)
	taps := tapsFor(m.Width, width, rowUnit)
	few := fewTaps(taps)
	spread := make([]uint64, m.Width+maxFew)
	for y := range m.Height {
		spreadPixels(spread, m.Row(y))
		if few != nil {
			mixFew(out.Row(y), spread, few)
		} else {
			mixPixels(out.Row(y), spread, taps)
		}
	}
	return out
}

// spreadPixels writes each pixel of a row to the three lanes of a word.
func spreadPixels(dst []uint64, row []byte) {
	for len(row) >= 4 && len(dst) > 0 {
		dst[0] = spreadPixel(binary.LittleEndian.Uint32(row))
		row, dst = row[3:], dst[1:]
	}
	dst[0] = spreadPixel(uint32(row[0]) | uint32(row[1])<<8 | uint32(row[2])<<16)
}

func spreadPixel(p uint32) uint64 {
	return uint64(p&0xff) | uint64(p&0xff00)<<(laneShift-8) | uint64(p&0xff0000)<<(2*laneShift-16)
}

// maxFew is the largest number of pixels mixed into one when a picture
// shrinks to between half and all of its size.
const maxFew = 4

// fewTap is a tap with exactly maxFew weights, padded with zeros.
type fewTap struct {
	start   int
	weights [maxFew]uint64
}

// fewTaps converts taps to a form that needs no inner loop. It returns nil if
// one of them has more than maxFew weights.
func fewTaps(taps []tap) []fewTap {
	few := make([]fewTap, len(taps))
	for i, t := range taps {
		if len(t.weights) > maxFew {
			return nil
		}
		few[i].start = t.start
		for k, w := range t.weights {
			few[i].weights[k] = uint64(w)
		}
	}
	return few
}

// rowHalf rounds each lane.
const rowHalf = rowUnit / 2 * (1 | 1<<laneShift | 1<<(2*laneShift))

// mixFew writes a pixel for each tap to dst.
func mixFew(dst []byte, spread []uint64, taps []fewTap) {
	for i := range taps {
		t := &taps[i]
		s := spread[t.start:][:maxFew]
		if len(dst) < 3 {
			return
		}
		sum := rowHalf + s[0]*t.weights[0] + s[1]*t.weights[1] + s[2]*t.weights[2] + s[3]*t.weights[3]
		dst[0], dst[1], dst[2] = byte(sum>>rowShift), byte(sum>>(laneShift+rowShift)), byte(sum>>(2*laneShift+rowShift))
		dst = dst[3:]
	}
}

// mixPixels is mixFew for any number of weights.
func mixPixels(dst []byte, spread []uint64, taps []tap) {
	for x := range taps {
		t := &taps[x]
		sum := uint64(rowHalf)
		for i, v := range spread[t.start:][:len(t.weights)] {
			sum += v * uint64(t.weights[i])
		}
		d := dst[bytesPerPixel*x:][:3:3]
		d[0], d[1], d[2] = byte(sum>>rowShift), byte(sum>>(laneShift+rowShift)), byte(sum>>(2*laneShift+rowShift))
	}
}
