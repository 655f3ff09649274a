package worker_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
)

// What the hop to another process costs: the engine does nothing.
func BenchmarkLook(b *testing.B) {
	for _, size := range []int{100 << 10, 1 << 20, 10 << 20} {
		b.Run(fmt.Sprintf("file of %d KiB", size>>10), func(b *testing.B) { benchmark(b, picture(size)) })
	}
	b.Run("three faces", func(b *testing.B) { benchmark(b, []byte("faces")) })
}

func benchmark(b *testing.B, file []byte) {
	e, _ := startWorker(b, options("child"))
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := e.Look(b.Context(), file, engine.Ask); err != nil {
			b.Fatal(err)
		}
	}
}

// The copy of a file alone, in this process, to compare with.
func BenchmarkCopy(b *testing.B) {
	file := picture(10 << 20)
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		benchmarkCopy = bytes.Clone(file)
	}
}

var benchmarkCopy []byte
