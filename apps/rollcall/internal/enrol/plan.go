// Package enrol makes people known to a receiver: it lists the pictures of each person
// in a folder, sends them, and reports what was taken and what was refused.
package enrol

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
)

// Plan is who is to be enrolled, with which pictures.
type Plan struct {
	People []Person
	Passed []PassedOver
}

// Person is somebody to enrol.
type Person struct {
	Name     string
	Pictures []Picture
}

// Picture is a file to enrol.
type Picture struct {
	Name string // below the folder of all, with forward slashes
	file string
}

// PassedOver is something that is not sent.
type PassedOver struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// read returns the file's bytes.
func (p Picture) read() ([]byte, error) {
	f, err := os.Open(p.file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, picturefiles.MaxSize+1))
	if err == nil && len(content) > picturefiles.MaxSize {
		err = fmt.Errorf("it is larger than %d MB; reduce the picture", picturefiles.MaxSize>>20)
	}
	return content, err
}

// cleanName returns the spelling in which the receiver stores a name: a Mac takes the
// letters of its folders apart.
func cleanName(name string) string { return norm.NFC.String(strings.TrimSpace(name)) }

// foldName returns what names that differ only in upper and lower case have in common.
func foldName(name string) string { return norm.NFC.String(cases.Fold().String(cleanName(name))) }

// gather collects the pictures of each person.
type gather struct {
	plan Plan
	at   map[string]int // where a person is in the plan, by the clean name
}

func newGather() *gather { return &gather{at: map[string]int{}} }

func (g *gather) add(person string, p Picture) {
	name := cleanName(person)
	i, ok := g.at[name]
	if !ok {
		i = len(g.plan.People)
		g.at[name] = i
		g.plan.People = append(g.plan.People, Person{Name: name})
	}
	g.plan.People[i].Pictures = append(g.plan.People[i].Pictures, p)
}

func (g *gather) pass(name, why string) {
	g.plan.Passed = append(g.plan.Passed, PassedOver{Name: name, Why: why})
}

// done returns the plan, in the order of names.
func (g *gather) done() Plan {
	slices.SortFunc(g.plan.People, func(a, b Person) int { return cmp.Compare(a.Name, b.Name) })
	for _, p := range g.plan.People {
		slices.SortFunc(p.Pictures, func(a, b Picture) int { return cmp.Compare(a.Name, b.Name) })
	}
	slices.SortFunc(g.plan.Passed, func(a, b PassedOver) int { return cmp.Compare(a.Name, b.Name) })
	return g.plan
}

// FromFolder plans to enrol the people of a folder: each folder in it has the name of
// a person and contains their pictures, also in folders below.
func FromFolder(ctx context.Context, dir string) (Plan, error) {
	g := newGather()
	people, err := os.ReadDir(dir)
	if err != nil {
		return Plan{}, fmt.Errorf("list the folder of people: %w", err)
	}
	for _, e := range people {
		switch folder := filepath.Join(dir, e.Name()); {
		case picturefiles.Passed(e.Name()):
		case !utf8.ValidString(e.Name()), cleanName(e.Name()) == "":
			g.pass(strings.ToValidUTF8(e.Name(), "?"), "its name cannot be a person's; rename the folder")
		case !isFolder(folder):
			g.pass(e.Name(), "it is in no person's folder; move it into one, such as Ada/1.jpg")
		default:
			if err := g.person(ctx, e.Name(), folder); err != nil {
				return Plan{}, err
			}
		}
	}
	plan := g.done()
	if len(plan.People) == 0 {
		return plan, fmt.Errorf("%s has no folder with pictures; make one folder for each person, such as %s", dir, filepath.Join(dir, "Ada", "1.jpg"))
	}
	return plan, nil
}

func isFolder(name string) bool {
	info, err := os.Stat(name) // follows links: a person's folder may be elsewhere
	return err == nil && info.IsDir()
}

// person adds the pictures of one person's folder.
func (g *gather) person(ctx context.Context, name, folder string) error {
	root, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return fmt.Errorf("list the pictures of %s: %w", name, err)
	}
	found := false
	err = filepath.WalkDir(root, func(file string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, file)
		shown := path.Join(norm.NFC.String(name), filepath.ToSlash(rel))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrPermission):
			g.pass(shown, "you may not read it")
			return nil
		case err != nil:
			return err
		case file == root:
			return nil
		case picturefiles.Passed(e.Name()) && e.IsDir():
			return fs.SkipDir
		case picturefiles.Passed(e.Name()), e.IsDir():
			return nil
		}
		if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
			g.pass(strings.ToValidUTF8(shown, "?"), "it is no file, or a link to none")
			return nil
		}
		found = true
		g.add(name, Picture{Name: strings.ToValidUTF8(shown, "?"), file: file})
		return nil
	})
	if err != nil {
		return fmt.Errorf("list the pictures of %s: %w", name, err)
	}
	if !found {
		g.pass(norm.NFC.String(name), "there is no picture in it")
	}
	return nil
}
