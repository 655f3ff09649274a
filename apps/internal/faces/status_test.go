package faces_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// The numbers and names are shared with programs that others wrote.
func TestStatus(t *testing.T) {
	t.Parallel()
	for number, name := range []string{"pending", "processed", "failed", "processing"} {
		s := faces.Status(number)
		if s.String() != name {
			t.Errorf("status %d is %q, want %q", number, s, name)
		}
		back, err := faces.ParseStatus(name)
		if err != nil || back != s {
			t.Errorf("%q is status %d, %v; want %d", name, back, err, number)
		}
	}
	for _, s := range []faces.Status{-1, 4, 1 << 40} {
		if got, want := s.String(), fmt.Sprintf("status(%d)", int(s)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, name := range []string{"", "Pending", "status(4)", "0", "pending "} {
		if _, err := faces.ParseStatus(name); faces.ErrorCode(err) != faces.CodeInvalid {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	const never, later = true, false
	failures := map[faces.Reason]bool{
		faces.NotFound: never, faces.CorruptImage: never, faces.UnsupportedFormat: never, faces.ImageTooLarge: never,
		faces.PathNotAllowed: never, faces.RecognizerUnavailable: later, faces.Timeout: later, faces.Internal: later,
	}
	statuses := map[faces.Reason]faces.Status{
		faces.Queued: faces.Pending, faces.UnknownPerson: faces.Pending, faces.Uncertain: faces.Pending,
		faces.NoFace: faces.Pending, faces.Identified: faces.Processed,
	}
	for r := range failures {
		statuses[r] = faces.Failed
	}
	if got, want := len(faces.Reasons()), len(statuses); got != want {
		t.Errorf("%d reasons, want %d", got, want)
	}
	for _, r := range faces.Reasons() {
		back, err := faces.ParseReason(string(r))
		if err != nil || back != r {
			t.Errorf("%q is parsed as %q, %v", r, back, err)
		}
		if got, want := r.Status(), statuses[r]; got != want {
			t.Errorf("%s: status %s, want %s", r, got, want)
		}
		permanent, fails := failures[r]
		if got, want := r.Permanent(), fails && permanent; got != want {
			t.Errorf("%s: permanent %v", r, got)
		}
		if got, want := r.Transient(), fails && !permanent; got != want {
			t.Errorf("%s: transient %v", r, got)
		}
	}
	if faces.NoReason.Status() != faces.Processing || faces.NoReason.Permanent() || faces.NoReason.Transient() {
		t.Error("no reason is that of an image at work")
	}
	if r := faces.Reason("made_up"); r.Permanent() || r.Transient() {
		t.Error("a made-up reason is a failure")
	}
	for _, name := range []string{"", "made_up", "Queued", "pending"} {
		if _, err := faces.ParseReason(name); faces.ErrorCode(err) != faces.CodeInvalid {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

func TestShownReason(t *testing.T) {
	t.Parallel()
	// The reason that is shown where the stored one is not the status's own.
	defaults := map[faces.Status]faces.Reason{
		faces.Pending: faces.Queued, faces.Processed: faces.Identified, faces.Failed: faces.Internal,
		faces.Processing: faces.NoReason, faces.Status(9): faces.NoReason,
	}
	stored := append(faces.Reasons(), faces.NoReason, "made_up")
	own := map[faces.Reason]faces.Status{}
	for _, r := range faces.Reasons() {
		own[r] = r.Status()
	}
	for status, shown := range defaults {
		for _, r := range stored {
			want := shown
			if s, ok := own[r]; ok && s == status {
				want = r
			}
			if got := faces.ShownReason(status, r); got != want {
				t.Errorf("%s with %q stored shows %q, want %q", status, r, got, want)
			}
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial tcp 10.0.0.1: refused")
	fault := faces.Fault(faces.Timeout, "took longer than %s", "30s")
	for _, c := range []struct {
		name    string
		err     error
		code    faces.Code
		message string
		text    string
		reason  faces.Reason
	}{
		{"fault", fault, "timeout", "took longer than 30s", "took longer than 30s", faces.Timeout},
		{"with its cause", fault.WithCause(cause), "timeout", "took longer than 30s",
			"took longer than 30s: dial tcp 10.0.0.1: refused", faces.Timeout},
		{"wrapped", fmt.Errorf("image 4: %w", fault.WithCause(cause)), "timeout", "took longer than 30s",
			"image 4: took longer than 30s: dial tcp 10.0.0.1: refused", faces.Timeout},
		{"permanent", faces.Fault(faces.CorruptImage, "no JPEG"), "corrupt_image", "no JPEG", "no JPEG", faces.CorruptImage},
		{"request's", faces.Errorf(faces.CodeInvalid, "bad"), faces.CodeInvalid, "bad", "bad", faces.Internal},
		{"unavailable", faces.Errorf(faces.CodeUnavailable, "later"), faces.CodeUnavailable, "later", "later", faces.Internal},
		{"not a failure's reason", faces.Fault(faces.Identified, "odd"), "identified", "odd", "odd", faces.Internal},
		{"foreign", cause, faces.CodeInternal, "internal error", cause.Error(), faces.Internal},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := faces.ErrorCode(c.err); got != c.code {
				t.Errorf("code %q, want %q", got, c.code)
			}
			if got := faces.ErrorMessage(c.err); got != c.message {
				t.Errorf("message %q, want %q", got, c.message)
			}
			if got := c.err.Error(); got != c.text {
				t.Errorf("text %q, want %q", got, c.text)
			}
			if got := faces.ReasonOf(c.err); got != c.reason {
				t.Errorf("reason %q, want %q", got, c.reason)
			}
			out := faces.Failure(c.err)
			if out.Reason != c.reason || out.Detail != c.message || out.Person != nil || out.Faces != nil {
				t.Errorf("outcome %+v", out)
			}
		})
	}
	if got := faces.ErrorCode(nil); got != "" {
		t.Errorf("the code of no error is %q", got)
	}
	if !errors.Is(fault.WithCause(cause), cause) || errors.Is(fault, cause) {
		t.Error("WithCause must wrap the cause in a copy")
	}
}

func TestCheckOutcome(t *testing.T) {
	t.Parallel()
	for status := faces.Pending; status <= faces.Processing; status++ {
		if err := faces.CheckOutcome(&status, faces.NoReason); err != nil {
			t.Errorf("%s, any reason: %v", status, err)
		}
		for _, r := range faces.Reasons() {
			if err := faces.CheckOutcome(nil, r); err != nil {
				t.Errorf("any status, %s: %v", r, err)
			}
			err := faces.CheckOutcome(&status, r)
			if (err == nil) != (r.Status() == status) || err != nil && faces.ErrorCode(err) != faces.CodeInvalid {
				t.Errorf("%s, %s: %v", status, r, err)
			}
		}
	}
}
