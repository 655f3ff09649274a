package frontend

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// outcome is a status and reason as shown to people.
type outcome struct {
	Label  string
	Tone   string // class in the style sheet: wait, work, good, warn, quiet, bad
	Status string
	Reason string
}

func outcomeOf(status faces.Status, reason faces.Reason) outcome {
	o := outcome{Label: label(reason), Status: status.String(), Reason: string(reason)}
	switch {
	case status == faces.Processing:
		o.Label, o.Tone = "In progress", "work"
	case status == faces.Failed:
		o.Tone = "bad"
	case reason == faces.Identified:
		o.Tone = "good"
	case reason == faces.UnknownPerson, reason == faces.Uncertain, reason.BelowFloor():
		o.Tone = "warn"
	case reason == faces.NoFace, reason.IsDismissed():
		o.Tone = "quiet"
	default:
		o.Tone = "wait"
	}
	return o
}

// awaitsOutcome reports whether an image has no outcome yet.
func awaitsOutcome(status faces.Status, reason faces.Reason) bool {
	return status == faces.Processing || reason == faces.Queued
}

func label(r faces.Reason) string {
	switch r {
	case faces.Queued:
		return "Waiting"
	case faces.Identified:
		return "Identified"
	case faces.UnknownPerson:
		return "Unknown person"
	case faces.Uncertain:
		return "Uncertain"
	case faces.NoFace:
		return "No face"
	case faces.TooSmall:
		return "Too small"
	case faces.Blurred:
		return "Blurred"
	case faces.TurnedAway:
		return "Turned away"
	case faces.CutOff:
		return "Cut off"
	case faces.Ignored:
		return "Ignored"
	case faces.NotAFace:
		return "Not a face"
	case faces.NotFound:
		return "File not found"
	case faces.CorruptImage:
		return "Damaged file"
	case faces.UnsupportedFormat:
		return "Unsupported format"
	case faces.ImageTooLarge:
		return "Too large"
	case faces.PathNotAllowed:
		return "Path not allowed"
	case faces.RecognizerUnavailable:
		return "Recognizer unavailable"
	case faces.Timeout:
		return "Timed out"
	case faces.Internal:
		return "Internal error"
	default:
		return string(r)
	}
}

// sentence describes the outcome of an image. m is the model set that answered,
// empty if unknown.
func sentence(img faces.Image, m faces.Model) string {
	switch {
	case img.Status == faces.Processing:
		return "This picture is being processed."
	case img.Status == faces.Failed:
		return failure(img)
	case img.Reason == faces.Queued:
		return "This picture is waiting in the queue."
	case img.Reason == faces.NoFace && len(img.Faces) > 0:
		return "No face in this picture counts: somebody said so."
	case img.Reason == faces.NoFace:
		return "There is no face in this picture."
	}
	return whoIsThere(img, m)
}

// whoIsThere describes the people in an answered image.
func whoIsThere(img faces.Image, m faces.Model) string {
	var parts []string
	names, doubts, strangers := sortFaces(img, m)
	switch {
	case len(names) > 0:
		parts = append(parts, list(names)+isAre(len(names))+"in this picture")
	case img.Reason == faces.Identified:
		parts = append(parts, "Somebody known is in this picture")
	}
	parts = append(parts, doubts...)
	if s := strangersPart(strangers, len(names)+len(doubts) > 0); s != "" {
		parts = append(parts, s)
	}
	if len(parts) == 0 {
		return outcomeOf(img.Status, img.Reason).Label + "."
	}
	if len(names) == 0 { // a name keeps its own case
		parts[0] = strings.ToUpper(parts[0][:1]) + parts[0][1:]
	}
	return strings.Join(parts, "; ") + "."
}

// sortFaces returns the names of the identified people, each once, a clause for
// each face that may be somebody, and the number of unknown faces.
func sortFaces(img faces.Image, m faces.Model) (names, doubts []string, strangers int) {
	seen := map[int64]bool{}
	add := func(p *faces.Person) {
		if p != nil && !seen[p.ID] {
			seen[p.ID] = true
			names = append(names, isolated(personName(*p)))
		}
	}
	add(img.Person) // first; it is set also if a program that knows no faces wrote the row
	for i := range img.Faces {
		f := &img.Faces[i]
		switch {
		case f.Reason.IsDismissed():
		case f.Reason == faces.Identified:
			add(f.Person)
		case f.IsAmbiguous(m):
			doubts = append(doubts, "one face could be "+isolated(personName(f.Best.Person))+" or "+isolated(personName(f.Second.Person))+
				", too close to call")
		case f.ResemblesBest(m) && f.Reason.BelowFloor():
			doubts = append(doubts, "one face could be "+isolated(personName(f.Best.Person))+", but is "+f.Explain(m))
		case f.ResemblesBest(m):
			doubts = append(doubts, "one more face looks like "+isolated(personName(f.Best.Person)))
		default:
			strangers++
		}
	}
	return names, doubts, strangers
}

