package worker

import (
	"cmp"
	"errors"
	"fmt"
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

// reply is the child's answer to a request.
type reply struct {
	Seen        *engine.Seen // of kindLook
	Descriptors []faces.Descriptor
	Failure     *failure
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

// err returns the error that the child met. A code that is no reason for a
// failure, which a child has no business to send, makes an internal error.
func (f *failure) err() error {
	reason := faces.Reason(f.Code)
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

// check refuses what no sound engine answers.
func (r *reply) check() error {
	parts := 0
	for _, there := range []bool{r.Seen != nil, r.Descriptors != nil, r.Failure != nil} {
		if there {
			parts++
		}
	}
	if parts != 1 {
		return fmt.Errorf("%w: a reply of %d parts", errFrame, parts)
	}
	if f := r.Failure; f != nil && max(len(f.Code), len(f.Message), len(f.Cause)) > maxText {
		return fmt.Errorf("%w: a text that is too long", errFrame)
	}
	if s := r.Seen; s != nil && (s.Width < 0 || s.Height < 0 || s.Omitted < 0 || len(s.Warning) > maxText) {
		return fmt.Errorf("%w: impossible sizes", errFrame)
	}
	return r.checkVectors()
}

// checkVectors refuses numbers that have no distance to others.
func (r *reply) checkVectors() error {
	list := r.Descriptors
	if r.Seen != nil {
		for _, f := range r.Seen.Faces {
			list = append(list, f.Descriptor)
		}
	}
	for _, d := range list {
		for _, x := range d {
			if x-x != 0 { // infinite, or not a number
				return fmt.Errorf("%w: a descriptor with the number %v", errFrame, x)
			}
		}
	}
	return nil
}
