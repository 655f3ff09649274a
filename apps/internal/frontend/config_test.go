package frontend_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/frontend"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

var enough = map[string]string{"MYSQL_CONNECTION": "db", "MYSQL_USERPASSWORD": "reader:secret"}

func with(extra map[string]string) config.Lookup {
	all := map[string]string{}
	for _, m := range []map[string]string{enough, extra} {
		for k, v := range m {
			all[k] = v
		}
	}
	return config.Map(all)
}

func TestReadConfigAddress(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		env  map[string]string
		want string
	}{
		"defaults":    {nil, ":8081"},
		"own port":    {map[string]string{"FRONTEND_PORT": "80"}, ":80"},
		"loopback":    {map[string]string{"ROLLCALL_FRONTEND_HOST": "127.0.0.1"}, "127.0.0.1:8081"},
		"IPv6":        {map[string]string{"ROLLCALL_FRONTEND_HOST": "::1"}, "[::1]:8081"},
		"host's name": {map[string]string{"ROLLCALL_FRONTEND_HOST": "localhost"}, "localhost:8081"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := config.NewReader(with(tc.env))
			cfg := frontend.ReadConfig(r)
			if err := r.Err(); err != nil {
				t.Fatal(err)
			}
			if got := cfg.Address(); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestReadConfigNamesEveryBadVariable(t *testing.T) {
	t.Parallel()
	r := config.NewReader(config.Map(map[string]string{
		"FRONTEND_PORT": "eighty", "ROLLCALL_FRONTEND_HOST": "localhost:8081", "ROLLCALL_LOG_LEVEL": "loud",
	}))
	frontend.ReadConfig(r)
	err := r.Err()
	if err == nil {
		t.Fatal("got no error")
	}
	for _, name := range []string{
		"FRONTEND_PORT", "ROLLCALL_FRONTEND_HOST", "ROLLCALL_LOG_LEVEL", "MYSQL_CONNECTION", "MYSQL_USERPASSWORD",
	} {
		if !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s is not named in: %v", name, err)
		}
	}
}

// The table in the program's README is what operators read.
func TestReadmeListsSettings(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../frontend/README.md")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	line := regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| `([^`]*)` \\|")
	for _, m := range line.FindAllStringSubmatch(string(text), -1) {
		got[m[1]] = m[2]
	}
	r := config.NewReader(config.Map(nil))
	frontend.ReadConfig(r)
	want := map[string]string{}
	for _, s := range r.Settings() {
		want[s.Name] = s.Default
		if s.Default == "" {
			want[s.Name] = "-"
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("README.md differs from ReadConfig (-config +README):\n%s", diff)
	}
}
