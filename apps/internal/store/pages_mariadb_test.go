package store_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

const (
	// rowsVariable sets the number of images in the tests of large lists. From a
	// million on, they also check the time of each page.
	rowsVariable = "ROLLCALL_TEST_ROWS"
	pageTime     = 50 * time.Millisecond

	scanned, perPage = 500, 100
)

// manyImages is the number of images. Most show one of 100 people or nobody, and every
// third is uncertain, of which many are as certain as each other; a few rare ones are
// the oldest.
func manyImages(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv(rowsVariable))
	if err != nil || n < 20_000 {
		return 20_000
	}
	return n
}

// fillImages makes n images, a second apart from each other. series is a table
// expression with a column seq from 1 to n.
func fillImages(t *testing.T, raw *sql.DB, n int, series, concat string) {
	t.Helper()
	path := func(id string) string { return strings.ReplaceAll(concat, "ID", id) }
	times := "datetime(1780000000 + seq, 'unixepoch')"
	if series[0] == 's' {
		times = "from_unixtime(1780000000 + seq)"
	}
	execRaw(t, raw,
		"insert into person (id, name) select seq, "+strings.ReplaceAll(path("seq"), "/u/", "person ")+" from "+series+" where seq <= 100",
		"insert into images (id, path, person, status, reason, certainty, created_at, updated_at) select seq, "+path("seq")+", "+
			"case when seq % 3 = 0 and seq > 50 then seq % 100 + 1 else -1 end, "+
			"case when seq <= 10 then 0 when seq <= 20 then 2 when seq <= 30 then 3 when seq % 3 = 0 then 1 else 0 end, "+
			"case when seq <= 10 then 'queued' when seq <= 20 then 'not_found' when seq <= 30 then '' when seq % 3 = 0 then 'identified' "+
			"when seq % 3 = 1 then 'uncertain' else 'unknown_person' end, seq % 11 * 90, "+times+", "+times+" from "+series,
		"insert into faces (image_id, position, x, y, width, height, landmarks, descriptor, model, reason, best_person_id, best_distance, matched_image, second_person_id, second_distance, second_image) "+
			"select seq, 0, 1, 1, 1, 1, '[]', '', 'm', case when seq % 3 = 0 and seq > 50 then 'identified' else 'unknown_person' end, seq % 100 + 1, 0.25, 'a.jpg', -1, 0, '' from "+series,
	)
}

// largeLists are filters of every kind, also the rare ones.
func largeLists(n int) map[string]store.Filter {
	pending, processing, failed, processed := faces.Pending, faces.Processing, faces.Failed, faces.Processed
	at := func(seq int) time.Time { return time.Unix(1780000000+int64(seq), 0) }
	return map[string]store.Filter{
		"all":                        {},
		"a common status":            {Status: &pending},
		"another common status":      {Status: &processed},
		"a rare status":              {Status: &failed},
		"a status at work":           {Status: &processing},
		"a common reason":            {Reason: faces.UnknownPerson},
		"queued, which is rare":      {Reason: faces.Queued},
		"identified":                 {Reason: faces.Identified},
		"a rare reason":              {Reason: faces.NotFound},
		"uncertain":                  {Reason: faces.Uncertain},
		"a reason that nothing has":  {Reason: faces.Timeout},
		"internal":                   {Reason: faces.Internal},
		"a person":                   {Person: "person 7.jpg"},
		"a person by id":             {PersonID: 50},
		"a person and a path":        {PersonID: 50, Query: "/u/9"},
		"a person and no path":       {PersonID: 50, Query: "none"},
		"a person and a reason":      {PersonID: 50, Reason: faces.Identified},
		"a person and a time":        {PersonID: 50, CreatedAfter: at(n / 3), CreatedBefore: at(n/3 + 1000)},
		"nobody":                     {Person: "none"},
		"a path":                     {Query: "/u/1"},
		"a path that nothing has":    {Query: "none"},
		"a path and a status":        {Query: "none", Status: &pending},
		"a path and a reason":        {Query: "none", Reason: faces.UnknownPerson},
		"an old time":                {CreatedBefore: at(100)},
		"a time in the middle":       {CreatedAfter: at(n / 2), CreatedBefore: at(n/2 + 50)},
		"a time and a status":        {CreatedAfter: at(n / 2), CreatedBefore: at(n/2 + 50), Status: &processed},
		"a time and a rare reason":   {CreatedAfter: at(0), CreatedBefore: at(n), Reason: faces.Queued},
		"a time and a path":          {CreatedAfter: at(0), Query: "none"},
		"a time that nothing has":    {CreatedAfter: at(2 * n)},
		"all, from the middle":       {After: int64(n / 2)},
		"as certain as others":       {After: 450<<42 | int64(n/2)}, // where the uncertain come first
		"a path, as certain":         {Query: "none", After: 450<<42 | int64(n/2)},
		"a status, from the middle":  {Status: &pending, After: int64(n / 2)},
		"a person, from the middle":  {PersonID: 50, After: int64(n / 2)},
		"a path, from the middle":    {Query: "none", After: int64(n / 2)},
		"a time, from the middle":    {CreatedAfter: at(0), After: int64(n / 2)},
		"a path, status and time":    {Query: "none", Status: &pending, CreatedAfter: at(10), CreatedBefore: at(n / 2)},
		"a person, path, time, all":  {PersonID: 50, Query: "none", CreatedAfter: at(10), Status: &processed, Reason: faces.Identified},
		"a path in a rare status":    {Query: "/u/1", Status: &failed},
		"a time before the first":    {CreatedBefore: at(0)},
		"everything after the first": {CreatedAfter: at(0)},
	}
}

