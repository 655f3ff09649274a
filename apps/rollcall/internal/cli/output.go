package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/rollcall-faces/rollcall/apps/api"
)

func (a *app) json() bool { return a.flags.output == "json" }

// show prints a value: as JSON, or by text.
func (a *app) show(value any, text func(w io.Writer)) error {
	if a.json() {
		return a.showJSON(value, "  ")
	}
	text(a.Out)
	return nil
}

// showLine prints one value of many that come one after another: as a line of JSON, or
// by text.
func (a *app) showLine(value any, text func(w io.Writer)) error {
	if a.json() {
		return a.showJSON(value, "")
	}
	text(a.Out)
	return nil
}

func (a *app) showJSON(value any, indent string) error {
	text, err := encode(value, indent)
	if err == nil {
		_, err = io.WriteString(a.Out, text)
	}
	return err
}

// table prints rows in columns.
func table(w io.Writer, head string, rows func(row func(cells ...any))) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.ReplaceAll(head, " ", "\t"))
	rows(func(cells ...any) {
		words := make([]string, len(cells))
		for i, c := range cells {
			words[i] = clean(fmt.Sprint(c))
		}
		fmt.Fprintln(t, strings.TrimRight(strings.Join(words, "\t"), "\t"))
	})
	_ = t.Flush()
}

// clean makes text of others harmless for a terminal, in one line.
func clean(text string) string { return mapUnsafe(text, "") }

// mapUnsafe replaces what a terminal obeys or what hides what is written: control
// characters, bytes that are no UTF-8, and characters that turn the direction of the
// text. except has those that stay.
func mapUnsafe(text, except string) string {
	return strings.Map(func(r rune) rune {
		if isUnsafe(r) && !strings.ContainsRune(except, r) {
			return '?'
		}
		return r
	}, text)
}

func isUnsafe(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}

// printable is a stream of text for people. A server can send anything, so what a
// command forgets to clean is cleaned here.
type printable struct {
	io.Writer
	keeps string // besides line feeds and tabs
}

// eraseLine is the only sequence that the program itself sends.
const eraseLine = "\x1b[K"

func (p printable) Write(text []byte) (int, error) {
	parts := []string{string(text)}
	if p.keeps != "" {
		parts = strings.Split(parts[0], eraseLine)
	}
	for i, part := range parts {
		parts[i] = mapUnsafe(part, "\n\t"+p.keeps)
	}
	if _, err := io.WriteString(p.Writer, strings.Join(parts, eraseLine)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// encode returns a value as JSON, whose strings have escapes for what terminals obey.
func encode(value any, indent string) (string, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(value); err != nil {
		return "", err
	}
	var safe strings.Builder
	for _, r := range out.String() {
		if isUnsafe(r) && r != '\n' {
			fmt.Fprintf(&safe, `\u%04x`, r)
		} else {
			safe.WriteRune(r)
		}
	}
	return safe.String(), nil
}

// hint returns what to do about an error, if the error does not say it.
func hint(err error) string {
	var problem *api.Error
	var away *net.OpError
	switch {
	case errors.As(err, &problem) && problem.Status == http.StatusUnauthorized:
		return "The server wants an API key: name its file by --key-file or ROLLCALL_KEY_FILE."
	case errors.As(err, &problem) && problem.Code == api.CodeStale:
		return "Somebody changed it meanwhile, and nothing happened. Run the command again."
	case errors.As(err, &problem) && problem.Status == http.StatusNotFound && problem.Code == "":
		return "Is this the address of a receiver? It is set by --server or ROLLCALL_SERVER."
	case errors.As(err, &away):
		return "Does the server run there? Its address is set by --server or ROLLCALL_SERVER."
	default:
		return ""
	}
}

// lines reads answers of people, line by line.
type lines struct{ scanner *bufio.Scanner }

func newLines(r io.Reader) *lines {
	if r == nil {
		r = strings.NewReader("")
	}
	return &lines{bufio.NewScanner(r)}
}

// next returns the next line. ok is false at the end.
func (l *lines) next() (text string, ok bool) {
	if !l.scanner.Scan() {
		return "", false
	}
	return strings.TrimSpace(l.scanner.Text()), true
}

// confirm shows what will happen, and asks whether it shall. yes is the flag --yes.
func (a *app) confirm(what string, yes bool) error {
	fmt.Fprintln(a.Err, clean(what))
	if yes {
		return nil
	}
	if !a.Asks {
		return errors.New("nothing was changed; repeat the command with --yes to do it")
	}
	fmt.Fprint(a.Err, "Do it? [y/N] ")
	answer, _ := a.lines.next()
	if answer = strings.ToLower(answer); answer != "y" && answer != "yes" {
		return errors.New("nothing was changed")
	}
	return nil
}

// progress shows how far a long command is: by a bar on a terminal, by lines elsewhere.
func (a *app) progress(done, of int, line string) {
	if !a.Draws {
		fmt.Fprintln(a.Err, clean(line))
		return
	}
	const width, text = 30, 60
	filled := width * done / max(of, 1)
	if r := []rune(clean(line)); len(r) > text {
		line = string(r[:text-1]) + "…"
	}
	fmt.Fprintf(a.Err, "\r[%s%s] %d/%d %s"+eraseLine, strings.Repeat("#", filled), strings.Repeat(".", width-filled), done, of, clean(line))
	if done == of {
		fmt.Fprint(a.Err, "\r"+eraseLine)
	}
}
