package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

func TestDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		name           string
		env            map[string]string
		user, password string
	}{
		{"plain", map[string]string{"MYSQL_USERPASSWORD": "root:secret"}, "root", "secret"},
		{"signs of other formats", map[string]string{"MYSQL_USERPASSWORD": "root:a:b=c=:d@e/f?g#h"}, "root", "a:b=c=:d@e/f?g#h"},
		{"spaces belong to it", map[string]string{"MYSQL_USERPASSWORD": "root: s "}, "root", " s "},
		{"no password", map[string]string{"MYSQL_USERPASSWORD": "root:"}, "root", ""},
		{"file", map[string]string{"MYSQL_USERPASSWORD_FILE": writeFile(t, dir, "plain", "root:a:b=c")}, "root", "a:b=c"},
		{"file with a line break", map[string]string{"MYSQL_USERPASSWORD_FILE": writeFile(t, dir, "unix", "root:secret\n")}, "root", "secret"},
		{"file from Windows", map[string]string{"MYSQL_USERPASSWORD_FILE": writeFile(t, dir, "windows", "root:secret\r\n")}, "root", "secret"},
		{"file, the variable is empty", map[string]string{
			"MYSQL_USERPASSWORD": "", "MYSQL_USERPASSWORD_FILE": writeFile(t, dir, "empty", "root:secret"),
		}, "root", "secret"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.env["MYSQL_CONNECTION"] = "db"
			r := config.NewReader(config.Map(c.env))
			db := config.ReadDatabase(r)
			if err := r.Err(); err != nil {
				t.Fatal(err)
			}
			login, err := db.Login.Read()
			if err != nil || login.User != c.user || login.Password.Reveal() != c.password {
				t.Errorf("got %q and %q (%v), want %q and %q", login.User, login.Password.Reveal(), err, c.user, c.password)
			}
			if db.Host != "db" || db.Port != 3306 || db.Name != "kube" || db.MaxConnections != 16 {
				t.Errorf("got %+v", db)
			}
		})
	}
}

func TestBadDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := writeFile(t, dir, "good", "root:hunter2")
	for _, c := range []struct {
		name string
		env  map[string]string
		want string
	}{
		{"neither", nil, "MYSQL_USERPASSWORD: is not set, and MYSQL_USERPASSWORD_FILE is not set either"},
		{"both", map[string]string{"MYSQL_USERPASSWORD": "root:hunter2", "MYSQL_USERPASSWORD_FILE": good}, "set only one of them"},
		{"no colon", map[string]string{"MYSQL_USERPASSWORD": "hunter2"}, "not user:password"},
		{"no user", map[string]string{"MYSQL_USERPASSWORD": ":hunter2"}, "not user:password"},
		{"no such file", map[string]string{"MYSQL_USERPASSWORD_FILE": filepath.Join(dir, "none")}, "MYSQL_USERPASSWORD_FILE: "},
		{"a folder", map[string]string{"MYSQL_USERPASSWORD_FILE": dir}, "MYSQL_USERPASSWORD_FILE: "},
		{"empty file", map[string]string{"MYSQL_USERPASSWORD_FILE": writeFile(t, dir, "empty", "\n")}, "is empty"},
		{"no colon in the file", map[string]string{"MYSQL_USERPASSWORD_FILE": writeFile(t, dir, "word", "hunter2")}, "not user:password"},
		{"huge file", map[string]string{
			"MYSQL_USERPASSWORD_FILE": writeFile(t, dir, "huge", strings.Repeat("hunter2:", 10_000)),
		}, "larger than 65536 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"MYSQL_CONNECTION": "db"}
			for k, v := range c.env {
				env[k] = v
			}
			r := config.NewReader(config.Map(env))
			config.ReadDatabase(r)
			err := r.Err()
			if err == nil {
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "1 bad") {
				t.Errorf("got %q, want one problem with %q", err, c.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the secret is told: %v", err)
			}
		})
	}
}

func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	r := config.NewReader(one("S", "hunter2"))
	secret, _ := r.Secret("S", "help", "")
	type inside struct{ hidden, Shown config.Secret }
	values := map[string]any{
		"secret": secret, "pointer": &secret, "list": []config.Secret{secret},
		"map": map[string]config.Secret{"a": secret}, "exported field": struct{ S config.Secret }{secret},
		"unexported field": inside{secret, secret}, "pointer to a field": &inside{secret, secret},
	}
	for name, v := range values {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T"} {
			if got := fmt.Sprintf(format, v); leaks(got) {
				t.Errorf("%s with %s: %s", name, format, got)
			}
		}
		text, err := json.Marshal(v)
		if err != nil || leaks(string(text)) {
			t.Errorf("%s as JSON: %s, %v", name, text, err)
		}
		var log bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			slog.New(h).With("with", v).Info("message", "attr", v, slog.Group("group", "attr", v))
		}
		if leaks(log.String()) {
			t.Errorf("%s in the log:\n%s", name, &log)
		}
	}
	if got := fmt.Sprint(secret); got != "••••" {
		t.Errorf("prints as %q", got)
	}
	if got := (config.Secret{}).Reveal(); got != "" {
		t.Errorf("no secret is %q", got)
	}
}

