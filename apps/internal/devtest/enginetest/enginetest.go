// Package enginetest opens the engines of a model set for tests. It finds the
// models in the source tree, so a test needs no settings.
package enginetest

import (
	"os"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/engine/opener"
	"github.com/rollcall-faces/rollcall/apps/internal/modelset"
	"github.com/rollcall-faces/rollcall/apps/internal/picture"
)

// Load loads the model set id. It also returns a function that opens engines of
// the set; the caller closes them. ROLLCALL_MODEL_CACHE and ROLLCALL_ONNXRUNTIME
// apply as they do to the programs.
func Load(t *testing.T, id string) (modelset.Set, func() (engine.Engine, error)) {
	t.Helper()
	models, err := modelset.SourceFolder()
	if err != nil {
		t.Fatal(err)
	}
	settings := modelset.Settings{
		Folder: models, ID: id, Cache: os.Getenv("ROLLCALL_MODEL_CACHE"), Library: os.Getenv("ROLLCALL_ONNXRUNTIME"),
	}
	set, err := settings.Load()
	if err != nil {
		t.Fatal(err)
	}
	open, err := opener.Opener(t.Context(), settings, set, picture.Defaults().MaxPixels)
	if err != nil {
		t.Fatal(err)
	}
	return set, open
}

// Open opens one engine of the default model set. It is closed at the end of the
// test.
func Open(t *testing.T) engine.Engine {
	t.Helper()
	_, open := Load(t, modelset.Default)
	e, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}
