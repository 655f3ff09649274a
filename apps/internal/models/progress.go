package models

// This file owns how a fetch shows its progress: a bar at a terminal, plain
// lines elsewhere.

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress is one report of a fetch: a Note, or how much of a File is there.
// The zero value says that there is no more to come.
type Progress struct {
	Note  string // one line for people
	File  string
	Done  int64 // bytes
	Total int64 // bytes; -1 where the server does not say
}

// NewProgress returns a reporter that writes to w, for FetchOptions.Report.
func NewProgress(w io.Writer) func(Progress) {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return newBar(w)
	}
	return newLines(w)
}

// newLines writes a line at the start of each file and at each further quarter.
func newLines(w io.Writer) func(Progress) {
	var file string
	var shown int64
	return func(p Progress) {
		if p.File == "" {
			file = "" // what follows a note is worth a line again
			note(w, p)
			return
		}
		quarter := int64(0)
		if p.Total > 0 {
			quarter = 4 * p.Done / p.Total
		}
		if p.File == file && quarter <= shown {
			return
		}
		file, shown = p.File, quarter
		fmt.Fprintf(w, "%s: %s\n", p.File, amount(p))
	}
}

func note(w io.Writer, p Progress) {
	if p.Note != "" {
		fmt.Fprintln(w, p.Note)
	}
}

func amount(p Progress) string {
	const mb = 1e6
	if p.Total < 0 {
		return fmt.Sprintf("%.1f MB", float64(p.Done)/mb)
	}
	return fmt.Sprintf("%.1f of %.1f MB", float64(p.Done)/mb, float64(p.Total)/mb)
}

// newBar draws one bar for each file.
func newBar(w io.Writer) func(Progress) {
	var bar *progressbar.ProgressBar
	var file string
	return func(p Progress) {
		if bar != nil && p.File != file && !bar.IsFinished() {
			_ = bar.Exit() // leaves the line as it is and starts a new one
		}
		if p.File == "" {
			bar = nil
			note(w, p)
			return
		}
		if bar == nil || p.File != file {
			bar = progressbar.NewOptions64(p.Total,
				progressbar.OptionSetWriter(w),
				progressbar.OptionSetDescription(p.File),
				progressbar.OptionShowBytes(true),
				progressbar.OptionSetWidth(20),
				progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionSetSpinnerChangeInterval(0),
				progressbar.OptionOnCompletion(func() { fmt.Fprintln(w) }),
			)
		}
		file = p.File
		_ = bar.Set64(p.Done) // a bar that cannot be drawn is no reason to stop
	}
}
