package store_test

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/devtest/mariadbtest"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// original makes the tables as the original's database_setup.sql does, on a
// server whose default is the old character set.
var original = []string{
	"create table images (id int not null auto_increment primary key, path varchar(255) not null, person int, status int) default charset latin1",
	"create table person (id int not null auto_increment primary key, name varchar(255) not null) default charset latin1",
	"create table person_images (id int not null auto_increment primary key, image_name varchar(255), person_id int) default charset latin1",
}

var originalRows = []string{
	"insert into person (id, name) values (1, 'Anna'), (2, 'Zoë'), (3, 'Anna')",
	"insert into person_images (id, image_name, person_id) values (1, 'anna 1.jpg', 1), (2, 'zoë.jpg', 2), (3, null, 1), (4, 'lost.jpg', null), (5, 'anna 1.jpg', 2)",
	`insert into images (id, path, person, status) values
		(1, '/unknown_people/a.jpg', 1, 1),
		(2, 'b.jpg', -1, 0),
		(4, '/unknown_people/a.jpg', -1, 2),
		(5, 'a.jpg', null, null),
		(6, 'é.jpg', 2, 1),
		(7, '/unknown_people//sub/../b.jpg', 4711, 1),
		(8, '/unknown_people/A.jpg', -1, 3),
		(9, './sub/c.jpg', -1, 0),
		(12, '/elsewhere/d.jpg', -1, 0)`,
}

// upgraded is what the rows above become. Ids, people and statuses stay.
var upgraded = []imageColumns{
	{1, "/unknown_people/a.jpg", "1", 1, 0},
	{2, "/unknown_people/b.jpg", "-1", 0, 0},
	{4, "/unknown_people/a.jpg", "-1", 2, 1},
	{5, "/unknown_people/a.jpg", "null", 0, 1}, // a duplicate once it is absolute
	{6, "/unknown_people/é.jpg", "2", 1, 0},
	{7, "/unknown_people/b.jpg", "4711", 1, 2}, // a duplicate once it is cleaned
	{8, "/unknown_people/A.jpg", "-1", 3, 0},
	{9, "/unknown_people/sub/c.jpg", "-1", 0, 0},
	{12, "/elsewhere/d.jpg", "-1", 0, 0},
}

type imageColumns struct {
	ID          int64
	Path        string
	Person      string // "null" where it is
	Status      int
	DuplicateOf int64
}

// originalDatabase returns a database with the original's tables and rows.
func originalDatabase(t *testing.T) (*store.Store, *sql.DB) {
	t.Helper()
	db := mariadbtest.Database(t)
	raw := rawMariaDB(t, db)
	execRaw(t, raw, original...)
	execRaw(t, raw, originalRows...)
	return openMariaDB(t, db), raw
}

func execRaw(t *testing.T, raw *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := raw.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func TestUpgradeKeepsAllRows(t *testing.T) {
	t.Parallel()
	s, raw := originalDatabase(t)
	if err := s.CheckSchema(t.Context()); faces.ErrorCode(err) != faces.CodeUnavailable {
		t.Errorf("CheckSchema of the original's database: %v", err)
	}
	migrate(t, s)
	checkUpgraded(t, s, raw)
	before := dump(t, raw)
	if applied := migrate(t, s); len(applied) != 0 {
		t.Errorf("the second Migrate applied %v", applied)
	}
	if diff := cmp.Diff(before, dump(t, raw)); diff != "" {
		t.Errorf("the second Migrate changed (-before +after):\n%s", diff)
	}
}

func checkUpgraded(t *testing.T, s *store.Store, raw *sql.DB) {
	t.Helper()
	var got []imageColumns
	queryRaw(t, raw, "select id, path, ifnull(person, 'null'), status, duplicate_of from images order by id", func(rows *sql.Rows) error {
		var c imageColumns
		err := rows.Scan(&c.ID, &c.Path, &c.Person, &c.Status, &c.DuplicateOf)
		got = append(got, c)
		return err
	})
	if diff := cmp.Diff(upgraded, got); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	wantText(t, raw, "select concat_ws(' ', id, name) from person order by id", "1 Anna", "2 Zoë", "3 Anna")
	wantText(t, raw, "select concat_ws('|', id, ifnull(image_name, 'null'), ifnull(person_id, 'null')) from person_images order by id",
		"1|anna 1.jpg|1", "2|zoë.jpg|2", "3|null|1", "4|lost.jpg|null", "5|anna 1.jpg|2")

	posted, err := s.AddImages(t.Context(), []string{"/unknown_people/b.jpg", "/unknown_people/a.jpg", "/unknown_people/e\u0301.jpg", "/unknown_people/é.jpg"})
	if err != nil {
		t.Fatal(err)
	}
	if posted[0].ID != 2 || posted[1].ID != 1 || posted[3].ID != 6 {
		t.Errorf("posting known paths answered %+v", posted)
	}
	if posted[2].ID <= 12 {
		t.Errorf("posting a new path answered %+v", posted[2])
	}
	img, err := s.Image(t.Context(), 4)
	if err != nil {
		t.Fatal(err)
	}
	if img.DuplicateOf != 1 || img.Reason != faces.Internal {
		t.Errorf("the duplicate reads %+v", img)
	}
	owners, err := s.Owners(t.Context(), []string{"anna 1.jpg", "zoë.jpg", "lost.jpg", ""})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]faces.Person{"anna 1.jpg": {ID: 1, Name: "Anna"}, "zoë.jpg": {ID: 2, Name: "Zoë"}}
	if diff := cmp.Diff(want, owners); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}
}

