package worker

import (
	"bytes"
	"errors"
	"io"
	"net"
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
		fr, err := readFrame(bytes.NewReader(data), bounded, newRoom)
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
		{}, seenReply(engine.Seen{Width: 3, Faces: make([]engine.Face, 2)}),
		{Rendered: &faces.Rendered{JPEG: []byte("\xff\xd8\xff"), Width: 1, Height: 1}},
		{Vectors: vectorsOf([]faces.Descriptor{nil, {1, 2}})}, {Failure: failureOf(faces.Fault(faces.NotFound, "gone").WithCause(io.EOF))},
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
		if d.decode(data, &r) != nil {
			return
		}
		if r.Failure != nil {
			if err := r.Failure.err(); err == nil || len(err.Error()) > 2*maxText+10 {
				t.Errorf("a failure without a bounded error: %v", err)
			}
		}
		seen, err := r.seen()
		if err == nil && (r.Seen == nil || seen.Width < 0 || seen.Height < 0) {
			t.Errorf("an impossible answer: %+v", seen)
		}
		if err != nil && !errors.Is(err, errFrame) {
			t.Errorf("a wrong kind of error: %v", err)
		}
		list, err := r.reexamined(2)
		if err == nil && (len(list) != 2 || r.Seen != nil) {
			t.Errorf("%d descriptors in place of 2", len(list))
		}
		rendered, err := r.rendered()
		if err == nil && (rendered.Width < 1 || rendered.Height > faces.MaxRendering || !bytes.HasPrefix(rendered.JPEG, []byte("\xff\xd8\xff"))) {
			t.Errorf("an impossible picture: %+v", rendered)
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
		if a.err != nil {
			return
		}
		var r reply
		if err := d.decode(data[headerSize:headerSize+int(data[3])+int(data[2])<<8+int(data[1])<<16], &r); err != nil {
			t.Errorf("a reply that is none: %x", data)
		}
	})
}

func TestFrameEndsEarly(t *testing.T) {
	t.Parallel()
	whole := []byte{0, 0, 0, 2, byte(kindReply), 0, 0, 0, 1, 1, 2}
	for n := range whole {
		_, err := readFrame(bytes.NewReader(whole[:n]), parentLimits, newRoom)
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
	seen := engine.Seen{Faces: make([]engine.Face, 10)}
	for i := range seen.Faces {
		seen.Faces[i].Descriptor = make(faces.Descriptor, 320)
	}
	var size int
	for b.Loop() {
		data, err := encode(seenReply(seen))
		if err != nil {
			b.Fatal(err)
		}
		var got reply
		if err := d.decode(data, &got); err != nil {
			b.Fatal(err)
		}
		if _, err := got.seen(); err != nil {
			b.Fatal(err)
		}
		size = len(data)
	}
	b.ReportMetric(float64(size), "bytes")
}
