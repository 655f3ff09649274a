package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// The places where blocks run.
const (
	Alone      = "alone"
	Standalone = "standalone"
	Services   = "services"
	Cluster    = "apps/e2e"
)

// Block is a block of code in a document.
type Block struct {
	Document string // its path in the repository
	Section  string // the heading above the block
	Line     int    // of the first line of code
	Place    string // where the block runs, or ""
	Reason   string // why it runs nowhere, or ""
	Language string // of a fenced block, or ""
	Text     string
}

// String names the place of the block in its document.
func (b Block) String() string { return fmt.Sprintf("%s:%d", b.Document, b.Line) }

// Documents lists the documents whose commands people type, by their path in the
// repository. root is its folder.
func Documents(root string) ([]string, error) {
	var list []string
	for _, pattern := range []string{"README.md", "CONTRIBUTING.md", "docs/*.md", "docs/runbooks/*.md", "apps/*/README.md", "overlays/README.md"} {
		files, err := fs.Glob(os.DirFS(root), pattern)
		if err != nil {
			return nil, fmt.Errorf("list the documents: %w", err)
		}
		list = append(list, files...)
	}
	return list, nil
}

// Read returns the blocks of a document. root is the folder of the repository.
func Read(root, document string) ([]Block, error) {
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		return nil, fmt.Errorf("read a document: %w", err)
	}
	return parse(document, string(text)), nil
}

// At returns the blocks that run at a place.
func At(place string, blocks []Block) []Block {
	var list []Block
	for _, b := range blocks {
		if b.Place == place {
			list = append(list, b)
		}
	}
	return list
}

const indent = "    "

var (
	mark     = regexp.MustCompile(`^<!-- (run|not run): (.*?) *-->$`)
	listItem = regexp.MustCompile(`^( |[-*] |[0-9]+\. )`)
	title    = regexp.MustCompile(`^#+ +(.+)$`)
)

// parse returns the blocks of a document's text.
func parse(document, text string) []Block {
	var (
		list    []Block
		lines   = strings.Split(text, "\n")
		section string
		before  string // the last line with text outside of blocks
	)
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		b := Block{Document: document, Section: section, Line: i + 1}
		switch {
		case strings.HasPrefix(line, "```"):
			b.Language, b.Line = strings.TrimPrefix(line, "```"), i+2
			b.Text, i = fenced(lines, i+1)
		case strings.HasPrefix(line, indent) && begins(lines, i, before):
			b.Text, i = indented(lines, i)
		default:
			if m := title.FindStringSubmatch(line); m != nil {
				section = m[1]
			}
			if strings.TrimSpace(line) != "" {
				before = line
			}
			continue
		}
		b.Place, b.Reason = marked(before)
		before = ""
		list = append(list, b)
	}
	return list
}

// begins reports whether an indented line begins a block: it does not go on with a
// paragraph or an item of a list.
func begins(lines []string, i int, before string) bool {
	if i == 0 || lines[i-1] == "" {
		return !listItem.MatchString(before)
	}
	return mark.MatchString(lines[i-1]) || title.MatchString(lines[i-1])
}

// fenced returns a block up to its closing fence, and the number of that line.
func fenced(lines []string, first int) (text string, last int) {
	for last = first; last < len(lines) && !strings.HasPrefix(lines[last], "```"); last++ {
	}
	return strings.Join(lines[first:last], "\n") + "\n", last
}

// indented returns a block up to its last indented line, and the number of that line.
func indented(lines []string, first int) (text string, last int) {
	last = first
	for i := first; i < len(lines) && (lines[i] == "" || strings.HasPrefix(lines[i], indent)); i++ {
		if lines[i] != "" {
			last = i
		}
	}
	var b strings.Builder
	for _, line := range lines[first : last+1] {
		b.WriteString(strings.TrimPrefix(line, indent) + "\n")
	}
	return b.String(), last
}

func marked(line string) (place, reason string) {
	m := mark.FindStringSubmatch(line)
	switch {
	case m == nil:
		return "", ""
	case m[1] == "run":
		return m[2], ""
	default:
		return "", m[2]
	}
}

// command is how a line of a shell begins: a variable, or a program in lower case.
var command = regexp.MustCompile(`^([A-Z_0-9]+=|[a-z./][A-Za-z0-9./_-]*( |$))`)

// IsCommands reports whether a block holds commands of a shell.
func (b Block) IsCommands() bool {
	switch b.Language {
	case "sh", "bash", "shell", "console":
		return true
	case "":
	default:
		return false
	}
	for line := range strings.Lines(b.Text) {
		if line = strings.TrimRight(line, "\n"); line != "" && !strings.HasPrefix(line, "#") {
			return command.MatchString(line)
		}
	}
	return false
}
