package config_test

import (
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
)

func TestBasePath(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"", "/rollcall", "/team/rollcall", "/a.b_c~d-1", "/apis", "/v1.2/x", "/Faces"} {
		r := config.NewReader(config.Map(map[string]string{"ROLLCALL_BASE_PATH": good}))
		if got := config.ReadBasePath(r); r.Err() != nil || got != good {
			t.Errorf("%q: got %q, %v", good, got, r.Err())
		}
	}
	for _, bad := range []string{
		"rollcall", "/", "//", "/rollcall/", "//rollcall", "/a//b", "/..", "/a/../b", "/a/.", "/.hidden", "/a b", "/a?b", "/a#b", "/a%2fb",
		"/<script>", "/ä", "/a:b", `/a"b`, "/a\\b", "/a\nb", "http://host/rollcall", "/api", "/api/v2", "/docs", "/images", "/static/x", "/healthz",
	} {
		r := config.NewReader(config.Map(map[string]string{"ROLLCALL_BASE_PATH": bad}))
		config.ReadBasePath(r)
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), "ROLLCALL_BASE_PATH") {
			t.Errorf("%q: got %v, want an error that names the setting", bad, err)
		}
	}
}
