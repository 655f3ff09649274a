package doctorcli

// This file owns whose the known pictures are.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/doctor"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
)

// listing says whose pictures are whose.
type listing struct {
	// owners are those of each picture, by its name. Where it is nil the folder
	// that a picture lies in is its person.
	owners map[string][]faces.Person
	people []faces.Person // everybody, also without a picture
}

// listing reads what is the first of file, tables and folders.
func (r *run) listing(ctx context.Context) (listing, error) {
	switch {
	case r.people != "":
		l, err := readFile(r.people)
		if err != nil {
			return l, fmt.Errorf("-people %s: %w", r.people, err)
		}
		return l, nil
	case r.tables != nil:
		tables, err := r.tables()
		if err != nil {
			return listing{}, err
		}
		l, err := readTables(ctx, tables)
		return l, errors.Join(err, tables.Close())
	default:
		return listing{}, nil
	}
}

func readFile(name string) (listing, error) {
	if name == "-" {
		return readLines(os.Stdin)
	}
	file, err := os.Open(name)
	if err != nil {
		return listing{}, err
	}
	defer file.Close()
	return readLines(file)
}

// readLines reads lines of image and person, with commas or, as the mysql
// client writes them, with tabs between. A first line that says just that is
// passed over.
func readLines(in io.Reader) (listing, error) {
	l := listing{owners: map[string][]faces.Person{}}
	buffered := bufio.NewReader(in)
	lines := csv.NewReader(buffered)
	lines.FieldsPerRecord = 2
	// The first buffer holds the first line, whatever the file's size.
	if start, _ := buffered.Peek(buffered.Size()); bytes.ContainsRune(firstLine(start), '\t') {
		lines.Comma, lines.LazyQuotes = '\t', true
	}
	var images, names []string
	for first := true; ; first = false {
		line, err := lines.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return l, err
		}
		image, name := strings.TrimSpace(line[0]), strings.TrimSpace(line[1])
		switch {
		case first && (image == "image" || image == "image_name") && (name == "person" || name == "name"):
			continue
		case image == "" || name == "":
			at, _ := lines.FieldPos(0)
			return l, fmt.Errorf("line %d: image or person is empty", at)
		}
		images, names = append(images, image), append(names, name)
	}
	if len(images) == 0 {
		return l, errors.New("it lists nobody") // what wrote it has failed, most likely
	}
	ids := number(names)
	for i, image := range images {
		l.add(image, faces.Person{ID: ids[names[i]], Name: names[i]})
	}
	return l, nil
}

func firstLine(text []byte) []byte {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	return line
}

// number gives people ids in the order of their names.
func number(names []string) map[string]int64 {
	ids := map[string]int64{}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		ids[name] = int64(len(ids) + 1)
	}
	return ids
}

// add lists a picture for a person, once.
func (l *listing) add(image string, p faces.Person) {
	if !slices.Contains(l.owners[image], p) {
		l.owners[image] = append(l.owners[image], p)
	}
}

func readTables(ctx context.Context, tables Tables) (listing, error) {
	l := listing{owners: map[string][]faces.Person{}}
	var err error
	if l.people, err = tables.People(ctx); err != nil {
		return l, err
	}
	images, err := tables.KnownImages(ctx)
	if err != nil {
		return l, err
	}
	byID := make(map[int64]faces.Person, len(l.people))
	for _, p := range l.people {
		byID[p.ID] = p
	}
	for _, image := range images {
		if p, ok := byID[image.PersonID]; ok {
			l.add(image.Name, p)
		}
	}
	return l, nil
}

// join puts people to pictures. What is listed and not there becomes a picture
// with that problem.
func (l listing) join(known []recognizer.KnownPicture) ([]doctor.Picture, []faces.Person) {
	if l.owners == nil {
		l = byFolder(known)
	}
	var list []doctor.Picture
	there := map[string]bool{}
	for _, k := range known {
		there[k.Name] = true
		p := doctor.Picture{
			Name: k.Name, Owners: l.owners[k.Name], Sum: k.Sum, Problem: k.Problem, Reason: k.Reason,
			Known: k.Descriptors, Quality: k.Quality,
		}
		if p.Reason == faces.NotFound {
			p.Reason = faces.Internal // there it is; it cannot be opened
		}
		if len(k.Descriptors) > 0 {
			p.Asked = k.Descriptors[0]
		}
		list = append(list, p)
	}
	for name, owners := range l.owners {
		if !there[name] {
			list = append(list, doctor.Picture{Name: name, Owners: owners, Problem: "there is no such file", Reason: faces.NotFound})
		}
	}
	return list, l.people
}

// byFolder takes the first folder of a picture's name for its person.
func byFolder(known []recognizer.KnownPicture) listing {
	var names []string
	for _, k := range known {
		if name, _, ok := strings.Cut(k.Name, "/"); ok {
			names = append(names, name)
		}
	}
	l, ids := listing{owners: map[string][]faces.Person{}}, number(names)
	for _, k := range known {
		if name, _, ok := strings.Cut(k.Name, "/"); ok {
			l.add(k.Name, faces.Person{ID: ids[name], Name: name})
		}
	}
	return l
}
