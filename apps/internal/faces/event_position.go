package faces

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// EventPosition is a place in the events: the id of the last one that a consumer has
// seen, and a check of that event. Ids begin again where a database that is restored
// ends, so that another event can have the id; its check is another one.
type EventPosition struct {
	ID    int64
	Check string // "" if it is not known
}

// checkLength is the length of a check, in hexadecimal digits.
const checkLength = 8

// String returns the form that consumers store, such as "1042-9f3a01c2".
func (p EventPosition) String() string {
	if p.Check == "" {
		return strconv.FormatInt(p.ID, 10)
	}
	return fmt.Sprintf("%d-%s", p.ID, p.Check)
}

// ParseEventPosition reads what String returns. It also reads an id alone.
func ParseEventPosition(text string) (EventPosition, bool) {
	number, check, hasCheck := strings.Cut(text, "-")
	id, err := strconv.ParseInt(number, 10, 64)
	isCheck := len(check) == checkLength && strings.Trim(check, "0123456789abcdef") == ""
	if err != nil || id < 0 || !isDigits(number) || hasCheck && !isCheck {
		return EventPosition{}, false
	}
	return EventPosition{ID: id, Check: check}, true
}

func isDigits(text string) bool { return strings.Trim(text, "0123456789") == "" }

// Is reports whether an event can be the one that a consumer has seen. check is that of
// the event that has the id now, or "" if there is none any more.
func (p EventPosition) Is(check string) bool {
	return p.Check == "" || check == "" || p.Check == check
}

// Position returns the place right after the event.
func (e Event) Position() EventPosition { return EventPosition{ID: e.ID, Check: e.Check()} }

// Check returns a text that two events with one id, of two databases, do not share. It
// is made of what an event always keeps.
func (e Event) Check() string {
	h := fnv.New32a()
	var all []byte
	for _, n := range []int64{e.ID, e.CreatedAt.UnixMicro(), e.ImageID, e.PersonID, e.OtherID} {
		all = binary.AppendVarint(all, n)
	}
	_, _ = h.Write(append(all, e.Type...)) // never fails
	return fmt.Sprintf("%0*x", checkLength, h.Sum32())
}
