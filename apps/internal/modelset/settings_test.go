package modelset_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	source, err := modelset.SourceFolder()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		env  map[string]string
		id   string // of the loaded set; empty for an error
		want string // part of the error
	}{
		{"nothing is set", nil, modelset.Default, ""},
		{"go-face", map[string]string{"ROLLCALL_ENGINE": "go-face"}, modelset.GoFaceSet, ""},
		{"the set of go-face", map[string]string{"ROLLCALL_MODEL_SET": "dlib-1"}, modelset.GoFaceSet, ""},
		{"both", map[string]string{"ROLLCALL_MODEL_SET": "dlib-1", "ROLLCALL_ENGINE": "go-face"}, modelset.GoFaceSet, ""},
		{"onnx", map[string]string{"ROLLCALL_ENGINE": "onnx"}, modelset.Default, ""},
		{"they contradict", map[string]string{"ROLLCALL_MODEL_SET": "dlib-1", "ROLLCALL_ENGINE": "onnx"}, "", "ROLLCALL_ENGINE is onnx"},
		{"unknown engine", map[string]string{"ROLLCALL_ENGINE": "magic"}, "", "ROLLCALL_ENGINE"},
		{"unknown set", map[string]string{"ROLLCALL_MODEL_SET": "other"}, "", "other/set.json"},
		{"a path for a set", map[string]string{"ROLLCALL_MODEL_SET": "../x"}, "", "ROLLCALL_MODEL_SET"},
		{"no folder", map[string]string{"ROLLCALL_MODELS": "/does/not/exist"}, "", "/does/not/exist"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"ROLLCALL_MODELS": source}
			for k, v := range tt.env {
				env[k] = v
			}
			r := config.NewReader(config.Map(env))
			settings := modelset.ReadSettings(r)
			var set modelset.Set
			err := r.Err()
			if err == nil {
				set, err = settings.Load()
			}
			if tt.id == "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("the error is %v, want one with %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if set.ID != tt.id {
				t.Errorf("the set is %s, want %s", set.ID, tt.id)
			}
		})
	}
}

// A child process reads the same settings.
func TestSettingsForAChild(t *testing.T) {
	t.Parallel()
	want := modelset.Settings{Folder: "/somewhere", ID: "dlib-1", Engine: modelset.GoFace, Cache: "/cache", Library: "/lib/x.so"}
	env := map[string]string{}
	for _, line := range want.Env() {
		name, value, _ := strings.Cut(line, "=")
		env[name] = value
	}
	r := config.NewReader(config.Map(env))
	if got := modelset.ReadSettings(r); got != want || r.Err() != nil {
		t.Errorf("the child reads %+v, want %+v; %v", got, want, r.Err())
	}
}

func TestFindLibrary(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "libonnxruntime.so.1.32.0")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := (modelset.Settings{Library: file}).FindLibrary(); err != nil || got != file {
		t.Errorf("found %q, %v; want %s", got, err, file)
	}
	for _, wrong := range []string{filepath.Dir(file), filepath.Join(filepath.Dir(file), "missing.so")} {
		if _, err := (modelset.Settings{Library: wrong}).FindLibrary(); err == nil || !strings.Contains(err.Error(), "ROLLCALL_ONNXRUNTIME") {
			t.Errorf("with %s the error is %v, want one that names the setting", wrong, err)
		}
	}
}

// ONNX Runtime's version stands in several files, which must agree.
func TestLibraryVersion(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join("../../..", name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	pinned := regexp.MustCompile(`(?m)^onnxruntime==(\S+)`).FindStringSubmatch(read("apps/setup/onnxruntime.txt"))
	if pinned == nil {
		t.Fatal("apps/setup/onnxruntime.txt pins no version")
	}
	r := config.NewReader(config.Map(nil))
	modelset.ReadSettings(r)
	library := "libonnxruntime.so." + pinned[1]
	for where, text := range map[string]string{
		"the settings' help":        fmt.Sprint(r.Settings()),
		"apps/setup/debian.sh":      read("apps/setup/debian.sh"),
		"Makefile":                  read("Makefile"),
		"NOTICE":                    strings.ReplaceAll(read("NOTICE"), "ONNX Runtime ", "libonnxruntime.so."),
		"apps/setup/onnxruntime.sh": strings.ReplaceAll(read("apps/setup/onnxruntime.sh"), "version=", "libonnxruntime.so."),
	} {
		if !strings.Contains(text, library) {
			t.Errorf("%s does not name %s", where, library)
		}
	}
}
