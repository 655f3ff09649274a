package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/schedule"
	"github.com/rollcall-faces/rollcall/apps/load/internal/measure"
	"github.com/rollcall-faces/rollcall/apps/load/internal/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

const warm = 2 * time.Second

// recorded is a run of 20 seconds at 50 requests a second, with a stall from 8 s to 9 s, a
// refusal in every hundredth request, and outcomes that come later and later.
func recorded() *measure.Recorder {
	r := measure.New(measure.Options{WarmUp: warm, Length: 20 * time.Second})
	n := 0
	for at := range schedule.Constant(50, warm+20*time.Second).Even() {
		n++
		since := at - warm
		took := time.Duration(2+n%7) * time.Millisecond
		if n%50 == 0 {
			took *= 8
		}
		if stall := 9*time.Second - since; stall > 0 && stall <= time.Second {
			took += stall
		}
		kind := "post"
		if n%4 == 0 {
			kind = "get"
		}
		if n%250 == 0 {
			r.Overflow(kind, at)
			continue
		}
		r.Start(kind, at, time.Duration(n%5)*100*time.Microsecond)
		if n%100 == 0 {
			r.End(kind, at, time.Millisecond, "unavailable")
			continue
		}
		r.End(kind, at, took, "")
		if kind == "post" {
			r.Accept(at, 1, 0)
			if since < 19*time.Second {
				r.Outcome(at, 80*time.Millisecond+max(0, since)/10, n%9 == 0)
			}
		}
	}
	return r
}

func described() report.Run {
	return report.Run{
		Started: time.Date(2026, 11, 30, 1, 2, 3, 0, time.UTC), Server: "http://127.0.0.1:8000", Mode: "mix", Requests: "post=3,get=1; one path a post",
		Rate: "50/s for 20s", Arrivals: "even", Seed: 7, WarmUp: warm, Length: 20 * time.Second, Measured: 20 * time.Second,
		InFlight: 512, Timeout: 10 * time.Second, Waited: 30 * time.Second, Follows: true, Program: "load v1.2.3",
		Notes: []string{"Paths are posted by a pattern."}, RateAt: func(time.Duration) float64 { return 50 },
	}
}

func limits(p99 time.Duration, errors float64) report.Limits {
	return report.Limits{P99: p99, Errors: &errors}
}

// The report is that of testdata. Write it anew with -update, and look at it.
func TestGolden(t *testing.T) {
	t.Parallel()
	s := report.Summarize(described(), recorded().Result(), limits(500*time.Millisecond, 0.05))
	dir := t.TempDir()
	if err := s.WriteFolder(dir); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := s.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "summary.txt"), text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []string{"distribution.svg", "latency.svg", "outcomes.svg", "report.json", "report.md", "summary.txt", "throughput.svg"}
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Fatalf("files (-want +got):\n%s", diff)
	}
	if *update {
		if err := errors.Join(os.RemoveAll("testdata"), os.CopyFS("testdata", os.DirFS(dir))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range want {
		if diff := cmp.Diff(read(t, filepath.Join("testdata", name)), read(t, filepath.Join(dir, name))); diff != "" {
			t.Errorf("%s (-testdata +got):\n%s", name, diff)
		}
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Whatever was measured, also nothing, is a report with plots that are XML.
func TestAnyRun(t *testing.T) {
	t.Parallel()
	one := measure.New(measure.Options{Length: time.Second})
	one.Start("post", 0, 0)
	one.End("post", 0, time.Millisecond, "")
	failed := measure.New(measure.Options{Length: time.Minute})
	for range 10 {
		failed.Start("post", 30*time.Second, 0)
		failed.End("post", 30*time.Second, time.Minute, measure.CodeTimeout)
	}
	slow := measure.New(measure.Options{Length: time.Second})
	slow.Start("post", 0, 0)
	slow.End("post", 0, 10*time.Hour, "")
	for name, r := range map[string]*measure.Recorder{
		"nothing": measure.New(measure.Options{Length: time.Minute}), "one request": one, "only errors": failed, "hours": slow, "a usual one": recorded(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := described()
			run.Measured = 0
			s := report.Summarize(run, r.Result(), report.Limits{})
			dir := t.TempDir()
			if err := s.WriteFolder(dir); err != nil {
				t.Fatal(err)
			}
			for _, file := range names(t, dir) {
				text := read(t, filepath.Join(dir, file))
				if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
					t.Errorf("%s has numbers that are none", file)
				}
				if filepath.Ext(file) == ".svg" {
					checkXML(t, file, text)
				}
			}
		})
	}
}

func checkXML(t *testing.T, name, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%s is no XML: %v", name, err)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	nothing := measure.New(measure.Options{Length: time.Second}).Result()
	one := measure.New(measure.Options{Length: time.Second})
	one.Start("post", 0, 0)
	one.End("post", 0, 100*time.Millisecond, "")
	slow := one.Result()
	for _, c := range []struct {
		name   string
		result measure.Result
		limits report.Limits
		want   []string // parts of what is exceeded
	}{
		{"none", recorded().Result(), report.Limits{}, nil},
		{"both hold", slow, limits(2*time.Second, 0.02), nil},
		{"the p99", slow, limits(50*time.Millisecond, 1), []string{"the p99 of the latency is "}},
		{"requests that were not sent", recorded().Result(), limits(2*time.Second, 0.02), []string{"4 requests were not sent, so there is no p99"}},
		{"the errors", recorded().Result(), limits(0, 0.001), []string{"1.2 % of the requests failed; at most 0.1 % is allowed"}},
		{"no errors allowed", recorded().Result(), limits(0, 0), []string{"at most 0 % is allowed"}},
		{"nothing was measured", nothing, limits(time.Second, 0.01), []string{"no request has a latency", "of the requests failed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := report.Summarize(described(), c.result, c.limits)
			if len(s.Failures) != len(c.want) {
				t.Fatalf("exceeded: %q, want %q", s.Failures, c.want)
			}
			for i, want := range c.want {
				if !strings.Contains(s.Failures[i], want) {
					t.Errorf("exceeded: %q, want %q", s.Failures[i], want)
				}
			}
		})
	}
}

// The rate of the answers is that of those that came while requests were sent.
func TestAnsweredRate(t *testing.T) {
	t.Parallel()
	r := measure.New(measure.Options{Length: 20 * time.Second})
	for n := range 2000 {
		at := time.Duration(n) * 10 * time.Millisecond
		r.Start("post", at, 0)
		r.End("post", at, at, "") // answered twice as late
	}
	s := report.Summarize(described(), r.Result(), report.Limits{})
	var text bytes.Buffer
	if err := s.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "answered   2000        50.0") || s.AnsweredRate != 50 || !strings.Contains(string(s.Markdown()), "| per second | 100.0 | 100.0 | 50.0 | 0.0 |") {
		t.Errorf("%g answers a second\n%s%s", s.AnsweredRate, &text, s.Markdown())
	}
}

