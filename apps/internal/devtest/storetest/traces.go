package storetest

import (
	"database/sql"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var traceTests = []test{
	{"A traced post is known to whoever claims its image", tracedPost},
	{"The trace of a post ends with the outcome", traceEnds},
	{"A retry forgets the trace that an older program left", traceOfOlderProgram},
}

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// addTraced posts paths, of which those with a context are traced.
func (b *bench) addTraced(paths, traces []string) []int64 {
	b.Helper()
	images, err := b.store.AddTraced(b.Context(), paths, nil, traces)
	b.must(err)
	return idsOf(images)
}

// traceOf returns the trace in a row.
func (b *bench) traceOf(id int64) sql.NullString {
	b.Helper()
	var context sql.NullString
	b.must(b.raw.QueryRowContext(b.Context(), "SELECT trace_context FROM images WHERE id = ?", id).Scan(&context))
	return context
}

func tracedPost(b *bench) {
	for name, paths := range map[string][]string{
		"one":     {"/unknown_people/one.jpg"},
		"several": {"/unknown_people/a.jpg", "/unknown_people/b.jpg", "/unknown_people/c.jpg"},
	} {
		traces := make([]string, len(paths))
		traces[len(traces)-1] = traceparent
		ids := b.addTraced(paths, traces)
		b.equal(name+", posted again", b.addTraced(paths, nil), ids)
		posted := b.clock.Now()
		b.clock.advance(time.Second)
		for i, c := range b.tryClaim(ids...).Claimed {
			var want *store.TracedPost
			if traces[i] != "" {
				want = &store.TracedPost{Parent: traceparent, At: posted}
			}
			b.equal(name+", the post of "+c.Path, c.Traced, want)
		}
	}
	names := []string{"a.jpg"}
	images, err := b.store.AddTraced(b.Context(), []string{"/unknown_people/uploads/a.jpg"}, names, []string{traceparent})
	b.must(err)
	b.equal("an upload", b.traceOf(images[0].ID).String, traceparent)
}

func traceEnds(b *bench) {
	ids := b.addTraced([]string{"/unknown_people/a.jpg", "/unknown_people/b.jpg"}, []string{traceparent, traceparent})
	again := b.claim(ids[0])
	b.must(b.store.Release(b.Context(), again, false))
	claimed := b.tryClaim(ids[0]).Claimed
	if len(claimed) != 1 || claimed[0].Attempts != 2 || claimed[0].Traced == nil {
		b.Errorf("the next attempt does not go on with the trace: %+v", claimed)
	}
	_, err := b.store.Finish(b.Context(), []store.Result{
		{Lease: claimed[0].Lease, Outcome: faces.Outcome{Reason: faces.NoFace}},
	})
	b.must(err)
	b.fail(ids[1], faces.Timeout, time.Time{})
	for _, id := range ids {
		if c := b.traceOf(id); c.Valid {
			b.Errorf("image %d has an outcome, and the context %q", id, c.String)
		}
	}
}

func traceOfOlderProgram(b *bench) {
	id := b.addMany(1)[0]
	b.fail(id, faces.Timeout, time.Time{})
	b.exec("UPDATE images SET trace_context = ? WHERE id = ?", traceparent, id)
	_, err := b.store.Retry(b.Context(), store.RetryFilter{IDs: []int64{id}})
	b.must(err)
	if claimed := b.tryClaim(id).Claimed; len(claimed) != 1 || claimed[0].Traced != nil {
		b.Errorf("claimed %+v", claimed)
	}
}
