package worker_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// A box is described in the child. Where the child crashes afterwards, the next one
// describes the box again before it reexamines the face.
func TestDescribeBox(t *testing.T) {
	t.Parallel()
	box := faces.Box{X: 3, Y: 4, Width: 50, Height: 60}
	e, _ := startWorker(t, options("child"))
	describer := e.(engine.BoxDescriber)
	seen, err := describer.DescribeBox(t.Context(), []byte("box"), box)
	if err != nil || seen.Height != 7 || !cmp.Equal(seen.Faces, []engine.Face{{Box: box, Descriptor: descriptor(3)}}) {
		t.Fatalf("got %+v, %v", seen, err)
	}
	again, err := e.Reexamine(t.Context(), []int{0})
	if err != nil || !cmp.Equal(again, []faces.Descriptor{descriptor(0)}) {
		t.Errorf("reexamined: %v, %v", again, err)
	}
	if _, err := e.Reexamine(t.Context(), []int{11}); faces.ReasonOf(err) != faces.CorruptImage {
		t.Errorf("a face that crashes two children: %v", err)
	}
	if again, err = e.Reexamine(t.Context(), []int{0}); err != nil || len(again) != 1 {
		t.Errorf("reexamined by another child: %v, %v", again, err)
	}
	if _, err := describer.DescribeBox(t.Context(), []byte("invalid no such part"), box); faces.ErrorCode(err) != faces.CodeInvalid {
		t.Errorf("a wrong box: %v", err)
	}
	if _, err := describer.DescribeBox(t.Context(), []byte("fault film"), box); faces.ReasonOf(err) != faces.UnsupportedFormat {
		t.Errorf("a picture's fault: %v", err)
	}
}

// A child that answers about something else has broken the protocol.
func TestDescribeAnotherBox(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"another", "none", "undescribed", "faces"} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			opts := options("child")
			opts.Probe = []byte("pid")
			e, _ := startWorker(t, opts)
			_, err := e.(engine.BoxDescriber).DescribeBox(t.Context(), []byte(file), faces.Box{X: 1, Y: 2, Width: 3, Height: 4})
			if faces.ReasonOf(err) != faces.CorruptImage || !strings.Contains(err.Error(), "not the face that was asked for") {
				t.Errorf("error %v", err)
			}
		})
	}
}
