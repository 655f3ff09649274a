package measure

// This file owns the report as Markdown.

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteMarkdown writes the report's tables.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Model set `%s`, threshold %.2f, margin %.2f", r.Model.ID, r.Model.Threshold, r.Model.Margin)
	if r.Model.FarThreshold > 0 {
		fmt.Fprintf(&b, "; up to %.2f where the second person is more than %.2f farther", r.Model.FarThreshold, r.Model.FarMargin)
	}
	b.WriteString(".\n")
	if r.People != nil {
		r.People.write(&b)
	}
	writeDetection(&b, r.Detection)
	writeTimes(&b, r.Times)
	_, err := io.WriteString(w, b.String())
	return err
}

func (p *People) write(b *strings.Builder) {
	usable := p.Pictures - len(p.Unusable)
	fmt.Fprintf(b, "\n%d pictures of %d people; in %d exactly one face was found.\n\n", p.Pictures, p.People, usable)
	k, s, q := p.Known, p.Strange, p.Pairs
	b.WriteString("| asked about | what | how many | share |\n| --- | --- | ---: | ---: |\n")
	row(b, "known people, each picture left out in turn", "nearest picture is of the same person (rank 1)", k.Rank1, k.Asked)
	row(b, "", "named rightly at the threshold", k.Right, k.Asked)
	row(b, "", "named wrongly", k.Misnamed, k.Asked)
	row(b, "", "not named: false rejects", k.FalseRejects(), k.Asked)
	row(b, "", "of these uncertain between two", k.Uncertain, k.Asked)
	row(b, "strangers, each person left out in turn", "named: false accepts", s.FalseAccept, s.Asked)
	row(b, "", "uncertain between two", s.Uncertain, s.Asked)
	row(b, "pairs of one person", "farther apart than the threshold: false rejects", q.Same-q.SameAccepted, q.Same)
	row(b, "pairs of two people", "nearer than the threshold: false accepts", q.DifferentAccepted, q.Different)
	if len(p.Unusable) > 0 {
		b.WriteString("\nLeft out:")
		for i, u := range p.Unusable {
			sep := " "
			if i > 0 {
				sep = "; "
			}
			fmt.Fprintf(b, "%s`%s`: %s", sep, u.Picture, u.Why)
		}
		b.WriteString(".\n")
	}
}

func row(b *strings.Builder, asked, what string, n, of int) {
	share := "–"
	if of > 0 {
		share = fmt.Sprintf("%.1f %%", 100*float64(n)/float64(of))
	}
	fmt.Fprintf(b, "| %s | %s | %d of %d | %s |\n", asked, what, n, of, share)
}

func writeDetection(b *strings.Builder, list []Detection) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "\n| folder | pictures | faces found | by one HOG run at %d pixels | by both | only here | only there | time, of the one run's |\n", referenceSide)
	b.WriteString("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	var all Detection
	for _, d := range list {
		d.write(b, "`"+d.Folder+"/`")
		all.add(d)
	}
	if len(list) > 1 {
		all.write(b, "all")
	}
	for _, d := range list {
		for _, u := range d.Unread {
			fmt.Fprintf(b, "\nNot compared: `%s`: %s.\n", u.Picture, u.Why)
		}
	}
}

// ratio is how long the product took, of the reference's time.
func (d Detection) write(b *strings.Builder, what string) {
	fmt.Fprintf(b, "| %s | %d | %d | %d | %d | %d | %d | %s |\n",
		what, d.Pictures-len(d.Unread), d.Found, d.Reference, d.Both, d.Found-d.Both, d.Reference-d.Both, d.ratio())
}

func (d *Detection) add(other Detection) {
	d.Pictures += other.Pictures
	d.Unread = append(d.Unread, other.Unread...)
	d.Found += other.Found
	d.Reference += other.Reference
	d.Both += other.Both
	d.Time += other.Time
	d.ReferenceTime += other.ReferenceTime
}

func (d Detection) ratio() string {
	if d.ReferenceTime == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", d.Time.Seconds()/d.ReferenceTime.Seconds())
}

func writeTimes(b *strings.Builder, list []Times) {
	b.WriteString("\n| folder | pictures | prepare: median, 95 % | find and describe: median, 95 % |\n| --- | ---: | ---: | ---: |\n")
	for _, t := range list {
		fmt.Fprintf(b, "| `%s/` | %d | %s, %s | %s, %s |\n", t.Folder, t.Pictures,
			millis(t.Prepare.Median), millis(t.Prepare.P95), millis(t.Look.Median), millis(t.Look.P95))
	}
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
}
