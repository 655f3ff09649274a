package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/rollcall/internal/cli"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	file := filepath.Join(t.TempDir(), "camera.key")
	r := o.run("keys", "create", "camera", "--scopes", "ingest,read", "--expires", "720h", "--out", file).expect(cli.ExitOK, "is in "+file)
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the file of the key: %v, %v", info, err)
	}
	text, err := os.ReadFile(file)
	if err != nil || strings.TrimSpace(string(text)) == "" || strings.Contains(r.out+r.errors, strings.TrimSpace(string(text))) {
		t.Errorf("the key is missing, or is printed: %v %s", err, r.out)
	}
	o.run("images", "--key-file", file).expect(cli.ExitOK)
	o.run("keys", "create", "again", "--scopes", "read", "--out", file).expect(cli.ExitFailed, "make the file of the key")
	o.run("keys", "create", "bad", "--scopes", "everything", "--out", file+"2").expect(cli.ExitFailed, "400")
	if _, err := os.Stat(file + "2"); !os.IsNotExist(err) {
		t.Errorf("an empty file of a key is left: %v", err)
	}
	o.run("keys", "create", "nothing").expect(cli.ExitFailed, "--scopes")
	o.run("keys", "list").expect(cli.ExitOK, "ingest,read", "until ", "camera")
	var list api.KeyList
	if err := json.Unmarshal([]byte(o.run("keys", "list", "-o", "json").out), &list); err != nil || len(list.Keys) != 1 {
		t.Fatalf("keys: %+v, %v", list, err)
	}
	o.run("keys", "revoke", list.Keys[0].ID).expect(cli.ExitFailed, "--yes")
	o.run("keys", "revoke", list.Keys[0].ID, "--yes").expect(cli.ExitOK, "is revoked")
	o.run("keys", "list").expect(cli.ExitOK, "revoked")
	o.run("keys", "revoke", "nobody", "--yes").expect(cli.ExitFailed, "404")
}
