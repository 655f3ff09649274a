package compreface

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

// code is the number of an error, by which clients know it.
type code int

const (
	codeOther       code = 0
	codeNoService   code = 10 // no service has this key
	codeNoKey       code = 20
	codeNoPicture   code = 21 // not a picture, or not base64
	codeInvalid     code = 26
	codeNoFace      code = 28
	codeManyFaces   code = 31
	codeNoParameter code = 33
	codeNoPart      code = 34
	codeFaces       code = 41 // the service that looks at pictures
	codeNoSubject   code = 42
	codeSubjectIs   code = 43 // there already
	codeNoImage     code = 44
)

// noFace is the message of codeNoFace. Clients compare this sentence.
const noFace = "No face is found in the given image"

func (c code) status() int {
	switch c {
	case codeNoService, codeNoSubject, codeNoImage:
		return http.StatusNotFound
	case codeFaces:
		return http.StatusInternalServerError
	default:
		return http.StatusBadRequest
	}
}

// problem is an error as clients of CompreFace read it.
type problem struct {
	Message string `json:"message"`
	Code    code   `json:"code"`
	status  int
}

// Error implements error.
func (p *problem) Error() string { return p.Message }

func problemf(c code, format string, args ...any) *problem {
	return &problem{Message: fmt.Sprintf(format, args...), Code: c, status: c.status()}
}

// at returns the problem with another HTTP status.
func (p *problem) at(status int) *problem {
	p.status = status
	return p
}

func errNoFace() error { return problemf(codeNoFace, noFace) }

func errNoSubject(name string) error {
	return problemf(codeNoSubject, "there is no subject %q", httpapi.Shorten(name))
}

// problemOf returns how an error is told to the client. hasKey is whether the request
// brought a key.
func problemOf(err error, hasKey bool) *problem {
	var own *problem
	if errors.As(err, &own) {
		return own
	}
	body := httpapi.Body(err)
	status := httpapi.StatusOf(body.Code)
	switch body.Code {
	case api.CodeUnauthorized, api.CodeKeyExpired, api.CodeKeyRevoked:
		if hasKey {
			return problemf(codeNoService, "%s", body.Message)
		}
		return problemf(codeNoKey, "the header x-api-key is missing: %s", body.Message)
	case api.CodePictureRefused:
		return refusal(body)
	case api.CodeUnsupportedFormat:
		return problemf(codeNoPicture, "%s", body.Message)
	case api.CodeCorruptImage, api.CodeImageTooLarge, api.CodeConflict:
		return problemf(codeOther, "%s", body.Message)
	case api.CodeInvalidRequest:
		return problemf(codeInvalid, "%s", body.Message)
	case api.CodeRecognizerUnavailable:
		return problemf(codeFaces, "%s", body.Message)
	case api.CodeMethodNotAllowed:
		status = http.StatusNotFound
	}
	return problemf(codeOther, "%s", body.Message).at(status)
}

// refusal returns why a picture is refused as a known picture. CompreFace has a code
// for two of the reasons.
func refusal(body api.ErrorBody) *problem {
	has := func(reason faces.EnrolReason) bool {
		return slices.ContainsFunc(body.Refusals, func(r api.Refusal) bool { return string(r.Reason) == string(reason) })
	}
	switch {
	case has(faces.EnrolNoFace):
		return problemf(codeNoFace, noFace)
	case has(faces.EnrolSeveralFaces):
		return problemf(codeManyFaces, "%s", body.Message)
	default:
		return problemf(codeOther, "%s", body.Message)
	}
}

// missing returns an error instead of one that says that a row is missing.
func missing(err, instead error) error {
	if faces.ErrorCode(err) == faces.CodeMissing {
		return instead
	}
	return err
}
