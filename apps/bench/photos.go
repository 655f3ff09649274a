package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/libjpeg"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// photo is one picture file.
type photo struct {
	name       string // of the file in desk
	path       string // of the file in desk
	data       []byte
	megapixels float64
}

// readOptions returns the options for decoding pictures.
func readOptions() picture.Options {
	opts := picture.Defaults()
	opts.Library = libjpeg.Library{}
	opts.Sandbox = picture.NewSandbox(opts.MaxMemory)
	return opts
}

// readPhotos reads the pictures below dir and copies them into desk, the
// recognizer's folder. It ignores the folder skip and files that are not
// pictures.
func readPhotos(dir, skip, desk string) ([]photo, error) {
	if err := os.MkdirAll(desk, 0o755); err != nil {
		return nil, err
	}
	var photos []photo
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && path == skip:
			return fs.SkipDir
		case e.IsDir():
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		p, err := picture.Open(data, readOptions())
		if err != nil {
			return nil //nolint:nilerr // not a picture
		}
		name := fmt.Sprintf("%03d-%s", len(photos), filepath.Base(path))
		one := photo{name: name, path: filepath.Join(desk, name), data: data}
		one.megapixels = float64(p.Size().X) * float64(p.Size().Y) / 1e6
		photos = append(photos, one)
		return os.WriteFile(one.path, data, 0o644)
	})
	if err == nil && len(photos) == 0 {
		err = fmt.Errorf("there are no pictures in %s", dir)
	}
	return photos, err
}

// decode returns the upright pixels of a picture file at full size.
func decode(file []byte) (*picture.RGB, error) {
	p, err := picture.Open(file, readOptions())
	if err != nil {
		return nil, err
	}
	defer p.Release()
	return p.Decode(math.MaxInt32)
}

// encode returns a picture as a JPEG of the usual quality of cameras.
func encode(m *picture.RGB) ([]byte, error) {
	const quality = 92
	pixels := make([]byte, 0, 3*m.Width*m.Height)
	for y := range m.Height {
		pixels = append(pixels, m.Row(y)...)
	}
	return libjpeg.Encode(pixels, m.Width, m.Height, quality)
}

// convert returns a picture file as a JPEG that go-face can read.
func convert(file []byte) ([]byte, error) {
	m, err := decode(file)
	if err != nil {
		return nil, errors.Join(errors.New("convert a picture for go-face"), err)
	}
	return encode(m)
}
