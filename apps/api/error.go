package api

import (
	"fmt"
	"net/http"
	"time"
)

// Error is an answer that is an error. Clients get it from package client:
//
//	var problem *api.Error
//	if errors.As(err, &problem) && problem.Code == api.CodeNotFound { … }
type Error struct {
	Code    ErrorCode // empty if the answer was not Rollcall's, such as a proxy's
	Message string    // what is wrong and what to do about it, for people
	// Refusals has each reason of CodePictureRefused.
	Refusals []Refusal

	RetryAfter time.Duration // how long to wait before trying again; 0 if the server did not say

	// The fields below are set in clients only.

	Status    int    // the HTTP status
	RequestID string // finds the request in the receiver's log
}

// Errorf returns an Error with a code and a message.
func Errorf(code ErrorCode, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error returns the message, with the HTTP status if there is one.
func (e *Error) Error() string {
	if e.Status == 0 {
		return e.Message
	}
	return fmt.Sprintf("%d %s: %s", e.Status, http.StatusText(e.Status), e.Message)
}
