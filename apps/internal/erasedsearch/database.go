package erasedsearch

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var (
	// marksOnly are the tables of erasures themselves.
	marksOnly = map[string]bool{"erasures": true, "erased_marks": true, "erased_places": true}
	// idsOnly are the tables whose ids of people outlive them, by contract: who reads
	// them learns no name.
	idsOnly = map[string]bool{"events": true, "outbox": true, "audit_log": true, "erasures": true}

	idInJSON  = regexp.MustCompile(`"(?:person|person_id|best|second|best_person|second_person)":\s*(\d+)`)
	hexTokens = regexp.MustCompile(`(?:^|[^0-9a-f])([0-9a-f]{64}|[0-9a-f]{32})(?:[^0-9a-f]|$)`)
)

const (
	// descriptorPart is the length of what the column descriptor has.
	descriptorPart = 512
	maxUnpacked    = 64 << 20
)

// readDatabase reads who is there first, then every table.
func (s *search) readDatabase(ctx context.Context, db Database) error {
	for _, read := range []struct {
		table string
		row   func(store.Row)
	}{
		{"person", s.person},
		{"users", func(r store.Row) { s.living = append(s.living, erasure.Words(r.Text("name"))) }},
		{"person_images", func(r store.Row) { s.knownPicture(r, "image_name", "sha256") }},
		{"rematch_known", func(r store.Row) { s.knownPicture(r, "image_name", "content_id") }},
		{"images", func(r store.Row) {
			s.images[r.Int("id")] = imageOf{path: r.Text("path"), sha: r.Text("file_sha256")}
			s.uses[r.Text("path")] = append(s.uses[r.Text("path")], r.Int("id"))
		}},
	} {
		err := db.EachRow(ctx, read.table, func(r store.Row) error {
			read.row(r)
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	s.living = slices.DeleteFunc(s.living, func(words []string) bool { return len(words) == 0 })
	s.findPlaces()
	tables, err := db.Tables(ctx)
	if err != nil {
		return err
	}
	vocabulary := vocabulary()
	for _, table := range tables {
		if marksOnly[table] {
			continue
		}
		err := db.EachRow(ctx, table, func(r store.Row) error {
			s.row(r, vocabulary)
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// person notes who is there.
func (s *search) person(r store.Row) {
	id, name := r.Int("id"), r.Text("name")
	s.people[id] = name
	if !s.isErased(id) {
		s.living = append(s.living, erasure.Words(name))
	}
}

// isErased reports whether somebody who is there should not be.
func (s *search) isErased(person int64) bool {
	return slices.ContainsFunc(s.entries, func(e erasure.Entry) bool { return e.IsOf(person, s.people[person]) })
}

// knownPicture notes the name and the hash of a known picture whose person is there.
// Recognizers have the first half of the hash.
func (s *search) knownPicture(r store.Row, name, hash string) {
	person := r.Int("person_id")
	if _, there := s.people[person]; !there || s.isErased(person) {
		return
	}
	sum := r.Text(hash)
	for _, value := range []string{r.Text(name), sum, sum[:min(len(sum), 2*erasure.HalfContent)]} {
		if value != "" {
			s.theirs[value] = true
		}
	}
}

// findPlaces finds the images that have erased places, by path or content.
func (s *search) findPlaces() {
	for _, e := range s.entries {
		paths, contents := map[erasure.Mark][]erasure.Place{}, map[erasure.Mark][]erasure.Place{}
		for _, p := range e.Pictures {
			paths[p.Path] = append(paths[p.Path], p.Places...)
			if p.Content != (erasure.Mark{}) {
				contents[p.Content] = append(contents[p.Content], p.Places...)
			}
		}
		places := erasure.Places{}
		for id, img := range s.images {
			if at := slices.Concat(paths[e.Salt.OfPath(img.path)], contents[e.Salt.OfHex(img.sha)]); len(at) > 0 {
				places[id] = at
			}
		}
		s.places = append(s.places, places)
	}
}

// row searches one row.
func (s *search) row(r store.Row, vocabulary map[string]bool) {
	for i, column := range r.Columns {
		place := r.Table + "." + column
		switch v := r.Values[i].(type) {
		case int64:
			if namesPerson(column) && !idsOnly[r.Table] {
				s.found(s.ofPerson(v), place)
			}
		case string:
			if !vocabulary[v] {
				s.text(r.Table, place, v)
			}
		case []byte:
			s.binary(place, v)
		}
	}
	switch r.Table {
	case "faces":
		s.face(r)
	case "images":
		s.image(r)
	}
}

// namesPerson reports whether a column has the ids of people.
func namesPerson(column string) bool {
	return strings.Contains(column, "person") || column == "merged_id"
}

// ofPerson returns the entries whose person has an id, unless somebody else has it now.
func (s *search) ofPerson(id int64) (entries []int) {
	for i, e := range s.entries {
		if e.PersonID != id && !slices.Contains(e.Merged, id) {
			continue
		}
		if name, there := s.people[id]; there && !e.IsOf(e.PersonID, name) {
			continue
		}
		entries = append(entries, i)
	}
	return entries
}

// text searches a text: a name, the name of a known picture, a hash, an id in JSON.
func (s *search) text(table, place, text string) {
	report := s.found
	if place == "images.path" { // where others put it; Rollcall cannot rename it
		report = s.left
	}
	report(s.named(text), place+", name")
	s.found(s.ofFile(text), place+", known picture")
	if strings.Contains(text, `"`) {
		for _, part := range strings.Split(text, `"`) {
			s.found(s.ofFile(part), place+", known picture")
		}
	}
	if table != "images" { // a picture that stays may be a known picture, too
		for _, m := range hexTokens.FindAllStringSubmatch(text, -1) {
			s.found(s.ofHex(m[1]), place+", hash of a known picture")
		}
	}
	for _, m := range idInJSON.FindAllStringSubmatch(text, -1) {
		if id, err := strconv.ParseInt(m[1], 10, 64); err == nil && !idsOnly[table] {
			s.found(s.ofPerson(id), place+", id")
		}
	}
}

// binary searches a binary value: a descriptor, also within a longer value, and a packed
// text.
func (s *search) binary(place string, b []byte) {
	if len(b) == 0 {
		return
	}
	s.found(s.ofDescriptor(b), place+", descriptor")
	for at := 0; len(b) > descriptorPart && at+descriptorPart <= len(b); at += 4 {
		s.found(s.ofDescriptor(b[at:at+descriptorPart]), place+", descriptor")
	}
	if text, ok := unpacked(b); ok {
		s.text("", place, text)
		return
	}
	s.text("", place, string(b))
}

func unpacked(b []byte) (string, bool) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return "", false
	}
	text, err := io.ReadAll(io.LimitReader(r, maxUnpacked))
	return string(text), err == nil
}

// face reports a face with a descriptor at an erased place, whatever its descriptor is.
func (s *search) face(r store.Row) {
	if first, _ := r.Values[slices.Index(r.Columns, "descriptor")].([]byte); len(first) == 0 {
		return
	}
	box := faces.Box{X: int(r.Int("x")), Y: int(r.Int("y")), Width: int(r.Int("width")), Height: int(r.Int("height"))}
	image := r.Int("image_id")
	for i, places := range s.places {
		if places.Drops(image, []faces.Box{box})[0] {
			s.found([]int{i}, "faces, face at an erased place")
		}
	}
}

// image reports an image that should be deleted.
func (s *search) image(r store.Row) {
	for i, e := range s.entries {
		if e.Images != erasure.Delete {
			continue
		}
		mark := e.Salt.OfPath(r.Text("path"))
		for _, p := range e.Pictures {
			if p.Shows && p.Path == mark && p.ImageID == r.Int("id") {
				s.found([]int{i}, fmt.Sprintf("images, image %d that shows the person", p.ImageID))
			}
		}
	}
}
