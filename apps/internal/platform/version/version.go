// Package version knows which build this is.
package version

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// Set by the linker (-X) where a build has no repository beside it, as in the
// images; nothing else writes them.
var (
	release  string // the image's tag
	revision string // the commit
)

// String describes the build: the release, where it has one, the commit that it
// was built from or the module's version, and the Go version.
func String() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return describe(release, revision, info) + " " + runtime.Version()
}

func describe(release, revision string, info *debug.BuildInfo) string {
	rev, dirty := revision, ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && revision == "":
			rev = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	rev = cmp.Or(shorten(rev), info.Main.Version, "unknown") + dirty
	if release == "" || release == rev {
		return rev
	}
	return fmt.Sprintf("%s (%s)", release, rev)
}

// shorten cuts a commit's hash to what tells it from the others.
func shorten(rev string) string {
	const enough = 12
	return rev[:min(len(rev), enough)]
}
