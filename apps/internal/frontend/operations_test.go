package frontend_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/operations"
	"github.com/rollcall-faces/rollcall/apps/internal/operations/report"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// says stores what a program says about itself, at a time.
func (a *album) says(at time.Time, program, instance string, state operations.State) {
	a.t.Helper()
	a.setClock(at)
	a.check(report.Note(a.t.Context(), a, program, instance, state))
	a.setClock(noon)
}

func TestOperationsOfAnEmptySystem(t *testing.T) {
	t.Parallel()
	page := get(t, serve(t, newAlbum(t)), "/operations")
	if page.Code != http.StatusOK {
		t.Fatal(page.Code, page.Text)
	}
	for _, want := range []string{
		"Nothing to show yet", "There are no jobs", "No picture has failed", "no program has said so", "no processor has said which there are",
		"No picture was processed in the last hour", "No pass is known yet", "There are no webhooks", "nothing waits",
	} {
		if !strings.Contains(page.words("main"), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

func TestOperationsShowWhatProgramsSay(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	now := noon.Add(time.Minute) // of the dashboard
	slow := a.answer("/unknown_people/team/slow.jpg", sight(10))
	a.says(now.Add(-2*time.Second), "processor", "one/1", operations.State{
		Processor: &operations.Processor{
			Open: true, Since: now.Add(-3 * time.Minute), NextTry: now.Add(12 * time.Second), Why: string(faces.RecognizerUnavailable),
			Slowest: []operations.Slow{{Image: 4711, Took: 9000, At: now}, {Image: slow, Took: 2500, At: now}},
		},
		Queue:       &operations.Queue{Waiting: 17, InFlight: 4, Deferred: 3},
		Recognizers: []operations.Recognizer{{Address: "10.0.0.1:50051", Model: "set-1", Known: 20, Engines: 2}, {Address: "10.0.0.2:50051", Model: "set-2", Known: 20, Problems: 1}},
	})
	a.says(now.Add(-time.Minute), "processor", "two/1", operations.State{Processor: &operations.Processor{InFlight: 3}, Queue: &operations.Queue{Waiting: 99}})
	a.says(now.Add(-time.Second), "receiver", "r/1", operations.State{Volumes: []operations.Volume{{Name: "UNKNOWN_PEOPLE", Free: 5_000_000_000, Size: 100_000_000_000}}})
	a.says(now.Add(-time.Hour), "redeemer", "", operations.State{Redeemer: &operations.Run{Finished: now.Add(-time.Hour), Took: 1500, Retried: 6, Queued: 8}})
	a.check(a.NoteProgram(t.Context(), "processor", "newer", []byte("not JSON")))
	page := get(t, serve(t, a), "/operations")
	for _, want := range []string{
		"one/1 Circuit open", "Recognizer unavailable, since 3 min ago", "Next try in 12 s", "two/1 Not heard from", "Waiting 17 In progress 4 For later 3",
		"They use 2 different model sets", "set-2 · Known pictures 20 (1 cannot be used)", "team/slow.jpg2.5 s", "Pictures 5.0 GB free of 100 GB", "Nearly full",
		"Last pass 1 h ago", "Given another round 6",
	} {
		if !strings.Contains(page.words("main"), want) {
			t.Errorf("the page does not say %q:\n%s", want, page.words("main"))
		}
	}
	if strings.Contains(page.words("main"), "4711") {
		t.Error("an image that is gone is shown")
	}
}

func TestRecognizersAreCompared(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		list []operations.Recognizer
		says string
	}{
		"they agree":             {[]operations.Recognizer{{Address: "a", Model: "m", Known: 3}, {Address: "b", Model: "m", Known: 3}}, "All use the same model set"},
		"one loads":              {[]operations.Recognizer{{Address: "a", Model: "m", Known: 3}, {Address: "b", Model: "m"}}, "different numbers of pictures"},
		"one is away":            {[]operations.Recognizer{{Address: "a", Model: "m", Known: 3}, {Address: "b", Away: true}}, "1 recognizer does not answer."},
		"none is there":          {[]operations.Recognizer{{Address: "a", Away: true}}, "No recognizer answers."},
		"there are several sets": {[]operations.Recognizer{{Address: "a", Model: "m"}, {Address: "b", Model: "n"}}, "2 different model sets"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAlbum(t)
			a.says(noon.Add(time.Minute), "processor", "p", operations.State{Recognizers: tc.list})
			if got := get(t, serve(t, a), "/operations").words(".verdict"); !strings.Contains(got, tc.says) {
				t.Errorf("got %q, want %q", got, tc.says)
			}
		})
	}
}

func TestChartsHaveTheirNumbersInATable(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	now := noon.Add(time.Minute)
	minute := now.Unix() / 60
	a.check(a.NoteOutcomes(t.Context(), "p", []store.MinuteOutcome{
		{Minute: minute, Reason: faces.Identified, Images: 7}, {Minute: minute, Reason: faces.Timeout, Images: 2}, {Minute: minute - 59, Reason: faces.NoFace, Images: 5},
		{Minute: minute - 60, Reason: faces.Identified, Images: 1000}, {Minute: minute - 61, Reason: faces.Identified, Images: 1000},
	}))
	a.post("/unknown_people/a.jpg", "/unknown_people/b.jpg")
	_, err := a.SampleTotals(t.Context())
	a.check(err)
	h := serve(t, a)
	page := get(t, h, "/operations")
	if got := page.words("#finished .sum"); got != "14 in the last hour" {
		t.Errorf("the sum is %q", got)
	}
	rows := page.each("#finished tbody tr")
	if len(rows) != 12 || !strings.HasSuffix(rows[0], "7002") || !strings.HasSuffix(rows[11], "0050") {
		t.Errorf("the table is %q", rows)
	}
	if n := page.Find("#finished rect").Length(); n != 3 {
		t.Errorf("%d bars, want 3", n)
	}
	if rows := page.each("#waited tbody tr"); !strings.HasSuffix(rows[0], " ago2") || !strings.HasSuffix(rows[11], "–") {
		t.Errorf("the table of what waited is %q", rows)
	}
	if got := get(t, h, "/operations?span=day").words("#finished .sum"); got != "2014 in the last day" {
		t.Errorf("the sum of a day is %q", got)
	}
	if got := get(t, h, "/operations?span=nonsense").words("#finished .sum"); got != "14 in the last hour" {
		t.Errorf("the sum of a span that does not exist is %q", got)
	}
}

func TestOperationsRefuseWhoMayNot(t *testing.T) {
	t.Parallel()
	a := newAlbum(t)
	a.fail("/unknown_people/x.jpg", faces.NotFound, "gone")
	job, err := a.RequestRescan(t.Context(), "", true)
	a.check(err)
	h := serve(t, a)
	page := get(t, h, "/operations")
	if n := page.Find("main form").Length(); n != 0 {
		t.Errorf("a viewer sees %d forms", n)
	}
	for _, target := range []string{"/operations/retry", "/operations/rescans/" + strconv.FormatInt(job.ID, 10) + "/pause"} {
		if got := do(t, h, request(t, http.MethodPost, target)).Code; got != http.StatusForbidden {
			t.Errorf("%s answers %d to a viewer", target, got)
		}
	}
}
