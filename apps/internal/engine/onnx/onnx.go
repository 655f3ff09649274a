// Package onnx runs neural networks with ONNX Runtime. Call Load once with
// the path of its C library, then NewNetwork for each network.
//
// The binding github.com/yalue/onnxruntime_go opens the library at run time.
// A program without the library therefore starts and can report what is
// missing.
package onnx

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// Version is the release of ONNX Runtime that the project is tested with.
const Version = "1.32.0"

// loading guards ONNX Runtime's environment. There is one for each process.
var loading sync.Mutex

// Load opens the C library. Call it before NewNetwork; further calls do
// nothing. It is safe for concurrent use. Its error says what to do.
func Load(library string) error {
	loading.Lock()
	defer loading.Unlock()
	if ort.IsInitialized() {
		return nil
	}
	if _, err := os.Stat(library); err != nil {
		return fmt.Errorf("ONNX Runtime is not at %s: install it into build/lib with `make setup-run`, "+
			"or set ROLLCALL_ONNXRUNTIME to its path: %w", library, err)
	}
	ort.SetSharedLibraryPath(library)
	if err := ort.InitializeEnvironment(ort.WithLogLevelError()); err != nil {
		return fmt.Errorf("%s is not an ONNX Runtime %s that this processor can run: %w", library, Version, err)
	}
	if have := ort.GetVersion(); !strings.HasPrefix(have, major(Version)) {
		return errors.Join(fmt.Errorf("%s is ONNX Runtime %s; %s is needed", library, have, Version), ort.DestroyEnvironment())
	}
	// Telemetry exists only on Windows, so an error does not matter.
	_ = ort.DisableTelemetry()
	return nil
}

// major returns "1." for "1.32.0". The C API is stable within a major
// version.
func major(version string) string {
	first, _, _ := strings.Cut(version, ".")
	return first + "."
}

// Network has one input of bytes and one output of float32. It uses one
// thread. It is not safe for concurrent use.
type Network struct {
	session *ort.DynamicAdvancedSession
}

// NewNetwork loads a network from an ONNX file. input and output are the
// names of its input and output.
func NewNetwork(file, input, output string) (*Network, error) {
	opts, err := options()
	if err != nil {
		return nil, fmt.Errorf("load the network %s: %w", file, err)
	}
	defer func() { _ = opts.Destroy() }()
	session, err := ort.NewDynamicAdvancedSession(file, []string{input}, []string{output}, opts)
	if err != nil {
		return nil, fmt.Errorf("load the network %s: %w", file, err)
	}
	return &Network{session: session}, nil
}

// options returns the options of every session. One thread, because each core
// has its own session. No memory pattern, because it would keep a plan and a
// block of memory for every input size ever seen.
func options() (*ort.SessionOptions, error) {
	opts, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		opts.SetIntraOpNumThreads(1), opts.SetInterOpNumThreads(1),
		opts.SetCpuMemArena(true), opts.SetMemPattern(false),
		opts.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll),
	)
	if err != nil {
		return nil, errors.Join(err, opts.Destroy())
	}
	return opts, nil
}

// Run runs the network on an input of the given shape. It appends the output
// to out and also returns the output's shape.
func (n *Network) Run(input []uint8, shape []int64, out []float32) (numbers []float32, outShape []int64, err error) {
	in, err := ort.NewTensor(ort.NewShape(shape...), input)
	if err != nil {
		return nil, nil, fmt.Errorf("run a network on %v bytes: %w", shape, err)
	}
	defer func() { err = errors.Join(err, in.Destroy()) }()
	outputs := []ort.Value{nil} // allocated by the runtime
	if err := n.session.Run([]ort.Value{in}, outputs); err != nil {
		return nil, nil, fmt.Errorf("run a network on %v bytes: %w", shape, err)
	}
	defer func() { err = errors.Join(err, outputs[0].Destroy()) }()
	tensor, ok := outputs[0].(*ort.Tensor[float32])
	if !ok {
		return nil, nil, fmt.Errorf("the network returned %T, want float32", outputs[0])
	}
	return append(out, tensor.GetData()...), tensor.GetShape(), nil
}

// Close frees the network. Further calls do nothing.
func (n *Network) Close() error {
	if n.session == nil {
		return nil
	}
	session := n.session
	n.session = nil
	return session.Destroy()
}
