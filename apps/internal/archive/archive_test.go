package archive_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/archive"
)

var moment = time.Date(2026, 11, 30, 1, 2, 3, 456_789_000, time.UTC)

// rows are values of every kind.
var rows = [][]any{
	{int64(1), "Zoë \" \\ \x00 \u2028", 0.1, []byte{0, 1, 255}, nil},
	{int64(math.MaxInt64), "not UTF-8: \xff\xfe", 1e300, []byte{}, ""},
	{int64(math.MinInt64), "", 3.0, []byte("x"), "2026-11-30 01:02:03.456789"},
}

var columns = []string{"id", "name", "distance", "descriptor", "at"}

// build writes an archive with everything in it.
func build(t *testing.T, to ...age.Recipient) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := archive.NewWriter(&out, archive.Head{Program: "v1", Database: "sqlite", Schema: 3, BeganAt: moment}, to)
	must(t, err)
	must(t, w.File(archive.Known, "Ada/1.jpg", moment, []byte("ada")))
	must(t, w.File(archive.Pictures, picture("one"), moment, []byte("one")))
	must(t, w.File(archive.Ledger, "abcdefghijklmnopqrstuvwxyz.json", moment, []byte("{}")))
	must(t, w.BeginTable("empty", []string{"id"}, 0))
	must(t, w.BeginTable("person", columns, 8))
	for _, r := range rows {
		must(t, w.Row(r))
	}
	_, err = w.Close(3, moment, 1)
	must(t, err)
	return out.Bytes()
}

// picture is the name of an uploaded picture.
func picture(content string) string {
	sum := sha256.Sum256([]byte(content))
	hash := hex.EncodeToString(sum[:])
	return "uploads/" + hash[:2] + "/" + hash + ".jpeg"
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	id, err := age.GenerateX25519Identity()
	must(t, err)
	for name, c := range map[string]struct {
		data []byte
		as   []age.Identity
	}{
		"plain":     {data: build(t)},
		"encrypted": {data: build(t, id.Recipient()), as: []age.Identity{id}},
	} {
		var files []string
		var got [][]any
		head, end, err := archive.Read(bytes.NewReader(c.data), c.as, archive.Visitor{
			File: func(k archive.Kind, name string, at time.Time, content []byte) error {
				if !at.Equal(moment) {
					t.Errorf("%s is of %s", name, at)
				}
				files = append(files, fmt.Sprintf("%s %s %s", k, name, content))
				return nil
			},
			Rows: func(table string, have []string, some [][]any) error {
				if diff := cmp.Diff(columns, have); table != "person" || diff != "" {
					t.Errorf("table %s:\n%s", table, diff)
				}
				got = append(got, some...)
				return nil
			},
		})
		must(t, err)
		if diff := cmp.Diff(rows, got); diff != "" {
			t.Errorf("%s: rows (-want +got):\n%s", name, diff)
		}
		want := []string{"known Ada/1.jpg ada", "pictures " + picture("one") + " one", "ledger abcdefghijklmnopqrstuvwxyz.json {}"}
		if diff := cmp.Diff(want, files); diff != "" {
			t.Errorf("%s: files (-want +got):\n%s", name, diff)
		}
		d := archive.NewDigest(columns)
		for _, r := range rows {
			must(t, d.Add(r))
		}
		if head.Schema != 3 || !end.TakenAt.Equal(moment) || end.Files.Missing != 1 || end.Tables[1].Digest != d.String() || end.Tables[1].NextID != 8 || end.Tables[0].Rows != 0 {
			t.Errorf("%s: %+v, %+v", name, head, end)
		}
	}
}

// Large tables are in parts, and few rows are in memory at a time.
func TestParts(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w, err := archive.NewWriter(&out, archive.Head{Schema: 1}, nil)
	must(t, err)
	must(t, w.BeginTable("faces", []string{"id", "descriptor"}, 0))
	const n = 40
	for i := range n {
		must(t, w.Row([]any{int64(i), bytes.Repeat([]byte{byte(i)}, 256<<10)}))
	}
	_, err = w.Close(1, moment, 0)
	must(t, err)
	parts, total := 0, 0
	_, _, err = archive.Read(&out, nil, archive.Visitor{Rows: func(_ string, _ []string, some [][]any) error {
		parts++
		total += len(some)
		return nil
	}})
	must(t, err)
	if total != n || parts < 3 {
		t.Errorf("%d rows in %d parts", total, parts)
	}
}

