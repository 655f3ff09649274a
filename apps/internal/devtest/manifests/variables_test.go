package manifests

import (
	"cmp"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"

	corev1 "k8s.io/api/core/v1"

	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/imagequeue"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/processor"
	"github.com/rollcall-faces/rollcall/apps/internal/receiver"
	"github.com/rollcall-faces/rollcall/apps/internal/recognizer"
	"github.com/rollcall-faces/rollcall/apps/internal/redeemer"
)

// programs read their settings, as their mains do.
var programs = map[string]func(r *config.Reader){
	"receiver":   func(r *config.Reader) { receiver.ReadConfig(r) },
	"processor":  func(r *config.Reader) { processor.ReadConfig(r) },
	"recognizer": func(r *config.Reader) { recognizer.ReadConfig(r) },
	"frontend":   func(r *config.Reader) { frontend.ReadConfig(r) },
	"redeemer":   func(r *config.Reader) { redeemer.ReadConfig(r) },
}

// foreign are the variables that others' programs and libraries read.
var foreign = map[string][]string{
	"mysql":      {"MYSQL_DATABASE", "MYSQL_ROOT_PASSWORD_FILE", "MYSQL_ROOT_HOST", "POD_IP"}, // the last one of its own arguments
	"nsqd":       {"POD_IP"},                                                                  // of its own arguments
	"nsqlookupd": {},
	"recognizer": {"OPENBLAS_NUM_THREADS"},
}

func variables() []check {
	env := func(workload, container string, rest ...any) []any {
		list := "containers"
		if container == "migrate" || container == "nsqd" {
			list = "initContainers"
		}
		return append([]any{"spec", "template", "spec", list, container, "env"}, rest...)
	}
	return []check{
		{
			name: "programs know what they are told, and are told what they need",
			find: settings,
			broken: []mutation{
				{name: "unknown name", edit: func(l *objects) {
					l.set("Deployment/processor", "ROLLCALL_ATTEMPS", env("processor", "processor", "ROLLCALL_SHUTDOWN_TIMEOUT", "name")...)
				}},
				{name: "name of another program", edit: func(l *objects) {
					l.set("Deployment/frontend", map[string]any{"name": "GRPC_ADDRESS", "value": "recognizer:50051"}, env("frontend", "frontend", end)...)
				}},
				{name: "required one not set", edit: func(l *objects) { l.drop("Deployment/processor", env("processor", "processor", "GRPC_ADDRESS")...) }},
				{name: "no password", edit: func(l *objects) {
					l.drop("Deployment/receiver", env("receiver", "migrate", "MYSQL_USERPASSWORD_FILE")...)
				}},
				{name: "value that the program refuses", edit: func(l *objects) {
					l.set("Deployment/processor", "40", env("processor", "processor", "ROLLCALL_SHUTDOWN_TIMEOUT", "value")...)
				}},
				{name: "value of the config map that the program refuses", edit: func(l *objects) {
					l.set("ConfigMap/pipeline", "loud", "data", "ROLLCALL_LOG_LEVEL")
				}},
				{name: "set twice", edit: func(l *objects) {
					l.set("Deployment/recognizer", "ROLLCALL_ENGINES", env("recognizer", "recognizer", "ROLLCALL_GALLERY_CACHE", "name")...)
				}},
				{name: "everything of a config map at once", edit: func(l *objects) {
					l.set("Deployment/frontend", []any{map[string]any{"configMapRef": map[string]any{"name": "pipeline"}}}, "spec", "template", "spec", "containers", 0, "envFrom")
				}},
				{name: "addresses of services put in", edit: func(l *objects) { l.drop("Deployment/receiver", "spec", "template", "spec", "enableServiceLinks") }},
				{name: "port other than the one it listens on", edit: func(l *objects) {
					l.set("Deployment/frontend", "8082", env("frontend", "frontend", "FRONTEND_PORT", "value")...)
				}},
			},
		},
		{
			name: "files and folders that programs are told of are mounted",
			find: mounts,
			broken: []mutation{
				{name: "no mount for the password", edit: func(l *objects) {
					l.drop("Deployment/processor", "spec", "template", "spec", "containers", 0, "volumeMounts", "mysql-credentials")
				}},
				{name: "password under another name", edit: func(l *objects) {
					l.set("Deployment/processor", "login", "spec", "template", "spec", "volumes", "mysql-credentials", "secret", "items", 0, "path")
				}},
				{name: "pictures elsewhere", edit: func(l *objects) { l.set("ConfigMap/pipeline", "/pictures", "data", "UNKNOWN_PEOPLE") }},
				{name: "cache on a file system that cannot be written", edit: func(l *objects) {
					l.set("Deployment/recognizer", "/known_people/cache", env("recognizer", "recognizer", "ROLLCALL_GALLERY_CACHE", "value")...)
				}},
				{name: "uploads to nowhere", edit: func(l *objects) {
					l.drop("Deployment/receiver", "spec", "template", "spec", "containers", 0, "volumeMounts", "unknown-people")
				}},
				{name: "uploads to a file system that cannot be written", edit: func(l *objects) {
					l.set("Deployment/receiver", true, "spec", "template", "spec", "containers", 0, "volumeMounts", "unknown-people", "readOnly")
				}},
				{name: "queue on a file system that cannot be written", edit: func(l *objects) {
					l.set("Deployment/receiver", "--data-path=/var", "spec", "template", "spec", "initContainers", "nsqd", "args", 1)
				}},
			},
		},
		{
			name: "a database outside of the cluster is reached by TLS",
			only: func(folder string) bool { return strings.HasSuffix(folder, "rds") },
			find: encrypted,
			broken: []mutation{
				{name: "plain text", overlay: "tests/aws-rds", edit: func(l *objects) {
					l.drop("Deployment/receiver", env("receiver", "migrate", "ROLLCALL_DB_TLS")...)
				}},
				{name: "our own beside it", overlay: "tests/aws-rds", edit: func(l *objects) {
					l.set("ConfigMap/pipeline", "mysql", "data", "MYSQL_CONNECTION")
				}},
			},
		},
		{
			name: "everybody means the same database, user and queue",
			find: agreements,
			broken: []mutation{
				{name: "MySQL is made for a user of its own", edit: func(l *objects) {
					l.set("StatefulSet/mysql", map[string]any{"name": "MYSQL_USER", "value": "kube"}, "spec", "template", "spec", "containers", 0, "env", "MYSQL_DATABASE")
				}},
				{name: "MySQL does not read the login", edit: func(l *objects) {
					l.drop("StatefulSet/mysql", "spec", "template", "spec", "containers", 0, "command")
				}},
				{name: "other password", edit: func(l *objects) { l.set("Secret/mysql-credentials", "eA==", "data", "password") }},
				{name: "other user in the cloud", overlay: "aws", edit: func(l *objects) {
					l.set("ExternalSecret/mysql-credentials", "root:{{ .password }}", "spec", "target", "template", "data", "userpassword")
				}},
				{name: "other topic", overlay: "aws", edit: func(l *objects) {
					l.set("ScaledObject/processor", "pictures", "spec", "triggers", 0, "metadata", "topic")
				}},
				{name: "drain of another channel", edit: func(l *objects) {
					drain := "nsq_stat -topic=images -channel=other && nsq_to_nsq -topic=images -channel=ch "
					l.set("Deployment/receiver", drain, "spec", "template", "spec", "initContainers", "nsqd", "lifecycle", "preStop", "exec", "command", 2)
				}},
			},
		},
		{
			name: "the database takes every connection that may come",
			find: connections,
			broken: []mutation{
				{name: "too few", overlay: "aws", edit: func(l *objects) {
					l.set("StatefulSet/mysql", "--max-connections=300", "spec", "template", "spec", "containers", 0, "args", 2)
				}},
				{name: "more scaling", overlay: "aws", edit: func(l *objects) { l.set("HorizontalPodAutoscaler/receiver", 20, "spec", "maxReplicas") }},
			},
		},
	}
}

