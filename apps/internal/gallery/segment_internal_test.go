package gallery

// The format of segments is private, so its tests are inside the package.

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

var model = faces.Model{ID: "model", Size: 128}

var records = []record{
	{kind: kindDescriptors, content: ContentID{1}, descriptors: []faces.Descriptor{{0: 1.5, 127: -2}}},
	{kind: kindFile, content: ContentID{1}, file: knownFile{name: "Ann/1.jpg", size: 12, modified: -5}},
	{kind: kindDescriptors, content: ContentID{2}, descriptors: []faces.Descriptor{{1: 1, 127: 0}, {2: 2, 127: 0}}},
	{kind: kindProblem, content: ContentID{3}, scope: "a limit", text: "no face " + recordMark + " in it"},
}

func segmentOf(list ...record) (raw []byte) {
	for _, r := range list {
		raw = appendRecord(raw, "model", r)
	}
	return raw
}

func readAllRecords(raw []byte) (list []record, damaged int) {
	damaged = readRecords(raw, model, func(r record, _, _ int) { list = append(list, r) })
	return list, damaged
}

func TestRecordsComeBack(t *testing.T) {
	t.Parallel()
	got, damaged := readAllRecords(segmentOf(records...))
	if diff := cmp.Diff(records, got, cmp.AllowUnexported(record{}, knownFile{})); diff != "" || damaged != 0 {
		t.Errorf("%d bytes damaged; (-want +got):\n%s", damaged, diff)
	}
}

// A flipped bit damages its own record and no other.
func TestEveryBitIsGuarded(t *testing.T) {
	t.Parallel()
	raw := segmentOf(records...)
	for i := range 8 * len(raw) {
		bad := bytes.Clone(raw)
		bad[i/8] ^= 1 << (i % 8)
		if got, damaged := readAllRecords(bad); len(got) != len(records)-1 || damaged == 0 {
			t.Fatalf("bit %d: %d records, %d bytes damaged; want all but one, and some", i, len(got), damaged)
		}
	}
}

// A record with a correct checksum can still be invalid.
func TestUnsoundRecords(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("x"), maxBody)
	for name, r := range map[string]record{
		"no descriptor":    {kind: kindDescriptors},
		"many descriptors": {kind: kindDescriptors, descriptors: slices.Repeat([]faces.Descriptor{make(faces.Descriptor, 128)}, maxPerRecord+1)},
		"not a number":     {kind: kindDescriptors, descriptors: []faces.Descriptor{{3: float32(math.NaN()), 127: 0}}},
		"infinite":         {kind: kindDescriptors, descriptors: []faces.Descriptor{{3: float32(math.Inf(-1)), 127: 0}}},
		"far out":          {kind: kindDescriptors, descriptors: []faces.Descriptor{{3: 1e30, 127: 0}}},
		"no problem":       {kind: kindProblem, scope: "x"},
		"no name":          {kind: kindFile},
		"another kind":     {kind: 'X'},
		"too long":         {kind: kindProblem, text: string(long)},
		"too few numbers":  {kind: kindDescriptors, descriptors: []faces.Descriptor{{3: 1}}},
		"too many numbers": {kind: kindDescriptors, descriptors: []faces.Descriptor{{128: 1}}},
	} {
		if got, _ := readAllRecords(segmentOf(r)); len(got) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// For any file, reading terminates and yields valid records only.
func FuzzReadRecords(f *testing.F) {
	raw := segmentOf(records...)
	f.Add(raw)
	f.Add(raw[:len(raw)/2])
	f.Add([]byte(recordMark + "D\xff\xff\xff\xff"))
	f.Add(bytes.Repeat([]byte(recordMark), 100))
	f.Fuzz(func(t *testing.T, raw []byte) {
		covered := 0
		damaged := readRecords(raw, model, func(r record, at, length int) {
			covered += length
			if again := appendRecord(nil, "model", r); !bytes.Equal(again, raw[at:at+length]) {
				t.Errorf("record at %d comes back as another", at)
			}
			for _, d := range r.descriptors {
				if n := d.Distance(make(faces.Descriptor, 128)); math.IsNaN(n) || math.IsInf(n, 0) {
					t.Errorf("record at %d has no length", at)
				}
			}
		})
		if covered+damaged != len(raw) {
			t.Errorf("%d bytes in records, %d damaged, of %d", covered, damaged, len(raw))
		}
	})
}
