package standard

import (
	"errors"
	"fmt"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/dlib"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/find"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/onnx"
)

// Files are the model files of an engine.
type Files struct {
	Detector      string // path of YuNet, ONNX
	ResNet        DescriberFile
	MobileFaceNet DescriberFile
	Reference     string // folder of the three files that go-face loads
}

// DescriberFile is an ONNX file of a network that describes faces.
type DescriberFile struct {
	Path   string
	Size   int     // length of its output
	Factor float64 // its output is multiplied by this in a descriptor
}

// Open loads the networks into a new Engine, which takes about half a second.
// Call onnx.Load first. open opens picture files, render renders them.
func Open(files Files, open Opener, render Render) (*Engine, error) {
	d := &Describer{}
	detector, err := onnx.NewNetwork(files.Detector, "image", "faces")
	if err != nil {
		return nil, err
	}
	e := &Engine{open: open, render: render, finder: find.New(detector), describer: d}
	if err := e.load(files); err != nil {
		return nil, errors.Join(err, detector.Close())
	}
	return e, nil
}

func (e *Engine) load(files Files) error {
	resnet, err := onnx.NewNetwork(files.ResNet.Path, "faces", "embeddings")
	if err != nil {
		return err
	}
	mobile, err := onnx.NewNetwork(files.MobileFaceNet.Path, "faces", "embeddings")
	if err != nil {
		return errors.Join(err, resnet.Close())
	}
	chipper, err := dlib.NewChipper(files.Reference)
	if err != nil {
		return errors.Join(err, resnet.Close(), mobile.Close())
	}
	reference, err := dlib.OpenReference(files.Reference)
	if err != nil {
		chipper.Close()
		return errors.Join(fmt.Errorf("load go-face: %w", err), resnet.Close(), mobile.Close())
	}
	*e.describer = Describer{
		resnet: resnet, resnetPart: part{files.ResNet.Size, files.ResNet.Factor},
		mobile: mobile, mobilePart: part{files.MobileFaceNet.Size, files.MobileFaceNet.Factor},
		chipper: chipper, reference: reference,
	}
	return nil
}