// settings gives each program what its container has and reads its complaints.
func settings(c *cluster) (found problems) {
	dir, err := os.MkdirTemp("", "manifests")
	if err != nil {
		found.add("%v", err)
		return found
	}
	defer os.RemoveAll(dir)
	login := filepath.Join(dir, "login")
	if err := os.WriteFile(login, []byte("user:password"), 0o600); err != nil {
		found.add("%v", err)
		return found
	}
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef"), 0o600); err != nil {
		found.add("%v", err)
		return found
	}
	for _, w := range c.workloads {
		// Else the service mysql would set MYSQL_PORT to tcp://….
		if links := w.pod.Spec.EnableServiceLinks; links == nil || *links {
			found.add("%s gets variables of every service", w)
		}
		for _, in := range w.containers() {
			if len(in.EnvFrom) > 0 {
				found.add("%s, %s: variables are named one by one, so that each is known to its program", w, in.Name)
			}
			known := slices.Clone(foreign[in.Name])
			values := c.env(in)
			if _, ok := values["MYSQL_USERPASSWORD_FILE"]; ok {
				values["MYSQL_USERPASSWORD_FILE"] = login
			}
			if _, ok := values["ROLLCALL_GRPC_TOKEN_FILE"]; ok {
				values["ROLLCALL_GRPC_TOKEN_FILE"] = token
			}
			delete(values, "ROLLCALL_DB_CA") // a file of the cluster, too
			read, ours := programs[in.program()]
			if slices.Contains(in.Args, "-verify-erased") {
				read = func(r *config.Reader) { redeemer.ReadSearch(r) }
			}
			switch {
			case ours:
				r := config.NewReader(config.Map(values))
				read(r)
				if err := r.Err(); err != nil {
					found.add("%s, %s: %v", w, in.Name, err)
				}
				for _, s := range r.Settings() {
					known = append(known, s.Name)
				}
			case in.program() != "" || foreign[in.Name] == nil:
				found.add("%s, %s: nobody knows what %s reads", w, in.Name, in.Image)
			}
			known = append(known, "GOMEMLIMIT") // Go's runtime reads it
			told := map[string]bool{}
			for _, e := range in.Env {
				if told[e.Name] {
					found.add("%s, %s: %s is set twice", w, in.Name, e.Name)
				}
				told[e.Name] = true
				if !slices.Contains(known, e.Name) {
					found.add("%s, %s does not read %s", w, in.Name, e.Name)
				}
			}
			found = append(found, listens(w, in, values)...)
		}
	}
	return found
}