// TestUpgradeLeavesOriginalsQueriesWorking runs what the original programs run.
func TestUpgradeLeavesOriginalsQueriesWorking(t *testing.T) {
	t.Parallel()
	s, raw := originalDatabase(t)
	migrate(t, s)
	execRaw(t, raw,
		"insert into images (path, person, status) values ('/unknown_people/new.jpg', -1, 0)",
		"update images set status = 3 where id = 12",
		"update images set person = 2, status = 1 where id = 2",
		"insert into person (name) values ('Bob')",
		"insert into person_images (image_name, person_id) values ('bob.jpg', 4), (null, 4)",
		"insert into images (path) values ('/unknown_people/short.jpg')",
	)
	var id, person, status int
	var path string
	err := raw.QueryRowContext(t.Context(), "select id, path, person, status from images where id = ?", 2).Scan(&id, &path, &person, &status)
	if err != nil || path != "/unknown_people/b.jpg" || person != 2 || status != 1 {
		t.Errorf("read %d %q %d %d: %v", id, path, person, status, err)
	}
	var name string
	err = raw.QueryRowContext(t.Context(),
		"select person.name, person.id from person inner join person_images as pi on person.id = pi.person_id where image_name = ?", "zoë.jpg").Scan(&name, &id)
	if err != nil || name != "Zoë" || id != 2 {
		t.Errorf("the person of a picture is %q %d: %v", name, id, err)
	}
	wantText(t, raw, "select concat_ws(' ', person, status, reason) from images where path like '%new.jpg' or path like '%short.jpg'",
		"-1 0 queued", "-1 0 queued")
	img, err := s.Image(t.Context(), 2)
	if err != nil || img.Reason != faces.Identified || img.Person == nil || img.Person.Name != "Zoë" {
		t.Errorf("read %+v: %v", img, err)
	}
	// A duplicate is refused, and only that: the first is there.
	if _, err := raw.ExecContext(t.Context(), "insert into images (path, person, status) values ('/unknown_people/new.jpg', -1, 0)"); err == nil {
		t.Error("the original could insert a path twice")
	}
}

// TestUpgradeFromHalfWay starts where an earlier migration was cut off: MySQL
// commits each change of a table by itself.
func TestUpgradeFromHalfWay(t *testing.T) {
	t.Parallel()
	for name, statements := range map[string][]string{
		"some columns there": {
			"alter table images add column reason varchar(32) not null default 'queued', add column dedup bigint not null default 0",
			"create table schema_migrations (version bigint not null primary key, name varchar(255) not null, applied_at datetime not null)",
		},
		"some paths absolute, some duplicates marked": {
			"alter table images modify path varchar(750) character set utf8mb4 collate utf8mb4_bin not null",
			"alter table images add column duplicate_of bigint not null default 0, add column dedup bigint not null default 0",
			"update images set path = concat('/unknown_people/', path) where path not like '/%' and id < 5",
			"update images set dedup = id, duplicate_of = 1 where id in (4, 5)",
		},
		"marks that are wrong by now": {
			"alter table images add column duplicate_of bigint not null default 0, add column dedup bigint not null default 0",
			"update images set dedup = id, duplicate_of = 12 where id in (1, 2, 9)",
		},
		"tables of ours there": {
			"create table models (id varchar(64) not null primary key, threshold double not null, margin double not null, official boolean not null, last_used datetime(6) not null)",
			"alter table person modify id bigint not null auto_increment",
			"create index person_name on person (name)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, raw := originalDatabase(t)
			execRaw(t, raw, statements...)
			migrate(t, s)
			checkUpgraded(t, s, raw)
		})
	}
	t.Run("all done but the version", func(t *testing.T) {
		t.Parallel()
		s, raw := originalDatabase(t)
		migrate(t, s)
		// The original has gone on meanwhile: this path is there, absolute.
		execRaw(t, raw, "delete from schema_migrations", "insert into images (id, path, person, status) values (20, 'b.jpg', -1, 0)")
		migrate(t, s)
		execRaw(t, raw, "delete from images where id = 20")
		checkUpgraded(t, s, raw)
		wantText(t, raw, "select count(*) from information_schema.statistics where table_schema = database() and index_name = 'images_path'", "2")
	})
}

