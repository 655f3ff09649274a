// Package sqlrows reads the rows that a file of MySQL statements inserts: the
// database_setup.sql of the original program, or a dump by mysqldump. It runs no
// SQL; a statement that it would have to run is an error.
package sqlrows

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Row is a row that a file inserts. Columns without a value, or with NULL, are
// missing.
type Row struct {
	Line    int // of the file, for messages
	Columns map[string]string
}

// ID returns the number in a column.
func (r Row) ID(column string) (id int64, ok bool) {
	id, err := strconv.ParseInt(r.Columns[column], 10, 64)
	return id, err == nil
}

// Read returns the rows of some tables, by table. Names of tables and columns count in
// lower case. A row without a number in the column id gets the next one, as
// auto_increment does.
func Read(text string, tables ...string) (map[string][]Row, error) {
	r := &reader{tables: tables, columns: map[string][]string{}, next: map[string]int64{}, rows: map[string][]Row{}}
	tokens, err := split(text)
	if err != nil {
		return nil, err
	}
	for len(tokens) > 0 {
		end := slices.IndexFunc(tokens, func(t token) bool { return t.is(";") })
		if end < 0 {
			end = len(tokens)
		}
		if err := r.statement(&cursor{tokens: tokens[:end]}); err != nil {
			return nil, err
		}
		tokens = tokens[min(end+1, len(tokens)):]
	}
	return r.rows, nil
}

type reader struct {
	tables  []string
	columns map[string][]string // of each table that the file creates
	next    map[string]int64    // the last id of each table
	rows    map[string][]Row
}

func (r *reader) statement(c *cursor) error {
	switch verb := c.word(); verb {
	case "create":
		return r.create(c)
	case "insert", "replace":
		return r.insert(c)
	case "update", "delete", "truncate", "load":
		for !c.done() {
			if t := c.take(); slices.Contains(r.tables, t.lower()) {
				return fmt.Errorf("line %d: %s of the table %s cannot be read; send a file that only inserts rows, such as a dump", t.line, verb, t.text)
			}
		}
	}
	return nil
}

// create notes the order of a table's columns.
func (r *reader) create(c *cursor) error {
	if !c.skip("table") {
		return nil
	}
	if c.skip("if") {
		c.skip("not")
		c.skip("exists")
	}
	table := c.name()
	if !slices.Contains(r.tables, table) || !c.skip("(") {
		return nil
	}
	var columns []string
	for first, depth := true, 1; depth > 0 && !c.done(); {
		t := c.take()
		switch {
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		case t.is(",") && depth == 1:
			first = true
			continue
		case first && depth == 1 && (t.kind == quoted || !slices.Contains(notColumns, t.lower())):
			columns = append(columns, t.lower())
		}
		first = false
	}
	r.columns[table] = columns
	return nil
}

// notColumns begin the parts of CREATE TABLE that are no columns.
var notColumns = []string{"primary", "key", "unique", "index", "constraint", "foreign", "fulltext", "spatial", "check"}

func (r *reader) insert(c *cursor) error {
	for c.skip("low_priority") || c.skip("delayed") || c.skip("high_priority") || c.skip("ignore") || c.skip("into") {
		continue
	}
	at := c.peek()
	table := c.name()
	if !slices.Contains(r.tables, table) {
		return nil
	}
	columns := r.columns[table]
	if c.skip("(") {
		columns = nil
		for !c.done() && !c.skip(")") {
			if t := c.take(); !t.is(",") {
				columns = append(columns, t.lower())
			}
		}
	}
	if !c.skip("values") && !c.skip("value") {
		return fmt.Errorf("line %d: only INSERT … VALUES can be read, not another way to insert into %s", at.line, table)
	}
	if columns == nil {
		return fmt.Errorf("line %d: the columns of %s are not known; name them, or put the CREATE TABLE before the INSERT", at.line, table)
	}
	for c.skip("(") {
		if err := r.row(c, table, columns); err != nil {
			return err
		}
		if !c.skip(",") {
			break
		}
	}
	return nil
}

// row reads the values of one row, after its opening bracket.
func (r *reader) row(c *cursor, table string, columns []string) error {
	row := Row{Line: c.peek().line, Columns: map[string]string{}}
	for i := 0; ; i++ {
		value, ok, err := c.value()
		if err != nil {
			return err
		}
		if i >= len(columns) {
			return fmt.Errorf("line %d: a row of %s has more than %d values", row.Line, table, len(columns))
		}
		if ok {
			row.Columns[columns[i]] = value
		}
		if c.skip(",") {
			continue
		}
		if !c.skip(")") {
			return fmt.Errorf("line %d: a row of %s has a value that is neither text nor number", row.Line, table)
		}
		if i+1 != len(columns) {
			return fmt.Errorf("line %d: a row of %s has %d values for %d columns", row.Line, table, i+1, len(columns))
		}
		break
	}
	if id, ok := row.ID("id"); ok && id > 0 {
		r.next[table] = max(r.next[table], id)
	} else {
		r.next[table]++
		row.Columns["id"] = strconv.FormatInt(r.next[table], 10)
	}
	r.rows[table] = append(r.rows[table], row)
	return nil
}

// cursor reads the tokens of one statement.
type cursor struct{ tokens []token }

func (c *cursor) done() bool { return len(c.tokens) == 0 }

func (c *cursor) peek() token {
	if c.done() {
		return token{}
	}
	return c.tokens[0]
}

func (c *cursor) take() token {
	t := c.peek()
	c.tokens = c.tokens[min(1, len(c.tokens)):]
	return t
}

// word takes a token and returns it in lower case if it is a word.
func (c *cursor) word() string {
	if t := c.take(); t.kind == plain {
		return t.lower()
	}
	return ""
}

// skip takes the next token if it is this word or sign.
func (c *cursor) skip(word string) bool {
	if !c.peek().is(word) {
		return false
	}
	c.take()
	return true
}

// name takes the name of a table, and leaves out that of its database.
func (c *cursor) name() string {
	name := c.take().lower()
	for c.skip(".") {
		name = c.take().lower()
	}
	return name
}

// value takes a value. ok is false for NULL and DEFAULT.
func (c *cursor) value() (value string, ok bool, err error) {
	t := c.take()
	if t.kind == plain && strings.HasPrefix(t.text, "_") && c.peek().kind == str {
		t = c.take() // _utf8mb4'…'
	}
	sign := ""
	if t.is("-") {
		sign, t = "-", c.take()
	}
	switch {
	case t.kind == str:
		value = t.text
		for c.peek().kind == str { // 'a' 'b' is one text
			value += c.take().text
		}
		return value, true, nil
	case t.is("null"), t.is("default"):
		return "", false, nil
	case t.kind == plain && t.text != "" && t.text[0] >= '0' && t.text[0] <= '9':
		return sign + t.text, true, nil
	default:
		return "", false, fmt.Errorf("line %d: %q is neither text nor a number nor NULL", t.line, t.text)
	}
}
