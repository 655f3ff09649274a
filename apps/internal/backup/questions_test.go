package backup_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
)

// nowhere is a queue that takes nothing.
type nowhere struct{}

func (nowhere) Publish(context.Context, []int64) bool { return false }

// ask asks a receiver on the system, and returns its answers by address.
func (s *system) ask(questions []string) map[string]string {
	s.Helper()
	reg := prometheus.NewRegistry()
	r := receiver.New(s.db, nowhere{}, nil, receiver.Options{
		Address: "127.0.0.1:8000", UnknownPeople: unknownPeople, KnownPeople: s.KnownPeople,
		MaxBody: 64 << 10, MaxPaths: 100, MaxIdentify: 32 << 10, RenderCache: 1 << 20,
	}, quiet, reg)
	s.Cleanup(r.Close)
	server := httptest.NewServer(r.Handler(reg, func(context.Context) error { return nil }))
	s.Cleanup(server.Close)
	answers := map[string]string{}
	for _, q := range questions {
		request, err := http.NewRequestWithContext(s.Context(), http.MethodGet, server.URL+q, nil)
		must(s.T, err)
		answer, err := server.Client().Do(request)
		must(s.T, err)
		body, err := io.ReadAll(answer.Body)
		must(s.T, err)
		must(s.T, answer.Body.Close())
		if answer.StatusCode != http.StatusOK {
			s.Errorf("%s: %d %s", q, answer.StatusCode, body)
		}
		answers[q] = answer.Header.Get("ETag") + " " + string(body)
	}
	return answers
}

// A restored system answers as the one that was backed up, and its keys work.
func TestRestoredSystemAnswersTheSame(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, open func(*testing.T) *system) { answersTheSame(t, open, open) })
}

// TestGaleraIsRestored moves a system to a cluster of databases, and back.
func TestGaleraIsRestored(t *testing.T) {
	t.Parallel()
	c := mariadbtest.GaleraCluster(t)
	front, err := c.Balance(t.Context())
	must(t, err)
	var n atomic.Int64
	onGalera := func(t *testing.T) *system {
		name := fmt.Sprintf("restored_%d", n.Add(1))
		must(t, c.CreateDatabase(t.Context(), name))
		return onMySQL(t, front.Database(name))
	}
	t.Run("to it", func(t *testing.T) { answersTheSame(t, onMariaDB, onGalera) })
	t.Run("from it", func(t *testing.T) { answersTheSame(t, onGalera, onMariaDB) })
	must(t, front.Close())
}

// answersTheSame restores a backup of one system into another one.
func answersTheSame(t *testing.T, source, target func(*testing.T) *system) {
	t.Helper()
	from := source(t).migrated()
	questions := []string{
		"/api/v1/images?limit=50", "/api/v1/images?status=processed&limit=50", "/api/v1/images?reason=identified", "/api/v1/people?limit=100",
		"/api/v1/rematches", "/api/v1/rescans", "/api/v1/users", "/api/v1/keys", "/api/v1/retention",
		"/api/v1/audit", "/api/v1/webhooks", "/api/v1/erasures", "/api/v1/erasure-ledger", "/api/v1/consents",
	}
	var enrolled []faces.Enrolled
	for i := range 30 {
		e, err := from.enrolled(t.Context(), fmt.Sprintf("person %d", i))
		must(t, err)
		enrolled = append(enrolled, e)
	}
	for i, e := range enrolled {
		questions = append(questions, fmt.Sprintf("/api/v1/people/%d", e.PersonID), fmt.Sprintf("/api/v1/people/%d/known-pictures", e.PersonID),
			fmt.Sprintf("/api/v1/images?person_id=%d", e.PersonID))
		for n := range 3 {
			id, err := from.answered(t.Context(), fmt.Sprintf("%s/%d-%d.jpg", unknownPeople, i, n), e.Name)
			must(t, err)
			questions = append(questions, fmt.Sprintf("/api/v1/images/%d", id), fmt.Sprintf("/api/v1/images/%d/corrections", id))
			if n == 2 {
				img, err := from.db.Image(t.Context(), id)
				must(t, err)
				_, err = from.db.CorrectFace(t.Context(), faces.Statement{FaceID: img.Faces[1].ID, Name: fmt.Sprintf("person %d", (i+1)%30)})
				must(t, err)
			}
		}
	}
	_, err := from.db.SetUser(t.Context(), "ada", access.Reviewer)
	must(t, err)
	before := from.ask(questions)
	data, _ := from.take()
	to := target(t)
	_, err = to.restore(data)
	must(t, err)
	after := to.ask(questions)
	if len(before) < 200 {
		t.Errorf("%d questions are too few", len(before))
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("answers (-before +after):\n%s", diff)
	}
}
