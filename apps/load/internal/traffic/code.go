package traffic

import (
	"context"
	"errors"
	"strconv"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/load/internal/measure"
)

// Code returns the code of an error, or "" without one.
func Code(err error) string {
	var problem *api.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &problem) && problem.Code != "":
		return clean(string(problem.Code))
	case problem != nil:
		return "http_" + strconv.Itoa(problem.Status) // not an answer of Rollcall's, such as a proxy's
	case errors.Is(err, context.DeadlineExceeded):
		return measure.CodeTimeout
	default:
		return measure.CodeConnection
	}
}

// clean returns a code if it is one. Whatever else a server sends is neither printed nor
// counted by its text.
func clean(code string) string {
	const most = 40
	if code == "" || len(code) > most {
		return measure.CodeOther
	}
	for _, c := range code {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return measure.CodeOther
		}
	}
	return code
}
