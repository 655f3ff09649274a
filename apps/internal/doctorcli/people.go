package doctorcli

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

// listing says whose the known pictures are.
type listing struct {
	// owners are the people of each picture, keyed by its name. If it is nil,
	// each picture belongs to the person that its folder is named after.
	owners map[string][]faces.Person
	people []faces.Person // all people, with or without pictures
}

// listing reads the owners from the file if one is given, else from the
// database if there is one. Otherwise folders decide.
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

// readLines parses lines of image and person, separated by commas, or by tabs
// as the mysql client writes them. It skips a header line.
func readLines(in io.Reader) (listing, error) {
	l := listing{owners: map[string][]faces.Person{}}
	buffered := bufio.NewReader(in)
	lines := csv.NewReader(buffered)
	lines.FieldsPerRecord = 2
	// The first buffer contains the first line, however large the file is.
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
		return l, errors.New("the list is empty; did the program that wrote it fail?")
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

// number assigns ids to people, in the order of their names.
func number(names []string) map[string]int64 {
	ids := map[string]int64{}
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		ids[name] = int64(len(ids) + 1)
	}
	return ids
}

// add adds a person to a picture's owners, unless it is there already.
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

// join combines pictures and owners. A listed picture that does not exist
// becomes one with that problem.
func (l listing) join(known []recognizer.KnownPicture) ([]doctor.Picture, []faces.Person) {
	if l.owners == nil {
		l = byFolder(known)
	}
	var list []doctor.Picture
	exists := map[string]bool{}
	for _, k := range known {
		exists[k.Name] = true
		p := doctor.Picture{
			Name: k.Name, Owners: l.owners[k.Name], Sum: k.Sum, Problem: k.Problem, Reason: k.Reason,
			Known: k.Descriptors, Quality: k.Quality,
		}
		if p.Reason == faces.NotFound {
			p.Reason = faces.Internal // the file exists but cannot be opened
		}
		if len(k.Descriptors) > 0 {
			p.Asked = k.Descriptors[0]
		}
		list = append(list, p)
	}
	for name, owners := range l.owners {
		if !exists[name] {
			list = append(list, doctor.Picture{Name: name, Owners: owners, Problem: "there is no such file", Reason: faces.NotFound})
		}
	}
	return list, l.people
}

// byFolder uses the first folder of a picture's name as its person.
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
