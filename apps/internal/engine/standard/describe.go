package standard

import (
	"context"
	"fmt"
	"image"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/align"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/libjpeg"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// Network describes aligned faces. Its input has the shape [faces, side,
// side, 3] in the order red, green, blue; its output has the shape [faces,
// length].
type Network interface {
	Run(input []uint8, shape []int64, out []float32) (numbers []float32, outShape []int64, err error)
	Close() error
}

// Chipper cuts the input of dlib's ResNet out of a cut-out; see dlib.Chipper.
type Chipper interface {
	Chip(cutout, chip []byte) ([5]image.Point, error)
	Close()
}

// Reference is go-face. It describes the face in the middle of a cut-out, a
// JPEG with a side of align.CutoutSide pixels. It returns nil if it finds no
// face there.
type Reference interface {
	Describe(cutout []byte) ([]float32, error)
	Close()
}

// part is the part of a descriptor that one network fills.
type part struct {
	size   int     // how many numbers
	factor float64 // what each is multiplied by
}

// referenceQuality is the JPEG quality of the cut-outs for go-face, which
// takes nothing but JPEGs. It is the best, because small changes of pixels
// move the landmarks.
const referenceQuality = 100

// How many faces a network describes at a time. More are not faster and take more
// memory: MobileFaceNet's layers about 10 MiB for each face.
const (
	resnetBatch = 4
	mobileBatch = 2
)

// Describer turns aligned faces into descriptors.
type Describer struct {
	resnet, mobile         Network
	resnetPart, mobilePart part // a descriptor has the ResNet's numbers first
	chipper                Chipper
	reference              Reference

	input   []byte
	numbers []float32
	last    []faces.Descriptor // of the last picture, whose MobileFaceNet part Again takes
}

// aligned is a face in the forms that the networks need.
type aligned struct {
	cutout []byte // RGB, align.CutoutSide a side
	square []byte // RGB, align.MobileFaceNetSide a side
}

// alignFace cuts a face out of its source.
func alignFace(s source) aligned {
	a := aligned{
		cutout: make([]byte, 3*align.CutoutSide*align.CutoutSide),
		square: make([]byte, 3*align.MobileFaceNetSide*align.MobileFaceNetSide),
	}
	align.Cut(s.pixels, align.Between(s.points, align.Cutout()), align.CutoutSide, a.cutout)
	align.Cut(s.pixels, align.Between(s.points, align.MobileFaceNet()), align.MobileFaceNetSide, a.square)
	return a
}

// Describe returns a descriptor for each face. For engine.Enrol the reference
// describes them, and the descriptor of a face that it does not find is nil.
func (d *Describer) Describe(ctx context.Context, list []aligned, purpose engine.Purpose) ([]faces.Descriptor, error) {
	d.last = make([]faces.Descriptor, len(list))
	for i := range d.last {
		d.last[i] = make(faces.Descriptor, d.resnetPart.size+d.mobilePart.size)
	}
	if err := inBatches(ctx, mobileBatch, list, d.last, d.describeMobile); err != nil {
		return nil, err
	}
	if purpose != engine.Enrol {
		return d.last, inBatches(ctx, resnetBatch, list, d.last, d.describeResNet)
	}
	known := make([]faces.Descriptor, len(list))
	for i, a := range list {
		one, err := d.Again(i, a.cutout)
		if err != nil {
			return nil, err
		}
		known[i] = one
	}
	return known, nil
}

// inBatches calls describe for at most size faces at a time, until ctx ends.
func inBatches(ctx context.Context, size int, list []aligned, out []faces.Descriptor,
	describe func(list []aligned, out []faces.Descriptor) error,
) error {
	for first := 0; first < len(list); first += size {
		if err := ctx.Err(); err != nil {
			return err
		}
		end := min(first+size, len(list))
		if err := describe(list[first:end], out[first:end]); err != nil {
			return err
		}
	}
	return nil
}

// Again returns the descriptor of a face of the last picture with the
// reference's output in place of that of dlib's ResNet, or nil if the
// reference does not find the face.
func (d *Describer) Again(number int, cutout []byte) (faces.Descriptor, error) {
	file, err := libjpeg.Encode(cutout, align.CutoutSide, align.CutoutSide, referenceQuality)
	if err != nil {
		return nil, fmt.Errorf("cut out a face for go-face: %w", err)
	}
	numbers, err := d.reference.Describe(file)
	if err != nil {
		return nil, fmt.Errorf("describe a face by go-face: %w", err)
	}
	if numbers == nil {
		return nil, nil
	}
	again := append(faces.Descriptor(nil), d.last[number]...)
	if err := put(again[:d.resnetPart.size], numbers, d.resnetPart); err != nil {
		return nil, err
	}
	return again, nil
}

func (d *Describer) describeMobile(list []aligned, out []faces.Descriptor) error {
	d.input = d.input[:0]
	for _, a := range list {
		d.input = append(d.input, a.square...)
	}
	return d.run(d.mobile, len(list), align.MobileFaceNetSide, d.mobilePart, func(i int) []float32 { return out[i][d.resnetPart.size:] })
}

func (d *Describer) describeResNet(list []aligned, out []faces.Descriptor) error {
	const size = 3 * align.ChipSide * align.ChipSide
	if cap(d.input) < resnetBatch*size {
		d.input = make([]byte, 0, resnetBatch*size)
	}
	d.input = d.input[:len(list)*size]
	for i, a := range list {
		if _, err := d.chipper.Chip(a.cutout, d.input[i*size:(i+1)*size]); err != nil {
			return err
		}
	}
	return d.run(d.resnet, len(list), align.ChipSide, d.resnetPart, func(i int) []float32 { return out[i][:d.resnetPart.size] })
}

// run describes n faces whose pixels are in d.input.
func (d *Describer) run(network Network, n, side int, p part, out func(i int) []float32) error {
	numbers, shape, err := network.Run(d.input, []int64{int64(n), int64(side), int64(side), 3}, d.numbers[:0])
	if err != nil {
		return fmt.Errorf("describe faces: %w", err)
	}
	d.numbers = numbers
	if len(numbers) != n*p.size {
		return fmt.Errorf("describe faces: the network returned the shape %v, want [%d, %d]", shape, n, p.size)
	}
	for i := range n {
		if err := put(out(i), numbers[i*p.size:(i+1)*p.size], p); err != nil {
			return err
		}
	}
	return nil
}

// put writes a network's output to its part of a descriptor.
func put(to, numbers []float32, p part) error {
	if len(numbers) != len(to) {
		return fmt.Errorf("describe faces: the network returned %d numbers, want %d", len(numbers), len(to))
	}
	for i, v := range numbers {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return fmt.Errorf("describe faces: number %d is %v", i, v)
		}
		to[i] = v * float32(p.factor)
	}
	return nil
}

// Close frees the networks and go-face.
func (d *Describer) Close() {
	_ = d.resnet.Close() // a process that frees its engines is about to exit
	_ = d.mobile.Close()
	d.chipper.Close()
	d.reference.Close()
}
