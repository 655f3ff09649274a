package main

import (
	"math/rand/v2"

	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// The size of a picture of 24 megapixels.
const largeWidth, largeHeight = 6000, 4000

// mosaic returns a picture of 24 megapixels made of twelve photographs,
// starting with number first, each scaled to fit its cell.
func mosaic(photos []photo, first int) (*picture.RGB, error) {
	const columns, rows = 4, 3
	var list []*picture.RGB
	for i := range columns * rows {
		m, err := decode(photos[(first+i)%len(photos)].data)
		if err != nil {
			return nil, err
		}
		list = append(list, fitted(m, largeWidth/columns, largeHeight/rows))
	}
	out := picture.NewRGB(largeWidth, largeHeight)
	paste(out, list, columns, largeWidth/columns, largeHeight/rows)
	return out, nil
}

// tiled returns pictures side by side, each scaled to fit its cell.
func tiled(list []*picture.RGB, columns, rows, width, height int) *picture.RGB {
	cells := make([]*picture.RGB, len(list))
	for i, m := range list {
		cells[i] = fitted(m, width, height)
	}
	out := picture.NewRGB(columns*width, rows*height)
	paste(out, cells, columns, width, height)
	return out
}

// paste copies pictures into cells, row by row.
func paste(out *picture.RGB, list []*picture.RGB, columns, width, height int) {
	for i, m := range list {
		x, y := i%columns*width, i/columns*height
		for row := range m.Height {
			copy(out.Row(y + row)[3*x:], m.Row(row))
		}
	}
}

// fitted returns a picture scaled to fit into width by height pixels.
func fitted(m *picture.RGB, width, height int) *picture.RGB {
	by := min(float64(width)/float64(m.Width), float64(height)/float64(m.Height))
	return scaledBy(m, by)
}

func scaledBy(m *picture.RGB, by float64) *picture.RGB {
	return m.Resize(max(1, int(by*float64(m.Width))), max(1, int(by*float64(m.Height))))
}

// quarterTurn returns a picture turned clockwise by 90 degrees.
func quarterTurn(m *picture.RGB) *picture.RGB {
	out := picture.NewRGB(m.Height, m.Width)
	for y := range m.Height {
		row := m.Row(y)
		for x := range m.Width {
			copy(out.Row(x)[3*(m.Height-1-y):], row[3*x:3*x+3])
		}
	}
	return out
}

// clouds returns a picture of soft spots of all colours, without a face.
func clouds(width, height int) *picture.RGB {
	const coarse = 100 // pixels of the result per random pixel
	rnd := rand.New(rand.NewPCG(24, 24))
	m := picture.NewRGB(max(1, width/coarse), max(1, height/coarse))
	for i := range m.Pix {
		m.Pix[i] = byte(rnd.IntN(256))
	}
	return m.Resize(width, height)
}
