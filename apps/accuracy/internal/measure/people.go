package measure

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// photo is a picture of one person.
type photo struct {
	name        string // relative to the folder of people, with forward slashes
	person      faces.Person
	group       string
	descriptors []faces.Descriptor // nil if it cannot be a known picture
}

// NoGroup is the group of people without a group.
const NoGroup = "(no group given)"

// groupOf returns the group of a person: the one in people.txt, or else the
// folder that contains the person's folder.
func groupOf(person string, groups map[string]string) string {
	if g, ok := groups[path.Base(person)]; ok {
		return g
	}
	if dir := path.Dir(person); dir != "." {
		return dir
	}
	return NoGroup
}

// readColumns reads a text file of columns separated by tabs or commas. Empty
// lines and lines that begin with # are ignored. A missing file is empty.
func readColumns(name string, columns int) ([][]string, error) {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var list [][]string
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || text[0] == '#' {
			continue
		}
		fields := strings.FieldsFunc(text, func(r rune) bool { return r == '\t' || r == ',' })
		if len(fields) != columns {
			return nil, fmt.Errorf("%s, line %d: got %d columns, want %d; separate them by a comma or a tab", name, n, len(fields), columns)
		}
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		list = append(list, fields)
	}
	return list, lines.Err()
}

// readGroups reads people.txt: the name of a person's folder and its group.
func readGroups(dir string) (map[string]string, error) {
	rows, err := readColumns(filepath.Join(dir, "people.txt"), 2)
	groups := map[string]string{}
	for _, row := range rows {
		groups[row[0]] = row[1]
	}
	return groups, err
}

// pictures lists the picture files of a folder. A missing folder has none.
func pictures(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && path.Ext(e.Name()) != ".txt" && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names, err
}
