package sqlrows_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/sqlrows"
)

func TestRead(t *testing.T) {
	t.Parallel()
	const created = "create table person (id int not null auto_increment primary key, `name` varchar(255) not null, key (name));\n"
	for _, tt := range []struct {
		name, text string
		want       []string // id=name
	}{
		{"as the original writes", "use kube;\n-- people\ninsert into person (name) values('Hannibal');\ninsert into person (name) values('John Doe');", []string{"1=Hannibal", "2=John Doe"}},
		{"as mysqldump writes", created + "LOCK TABLES `person` WRITE;\n/*!40000 ALTER TABLE `person` DISABLE KEYS */;\nINSERT INTO `person` VALUES (3,'Ada'),(7,'O\\'Connor');\nUNLOCK TABLES;", []string{"3=Ada", "7=O'Connor"}},
		{"ids go on", "insert into person (id, name) values (5, 'Ada');insert into person (name) values ('Bob'), ('Cy')", []string{"5=Ada", "6=Bob", "7=Cy"}},
		{"quotes", `insert ignore into kube.person (name) values ('O''Connor'), ("Ada ""Countess"" King"), ('semi;colon -- /* no comment */'), ('back\\slash')`,
			[]string{"1=O'Connor", `2=Ada "Countess" King`, "3=semi;colon -- /* no comment */", `4=back\slash`}},
		{"nothing", "", nil},
		{"NULL", "insert into person (id, name) values (null, NULL), (default, _utf8mb4'Zoë') on duplicate key update name = name", []string{"1=", "2=Zoë"}},
		{"other tables", "create table images (id int); insert into images values (1, uuid()); insert into person_images (id) values (9)", nil},
		{"columns in another order", "INSERT INTO person (Name, ID) VALUE ('Ada', 4) # end", []string{"4=Ada"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tables, err := sqlrows.Read(tt.text, "person")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, row := range tables["person"] {
				got = append(got, row.Columns["id"]+"="+row.Columns["name"])
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"SELECT":           {"\n\ninsert into person (name) select 'Ada' from dual", "line 3: only INSERT"},
		"unknown columns":  {"insert into person values (1, 'Ada')", "line 1: the columns of person"},
		"a function":       {"insert into person (name) values (upper('ada'))", `"upper"`},
		"an expression":    {"insert into person (id, name) values (1+1, 'Ada')", "neither text nor number"},
		"too many values":  {"insert into person (name) values ('Ada', 'Bob')", "more than 1"},
		"too few values":   {"insert into person (id, name) values ('Ada')", "1 values for 2 columns"},
		"an open quote":    {"insert into person (name) values ('Ada", "is not closed"},
		"an update":        {"update person set name = 'Ada'", "update of the table person"},
		"a deletion":       {"delete from `person`", "delete of the table person"},
		"another encoding": {"insert into person (name) values ('Zo\xeb')", "not UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := sqlrows.Read(tt.text, "person")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add("insert into person (id, name) values (1, 'O''Connor');")
	f.Add("create table person(id int, name text); insert into person values (1, \"a\\n\")")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = sqlrows.Read(text, "person", "person_images") // must end, without panic
	})
}
