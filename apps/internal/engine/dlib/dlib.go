// Package dlib is the go-face engine. dlib's HOG detector finds faces, and
// go-face (dlib's five-point landmarks and its ResNet) describes them. Open
// returns an Engine for pictures; OpenReference and NewChipper serve the
// default engine.
package dlib

/*
#cgo LDFLAGS: -lcblas

// OpenBLAS reads OPENBLAS_NUM_THREADS before main runs, so a program cannot
// set it for itself. The symbol is weak because another BLAS may lack it.
extern void openblas_set_num_threads(int) __attribute__((weak));
extern char *openblas_get_config(void) __attribute__((weak));

#include <malloc.h>

// Without the first glibc raises the size from which on memory is given back to
// the system with every large block that is freed, and a process that has seen
// large pictures keeps holes of all sizes. Without the second every thread that
// Go lets an engine run on may get an arena of its own, each with its holes.
static void keep_little(void) {
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	mallopt(M_ARENA_MAX, 2);
}

static void give_back(void) { malloc_trim(0); }

static void one_thread(void) {
	if (openblas_set_num_threads) openblas_set_num_threads(1);
}

static const char *blas_config(void) {
	return openblas_get_config ? openblas_get_config() : "";
}
*/
import "C"

import (
	"errors"
	"fmt"

	face "github.com/Kagami/go-face"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// BLAS describes the linear algebra library in use. It is empty if that is
// not OpenBLAS, which is several times faster than the reference
// implementation.
func BLAS() string { return C.GoString(C.blas_config()) }

// Engine finds and describes faces, one picture at a time, on one core. It is
// not safe for concurrent use.
type Engine struct {
	rec      *face.Recognizer
	detector *Detector
	looks    int
}

// trimEvery is the number of pictures after which an engine returns unused
// memory to the system. That takes about a millisecond.
const trimEvery = 32

// Trim implements engine.Trimmer. It affects the memory of the whole process.
func (e *Engine) Trim() { C.give_back() }

// Open loads go-face's three model files from a folder into a new Engine. It
// takes about half a second.
func Open(dir string) (*Engine, error) {
	C.keep_little()
	C.one_thread() // one engine for each core; more threads would compete
	detector, err := NewDetector()
	if err != nil {
		return nil, err
	}
	rec, err := face.NewRecognizer(dir)
	if err != nil {
		return nil, fmt.Errorf("load the models in %s: %w", dir, err)
	}
	return &Engine{rec: rec, detector: detector}, nil
}

// Recognize is go-face alone: it finds and describes the faces in an RGB
// JPEG, from left to right. It returns engine.ErrUnreadable if libjpeg
// refuses the bytes, which it does at any warning.
func (e *Engine) Recognize(jpeg []byte) ([]engine.PixelFace, error) {
	if e.rec == nil {
		return nil, errors.New("recognize faces: the engine is closed") // C++ would crash
	}
	return found(e.rec.Recognize(jpeg))
}

func found(list []face.Face, err error) ([]engine.PixelFace, error) {
	var unreadable face.ImageLoadError
	if errors.As(err, &unreadable) {
		return nil, fmt.Errorf("%w: %w", engine.ErrUnreadable, err)
	}
	if err != nil {
		return nil, fmt.Errorf("recognize faces: %w", err)
	}
	out := make([]engine.PixelFace, len(list))
	for i, f := range list {
		out[i] = engine.PixelFace{Box: f.Rectangle, Landmarks: f.Shapes, Descriptor: faces.Descriptor(f.Descriptor[:])}
	}
	return out, nil
}

// Close frees the engine's memory. The engine must not be in use. Further
// calls do nothing.
func (e *Engine) Close() {
	if e.rec != nil {
		e.rec.Close()
		e.rec = nil
	}
}

var (
	_ engine.PixelEngine = (*Engine)(nil)
	_ engine.JPEGDecoder = (*Engine)(nil)
)
