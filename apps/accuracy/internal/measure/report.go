package measure

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// text is a builder of Markdown.
type text struct{ strings.Builder }

func (t *text) line(format string, args ...any) {
	fmt.Fprintf(t, format, args...)
	t.WriteByte('\n')
}

func (t *text) table(head ...string) {
	t.line("| %s |", strings.Join(head, " | "))
	t.line("|%s", strings.Repeat(" --- |", len(head)))
}

func (t *text) row(cells ...any) {
	for _, c := range cells {
		fmt.Fprintf(t, "| %v ", c)
	}
	t.line("|")
}

// WriteMarkdown writes the report as Markdown.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var t text
	t.line("Model set `%s`; rule: %s.", r.Model, r.Rule)
	if r.Whole.Found.Of == 0 { // nothing else was measured
		r.grouping(&t)
		_, err := io.WriteString(w, t.String())
		return err
	}
	t.line("Each share is followed by its events, its cases and the 95 %% confidence interval (Wilson's, or the")
	t.line("rule of three if nothing or everything happened). Pictures of one person are not independent, so the")
	t.line("true interval can be wider. *Named*: a face got the right name. *Misnamed*: a face got another name.")
	t.line("*Strangers named*: the same pictures with their person removed from the gallery.\n")
	r.people(&t)
	for _, s := range []struct{ series, title string }{
		{Size, "By size of the face: the picture is scaled down until the face's box has this height"},
		{Turn, "By turn: the picture is turned clockwise"},
		{Blur, "By blur: a Gaussian with this standard deviation"},
		{Dark, "By darkness"},
	} {
		t.line("\n## %s", s.title)
		tallies(&t, r.Worse[s.series])
	}
	r.galleries(&t)
	r.groups(&t)
	r.bench(&t)
	r.grouping(&t)
	r.calibration(&t)
	_, err := io.WriteString(w, t.String())
	return err
}

func (r *Report) people(t *text) {
	t.line("## People: %d pictures of %d people", r.Known, r.People)
	t.line("Each picture is asked about twice: with all others known, and with its person removed.\n")
	tallies(t, append([]*Tally{&r.Whole}, r.Groups...))
	t.line("")
	for _, g := range slices.Sorted(maps.Keys(r.PeopleIn)) {
		t.line("- %s: %d people", g, r.PeopleIn[g])
	}
	if len(r.Refused) > 0 {
		t.line("\nPictures that a recognizer refuses as known pictures:\n")
		for _, text := range r.Refused {
			t.line("- %s", text)
		}
	}
}

func tallies(t *text, list []*Tally) {
	t.table("", "found", "named", "misnamed", "below a floor", "strangers named")
	for _, a := range list {
		t.row(a.Label, a.Found, a.Named, a.Misnamed, a.BelowFloor, a.StrangersNamed)
	}
}

func (r *Report) galleries(t *text) {
	c := r.Crowd
	t.line("\n## By gallery")
	t.line("The columns give the number of known people and the maximum number of pictures of each. A smaller")
	t.line("gallery is chosen at random for each question. People beyond the %d of the photographs", r.People)
	t.line("**are not real**: their descriptors are generated around the real ones. They show how the rule behaves")
	t.line("with many neighbours, not how similar people are. 1 %% of the pairs of real people are within %.2f and", c.RealNear)
	t.line("half of them within %.2f; of a real and a generated one %.2f and %.2f.\n", c.RealMiddle, c.DrawnNear, c.DrawnMiddle)
	t.table("people", "of these real", "pictures of each", "named", "misnamed", "strangers named")
	for _, g := range r.Galleries {
		t.row(g.People, g.Real, g.Pictures, g.Named, g.Misnamed, g.StrangersNamed)
	}
}

func (r *Report) groups(t *text) {
	g := r.Group
	if g.Pictures == 0 {
		return
	}
	t.line("\n## Pictures of several people")
	t.line("%d faces were found in %d pictures: %d named, %d uncertain, %d below a floor, the others unknown.",
		g.Faces, g.Pictures, g.Named, g.Uncertain, g.Floor)
	if g.Labelled.Of > 0 {
		t.line("\n| of the faces that are labelled | |\n| --- | --- |")
		t.row("found", g.Labelled)
		t.row("named", g.Right)
		t.row("misnamed", g.Wrong)
		return
	}
	t.line("Without groups/labels.txt, check these names yourself:\n")
	for _, n := range g.Names {
		t.line("- %s", n)
	}
}

func (r *Report) bench(t *text) {
	b := r.Bench
	if b.Pictures == 0 {
		return
	}
	t.line("\n## People who are strangers to each other")
	t.line("%d faces in %d pictures. %d of them are found by the reference and above all floors. All pairs of", len(b.Faces), b.Pictures, b.Usable)
	t.line("these are compared, both described by the reference as known pictures are.\n")
	t.table("", "")
	t.row("pairs of two people within the threshold", b.Apart)
	t.row("pairs of one person (bench/pairs.txt) within the threshold", b.Together)
	t.row("faces named as somebody else of this folder", b.Named)
	t.row("faces named as one of the known people", b.Known)
	t.line("\nThe nearest pairs:\n")
	for _, p := range b.Pairs[:min(len(b.Pairs), 12)] {
		said := ""
		if p.Same {
			said = " (one person)"
		}
		t.line("- %.3f %s, %s%s", p.Distance, p.A, p.B, said)
	}
}

func (r *Report) calibration(t *text) {
	t.line("\n## Thresholds")
	t.line("The far threshold of the set moves by the same amount, as with `ROLLCALL_THRESHOLD`. Strangers are")
	t.line("the pictures of people without their person, and the faces of bench/ among each other.\n")
	t.table("threshold", "far threshold", "known named", "strangers named", "pairs of one person lost", "pairs of two people taken for one")
	for _, p := range r.Calibration {
		t.row(fmt.Sprintf("%.3f", p.Threshold), fmt.Sprintf("%.3f", p.FarThreshold), p.Named, p.StrangersNamed, p.PairsLost, p.PairsTaken)
	}
	t.line("\n%s", r.Proposal)
}

// String describes the proposal in a sentence.
func (p Proposal) String() string {
	wanted := fmt.Sprintf("%g %%", 100*p.Wanted)
	if !p.OK {
		return fmt.Sprintf("No threshold names at most %s of the strangers. Check for pictures in the wrong person's folder.", wanted)
	}
	text := fmt.Sprintf("**Proposed: `ROLLCALL_THRESHOLD=%.3f`**, the largest at which at most %s of the strangers were named; it names %s of the known people.",
		p.Point.Threshold, wanted, p.Point.Named)
	if !p.Shown {
		n := p.Point.StrangersNamed
		_, high := n.Interval()
		text += fmt.Sprintf(" But %d pictures only show that the true share is below %s %%; about %s are needed to show %s.",
			n.Of, percent(high), needed(p.Wanted), wanted)
	}
	return text
}

// needed returns how many strangers, none of them named, are needed to show a
// share, by the rule of three.
func needed(share float64) string {
	if share <= 0 {
		return "infinitely many"
	}
	return fmt.Sprintf("%.0f", 3/share)
}
