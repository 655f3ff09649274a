// Package onnx runs neural networks on ONNX Runtime, whose C library it loads
// when it is asked to.
//
// It uses github.com/yalue/onnxruntime_go, the kept binding that opens the
// library at run time, so that a program without it still starts and can say
// what is missing.
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

// loading guards ONNX Runtime's environment, of which a process has one.
var loading sync.Mutex

// Load opens the C library, before any Network is made; once it is open, a call
// does nothing. It is safe for concurrent use. The error says what to do.
func Load(library string) error {
	loading.Lock()
	defer loading.Unlock()
	if ort.IsInitialized() {
		return nil
	}
	if _, err := os.Stat(library); err != nil {
		return fmt.Errorf("ONNX Runtime is not at %s: `make setup-run` installs it into build/lib, "+
			"ROLLCALL_ONNXRUNTIME names another place: %w", library, err)
	}
	ort.SetSharedLibraryPath(library)
	if err := ort.InitializeEnvironment(ort.WithLogLevelError()); err != nil {
		return fmt.Errorf("%s is not an ONNX Runtime %s that this processor can run: %w", library, Version, err)
	}
	if have := ort.GetVersion(); !strings.HasPrefix(have, major(Version)) {
		return errors.Join(fmt.Errorf("%s is ONNX Runtime %s; %s is needed", library, have, Version), ort.DestroyEnvironment())
	}
	// Telemetry only exists on Windows; a failure to switch it off changes nothing.
	_ = ort.DisableTelemetry()
	return nil
}

// major returns "1." of "1.32.0": the C interface is stable within it.
func major(version string) string {
	first, _, _ := strings.Cut(version, ".")
	return first + "."
}

// Network is one network with one input of bytes and one output of numbers. It
// uses one thread. It is not safe for concurrent use.
type Network struct {
	session *ort.DynamicAdvancedSession
}

// NewNetwork loads a network from an ONNX file.
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

// options returns how every session runs: one thread, because each core has a
// session of its own, and no memory pattern, which would keep a plan and a
// block of memory for every size of picture ever seen.
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

// Run feeds bytes of a shape to the network and appends its output to out. It
// returns the output's shape, too.
func (n *Network) Run(input []uint8, shape []int64, out []float32) (numbers []float32, outShape []int64, err error) {
	in, err := ort.NewTensor(ort.NewShape(shape...), input)
	if err != nil {
		return nil, nil, fmt.Errorf("run a network on %v bytes: %w", shape, err)
	}
	defer func() { err = errors.Join(err, in.Destroy()) }()
	outputs := []ort.Value{nil} // the runtime makes one of the right shape
	if err := n.session.Run([]ort.Value{in}, outputs); err != nil {
		return nil, nil, fmt.Errorf("run a network on %v bytes: %w", shape, err)
	}
	defer func() { err = errors.Join(err, outputs[0].Destroy()) }()
	tensor, ok := outputs[0].(*ort.Tensor[float32])
	if !ok {
		return nil, nil, fmt.Errorf("the network answers %T, not float32", outputs[0])
	}
	return append(out, tensor.GetData()...), tensor.GetShape(), nil
}

// Close frees the network. A second Close does nothing.
func (n *Network) Close() error {
	if n.session == nil {
		return nil
	}
	session := n.session
	n.session = nil
	return session.Destroy()
}
