package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"math"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// maxMissing is the share of rows that may be missing from a damaged picture.
// A picture that lacks more is faces.CorruptImage: the missing part may show
// a person, so the answer would be incomplete.
const maxMissing = 0.10

// JPEGLibrary decodes untrusted JPEG files. Each call takes the stored size
// in pixels that the header claims, and fails if the library finds another
// one. Package engine/libjpeg implements it.
type JPEGLibrary interface {
	// Decode decodes the whole picture, reduced to eighths/8 of its width and
	// height (1 to 8), rounded up.
	Decode(file []byte, width, height, eighths int) (*RGB, Loss, error)
	// Regions decodes parts of the picture at full size, in one pass over the
	// file. Each part must be within the picture and not empty.
	Regions(file []byte, width, height int, parts []image.Rectangle) ([]*RGB, error)
}

// ErrUnsupportedJPEG is wrapped by errors of a JPEGLibrary that mean that the
// file may be valid but is of a kind that the library cannot decode.
var ErrUnsupportedJPEG = errors.New("a kind of JPEG that cannot be read")

// Loss describes what is missing from a damaged JPEG.
type Loss struct {
	// Missing is the share of the picture's rows, 0 to 1, whose pixels are
	// missing or damaged.
	Missing float64
	// Truncated reports whether the file ends before the picture does.
	Truncated bool
	// Warning is the library's first warning. It is empty for an intact file.
	Warning string
}

// Picture is a picture file that is decoded only as far as needed. It is not
// safe for concurrent use.
type Picture struct {
	file    []byte
	opts    Options
	header  header
	size    image.Point
	warning string

	full image.Image // decoded at full size, as stored; nil if not decoded or released
}

// Open reads the header of a picture file. The bytes must not change while
// the Picture is in use. Open uses MaxPixels, MaxMemory, Library and Sandbox
// of opts. It returns the errors that Decode returns.
func Open(file []byte, opts Options) (*Picture, error) {
	if opts.MaxPixels < 1 || opts.MaxPixels > math.MaxInt32 || opts.MaxMemory < 1 {
		return nil, fmt.Errorf("picture: MaxPixels %d or MaxMemory %d is out of range", opts.MaxPixels, opts.MaxMemory)
	}
	h, err := readHeader(file, opts)
	if err != nil {
		return nil, err
	}
	h.orient()
	if h.format == jpegFormat {
		file = withoutPadding(file)
	}
	p := &Picture{file: file, opts: opts, header: h, size: image.Pt(h.width, h.height)}
	if h.turn.swapsSides() {
		p.size.X, p.size.Y = p.size.Y, p.size.X
	}
	return p, nil
}

// Size returns the size of the upright original, in pixels.
func (p *Picture) Size() image.Point { return p.size }

// Format returns the name of the file's format in lower case, such as "jpeg".
func (p *Picture) Format() string { return p.header.format.name }

// Warning describes what is wrong with a damaged file that could be read all
// the same, in words for the user. It is empty for an intact file, and before
// Decode.
func (p *Picture) Warning() string { return p.warning }

// Release frees the decoded pixels that the Picture keeps. The Picture stays
// usable; it decodes the file again when needed.
func (p *Picture) Release() { p.full = nil }

// Decode returns the upright picture with a long side of at least side
// pixels, or at full size if the picture is smaller. The result may be larger
// than asked for, because the picture is only reduced by cheap steps. It
// returns the errors that the function Decode returns.
func (p *Picture) Decode(side int) (*RGB, error) {
	if side < 1 {
		return nil, fmt.Errorf("picture: decode to a side of %d pixels", side)
	}
	if p.usesLibrary() {
		return p.decodeJPEG(side)
	}
	if err := p.decodeFull(); err != nil {
		return nil, err
	}
	k := max(1, max(p.header.width, p.header.height)/side)
	return reducedRGB(p.full, p.header.width, p.header.height, k).turned(p.header.turn), nil
}

// Region returns the upright pixels of the region r of the original at full
// size, and the rectangle that they cover: r clipped to the original. It
// fails if that is empty. Call Decode first, which checks whether the file is
// readable.
func (p *Picture) Region(r image.Rectangle) (*RGB, image.Rectangle, error) {
	parts, covered, err := p.Regions([]image.Rectangle{r})
	if err != nil {
		return nil, image.Rectangle{}, err
	}
	return parts[0], covered[0], nil
}

// Regions is like Region for several regions, which may overlap. It costs one
// pass over a JPEG, however many there are.
func (p *Picture) Regions(parts []image.Rectangle) ([]*RGB, []image.Rectangle, error) {
	covered := make([]image.Rectangle, len(parts))
	stored := make([]image.Rectangle, len(parts))
	for i, r := range parts {
		covered[i] = r.Intersect(image.Rectangle{Max: p.size})
		if covered[i].Empty() {
			return nil, nil, fmt.Errorf("picture: the region %v lies outside of a picture of %v", r, p.size)
		}
		stored[i] = p.header.turn.stored(covered[i], p.header.width, p.header.height)
	}
	pixels, err := p.storedRegions(stored)
	if err != nil {
		return nil, nil, err
	}
	for i, m := range pixels {
		pixels[i] = m.turned(p.header.turn)
	}
	return pixels, covered, nil
}

