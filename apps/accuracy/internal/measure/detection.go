package measure

// This file owns the count of faces: what the product finds against one run of
// the same detector on the picture scaled to a fixed size. Nobody has marked
// the faces by hand, so that it shows what the product's handling of pictures
// loses or gains, not what the detector misses.

import (
	"bytes"
	"context"
	"fmt"
	"image"
	_ "image/gif"
	"image/jpeg"
	_ "image/png"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/image/draw"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// referenceSide is the long side, in pixels, of the reference's pictures.
const referenceSide = 1600

// overlap is the smallest share (intersection over union) at which two boxes
// are of one face.
const overlap = 0.4

// Detection is how many faces were found in a folder.
type Detection struct {
	Folder   string
	Pictures int
	// Unread pictures could not be looked at by one or the other.
	Unread    []Unusable
	Found     int // by the product
	Reference int // by one run at a long side of 1600
	Both      int
	// What finding and describing took, of all pictures together. The
	// reference's has the decoding of a JPEG in it.
	Time, ReferenceTime time.Duration
}

// compare looks at the pictures of a folder again, scaled.
func compare(ctx context.Context, opts Options, folder string, looks []look) (Detection, error) {
	d := Detection{Folder: folder, Pictures: len(looks)}
	eng, err := opts.Reference()
	if err != nil {
		return d, fmt.Errorf("open an engine: %w", err)
	}
	defer eng.Close()
	for i, l := range looks {
		if err := ctx.Err(); err != nil {
			return d, err
		}
		opts.Progress(fmt.Sprintf("%s at %d pixels (%d of %d)", l.name, referenceSide, i+1, len(looks)))
		if l.err != nil {
			d.Unread = append(d.Unread, Unusable{Picture: l.name, Why: faces.ErrorMessage(l.err)})
			continue
		}
		scaled, ratio, err := scale(filepath.Join(opts.Dir, filepath.FromSlash(l.name)))
		if err != nil {
			d.Unread = append(d.Unread, Unusable{Picture: l.name, Why: err.Error()})
			continue
		}
		begin := time.Now()
		found, err := eng.Recognize(scaled)
		d.ReferenceTime += time.Since(begin)
		d.Time += l.took.Recognize
		if err != nil {
			return d, fmt.Errorf("%s, scaled: %w", l.name, err)
		}
		var reference []image.Rectangle
		for _, f := range found {
			reference = append(reference, inOriginal(f.Box, ratio))
		}
		d.Found += len(l.seen.Sightings)
		d.Reference += len(reference)
		d.Both += matched(l.seen.Sightings, reference)
	}
	return d, nil
}

// scale returns a picture as a JPEG with a long side of referenceSide, and by
// how much it was enlarged. It uses another decoder's way and another scaler
// than the product, and heeds no EXIF orientation.
func scale(name string) (scaled []byte, ratio float64, err error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, 0, err
	}
	img, _, err := image.Decode(bytes.NewReader(raw))
	if err != nil {
		return nil, 0, err
	}
	size := img.Bounds().Size()
	ratio = referenceSide / float64(max(size.X, size.Y))
	small := image.NewRGBA(image.Rect(0, 0, max(1, int(float64(size.X)*ratio+0.5)), max(1, int(float64(size.Y)*ratio+0.5))))
	draw.CatmullRom.Scale(small, small.Bounds(), img, img.Bounds(), draw.Src, nil)
	var out bytes.Buffer
	if err := jpeg.Encode(&out, small, &jpeg.Options{Quality: 95}); err != nil {
		return nil, 0, err
	}
	return out.Bytes(), ratio, nil
}

func inOriginal(r image.Rectangle, ratio float64) image.Rectangle {
	at := func(v int) int { return int(float64(v) / ratio) }
	return image.Rect(at(r.Min.X), at(r.Min.Y), at(r.Max.X), at(r.Max.Y))
}

// matched counts the faces that both have found.
func matched(seen []faces.Sighting, reference []image.Rectangle) int {
	used := make([]bool, len(reference))
	n := 0
	for _, s := range seen {
		box := image.Rect(s.Box.X, s.Box.Y, s.Box.X+s.Box.Width, s.Box.Y+s.Box.Height)
		for i, r := range reference {
			if !used[i] && share(box, r) >= overlap {
				used[i] = true
				n++
				break
			}
		}
	}
	return n
}

// share is the intersection of two boxes over their union.
func share(a, b image.Rectangle) float64 {
	area := func(r image.Rectangle) float64 { return float64(r.Dx()) * float64(r.Dy()) }
	both := area(a.Intersect(b))
	return both / (area(a) + area(b) - both)
}
