package faces_test

import (
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

func TestEventPosition(t *testing.T) {
	t.Parallel()
	e := faces.Event{ID: 1042, Type: faces.ImageAnswered, ImageID: 7, CreatedAt: time.Date(2026, 11, 29, 9, 12, 44, 21_000, time.UTC)}
	p, ok := faces.ParseEventPosition(e.Position().String())
	if !ok || p != e.Position() || p.ID != 1042 || !p.Is(e.Check()) {
		t.Errorf("%s is read as %+v", e.Position(), p)
	}
	for name, change := range map[string]func(*faces.Event){
		"a microsecond later": func(e *faces.Event) { e.CreatedAt = e.CreatedAt.Add(time.Microsecond) },
		"of another image":    func(e *faces.Event) { e.ImageID++ },
		"of another type":     func(e *faces.Event) { e.Type = faces.ImageFailed },
	} {
		other := e
		if change(&other); p.Is(other.Check()) {
			t.Errorf("an event %s counts as the same", name)
		}
	}
	if alone, ok := faces.ParseEventPosition("1042"); !ok || !alone.Is(e.Check()) || alone.String() != "1042" {
		t.Errorf("an id alone is %+v, %v", alone, ok)
	}
	if !p.Is("") {
		t.Error("an event that is gone cannot be another one")
	}
	for _, text := range []string{"", "-", "-1", "+1", "x", "1042-", "1042-9f3a01c", "1042-9f3a01c22", "1042-9F3A01C2", "1042-9f3a01g2", "1042-9f3a01c2-", "99999999999999999999"} {
		if p, ok := faces.ParseEventPosition(text); ok {
			t.Errorf("%q is read as %+v", text, p)
		}
	}
}