// listens compares the ports that a program is told to listen on, or listens on
// where it is told nothing, with those that the container declares.
func listens(w workload, in container, values map[string]string) (found problems) {
	read, ours := programs[in.program()]
	if !ours || !in.serves {
		return nil
	}
	r := config.NewReader(config.Map(nil))
	read(r)
	for _, s := range r.Settings() {
		port, ok := map[string]string{
			"ROLLCALL_ADMIN_ADDRESS": "admin", "FRONTEND_PORT": "http", "ROLLCALL_LISTEN_ADDRESS": "http",
		}[s.Name]
		if !ok {
			continue
		}
		if port == "http" && in.program() == "recognizer" {
			port = "grpc"
		}
		value := s.Default
		if v, ok := values[s.Name]; ok {
			value = v
		}
		number := value[strings.LastIndex(value, ":")+1:]
		if declared, ok := in.port(port); !ok || strconv.Itoa(int(declared)) != number {
			found.add("%s, %s listens on %s, its port %s is %d", w, in.Name, number, port, declared)
		}
	}
	return found
}

func mounts(c *cluster) (found problems) {
	for _, w := range c.workloads {
		for _, in := range w.containers() {
			env := c.env(in)
			for _, name := range sortedKeys(env) {
				if file := strings.HasSuffix(name, "_FILE") || name == "ROLLCALL_DB_CA"; file && !c.hasFile(w, in, env[name]) {
					found.add("%s, %s: there is no %s for %s", w, in.Name, env[name], name)
				}
			}
			if in.program() == "recognizer" { // the others only compare paths
				for _, name := range []string{"KNOWN_PEOPLE", "UNKNOWN_PEOPLE"} {
					if _, ok := mountOf(in, env[name]); !ok {
						found.add("%s, %s: nothing is mounted at %s=%s", w, in.Name, name, env[name])
					}
				}
			}
			writable := []string{env["ROLLCALL_GALLERY_CACHE"]}
			if in.Name == "receiver" { // uploaded files
				writable = append(writable, env["UNKNOWN_PEOPLE"])
			}
			for _, arg := range in.Args {
				if dir, ok := strings.CutPrefix(arg, "--data-path="); ok {
					writable = append(writable, dir)
				}
			}
			for _, dir := range writable {
				if m, ok := mountOf(in, dir); dir != "" && (!ok || m) {
					found.add("%s, %s cannot write to %s", w, in.Name, dir)
				}
			}
		}
	}
	return found
}

// mountOf says whether a path lies in a mount, and whether that is read-only.
func mountOf(in container, name string) (readOnly, ok bool) {
	for _, m := range in.VolumeMounts {
		if name == m.MountPath || strings.HasPrefix(name, m.MountPath+"/") {
			return m.ReadOnly, true
		}
	}
	return false, false
}

func (c *cluster) hasFile(w workload, in container, name string) bool {
	for _, m := range in.VolumeMounts {
		if m.MountPath != path.Dir(name) {
			continue
		}
		for _, v := range w.pod.Spec.Volumes {
			if v.Name != m.Name || v.Secret == nil {
				continue
			}
			for _, item := range v.Secret.Items {
				if item.Path == path.Base(name) {
					return true
				}
			}
		}
	}
	return false
}

func encrypted(c *cluster) (found problems) {
	for _, w := range c.workloads {
		for _, in := range w.containers() {
			env := c.env(in)
			host, uses := env["MYSQL_CONNECTION"]
			if uses && (!strings.Contains(host, ".") || env["ROLLCALL_DB_TLS"] != "verify") {
				found.add("%s, %s talks to %s, TLS: %q", w, in.Name, host, env["ROLLCALL_DB_TLS"])
			}
		}
	}
	return found
}

