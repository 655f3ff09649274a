package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/rollcall-faces/rollcall/apps/internal/archive"
	"github.com/rollcall-faces/rollcall/apps/internal/eraser"
	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// RestoreOptions says how to restore.
type RestoreOptions struct {
	Folders
	// Replace deletes all rows that are there, and writes over files of known people.
	Replace bool
	As      []age.Identity
	// Ledger has erasures that are newer than the archive, besides those on the volume of
	// known people.
	Ledger []erasure.Entry
	Log    *slog.Logger
	// Before is called before each step, for tests. An error ends the restore as if the
	// program had been killed there.
	Before func(step string) error
}

// Restored is what a restore did.
type Restored struct {
	Head     archive.Head
	End      archive.End
	Files    int64 // that were written
	Same     int64 // that were there already
	Erased   int   // erasures that were carried out again
	LeftOut  int64 // files of the archive that belong to nobody any more
	Pictures int64 // that were written
}

// Verify reads an archive and checks all that a restore checks before it changes anything,
// but for what is in its way.
func Verify(r io.Reader, as []age.Identity) (archive.Head, archive.End, error) {
	head, end, err := archive.Read(r, as, archive.Visitor{Head: checkHead, File: checkFile})
	if err == nil {
		err = checkTables(end)
	}
	return head, end, err
}

// checkHead refuses an archive of a newer program.
func checkHead(h archive.Head) error {
	if h.Schema > store.SchemaVersion {
		return fmt.Errorf("%w (%s): its schema is version %d, this program knows %d; use that program, or a newer one", archive.ErrNewer, h.Program, h.Schema, store.SchemaVersion)
	}
	return nil
}

// checkFile refuses an entry of the ledger that this program cannot read.
func checkFile(k archive.Kind, _ string, _ time.Time, content []byte) error {
	if k != archive.Ledger {
		return nil
	}
	_, err := erasure.Decode(content)
	return err
}

// checkTables refuses tables that no backup keeps.
func checkTables(e archive.End) error {
	kept, _ := store.BackupTables()
	for _, t := range e.Tables {
		if !slices.Contains(kept, t.Name) {
			return fmt.Errorf("%w: it has the table %.64q", archive.ErrDamaged, t.Name)
		}
	}
	return nil
}

// Restore restores an archive into an empty system. It reads the archive three times:
// nothing is changed before all of it was checked. If it is interrupted later, the
// database says so, and it can be begun again.
func Restore(ctx context.Context, db *store.Store, in io.ReadSeeker, o RestoreOptions) (Restored, error) {
	r := &restorer{RestoreOptions: o, db: db, in: in, progress: newProgress(o.Log)}
	folder, err := openRestored(o.Folders)
	if err != nil {
		return Restored{}, err
	}
	r.folder = folder
	defer folder.close()
	if err := r.examine(ctx); err != nil {
		return Restored{}, err
	}
	r.to, err = db.BeginRestore(ctx, r.done.Head.Schema, o.UnknownPeople, o.Replace)
	if err != nil {
		return Restored{}, err
	}
	err = errors.Join(r.restore(ctx), r.to.Close())
	return r.done, err
}

type restorer struct {
	RestoreOptions
	db       *store.Store
	in       io.ReadSeeker
	progress *progress
	folder   *restoredFolder
	to       *store.Restore
	tables   map[string]store.TableInfo
	done     Restored
}

func (r *restorer) restore(ctx context.Context) error {
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"rows", r.rows},
		{"compare", r.compare},
		{"complete", r.complete},
		{"ledger", r.ledger},
		{"files", r.files},
		{"finish", r.to.Finish},
	} {
		if r.Before != nil {
			if err := r.Before(step.name); err != nil {
				return err
			}
		}
		r.Log.Info("restoring", "step", step.name)
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("the restore is not finished (%w); until it is, no program starts on this database. Remove the cause, and begin again", err)
		}
	}
	return nil
}

// read reads the archive from its beginning.
func (r *restorer) read(v archive.Visitor) (archive.Head, archive.End, error) {
	if _, err := r.in.Seek(0, io.SeekStart); err != nil {
		return archive.Head{}, archive.End{}, fmt.Errorf("read the archive: %w", err)
	}
	return archive.Read(r.in, r.As, v)
}

// examine reads the archive, and looks what is in the way. It changes nothing.
func (r *restorer) examine(ctx context.Context) error {
	r.Log.Info("examining the archive")
	var err error
	r.done.Head, r.done.End, err = r.read(archive.Visitor{
		Head: func(h archive.Head) error {
			if err := checkHead(h); err != nil {
				return err
			}
			if h.Database != r.db.Kind() {
				return fmt.Errorf("the archive is of a database of the kind %.20q, and this one is %q: paths of pictures and times differ", h.Database, r.db.Kind())
			}
			return nil
		},
		File: func(k archive.Kind, name string, at time.Time, content []byte) error {
			r.progress.tick("examining the archive")
			if k == archive.Ledger {
				return checkFile(k, name, at, content)
			}
			return errors.Join(ctx.Err(), r.folder.examine(k, name, content))
		},
		Rows: func(string, []string, [][]any) error {
			r.progress.tick("examining the archive")
			return ctx.Err()
		},
	})
	if err == nil {
		err = checkTables(r.done.End)
	}
	if err != nil {
		return fmt.Errorf("%w; nothing was changed", err)
	}
	if h := r.done.Head; h.UnknownPeople != r.UnknownPeople {
		r.Log.Warn("the paths of images stay as they are: they are below the folder of before", "before", h.UnknownPeople, "now", r.UnknownPeople)
	}
	if r.Replace {
		return nil
	}
	return r.folder.inTheWay(ctx)
}