func TestEncrypted(t *testing.T) {
	t.Parallel()
	id, err := age.GenerateX25519Identity()
	must(t, err)
	other, err := age.GenerateX25519Identity()
	must(t, err)
	data := build(t, id.Recipient())
	if bytes.Contains(data, []byte("Ada")) {
		t.Error("a name can be read")
	}
	for name, c := range map[string]struct {
		as   []age.Identity
		want string
	}{
		"no identity": {nil, "-identity-file"},
		"another key": {[]age.Identity{other}, "encrypted with another key"},
	} {
		if _, _, err := archive.Read(bytes.NewReader(data), c.as, archive.Visitor{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Wherever an archive is cut or changed, somebody notices.
func TestDamage(t *testing.T) {
	t.Parallel()
	id, err := age.GenerateX25519Identity()
	must(t, err)
	for name, c := range map[string]struct {
		data []byte
		as   []age.Identity
		step int // decrypting takes its time
	}{
		"plain":     {data: build(t), step: 1},
		"encrypted": {data: build(t, id.Recipient()), as: []age.Identity{id}, step: 13},
	} {
		_, want, err := archive.Read(bytes.NewReader(c.data), c.as, archive.Visitor{})
		must(t, err)
		for i := 0; i < len(c.data); i += c.step {
			if _, _, err := archive.Read(bytes.NewReader(c.data[:i]), c.as, archive.Visitor{}); err == nil {
				t.Errorf("%s: cut after %d of %d bytes, and taken", name, i, len(c.data))
			}
			changed := bytes.Clone(c.data)
			changed[i] ^= 1 << (i % 8)
			_, got, err := archive.Read(bytes.NewReader(changed), c.as, archive.Visitor{})
			if err == nil && !cmp.Equal(want, got) {
				t.Errorf("%s: byte %d is changed, and the archive is taken as another one", name, i)
			}
		}
		if _, _, err := archive.Read(bytes.NewReader(append(bytes.Clone(c.data), 0)), c.as, archive.Visitor{}); !errors.Is(err, archive.ErrDamaged) {
			t.Errorf("%s: with a byte more: %v", name, err)
		}
	}
}

// member is one of a hostile archive.
type member struct {
	name, content string
	kind          byte
	link          string
	size          int64  // that it says; 0 is that of the content
	sum           string // that it says; "" is the right one
}

// hostile packs members.
func hostile(t *testing.T, members ...member) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, m := range members {
		sum := sha256.Sum256([]byte(m.content))
		h := &tar.Header{Typeflag: tar.TypeReg, Name: m.name, Linkname: m.link, Size: int64(len(m.content)), Format: tar.FormatPAX,
			PAXRecords: map[string]string{"ROLLCALL.sha256": hex.EncodeToString(sum[:])}}
		if m.kind != 0 {
			h.Typeflag = m.kind
		}
		if m.size != 0 {
			h.Size = m.size
		}
		if m.sum != "" {
			h.PAXRecords["ROLLCALL.sha256"] = m.sum
		}
		must(t, w.WriteHeader(h))
		_, err := io.WriteString(w, m.content)
		must(t, err)
	}
	if err := w.Close(); err != nil && members[len(members)-1].size == 0 {
		t.Fatal(err)
	}
	must(t, z.Close())
	return out.Bytes()
}

// A hostile archive is refused, and nothing of it is told to whoever reads.
func TestHostile(t *testing.T) {
	t.Parallel()
	head := member{name: "head.json", content: `{"format":1,"schema":1,"database":"sqlite"}`}
	for name, c := range map[string]struct {
		want    string
		members []member
	}{
		"no backup":             {"it is no backup of Rollcall", []member{{name: "README", content: "x"}}},
		"a newer format":        {"newer program", []member{{name: "head.json", content: `{"format":2,"schema":1,"program":"v9"}`}}},
		"no schema":             {"not complete", []member{{name: "head.json", content: `{"format":1}`}}},
		"no JSON":               {"cannot be read", []member{{name: "head.json", content: `{`}}},
		"out of the folder":     {"does not belong there", []member{head, {name: "known/../../etc/passwd", content: "x"}}},
		"absolute":              {"does not belong there", []member{head, {name: "/etc/passwd", content: "x"}}},
		"absolute below":        {"does not belong there", []member{head, {name: "known//etc/passwd", content: "x"}}},
		"backslashes":           {"does not belong there", []member{head, {name: `known/..\..\x`, content: "x"}}},
		"hidden":                {"does not belong there", []member{head, {name: "known/.rollcall-erased/x.json", content: "x"}}},
		"ledger elsewhere":      {"does not belong there", []member{head, {name: "ledger/../x.json", content: "x"}}},
		"picture elsewhere":     {"does not belong there", []member{head, {name: "pictures/uploads/../x.jpg", content: "x"}}},
		"picture of another":    {"not that of its content", []member{head, {name: "pictures/" + picture("one"), content: "two"}}},
		"unknown member":        {"does not belong there", []member{head, {name: "bin/sh", content: "x"}}},
		"link":                  {"is no file", []member{head, {name: "known/a.jpg", kind: tar.TypeSymlink, link: "/etc/passwd"}}},
		"hard link":             {"is no file", []member{head, {name: "known/a.jpg", kind: tar.TypeLink, link: "known/b.jpg"}}},
		"folder":                {"is no file", []member{head, {name: "known/a/", kind: tar.TypeDir}}},
		"device":                {"is no file", []member{head, {name: "known/a", kind: tar.TypeBlock}}},
		"huge":                  {"more than", []member{head, {name: "known/a.jpg", content: "x", size: 1 << 50}}},
		"huge ledger":           {"more than", []member{head, {name: "ledger/abcdefghijklmnopqrstuvwxyz.json", content: "x", size: 1 << 30}}},
		"twice":                 {"twice", []member{head, {name: "known/a.jpg", content: "x"}, {name: "known/a.jpg", content: "y"}}},
		"another content":       {"not as it was written", []member{head, {name: "known/a.jpg", content: "x", sum: strings.Repeat("0", 64)}}},
		"without an end":        {"its end is missing", []member{head, {name: "known/a.jpg", content: "x"}}},
		"another end":           {"others than were written", []member{head, {name: "known/a.jpg", content: "x"}, {name: "end.json", content: `{"schema":1}`}}},
		"after the end":         {"something follows", []member{head, {name: "end.json", content: `{}`}, {name: "known/a.jpg", content: "x"}}},
		"statement as a column": {"no name of a column", []member{head, {name: "tables/person/000001.jsonl", content: "[\"id) VALUES (1); --\"]\n[1]\n"}}},
		"statement as a table":  {"does not belong there", []member{head, {name: "tables/person;--/000001.jsonl", content: "[\"id\"]\n[1]\n"}}},
		"fewer values":          {"cannot be read", []member{head, {name: "tables/person/000001.jsonl", content: "[\"id\"]\n[1,2]\n"}}},
		"half a row":            {"whole row", []member{head, {name: "tables/person/000001.jsonl", content: "[\"id\"]\n[1]"}}},
		"a value of no kind":    {"cannot be read", []member{head, {name: "tables/person/000001.jsonl", content: "[\"id\"]\n[{\"x\":1}]\n"}}},
		"second part first":     {"not in order", []member{head, {name: "tables/person/000002.jsonl", content: "[\"id\"]\n[1]\n"}}},
	} {
		_, _, err := archive.Read(bytes.NewReader(hostile(t, c.members...)), nil, archive.Visitor{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", name, err, c.want)
		}
	}
	if _, _, err := archive.Read(strings.NewReader("no archive"), nil, archive.Visitor{}); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("no archive: %v", err)
	}
}

// Errors are logged, and the names of known pictures are often those of people.
func TestDamageNamesNobody(t *testing.T) {
	t.Parallel()
	head := member{name: "head.json", content: `{"format":1,"schema":1,"database":"sqlite"}`}
	for what, m := range map[string]member{
		"changed":       {name: "known/Grace/1.jpg", content: "x", sum: strings.Repeat("0", 64)},
		"huge":          {name: "known/Grace/1.jpg", content: "x", size: 1 << 50},
		"cut":           {name: "known/Grace/1.jpg", content: "x", size: 1 << 20},
		"link":          {name: "known/Grace/1.jpg", kind: tar.TypeSymlink, link: "/Grace"},
		"name":          {name: "known/Grace/.hidden", content: "x"},
		"name of a row": {name: "tables/Grace", content: "x"},
		"kind":          {name: "Grace/1.jpg", content: "x"},
		"ledger":        {name: "ledger/Grace.json", content: "x"},
		"picture":       {name: "pictures/Grace.jpg", content: "x"},
	} {
		_, _, err := archive.Read(bytes.NewReader(hostile(t, head, m)), nil, archive.Visitor{})
		if !errors.Is(err, archive.ErrDamaged) || strings.Contains(err.Error(), "Grace") || !strings.Contains(err.Error(), "member 2") {
			t.Errorf("%s: %v; want the number of the member, and no name", what, err)
		}
	}
	twice := member{name: "known/Grace/1.jpg", content: "x"}
	_, _, err := archive.Read(bytes.NewReader(hostile(t, head, twice, twice)), nil, archive.Visitor{})
	if err == nil || strings.Contains(err.Error(), "Grace") || !strings.Contains(err.Error(), "member 3 (known)") {
		t.Errorf("twice: %v", err)
	}
}

// A restore runs with little memory, so a file is in it once. Other tests must not run
// meanwhile.
func TestMemory(t *testing.T) {
	const size = 24 << 20
	var out bytes.Buffer
	w, err := archive.NewWriter(&out, archive.Head{Schema: 1}, nil)
	must(t, err)
	must(t, w.File(archive.Known, "a.jpg", moment, make([]byte, size)))
	_, err = w.Close(1, moment, 0)
	must(t, err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err = archive.Read(&out, nil, archive.Visitor{})
	must(t, err)
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > size*5/4 {
		t.Errorf("%d bytes were allocated for a file of %d", got, size)
	}
}

func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	w, err := archive.NewWriter(io.Discard, archive.Head{Schema: 1}, nil)
	must(t, err)
	for _, name := range []string{"", ".", "../a", "/a", "a/../b", "a//b", ".hidden", "a/.hidden", "a\x00b", "a\\b", strings.Repeat("x", 300), "bad\xff"} {
		if err := w.File(archive.Known, name, moment, nil); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
	must(t, w.BeginTable("person", []string{"id"}, 0))
	for _, v := range []any{math.NaN(), math.Inf(1), time.Now(), true} {
		if err := w.Row([]any{v}); err == nil {
			t.Errorf("%v was taken", v)
		}
	}
}