// withoutPadding returns a JPEG without the zeros at its end. An interrupted
// copy leaves such zeros when the file's length was set in advance. They
// would decode to grey or noise without a warning.
func withoutPadding(file []byte) []byte {
	const least = 64 // fewer zeros may be pixel data
	if short := bytes.TrimRight(file, "\x00"); len(file)-len(short) >= least {
		return short
	}
	return file
}

// usesLibrary reports whether opts.Library decodes the file.
func (p *Picture) usesLibrary() bool {
	return p.header.format == jpegFormat && p.opts.Library != nil
}

func (p *Picture) storedRegions(parts []image.Rectangle) ([]*RGB, error) {
	if p.usesLibrary() {
		h := &p.header
		pixels, err := safely(func() ([]*RGB, error) {
			return p.opts.Library.Regions(p.file, h.width, h.height, parts)
		})
		if err != nil {
			return nil, h.format.fault(err, errors.Is(err, ErrUnsupportedJPEG))
		}
		return pixels, nil
	}
	if err := p.decodeFull(); err != nil {
		return nil, err
	}
	pixels := make([]*RGB, len(parts))
	for i, r := range parts {
		pixels[i] = regionOf(p.full, r)
	}
	return pixels, nil
}

// decodeFull decodes the whole picture, unless it is still in memory.
func (p *Picture) decodeFull() error {
	if p.full != nil {
		return nil
	}
	full, err := p.header.decode(p.file)
	if err != nil {
		return err
	}
	p.full, p.warning = full, p.header.warning
	return nil
}

// decodeJPEG has the library reduce the picture while decoding it.
func (p *Picture) decodeJPEG(side int) (*RGB, error) {
	h := &p.header
	var loss Loss
	m, err := safely(func() (*RGB, error) {
		m, l, err := p.opts.Library.Decode(p.file, h.width, h.height, eighthsAtLeast(max(h.width, h.height), side))
		loss = l
		return m, err
	})
	if err != nil {
		return nil, h.format.fault(err, errors.Is(err, ErrUnsupportedJPEG))
	}
	if loss.Missing > maxMissing {
		return nil, faces.Fault(faces.CorruptImage, "the JPEG file is damaged or incomplete: %s of the picture is missing",
			percent(loss.Missing))
	}
	p.warning = loss.warning()
	return m.turned(h.turn), nil
}

// eighthsAtLeast returns the cheapest reduction, in eighths, that leaves the
// long side at least want pixels. libjpeg-turbo has fast code for 1, 2, 4 and
// 8 eighths. Three are as fast as four; five to seven take twice as long as
// eight.
func eighthsAtLeast(long, want int) int {
	for _, n := range []int{1, 2, 3, 4} {
		if ceilDiv(long*n, 8) >= want {
			return n
		}
	}
	return 8
}

// warning describes l in words for the user.
func (l Loss) warning() string {
	switch {
	case l.Warning == "":
		return ""
	case l.Truncated && l.Missing > 0:
		return fmt.Sprintf("the file ends early; %s of the picture is missing", percent(l.Missing))
	case l.Truncated:
		return "the file ends early; nothing of the picture is missing"
	case l.Missing > 0:
		return fmt.Sprintf("the file is damaged; %s of the picture is missing or wrong", percent(l.Missing))
	default:
		return "the file is damaged; the picture may show it in places"
	}
}

// percent formats a share, 0 to 1, as a percentage of at least 1 %.
func percent(share float64) string {
	return fmt.Sprintf("%.0f %%", max(1, math.Round(100*share)))
}

// reducedRGB returns m, a picture of width by height pixels, as RGB. Each
// square of k by k pixels is averaged into one.
func reducedRGB(m image.Image, width, height, k int) *RGB {
	read := rowsOf(m, width)
	out := NewRGB(ceilDiv(width, k), ceilDiv(height, k))
	if k == 1 {
		for y := range height {
			read(y, out.Row(y))
		}
		return out
	}
	row := make([]byte, bytesPerPixel*width)
	sums := make([]uint32, bytesPerPixel*out.Width)
	for y := range out.Height {
		clear(sums)
		rows := min(k, height-y*k)
		for i := range rows {
			read(y*k+i, row)
			addPixels(sums, row, k)
		}
		dst := out.Row(y)
		for x := range out.Width {
			n := uint32(rows * min(k, width-x*k))
			for c := range bytesPerPixel {
				dst[bytesPerPixel*x+c] = average(sums[bytesPerPixel*x+c], n)
			}
		}
	}
	return out
}

// regionOf returns the region r of a decoded picture. A GIF's frame may cover
// only a part of r; the rest is filled with the backdrop.
func regionOf(m image.Image, r image.Rectangle) *RGB {
	out := NewRGB(r.Dx(), r.Dy())
	shown := r.Intersect(m.Bounds())
	if shown != r {
		fill(out.Pix)
	}
	if shown.Empty() {
		return out
	}
	if rgb, ok := m.(*RGB); ok {
		part := rgb.Crop(shown)
		for y := range part.Height {
			copy(out.Row(y), part.Row(y))
		}
		return out
	}
	if part, ok := m.(interface {
		SubImage(image.Rectangle) image.Image
	}); ok {
		m = part.SubImage(shown)
	}
	read := pixelReader(m)
	for y := shown.Min.Y; y < shown.Max.Y; y++ {
		row := out.Row(y - r.Min.Y)
		from, to := shown.Min.X-r.Min.X, shown.Max.X-r.Min.X
		read(y, row[bytesPerPixel*from:bytesPerPixel*to])
	}
	return out
}
