package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"
)

// Visitor is called with what Read finds, in the order of the archive. Each function may
// be nil. An error ends the reading.
type Visitor struct {
	Head func(Head) error
	File func(k Kind, name string, modified time.Time, content []byte) error
	Rows func(table string, columns []string, rows [][]any) error
}

// ageIntro begins an encrypted archive.
const ageIntro = "age-encryption.org/"

// Read reads an archive to its end and checks all of it. What a Visitor has been told
// can still turn out to be damaged: read once without one before anything is changed.
func Read(r io.Reader, as []age.Identity, v Visitor) (Head, End, error) {
	in, err := decrypt(bufio.NewReaderSize(r, 1<<16), as)
	if err != nil {
		return Head{}, End{}, err
	}
	compressed := bufio.NewReader(in)
	z, err := gzip.NewReader(compressed)
	if err != nil {
		return Head{}, End{}, damaged("it is not compressed by gzip: %v", err)
	}
	z.Multistream(false)
	a := &reader{tar: tar.NewReader(z), visitor: v, members: newMembers(), known: map[string]bool{}, tables: map[string]bool{}}
	if err := a.all(); err != nil {
		return a.head, a.end, err
	}
	return a.head, a.end, atEnd(z, compressed)
}

// decrypt returns what is in an archive that is encrypted, or the archive.
func decrypt(in *bufio.Reader, as []age.Identity) (io.Reader, error) {
	intro, err := in.Peek(len(ageIntro))
	if string(intro) != ageIntro {
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read the archive: %w", err)
		}
		return in, nil
	}
	if len(as) == 0 {
		return nil, errors.New("the archive is encrypted: name the file of its identity by -identity-file")
	}
	out, err := age.Decrypt(in, as...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, errors.New("the archive is encrypted with another key: no identity of the file opens it")
	}
	if err != nil {
		return nil, damaged("its encryption cannot be read: %v", err)
	}
	return out, nil
}

