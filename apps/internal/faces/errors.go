package faces

import (
	"errors"
	"fmt"
)

// Code is the kind of an error, for programs. A picture's fault has the
// reason's name as its code (see CodeOf).
type Code string

// Codes that are not reasons.
const (
	CodeInvalid     Code = "invalid_request"
	CodeMissing     Code = "missing"     // there is no such row; a picture without a file has the reason NotFound
	CodeConflict    Code = "conflict"    // not possible in the current state
	CodeStale       Code = "stale"       // somebody else has changed it since the caller read it
	CodeUnavailable Code = "unavailable" // a service cannot be reached; try again later
	CodeNoRoom      Code = "no_room"     // the volume of the pictures is full, or nearly
	CodeInternal    Code = "internal"
)

// CodeOf returns the code of a reason.
func CodeOf(r Reason) Code { return Code(r) }

// Error is an error with a code and a message that can be shown to a user.
type Error struct {
	Code    Code
	Message string // for the user: no stack, no SQL, no secret
	cause   error
}

// Error returns the message, followed by the cause if there is one.
func (e *Error) Error() string {
	if e.cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Errorf returns an Error with a code and a message for the user.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Fault returns an Error whose code is a failure reason: the fault of the
// picture, or of a service.
func Fault(r Reason, format string, args ...any) *Error {
	return Errorf(CodeOf(r), format, args...)
}

// ErrStarting marks an answer that a service cannot give yet, because it has just
// started. A healthy start has such answers, so they are not logged as failures.
var ErrStarting = errors.New("the service has just started")

// ErrNotAsked marks a failure that happened before the service received the
// request, or before it looked at the picture. The picture cannot have caused it, so it does not count as an attempt.
var ErrNotAsked = errors.New("the service was not reached")

// ErrNotOffered marks a failure of a service that is of an older release and does not
// know the request. It answers all others.
var ErrNotOffered = errors.New("the service is of an older release")

// WithCause returns a copy of e that wraps cause. The cause is for logs and is
// not part of Message.
func (e *Error) WithCause(cause error) *Error {
	c := *e
	c.cause = cause
	return &c
}

// ErrorCode returns err's code, and CodeInternal for an error without one.
// It returns "" for nil.
func ErrorCode(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// ErrorMessage returns the part of err that a user may read: its Message, or
// "internal error" if it has none.
func ErrorMessage(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return "internal error"
}

// ReasonOf returns the reason of an image that failed with err: the error's code
// if that is a reason of failures, otherwise Internal.
func ReasonOf(err error) Reason {
	r := Reason(ErrorCode(err))
	if r.Permanent() || r.Transient() {
		return r
	}
	return Internal
}
