package licences

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/licensecheck"
)

var update = flag.Bool("update", false, "write THIRD_PARTY_NOTICES anew")

const (
	root    = "../../../.."
	notices = "THIRD_PARTY_NOTICES"
	self    = "github.com/rollcall-faces/rollcall"
)

// shipped lists the programs that images and users get.
var shipped = []string{
	"./apps/receiver", "./apps/processor", "./apps/recognizer", "./apps/frontend", "./apps/redeemer",
	"./apps/standalone", "./apps/e2e", "./apps/rollcall",
}

// allowed lists the licences, by SPDX identifier, that ask for no more than their
// text beside the program.
var allowed = []string{
	"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "Zlib",
	"GooglePatentsFile", // the patent grant beside Go's own licence
	"MPL-2.0",           // for unchanged modules: it also asks us to say where the source is
}

// inReadme lists the modules whose licence is in their README.
var inReadme = []string{"github.com/bmizerany/perks"}

// module is a dependency, and the files that its licence asks us to hand on.
type module struct {
	path  string
	files []file
}

// file is one licence or notice.
type file struct{ name, text string }

// legal matches the names of files with a licence or a notice.
var legal = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents|unlicense)([.-].*)?$`)

// modules lists the modules that the shipped programs are built from, and Go's
// standard library.
func modules(t *testing.T) []module {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{
		"list", "-deps", "-f", "{{with .Module}}{{.Path}} {{.Dir}}{{end}}",
	}, shipped...)...)
	cmd.Dir = root
	// The same list on every machine.
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	dirs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if path, dir, ok := strings.Cut(strings.TrimSpace(line), " "); ok && path != self {
			dirs[path] = dir
		}
	}
	list := []module{{path: "Go's standard library", files: []file{goLicence(t)}}}
	for _, path := range slices.Sorted(maps.Keys(dirs)) {
		list = append(list, module{path: path, files: legalFiles(t, path, dirs[path])})
	}
	return list
}

// goLicence returns the licence of the Go distribution.
func goLicence(t *testing.T) file {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "LICENSE"))
	if err != nil {
		t.Fatal(err)
	}
	return file{name: "LICENSE", text: string(text)}
}

// legalFiles reads the licence files in the root folder of a module.
func legalFiles(t *testing.T, path, dir string) []file {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var files []file
	for _, e := range entries {
		wanted := legal.MatchString(e.Name()) || e.Name() == "README.md" && slices.Contains(inReadme, path)
		if !wanted || !e.Type().IsRegular() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file{name: e.Name(), text: string(text)})
	}
	return files
}

// problems returns what forbids shipping a module.
func problems(m module) []string {
	var out []string
	known := 0
	for _, f := range m.files {
		if strings.HasPrefix(strings.ToLower(f.name), "notice") {
			continue // names people, grants nothing
		}
		for _, match := range licensecheck.Scan([]byte(f.text)).Match {
			if match.IsURL {
				continue
			}
			known++
			if !slices.Contains(allowed, match.ID) {
				out = append(out, fmt.Sprintf("%s: %s is %s, which is not allowed", m.path, f.name, match.ID))
			}
		}
	}
	if known == 0 {
		out = append(out, m.path+": no licence was recognised")
	}
	return out
}

// render returns the contents of THIRD_PARTY_NOTICES. Modules with the same text
// share it. Versions are left out (go.mod has them), so that an update of a module
// changes this file only where its licence changes.
func render(list []module) string {
	owners := map[string][]string{} // by text
	var texts []string
	for _, m := range list {
		for _, f := range m.files {
			text := tidy(f.text)
			if owners[text] == nil {
				texts = append(texts, text)
			}
			owners[text] = append(owners[text], m.path+" ("+f.name+")")
		}
	}
	var b bytes.Buffer
	b.WriteString("Rollcall's programs contain the Go modules below, unchanged. Their source code is at\n" +
		"https://proxy.golang.org, in the versions that go.mod names. The texts below are their\n" +
		"licences and notices. NOTICE lists what else the images contain.\n" +
		"\n`make notices` generates this file.\n")
	for _, text := range texts {
		fmt.Fprintf(&b, "\n%s\n", strings.Repeat("=", 80))
		for _, owner := range owners[text] {
			fmt.Fprintln(&b, owner)
		}
		fmt.Fprintf(&b, "%s\n\n%s\n", strings.Repeat("-", 80), text)
	}
	return b.String()
}

// tidy makes texts comparable that differ in white space at the ends of lines only.
func tidy(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimRight(line, " \t\r\n"))
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

func TestLicences(t *testing.T) {
	t.Parallel()
	list := modules(t)
	for _, m := range list {
		for _, p := range problems(m) {
			t.Error(p)
		}
	}
	path := filepath.Join(root, notices)
	want := render(list)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), want); diff != "" {
		t.Errorf("%s is out of date: run `make notices` (-file +modules):\n%s", notices, diff)
	}
}

// Every check finds what it is there for.
func TestProblems(t *testing.T) {
	t.Parallel()
	const (
		isc = "Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted, " +
			"provided that the above copyright notice and this permission notice appear in all copies. " +
			"THE SOFTWARE IS PROVIDED \"AS IS\" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL " +
			"IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT, INDIRECT, " +
			"OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN ACTION OF " +
			"CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF THIS SOFTWARE."
		gpl = "This program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public " +
			"License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later version."
	)
	tests := []struct {
		name  string
		files []file
		want  string // "" for none
	}{
		{"an allowed licence", []file{{"LICENSE", isc}}, ""},
		{"a notice beside it", []file{{"LICENSE", isc}, {"NOTICE", "by Ada"}}, ""},
		{"no file", nil, "no licence"},
		{"a notice alone", []file{{"NOTICE", isc}}, "no licence"},
		{"a text of its own", []file{{"LICENSE", "Ask me first."}}, "no licence"},
		{"a licence that asks for more", []file{{"COPYING", gpl}}, "not allowed"},
		{"two licences, one of which asks for more", []file{{"LICENSE", isc}, {"LICENSE-LIB", gpl}}, "not allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(problems(module{path: "example.org/m", files: tt.files}), "; ")
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
