package docs

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"
)

// Commands that no test runs can still name what is there: flags of programs, and
// objects of the manifests. So do the commands inside of sentences and tables.

// commandsOf returns the commands of a document that call a program, each on one
// line: those of its blocks, and those inside of sentences.
func commandsOf(t *testing.T, document, program string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	var pieces []string
	for _, b := range parse(document, string(text)) {
		if b.IsCommands() {
			pieces = append(pieces, strings.Split(strings.ReplaceAll(b.Text, "\\\n", " "), "\n")...)
		}
	}
	for _, m := range regexp.MustCompile("`[^`\n]+`").FindAllString(string(text), -1) {
		pieces = append(pieces, strings.Trim(m, "`"))
	}
	var list []string
	for _, p := range pieces {
		list = append(list, calls(p, program)...)
	}
	return list
}

// nested is a command inside of an argument.
var nested = regexp.MustCompile(`\$\([^()]*\)`)

// calls returns the calls of a program in a line, each up to the end of the command.
func calls(line, program string) []string {
	var list []string
	start := regexp.MustCompile(`(?:^|[|;&(]|\b(?:do|then|until|if) )\s*(?:[A-Z_]+=\S+\s+)*(?:[a-z.]*/)*` + regexp.QuoteMeta(program) + ` `)
	for _, at := range start.FindAllStringIndex(line, -1) {
		call := nested.ReplaceAllString(line[at[1]:], "$$VALUE")
		if end := regexp.MustCompile(` -- |[|;&)]|<<|>| #`).FindStringIndex(call); end != nil {
			call = call[:end[0]]
		}
		list = append(list, strings.TrimSpace(call))
	}
	return list
}

