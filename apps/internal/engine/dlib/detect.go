package dlib

/*
#cgo CXXFLAGS: -std=c++1z -Wall -O3 -DNDEBUG -march=native
#cgo CFLAGS: -Wall -O3
#cgo LDFLAGS: -ldlib -lblas -lcblas -llapack -ljpeg
#include "detect.h"
*/
import "C"

import (
	"fmt"
	"image"
	"slices"
)

// Candidate is a box that may be a face.
type Candidate struct {
	Box   image.Rectangle
	Score float64 // score of dlib's detector, which accepts 0 and more
}

// mostCandidates bounds the cost of a hostile picture full of face-like
// patterns.
const mostCandidates = 1000

// Detector finds faces with dlib's frontal face detector. It is safe for
// concurrent use.
type Detector struct{ c *C.rollcall_detector }

// NewDetector returns the Detector. The first call takes a moment to load it.
func NewDetector() (*Detector, error) {
	var message [200]C.char
	d := C.rollcall_detector_get(&message[0], C.size_t(len(message)))
	if d == nil {
		return nil, fmt.Errorf("make a face detector: %s", C.GoString(&message[0]))
	}
	return &Detector{c: d}, nil
}

// Detect returns the boxes that score at least least, sorted by their left
// edges. It uses the brightness only.
func (d *Detector) Detect(m *image.YCbCr, least float64) ([]Candidate, error) {
	if m.Rect.Empty() {
		return nil, nil
	}
	boxes := make([]C.rollcall_box, mostCandidates)
	var message [200]C.char
	n := C.rollcall_detect(d.c, bytesOf(m.Y[m.YOffset(m.Rect.Min.X, m.Rect.Min.Y):]),
		C.long(m.Rect.Dx()), C.long(m.Rect.Dy()), C.long(m.YStride), C.double(least),
		&boxes[0], C.int(len(boxes)), &message[0], C.size_t(len(message)))
	if n < 0 {
		return nil, fmt.Errorf("detect faces: %s", C.GoString(&message[0]))
	}
	found := make([]Candidate, n)
	for i, b := range boxes[:n] {
		box := image.Rect(int(b.left), int(b.top), int(b.right), int(b.bottom))
		found[i] = Candidate{Box: box.Add(m.Rect.Min), Score: float64(b.score)}
	}
	slices.SortFunc(found, func(a, b Candidate) int { return byLeftEdge(a.Box, b.Box) })
	return found, nil
}
