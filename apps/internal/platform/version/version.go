// Package version says which build this is. Images, -version, the metric
// rollcall_build_info and the foot of the dashboard all take it from here.
package version

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// The linker sets these (-X), in the images and in what make builds. Nothing else
// writes them.
var (
	release  string // the tag, or what git describe makes of the commit
	revision string // the commit
)

// Build describes a build.
type Build struct {
	Version  string // the release; the commit or the module's version where there is none
	Revision string // the commit, shortened; "" where it is not known
	Go       string // the version of Go that compiled it
}

// Read returns what is known about this build.
func Read() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return read(release, revision, info)
}

// String returns the build in one line.
func String() string { return Read().String() }

// String returns the version, the commit in brackets where the version is not the
// commit already, and the version of Go.
func (b Build) String() string {
	if b.Revision == "" || b.Revision == b.Version {
		return b.Version + " " + b.Go
	}
	return fmt.Sprintf("%s (%s) %s", b.Version, b.Revision, b.Go)
}

func read(release, revision string, info *debug.BuildInfo) Build {
	dirty := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && revision == "":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	if revision != "" {
		revision = shorten(revision) + dirty
	}
	return Build{
		Version:  cmp.Or(release, revision, info.Main.Version, "unknown"),
		Revision: revision,
		Go:       runtime.Version(),
	}
}

// shorten cuts a commit hash to 12 characters.
func shorten(rev string) string {
	const enough = 12
	return rev[:min(len(rev), enough)]
}
