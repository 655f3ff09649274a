package worker

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fxamacker/cbor/v2" // bounded decoding of untrusted bytes; follows the Go types by field name

	"github.com/rollcall-faces/rollcall/apps/internal/engine"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const (
	// maxList bounds every list in a message: faces, numbers of a vector.
	maxList = 4096
	// maxText bounds every text in a message, in bytes.
	maxText = 16 << 10
)

// hello is the child's answer to the greeting.
type hello struct {
	Version int
	Problem string // why the child cannot work, in words; empty where it is ready
}

// reply is the child's answer to a request: a Failure, or Rendered, or else
// Vectors, and for kindLook and kindDescribe Seen too.
type reply struct {
	Seen *engine.Seen // its faces have no descriptors
	// Vectors are the descriptors of the faces seen or reexamined, as
	// faces.Descriptor.Bytes makes them: a tenth of the time that lists of
	// numbers take. One of no bytes is no descriptor.
	Vectors [][]byte
	// Rendered answers kindRender, without its file.
	Rendered *faces.Rendered
	Failure  *failure
}

// seenReply puts an answer of Engine.Look into a reply.
func seenReply(seen engine.Seen) reply {
	list := make([]faces.Descriptor, len(seen.Faces))
	seen.Faces = slices.Clone(seen.Faces)
	for i := range seen.Faces {
		list[i], seen.Faces[i].Descriptor = seen.Faces[i].Descriptor, nil
	}
	seen.Warning = cut(seen.Warning)
	return reply{Seen: &seen, Vectors: vectorsOf(list)}
}

func vectorsOf(list []faces.Descriptor) [][]byte {
	vectors := make([][]byte, len(list))
	for i, d := range list {
		vectors[i] = d.Bytes()
	}
	return vectors
}

// seen returns the answer of Engine.Look, checked.
func (r *reply) seen() (engine.Seen, error) {
	s := r.Seen
	switch {
	case r.Failure != nil || r.Rendered != nil || s == nil || len(r.Vectors) != len(s.Faces):
		return engine.Seen{}, fmt.Errorf("%w: the reply to another question", errFrame)
	case s.Width < 0 || s.Height < 0 || s.Omitted < 0 || len(s.Warning) > maxText:
		return engine.Seen{}, fmt.Errorf("%w: impossible sizes", errFrame)
	}
	list, err := r.vectors()
	if err != nil {
		return engine.Seen{}, err
	}
	for i, d := range list {
		s.Faces[i].Descriptor = d
	}
	return *s, nil
}

// reexamined returns the answer of Engine.Reexamine about n faces, checked.
func (r *reply) reexamined(n int) ([]faces.Descriptor, error) {
	if r.Failure != nil || r.Rendered != nil || r.Seen != nil || len(r.Vectors) != n {
		return nil, fmt.Errorf("%w: the reply to another question", errFrame)
	}
	return r.vectors()
}

// rendered returns the answer of Renderer.Render, checked. A browser gets these
// bytes, so they must at least begin as a JPEG does.
func (r *reply) rendered() (faces.Rendered, error) {
	p := r.Rendered
	switch {
	case r.Failure != nil || r.Seen != nil || len(r.Vectors) != 0 || p == nil:
		return faces.Rendered{}, fmt.Errorf("%w: the reply to another question", errFrame)
	case p.Width < 1 || p.Height < 1 || p.Width > faces.MaxRendering || p.Height > faces.MaxRendering || len(p.JPEG) > faces.MaxRenderingFile:
		return faces.Rendered{}, fmt.Errorf("%w: impossible sizes", errFrame)
	case !bytes.HasPrefix(p.JPEG, []byte("\xff\xd8\xff")):
		return faces.Rendered{}, fmt.Errorf("%w: the picture is no JPEG", errFrame)
	}
	return faces.Rendered{JPEG: p.JPEG, Width: p.Width, Height: p.Height}, nil
}

// vectors decodes the descriptors. It refuses numbers that have no distance to
// others.
func (r *reply) vectors() ([]faces.Descriptor, error) {
	list := make([]faces.Descriptor, len(r.Vectors))
	for i, v := range r.Vectors {
		if len(v) == 0 {
			continue
		}
		d, err := faces.DescriptorFromBytes(v)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errFrame, err)
		}
		for _, x := range d {
			if x-x != 0 { // infinite, or not a number
				return nil, fmt.Errorf("%w: a descriptor with the number %v", errFrame, x)
			}
		}
		list[i] = d
	}
	return list, nil
}

// failure is an error on its way to the parent.
type failure struct {
	Code      string // of a faces.Error; empty for other errors
	Message   string
	Cause     string // of a faces.Error, for the log
	Panic     bool   // the engine panicked; Cause holds the stack
	Cancelled bool   // the parent cancelled the request
}

// failureOf puts an error into words that fit into a message.
func failureOf(err error) *failure {
	var e *faces.Error
	if !errors.As(err, &e) {
		return &failure{Message: cut(err.Error())}
	}
	f := &failure{Code: string(e.Code), Message: cut(e.Message)}
	if cause := errors.Unwrap(e); cause != nil {
		f.Cause = cut(cause.Error())
	}
	return f
}

// err returns the error that the child met. A code that is neither a reason
// for a failure nor a fault of the request makes an internal error: a child has
// no business to send it.
func (f *failure) err() error {
	reason := faces.Reason(f.Code)
	f.Message, f.Cause = cut(f.Message), cut(f.Cause)
	if f.Code == string(faces.CodeInvalid) {
		return faces.Errorf(faces.CodeInvalid, "%s", f.Message)
	}
	if f.Code == "" || !reason.Permanent() && !reason.Transient() {
		return errors.New(cmp.Or(f.Message, "the worker failed without saying why"))
	}
	e := faces.Fault(reason, "%s", f.Message)
	if f.Cause != "" {
		e = e.WithCause(errors.New(f.Cause))
	}
	return e
}

// cut shortens a text to what a message may hold.
func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "")
}

func encode(v any) ([]byte, error) {
	data, err := cbor.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode a message: %w", err)
	}
	return data, nil
}

// decoder decodes messages. It is safe for concurrent use.
type decoder struct{ mode cbor.DecMode }

func newDecoder() (decoder, error) {
	mode, err := cbor.DecOptions{
		DupMapKey:         cbor.DupMapKeyEnforcedAPF,
		IndefLength:       cbor.IndefLengthForbidden,
		TagsMd:            cbor.TagsForbidden,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
		MaxNestedLevels:   16,
		MaxArrayElements:  maxList,
		MaxMapPairs:       64,
	}.DecMode()
	return decoder{mode}, err
}

func (d decoder) decode(data []byte, v any) error {
	if err := d.mode.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %w", errFrame, err)
	}
	return nil
}
