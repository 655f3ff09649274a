package docs

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withCommands lists the documents whose commands people type.
func withCommands(t *testing.T) []string {
	t.Helper()
	list, err := Documents(root)
	if err != nil || len(list) < 20 {
		t.Fatalf("got %q, %v", list, err)
	}
	return list
}

// blocksOf returns the blocks of all documents.
func blocksOf(t *testing.T) []Block {
	t.Helper()
	var list []Block
	for _, name := range withCommands(t) {
		blocks, err := Read(root, name)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, blocks...)
	}
	return list
}

// complaint says what is wrong with a block's mark.
func complaint(b Block) string {
	places := []string{Alone, Standalone, Services, Cluster}
	switch {
	case b.Place != "" && !slices.Contains(places, b.Place):
		return "no test runs the place " + b.Place + "; there are " + strings.Join(places, ", ")
	case b.IsCommands() && b.Place == "" && b.Reason == "":
		return `no test runs it: mark it with <!-- run: place -->, or with <!-- not run: reason -->`
	default:
		return ""
	}
}

// A block of commands is run by a test, or says why not.
func TestBlocksAreMarked(t *testing.T) {
	t.Parallel()
	for _, b := range blocksOf(t) {
		if c := complaint(b); c != "" {
			t.Errorf("%s: %s:\n%s", b, c, b.Text)
		}
	}
}

func TestComplaint(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"run", "<!-- run: alone -->\n\n    make help\n", ""},
		{"directly above", "A paragraph:\n<!-- run: alone -->\n    make help\n", ""},
		{"not run", "<!-- not run: needs AWS -->\n\n    aws sts get-caller-identity\n", ""},
		{"no reason", "<!-- not run: -->\n\n    aws s3 ls\n", "no test runs it"},
		{"no mark", "So:\n\n    make help\n", "no test runs it"},
		{"below a heading", "## So\n    make help\n", "no test runs it"},
		{"a mark of the block before", "<!-- run: alone -->\n\n    make help\n\nand\n\n    make clean\n", "no test runs it"},
		{"a fence", "```sh\nMake\n```\n", "no test runs it"},
		{"a fence with a mark", "<!-- run: standalone -->\n```sh\ncurl x\n```\n", ""},
		{"a fence without a language", "```\nmake help\n```\n", "no test runs it"},
		{"a variable", "    NEW=$(openssl rand -hex 16)\n", "no test runs it"},
		{"a loop below a comment", "    # all of them\n    for i in 1 2; do echo $i; done\n", "no test runs it"},
		{"a script", "    .github/scripts/bump.sh a b\n", "no test runs it"},
		{"an unknown place", "<!-- run: everywhere -->\n\n    make help\n", "no test runs the place everywhere"},
		{"YAML", "    components:\n    - ../components/one-node\n", ""},
		{"JSON", "    {\"id\":4}\n", ""},
		{"SQL", "    CREATE DATABASE rollcall;\n", ""},
		{"output", "    redeemer: 2 image(s) queued\n", ""},
		{"Go", "```go\nimg, err := c.Get()\n```\n", ""},
		{"a drawing", "```\n client ──▶ receiver\n```\n", ""},
		{"an item of a list", "- one\n\n    more of it\n", ""},
		{"a paragraph", "one\n    two\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got string
			for _, b := range parse("a.md", tt.text) {
				got += complaint(b)
			}
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	got := parse("a.md", "# A\n\n<!-- run: alone -->\n    one\n\n    two \\\n      three\n\ntext\n\n## B\n\n```json\n{}\n```\n<!-- not run: it is x -->\n\n    four\n")
	want := []Block{
		{Document: "a.md", Section: "A", Line: 4, Place: Alone, Text: "one\n\ntwo \\\n  three\n"},
		{Document: "a.md", Section: "B", Line: 14, Language: "json", Text: "{}\n"},
		{Document: "a.md", Section: "B", Line: 18, Reason: "it is x", Text: "four\n"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestShell(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, output, err string }{
		{"in order", "echo one\necho two", "one\ntwo\n", ""},
		{"a variable of the block before", "echo $BEFORE", "before\n", ""},
		{"a failure", "false\necho two", "", "a.md:7: false: exit code 1"},
		{"a failure before &&", "false && echo two", "", "a.md:7: "},
		{"a failure at the end of a pipe", "echo one | grep two", "", "grep two: exit code 1"},
		{"a program in the background", "sleep 1000 &\necho one", "one\n", ""},
		{"another port", "echo http://127.0.0.1:8000", "http://127.0.0.1:34567\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := Shell{Dir: t.TempDir(), Replace: strings.NewReplacer(":8000", ":34567")}
			got, err := s.Run(t.Context(), []Block{{Document: "a.md", Line: 3, Text: "BEFORE=before\n"}, {Document: "a.md", Line: 7, Text: tt.text + "\n"}})
			if (err == nil) != (tt.err == "") || (err != nil && !strings.Contains(err.Error(), tt.err)) {
				t.Fatalf("got the error %v, want %q", err, tt.err)
			}
			if err == nil && got != tt.output {
				t.Errorf("got %q, want %q", got, tt.output)
			}
		})
	}
}
