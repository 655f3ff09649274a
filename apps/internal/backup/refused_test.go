package backup_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/archive"
	"github.com/rollcall-faces/rollcall/apps/internal/backup"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// made returns an archive with a head, a known picture and one table.
func made(t *testing.T, head archive.Head, table string) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := archive.NewWriter(&out, head, nil)
	must(t, err)
	must(t, w.File(archive.Known, "Ada/1.jpg", time.Now(), []byte("ada")))
	must(t, w.BeginTable(table, []string{"id", "name"}, 2))
	must(t, w.Row([]any{int64(1), "Ada"}))
	_, err = w.Close(head.Schema, time.Now(), 0)
	must(t, err)
	return out.Bytes()
}

// An archive that is refused changes nothing: not a table, not a file.
func TestRefusedArchiveChangesNothing(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, open func(*testing.T) *system) {
		to := open(t)
		good := archive.Head{Program: "v1", Database: to.db.Kind(), Schema: store.SchemaVersion, UnknownPeople: to.UnknownPeople}
		newer, other := good, good
		newer.Schema, other.Database = store.SchemaVersion+1, "oracle"
		whole := made(t, good, "person")
		changed := bytes.Clone(whole)
		changed[len(changed)/2] ^= 1
		for name, c := range map[string]struct {
			data []byte
			want error
			says string
		}{
			"cut":             {whole[:len(whole)-20], archive.ErrDamaged, "nothing was changed"},
			"changed":         {changed, archive.ErrDamaged, "nothing was changed"},
			"a newer schema":  {made(t, newer, "person"), archive.ErrNewer, "use that program, or a newer one"},
			"another kind":    {made(t, other, "person"), nil, "of the kind"},
			"a foreign table": {made(t, good, "mysql_user"), archive.ErrDamaged, "nothing was changed"},
			"sessions":        {made(t, good, "sessions"), archive.ErrDamaged, "nothing was changed"},
		} {
			_, err := to.restore(c.data)
			if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v", name, err)
			}
			if _, _, err := backup.Verify(bytes.NewReader(c.data), nil); err == nil && name != "another kind" {
				t.Errorf("%s: verify finds nothing wrong", name)
			}
			tables, err := to.db.Tables(t.Context())
			must(t, err)
			if files := contents(t, to.KnownPeople); len(files) != 0 || len(tables) != 0 {
				t.Errorf("%s: it left %v and %v", name, tables, files)
			}
		}
	})
}

// No file is restored through a link that leads out of the folder.
func TestRestoreFollowsNoLinkOutside(t *testing.T) {
	t.Parallel()
	to, outside := onSQLite(t), t.TempDir()
	must(t, os.Symlink(outside, filepath.Join(to.KnownPeople, "Ada")))
	data := made(t, archive.Head{Database: to.db.Kind(), Schema: store.SchemaVersion, UnknownPeople: to.UnknownPeople}, "person")
	_, err := to.restore(data, func(o *backup.RestoreOptions) { o.Replace = true })
	if err == nil || strings.Contains(err.Error(), "Ada") {
		t.Errorf("restored through a link, or the message names somebody: %v", err)
	}
	if files := contents(t, outside); len(files) != 0 {
		t.Errorf("outside: %v", files)
	}
}