// TestUpgradeManyRows is about pages: more rows than one statement reads.
func TestUpgradeManyRows(t *testing.T) {
	t.Parallel()
	db := mariadbtest.Database(t)
	raw := rawMariaDB(t, db)
	execRaw(t, raw, original...)
	var rows []string
	for i := range 3000 {
		rows = append(rows, fmt.Sprintf("('p%d.jpg', -1, 0)", i%1000))
	}
	execRaw(t, raw, "insert into images (path, person, status) values "+strings.Join(rows, ","))
	s := openMariaDB(t, db)
	migrate(t, s)
	wantText(t, raw, "select count(*) from images where path not like '/unknown_people/p%'", "0")
	wantText(t, raw, "select count(*) from images where duplicate_of = 0", "1000")
	wantText(t, raw, "select count(*) from images where duplicate_of between 1 and 1000", "2000")
}

// TestUpgradeOldFormat is about tables that an old server made: their indexes
// were too short for a path.
func TestUpgradeOldFormat(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"engine=InnoDB row_format=compact", "engine=MyISAM", "engine=InnoDB default charset utf8mb3"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			db := mariadbtest.Database(t)
			raw := rawMariaDB(t, db)
			for _, table := range original {
				execRaw(t, raw, strings.TrimSuffix(table, " default charset latin1")+" "+format)
			}
			execRaw(t, raw, originalRows...)
			s := openMariaDB(t, db)
			migrate(t, s)
			checkUpgraded(t, s, raw)
		})
	}
}

// TestMigrateUnderLoad upgrades while an original program inserts.
func TestMigrateUnderLoad(t *testing.T) {
	t.Parallel()
	s, raw := originalDatabase(t)
	stop, done := make(chan struct{}), make(chan error, 1)
	inserted := 0
	go func() {
		for ; ; inserted++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			_, err := raw.Exec("insert into images (path, person, status) values (?, -1, 0)", fmt.Sprintf("/unknown_people/load%d.jpg", inserted))
			if err != nil {
				done <- err
				return
			}
		}
	}()
	migrate(t, s)
	close(stop)
	if err := <-done; err != nil {
		t.Fatalf("the original's insert number %d: %v", inserted, err)
	}
	wantText(t, raw, "select count(*) from images where path like '/unknown\\_people/load%'", fmt.Sprint(inserted))
}

// dump returns all rows of all tables and how the tables are made.
func dump(t *testing.T, raw *sql.DB) map[string][]string {
	t.Helper()
	tables := map[string][]string{}
	for _, table := range textsOf(t, raw, "select table_name from information_schema.tables where table_schema = database()") {
		queryRaw(t, raw, "show create table "+table, func(rows *sql.Rows) error {
			var name, definition string
			err := rows.Scan(&name, &definition)
			tables[table] = append(tables[table], definition)
			return err
		})
		tables[table] = append(tables[table], rowsOf(t, raw, map[string]string{table: "select * from " + table})[table]...)
	}
	return tables
}

func queryRaw(t *testing.T, raw *sql.DB, query string, each func(rows *sql.Rows) error) {
	t.Helper()
	rows, err := raw.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func textsOf(t *testing.T, raw *sql.DB, query string) []string {
	t.Helper()
	var got []string
	queryRaw(t, raw, query, func(rows *sql.Rows) error {
		var text string
		err := rows.Scan(&text)
		got = append(got, text)
		return err
	})
	return got
}

func wantText(t *testing.T, raw *sql.DB, query string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, textsOf(t, raw, query)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", query, diff)
	}
}
