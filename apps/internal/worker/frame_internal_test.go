package worker

import (
	"bytes"
	"errors"
	"io"
	"net"
	"reflect"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// A frame that was read is written again byte for byte, and no length makes the
// reader allocate more than its limit.
func FuzzFrame(f *testing.F) {
	f.Add([]byte{}, true)
	f.Add([]byte{0, 0, 0, 1, byte(kindReply), 0, 0, 0, 1, 0xa0}, true)
	f.Add([]byte{0, 0, 0, 2, byte(kindLook), 0, 0, 0, 1, 0, 1}, false)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, byte(kindReply), 0, 0, 0, 1}, true)
	f.Fuzz(func(t *testing.T, data []byte, parent bool) {
		limits := childLimits
		if parent {
			limits = parentLimits
		}
		bounded := func(k kind) (int, bool) {
			n, ok := limits(k)
			return min(n, 1<<16), ok // so that the fuzzer stays quick
		}
		fr, err := readFrame(bytes.NewReader(data), bounded)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := writeFrame(&out, fr.kind, fr.seq, fr.payload); err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(data, out.Bytes()) {
			t.Errorf("read %x, wrote %x", data, out.Bytes())
		}
	})
}

// Whatever a child answers, the parent has a checked reply or an error.
func FuzzReply(f *testing.F) {
	for _, r := range []reply{
		{}, {Seen: &engine.Seen{Width: 3, Faces: make([]engine.Face, 2)}},
		{Descriptors: make([]faces.Descriptor, 1)}, {Failure: failureOf(faces.Fault(faces.NotFound, "gone").WithCause(io.EOF))},
	} {
		data, err := encode(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte{0x9a, 0xff, 0xff, 0xff, 0xff})
	d, err := newDecoder()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r reply
		if d.decode(data, &r) != nil || r.check() != nil {
			return
		}
		if r.Failure != nil {
			if err := r.Failure.err(); err == nil || len(err.Error()) > 2*maxText+10 {
				t.Errorf("a failure without a bounded error: %v", err)
			}
		}
		again, err := encode(r)
		if err != nil {
			t.Fatal(err)
		}
		var r2 reply
		if err := d.decode(again, &r2); err != nil {
			t.Fatal(err)
		}
		third, err := encode(r2)
		if err != nil || !bytes.Equal(again, third) {
			t.Errorf("%x became %x: %v", again, third, err)
		}
	})
}

// An answer that the parent does not accept never reaches its caller.
func FuzzExchange(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, byte(kindReply), 0, 0, 0, 0, 0xa0})
	f.Add([]byte{0, 0, 0, 0, byte(kindHello), 0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, byte(kindReply), 0, 0, 0, 0})
	d, err := newDecoder()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, theirs := net.Pipe()
		go func() {
			_, _ = io.CopyN(io.Discard, theirs, headerSize)
			_, _ = theirs.Write(data)
			theirs.Close()
		}()
		c := &child{conn: ours, decoder: d}
		a := c.exchange(request{kind: kindLook}, make(chan struct{}))
		ours.Close()
		if a.err == nil && a.reply.check() != nil {
			t.Errorf("a reply that was not checked: %+v", a.reply)
		}
	})
}

func TestFrameEndsEarly(t *testing.T) {
	t.Parallel()
	whole := []byte{0, 0, 0, 2, byte(kindReply), 0, 0, 0, 1, 1, 2}
	for n := range whole {
		_, err := readFrame(bytes.NewReader(whole[:n]), parentLimits)
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if !errors.Is(err, want) {
			t.Errorf("%d bytes: %v, want %v", n, err, want)
		}
	}
}

// What it costs to put an answer of ten faces into bytes and back.
func BenchmarkReply(b *testing.B) {
	d, err := newDecoder()
	if err != nil {
		b.Fatal(err)
	}
	r := reply{Seen: &engine.Seen{Faces: make([]engine.Face, 10)}}
	for i := range r.Seen.Faces {
		r.Seen.Faces[i].Descriptor = longDescriptor()
	}
	var size int
	for b.Loop() {
		data, err := encode(r)
		if err != nil {
			b.Fatal(err)
		}
		var got reply
		if err := errors.Join(d.decode(data, &got), got.check()); err != nil {
			b.Fatal(err)
		}
		size = len(data)
	}
	b.ReportMetric(float64(size), "bytes")
}

func longDescriptor() faces.Descriptor {
	var d faces.Descriptor
	if v := reflect.ValueOf(&d).Elem(); v.Kind() == reflect.Slice {
		v.Set(reflect.MakeSlice(v.Type(), 320, 320))
	}
	for i := range d {
		d[i] = float32(i) / 3
	}
	return d
}
