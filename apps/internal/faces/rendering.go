package faces

// Bounds of a Rendering.
const (
	MinRendering     = 16      // smallest Size, in pixels
	MaxRendering     = 2048    // largest Size, in pixels
	MaxRenderingFile = 3 << 20 // largest JPEG, in bytes
	MaxMargin        = 4.0     // largest Margin
	MaxBlurred       = 1000    // largest number of boxes in Blur
	maxBlurSide      = 1 << 20 // of a box in Blur, in pixels
	defaultQuality   = 85
	maxQuality       = 95
)

// Rendering says how a picture is shown to people: as an upright JPEG without
// metadata.
type Rendering struct {
	// Crop is the part to show, in pixels of the upright original. The zero value
	// shows the whole picture.
	Crop Box
	// Margin is how much is shown around Crop on each side, as a share of its
	// longer side.
	Margin float64
	// Size is the longest side of the JPEG, in pixels. A whole picture is not
	// enlarged.
	Size int
	// Quality of the JPEG; 0 is the default.
	Quality int
	// Blur are faces that nobody shall recognize, in pixels of the upright original. Only
	// a whole picture can have some.
	Blur []Box `cbor:",omitempty"`
}

// Rendered is a picture to be shown.
type Rendered struct {
	JPEG          []byte
	Width, Height int  // in pixels
	File          File // the file that was rendered; zero if unknown
}

// WithDefaults returns r with the default quality, or an error if a value is out
// of range.
func (r Rendering) WithDefaults() (Rendering, error) {
	if r.Quality == 0 {
		r.Quality = defaultQuality
	}
	switch {
	case r.Size < MinRendering || r.Size > MaxRendering:
		return r, Errorf(CodeInvalid, "the size is %d pixels; it must be %d to %d", r.Size, MinRendering, MaxRendering)
	case r.Quality < 1 || r.Quality > maxQuality:
		return r, Errorf(CodeInvalid, "the quality is %d; it must be 1 to %d", r.Quality, maxQuality)
	case !(r.Margin >= 0 && r.Margin <= MaxMargin): // also true for NaN
		return r, Errorf(CodeInvalid, "the margin is %v; it must be 0 to %v", r.Margin, MaxMargin)
	case r.Crop.X < 0 || r.Crop.Y < 0 || r.Crop.Width < 0 || r.Crop.Height < 0 || (r.Crop.Width == 0) != (r.Crop.Height == 0):
		return r, Errorf(CodeInvalid, "the part to show has no pixels")
	case len(r.Blur) > MaxBlurred:
		return r, Errorf(CodeInvalid, "%d faces cannot be blurred, at most %d", len(r.Blur), MaxBlurred)
	case len(r.Blur) > 0 && r.Crop != (Box{}):
		return r, Errorf(CodeInvalid, "a part of a picture cannot be blurred; render the whole picture")
	}
	for _, b := range r.Blur {
		if b.X < 0 || b.Y < 0 || b.Width < 1 || b.Height < 1 || max(b.X, b.Y, b.Width, b.Height) > maxBlurSide {
			return r, Errorf(CodeInvalid, "a face to blur has no pixels")
		}
	}
	return r, nil
}
