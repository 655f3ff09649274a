package vitess

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vitess.io/vitess/go/stats"
	"vitess.io/vitess/go/vt/sqlparser"
	"vitess.io/vitess/go/vt/topo/memorytopo"
	"vitess.io/vitess/go/vt/vtenv"
	"vitess.io/vitess/go/vt/vtexplain"
	"vitess.io/vitess/go/vt/vtgate/engine"
)

const (
	sharded   = "images"   // the keyspace with images, their faces and whatever is about one image
	unsharded = "rollcall" // the keyspace with everything else
	shards    = 4
)

// planner is vtgate's planner in front of simulated tablets.
type planner struct {
	explain *vtexplain.VTExplain
	parser  *sqlparser.Parser
}

func newPlanner(t *testing.T) planner {
	t.Helper()
	env, err := vtenv.New(vtenv.Options{MySQLServerVersion: "8.4.6"})
	if err != nil {
		t.Fatal(err)
	}
	schema := readSchema(t)
	columns := columnsOf(t, env.Parser(), schema)
	vschema, err := json.Marshal(map[string]any{sharded: vschemaOf(t, sharded, columns), unsharded: vschemaOf(t, unsharded, columns)})
	if err != nil {
		t.Fatal(err)
	}
	opts := &vtexplain.Options{ExecutionMode: vtexplain.ModeMulti, ReplicationMode: "ROW", NumShards: shards, Normalize: true}
	ts := memorytopo.NewServer(t.Context(), vtexplain.Cell)
	v, err := vtexplain.Init(t.Context(), env, ts, string(vschema), schema, "", opts, stats.NewCountersWithSingleLabel("", "", "type"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Stop)
	return planner{v, env.Parser()}
}

// readSchema returns the store's tables and Vitess's. Times are texts: vtexplain's tablets return
// made-up rows, and vtgate refuses to compare what is no time.
func readSchema(t *testing.T) string {
	t.Helper()
	schema := read(t, storeFile("schema.sql")) + read(t, filepath.Join("testdata", "vitess.sql"))
	return strings.ReplaceAll(schema, "datetime(6)", "varchar(26)")
}

// column is a column in a vschema.
type column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// columnsOf returns the columns of each table. vtgate learns them from its tablets (schema
// tracking); vtexplain has to be told.
func columnsOf(t *testing.T, parser *sqlparser.Parser, schema string) map[string][]column {
	t.Helper()
	statements, err := parser.SplitStatementToPieces(schema)
	if err != nil {
		t.Fatal(err)
	}
	of := map[string][]column{}
	for _, text := range statements {
		statement, err := parser.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		table, ok := statement.(*sqlparser.CreateTable)
		if !ok {
			t.Fatalf("not a table: %s", text)
		}
		for _, c := range table.TableSpec.Columns {
			name := table.Table.Name.String()
			of[name] = append(of[name], column{c.Name.String(), c.Type.SQLType().String()})
		}
	}
	return of
}

// vschemaOf reads the vschema of a keyspace and adds the columns of its tables.
func vschemaOf(t *testing.T, keyspace string, columns map[string][]column) map[string]any {
	t.Helper()
	vschema := map[string]any{}
	if err := json.Unmarshal([]byte(read(t, filepath.Join("testdata", keyspace+".vschema.json"))), &vschema); err != nil {
		t.Fatal(err)
	}
	for name, table := range vschema["tables"].(map[string]any) {
		if columns[name] == nil {
			t.Fatalf("the vschema of %s has a table %s, which is not in the schema", keyspace, name)
		}
		table.(map[string]any)["columns"] = columns[name]
		table.(map[string]any)["columnListAuthoritative"] = true
	}
	return vschema
}

// class is where a statement goes.
type class string

const (
	elsewhere class = "rollcall"
	one       class = "one shard"
	lookup    class = "one shard, after a lookup"
	some      class = "the shards of its ids"
	all       class = "all shards"
	refused   class = "refused"
)

// plan is what vtexplain says about a statement.
type plan struct {
	recorded
	class  class
	writes int // statements that write a lookup table
	why    string
}

var (
	lookupTable = regexp.MustCompile(`\b(image_paths|face_images|correction_images)\b`)
	sequence    = regexp.MustCompile(`^select next `)
)

// plan asks where a statement goes: twice, because two ids may happen to be in one shard.
func (p planner) plan(t *testing.T, r recorded) plan {
	t.Helper()
	first, second := p.planWith(t, r, 1000), p.planWith(t, r, 5000)
	if second.class == some {
		return second
	}
	return first
}

// planWith asks where a statement goes with values from n on.
func (p planner) planWith(t *testing.T, r recorded, n int) plan {
	t.Helper()
	result := plan{recorded: r}
	list, err := p.explain.Run(withValues(r.text, n))
	if err != nil {
		for errors.Unwrap(err) != nil {
			err = errors.Unwrap(err)
		}
		result.class, result.why = refused, err.Error()[strings.LastIndex(err.Error(), "': ")+len("': "):]
		return result
	}
	reached, looked := map[string]bool{}, false
	for tablet, actions := range list[0].TabletActions {
		if keyspace, _, _ := strings.Cut(tablet, "/"); keyspace == unsharded {
			continue
		}
		for _, q := range actions.TabletQueries {
			switch {
			case sequence.MatchString(q.SQL), q.SQL == "commit":
			case !lookupTable.MatchString(q.SQL):
				reached[tablet] = true
			case !strings.HasPrefix(q.SQL, "select"):
				result.writes++
			default:
				looked = true
			}
		}
	}
	result.class = classOf(scatters(t, list[0].Plans), len(reached), looked)
	return result
}

func classOf(scatters bool, reached int, looked bool) class {
	switch {
	case scatters:
		return all
	case reached > 1:
		return some
	case reached == 1 && looked:
		return lookup
	case reached == 1:
		return one
	default:
		return elsewhere
	}
}

// scatters reports whether a plan asks every shard of images.
func scatters(t *testing.T, plans []*engine.Plan) bool {
	t.Helper()
	return slices.ContainsFunc(plans, func(p *engine.Plan) bool {
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(text), `"Variant":"Scatter"`)
	})
}
