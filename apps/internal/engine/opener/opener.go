// Package opener opens the engine of a model set.
package opener

import (
	"context"
	"fmt"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/dlib"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/libjpeg"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/onnx"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/pixels"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/standard"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// Opener prepares a model set and returns a function that opens its engines;
// open one for each core. Opener unpacks model files and loads ONNX Runtime
// if the set needs them, and fails if that is not possible. Opening an engine
// then takes about half a second. Pictures with more than maxPixels pixels
// are refused.
func Opener(ctx context.Context, s modelset.Settings, set modelset.Set, maxPixels int64) (func() (engine.Engine, error), error) {
	reference, err := set.Reference(ctx, s.Cache)
	if err != nil {
		return nil, err
	}
	opts := picture.Defaults()
	opts.MaxPixels = maxPixels
	if set.Engine == modelset.GoFace {
		return func() (engine.Engine, error) {
			e, err := dlib.Open(reference)
			if err != nil {
				return nil, err
			}
			return pixels.New(e, opts), nil
		}, nil
	}
	library, err := s.FindLibrary()
	if err != nil {
		return nil, err
	}
	if err := onnx.Load(library); err != nil {
		return nil, err
	}
	files, err := filesOf(set, reference)
	if err != nil {
		return nil, err
	}
	opts.Library, opts.Encode, opts.Sandbox = libjpeg.Library{}, libjpeg.Encode, picture.NewSandbox(opts.MaxMemory)
	open := func(file []byte) (standard.Picture, error) { return picture.Open(file, opts) }
	render := func(ctx context.Context, file []byte, r faces.Rendering) (faces.Rendered, error) {
		return picture.Render(ctx, file, opts, r)
	}
	return func() (engine.Engine, error) { return standard.Open(files, open, render) }, nil
}

// filesOf returns the files of a set for engine/standard. The set's networks
// must be dlib's ResNet and MobileFaceNet, in this order.
func filesOf(set modelset.Set, reference string) (standard.Files, error) {
	if len(set.Networks) != 2 || set.Networks[0].Name != "dlibresnet" || set.Networks[1].Name != "mobilefacenet" {
		return standard.Files{}, fmt.Errorf("model set %s: the engine %s needs the networks dlibresnet and mobilefacenet, in this order",
			set.ID, set.Engine)
	}
	resnet, mobile := set.Networks[0], set.Networks[1]
	return standard.Files{
		Detector: set.Detector.Path, Reference: reference,
		ResNet:        standard.DescriberFile{Path: resnet.Path, Size: resnet.Size, Factor: resnet.Factor()},
		MobileFaceNet: standard.DescriberFile{Path: mobile.Path, Size: mobile.Size, Factor: mobile.Factor()},
	}, nil
}
