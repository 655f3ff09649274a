package kernel_test

import (
	"fmt"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/kerneltest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest"
	"github.com/rollcall-faces/rollcall/apps/internal/nearest/kernel"
)

// BenchmarkNearest searches 100,000 known descriptors.
func BenchmarkNearest(b *testing.B) {
	people := kerneltest.NewPeople(1)
	index := nearest.NewIndex(kernel.New(), kerneltest.FaceSize, func(yield func(string, []faces.Descriptor) bool) {
		for i := range 25_000 {
			person := people.Person()
			for k := range 4 {
				if !yield(fmt.Sprintf("%06d/%d.jpg", i, k), []faces.Descriptor{people.Picture(person)}) {
					return
				}
			}
		}
	})
	asked := make([]faces.Descriptor, 64)
	for i := range asked {
		asked[i] = people.Picture(people.Person())
	}
	for _, n := range []int{1, 4, 64} {
		b.Run(fmt.Sprintf("faces=%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := index.Nearest(b.Context(), asked[:n], nearest.Limit{Count: 16, Slack: 0.02, Within: 0.9}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
