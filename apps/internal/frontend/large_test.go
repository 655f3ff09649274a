package frontend_test

import (
	"compress/gzip"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	_ "github.com/go-sql-driver/mysql" // to fill the tables of MariaDB

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

func TestMain(m *testing.M) { os.Exit(mariadbtest.Main(m)) }

const (
	// rowsVariable sets the number of images of the tests of large tables, which only run
	// if it is set; see docs/benchmarks.md.
	rowsVariable = "ROLLCALL_TEST_ROWS"
	pageTime     = 50 * time.Millisecond
	pageBytes    = 100_000
)

func manyRows(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv(rowsVariable))
	if err != nil {
		t.Skipf("set %s=1000000 to measure pages of large tables", rowsVariable)
	}
	return n
}

// fillMany makes n images of 200 people, each with a face, and of the newest 2,000 images
// with four more. A fifth of the faces have no person.
func fillMany(t *testing.T, raw *sql.DB, n int, series func(n int) string, concat func(parts ...string) string) {
	t.Helper()
	times := "datetime(1780000000 + seq, 'unixepoch')"
	if strings.HasPrefix(series(1), "seq") {
		times = "from_unixtime(1780000000 + seq)"
	}
	minute := time.Now().Unix() / 60
	const sixReasons = "case seq % 24 - seq % 4 when 0 then 'identified' when 4 then 'unknown_person' when 8 then 'no_face' when 12 then 'uncertain' when 16 then 'not_found' else 'timeout' end"
	for _, statement := range []string{
		"insert into person (id, name) select seq, " + concat("'Person '", "seq") + " from " + series(200),
		"insert into images (id, path, file_name, person, status, reason, model, width, height, created_at, updated_at) select seq, " + concat("'/unknown_people/uploads/camera-'", "seq", "'.jpg'") + ", '', " +
			"case when seq % 10 < 8 then seq % 200 + 1 else -1 end, case when seq % 1000 = 9 then 2 when seq % 10 < 8 then 1 else 0 end, " +
			"case when seq % 1000 = 9 then 'not_found' when seq % 10 < 8 then 'identified' else 'unknown_person' end, 'm', 1600, 1200, " + times + ", " + times + " from " + series(n),
		"insert into faces (image_id, position, x, y, width, height, landmarks, descriptor, model, reason, best_person_id, best_distance, matched_image, second_person_id, second_distance, second_image) " +
			"select seq, 0, 100, 100, 200, 200, '[]', '', 'm', case when seq % 10 < 8 then 'identified' else 'unknown_person' end, seq % 200 + 1, 0.25, 'a.jpg', -1, 0, '' from " + series(n),
		"insert into faces (image_id, position, x, y, width, height, landmarks, descriptor, model, reason, best_person_id, best_distance, matched_image, second_person_id, second_distance, second_image) " +
			fmt.Sprintf("select %d - seq / 4, 1 + seq %% 4, 300 + 250 * (seq %% 4), 120, 180, 220, '[]', '', 'm', 'unknown_person', seq %% 200 + 1, 0.75, 'a.jpg', 7, 0.8, 'b.jpg' from %s", n, series(8000-1)),
		// A day of four processors, with six outcomes each, and of totals.
		"insert into outcome_minutes (minute, instance, reason, images) " +
			fmt.Sprintf("select %d - (seq - seq %% 24) / 24, %s, %s, seq %% 100 from %s", minute, concat("'processor-'", "(seq % 4)"), sixReasons, series(24*24*60)),
		"insert into image_totals (minute, reason, images) " +
			fmt.Sprintf("select %d - (seq - seq %% 24) / 24, %s, %d from %s where seq %% 4 = 0", minute, sixReasons, n/6, series(24*24*60)),
	} {
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%.60s…: %v", statement, err)
		}
	}
}

