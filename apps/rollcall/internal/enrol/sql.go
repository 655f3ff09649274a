package enrol

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/sqlrows"
)

// FromSQL plans to enrol the people whom a file of SQL statements inserts into the
// original program's tables person and person_images. Its pictures are in the folder
// known.
func FromSQL(ctx context.Context, file, known string) (Plan, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Plan{}, fmt.Errorf("read the SQL file: %w", err)
	}
	tables, err := sqlrows.Read(string(text), "person", "person_images")
	if err != nil {
		return Plan{}, fmt.Errorf("%s: %w", file, err)
	}
	if len(tables["person_images"]) == 0 {
		return Plan{}, fmt.Errorf("%s inserts nothing into person_images; is it the original's database_setup.sql, or a dump of its database?", file)
	}
	root, err := os.OpenRoot(known)
	if err != nil {
		return Plan{}, fmt.Errorf("open the folder of known people: %w", err)
	}
	defer root.Close()
	s := &sqlPlan{gather: newGather(), root: root, people: map[int64]string{}, listed: map[string]bool{}}
	for _, row := range tables["person"] {
		id, _ := row.ID("id")
		s.people[id] = row.Columns["name"]
	}
	for _, row := range tables["person_images"] {
		s.image(row)
	}
	if err := s.rest(ctx); err != nil {
		return Plan{}, err
	}
	return s.done(), nil
}

type sqlPlan struct {
	*gather
	root   *os.Root
	people map[int64]string // by id
	listed map[string]bool  // files that a row names
}

// image adds the picture of a row of person_images.
func (s *sqlPlan) image(row sqlrows.Row) {
	name := strings.TrimPrefix(row.Columns["image_name"], "/known_people/") // some wrote it with the folder of the container
	shown := name
	if shown == "" {
		shown = fmt.Sprintf("line %d", row.Line)
	}
	person, ok := row.ID("person_id")
	file, err := s.find(name)
	s.listed[filepath.ToSlash(file)] = true
	switch who := cleanName(s.people[person]); {
	case name == "":
		s.pass(shown, "the row of person_images names no picture")
	case !ok:
		s.pass(shown, "the row of person_images names no person")
	case who == "":
		s.pass(shown, fmt.Sprintf("the row of person_images names person %d, who is not in the file or has no name", person))
	case err != nil:
		s.pass(shown, err.Error())
	default:
		s.add(who, Picture{Name: name, file: filepath.Join(s.root.Name(), file)})
	}
}

// find returns the name that a picture has on this disk: a Mac takes letters apart.
func (s *sqlPlan) find(name string) (string, error) {
	local := filepath.FromSlash(name)
	if name == "" || !filepath.IsLocal(local) {
		return local, fmt.Errorf("the picture is not below %s", s.root.Name())
	}
	for _, form := range []string{local, norm.NFC.String(local), norm.NFD.String(local)} {
		if info, err := s.root.Stat(form); err == nil && info.Mode().IsRegular() {
			return form, nil
		}
	}
	return local, fmt.Errorf("there is no such file in %s", s.root.Name())
}

// rest lists the files that no row names.
func (s *sqlPlan) rest(ctx context.Context) error {
	return fs.WalkDir(s.root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrPermission):
			return nil
		case err != nil:
			return fmt.Errorf("list the folder of known people: %w", err)
		case name == ".":
		case picturefiles.Passed(e.Name()) && e.IsDir():
			return fs.SkipDir
		case !picturefiles.Passed(e.Name()) && !e.IsDir() && !s.listed[name]:
			s.pass(name, "no row of person_images names it")
		}
		return nil
	})
}
