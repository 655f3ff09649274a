package docs

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
)

const examplesIn = "docs/examples"

// journey is what a reader wants, in each of the languages.
type journey struct {
	file   string // without its ending
	args   []string
	answer string // that the reader types, again and again
	want   string // a part of the output, as a regular expression
}

// They run one after the other, first by curl and then in Python. So each can be
// repeated.
var journeys = []journey{
	{"post", []string{"unknown0010.jpg"}, "", `(?s)identified.*Mei.*unknown_person`},
	{"upload", []string{"ada.jpg"}, "", `ada.jpg identified`},
	{"upload", []string{"notes.txt"}, "", `notes.txt was refused: `},
	{"enrol", []string{"O'Connor & \"Sons\" é", "ada.jpg"}, "", `ada.jpg was refused: the face looks like`},
	{"enrol", []string{"Ada", "ada.jpg"}, "", `ada.jpg is known picture \d+`},
	{"identify", []string{"ada.jpg"}, "", `Ada identified`},
	{"correct", []string{"IMAGE", "Grace Hopper", "undo"}, "", `(?s)is Grace Hopper.*undone: the image is unknown_person`},
	{"review", nil, "n", `(?s)is this \w+ \(distance .*it is unknown_person`},
}

// languages has the programs that run the files, by their ending.
var languages = map[string][]string{".sh": {"sh", "curl", "jq"}, ".py": {"python3"}}

func TestExamples(t *testing.T) {
	t.Parallel()
	for _, needs := range languages {
		for _, program := range needs {
			if _, err := exec.LookPath(program); err != nil {
				skip(t, program+" is not on this machine; make test installs it")
			}
		}
	}
	rest, _ := startStandalone(t)
	dir := pictureOfAda(t)
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("no picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ending := range []string{".sh", ".py"} {
		for _, j := range journeys {
			if !t.Run(j.file+ending, func(t *testing.T) { j.run(t, ending, dir, "ROLLCALL_URL=http://"+rest) }) {
				return // the ones behind it build on it
			}
		}
		t.Run("a key is sent"+ending, func(t *testing.T) {
			j := journey{"identify", []string{"ada.jpg"}, "", ""}
			out, err := j.command(t, ending, dir, "ROLLCALL_URL=http://"+rest, "ROLLCALL_KEY=no-key").CombinedOutput()
			if err == nil || !strings.Contains(string(out), "the API key is not valid") {
				t.Errorf("with a wrong key: %v\n%s", err, out)
			}
		})
	}
}

func (j journey) command(t *testing.T, ending, dir string, env ...string) *exec.Cmd {
	t.Helper()
	file, err := filepath.Abs(filepath.Join(root, examplesIn, j.file+ending))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), languages[ending][0], append([]string{file}, j.args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), append(env, "PYTHONDONTWRITEBYTECODE=1")...)
	cmd.Stdin = strings.NewReader(strings.Repeat(j.answer+"\n", 100))
	return cmd
}

func (j journey) run(t *testing.T, ending, dir string, env ...string) {
	for i, arg := range j.args {
		if arg == "IMAGE" {
			j.args = append([]string(nil), j.args...)
			j.args[i] = imageOf(t, "unknown0003.jpg", strings.TrimPrefix(env[0], "ROLLCALL_URL="))
		}
	}
	out, err := j.command(t, ending, dir, env...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !regexp.MustCompile(j.want).Match(out) {
		t.Errorf("it printed:\n%s\nwant %s", out, j.want)
	}
}

// Each file is in the page's table, and each journey has a file in each language.
func TestExamplesAreListed(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs/examples.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := fs.ReadDir(os.DirFS(root), examplesIn)
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{}
	for _, f := range files {
		has[f.Name()] = true
		if !strings.Contains(string(page), "](examples/"+f.Name()+")") {
			t.Errorf("docs/examples.md does not name %s", f.Name())
		}
	}
	tested := map[string]bool{"rollcall": true}
	for _, j := range journeys {
		tested[j.file] = true
	}
	for name := range has {
		name, _, _ = strings.Cut(name, ".")
		for ending := range languages {
			if !has[name+ending] {
				t.Errorf("there is no %s%s", name, ending)
			}
		}
		if !tested[name] {
			t.Errorf("no journey runs %s", name)
		}
	}
}

// imageOf returns the id of the image of a sample.
func imageOf(t *testing.T, sample, server string) string {
	t.Helper()
	for img, err := range client.New(server).AllImages(t.Context(), api.ListImagesParams{Query: &sample}) {
		if err != nil {
			t.Fatal(err)
		}
		return strconv.FormatInt(img.ID, 10)
	}
	t.Fatalf("there is no image of %s", sample)
	return ""
}
