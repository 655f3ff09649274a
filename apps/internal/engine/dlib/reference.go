package dlib

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"sync/atomic"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/align"
)

// Reference is go-face on aligned cut-outs. It is not safe for concurrent use.
type Reference struct {
	engine *Engine
	calls  atomic.Int64
}

// OpenReference loads go-face from a folder of its three model files.
func OpenReference(dir string) (*Reference, error) {
	e, err := Open(dir)
	if err != nil {
		return nil, err
	}
	return &Reference{engine: e}, nil
}

// Calls returns how often go-face has been asked.
func (r *Reference) Calls() int { return int(r.calls.Load()) }

// Describe returns go-face's 128 numbers for the face in the middle of a cut-out,
// an RGB picture of align.CutoutSide pixels a side, or nil where go-face sees no
// face there, or more than one.
func (r *Reference) Describe(cutout []byte) ([]float32, error) {
	r.calls.Add(1)
	const side = align.CutoutSide
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		p := m.Pix[4*i : 4*i+4 : 4*i+4]
		p[0], p[1], p[2], p[3] = cutout[3*i], cutout[3*i+1], cutout[3*i+2], 0xff
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, m, &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("encode a cut-out: %w", err)
	}
	found, err := r.engine.Recognize(file.Bytes())
	if err != nil {
		return nil, err
	}
	f := nearest(found, image.Rect(boxFirst, boxFirst, boxLast, boxLast))
	if f == nil {
		return nil, nil
	}
	return f.Descriptor[:], nil
}

// Close frees go-face.
func (r *Reference) Close() { r.engine.Close() }