func agreements(c *cluster) (found problems) {
	login := c.secretText("userpassword")
	user, password, _ := strings.Cut(login, ":")
	if own := c.secretText("password"); password != own {
		found.add("the programs have another password than MySQL is made with")
	}
	if user == "root" {
		found.add("the programs are root")
	}
	if w, ok := c.workload("mysql"); ok {
		in := w.containers()[0]
		if got, ok := c.env(in)["MYSQL_USER"]; ok {
			found.add("the programs are %q, and MySQL is made for %q", user, got)
		}
		// The programs' user may have another name after each change of the password.
		asked := []string{strings.Join(in.Command, " ")}
		for _, p := range []*corev1.Probe{in.StartupProbe, in.ReadinessProbe, in.LivenessProbe} {
			if p != nil && p.Exec != nil {
				asked = append(asked, strings.Join(p.Exec.Command, " "))
			}
		}
		for _, command := range asked {
			if !strings.Contains(command, "</etc/rollcall/mysql/userpassword") {
				found.add("MySQL does not take its user from the file that the programs read: %s", command)
			}
		}
	}
	for _, o := range c.objects {
		if o.kind() != "ScaledObject" {
			continue
		}
		for _, meta := range triggers(o) {
			if meta["topic"] != imagequeue.Topic || meta["channel"] != imagequeue.Channel {
				found.add("%s looks at topic %s, channel %s", o.ref(), meta["topic"], meta["channel"])
			}
		}
	}
	for _, w := range c.workloads {
		if in, ok := w.container("nsqd"); ok {
			drain := strings.Join(in.Lifecycle.PreStop.Exec.Command, " ")
			if ours := "-topic=" + imagequeue.Topic + " -channel=" + imagequeue.Channel + " "; strings.Count(drain, ours) != 2 {
				found.add("%s: nsqd waits for another channel than ours, or hands on another one", w)
			}
		}
	}
	return found
}

// secretText is a value of a Secret, or the template that it is made from.
func (c *cluster) secretText(key string) string {
	for _, s := range c.secrets {
		if v, ok := s.Data[key]; ok {
			return string(v)
		}
	}
	for _, o := range c.objects {
		if o.kind() != "ExternalSecret" {
			continue
		}
		if template := o.text("spec", "target", "template", "data", key); template != "" {
			return template
		}
	}
	return ""
}

// TestExternalLogin fills the template of the cloud's Secret as External Secrets does.
// Secrets of release 0.1.0 have no user.
func TestExternalLogin(t *testing.T) {
	t.Parallel()
	text := load(t, "aws", nil).secretText("userpassword")
	filled, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{
		"default": func(def, value string) string { return cmp.Or(value, def) },
	}).Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for want, object := range map[string]map[string]string{
		"rollcall:secret":   {"password": "secret", "root_password": "x"},
		"rollcall-b:secret": {"user": "rollcall-b", "password": "secret", "root_password": "x"},
	} {
		var got strings.Builder
		if err := filled.Execute(&got, object); err != nil || got.String() != want {
			t.Errorf("got %q, %v, want %q", &got, err, want)
		}
	}
}

// connections adds up what the programs may open: every replica that there can
// be, and the one more that an update brings.
func connections(c *cluster) (found problems) {
	server, ok := c.workload("mysql")
	if !ok {
		return nil
	}
	limit := 0
	for _, arg := range server.containers()[0].Args {
		if v, ok := strings.CutPrefix(arg, "--max-connections="); ok {
			limit, _ = strconv.Atoi(v) // 0 is too few
		}
	}
	sum := 0
	for _, w := range c.workloads {
		for _, in := range w.containers() {
			env := c.env(in)
			if _, ok := env["MYSQL_USERPASSWORD_FILE"]; !ok {
				continue
			}
			each := 1 // a migration has one
			if in.serves || w.job {
				r := config.NewReader(config.Map(env))
				each = config.ReadDatabase(r).MaxConnections
			}
			sum += each * (c.most(w) + 1)
		}
	}
	if sum > limit {
		found.add("the programs may open %d connections, MySQL takes %d", sum, limit)
	}
	return found
}

// most is how many replicas there can be.
func (c *cluster) most(w workload) int {
	for _, h := range c.autoscalers {
		if h.Spec.ScaleTargetRef.Name == w.name {
			return int(h.Spec.MaxReplicas)
		}
	}
	for _, o := range c.objects {
		if o.kind() == "ScaledObject" && o.text("spec", "scaleTargetRef", "name") == w.name {
			spec, _ := o["spec"].(map[string]any)
			n, _ := spec["maxReplicaCount"].(float64)
			return int(n)
		}
	}
	if w.replicas == nil {
		return 1
	}
	return int(*w.replicas)
}