func TestCalls(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, line, want string }{
		{"alone", "kubectl get pods", "get pods"},
		{"in a pipe", "kubectl get pods | grep x", "get pods"},
		{"in a substitution", "POD=$(kubectl get pods -o name | head -n 1)", "get pods -o name"},
		{"two", "kubectl get pods && kubectl get events", "get pods,get events"},
		{"a command of a container", "kubectl exec mysql-0 -- sh -c 'kubectl'", "exec mysql-0"},
		{"a comment", "kubectl get pv   # by hand", "get pv"},
		{"with a command inside", `kubectl create x --y="$(openssl rand -hex 16)" -z`, `create x --y="$VALUE" -z`},
		{"behind a variable", "A=b C=d kubectl get pods", "get pods"},
		{"in a loop", "for i in 1 2; do kubectl get pods; done", "get pods"},
		{"by its path", "build/bin/kubectl get pods", "get pods"},
		{"an argument", "brew install kubectl now", ""},
		{"another program", "kubectl-x get pods", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(calls(tt.line, "kubectl"), ","); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// object is what the checks read of an object in the manifests.
type object struct {
	Kind     string
	Metadata struct {
		Name   string
		Labels map[string]string
	}
	Spec struct {
		Ports    []struct{ Port int }
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     struct {
				Containers, InitContainers []container
				Volumes                    []struct {
					Name   string
					Secret struct{ Items []struct{ Path string } }
				}
			}
		}
	}
}

type container struct {
	Name         string
	Ports        []struct{ ContainerPort int }
	Env          []struct{ Name string }
	VolumeMounts []struct{ Name, MountPath string }
}

// manifests returns the objects of what people deploy, and of the pages themselves.
func manifests(t *testing.T) []object {
	t.Helper()
	var texts []string
	for _, name := range []string{"apps/internal/devtest/manifests/testdata/minikube.golden.yaml", "apps/internal/devtest/manifests/testdata/aws.golden.yaml",
		"argocd/minikube.yaml", "docs/deploy-minikube.md", "docs/runbooks/RollcallBackupTooOld.md"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(name) != ".md" {
			texts = append(texts, strings.Split(string(text), "\n---\n")...)
			continue
		}
		for _, m := range regexp.MustCompile(`(?s)<<'YAML'\n(.*?)\nYAML`).FindAllStringSubmatch(strings.ReplaceAll(string(text), "\n"+indent, "\n"), -1) {
			texts = append(texts, m[1])
		}
	}
	var list []object
	for _, text := range texts {
		var o object
		if err := yaml.Unmarshal([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
		list = append(list, o)
	}
	return list
}

// kinds are the words for kinds that the pages use.
var kinds = map[string]string{
	"deployment": "Deployment", "deploy": "Deployment", "statefulset": "StatefulSet", "service": "Service", "pod": "Pod",
	"pods": "Pod", "pvc": "PersistentVolumeClaim", "ingress": "Ingress", "externalsecret": "ExternalSecret",
	"namespace": "Namespace", "application": "Application", "cronjob": "CronJob",
}

// find returns the object that a word of a command names, such as deployment/receiver
// or mysql-0; false if the word names none of the kinds above.
func find(list []object, kind, name string) (object, bool) {
	if set, ordinal := strings.CutSuffix(name, "-0"); ordinal && kind == "Pod" {
		kind, name = "StatefulSet", set
	}
	i := slices.IndexFunc(list, func(o object) bool { return o.Kind == kind && o.Metadata.Name == name })
	if i < 0 {
		return object{}, false
	}
	return list[i], true
}

// ports returns the ports of a Service or of a workload's containers.
func (o object) ports() []string {
	var list []string
	for _, p := range o.Spec.Ports {
		list = append(list, fmt.Sprint(p.Port))
	}
	for _, c := range slices.Concat(o.Spec.Template.Spec.Containers, o.Spec.Template.Spec.InitContainers) {
		for _, p := range c.Ports {
			list = append(list, fmt.Sprint(p.ContainerPort))
		}
	}
	return list
}

func (o object) hasContainer(name string) bool {
	for _, c := range slices.Concat(o.Spec.Template.Spec.Containers, o.Spec.Template.Spec.InitContainers) {
		if c.Name == name {
			return true
		}
	}
	return false
}

var (
	named       = regexp.MustCompile(`^([a-z]+)/([a-z0-9-]+)$`)
	placeholder = regexp.MustCompile(`[<>$…]`)
)

// subject returns the objects that the words of a command name.
func subjects(words []string, list []object) ([]object, error) {
	var found []object
	add := func(kind, name string) error {
		o, ok := find(list, kind, name)
		if !ok {
			return fmt.Errorf("no manifest has the %s %s", kind, name)
		}
		found = append(found, o)
		return nil
	}
	for i, word := range words {
		m := named.FindStringSubmatch(word)
		var err error
		switch {
		case m != nil && kinds[m[1]] != "":
			err = add(kinds[m[1]], m[2])
		case i == 1 && words[0] == "exec" && named.FindString(word) == "", i == 1 && words[0] == "logs" && m == nil:
			err = add("Pod", word)
		case i > 0 && i < len(words)-1 && kinds[word] != "" && slices.Contains([]string{"get", "describe", "delete", "annotate", "create"}, words[0]):
			// The Secrets' namespace of Argo CD is another project's.
			if next := words[i+1]; next != "argocd" && !strings.Contains(next, "=") && named.FindString(next) == "" {
				err = add(kinds[word], next)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// flagsAndWords separates the flags of a call, each with its value, from the words.
func flagsAndWords(call string) (flags map[string]string, words []string) {
	flags = map[string]string{}
	fields := strings.Fields(call)
	valued := []string{"-n", "-c", "-l", "-o", "-k", "-f"}
	for i := 0; i < len(fields); i++ {
		name, value, _ := strings.Cut(fields[i], "=")
		switch {
		case slices.Contains(valued, fields[i]) && i+1 < len(fields):
			flags[fields[i]] = fields[i+1]
			i++
		case strings.HasPrefix(fields[i], "-"):
			flags[name] = value
		default:
			words = append(words, fields[i])
		}
	}
	return flags, words
}

// wrong says what is wrong with a call of kubectl.
func wrong(call string, list []object, exists func(path string) bool) error {
	flags, words := flagsAndWords(call)
	if ns := flags["-n"]; ns != "" && ns != "rollcall" && ns != "argocd" {
		return fmt.Errorf("no manifest has the namespace %s", ns)
	}
	for _, path := range []string{flags["-k"], flags["-f"]} {
		if path != "" && path != "-" && !strings.Contains(path, ":") && !exists(path) {
			return fmt.Errorf("there is no %s", path)
		}
	}
	for _, selector := range []string{flags["-l"], flags["--selector"]} {
		key, value, _ := strings.Cut(selector, "=")
		if selector != "" && !slices.ContainsFunc(list, func(o object) bool {
			return o.Metadata.Labels[key] == value && (o.Spec.Template.Metadata.Labels == nil || o.Spec.Template.Metadata.Labels[key] == value)
		}) {
			return fmt.Errorf("the selector %s selects nothing", selector)
		}
	}
	objects, err := subjects(words, list)
	if err != nil || len(objects) == 0 {
		return err
	}
	first := objects[0]
	for _, container := range []string{flags["-c"], flags["--container"]} {
		if container != "" && !first.hasContainer(container) {
			return fmt.Errorf("%s has no container %s", first.Metadata.Name, container)
		}
	}
	switch {
	case words[0] == "port-forward" && !slices.Contains(first.ports(), words[len(words)-1]):
		return fmt.Errorf("%s has no port %s, but %v", first.Metadata.Name, words[len(words)-1], first.ports())
	case len(words) > 3 && words[0] == "set" && words[1] == "image":
		if container, _, _ := strings.Cut(words[3], "="); !first.hasContainer(container) {
			return fmt.Errorf("%s has no container %s", first.Metadata.Name, container)
		}
	case words[0] == "debug":
		return errors.New("kubectl debug takes a pod, no " + first.Kind)
	}
	return nil
}

func TestKubectlCommandsNameWhatIsThere(t *testing.T) {
	t.Parallel()
	list := manifests(t)
	exists := func(path string) bool {
		_, err := os.Stat(filepath.Join(root, path))
		return err == nil
	}
	n := 0
	for _, document := range withCommands(t) {
		for _, call := range commandsOf(t, document, "kubectl") {
			n++
			if placeholder.MatchString(strings.ReplaceAll(call, "$", "")) {
				t.Errorf("%s: kubectl %s: a placeholder is no command of a shell; name an example", document, call)
			}
			if err := wrong(call, list, exists); err != nil {
				t.Errorf("%s: kubectl %s: %v", document, call, err)
			}
		}
	}
	if n < 30 {
		t.Errorf("found only %d calls of kubectl", n)
	}
}

func TestWrong(t *testing.T) {
	t.Parallel()
	list := manifests(t)
	tests := []struct{ call, want string }{
		{"-n rollcall logs deployment/receiver -c migrate", ""},
		{"-n rollcall logs deployment/receiver -c migrations", "no container migrations"},
		{"-n rollcall logs deployment/recieiver", "no manifest has the Deployment recieiver"},
		{"-n rollcall logs mysql-0", ""},
		{"-n rollcall exec nsqd-0", "no manifest has the Pod nsqd-0"},
		{"-n rolcall get pods", "no manifest has the namespace rolcall"},
		{"-n rollcall port-forward service/receiver 8000", ""},
		{"-n rollcall port-forward service/receiver 8080", "no port 8080"},
		{"-n rollcall port-forward deployment/receiver 9000", ""},
		{"apply -k overlays/minikube", ""},
		{"apply -k overlays/kind", "there is no overlays/kind"},
		{"-n rollcall get pods --selector=app.kubernetes.io/name=receiver", ""},
		{"-n rollcall get pods -l app=receiver", "selects nothing"},
		{"-n rollcall get ingress rollcall", ""},
		{"-n rollcall get ingress receiver", "no manifest has the Ingress receiver"},
		{"-n rollcall wait --for=condition=Ready pod/files", ""},
		{"-n rollcall set image deployment/frontend front=rollcall-frontend:dev", "no container front"},
		{"-n rollcall debug -it deployment/receiver --image=debian", "takes a pod"},
	}
	for _, tt := range tests {
		t.Run(tt.call, func(t *testing.T) {
			t.Parallel()
			err := wrong(tt.call, list, func(path string) bool { return path == "overlays/minikube" })
			if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

var (
	inMySQL    = regexp.MustCompile(`(?s)exec (?:-i )?mysql-0 -- sh -c '([^']*)'`)
	secretFile = regexp.MustCompile(`/etc/rollcall/[a-z/-]+`)
	variable   = regexp.MustCompile(`\$([A-Z_]+)`)
)

// missing returns the files of Secrets and the variables that a script names and the
// pod of o does not have.
func missing(script string, o object) []string {
	there := map[string]bool{}
	for _, c := range o.Spec.Template.Spec.Containers {
		for _, e := range c.Env {
			there[e.Name] = true
		}
		for _, m := range c.VolumeMounts {
			for _, v := range o.Spec.Template.Spec.Volumes {
				for _, item := range v.Secret.Items {
					there[m.MountPath+"/"+item.Path] = there[m.MountPath+"/"+item.Path] || m.Name == v.Name
				}
			}
		}
	}
	var list []string
	for _, file := range secretFile.FindAllString(script, -1) {
		if !there[file] {
			list = append(list, file)
		}
	}
	for _, m := range variable.FindAllStringSubmatch(script, -1) {
		if !there[m[1]] {
			list = append(list, m[1])
		}
	}
	return list
}

// Scripts for MySQL's container read files and variables that it has.
func TestScriptsInMySQL(t *testing.T) {
	t.Parallel()
	mysql, ok := find(manifests(t), "StatefulSet", "mysql")
	if !ok {
		t.Fatal("no manifest has MySQL")
	}
	n := 0
	for _, document := range withCommands(t) {
		text, err := os.ReadFile(filepath.Join(root, document))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range inMySQL.FindAllStringSubmatch(string(text), -1) {
			n++
			if list := missing(m[1], mysql); len(list) > 0 {
				t.Errorf("%s: MySQL's container has no %q: %s", document, list, m[1])
			}
		}
	}
	if n < 1 {
		t.Error("found no script")
	}
	for script, want := range map[string]string{
		`cat /etc/rollcall/mysql/root-password "$MYSQL_DATABASE"`: "",
		`cat /etc/rollcall/mysql/token`:                           "/etc/rollcall/mysql/token",
		`cat /etc/rollcall/database/password`:                     "/etc/rollcall/database/password",
		`mysql -u"$MYSQL_LOGIN"`:                                  "MYSQL_LOGIN",
	} {
		if got := strings.Join(missing(script, mysql), " "); got != want {
			t.Errorf("%s: got %q, want %q", script, got, want)
		}
	}
}

// The flags of kubectl are compared with its own help, where there is one.
func TestKubectlFlags(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("there is no kubectl on this machine to ask")
	}
	global, err := exec.CommandContext(t.Context(), path, "options").Output()
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, document := range withCommands(t) {
		for _, call := range commandsOf(t, document, "kubectl") {
			flags, words := flagsAndWords(call)
			verb := words[:1]
			if slices.Contains([]string{"rollout", "set", "create", "config"}, words[0]) {
				verb = words[:min(2, len(words))]
			}
			if words[0] == "create" && len(words) > 2 && words[1] == "secret" {
				verb = words[:3]
			}
			key := strings.Join(verb, " ")
			if texts[key] == "" {
				help, err := exec.CommandContext(t.Context(), path, append(slices.Clone(verb), "--help")...).Output()
				if err != nil {
					t.Errorf("%s: kubectl %s: %v", document, call, err)
				}
				texts[key] = string(help) + string(global)
			}
			for flag := range flags {
				if flag != "-it" && !regexp.MustCompile(regexp.QuoteMeta(flag)+`[=, :]`).MatchString(texts[key]) {
					t.Errorf("%s: kubectl %s: %s has no %s", document, call, key, flag)
				}
			}
		}
	}
}

// helpOf returns what a program, or a command of it, prints with -h.
var helpOf = struct {
	sync.Mutex // guards texts
	texts      map[string]string
}{texts: map[string]string{}}

func help(t *testing.T, program string, command ...string) string {
	t.Helper()
	helpOf.Lock()
	defer helpOf.Unlock()
	key := strings.Join(append([]string{program}, command...), " ")
	if _, there := helpOf.texts[key]; !there {
		out, err := exec.CommandContext(t.Context(), filepath.Join(programFolder(t), program), append(command, "-h")...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s -h: %v: %s", key, err, out)
		}
		helpOf.texts[key] = string(out)
	}
	return helpOf.texts[key]
}

var (
	flagName  = regexp.MustCompile(`(?:^|[\s"(])-([a-z][a-z0-9-]*)`)
	arguments = regexp.MustCompile(`ARGS="([^"]*)"`)
)

// callsOf returns the arguments with which a document calls a program: by its name,
// by go run, by make, or as /app in a container.
func callsOf(t *testing.T, document, program string, targets []string) []string {
	t.Helper()
	list := slices.Concat(commandsOf(t, document, program), commandsOf(t, document, "go run ./apps/"+program))
	if program == "recognizer" {
		list = append(list, appCalls(t, document)...)
	}
	for _, call := range commandsOf(t, document, "make") {
		if target, _, _ := strings.Cut(call, " "); slices.Contains(targets, target) {
			for _, m := range arguments.FindAllStringSubmatch(call, -1) {
				list = append(list, m[1])
			}
		}
	}
	return list
}

// appCalls returns the arguments of /app in the recognizer's container.
func appCalls(t *testing.T, document string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, m := range regexp.MustCompile(`(?m)deploy/recognizer -- /app (.*)$`).FindAllStringSubmatch(string(text), -1) {
		list = append(list, m[1])
	}
	return list
}

// commandIn returns the command of a call, if the program has several.
func commandIn(call string) []string {
	words := strings.Fields(call)
	switch {
	case len(words) > 1 && words[0] == "backup" && words[1] == "verify":
		return words[:2]
	case len(words) > 0 && slices.Contains([]string{"doctor", "backup", "restore"}, words[0]):
		return words[:1]
	case len(words) > 1 && (words[0] == "keys" || words[0] == "users"):
		return words[:2]
	default:
		return nil
	}
}

// Programs have the flags that the pages name.
func TestFlags(t *testing.T) {
	t.Parallel()
	targets := map[string][]string{
		"accuracy": {"accuracy"}, "bench": {"bench"}, "chaos": {"chaos"}, "e2e": {"e2e-cluster"}, "hostile": {"hostile"}, "load": {"load"}, "standalone": {"run"},
		"receiver": nil, "processor": nil, "recognizer": nil, "frontend": nil, "redeemer": nil,
	}
	n := 0
	for _, program := range slices.Sorted(maps.Keys(targets)) {
		for _, document := range withCommands(t) {
			for _, call := range callsOf(t, document, program, targets[program]) {
				sub := commandIn(call)
				for _, m := range flagName.FindAllStringSubmatch(call, -1) {
					n++
					if text := help(t, program, sub...); m[1] != "h" && m[1] != "help" && !strings.Contains(text, "  -"+m[1]+" ") && !strings.Contains(text, "  -"+m[1]+"\n") {
						t.Errorf("%s: %s %s: it has no -%s", document, program, call, m[1])
					}
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("found only %d flags", n)
	}
}

// The metrics that the pages name are those of the programs.
func TestMetrics(t *testing.T) {
	t.Parallel()
	declared := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(root, "apps"), func(path string, e os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`"(rollcall_[a-z_]+)"`).FindAllStringSubmatch(string(text), -1) {
			declared[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range withCommands(t) {
		text, err := os.ReadFile(filepath.Join(root, document))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("`(rollcall_[a-z_]*[a-z])[`{]").FindAllStringSubmatch(string(text), -1) {
			if !declared[m[1]] {
				t.Errorf("%s: no program has the metric %s", document, m[1])
			}
		}
	}
}
