package frontend_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
)

// fillPeople makes n images, and a person for each hundred of them. Person 1 is in a tenth
// of all; few people need attention.
func fillPeople(t *testing.T, file string, n int) {
	t.Helper()
	raw, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	series := func(to int) string {
		return fmt.Sprintf("(with recursive r(seq) as (select 1 union all select seq + 1 from r where seq < %d) select seq from r)", to)
	}
	people := n / 100
	who := fmt.Sprintf("case when seq %% 10 = 0 then 1 else seq %% %d + 1 end", people)
	for _, statement := range []string{
		"insert into person (id, name) select seq, 'Person ' || seq from " + series(people),
		fmt.Sprintf("insert into person_images (image_name, person_id) select seq || '.jpg', (seq - 1) %% %d + 1 from %s where seq %% 997 <> 0", people, series(4*people)),
		"insert into consents (person_id, basis, from_at, until_at, recorded_at, changed_at) select seq, 'consent', datetime(1770000000, 'unixepoch'), " +
			"datetime(1880000000, 'unixepoch'), datetime(1770000000, 'unixepoch'), datetime(1770000000, 'unixepoch') from " + series(people) + " where seq % 2 = 0",
		"insert into images (id, path, person, status, reason, width, height, model, created_at, updated_at) select seq, '/u/' || seq || '.jpg', " + who +
			", 1, 'identified', 800, 600, 'm', datetime(1780000000 + seq, 'unixepoch'), datetime(1780000000 + seq, 'unixepoch') from " + series(n),
		"insert into faces (image_id, position, x, y, width, height, landmarks, descriptor, descriptor_rest, model, reason, best_person_id, best_distance, matched_image, second_person_id, second_distance, second_image) " +
			"select seq, 0, 10, 10, 120, 130, '[]', zeroblob(512), zeroblob(512), 'm', case when seq % 9973 = 0 then 'uncertain' else 'identified' end, " + who +
			", 0.2 + (seq % 89) / 200.0, '1.jpg', -1, 0, '' from " + series(n),
	} {
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement[:40], err)
		}
	}
}

// Pages of people are there at once, with a hundredth as many people as images.
// ROLLCALL_TEST_ROWS=1000000 checks their time.
func TestPeoplePagesAreQuick(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("ROLLCALL_TEST_ROWS"))
	if err != nil {
		n = 5000
	}
	a := newAlbum(t)
	fillPeople(t, a.file, n)
	h := serve(t, a.Store, func(o *frontend.Options) {
		o.API, err = frontend.NewAPI("http://127.0.0.1:9", nil)
		a.check(err)
		o.Everybody, o.CountsFor = access.AdminRole, 0 // the list of people is kept, as it is where people look at it
	})
	last := n / 100
	for _, target := range []string{
		"/people", "/people?after=" + strconv.Itoa(last/2), "/people?q=nobody", "/people?q=7", "/people?need=pictures", "/people?need=few",
		"/people?need=uncertain", "/people?need=consent", "/people?show=hidden", "/people/1", "/people/" + strconv.Itoa(last),
		"/people/1/merge?with=" + strconv.Itoa(last),
	} {
		best, size := time.Hour, 0
		for range 5 {
			begin := time.Now()
			page := get(t, h, target)
			best, size = min(best, time.Since(begin)), len(page.Text)
			if page.Code != http.StatusOK {
				t.Fatalf("%s: code %d", target, page.Code)
			}
		}
		t.Logf("%6.1f ms, %3d kB: %s", float64(best.Microseconds())/1000, size/1000, target)
		if size > 100_000 {
			t.Errorf("%s has %d bytes, want at most 100,000", target, size)
		}
		if n >= 1_000_000 && best > 50*time.Millisecond {
			t.Errorf("%s takes %s, want at most 50 ms", target, best)
		}
	}
}
