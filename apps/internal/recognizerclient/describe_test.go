package recognizerclient_test

import (
	"errors"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// A recognizer of an older release is there, but describes no drawn faces.
func TestDescribeFaceIsNotOffered(t *testing.T) {
	t.Parallel()
	s := start(t, &server{}, "")
	_, err := dial(t, s.address).DescribeFace(t.Context(), "a.jpg", faces.Box{Width: 10, Height: 10}, faces.File{})
	if !errors.Is(err, faces.ErrNotOffered) || faces.ReasonOf(err) != faces.RecognizerUnavailable {
		t.Errorf("got %v", err)
	}
}
