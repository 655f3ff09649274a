package picture

// Resize returns m at width by height pixels, both at least 1, with a linear
// filter that widens when it shrinks, so that no pixel is passed over. Where m
// is at least twice as large, whole squares of pixels are averaged first. It
// returns m itself where that has the size already.
func (m *RGB) Resize(width, height int) *RGB {
	for m.Width >= 2*width && m.Height >= 2*height {
		m = m.halved()
	}
	if m.Width != width {
		m = m.resizeRows(width)
	}
	if m.Height != height {
		m = m.resizeColumns(height)
	}
	return m
}

// halved returns m with squares of two by two pixels averaged into one. An odd
// last row or column is left out.
func (m *RGB) halved() *RGB {
	out := NewRGB(m.Width/2, m.Height/2)
	for y := range out.Height {
		a, b, dst := m.Row(2*y), m.Row(2*y+1), out.Row(y)
		for len(dst) >= 3 && len(a) >= 6 && len(b) >= 6 {
			dst[0] = byte((uint32(a[0]) + uint32(a[3]) + uint32(b[0]) + uint32(b[3]) + 2) >> 2)
			dst[1] = byte((uint32(a[1]) + uint32(a[4]) + uint32(b[1]) + uint32(b[4]) + 2) >> 2)
			dst[2] = byte((uint32(a[2]) + uint32(a[5]) + uint32(b[2]) + uint32(b[5]) + 2) >> 2)
			a, b, dst = a[6:], b[6:], dst[3:]
		}
	}
	return out
}

func (m *RGB) resizeRows(width int) *RGB {
	out := NewRGB(width, m.Height)
	taps := tapsFor(m.Width, width)
	for y := range m.Height {
		src, dst := m.Row(y), out.Row(y)
		for x := range taps {
			t := &taps[x]
			s := src[bytesPerPixel*t.start:]
			r, g, b := int32(one/2), int32(one/2), int32(one/2)
			for _, w := range t.weights {
				r += w * int32(s[0])
				g += w * int32(s[1])
				b += w * int32(s[2])
				s = s[3:]
			}
			d := dst[3*x : 3*x+3 : 3*x+3]
			d[0], d[1], d[2] = byte(r>>oneShift), byte(g>>oneShift), byte(b>>oneShift)
		}
	}
	return out
}

func (m *RGB) resizeColumns(height int) *RGB {
	out := NewRGB(m.Width, height)
	sums := make([]int32, bytesPerPixel*m.Width)
	for y, t := range tapsFor(m.Height, height) {
		clear(sums)
		for i, w := range t.weights {
			row := m.Row(t.start + i)
			for x, v := range row[:len(sums)] {
				sums[x] += w * int32(v)
			}
		}
		dst := out.Row(y)
		for x, s := range sums[:len(dst)] {
			dst[x] = byte((s + one/2) >> oneShift)
		}
	}
	return out
}
