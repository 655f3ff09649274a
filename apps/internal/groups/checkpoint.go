package groups

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"slices"
)

// magic begins a checkpoint. Its last character is the version of the format.
const magic = "rollcall groups 1\n"

// ErrDamaged is the error of a checkpoint that cannot be used. Start from an empty
// Grouping then.
var ErrDamaged = errors.New("the checkpoint is damaged or of another release")

// WriteTo writes a checkpoint: all faces and groups, and what Settle has not
// reported yet. It takes about 10 bytes a face.
func (g *Grouping) WriteTo(w io.Writer) (int64, error) {
	out := &encoder{w: bufio.NewWriter(w), sum: crc32.NewIEEE()}
	out.write([]byte(magic))
	out.float(g.rule.Distance)
	out.number(uint64(g.rule.Min))
	out.float(g.rule.Width)
	order := slices.Collect(maps.Values(g.slots)) // slots in the order of their ids
	slices.SortFunc(order, func(a, b uint32) int { return cmp.Compare(g.faces[a].ID, g.faces[b].ID) })
	place := make([]uint32, len(g.faces)) // of each slot in order
	for i, slot := range order {
		place[slot] = uint32(i)
	}
	g.writeFaces(out, order)
	for _, slot := range order {
		for _, e := range g.forest.near[slot] {
			out.number(uint64(place[e.to]))
			out.float(e.distance)
		}
	}
	var loose []uint32
	for _, slot := range g.forest.loose {
		if g.forest.group[slot] == 0 && g.faces[slot].ID != 0 && g.placed[slot] != 0 {
			loose = append(loose, place[slot])
		}
	}
	out.number(uint64(len(loose)))
	for _, at := range loose {
		out.number(uint64(at))
	}
	g.writeApart(out)
	if out.err == nil {
		out.err = binary.Write(out.w, binary.LittleEndian, out.sum.Sum32())
		out.n += 4
	}
	if err := errors.Join(out.err, out.w.Flush()); err != nil {
		return out.n, fmt.Errorf("write a checkpoint of %d faces: %w", len(order), err)
	}
	return out.n, nil
}

// writeFaces writes each face with its count and groups. Groups are numbered as
// they come: the first face of a group also says whether it is dirty.
func (g *Grouping) writeFaces(out *encoder, order []uint32) {
	numbers := map[uint32]uint64{}
	out.number(uint64(len(order)))
	var last Face
	for _, slot := range order {
		f, group := g.faces[slot], g.forest.group[slot]
		out.signed(f.ID - last.ID)
		out.signed(f.Picture - last.Picture)
		last = f
		out.number(uint64(g.forest.count[slot]))
		if group == 0 {
			out.number(0)
		} else if n, ok := numbers[group]; ok {
			out.number(n)
		} else {
			numbers[group] = uint64(len(numbers) + 1)
			out.number(numbers[group])
			out.flag(g.forest.dirty[group])
		}
		if g.placed[slot] == 0 {
			out.number(0)
		} else {
			out.number(uint64(f.ID-g.placed[slot]) + 1) // a group's key is not above those of its faces
		}
	}
}

func (g *Grouping) writeApart(out *encoder) {
	pairs := g.Apart()
	out.number(uint64(len(pairs)))
	for _, p := range pairs {
		out.signed(p[0])
		out.signed(p[1])
	}
}

// Apart returns the pairs of faces that SetApart has recorded.
func (g *Grouping) Apart() [][2]int64 {
	var pairs [][2]int64
	for _, a := range slices.Sorted(maps.Keys(g.apart)) {
		for _, b := range g.apart[a] {
			if a < b {
				pairs = append(pairs, [2]int64{a, b})
			}
		}
	}
	return pairs
}

