package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gen2brain/avif" // writes AVIF without cgo

	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// mix is a set of picture files of all sizes and formats.
type mix struct {
	desk  string // folder
	paths []string
	kinds map[string]int // number of files, by kind
}

// String lists the kinds and their numbers.
func (m *mix) String() string {
	var list []string
	for _, kind := range slices.Sorted(maps.Keys(m.kinds)) {
		list = append(list, fmt.Sprintf("%d %s", m.kinds[kind], kind))
	}
	return strings.Join(list, ", ")
}

// mixSizes are the lengths in pixels that the longer side is scaled to.
var mixSizes = []int{200, 640, 1000, 1600, 2400, 4000}

const (
	// mosaics is the number of pictures of 24 megapixels of each kind.
	mosaics = 4
	// avifSide is the longer side of the AVIF files in pixels. Writing larger
	// ones takes minutes.
	avifSide = 1200
)

// newMix writes pictures into desk: the photographs unchanged, scaled, turned,
// as PNG and as AVIF, pictures of 24 megapixels, and the files of the folder
// extra.
func newMix(photos []photo, desk, extra string) (*mix, error) {
	m := &mix{desk: desk, kinds: map[string]int{}}
	for i, p := range photos {
		m.paths = append(m.paths, p.path)
		m.kinds["unchanged"]++
		pixels, err := decode(p.data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		if err := m.addVariants(i, pixels); err != nil {
			return nil, err
		}
	}
	for i := range mosaics {
		large, err := mosaic(photos, 5*i)
		if err != nil {
			return nil, err
		}
		if err := m.addLarge(i, large); err != nil {
			return nil, err
		}
	}
	if extra == "" {
		return m, nil
	}
	return m, m.addExtra(extra)
}

// addVariants adds photograph i scaled and turned, and some also as PNG or
// AVIF.
func (m *mix) addVariants(i int, pixels *picture.RGB) error {
	long := mixSizes[i%len(mixSizes)]
	scaled := fitted(pixels, long, long)
	if err := m.addJPEG("scaled", scaled); err != nil {
		return err
	}
	turned := scaled
	for range 1 + i%3 {
		turned = quarterTurn(turned)
	}
	if err := m.addJPEG("turned", turned); err != nil {
		return err
	}
	switch {
	case i%4 == 0:
		return m.add("PNG", "png", func(w io.Writer) error { return writePNG(w, scaled) })
	case i%8 == 1:
		small := imageOf(fitted(pixels, avifSide, avifSide))
		return m.add("AVIF", "avif", func(w io.Writer) error { return avif.Encode(w, small, avif.Options{Quality: 60, Speed: 10}) })
	}
	return nil
}

// addLarge adds a picture of 24 megapixels upright and turned, and once as PNG.
func (m *mix) addLarge(i int, large *picture.RGB) error {
	if err := m.addJPEG("24 MP", large); err != nil {
		return err
	}
	if err := m.addJPEG("24 MP turned", quarterTurn(large)); err != nil {
		return err
	}
	if i > 0 {
		return nil
	}
	return m.add("24 MP PNG", "png", func(w io.Writer) error { return writePNG(w, large) })
}

func (m *mix) addJPEG(kind string, pixels *picture.RGB) error {
	file, err := encode(pixels)
	if err != nil {
		return err
	}
	return m.add(kind, "jpg", func(w io.Writer) error {
		_, err := w.Write(file)
		return err
	})
}

// addExtra adds the files of a folder, each several times because they are few.
func (m *mix) addExtra(folder string) error {
	const copies = 8
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("read -extra: %w", err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		file, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return fmt.Errorf("read -extra: %w", err)
		}
		suffix := strings.TrimPrefix(filepath.Ext(e.Name()), ".")
		for range copies {
			if err := m.add("extra "+suffix, suffix, func(w io.Writer) error {
				_, err := io.Copy(w, bytes.NewReader(file))
				return err
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// add writes one file.
func (m *mix) add(kind, suffix string, write func(io.Writer) error) error {
	var file bytes.Buffer
	if err := write(&file); err != nil {
		return fmt.Errorf("write a picture of the kind %s: %w", kind, err)
	}
	path := filepath.Join(m.desk, fmt.Sprintf("mix-%04d.%s", len(m.paths), suffix))
	m.paths = append(m.paths, path)
	m.kinds[kind]++
	return os.WriteFile(path, file.Bytes(), 0o644)
}

// formatOf returns a file's format by its suffix.
func formatOf(path string) string {
	return strings.ToUpper(strings.TrimPrefix(filepath.Ext(path), "."))
}

func writePNG(w io.Writer, m *picture.RGB) error {
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	return encoder.Encode(w, imageOf(m))
}

// imageOf converts a picture to the standard library's type.
func imageOf(m *picture.RGB) *image.NRGBA {
	out := image.NewNRGBA(image.Rect(0, 0, m.Width, m.Height))
	for y := range m.Height {
		dst, src := out.Pix[y*out.Stride:], m.Row(y)
		for x := range m.Width {
			copy(dst[4*x:], src[3*x:3*x+3])
			dst[4*x+3] = 0xff
		}
	}
	return out
}
