package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// kind is what a frame means.
type kind uint8

const (
	// kindGreeting is the parent's first frame: version (1 byte) and the
	// resident memory above which the child trims itself (8 bytes).
	kindGreeting kind = iota + 1
	// kindHello is the child's first frame: a hello in CBOR.
	kindHello
	// kindLook asks for Engine.Look: the purpose (1 byte), then the file.
	kindLook
	// kindReexamine asks for Engine.Reexamine: the numbers in CBOR.
	kindReexamine
	// kindCancel ends the request with its sequence number. It has no answer of
	// its own.
	kindCancel
	// kindReply answers the requests: a reply in CBOR.
	kindReply
	// kindRender asks for Renderer.Render: the length of the next part (2
	// bytes), a faces.Rendering in CBOR, then the file.
	kindRender
	// kindDescribe asks for BoxDescriber.DescribeBox: the length of the next part
	// (2 bytes), a faces.Box in CBOR, then the file.
	kindDescribe
)

const (
	// protocolVersion changes with every change of frames or messages.
	protocolVersion = 3
	// headerSize is the length of a frame's header: the payload's length (4
	// bytes), the kind (1) and the sequence number (4), big-endian.
	headerSize = 9
	// MaxFile is the largest picture file that a worker takes, in bytes.
	MaxFile = 256 << 20
	// maxRequest bounds a picture file with what is asked about it.
	maxRequest = MaxFile + 1<<10
	// maxReply bounds what a child may send at once. A hundred faces of 320
	// numbers take 200 kB, a rendered picture faces.MaxRenderingFile.
	maxReply = 4 << 20
	// maxSmall bounds frames of a few numbers.
	maxSmall = 64 << 10
)

// frame is one message.
type frame struct {
	kind    kind
	seq     uint32
	payload []byte
}

// errFrame marks a frame that breaks the protocol.
var errFrame = errors.New("malformed frame")

// parentLimits and childLimits return the largest payload of a kind that the
// parent and the child accept, and false for a kind that they do not expect.
func parentLimits(k kind) (int, bool) {
	switch k {
	case kindHello:
		return maxSmall, true
	case kindReply:
		return maxReply, true
	default:
		return 0, false
	}
}

func childLimits(k kind) (int, bool) {
	switch k {
	case kindGreeting, kindReexamine, kindCancel:
		return maxSmall, true
	case kindLook, kindRender, kindDescribe:
		return maxRequest, true
	default:
		return 0, false
	}
}

// newRoom returns memory for a payload; see readFrame.
func newRoom(_ kind, n int) []byte { return make([]byte, n) }

// readFrame reads one frame. The length is checked against limits before room
// gives memory for the payload. The error is io.EOF where the stream ends
// between frames.
func readFrame(r io.Reader, limits func(kind) (int, bool), room func(kind, int) []byte) (frame, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return frame{}, err
	}
	f := frame{kind: kind(header[4]), seq: binary.BigEndian.Uint32(header[5:])}
	limit, ok := limits(f.kind)
	if !ok {
		return frame{}, fmt.Errorf("%w: unexpected kind %d", errFrame, f.kind)
	}
	length := binary.BigEndian.Uint32(header[:4])
	if uint64(length) > uint64(limit) {
		return frame{}, fmt.Errorf("%w: kind %d with %d bytes, at most %d are allowed", errFrame, f.kind, length, limit)
	}
	f.payload = room(f.kind, int(length))
	if _, err := io.ReadFull(r, f.payload); err != nil {
		return frame{}, fmt.Errorf("read a frame of %d bytes: %w", length, noEOF(err))
	}
	return f, nil
}

// noEOF makes an end of the stream inside a frame an error that says so.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// writeFrame writes one frame whose payload is the parts together. The parts
// are not copied: on a socket they leave in one system call.
func writeFrame(w io.Writer, k kind, seq uint32, parts ...[]byte) error {
	length := 0
	for _, p := range parts {
		length += len(p)
	}
	if length > maxRequest {
		return fmt.Errorf("write a frame of %d bytes: it is too long", length)
	}
	header := binary.BigEndian.AppendUint32(make([]byte, 0, headerSize), uint32(length))
	header = append(header, byte(k))
	header = binary.BigEndian.AppendUint32(header, seq)
	buffers := append(net.Buffers{header}, parts...)
	if _, err := buffers.WriteTo(w); err != nil {
		return fmt.Errorf("write a frame of %d bytes: %w", length, err)
	}
	return nil
}
