package recognizer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizerclient"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// Render returns a picture as a JPEG for people to look at. It waits in line with
// the pictures that are recognized. Its errors are those of Recognize, and one
// with the code faces.CodeInvalid if how is wrong.
func (r *Recognizer) Render(ctx context.Context, src Source, how faces.Rendering) (faces.Rendered, error) {
	eng, err := r.pool.acquire(ctx, src.urgency())
	if err != nil {
		return faces.Rendered{}, err
	}
	defer r.pool.release(eng)
	data, file, done, err := r.read(ctx, src)
	if err != nil {
		return faces.Rendered{}, err
	}
	defer done()
	rendered, err := r.render(ctx, eng, data, how)
	rendered.File = file
	return rendered, err
}

// render has an engine render a picture. A panic becomes an error of this picture.
func (r *Recognizer) render(ctx context.Context, eng engine.Engine, data []byte, how faces.Rendering) (rendered faces.Rendered, err error) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("panic while rendering a picture", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic while rendering the picture: %v", p)
		}
	}()
	renderer, ok := eng.(engine.Renderer)
	if !ok {
		return faces.Rendered{}, errors.New("this engine renders no pictures")
	}
	return renderer.Render(ctx, data, how)
}

// canRender returns an error while no picture can be read. Unlike recognizing,
// rendering does not need the known people.
func (r *Recognizer) canRender() error {
	if err := r.Alive(); err != nil {
		return err
	}
	if err := r.unknown.Available(); err != nil {
		return fmt.Errorf("UNKNOWN_PEOPLE: %w", err)
	}
	return nil
}

// Render implements the RPC.
func (s service) Render(ctx context.Context, req *recognizerv1.RenderRequest) (*recognizerv1.RenderResponse, error) {
	how, err := renderingOf(req)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, faces.ErrorMessage(err))
	}
	src := Source{Path: req.GetPath(), Content: req.GetContent()}
	if src.Path == "" && len(src.Content) == 0 {
		return nil, status.Error(codes.InvalidArgument, "the request has neither path nor content")
	}
	if err := s.recognizer.canRender(); err != nil {
		return nil, notReady(err)
	}
	begin := time.Now()
	rendered, err := s.recognizer.Render(ctx, src, how)
	s.recognizer.metrics.renders.WithLabelValues(result(err)).Observe(time.Since(begin).Seconds())
	if err != nil {
		logRefusal(ctx, s.log, src, err)
		if faces.ErrorCode(err) == faces.CodeInvalid {
			return nil, status.Error(codes.InvalidArgument, faces.ErrorMessage(err))
		}
		return nil, statusOf(err, rendered.File)
	}
	const copies = 2 // the JPEG, and the encoded message
	if err := chargeAnswer(ctx, copies*int64(len(rendered.JPEG))); err != nil {
		return nil, err
	}
	return &recognizerv1.RenderResponse{
		Jpeg: rendered.JPEG, Width: uint32(rendered.Width), Height: uint32(rendered.Height),
		File: recognizerclient.FileMessage(rendered.File), Blurred: uint32(len(how.Blur)),
	}, nil
}

func renderingOf(req *recognizerv1.RenderRequest) (faces.Rendering, error) {
	crop := req.GetCrop()
	r := faces.Rendering{
		Crop:   faces.Box{X: int(crop.GetX()), Y: int(crop.GetY()), Width: int(crop.GetWidth()), Height: int(crop.GetHeight())},
		Margin: float64(req.GetMargin()), Size: int(req.GetSize()), Quality: int(req.GetQuality()),
	}
	if crop != nil && (r.Crop.Width == 0 || r.Crop.Height == 0) {
		return r, faces.Errorf(faces.CodeInvalid, "the part to show has no pixels")
	}
	for _, b := range req.GetBlur() {
		r.Blur = append(r.Blur, faces.Box{X: int(b.GetX()), Y: int(b.GetY()), Width: int(b.GetWidth()), Height: int(b.GetHeight())})
	}
	return r.WithDefaults()
}

// logRefusal logs why a picture has no answer.
func logRefusal(ctx context.Context, log *slog.Logger, src Source, err error) {
	switch {
	case result(err) == resultGivenUp:
		log.DebugContext(ctx, "call cancelled by the client", "path", src.Path)
	case faces.ReasonOf(err).Permanent(), faces.ErrorCode(err) == faces.CodeInvalid:
		log.InfoContext(ctx, "picture refused", "path", src.Path, "error", err)
	default:
		log.ErrorContext(ctx, "the recognizer failed on a picture", "path", src.Path, "error", err)
	}
}
