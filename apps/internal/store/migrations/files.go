package migrations

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

//go:embed *.sql
var files embed.FS

// dialect is one of the two kinds of SQL files, as in their names.
type dialect string

const (
	mysql  dialect = "mysql"
	sqlite dialect = "sqlite"
)

// migration is one version of the schema on one kind of database.
type migration struct {
	version    int
	name       string
	file       string
	dialect    dialect
	statements []string
	after      *goStep // nil if SQL is enough
}

var fileName = regexp.MustCompile(`^(\d{4})_(\w+)\.(mysql|sqlite)\.sql$`)

// load reads the migrations of a dialect, ordered by version.
func load(from fs.FS, d dialect, steps []goStep) ([]migration, error) {
	names, err := fs.Glob(from, "*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var list []migration
	for _, name := range names {
		m, err := read(from, name, d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if m == nil {
			continue
		}
		if i := slices.IndexFunc(steps, func(s goStep) bool { return s.version == m.version }); i >= 0 {
			m.after = &steps[i]
		}
		list = append(list, *m)
		if m.version != len(list) {
			return nil, fmt.Errorf("%s: want version %04d next", name, len(list))
		}
	}
	return list, nil
}

// read reads one file. It returns nil for a file of the other dialect.
func read(from fs.FS, name string, d dialect) (*migration, error) {
	parts := fileName.FindStringSubmatch(name)
	if parts == nil {
		return nil, errors.New("want a name such as 0005_name.mysql.sql")
	}
	if dialect(parts[3]) != d {
		return nil, nil
	}
	version, err := strconv.Atoi(parts[1])
	if err != nil {
		return nil, err
	}
	text, err := fs.ReadFile(from, name)
	if err != nil {
		return nil, err
	}
	statements, err := split(string(text))
	if err != nil {
		return nil, err
	}
	for i, s := range statements {
		if err := d.check(s); err != nil {
			return nil, fmt.Errorf("statement %d (%s): %w", i+1, summary(s), err)
		}
	}
	return &migration{version: version, name: parts[2], file: name, dialect: d, statements: statements}, nil
}

// split splits a file into statements, without semicolons and comments.
func split(text string) ([]string, error) {
	var statements, lines []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		if line == "" || strings.HasPrefix(strings.TrimSpace(line), "--") {
			continue
		}
		last, ends := strings.CutSuffix(line, ";")
		lines = append(lines, last)
		if ends {
			statements = append(statements, strings.Join(lines, "\n"))
			lines = nil
		}
	}
	if len(lines) > 0 {
		return nil, fmt.Errorf("no semicolon ends the last statement (%s)", lines[0])
	}
	return statements, nil
}

// summary returns the first line of a statement, for messages.
func summary(statement string) string {
	first, _, _ := strings.Cut(statement, "\n")
	return strings.TrimRight(first, " (")
}

// check returns an error if a statement cannot be repeated after a crash.
func (d dialect) check(statement string) error {
	if d == sqlite {
		return nil // a crash rolls the transaction back
	}
	return checkRepeatable(statement)
}

func (d dialect) exec(ctx context.Context, db DB, statement string) error {
	if d == mysql {
		return execMySQL(ctx, db, statement)
	}
	_, err := db.ExecContext(ctx, statement)
	return err
}

// advice tells the operator what to do after an error.
func (d dialect) advice() string {
	if d == sqlite {
		return "nothing was changed: remove the cause and start again"
	}
	return "what came before is done: remove the cause and run receiver -migrate again, which goes on from here"
}

// expand replaces ${NAME} in the statements by its value.
func expand(list []migration, values map[string]string) error {
	for _, m := range list {
		for i, s := range m.statements {
			var unknown string
			m.statements[i] = os.Expand(s, func(name string) string {
				value, ok := values[name]
				if !ok {
					unknown = name
				}
				return value
			})
			if unknown != "" {
				return fmt.Errorf("%s, statement %d (%s): there is no value for ${%s}", m.file, i+1, summary(s), unknown)
			}
		}
	}
	return nil
}
