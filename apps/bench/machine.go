package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/engine/dlib"
)

// quiet is the load per core up to which absolute times are reliable.
const quiet = 0.2

// printMachine prints the machine's properties, and a warning if other programs
// load it.
func printMachine(out io.Writer) {
	load, known := loadAverage()
	fmt.Fprintf(out, "Machine: %s, %d cores, %s, %s", cpuName(), runtime.NumCPU(), runtime.Version(), dlib.BLAS())
	if known {
		fmt.Fprintf(out, ", load %.1f", load)
	}
	fmt.Fprintln(out, ".")
	if load > quiet*float64(runtime.NumCPU()) {
		fmt.Fprintln(out, "WARNING: other programs load this machine. Absolute times are too high and ratios are rough.")
	}
}

// loadAverage returns the average number of runnable threads in the last
// minute.
func loadAverage() (load float64, known bool) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, false
	}
	n, _ := fmt.Sscan(string(text), &load)
	return load, n == 1
}

// cpuName returns the name of the CPU if the system tells it.
func cpuName() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(name), ":"))
		}
	}
	return runtime.GOARCH
}

// median returns the median of values, NaN if there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
