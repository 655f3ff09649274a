// Package version knows which build this is.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// String describes the build: the module's version or the commit that it was
// built from, and the Go version.
func String() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown " + runtime.Version()
	}
	rev, dirty := info.Main.Version, ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			rev = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	return fmt.Sprintf("%s%s %s", rev, dirty, runtime.Version())
}