// leaks looks for the secret as it is, and in hexadecimal.
func leaks(text string) bool {
	text = strings.ToLower(text)
	return strings.Contains(text, "hunter") || strings.Contains(text, fmt.Sprintf("%x", "hunter"))
}

// There is no mode that encrypts without verifying the certificate.
func TestDatabaseTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	noPEM := writeFile(t, dir, "ca.pem", "not a certificate")
	for _, c := range []struct {
		name, mode, ca string
		encrypted      bool
		problem        string
	}{
		{"unset", "", "", false, ""},
		{"off", "off", "/nowhere", false, ""},
		{"the system's authorities", "verify", "", true, ""},
		{"any certificate", "skip-verify", "", false, "ROLLCALL_DB_TLS"},
		{"no file", "verify", dir + "/nowhere", true, "ROLLCALL_DB_CA"},
		{"no certificate", "verify", noPEM, true, "ROLLCALL_DB_CA"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := config.NewReader(config.Map(map[string]string{
				"MYSQL_CONNECTION": "db.example.com", "MYSQL_USERPASSWORD": "a:b", "ROLLCALL_DB_TLS": c.mode, "ROLLCALL_DB_CA": c.ca,
			}))
			db := config.ReadDatabase(r)
			if (db.TLS != nil) != c.encrypted || db.TLS != nil && (db.TLS.ServerName != "db.example.com" || db.TLS.InsecureSkipVerify) {
				t.Errorf("TLS is %+v", db.TLS)
			}
			if err := r.Err(); (err != nil) != (c.problem != "") || err != nil && !strings.Contains(err.Error(), c.problem+": ") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The linger time is part of the shutdown timeout.
func TestLinger(t *testing.T) {
	t.Parallel()
	for value, ok := range map[string]bool{"": true, "19s": true, "20s": false, "1h": false, "5": false} {
		r := config.NewReader(one("ROLLCALL_LINGER", value))
		got := config.ReadLinger(r, config.ReadServer(r, ":9000"))
		if err := r.Err(); (err == nil) != ok {
			t.Errorf("%q: %v", value, err)
		}
		if want := 19 * time.Second; value == "19s" && got != want {
			t.Errorf("%q: got %v", value, got)
		}
	}
}

func TestLogAndServer(t *testing.T) {
	t.Parallel()
	r := config.NewReader(config.Map(nil))
	if diff := cmp.Diff(config.Log{Level: "info", Format: "auto"}, config.ReadLog(r)); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	want := config.Server{Admin: ":9000", ShutdownTimeout: 20 * time.Second}
	if diff := cmp.Diff(want, config.ReadServer(r, ":9000")); diff != "" {
		t.Errorf("server (-want +got):\n%s", diff)
	}
	if known, unknown := config.ReadKnownPeople(r), config.ReadUnknownPeople(r); known != "/known_people" || unknown != "/unknown_people" {
		t.Errorf("folders %q and %q", known, unknown)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

func TestDatabaseIfSet(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		env     map[string]string
		ok      bool
		problem string
	}{
		{"set", map[string]string{"MYSQL_CONNECTION": "db", "MYSQL_USERPASSWORD": "root:secret"}, true, ""},
		{"set by half", map[string]string{"MYSQL_CONNECTION": "db"}, true, "MYSQL_USERPASSWORD"},
		{"not set", nil, false, ""},
		{"only a password, as for another program", map[string]string{"MYSQL_USERPASSWORD": "root:secret"}, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := config.NewReader(config.Map(tt.env))
			db, ok := config.ReadDatabaseIfSet(r, "nothing is asked")
			if ok != tt.ok || ok != (db.Host == "db") {
				t.Errorf("got %v, %+v; want %v", ok, db, tt.ok)
			}
			err := r.Err()
			if (err != nil) != (tt.problem != "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("error %v, want one about %q", err, tt.problem)
			}
		})
	}
}

func TestRule(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name              string
		threshold, margin string
		want              config.Rule
		problem           string
	}{
		{"the model set's", "", "", config.Rule{}, ""},
		{"a deployment's", "0.5", "0.1", config.Rule{Threshold: 0.5, Margin: 0.1}, ""},
		{"a margin of none", "", "0", config.Rule{}, ""},
		{"a threshold that names nobody", "0", "", config.Rule{}, "ROLLCALL_THRESHOLD"},
		{"a threshold that names everybody", "2.1", "", config.Rule{}, "ROLLCALL_THRESHOLD"},
		{"a margin below none", "", "-0.1", config.Rule{}, "ROLLCALL_MARGIN"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := config.NewReader(config.Map(map[string]string{"ROLLCALL_THRESHOLD": tt.threshold, "ROLLCALL_MARGIN": tt.margin}))
			got := config.ReadRule(r)
			if err := r.Err(); tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Errorf("error %v, want one about %s", err, tt.problem)
				}
				return
			} else if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}
