package doctor

import (
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteText writes the report as text: findings first, worst first, then how
// well the people are distinguished. It shows at most lines findings of a
// kind, at least one.
func (r *Report) WriteText(w io.Writer, lines int) error {
	t := &text{lines: max(1, lines)}
	t.head(r)
	t.findings(r)
	t.figures(r)
	t.curve(r)
	t.suggestion(r)
	_, err := io.WriteString(w, trailing.ReplaceAllString(t.String(), ""))
	return err
}

// trailing matches what empty cells leave at the end of a line.
var trailing = regexp.MustCompile(`(?m) +$`)

type text struct {
	strings.Builder
	lines int
}

func (t *text) printf(format string, args ...any) { fmt.Fprintf(t, format, args...) }

// farRule describes the far threshold, if the model set has one.
func farRule(m Model) string {
	if m.FarThreshold == 0 {
		return ""
	}
	return fmt.Sprintf("; up to %s where the second person is more than %s farther", number(m.FarThreshold), number(m.FarMargin))
}

func (t *text) head(r *Report) {
	t.printf("%d known pictures, %d usable, of %s. Model set %s, threshold %s, margin %s%s.\n",
		r.Pictures.All, r.Pictures.Usable, people(r.People), shown(r.Model.ID), number(r.Model.Threshold), number(r.Model.Margin), farRule(r.Model))
	if len(r.Findings) == 0 {
		t.printf("Nothing was found wrong.\n")
	} else {
		var counts []string
		for _, s := range severities {
			n := 0
			for _, f := range r.Findings {
				if f.Severity == s {
					n++
				}
			}
			counts = append(counts, plural(n, string(s)))
		}
		t.printf("Found: %s.\n", strings.Join(counts, ", "))
	}
	if !r.QualityMeasured && r.Pictures.Examined > 0 {
		t.printf("Not every face's quality was measured: some blurred, small or turned ones may be missing here.\n")
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// findings writes the findings, grouped by severity and kind.
func (t *text) findings(r *Report) {
	for rest := r.Findings; len(rest) > 0; {
		first := rest[0]
		n := slices.IndexFunc(rest, func(f Finding) bool { return f.Kind != first.Kind || f.Severity != first.Severity })
		if n < 0 {
			n = len(rest)
		}
		_, info := infoOf(first.Kind)
		t.printf("\n%s: %s (%d)\n", strings.ToUpper(string(first.Severity)), info.title, n)
		table := t.table()
		for _, f := range rest[:min(n, t.lines)] {
			fmt.Fprintf(table, "  %s\t%s\n", f.subject(), f.What)
		}
		table.Flush() //nolint:errcheck // into memory
		t.more(n)
		t.printf("  → %s\n", info.do)
		rest = rest[n:]
	}
}

func (t *text) table() *tabwriter.Writer { return tabwriter.NewWriter(t, 0, 8, 2, ' ', 0) }

func (t *text) more(n int) {
	if n > t.lines {
		t.printf("  … and %d more\n", n-t.lines)
	}
}

// subject is how a finding's line begins.
func (f Finding) subject() string {
	switch f.Kind {
	case NoUsablePicture, Single, TooClose, SamePerson:
		return joined(f.People, " – ")
	case Threshold:
		return "threshold"
	case Shared, Doubled:
		return joined(f.Pictures, " = ")
	default:
		return shown(f.Pictures[0])
	}
}

// joined lists up to three names.
func joined(names []string, between string) string {
	const most = 3
	var list []string
	for _, n := range names[:min(most, len(names))] {
		list = append(list, shown(n))
	}
	text := strings.Join(list, between)
	if len(names) > most {
		text += fmt.Sprintf("%s%d more", between, len(names)-most)
	}
	return text
}

func (t *text) figures(r *Report) {
	if r.Pictures.Examined == 0 {
		return
	}
	columns := []Figures{r.Filed}
	if r.Cleaned != nil {
		columns = append(columns, r.Cleaned.Figures)
	}
	t.printf("\nHow well they are told apart, with the threshold in use\n")
	table := t.table()
	if r.Cleaned != nil {
		fmt.Fprintf(table, "  \tas filed\twithout %s *\n", plural(len(r.Cleaned.LeftOut), "picture"))
	}
	row := func(what string, n, of func(Figures) int) {
		fmt.Fprintf(table, "  %s", what)
		for _, f := range columns {
			fmt.Fprintf(table, "\t%s", outOf(n(f), of(f)))
		}
		fmt.Fprintln(table)
	}
	known := func(f Figures) int { return f.Known.Asked }
	strange := func(f Figures) int { return f.Strange.Asked }
	head := func(what string) { fmt.Fprintln(table, "  "+what+strings.Repeat("\t", len(columns))) }
	head("known people, each picture left out in turn:")
	row("  nearest picture is the same person's (rank 1)", func(f Figures) int { return f.Known.Rank1 }, known)
	row("  named rightly", func(f Figures) int { return f.Known.Right }, known)
	row("  named wrongly", func(f Figures) int { return f.Known.Misnamed }, known)
	row("  uncertain between two", func(f Figures) int { return f.Known.Uncertain }, known)
	row("  taken for a stranger", func(f Figures) int { return f.Known.Missed }, known)
	head("strangers, each person left out in turn:")
	row("  given a name", func(f Figures) int { return f.Strange.FalseAccept }, strange)
	row("  uncertain between two", func(f Figures) int { return f.Strange.Uncertain }, strange)
	head("any two pictures, by the threshold alone:")
	row("  of one person, told apart", func(f Figures) int { return f.Pairs.Same - f.Pairs.SameAccepted }, func(f Figures) int { return f.Pairs.Same })
	row("  of two people, taken for one", func(f Figures) int { return f.Pairs.DifferentAccepted }, func(f Figures) int { return f.Pairs.Different })
	table.Flush() //nolint:errcheck // into memory
	if r.Cleaned != nil {
		t.printf("  * copies, and what is probably filed under a wrong name: see above. What follows is without them.\n")
	}
}

func outOf(n, of int) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprintf("%d of %d (%s)", n, of, percent(share(n, of)))
}

// shownPoints is how many thresholds are shown on either side of the current
// one.
const shownPoints = 5

func (t *text) curve(r *Report) {
	points := r.curvePoints()
	if len(points) == 0 {
		return
	}
	t.printf("\nWith other thresholds\n")
	table := t.table()
	fmt.Fprintln(table, "  threshold\tnamed rightly\twrongly\tuncertain\tnot named\tstrangers named\tin truth at most")
	for _, p := range points {
		mark := ""
		switch {
		case p.Threshold == r.Model.Threshold:
			mark = " in use"
		case p.Threshold == r.Suggestion.Threshold:
			mark = " suggested"
		}
		fmt.Fprintf(table, "  %s%s\t%d\t%d\t%d\t%d\t%s\t%s\n", number(p.Threshold), mark,
			p.Known.Right, p.Known.Misnamed, p.Known.Uncertain, p.Known.Missed,
			outOf(p.Strange.FalseAccept, p.Strange.Asked), percent(p.FalseAcceptMost))
	}
	table.Flush() //nolint:errcheck // into memory
	if c := r.EqualError; c != nil {
		t.printf("  Equal error %s, at %.2f: as large a share of strangers is named as of known people is not.\n", percent(c.Share), c.Threshold)
	}
	if c := r.PairsError; c != nil {
		t.printf("  Of any two pictures: %s, at %.2f.\n", percent(c.Share), c.Threshold)
	}
}

// curvePoints returns the points around the current threshold, and always
// those of the current and of the suggested one.
func (r *Report) curvePoints() []Point {
	if len(r.Curve) == 0 || r.Suggestion.Now.Known.Asked+r.Suggestion.Now.Strange.Asked == 0 {
		return nil
	}
	points := []Point{r.Suggestion.Now}
	if r.Suggestion.Then != nil {
		points = append(points, *r.Suggestion.Then)
	}
	for _, p := range r.Curve {
		off := math.Abs(p.Threshold - r.Model.Threshold)
		there := slices.ContainsFunc(points, func(o Point) bool { return o.Threshold == p.Threshold })
		// Every second step, so that a wider range is shown.
		if !there && off < (2*shownPoints+0.5)*step && int(math.Round(off/step))%2 == 0 {
			points = append(points, p)
		}
	}
	slices.SortFunc(points, func(a, b Point) int {
		if a.Threshold < b.Threshold {
			return -1
		}
		return 1
	})
	return points
}

func (t *text) suggestion(r *Report) {
	s := r.Suggestion
	if r.Pictures.Examined == 0 {
		return
	}
	t.printf("\n")
	switch s.Verdict {
	case Lower, Raise:
		t.printf("Suggested threshold: %s in place of %s.\n", number(s.Threshold), number(r.Model.Threshold))
	case Keep:
		t.printf("Suggested threshold: %s, as it is.\n", number(s.Threshold))
	default:
		t.printf("No threshold is suggested.\n")
	}
	t.printf("  %s.\n", s.Why)
	if s.Then == nil {
		return
	}
	t.printf("  → set ROLLCALL_THRESHOLD=%s on the processor. Of the answers above, %d would change:\n", number(s.Threshold), len(s.Changes))
	table := t.table()
	for _, c := range s.Changes[:min(len(s.Changes), t.lines)] {
		as := ""
		if c.Stranger {
			as = ", if nobody knew " + shown(c.Person)
		}
		fmt.Fprintf(table, "    %s\t%s → %s%s\n", shown(c.Picture), shown(c.Now), shown(c.Then), as)
	}
	table.Flush() //nolint:errcheck // into memory
	t.more(len(s.Changes))
}

// number formats a threshold with two decimals, or more if it has more.
func number(v float64) string {
	if text := fmt.Sprintf("%.2f", v); math.Abs(v-math.Round(v*100)/100) < 1e-9 {
		return text
	}
	return fmt.Sprintf("%g", v)
}

// shown returns a name that is safe to print. Characters that a terminal or a
// log would interpret are escaped.
func shown(name string) string {
	quoted := fmt.Sprintf("%q", name)
	if inner := quoted[1 : len(quoted)-1]; inner != name {
		return quoted
	}
	return name
}
