package store

import (
	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
)

// erasedNames are the marks of erased people's names and of their known pictures'.
type erasedNames struct {
	salts        []erasure.Salt
	names, files map[erasure.Mark]bool
}

func erasedMarks(tx *gorm.DB) (erasedNames, error) {
	marks := erasedNames{names: map[erasure.Mark]bool{}, files: map[erasure.Mark]bool{}}
	var err error
	if marks.salts, err = salts(tx); err != nil || len(marks.salts) == 0 {
		return marks, err
	}
	var rows []erasedMarkRow
	if err := tx.Find(&rows).Error; err != nil {
		return marks, err
	}
	for _, r := range rows {
		of := marks.names
		if r.Kind == markFile {
			of = marks.files
		}
		of[erasure.Mark(r.Mark)] = true
	}
	return marks, nil
}

// hasFolder reports whether a folder has the name of somebody who was erased.
func (e erasedNames) hasFolder(name string) bool {
	for _, salt := range e.salts {
		if e.names[salt.OfName(name).Mark] {
			return true
		}
	}
	return false
}

// without leaves out the files that were known pictures of somebody who was erased,
// also if somebody of that name was added since.
func (e erasedNames) without(wanted map[string]string) map[string]string {
	if len(e.salts) == 0 {
		return wanted
	}
	left := make(map[string]string, len(wanted))
	for file, name := range wanted {
		erased := false
		for _, salt := range e.salts {
			erased = erased || e.files[salt.OfFile(file)]
		}
		if !erased {
			left[file] = name
		}
	}
	return left
}
