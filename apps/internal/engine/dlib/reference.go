package dlib

import (
	"image"
	"sync/atomic"
)

// Reference is go-face for aligned cut-outs. It is not safe for concurrent
// use.
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

// Calls returns the number of calls to go-face.
func (r *Reference) Calls() int { return int(r.calls.Load()) }

// Describe returns go-face's 128 numbers for the face in the middle of a
// cut-out, a JPEG with a side of align.CutoutSide pixels. It returns nil if
// go-face finds no face there.
func (r *Reference) Describe(cutout []byte) ([]float32, error) {
	r.calls.Add(1)
	found, err := r.engine.Recognize(cutout)
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
