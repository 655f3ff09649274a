package fakeengine

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
)

// Face is a coloured square in a picture.
type Face struct {
	Box    image.Rectangle
	Colour color.RGBA // must be far from grey to be found
}

// Draw returns a light grey picture with faces. They must not touch each other.
func Draw(width, height int, faces ...Face) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(img, img.Bounds(), image.NewUniform(color.Gray{Y: 220}), image.Point{}, draw.Src)
	for _, f := range faces {
		f.Colour.A = 255
		draw.Draw(img, f.Box, image.NewUniform(f.Colour), image.Point{}, draw.Src)
	}
	return img
}

// Portrait returns a PNG of 48 x 48 pixels with one face.
func Portrait(c color.RGBA) []byte {
	return PNG(Draw(48, 48, Face{Box: image.Rect(12, 12, 36, 36), Colour: c}))
}

// Group returns a PNG with one face per colour, from left to right.
func Group(colours ...color.RGBA) []byte {
	list := make([]Face, len(colours))
	for i, c := range colours {
		list[i] = Face{Box: image.Rect(48*i+12, 12, 48*i+36, 36), Colour: c}
	}
	return PNG(Draw(48*max(1, len(colours)), 48, list...))
}

// PNG encodes a picture without compression, which is fast.
func PNG(img image.Image) []byte {
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.NoCompression}
	if err := encoder.Encode(&b, img); err != nil {
		panic(err) // writing to memory fails only for an empty picture
	}
	return b.Bytes()
}

// JPEG encodes a picture with quality 95.
func JPEG(img image.Image) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		panic(err) // writing to memory fails only for an empty picture
	}
	return b.Bytes()
}
