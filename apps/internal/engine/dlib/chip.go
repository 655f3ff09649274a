package dlib

/*
#include <stdlib.h>
#include "chip.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"image"
	"path/filepath"
	"unsafe"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/align"
)

// predictorFile is the name of the 5-point shape predictor in a model folder.
const predictorFile = "shape_predictor_5_face_landmarks.dat"

// The box of the face in an aligned cut-out, in pixels, as dlib's own
// detector would find it.
const (
	boxFirst = 49
	boxLast  = 187
)

// Chipper cuts the inputs of dlib's ResNet (chips), using dlib's own
// landmarks. It is not safe for concurrent use.
type Chipper struct{ c *C.rollcall_chipper }

// NewChipper loads the 5-point shape predictor from a folder of dlib's models.
func NewChipper(models string) (*Chipper, error) {
	file := C.CString(filepath.Join(models, predictorFile))
	defer C.free(unsafe.Pointer(file))
	var message [200]C.char
	c := C.rollcall_chipper_open(file, &message[0], C.size_t(len(message)))
	if c == nil {
		return nil, fmt.Errorf("load %s: %s", predictorFile, C.GoString(&message[0]))
	}
	return &Chipper{c: c}, nil
}

// Chip fills chip, 3*150*150 bytes of RGB, from an aligned cut-out, 3*240*240
// bytes of RGB. It returns dlib's five landmarks in pixels of the cut-out:
// outer and inner corner of the person's left eye, outer and inner corner of
// the right eye, base of the nose.
func (c *Chipper) Chip(cutout, chip []byte) ([5]image.Point, error) {
	const side, chipSide = align.CutoutSide, align.ChipSide
	if c.c == nil {
		return [5]image.Point{}, errors.New("cut out a chip: the chipper is closed")
	}
	if len(cutout) < 3*side*side || len(chip) < 3*chipSide*chipSide {
		return [5]image.Point{}, errors.New("cut out a chip: the cut-out or the chip has too few bytes")
	}
	var points [10]C.double
	var message [200]C.char
	if C.rollcall_chip(c.c, bytesOf(cutout), side, boxFirst, boxFirst, boxLast, boxLast,
		bytesOf(chip), &points[0], &message[0], C.size_t(len(message))) != 0 {
		return [5]image.Point{}, fmt.Errorf("cut out a chip: %s", C.GoString(&message[0]))
	}
	var list [5]image.Point
	for i := range list {
		list[i] = image.Pt(int(points[2*i]), int(points[2*i+1]))
	}
	return list, nil
}

// Close frees the chipper. Further calls do nothing.
func (c *Chipper) Close() {
	if c.c != nil {
		C.rollcall_chipper_close(c.c)
		c.c = nil
	}
}