// atEnd makes sure that compression and encryption end as they were written, and that
// nothing follows.
func atEnd(z *gzip.Reader, compressed *bufio.Reader) error {
	const padding = 1 << 20 // of tar
	n, err := io.Copy(io.Discard, io.LimitReader(z, padding+1))
	if err == nil && n > padding {
		return damaged("something follows its end")
	}
	if err == nil {
		if _, err = compressed.ReadByte(); err == nil {
			return damaged("something follows its end")
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return damaged("it is not whole: %v", err)
	}
	return nil
}

type reader struct {
	tar     *tar.Reader
	member  int // the number of the member that is read; the first is 1
	visitor Visitor
	members members
	known   map[string]bool
	tables  map[string]bool // that are complete or begun
	files   Files
	found   []Table // as they were read
	table   *Digest
	chunks  int
	head    Head
	end     End
}

func (r *reader) all() error {
	if err := r.readHead(); err != nil {
		return err
	}
	for {
		h, err := r.next()
		if err != nil {
			return err
		}
		if h.Name == endName {
			return r.readEnd(h)
		}
		if err := r.part(h); err != nil {
			return err
		}
	}
}

// next returns the header of the next member.
func (r *reader) next() (*tar.Header, error) {
	h, err := r.tar.Next()
	r.member++
	switch {
	case errors.Is(err, io.EOF):
		return nil, damaged("it is not whole: its end is missing")
	case err != nil:
		return nil, damaged("%v", err)
	case h.Typeflag != tar.TypeReg:
		return nil, damaged("the %s is no file", r.called(h))
	case h.Size < 0:
		return nil, damaged("the %s has no size", r.called(h))
	}
	return h, nil
}

// called returns what errors call a member. The names of known pictures are often those of
// people, and errors are logged: tar -t tells the name by the number.
func (r *reader) called(h *tar.Header) string {
	kind, _, _ := strings.Cut(h.Name, "/")
	switch k := Kind(kind); k {
	case Known, Ledger, Pictures, "tables":
		return fmt.Sprintf("member %d (%s)", r.member, k)
	default:
		return fmt.Sprintf("member %d", r.member)
	}
}

// content reads a member whole. A restore has little memory: it is read into one slice of
// its size, which limit bounds.
func (r *reader) content(h *tar.Header, limit int64) ([]byte, error) {
	if h.Size > limit {
		return nil, damaged("the %s has %d bytes, more than %d", r.called(h), h.Size, limit)
	}
	data := make([]byte, h.Size)
	if _, err := io.ReadFull(r.tar, data); err != nil {
		return nil, damaged("the %s cannot be read: %v", r.called(h), err)
	}
	sum := sumOf(data)
	if h.PAXRecords[hashRecord] != sum {
		return nil, damaged("the %s is not as it was written", r.called(h))
	}
	if h.Name != endName {
		r.members.add(h.Name, len(data), sum)
	}
	return data, nil
}

func (r *reader) readHead() error {
	h, err := r.next()
	if err != nil {
		return err
	}
	if h.Name != headName {
		return damaged("it does not begin with %s: it is no backup of Rollcall", headName)
	}
	data, err := r.content(h, maxText)
	if err != nil {
		return err
	}
	if err := decodeText(data, headName, &r.head); err != nil {
		return err
	}
	if r.head.Format > Format {
		return fmt.Errorf("%w (%s): its format is version %d, this program knows %d; use that program, or a newer one", ErrNewer, r.head.Program, r.head.Format, Format)
	}
	if r.head.Format < 1 || r.head.Schema < 1 {
		return damaged("%s is not complete", headName)
	}
	if r.visitor.Head != nil {
		return r.visitor.Head(r.head)
	}
	return nil
}

// part reads a member between head and end.
func (r *reader) part(h *tar.Header) error {
	if m := chunkName.FindStringSubmatch(h.Name); m != nil {
		return r.rows(h, m[1], m[2])
	}
	kind, name, _ := strings.Cut(h.Name, "/")
	k := Kind(kind)
	if err := CheckName(k, name); err != nil {
		return damaged("the %s does not belong there: %v", r.called(h), err)
	}
	return r.file(h, k, name)
}

func (r *reader) file(h *tar.Header, k Kind, name string) error {
	if k == Known {
		if r.known[name] || len(r.known) >= maxKnown {
			return damaged("it has the file of the %s twice, or too many files", r.called(h))
		}
		r.known[name] = true
	}
	content, err := r.content(h, k.maxSize())
	if err != nil {
		return err
	}
	if k == Pictures && PictureName.FindStringSubmatch(name)[2] != sumOf(content) {
		return damaged("the name of the %s is not that of its content", r.called(h))
	}
	r.files.of(k).add(len(content))
	if r.visitor.File != nil {
		return r.visitor.File(k, name, h.ModTime, content)
	}
	return nil
}

// rows reads a chunk of a table. The chunks of a table follow each other.
func (r *reader) rows(h *tar.Header, table, number string) error {
	n, err := strconv.Atoi(number)
	if err != nil {
		return damaged("%.100q is no number of a part of a table", number)
	}
	data, err := r.content(h, maxChunk)
	if err != nil {
		return err
	}
	first, rest, _ := bytes.Cut(data, []byte("\n"))
	var columns []string
	if err := json.Unmarshal(first, &columns); err != nil || len(columns) == 0 {
		return damaged("the member %s does not begin with its columns", h.Name)
	}
	for _, c := range columns {
		if !identifier.MatchString(c) {
			return damaged("%.100q is no name of a column", c)
		}
	}
	if err := r.inOrder(table, columns, n); err != nil {
		return err
	}
	rows, err := r.decode(h.Name, rest, len(columns))
	if err != nil {
		return err
	}
	if r.visitor.Rows != nil {
		return r.visitor.Rows(table, columns, rows)
	}
	return nil
}

func (r *reader) inOrder(table string, columns []string, chunk int) error {
	if len(r.found) > 0 && r.found[len(r.found)-1].Name == table {
		if r.chunks++; chunk != r.chunks || !slices.Equal(columns, r.found[len(r.found)-1].Columns) {
			return damaged("the parts of the table %s are not in order", table)
		}
		return nil
	}
	if r.tables[table] || chunk != 1 {
		return damaged("the parts of the table %s are not in order", table)
	}
	r.endTable()
	r.tables[table], r.chunks, r.table = true, 1, NewDigest(columns)
	r.found = append(r.found, Table{Name: table, Columns: columns})
	return nil
}

func (r *reader) decode(name string, lines []byte, columns int) (rows [][]any, err error) {
	for len(lines) > 0 {
		line, rest, whole := bytes.Cut(lines, []byte("\n"))
		if !whole {
			return nil, damaged("the member %s does not end with a whole row", name)
		}
		row, err := decodeRow(line, columns)
		if err != nil {
			return nil, damaged("the member %s has a row that cannot be read: %v", name, err)
		}
		r.table.addLine(lines[:len(line)+1])
		rows, lines = append(rows, row), rest
	}
	return rows, nil
}

func (r *reader) endTable() {
	if r.table == nil {
		return
	}
	t := &r.found[len(r.found)-1]
	t.Rows, t.Digest = r.table.Rows(), r.table.String()
	r.table = nil
}

func (r *reader) readEnd(h *tar.Header) error {
	r.endTable()
	data, err := r.content(h, maxText)
	if err != nil {
		return err
	}
	if err := decodeText(data, endName, &r.end); err != nil {
		return err
	}
	switch _, err := r.tar.Next(); {
	case err == nil:
		return damaged("something follows its end")
	case !errors.Is(err, io.EOF):
		return damaged("%v", err)
	}
	return r.compare()
}

// compare compares what was read with what the end says.
func (r *reader) compare() error {
	want := r.end.Files
	want.Missing = 0
	if r.files != want || r.members.String() != r.end.Digest {
		return damaged("members are missing, or are others than were written")
	}
	if r.end.Schema != r.head.Schema {
		return damaged("%s and %s name different schemas", headName, endName)
	}
	found := map[string]Table{}
	for _, t := range r.found {
		found[t.Name] = t
	}
	for i, t := range r.end.Tables {
		f, ok := found[t.Name]
		if !ok { // without rows it has no member
			f = Table{Name: t.Name, Columns: t.Columns, Digest: NewDigest(t.Columns).String()}
		}
		delete(found, t.Name)
		if f.NextID = t.NextID; f.Rows != t.Rows || f.Digest != t.Digest || !slices.Equal(f.Columns, t.Columns) || t.NextID < 0 {
			return damaged("the rows of the table %.64q are not those that were written", t.Name)
		}
		if slices.ContainsFunc(r.end.Tables[:i], func(o Table) bool { return o.Name == t.Name }) {
			return damaged("it has the table %.64q twice", t.Name)
		}
	}
	if len(found) > 0 {
		return damaged("it has tables that its end does not name")
	}
	return nil
}