// What a reader must know stands first.
func TestNotes(t *testing.T) {
	t.Parallel()
	late := measure.New(measure.Options{Length: time.Second})
	for range 100 {
		late.Start("post", 0, time.Second)
		late.End("post", 0, time.Second, "")
	}
	cut := measure.New(measure.Options{Length: time.Second})
	cut.Start("post", 0, 0)
	cut.CutOff(0)
	for _, c := range []struct {
		name   string
		result measure.Result
		change func(*report.Run)
		want   string
	}{
		{"a program that was too slow", late.Result(), func(*report.Run) {}, "THIS PROGRAM COULD NOT KEEP UP: 100 of 100 requests started more than 10ms late (p99 1.00s)"},
		{"an interrupted run", cut.Result(), func(r *report.Run) { r.Interrupted, r.Measured = true, 12*time.Second }, "interrupted after 12s of 20s"},
		{"requests cut off", cut.Result(), func(*report.Run) {}, "1 requests had no answer when the run was interrupted"},
		{"overflow", recorded().Result(), func(*report.Run) {}, "4 requests were not sent, because 512 had no answer"},
		{"outcomes that miss", recorded().Result(), func(*report.Run) {}, "images had no outcome 30s after the end"},
		{"nothing", measure.New(measure.Options{}).Result(), func(*report.Run) {}, "Nothing was measured"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			run := described()
			c.change(&run)
			s := report.Summarize(run, c.result, report.Limits{})
			if !slices.ContainsFunc(s.Notes, func(n string) bool { return strings.Contains(n, c.want) }) {
				t.Errorf("notes %q, want %q", s.Notes, c.want)
			}
		})
	}
}

// An old report is replaced, also the plot that the new one has not.
func TestFolderIsReplaced(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := report.MakeFolder(dir); err != nil {
		t.Fatal(err)
	}
	run := described()
	for _, follows := range []bool{true, false} {
		run.Follows = follows
		if err := report.Summarize(run, recorded().Result(), report.Limits{}).WriteFolder(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "outcomes.svg")); (err == nil) != follows {
			t.Errorf("outcomes followed: %t, plot: %v", follows, err)
		}
	}
	file := filepath.Join(dir, "report.md")
	if err := report.MakeFolder(filepath.Join(file, "x")); err == nil {
		t.Error("a folder in a file is no error")
	}
}

// Scripts rely on these names.
func TestJSON(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	if err := report.Summarize(described(), recorded().Result(), report.Limits{}).WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"scheduled", "sent", "answered", "failed", "errors", "error_share", "latency", "late_starts", "outcomes", "windows", "limits_exceeded"} {
		if _, ok := got[name]; !ok {
			t.Errorf("there is no %s among %v", name, slices.Sorted(maps.Keys(got)))
		}
	}
	if p99, _ := got["latency"].(map[string]any)["p99_ms"].(float64); p99 < 100 || math.IsNaN(p99) {
		t.Errorf("p99 %v", p99)
	}
}

func TestScreen(t *testing.T) {
	t.Parallel()
	r := recorded()
	var out bytes.Buffer
	s := report.Screen{W: &out, WarmUp: warm, End: 22 * time.Second, Follows: true}
	s.Show(time.Second, time.Second, r.Live())
	s.Show(22*time.Second, time.Second, measure.Live{})
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], "warm-up") || !strings.Contains(lines[1], "waiting") || !strings.Contains(lines[1], "p99 –") {
		t.Errorf("lines %q", lines)
	}
	out.Reset()
	s = report.Screen{W: &out, Refresh: true, Title: strings.Repeat("long ", 50), WarmUp: warm, End: 22 * time.Second, Follows: true}
	s.Show(3*time.Second, time.Second, r.Live())
	height := strings.Count(out.String(), "\n")
	out.Reset()
	s.Show(4*time.Second, time.Second, r.Live())
	if !strings.HasPrefix(out.String(), "\x1b["+string(rune('0'+height/10))+string(rune('0'+height%10))+"A") || strings.Count(out.String(), "\n") != height {
		t.Errorf("the second screen does not replace the %d lines of the first: %q", height, out.String())
	}
	for line := range strings.Lines(out.String()) {
		if len([]rune(line)) > 100 {
			t.Errorf("a line wraps: %q", line)
		}
	}
}