// Each page of a large system answers soon and is small.
func TestLargePagesOnSQLite(t *testing.T) {
	t.Parallel()
	n := manyRows(t)
	file := filepath.Join(t.TempDir(), "rollcall.db")
	db, err := store.OpenSQLite(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Migrate(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", "file:"+file+"?_pragma=busy_timeout(60000)&_pragma=synchronous(off)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	fillMany(t, raw, n, func(n int) string {
		return fmt.Sprintf("(with recursive r(seq) as (select 1 union all select seq + 1 from r where seq < %d) select seq from r)", n)
	}, func(parts ...string) string { return strings.Join(parts, " || ") })
	measurePages(t, db, n)
}

// The same on MariaDB.
func TestLargePagesOnMariaDB(t *testing.T) {
	t.Parallel()
	n := manyRows(t)
	db, _ := largeMariaDB(t, n)
	measurePages(t, db, n)
}

// largeMariaDB returns a database with n images.
func largeMariaDB(t *testing.T, n int) (*store.Store, mariadbtest.DB) {
	t.Helper()
	at := mariadbtest.Database(t)
	db, err := openAt(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if _, err := db.Migrate(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("mysql", at.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	fillMany(t, raw, n, func(n int) string { return fmt.Sprintf("seq_1_to_%d", n) }, func(parts ...string) string { return "concat(" + strings.Join(parts, ", ") + ")" })
	if _, err := raw.ExecContext(t.Context(), "analyze table images, faces, person"); err != nil {
		t.Fatal(err)
	}
	return db, at
}

// openAt opens a database as programs do.
func openAt(at mariadbtest.DB) (*store.Store, error) {
	r := config.NewReader(config.Map(map[string]string{
		"MYSQL_CONNECTION": at.Host, "MYSQL_PORT": strconv.Itoa(at.Port), "MYSQL_DBNAME": at.Name, "MYSQL_USERPASSWORD": at.User + ":" + at.Password,
	}))
	cfg := config.ReadDatabase(r)
	if err := r.Err(); err != nil {
		return nil, err
	}
	return store.OpenMySQL(cfg)
}

func measurePages(t *testing.T, db *store.Store, n int) {
	t.Helper()
	api, err := frontend.NewAPI("http://127.0.0.1:1", nil)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := frontend.New(db, frontend.Options{API: api, Address: "127.0.0.1:0", UnknownPeople: root, Everybody: access.AdminRole})
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/", "/operations?span=day"} {
		begin := time.Now()
		fetchGzip(t, srv.Handler(), target)
		t.Logf("%6.1f ms: the first look of a process at %s", float64(time.Since(begin).Microseconds())/1000, target)
	}
	for _, target := range []string{
		"/", "/?view=table", "/?reason=identified", "/?status=failed", "/?person_id=7", "/?q=camera-77", "/?q=nowhere", "/?order=uncertain",
		"/?from=2026-06-01&to=2026-06-02", fmt.Sprintf("/?after=%d", n/2), fmt.Sprintf("/images/%d", n-1), fmt.Sprintf("/images/%d", n/2),
		fmt.Sprintf("/images/%d?q=camera-77", n/2), "/operations", "/operations?span=day", "/upload", "/upload?images=" + manyIDs(n),
	} {
		var times []time.Duration
		var html []byte
		for range 25 {
			begin := time.Now()
			html = fetchGzip(t, srv.Handler(), target)
			times = append(times, time.Since(begin))
		}
		slices.Sort(times)
		sent := len(html)
		doc := unzipPage(t, html)
		doc.Find("link[rel=stylesheet], script[src]").Each(func(_ int, e *goquery.Selection) {
			sent += len(fetchGzip(t, srv.Handler(), e.AttrOr("href", "")+e.AttrOr("src", "")))
		})
		if len(target) > 40 {
			target = target[:40] + "…"
		}
		t.Logf("%6.1f ms at best, %6.1f ms in the middle, %6.1f kB, of them %5.1f of HTML: %s", float64(times[0].Microseconds())/1000,
			float64(times[len(times)/2].Microseconds())/1000, float64(sent)/1000, float64(len(html))/1000, target)
		if times[0] > pageTime || sent > pageBytes {
			t.Errorf("%s takes %s and %d bytes, want at most %s and %d", target, times[0], sent, pageTime, pageBytes)
		}
	}
}

// manyIDs are the ids of the newest hundred images.
func manyIDs(n int) string {
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = strconv.Itoa(n - i)
	}
	return strings.Join(ids, ",")
}

// fetchGzip returns what a browser gets, as it is sent.
func fetchGzip(t *testing.T, h http.Handler, target string) []byte {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1"+target, nil)
	r.Header.Set("Accept-Encoding", "gzip")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: got %d", target, w.Code)
	}
	return w.Body.Bytes()
}

func unzipPage(t *testing.T, html []byte) *goquery.Document {
	t.Helper()
	r, err := gzip.NewReader(strings.NewReader(string(html)))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := goquery.NewDocumentFromReader(io.Reader(r))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
