package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// crowd is a set of generated people. A person's faces are random points around
// a centre. A known picture shows a number, from which the engine knows the
// person.
type crowd struct{ centres []faces.Descriptor }

// newCrowd generates people who are about 0.85 apart, as strangers are. A
// person's faces are about 0.3 from the centre.
func newCrowd(rnd *rand.Rand, people int) *crowd {
	c := &crowd{centres: make([]faces.Descriptor, people)}
	for i := range c.centres {
		c.centres[i] = make(faces.Descriptor, benchSize)
		for n := range c.centres[i] {
			c.centres[i][n] = float32(rnd.NormFloat64() * 0.053)
		}
	}
	return c
}

func (c *crowd) face(rnd *rand.Rand, person int) faces.Descriptor {
	d := slices.Clone(c.centres[person])
	for n := range d {
		d[n] += float32(rnd.NormFloat64() * 0.0265)
	}
	return d
}

func personName(i int) string { return fmt.Sprintf("person-%06d", i) }

func pictureName(person, n int) string { return fmt.Sprintf("%s/%d.jpg", personName(person), n) }

// A known picture is a row of black and white fields that encode a number: a
// mark that no other picture has, the picture's number and the person's number.
const (
	fields     = 32
	fieldWidth = 50
	mark       = 0b1010
	markBits   = 4
	nBits      = 8
)

func knownPicture(person, n int) ([]byte, error) {
	img := image.NewYCbCr(image.Rect(0, 0, fields*fieldWidth, fieldWidth), image.YCbCrSubsampleRatio420)
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = 128, 128
	}
	number := mark | n<<markBits | person<<(markBits+nBits)
	for i := range img.Y {
		if number>>(i%img.YStride/fieldWidth)&1 == 1 {
			img.Y[i] = 255
		}
	}
	var raw bytes.Buffer
	err := jpeg.Encode(&raw, img, nil)
	return raw.Bytes(), err
}

// numberEngine describes the person whose number is in a picture.
type numberEngine struct{ crowd *crowd }

// Look implements engine.Engine.
func (e numberEngine) Look(_ context.Context, file []byte, _ engine.Purpose) (engine.Seen, error) {
	m, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		return engine.Seen{}, err
	}
	face := engine.Face{Box: faces.Box{Width: 8, Height: 8}, Descriptor: make(faces.Descriptor, benchSize)}
	number := numberOf(m)
	if person := number >> (markBits + nBits); number&(1<<markBits-1) == mark && person < len(e.crowd.centres) {
		face.Descriptor = slices.Clone(e.crowd.centres[person])
		face.Descriptor[0] += float32(number>>markBits&(1<<nBits-1)) / 1000 // every picture is different
	}
	return engine.Seen{Width: m.Bounds().Dx(), Height: m.Bounds().Dy(), Faces: []engine.Face{face}}, nil
}

// numberOf reads the number in a picture.
func numberOf(m image.Image) int {
	number, b := 0, m.Bounds()
	for i := range fields {
		at := m.At(b.Min.X+(2*i+1)*b.Dx()/(2*fields), (b.Min.Y+b.Max.Y)/2)
		if color.GrayModel.Convert(at).(color.Gray).Y > 127 {
			number |= 1 << i
		}
	}
	return number
}

// Reexamine implements engine.Engine.
func (numberEngine) Reexamine(_ context.Context, numbers []int) ([]faces.Descriptor, error) {
	return make([]faces.Descriptor, len(numbers)), nil
}

// Close implements engine.Engine.
func (numberEngine) Close() {}
