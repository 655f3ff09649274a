package eraser

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/wholefile"
)

// maxEntry bounds in bytes what is read of one entry: a person in a million pictures.
const maxEntry = 512 << 20

// Ledger keeps the entries of erasures on the volume of known people, each in a file of
// its own, so that writers on several machines need no lock.
type Ledger struct {
	folder string // KNOWN_PEOPLE; empty: there is none
}

// NewLedger returns the ledger in a folder of known people.
func NewLedger(knownPeople string) Ledger { return Ledger{knownPeople} }

// open opens the folder of known people.
func (l Ledger) open() (*os.Root, error) {
	if l.folder == "" {
		return nil, faces.Errorf(faces.CodeUnavailable, "there is no folder of known people for the ledger of erasures; set KNOWN_PEOPLE")
	}
	root, err := os.OpenRoot(l.folder)
	if err != nil {
		return nil, faces.Errorf(faces.CodeUnavailable, "the folder of known people cannot be opened; is its volume mounted?").WithCause(err)
	}
	return root, nil
}

// Write makes an entry durable. An entry that is there is replaced.
func (l Ledger) Write(e erasure.Entry) error {
	if err := erasure.CheckID(e.ID); err != nil {
		return err
	}
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode an entry of the ledger of erasures: %w", err)
	}
	root, err := l.open()
	if err != nil {
		return err
	}
	defer root.Close()
	err = wholefile.Write(root, path.Join(erasure.LedgerFolder, e.ID+erasure.EntrySuffix), append(text, '\n'))
	if err == nil {
		err = wholefile.SyncFolder(root, ".") // the name of the folder, if it is new
	}
	if err != nil {
		return faces.Errorf(faces.CodeUnavailable, "the ledger of erasures cannot be written to the volume of known people; nothing was erased").WithCause(err)
	}
	return nil
}

// IDs returns the ids of all entries.
func (l Ledger) IDs() ([]string, error) {
	root, err := l.open()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), erasure.LedgerFolder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the ledger of erasures: %w", err)
	}
	var ids []string
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), erasure.EntrySuffix)
		if ok && erasure.CheckID(id) == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Read returns an entry.
func (l Ledger) Read(id string) (erasure.Entry, error) {
	if err := erasure.CheckID(id); err != nil {
		return erasure.Entry{}, err
	}
	root, err := l.open()
	if err != nil {
		return erasure.Entry{}, err
	}
	defer root.Close()
	name := path.Join(erasure.LedgerFolder, id+erasure.EntrySuffix)
	info, err := root.Stat(name)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxEntry) {
		err = errors.New("it is no file, or too large")
	}
	var text []byte
	if err == nil {
		text, err = root.ReadFile(name)
	}
	if err != nil {
		return erasure.Entry{}, fmt.Errorf("read entry %s of the ledger of erasures: %w", id, err)
	}
	e, err := erasure.Decode(text)
	if err == nil && e.ID != id {
		err = fmt.Errorf("the file %s of the ledger of erasures has the entry of another one", name)
	}
	return e, err
}
