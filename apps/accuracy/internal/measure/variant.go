package measure

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"

	xdraw "golang.org/x/image/draw" // a kernel for scaling down that the standard library lacks
	"golang.org/x/image/math/f64"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// Variant is one way to make a picture worse.
type Variant struct {
	Series string  // Size, Turn, Blur or Dark
	Value  float64 // its meaning depends on the series
	Label  string
}

// The series of variants.
const (
	Size = "size" // the picture is scaled until the face's box is Value pixels high
	Turn = "turn" // the picture is turned clockwise by Value degrees
	Blur = "blur" // a Gaussian blur; its standard deviation is Value times the box's height
	Dark = "dark" // 1/Value of the light
)

// Variants returns all variants of a report. step is the angle between two
// turns in degrees.
func Variants(step int) []Variant {
	var list []Variant
	for _, px := range []float64{96, 64, 48, 36, 28, 22, 16} {
		list = append(list, Variant{Size, px, fmt.Sprintf("%.0f px", px)})
	}
	for angle := step; angle < 360; angle += step {
		list = append(list, Variant{Turn, float64(angle), fmt.Sprintf("%d°", angle)})
	}
	for _, share := range []float64{0.01, 0.02, 0.03, 0.04, 0.06, 0.08} {
		list = append(list, Variant{Blur, share, fmt.Sprintf("%.0f %% of the face's height", 100*share)})
	}
	for _, part := range []float64{4, 16, 64, 128} {
		list = append(list, Variant{Dark, part, fmt.Sprintf("1/%.0f of the light", part)})
	}
	return list
}

// apply returns the variant of a picture as a PNG. box is the face's. ok is
// false if the face is smaller than the variant's size.
func (v Variant) apply(src *image.RGBA, box faces.Box) (file []byte, ok bool, err error) {
	switch v.Series {
	case Size:
		if float64(box.Height) < v.Value {
			return nil, false, nil
		}
		src = shrink(src, v.Value/float64(box.Height))
	case Turn:
		src = turn(src, v.Value)
	case Blur:
		src = blur(src, v.Value*float64(box.Height))
	case Dark:
		src = darken(src, v.Value)
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := encoder.Encode(&out, src); err != nil {
		return nil, false, fmt.Errorf("write a picture: %w", err)
	}
	return out.Bytes(), true, nil
}

// decode returns the upright pixels of a picture file.
func decode(file []byte, maxPixels int64) (*image.RGBA, error) {
	opts := picture.Defaults()
	opts.MaxPixels = maxPixels
	p, err := picture.Open(file, opts)
	if err != nil {
		return nil, err
	}
	defer p.Release()
	size := p.Size()
	rgb, err := p.Decode(max(size.X, size.Y))
	if err != nil {
		return nil, err
	}
	out := image.NewRGBA(image.Rect(0, 0, rgb.Width, rgb.Height))
	for y := range rgb.Height {
		from, to := rgb.Pix[y*rgb.Stride:], out.Pix[y*out.Stride:]
		for x := range rgb.Width {
			copy(to[4*x:], from[3*x:3*x+3])
			to[4*x+3] = 0xff
		}
	}
	return out, nil
}

func shrink(src *image.RGBA, scale float64) *image.RGBA {
	b := src.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, max(1, int(math.Round(float64(b.Dx())*scale))), max(1, int(math.Round(float64(b.Dy())*scale)))))
	xdraw.CatmullRom.Scale(out, out.Bounds(), src, b, draw.Src, nil)
	return out
}

// turn turns a picture clockwise. The new corners are grey.
func turn(src *image.RGBA, degrees float64) *image.RGBA {
	sin, cos := math.Sincos(degrees * math.Pi / 180)
	b := src.Bounds()
	w, h := float64(b.Dx()), float64(b.Dy())
	width, height := math.Ceil(w*math.Abs(cos)+h*math.Abs(sin)-1e-6), math.Ceil(w*math.Abs(sin)+h*math.Abs(cos)-1e-6)
	out := image.NewRGBA(image.Rect(0, 0, int(width), int(height)))
	draw.Draw(out, out.Bounds(), image.NewUniform(color.Gray{Y: 128}), image.Point{}, draw.Src)
	m := f64.Aff3{
		cos, -sin, width/2 - cos*w/2 + sin*h/2,
		sin, cos, height/2 - sin*w/2 - cos*h/2,
	}
	xdraw.CatmullRom.Transform(out, m, src, b, draw.Over, nil)
	return out
}

// blur applies a Gaussian blur, first along rows, then along columns.
func blur(src *image.RGBA, sigma float64) *image.RGBA {
	radius := int(math.Ceil(3 * sigma))
	weights := make([]float64, 2*radius+1)
	sum := 0.0
	for i := range weights {
		x := float64(i-radius) / max(sigma, 1e-9)
		weights[i] = math.Exp(-x * x / 2)
		sum += weights[i]
	}
	for i := range weights {
		weights[i] /= sum
	}
	size := src.Bounds().Size()
	rows := convolve(src, weights, size, image.Pt(1, 0))
	return convolve(rows, weights, size, image.Pt(0, 1))
}

// convolve applies weights along a direction. It repeats the pixels at the
// edge.
func convolve(src *image.RGBA, weights []float64, size, step image.Point) *image.RGBA {
	out := image.NewRGBA(image.Rectangle{Max: size})
	radius := len(weights) / 2
	for y := range size.Y {
		for x := range size.X {
			var sum [3]float64
			for i, w := range weights {
				px := min(max(x+(i-radius)*step.X, 0), size.X-1)
				py := min(max(y+(i-radius)*step.Y, 0), size.Y-1)
				at := src.Pix[py*src.Stride+4*px:]
				for c := range sum {
					sum[c] += w * float64(at[c])
				}
			}
			to := out.Pix[y*out.Stride+4*x:]
			for c := range sum {
				to[c] = uint8(min(max(sum[c]+0.5, 0), 255))
			}
			to[3] = 0xff
		}
	}
	return out
}

// darken divides the light by a factor. Stored values are about its 2.2th root.
func darken(src *image.RGBA, by float64) *image.RGBA {
	factor := math.Pow(1/by, 1/2.2)
	out := image.NewRGBA(src.Bounds())
	for i, v := range src.Pix {
		out.Pix[i] = uint8(float64(v)*factor + 0.5)
		if i%4 == 3 {
			out.Pix[i] = 0xff
		}
	}
	return out
}