// rows writes the rows of the archive.
func (r *restorer) rows(ctx context.Context) error {
	if err := r.matchTables(ctx); err != nil {
		return err
	}
	written := 0
	_, _, err := r.read(archive.Visitor{Rows: func(table string, columns []string, rows [][]any) error {
		t, ok := r.tables[table]
		if !ok || !slices.Equal(columns, t.Columns) {
			return fmt.Errorf("%w: it is another one than before", archive.ErrDamaged)
		}
		written += len(rows)
		r.progress.tick("restoring rows", "rows", written)
		return r.to.Insert(ctx, t, rows)
	}})
	return err
}

// matchTables finds the tables of the archive in the database. The order of columns is
// that of the archive.
func (r *restorer) matchTables(ctx context.Context) error {
	there, err := r.to.Tables(ctx)
	if err != nil {
		return err
	}
	r.tables = map[string]store.TableInfo{}
	for _, t := range r.done.End.Tables {
		i := slices.IndexFunc(there, func(o store.TableInfo) bool { return o.Name == t.Name })
		if i < 0 {
			return fmt.Errorf("%w: schema %d has no table %s", archive.ErrDamaged, r.done.Head.Schema, t.Name)
		}
		if !slices.Equal(slices.Sorted(slices.Values(t.Columns)), slices.Sorted(slices.Values(there[i].Columns))) {
			return fmt.Errorf("the table %s of the archive has other columns (%s) than schema %d: somebody has changed the table", t.Name, strings.Join(t.Columns, ", "), r.done.Head.Schema)
		}
		found := there[i]
		found.Columns = t.Columns
		r.tables[t.Name] = found
	}
	return nil
}

// compare reads all rows back. What the database has made of them must be what the archive
// has, value by value.
func (r *restorer) compare(ctx context.Context) error {
	for _, t := range r.done.End.Tables {
		d := archive.NewDigest(t.Columns)
		err := r.to.EachRow(ctx, r.tables[t.Name], func(row []any) error {
			r.progress.tick("comparing rows", "table", t.Name, "rows", d.Rows())
			return d.Add(row)
		})
		if err != nil {
			return err
		}
		if d.Rows() != t.Rows || d.String() != t.Digest {
			return fmt.Errorf("the table %s has other rows than the archive (%d, and not %d): did another program write to it meanwhile?", t.Name, d.Rows(), t.Rows)
		}
	}
	return nil
}

func (r *restorer) complete(ctx context.Context) error {
	next := map[string]int64{}
	for _, t := range r.done.End.Tables {
		next[t.Name] = t.NextID
	}
	return r.to.Complete(ctx, next)
}

// ledger brings the ledgers of the archive, of the volume and of the options together,
// and erases again whom the restored database has.
func (r *restorer) ledger(ctx context.Context) error {
	ledger := eraser.NewLedger(r.KnownPeople)
	ids, err := ledger.IDs()
	if err != nil {
		return err
	}
	keep := func(e erasure.Entry) error {
		if slices.Contains(ids, e.ID) {
			return nil // that of the volume is at least as new
		}
		ids = append(ids, e.ID)
		return ledger.Write(e)
	}
	_, _, err = r.read(archive.Visitor{File: func(k archive.Kind, _ string, _ time.Time, content []byte) error {
		if k != archive.Ledger {
			return nil
		}
		e, err := erasure.Decode(content)
		if err != nil {
			return err
		}
		return keep(e)
	}})
	if err != nil {
		return err
	}
	for _, e := range r.Ledger {
		if err := keep(e); err != nil {
			return err
		}
	}
	r.done.Erased, err = eraser.New(r.db, nil, eraser.Options{KnownPeople: r.KnownPeople}, r.Log).Replay(ctx)
	if err != nil {
		return err
	}
	return r.folder.readErased(ledger, ids)
}

// files writes the files, but for those of known people whom nobody knows any more.
func (r *restorer) files(ctx context.Context) error {
	_, _, err := r.read(archive.Visitor{File: func(k archive.Kind, name string, modified time.Time, content []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.progress.tick("restoring files", "files", r.done.Files+r.done.Same+r.done.Pictures)
		switch k {
		case archive.Known:
			return r.knownFile(ctx, name, modified, content)
		case archive.Pictures:
			return r.picture(ctx, name, modified, content)
		default:
			return nil
		}
	}})
	return err
}

func (r *restorer) knownFile(ctx context.Context, name string, modified time.Time, content []byte) error {
	listed, err := r.db.ListedPictures(ctx, []string{name, r.KnownPeople + "/" + name})
	if err != nil {
		return err
	}
	if len(listed) == 0 && r.folder.nobodys(name) {
		r.done.LeftOut++
		return nil
	}
	written, err := write(r.folder.known, name, modified, content)
	r.count(written, err, &r.done.Files)
	return err
}

// picture writes an uploaded picture, unless its image was deleted by an erasure.
func (r *restorer) picture(ctx context.Context, name string, modified time.Time, content []byte) error {
	has, err := r.db.HasPath(ctx, strings.TrimSuffix(r.done.Head.UnknownPeople, "/")+"/"+name)
	if err != nil {
		return err
	}
	if !has {
		r.done.LeftOut++
		return nil
	}
	written, err := write(r.folder.unknown, name, modified, content)
	r.count(written, err, &r.done.Pictures)
	return err
}

func (r *restorer) count(written bool, err error, to *int64) {
	switch {
	case err != nil:
	case written:
		*to++
	default:
		r.done.Same++
	}
}
