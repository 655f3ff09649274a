// Package dlib is the face engine: dlib's HOG detector finds faces, go-face
// (dlib's five-point landmarks and its ResNet) describes them. It is the one
// place where the project reaches cgo.
//
// This file owns the engine's life and go-face on whole pictures; look.go how a
// picture is looked at, detect.go and jpeg.go our own C++ and C.
package dlib

/*
#cgo LDFLAGS: -lcblas

// OpenBLAS reads OPENBLAS_NUM_THREADS before main runs, so that setting it in
// a program is too late. The symbol is weak: another BLAS may lack it.
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
	"sync"

	face "github.com/Kagami/go-face"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/models"
)

// BLAS describes the linear algebra library in use. It is empty where that is
// not OpenBLAS, which is several times faster than the reference.
func BLAS() string { return C.GoString(C.blas_config()) }

// Engine finds and describes faces, one picture at a time: it is one core's
// worth of work. It is not safe for concurrent use.
type Engine struct {
	rec      *face.Recognizer
	detector *Detector
	looks    int
	// cnn is held while the CNN detector works, by one engine at a time: it takes
	// hundreds of megabytes. It is nil where nobody asked for that detector.
	cnn *sync.Mutex
}

// trimEvery is after how many pictures an engine gives unused memory back to
// the system, which takes about a millisecond.
const trimEvery = 32

// Trim implements engine.Trimmer. It is the whole process's memory.
func (e *Engine) Trim() { C.give_back() }

// Open loads a model set into a new Engine. It takes about half a second.
func Open(set models.Set) (*Engine, error) {
	C.keep_little()
	C.one_thread() // one engine a core; more threads would fight over the cores
	detector, err := NewDetector()
	if err != nil {
		return nil, err
	}
	rec, err := face.NewRecognizer(set.Dir)
	if err != nil {
		return nil, fmt.Errorf("load the models in %s: %w", set.Dir, err)
	}
	return &Engine{rec: rec, detector: detector}, nil
}

// Recognize is go-face alone: it finds and describes the faces in an RGB JPEG,
// from left to right. It returns
// engine.ErrUnreadable where libjpeg refuses the bytes, which it does at any
// warning.
func (e *Engine) Recognize(jpeg []byte) ([]engine.PixelFace, error) {
	if e.rec == nil {
		return nil, errors.New("recognize faces: the engine is closed") // C++ would crash
	}
	return found(e.rec.Recognize(jpeg))
}

// recognizeCNN is Recognize with go-face's CNN detector.
func (e *Engine) recognizeCNN(jpeg []byte) ([]engine.PixelFace, error) {
	return found(e.rec.RecognizeCNN(jpeg))
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

// Close frees the engine's memory. It must not be in use. A second Close does
// nothing.
func (e *Engine) Close() {
	if e.rec != nil {
		e.rec.Close()
		e.rec = nil
	}
}

// Options say how engines look.
type Options struct {
	// CNN lets go-face's CNN detector, which is many times slower, look at
	// pictures in which no face was found. The model set must have it.
	CNN bool
}

// ErrNoCNN is returned where a model set has no CNN detector.
var ErrNoCNN = errors.New("the model set has no CNN detector; the official models, which `make models` fetches, have one")

// Opener returns a function that opens engines of a model set.
func Opener(set models.Set) func() (engine.PixelEngine, error) {
	return func() (engine.PixelEngine, error) { return Open(set) }
}

// OpenerWith is Opener with options. The error is ErrNoCNN where they ask for
// what the set does not have.
func OpenerWith(set models.Set, opts Options) (func() (engine.PixelEngine, error), error) {
	if opts.CNN && !set.CNNDetector {
		return nil, fmt.Errorf("%s: %w", set.ID, ErrNoCNN)
	}
	var cnn *sync.Mutex
	if opts.CNN {
		cnn = &sync.Mutex{}
	}
	return func() (engine.PixelEngine, error) {
		e, err := Open(set)
		if err != nil {
			return nil, err
		}
		e.cnn = cnn
		return e, nil
	}, nil
}

var (
	_ engine.PixelEngine = (*Engine)(nil)
	_ engine.JPEGDecoder = (*Engine)(nil)
)
