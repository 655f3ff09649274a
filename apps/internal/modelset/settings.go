package modelset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

// imageFolder is the folder of the models in the recognizer's container
// image.
const imageFolder = "/models"

// sourceFolder is the folder of the models, relative to the source tree's
// root.
const sourceFolder = "apps/recognizer/models"

// Settings select the model set and say where its files are.
type Settings struct {
	Folder string // of all models, absolute
	ID     string // of the set
	// Engine is empty for the set's own engine.
	Engine Engine
	// Cache is the folder for unpacked files. Empty means a folder in the
	// user's cache.
	Cache string
	// Library is the path of ONNX Runtime's C library. Empty means to search
	// for it; see FindLibrary.
	Library string
}

// ReadSettings reads the settings. It reports invalid ones to r.
func ReadSettings(r *config.Reader) Settings {
	s := Settings{
		Folder: config.ReadFolder(r, "ROLLCALL_MODELS", imageFolder,
			"folder of the models; where the default does not exist, "+sourceFolder+" of the source tree around the working folder"),
		Engine: Engine(r.OneOf("ROLLCALL_ENGINE", "", "onnx, or go-face (slower, and less accurate for some groups of people); if unset, the model set's own",
			string(ONNX), string(GoFace))),
		ID: r.String("ROLLCALL_MODEL_SET", "",
			"id of the model set; if unset, "+Default+", or "+GoFaceSet+" with ROLLCALL_ENGINE=go-face"),
		Cache:   r.String("ROLLCALL_MODEL_CACHE", "", "folder into which models are unpacked; if unset, a folder in the user's cache"),
		Library: r.String("ROLLCALL_ONNXRUNTIME", "", "path of "+libraryName+"; if unset, the program searches for it"),
	}
	if s.ID == "" {
		s.ID = Default
		if s.Engine == GoFace {
			s.ID = GoFaceSet
		}
	} else if !isID(s.ID) {
		r.Fail("ROLLCALL_MODEL_SET", "%q is not the name of a model set", s.ID)
	}
	if s.Folder == imageFolder {
		s.Folder = folderOrSource(s.Folder)
	}
	return s
}

// Env returns the settings as environment variables, NAME=value, for a child
// process that calls ReadSettings.
func (s Settings) Env() []string {
	return []string{
		"ROLLCALL_MODELS=" + s.Folder, "ROLLCALL_ENGINE=" + string(s.Engine), "ROLLCALL_MODEL_SET=" + s.ID,
		"ROLLCALL_MODEL_CACHE=" + s.Cache, "ROLLCALL_ONNXRUNTIME=" + s.Library,
	}
}

// Load loads the selected set. It fails if ROLLCALL_ENGINE contradicts the
// set.
func (s Settings) Load() (Set, error) {
	set, err := Load(filepath.Join(s.Folder, s.ID))
	if err != nil {
		return Set{}, err
	}
	if s.Engine != "" && s.Engine != set.Engine {
		return Set{}, fmt.Errorf("ROLLCALL_ENGINE is %s, but the model set %s is for %s: unset ROLLCALL_ENGINE or ROLLCALL_MODEL_SET",
			s.Engine, set.ID, set.Engine)
	}
	return set, nil
}

// folderOrSource returns folder if it exists, and the source tree's folder
// otherwise.
func folderOrSource(folder string) string {
	if _, err := os.Stat(folder); err == nil {
		return folder
	}
	if found, err := SourceFolder(); err == nil {
		return found
	}
	return folder
}

// SourceFolder returns the folder of the models in the source tree around the
// working directory.
func SourceFolder() (string, error) {
	root, err := sourceRoot()
	if err != nil {
		return "", err
	}
	return filepath.Join(root, filepath.FromSlash(sourceFolder)), nil
}

// sourceRoot returns the closest parent of the working directory that has
// both a Go module and the models.
func sourceRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		_, noModule := os.Stat(filepath.Join(dir, "go.mod"))
		_, noModels := os.Stat(filepath.Join(dir, filepath.FromSlash(sourceFolder)))
		if errors.Join(noModule, noModels) == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no source tree with %s around %s: %w", sourceFolder, start, fs.ErrNotExist)
		}
	}
}