// Read reads a checkpoint. It must have been written with the same rule. Then
// Sync continues from it. The error of a checkpoint that cannot be used is
// ErrDamaged.
func Read(r io.Reader, rule Rule) (*Grouping, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read a checkpoint: %w", err)
	}
	end := len(data) - 4
	if end < len(magic) || !bytes.HasPrefix(data, []byte(magic)) || crc32.ChecksumIEEE(data[:end]) != binary.LittleEndian.Uint32(data[end:]) {
		return nil, fmt.Errorf("read a checkpoint of %d bytes: %w", len(data), ErrDamaged)
	}
	in := &decoder{data: data[len(magic):end]}
	written := Rule{Distance: in.float(), Min: int(in.number(maxMin)), Width: in.float()}
	if written != rule {
		return nil, fmt.Errorf("read a checkpoint: it was written with the rule %+v, not %+v: %w", written, rule, ErrDamaged)
	}
	g, err := New(rule)
	if err != nil {
		return nil, err
	}
	g.read(in)
	if in.bad || len(in.data) > 0 {
		return nil, fmt.Errorf("read a checkpoint of %d bytes: %w", len(data), ErrDamaged)
	}
	return g, nil
}

func (g *Grouping) read(in *decoder) {
	f := g.forest
	n := in.number(uint64(len(in.data))) // a face takes several bytes
	var last Face
	for slot := uint32(0); slot < uint32(n) && !in.bad; slot++ {
		last.ID += in.signed()
		last.Picture += in.signed()
		g.slots[last.ID] = g.slot(last)
		f.count[slot] = uint32(in.number(n))
		group := uint32(in.number(uint64(f.made) + 1))
		if group > f.made {
			f.newRing()
			dirty := in.flag()
			f.move(slot, group)
			if !dirty {
				delete(f.dirty, group)
			}
		} else if group != 0 {
			dirty := f.dirty[group]
			f.move(slot, group)
			if !dirty {
				delete(f.dirty, group)
			}
		}
		if back := in.number(math.MaxInt64); back != 0 {
			g.placed[slot] = last.ID - int64(back-1)
		}
	}
	for slot := uint32(0); slot < uint32(n) && !in.bad; slot++ {
		for k := uint32(1); !f.core(slot) && k < f.count[slot]; k++ {
			f.near[slot] = append(f.near[slot], edge{uint32(in.number(n - 1)), in.float()})
		}
	}
	for range in.number(n) {
		f.loose = append(f.loose, uint32(in.number(n-1)))
	}
	for range in.number(uint64(len(in.data))) {
		g.SetApart(in.signed(), in.signed(), true)
	}
}

// encoder writes numbers of variable length.
type encoder struct {
	w   *bufio.Writer
	sum interface {
		io.Writer
		Sum32() uint32
	}
	n   int64
	err error
	buf []byte
}

func (e *encoder) write(b []byte) {
	if e.err == nil {
		_, e.err = e.w.Write(b)
		_, _ = e.sum.Write(b) // it cannot fail
		e.n += int64(len(b))
	}
}

func (e *encoder) number(v uint64) {
	e.buf = binary.AppendUvarint(e.buf[:0], v)
	e.write(e.buf)
}

func (e *encoder) signed(v int64) {
	e.buf = binary.AppendVarint(e.buf[:0], v)
	e.write(e.buf)
}

func (e *encoder) float(v float64) {
	e.buf = binary.LittleEndian.AppendUint64(e.buf[:0], math.Float64bits(v))
	e.write(e.buf)
}

func (e *encoder) flag(v bool) {
	if v {
		e.number(1)
	} else {
		e.number(0)
	}
}

// decoder reads what an encoder wrote. After bad it returns zeros.
type decoder struct {
	data []byte
	bad  bool
}

// number returns a number that is at most limit.
func (d *decoder) number(limit uint64) uint64 {
	v, n := binary.Uvarint(d.data)
	if n <= 0 || v > limit {
		d.bad, d.data = true, nil
		return 0
	}
	d.data = d.data[n:]
	return v
}

func (d *decoder) signed() int64 {
	v, n := binary.Varint(d.data)
	if n <= 0 {
		d.bad, d.data = true, nil
		return 0
	}
	d.data = d.data[n:]
	return v
}

func (d *decoder) float() float64 {
	if len(d.data) < 8 {
		d.bad, d.data = true, nil
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(d.data))
	d.data = d.data[8:]
	return v
}

func (d *decoder) flag() bool { return d.number(1) == 1 }
