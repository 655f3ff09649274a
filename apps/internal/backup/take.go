// Package backup writes the database and the known people to an archive while everything
// runs, and restores them into an empty system. docs/backup.md says what an operator
// sees, ADR 37 why it is so.
//
// A row and its file agree, because files are copied first and the rows are read last:
// a row whose file is not in the archive yet is the reason to copy that file and to begin
// a new snapshot. A file that is gone then is one that nobody could have copied.
package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"filippo.io/age"

	"github.com/rollcall-faces/rollcall/apps/internal/archive"
	"github.com/rollcall-faces/rollcall/apps/internal/eraser"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/version"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// snapshots is how many snapshots are begun at most because files have come or gone.
const snapshots = 10

// Folders are where the files are.
type Folders struct {
	KnownPeople   string
	UnknownPeople string
}

// Options says what a backup is to have.
type Options struct {
	Folders
	Pictures bool            // uploaded pictures, too
	To       []age.Recipient // empty: not encrypted
	Log      *slog.Logger
	// Before is called before each step, for tests.
	Before func(step string) error
}

// Taken is what a backup has.
type Taken struct {
	archive.End
	// Uploaded are the uploaded pictures that the rows name, whether the archive has them
	// or not. Bytes are those of the pictures that have been answered.
	Uploaded archive.Count
	// Left are files of the known people that could not be read, or are too large.
	Left int64
	// Unknown are tables that are not Rollcall's, and are not in the archive.
	Unknown []string
}

// Empty reports whether an archive is of an empty system: it has no images and no people.
func Empty(e archive.End) bool {
	return !slices.ContainsFunc(e.Tables, func(t archive.Table) bool {
		return t.Rows > 0 && (t.Name == "images" || t.Name == "person")
	})
}

// Take writes an archive of the database and the known people to w.
func Take(ctx context.Context, db *store.Store, o Options, w io.Writer) (Taken, error) {
	files, err := openFiles(o.Folders, o.Pictures)
	if err != nil {
		return Taken{}, err
	}
	defer files.close()
	t := &taker{Options: o, db: db, files: files, progress: newProgress(o.Log)}
	if err := db.Browse(ctx, func(s *store.Snapshot) error { t.schema = s.Schema; return nil }); err != nil {
		return Taken{}, err
	}
	t.out, err = archive.NewWriter(w, archive.Head{
		Program: version.Read().Version, Database: db.Kind(), Schema: t.schema, BeganAt: time.Now().UTC(),
		Pictures: o.Pictures, UnknownPeople: o.UnknownPeople,
	}, o.To)
	if err != nil {
		return Taken{}, err
	}
	if err := t.copyAll(ctx); err != nil {
		return Taken{}, err
	}
	if t.taken.End, err = t.out.Close(t.schema, t.takenAt, int64(len(t.missing))); err != nil {
		return Taken{}, err
	}
	return t.taken, nil
}

// taker takes one backup.
type taker struct {
	Options
	db       *store.Store
	files    *files
	progress *progress
	out      *archive.Writer
	schema   int // of the archive's head, which is written first
	taken    Taken
	takenAt  time.Time
	missing  map[string]bool // files that a row names and that were not there at the last look
}

func (t *taker) before(step string) error {
	if t.Before == nil {
		return nil
	}
	return t.Before(step)
}

func (t *taker) copyAll(ctx context.Context) error {
	// Copying everything can take hours. This first look keeps no snapshot for it.
	err := t.db.Browse(ctx, func(s *store.Snapshot) error {
		missing, err := t.copyNamed(ctx, s)
		t.missing = missing
		return err
	})
	if err != nil {
		return err
	}
	if err := t.copyOthers(ctx); err != nil {
		return err
	}
	if err := t.before("snapshot"); err != nil {
		return err
	}
	if err := t.copyRows(ctx); err != nil {
		return err
	}
	return t.copyLedger(ctx)
}

var errAgain = errors.New("files have come or gone")

// copyRows copies the rows of a snapshot whose files are in the archive.
func (t *taker) copyRows(ctx context.Context) error {
	for try := 1; ; try++ {
		err := t.db.TakeSnapshot(ctx, func(s *store.Snapshot) error {
			if s.Schema != t.schema {
				return fmt.Errorf("the database was migrated from schema %d to %d while files were copied, and the archive has begun with the first: begin the backup again", t.schema, s.Schema)
			}
			t.takenAt = time.Now().UTC()
			missing, err := t.copyNamed(ctx, s)
			if err != nil {
				return err
			}
			again := false
			for name := range missing {
				again = again || !t.missing[name]
			}
			if t.missing = missing; again {
				return errAgain
			}
			if err := t.files.plausible(len(missing)); err != nil {
				return err
			}
			return t.copyTables(ctx, s)
		})
		switch {
		case !errors.Is(err, errAgain):
			return err
		case try == snapshots:
			return errors.New("pictures are deleted faster than they can be copied; try again later")
		}
	}
}

func (t *taker) copyTables(ctx context.Context, s *store.Snapshot) error {
	t.taken.Unknown, t.taken.Uploaded = s.Unknown, archive.Count{}
	if len(s.Unknown) > 0 {
		t.Log.Warn("the database has tables that are not Rollcall's; they are left out", "tables", s.Unknown)
	}
	for _, table := range s.Tables {
		if err := t.before("table " + table.Name); err != nil {
			return err
		}
		if err := t.copyTable(ctx, s, table); err != nil {
			return err
		}
	}
	return nil
}

func (t *taker) copyTable(ctx context.Context, s *store.Snapshot, table store.TableInfo) error {
	if err := t.out.BeginTable(table.Name, table.Columns, table.NextID); err != nil {
		return err
	}
	path, size := -1, -1
	if table.Name == "images" {
		path, size = slices.Index(table.Columns, "path"), slices.Index(table.Columns, "file_size")
	}
	rows := int64(0)
	return s.EachRow(ctx, table, table.Columns, func(row []any) error {
		if path >= 0 {
			t.countUpload(row, path, size)
		}
		rows++
		t.progress.tick("copying the database", "table", table.Name, "rows", rows)
		return t.out.Row(row)
	})
}

func (t *taker) countUpload(row []any, path, size int) {
	name, _ := row[path].(string)
	if _, ok := t.files.uploaded(name); !ok {
		return
	}
	t.taken.Uploaded.Files++
	if size >= 0 {
		bytes, _ := row[size].(int64)
		t.taken.Uploaded.Bytes += bytes
	}
}

// copyLedger comes last, so that whoever is erased while the backup is taken does not
// come back with it.
func (t *taker) copyLedger(ctx context.Context) error {
	ledger := eraser.NewLedger(t.KnownPeople)
	ids, err := ledger.IDs()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return err
		}
		name, text, err := entryFile(ledger, id)
		if err != nil {
			return err
		}
		if err := t.out.File(archive.Ledger, name, time.Time{}, text); err != nil {
			return err
		}
	}
	return nil
}
