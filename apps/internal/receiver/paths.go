package receiver

import (
	"path"
	"strings"
	"unicode/utf8"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// cleanPath returns the path in the form that is stored: absolute, clean and below
// the folder of unknown people. The recognizer checks later whether the file
// exists and whether a link leaves the folder.
func (s *Server) cleanPath(sent string) (string, error) {
	switch {
	case sent == "":
		return "", api.Errorf(api.CodeInvalidRequest, `"path" is missing or empty; send {"path":"a.jpg"}`)
	case utf8.RuneCountInString(sent) > faces.MaxPathLength:
		return "", pathTooLong()
	}
	if err := faces.CheckFilePath(sent); err != nil {
		return "", err
	}
	clean := path.Clean(sent)
	if !path.IsAbs(clean) {
		clean = path.Join(s.opts.UnknownPeople, clean)
	}
	root := strings.TrimSuffix(s.opts.UnknownPeople, "/") + "/"
	if !strings.HasPrefix(clean, root) || clean == root {
		return "", api.Errorf(api.CodePathNotAllowed, "the path is not below %s; send a path relative to that folder", s.opts.UnknownPeople)
	}
	if utf8.RuneCountInString(clean) > faces.MaxPathLength {
		return "", pathTooLong()
	}
	return clean, nil
}

func pathTooLong() error {
	return api.Errorf(api.CodePathTooLong, "a path has at most %d characters", faces.MaxPathLength)
}