// eachLargeList calls look with each filter, in each order.
func eachLargeList(n int, look func(name string, f store.Filter)) {
	for name, f := range largeLists(n) {
		for _, order := range []string{"newest", "oldest", "uncertain"} {
			f := f
			f.Limit, f.Scan = perPage, scanned
			f.Oldest, f.UncertainFirst = order == "oldest", order == "uncertain"
			look(name+", "+order+" first", f)
		}
	}
}

// A page reads few rows, whatever the filter and however many images there are.
func TestPagesReadFewRows(t *testing.T) {
	t.Parallel()
	n := manyImages(t)
	db := mariadbtest.Database(t)
	s, raw := openMariaDB(t, db), rawMariaDB(t, db)
	migrate(t, s)
	execRaw(t, raw, "set global userstat = on")
	fillImages(t, raw, n, fmt.Sprintf("seq_1_to_%d", n), "concat('/u/', ID, '.jpg')")
	execRaw(t, raw, "analyze table images, faces, person")
	read := func() (rows int) {
		err := raw.QueryRowContext(t.Context(), "select ifnull(sum(rows_read), 0) from information_schema.table_statistics where table_schema = ?", db.Name).Scan(&rows)
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	// A way through an index is walked once to find its end and once for the page. For a
	// person there are two, one of them with a row of images for each face. The faces and
	// people of a page come with it.
	const most = 5*scanned + 10*perPage
	eachLargeList(n, func(name string, f store.Filter) {
		before := read()
		page, err := s.PageOfImages(t.Context(), f)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if rows := read() - before; rows > most {
			t.Errorf("%s: %d rows were read for a page of %d, want at most %d", name, rows, len(page.Images), most)
		}
		checkPageTime(t, s, name, f, n)
	})
}

// The same on SQLite, where only time tells, and only with many rows.
func TestPagesAreQuickOnSQLite(t *testing.T) {
	t.Parallel()
	n := manyImages(t)
	file := filepath.Join(t.TempDir(), "rollcall.db")
	s, raw := openSQLite(t, file), rawSQLite(t, file)
	migrate(t, s)
	fillImages(t, raw, n, fmt.Sprintf("(with recursive r(seq) as (select 1 union all select seq + 1 from r where seq < %d) select seq from r)", n), "'/u/' || ID || '.jpg'")
	eachLargeList(n, func(name string, f store.Filter) {
		if _, err := s.PageOfImages(t.Context(), f); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		checkPageTime(t, s, name, f, n)
	})
}

// checkPageTime checks the time of a page where there are a million images, with the
// number of images that the receiver looks at. It takes the best of several tries,
// because the machine has other things to do, and the database, too, after the filling.
func checkPageTime(t *testing.T, s *store.Store, name string, f store.Filter, n int) {
	t.Helper()
	if n < 1_000_000 {
		return
	}
	f.Scan = 5000
	best := time.Hour
	for range 10 { // the first ones read from the disk
		begin := time.Now()
		if _, err := s.PageOfImages(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(begin))
	}
	t.Logf("%6.1f ms: %s", float64(best.Microseconds())/1000, name)
	if best > pageTime {
		t.Errorf("%s: a page takes %s, want at most %s", name, best, pageTime)
	}
}
