package frontend

import (
	"errors"
	"net/http"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// mistake is what is wrong with a form or an address. It was found here, and not by the
// receiver, so its words are in the catalogue. Elsewhere it counts as a refusal of the
// receiver without a status.
type mistake struct {
	phrase
	code int // of the page that says so
}

// wrong returns a mistake by the key of its message.
func wrong(key string, values ...any) error {
	return &mistake{phrase{key, values}, http.StatusBadRequest}
}

// unfit returns a mistake in a form that is shown again with what was typed.
func unfit(key string, values ...any) error {
	return &mistake{phrase{key, values}, http.StatusUnprocessableEntity}
}

// typed returns the beginning of what somebody has sent, for a message about it.
func typed(text string) string { return visible(faces.Truncate(text, shownFilter)) }

// Error is for the log.
func (m *mistake) Error() string { return "the form or the address is not valid: " + m.key }

// Unwrap implements errors.As for an *api.Error.
func (m *mistake) Unwrap() error {
	return &api.Error{Code: api.CodeInvalidRequest, Message: m.Error()}
}

// mistakeIn returns the words about a mistake, and "" if the error is none.
func (l *language) mistakeIn(err error) string {
	var ours *mistake
	if !errors.As(err, &ours) {
		return ""
	}
	return l.say(ours.phrase)
}
