package version

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestRead(t *testing.T) {
	t.Parallel()
	const commit = "0123456789abcdef0123456789abcdef01234567"
	repository := func(modified string) *debug.BuildInfo {
		return &debug.BuildInfo{
			Main:     debug.Module{Version: "v0.0.0-2026"},
			Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: commit}, {Key: "vcs.modified", Value: modified}},
		}
	}
	tests := []struct {
		name              string
		release, revision string
		info              *debug.BuildInfo
		version, line     string
	}{
		{"an image", "v1.2.3", commit, &debug.BuildInfo{}, "v1.2.3", "v1.2.3 (0123456789ab)"},
		{"an image that is called after its commit", "0123456789ab", commit, &debug.BuildInfo{}, "0123456789ab", "0123456789ab"},
		{"made in a clone", "v1.2.3-4-g0123456789ab", "", repository("false"), "v1.2.3-4-g0123456789ab", "v1.2.3-4-g0123456789ab (0123456789ab)"},
		{"a clone", "", "", repository("false"), "0123456789ab", "0123456789ab"},
		{"a clone with changes", "", "", repository("true"), "0123456789ab+changes", "0123456789ab+changes"},
		{"go install", "", "", &debug.BuildInfo{Main: debug.Module{Version: "v1.0.0"}}, "v1.0.0", "v1.0.0"},
		{"nothing is known", "", "", &debug.BuildInfo{}, "unknown", "unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := read(tt.release, tt.revision, tt.info)
			if got.Version != tt.version {
				t.Errorf("version %q, want %q", got.Version, tt.version)
			}
			if want := tt.line + " " + runtime.Version(); got.String() != want {
				t.Errorf("line %q, want %q", got, want)
			}
		})
	}
}
