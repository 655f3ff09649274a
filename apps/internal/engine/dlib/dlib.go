// Package dlib is the face engine: go-face, which is dlib's HOG detector, its
// five-point landmarks and its ResNet descriptor. Together with nothing else
// it is where the project reaches cgo.
package dlib

/*
#cgo LDFLAGS: -lcblas

// OpenBLAS reads OPENBLAS_NUM_THREADS before main runs, so that setting it in
// a program is too late. The symbol is weak: another BLAS may lack it.
extern void openblas_set_num_threads(int) __attribute__((weak));
extern char *openblas_get_config(void) __attribute__((weak));

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
	"github.com/rollcall-faces/rollcall/apps/internal/models"
)

// BLAS describes the linear algebra library in use. It is empty where that is
// not OpenBLAS, which is several times faster than the reference.
func BLAS() string { return C.GoString(C.blas_config()) }

// Engine finds and describes faces, one picture at a time: it is one core's
// worth of work. It is not safe for concurrent use.
type Engine struct{ rec *face.Recognizer }

// Open loads a model set into a new Engine. It takes about half a second.
func Open(set models.Set) (*Engine, error) {
	C.one_thread() // one engine a core; more threads would fight over the cores
	rec, err := face.NewRecognizer(set.Dir)
	if err != nil {
		return nil, fmt.Errorf("load the models in %s: %w", set.Dir, err)
	}
	return &Engine{rec: rec}, nil
}

// Recognize finds the faces in an RGB JPEG, from left to right. It returns
// engine.ErrUnreadable where libjpeg refuses the bytes, which it does at any
// warning.
func (e *Engine) Recognize(jpeg []byte) ([]engine.Found, error) {
	if e.rec == nil {
		return nil, errors.New("recognize faces: the engine is closed") // C++ would crash
	}
	list, err := e.rec.Recognize(jpeg)
	var unreadable face.ImageLoadError
	if errors.As(err, &unreadable) {
		return nil, fmt.Errorf("%w: %w", engine.ErrUnreadable, err)
	}
	if err != nil {
		return nil, fmt.Errorf("recognize faces: %w", err)
	}
	found := make([]engine.Found, len(list))
	for i, f := range list {
		found[i] = engine.Found{Box: f.Rectangle, Landmarks: f.Shapes, Descriptor: faces.Descriptor(f.Descriptor)}
	}
	return found, nil
}

// Close frees the engine's memory. It must not be in use. A second Close does
// nothing.
func (e *Engine) Close() {
	if e.rec != nil {
		e.rec.Close()
		e.rec = nil
	}
}

// Opener returns a function that opens engines of a model set.
func Opener(set models.Set) func() (engine.Engine, error) {
	return func() (engine.Engine, error) { return Open(set) }
}

var _ engine.Engine = (*Engine)(nil)
