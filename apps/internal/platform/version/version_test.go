package version

import (
	"runtime/debug"
	"testing"
)

func TestDescribe(t *testing.T) {
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
		want              string
	}{
		{"an image", "v1.2.3", commit, &debug.BuildInfo{}, "v1.2.3 (0123456789ab)"},
		{"an image that is called after its commit", "0123456789ab", commit, &debug.BuildInfo{}, "0123456789ab"},
		{"a clone", "", "", repository("false"), "0123456789ab"},
		{"a clone with changes", "", "", repository("true"), "0123456789ab+changes"},
		{"go install", "", "", &debug.BuildInfo{Main: debug.Module{Version: "v1.0.0"}}, "v1.0.0"},
		{"nothing is known", "", "", &debug.BuildInfo{}, "unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := describe(tt.release, tt.revision, tt.info); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
