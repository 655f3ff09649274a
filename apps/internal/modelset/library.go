package modelset

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// libraryName is the file name of ONNX Runtime's C library.
// apps/setup/onnxruntime.txt pins its version.
const libraryName = "libonnxruntime.so.1.32.0"

// FindLibrary returns the path of ONNX Runtime's C library. That is
// Settings.Library if it is set. Otherwise it is the first that exists of:
// ../lib beside the program, build/lib of the source tree around the working
// directory, and /usr/lib/rollcall. The error lists where it looked and how
// to fix it.
func (s Settings) FindLibrary() (string, error) {
	if s.Library != "" {
		if err := isFile(s.Library); err != nil {
			return "", fmt.Errorf("ROLLCALL_ONNXRUNTIME: %w", err)
		}
		return filepath.Abs(s.Library)
	}
	places := libraryPlaces()
	for _, place := range places {
		if isFile(place) == nil {
			return place, nil
		}
	}
	return "", fmt.Errorf("ONNX Runtime's library %s is missing: it is at none of %s; run `make build`, which installs it, or set ROLLCALL_ONNXRUNTIME to its path",
		libraryName, strings.Join(places, ", "))
}

func libraryPlaces() []string {
	var places []string
	if program, err := os.Executable(); err == nil {
		places = append(places, filepath.Join(filepath.Dir(program), "..", "lib", libraryName))
	}
	if root, err := sourceRoot(); err == nil {
		places = append(places, filepath.Join(root, "build", "lib", libraryName))
	}
	return append(places, filepath.Join("/usr/lib/rollcall", libraryName))
}

func isFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	return nil
}