func strangersPart(n int, others bool) string {
	switch {
	case n == 0:
		return ""
	case others && n == 1:
		return "1 other face is unknown"
	case others:
		return fmt.Sprintf("%d other faces are unknown", n)
	case n == 1:
		return "there is 1 face in this picture, and it is nobody known"
	default:
		return fmt.Sprintf("there are %d faces in this picture, and none of them is known", n)
	}
}

func isAre(n int) string {
	if n == 1 {
		return " is "
	}
	return " are "
}

// list joins names as people write them: a, b and c.
func list(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

func failure(img faces.Image) string {
	switch img.Reason {
	case faces.NotFound:
		return "There is no file at this path."
	case faces.CorruptImage:
		return "The file is damaged: it cannot be decoded."
	case faces.UnsupportedFormat:
		return "The file is not in a format that Rollcall reads."
	case faces.ImageTooLarge:
		return "The picture is larger than the configured limit."
	case faces.PathNotAllowed:
		return "The path leaves the folder of pictures."
	case faces.RecognizerUnavailable:
		return "The recognizer could not be reached" + inAttempts(img.Attempts) + "."
	case faces.Timeout:
		return "The recognizer did not answer in time" + inAttempts(img.Attempts) + "."
	default:
		return "An error in Rollcall prevented an answer" + inAttempts(img.Attempts) + "."
	}
}

func inAttempts(n int) string {
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(" in %d attempts", n)
}

// next says what happens next with an image without an answer.
func next(img faces.Image) string {
	switch {
	case img.Reason.Permanent():
		return fmt.Sprintf("It is not retried automatically, because the result would be the same. After you fix the file, retry it with: redeemer -id %d", img.ID)
	case img.Reason.Transient():
		return "The picture is not the cause. The redeemer retries it a few times, with growing pauses."
	case img.Reason == faces.UnknownPerson, img.Reason == faces.Uncertain:
		return "This is an answer, not a failure. When the known people change, this picture is matched again."
	default:
		return ""
	}
}

// personName returns the name to show, or "person 7" for a person whose row is
// gone.
func personName(p faces.Person) string { return visible(p.DisplayName()) }

// isolated wraps a right-to-left name in Unicode isolates, so that it does not
// reorder the sentence around it.
func isolated(name string) string {
	rightToLeft := func(r rune) bool {
		return unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana)
	}
	if !strings.ContainsFunc(name, rightToLeft) {
		return name
	}
	const firstStrong, pop = "\u2068", "\u2069"
	return firstStrong + name + pop
}

// ago describes how long ago t was.
func ago(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "–"
	case d < 5*time.Second: // also times in the future by another machine's clock
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	case d < 48*time.Hour:
		return "yesterday"
	case d < 7*24*time.Hour:
		return fmt.Sprintf("%d days ago", int(d.Hours()/24))
	default:
		return t.UTC().Format("2 Jan 2006")
	}
}

// moment is a time in the forms that a page shows.
type moment struct {
	Ago     string // like "5 min ago"
	Exact   string // in UTC; "" for no time
	Machine string // RFC 3339, for <time>
}

func (s *Server) moment(t time.Time) moment {
	m := moment{Ago: ago(s.opts.Now(), t)}
	if !t.IsZero() {
		m.Exact = t.UTC().Format("2006-01-02 15:04:05 UTC")
		m.Machine = t.UTC().Format(time.RFC3339)
	}
	return m
}

// shownName returns the name of the uploaded file, whose path is a hash, or the path
// of an image.
func (s *Server) shownName(img faces.Image) string {
	if img.FileName != "" {
		return visible(img.FileName)
	}
	return s.shownPath(img.Path)
}

// shownPath returns the path relative to the folder of images, or all of it if
// it is elsewhere.
func (s *Server) shownPath(path string) string {
	root := strings.TrimSuffix(s.opts.UnknownPeople, "/")
	if below, ok := strings.CutPrefix(path, root+"/"); ok && root != "" && below != "" {
		return visible(below)
	}
	return visible(path)
}

// visible escapes invisible characters and those that change how the text
// around them reads, such as a right-to-left override, which shows "exe.jpg" as
// "gpj.exe". Letters of every script stay as they are.
func visible(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r) // an invalid byte becomes U+FFFD, which is visible
	}
	return b.String()
}
