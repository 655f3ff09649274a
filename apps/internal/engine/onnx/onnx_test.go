package onnx_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/onnx"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
)

// A missing or invalid library is a clear error, not a crash. These tests
// come before those that open the real library, because a process opens only
// one.
func TestLibrary(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "libonnxruntime.so")
	if err := onnx.Load(missing); err == nil || !strings.Contains(err.Error(), missing) || !strings.Contains(err.Error(), "ROLLCALL_ONNXRUNTIME") {
		t.Errorf("a missing library: error %v, want one that names it and what to do", err)
	}
	wrong := filepath.Join(t.TempDir(), "libonnxruntime.so")
	if err := os.WriteFile(wrong, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := onnx.Load(wrong); err == nil || !strings.Contains(err.Error(), wrong) {
		t.Errorf("a wrong library: error %v, want one that names it", err)
	}
	right, err := modelset.Settings{Library: os.Getenv("ROLLCALL_ONNXRUNTIME")}.FindLibrary()
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if err := onnx.Load(right); err != nil {
				t.Errorf("several at once: %v", err)
			}
		})
	}
	group.Wait()
	checkNetwork(t)
}

func checkNetwork(t *testing.T) {
	t.Helper()
	models, err := modelset.SourceFolder()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := onnx.NewNetwork(filepath.Join(models, "README.md"), "image", "faces"); err == nil {
		t.Error("a text is loaded as a network")
	}
	net, err := onnx.NewNetwork(filepath.Join(models, "networks", "yunet.onnx"), "image", "faces")
	if err != nil {
		t.Fatal(err)
	}
	numbers, shape, err := net.Run(make([]byte, 3*64*32), []int64{1, 32, 64, 3}, nil)
	if err != nil || len(shape) != 2 || shape[1] != 15 || int64(len(numbers)) != shape[0]*15 {
		t.Errorf("%d numbers of the shape %v, error %v", len(numbers), shape, err)
	}
	if _, _, err := net.Run(make([]byte, 5), []int64{1, 32, 64, 3}, nil); err == nil {
		t.Error("too few bytes are taken for a picture")
	}
	if err := net.Close(); err != nil {
		t.Error(err)
	}
	if err := net.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}
