package recognizerclient_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	recognizerv1 "github.com/rollcall-faces/rollcall/proto/recognizer/v1"
)

// A picture can be sent as bytes. The rule is the caller's, for this call only.
func TestRecognizeContent(t *testing.T) {
	t.Parallel()
	var within []float64
	s := start(t, &server{}, "")
	s.recognize = func(_ context.Context, req *recognizerv1.RecognizeRequest) (*recognizerv1.RecognizeResponse, error) {
		if req.GetPath() == "" && string(req.GetContent()) != "picture" || req.GetUnlessUnchanged() != nil {
			t.Errorf("asked for %v", req)
		}
		within = append(within, float64(req.GetNeighbours().GetSlackWithin()))
		return &recognizerv1.RecognizeResponse{Width: 7, Model: &recognizerv1.Model{Id: "m", Threshold: 0.5, Margin: 0.05}}, nil
	}
	client := dial(t, s.address)
	ask := func(rule faces.Model) {
		t.Helper()
		if seen, err := client.RecognizeContent(t.Context(), []byte("picture"), rule); err != nil || seen.Width != 7 || seen.Model.Threshold != 0.5 {
			t.Fatalf("got %+v, %v", seen, err)
		}
	}
	ask(faces.Model{})
	ask(faces.Model{Threshold: 4})
	if _, err := client.Recognize(t.Context(), "a.jpg", faces.File{}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{1.1, 4.01, 0.51} {
		if math.Abs(within[i]-want) > 1e-6 {
			t.Errorf("call %d looks as far as %v, want %v", i, within[i], want)
		}
	}
}

// A recognizer of an older release is there, but renders no pictures.
func TestRenderIsNotOffered(t *testing.T) {
	t.Parallel()
	s := start(t, &server{}, "")
	_, err := dial(t, s.address).Render(t.Context(), "a.jpg", faces.Rendering{Size: 64})
	if !errors.Is(err, faces.ErrNotOffered) || faces.ReasonOf(err) != faces.RecognizerUnavailable {
		t.Errorf("got %v", err)
	}
}
