package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var retryTests = []test{
	{"Retry by any outcome", retryAnyOutcome},
	{"Retry by the filter's parts", retryByFilter},
	{"Retry by more ids than one statement names", retryManyIDs},
}

func retryAnyOutcome(b *bench) {
	for i, r := range faces.Reasons() {
		if r == faces.Queued {
			continue
		}
		id := b.add(fmt.Sprintf("/u/%d.jpg", i))[0]
		b.fail(id, r, time.Time{})
		b.equal("by id", b.retry(store.RetryFilter{IDs: []int64{id}}), []int64{id})
		img := b.image(id)
		if r.Status() == faces.Failed {
			b.equal("a failure waits for its turn", []any{img.Reason, b.claim(id)[0].Rescan}, []any{faces.Queued, false})
			continue
		}
		b.equal("an answer stands", []any{img.Reason, img.Rescan.State}, []any{r, faces.RescanWaiting})
		b.equal("looked at, whatever the file", b.claimRescan(id).Rescan.Known, faces.File{})
	}
}

func retryByFilter(b *bench) {
	first := b.answered("/u/Group 1.jpg", []any{"anna", 0.25}, []any{"bob", 0.375})
	second := b.answered("/u/group 2.jpg", []any{"bob", 0.25})
	stranger := b.answered("/u/c.jpg", []any{"bob", 0.75})
	queued := b.add("/u/group 3.jpg")[0]
	b.fail(b.add("/u/d.jpg")[0], faces.NotFound, time.Time{})
	pending, processed := faces.Pending, faces.Processed
	for name, c := range map[string]struct {
		filter store.RetryFilter
		want   []int64
	}{
		"a person, by any face":         {store.RetryFilter{PersonID: b.personID("bob")}, []int64{first, second}},
		"a person by name":              {store.RetryFilter{Person: "bob"}, []int64{first, second}},
		"a person among ids":            {store.RetryFilter{Person: "bob", IDs: []int64{second, stranger, queued}}, []int64{second}},
		"a page of a person's":          {store.RetryFilter{Person: "bob", Limit: 1, After: first}, []int64{second}},
		"nobody":                        {store.RetryFilter{Person: "nobody"}, nil},
		"a path":                        {store.RetryFilter{Query: "GROUP"}, []int64{first, second}},
		"a status":                      {store.RetryFilter{Status: &processed}, []int64{first, second}},
		"what waits is no outcome":      {store.RetryFilter{Status: &pending}, []int64{stranger}},
		"a model set":                   {store.RetryFilter{Model: oldModel.ID}, []int64{first, second, stranger}},
		"another model set":             {store.RetryFilter{Model: "other"}, nil},
		"a reason, and a person":        {store.RetryFilter{Reasons: []faces.Reason{faces.Identified}, PersonID: b.personID("anna")}, []int64{first}},
		"a page":                        {store.RetryFilter{Model: oldModel.ID, Limit: 1, After: first}, []int64{second}},
		"ids, of which one has no turn": {store.RetryFilter{IDs: []int64{queued, stranger}}, []int64{stranger}},
		"no text":                       {store.RetryFilter{Query: "\xff"}, nil},
	} {
		b.equal(name, b.retry(c.filter), c.want)
	}
}

func retryManyIDs(b *bench) {
	ids := b.addMany(1200)
	b.exec("update images set status = 1, reason = 'identified' where id % 2 = 0")
	b.exec("update images set status = 2, reason = 'timeout' where id % 2 = 1")
	many := slices.Clone(ids)
	for i := range int64(70_000) { // more than any database's statement may name
		many = append(many, 1_000_000+i)
	}
	slices.Reverse(many)
	b.equal("ids", b.retry(store.RetryFilter{IDs: many}), ids)
	b.exec("update images set status = 2, reason = 'timeout'")
	b.equal("a page", b.retry(store.RetryFilter{IDs: many, Limit: 700, After: ids[9]}), ids[10:710])
}
