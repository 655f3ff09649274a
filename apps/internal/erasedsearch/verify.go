package erasedsearch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
)

// Store is the database of a verification.
type Store interface {
	Database
	// SearchableErasures returns the erasures whose job is done, and how many there are
	// whose job is not.
	SearchableErasures(ctx context.Context) (entries []erasure.Entry, erasing int, err error)
	KnownErasures(ctx context.Context, ids []string) (map[string]bool, error)
	NoteErasureSearch(ctx context.Context, id string, found []string) error
}

// ErrFound means that something is left of somebody, or that the database does not know
// an erasure.
var ErrFound = errors.New("something is left of erased people")

// Verify searches for all erasures whose job is done, stores what it found, and writes a
// line for each place to out. It returns ErrFound if not all is well.
func Verify(ctx context.Context, db Store, opts Options, out io.Writer) error {
	missing, err := unknownEntries(ctx, db, opts.KnownPeople)
	if err != nil {
		return err
	}
	for _, id := range missing {
		fmt.Fprintf(out, "erasure %s: the database does not know it; start a receiver, which replays it\n", id)
	}
	entries, erasing, err := db.SearchableErasures(ctx)
	if err != nil {
		return err
	}
	results, err := Run(ctx, db, entries, opts)
	if err != nil {
		return err
	}
	bad := len(missing)
	for _, r := range results {
		if err := db.NoteErasureSearch(ctx, r.ID, r.Found); err != nil {
			return err
		}
		for _, place := range r.Found {
			fmt.Fprintf(out, "erasure %s: found: %s\n", r.ID, place)
		}
		for _, place := range r.Left {
			fmt.Fprintf(out, "erasure %s: left, not Rollcall's: %s\n", r.ID, place)
		}
		if len(r.Found) > 0 {
			bad++
		}
	}
	fmt.Fprintf(out, "erasures searched: %d, with something left: %d, not done yet: %d\n", len(results), bad, erasing)
	if bad > 0 {
		return ErrFound
	}
	return nil
}

// unknownEntries returns the ids in the ledger that the database does not know.
func unknownEntries(ctx context.Context, db Store, knownPeople string) (missing []string, err error) {
	root, err := os.OpenRoot(knownPeople)
	if err != nil {
		return nil, fmt.Errorf("open the volume of known people: %w", err)
	}
	defer root.Close()
	files, err := fs.ReadDir(root.FS(), ledgerFolder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the ledger of erasures: %w", err)
	}
	var ids []string
	for _, f := range files {
		if id, ok := strings.CutSuffix(f.Name(), ".json"); ok && erasure.CheckID(id) == nil {
			ids = append(ids, id)
		}
	}
	known, err := db.KnownErasures(ctx, ids)
	for _, id := range ids {
		if err == nil && !known[id] {
			missing = append(missing, id)
		}
	}
	return missing, err
}
