package gallery

// The cache keeps the outcomes of known pictures on disk. A restarted
// recognizer, or a second one, then need not describe the pictures again.
// Missing or damaged parts cost time but never change an answer.
//
// The cache is stored beside the known pictures and may be shared by
// recognizers on several machines. They need no locks because files never
// change. New records go to a new file (a segment, see segment.go) that is
// named after its content and renamed into place. All segments together are
// the cache; two records about one content agree. To remove records or to
// merge small segments, a recognizer first writes new segments. It then
// removes the old ones, and only those whose every record it has read. If two
// recognizers do so at once, the worst result is that a picture is described
// again at a later start.

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const (
	// cacheRoot is the folder below KNOWN_PEOPLE for our files. scan skips
	// it.
	cacheRoot = ".rollcall"
	// cacheFormat is the cache's folder in cacheRoot. Increase its number
	// when the file format changes, or the way in which known pictures are
	// described. Old and new programs can then run side by side.
	cacheFormat   = "gallery-1"
	segmentSuffix = ".seg"
	temporary     = ".tmp-"
	// fullSegment is the size in bytes from which segments are not merged any
	// more.
	fullSegment = 8 << 20
	// maxSegment bounds in bytes what is read of one file. No segment is
	// larger.
	maxSegment = 2 * fullSegment
	// maxSmall is how many small segments may exist before they are merged.
	maxSmall = 8
	// gracePeriod is the age from which a segment's records of unknown
	// pictures are removed. Another recognizer may have just written those of
	// a younger segment.
	gracePeriod = time.Hour
)

// cache keeps outcomes on disk and in memory. It is safe for concurrent use.
type cache struct {
	model faces.Model
	scope string // what problems depend on in addition to the content

	mu     sync.Mutex      // guards the fields below
	read   []*os.Root      // folders to read from
	write  *os.Root        // folder to write to; nil if there is none
	loaded map[string]bool // names of the segments already read
	index  *cacheIndex     // their contents; nil between refreshes
	// pending are the records not yet on disk. unsaved are the outcomes in them.
	pending []record
	unsaved map[ContentID]outcome
}

// cacheIndex says where the records on disk are. It holds small ones itself.
type cacheIndex struct {
	files     map[string]fileEntry
	locations map[ContentID]location
	problems  map[ContentID]string
	segments  []segment
	open      map[uint32]*os.File // keyed by location.segment
}

// fileEntry says that a file of this size and time has this content.
type fileEntry struct {
	size, modified int64
	content        ContentID
}

// location is where the descriptors of a content are stored.
type location struct {
	segment uint32
	at      uint32
}

// segment is one file of the cache.
type segment struct {
	root *os.Root
	name string
}

// outcome is the result of describing a content: descriptors or a problem.
type outcome struct {
	descriptors []faces.Descriptor
	problem     problem
}

// newCache returns a cache that is in memory only until openFolders is
// called.
func newCache(model faces.Model, scope string) *cache {
	return &cache{model: model, scope: scope, loaded: map[string]bool{}, unsaved: map[ContentID]outcome{}}
}

// openFolders opens the folder beside the known pictures, and the fallback
// folder if there is one and the first cannot be written to. The error says
// why nothing is stored beside the known pictures. The cache works
// nonetheless. Without create, a folder beside the known pictures is used only
// if it exists: known may be the mount point of a volume that is away.
func (c *cache) openFolders(known *os.Root, fallback string, create bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeFolders()
	if _, err := known.Lstat(cacheRoot); !create && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	folder := path.Join(cacheFormat, url.PathEscape(c.model.ID)) // an id can contain any characters
	var beside *os.Root
	err := checkNotLink(known, cacheRoot)
	if err == nil {
		beside, err = openCacheFolder(known, path.Join(cacheRoot, folder))
	}
	if beside != nil {
		c.read = append(c.read, beside)
	}
	if err == nil {
		c.write = beside
		return nil
	}
	why := fmt.Errorf("cannot be written: %w", err)
	if fallback == "" {
		return why
	}
	if err := os.MkdirAll(fallback, 0o700); err != nil {
		return fmt.Errorf("%w; nor can ROLLCALL_GALLERY_CACHE: %w", why, err)
	}
	root, err := os.OpenRoot(fallback)
	if err != nil {
		return fmt.Errorf("%w; nor can ROLLCALL_GALLERY_CACHE: %w", why, err)
	}
	defer root.Close()
	other, err := openCacheFolder(root, folder)
	if other != nil {
		c.read = append(c.read, other)
	}
	if err != nil {
		return fmt.Errorf("%w; nor can ROLLCALL_GALLERY_CACHE: %w", why, err)
	}
	c.write = other
	return why
}

// checkNotLink returns an error if name is not a folder. A symbolic link might
// lead to where scan would find our files and take them for pictures.
func checkNotLink(root *os.Root, name string) error {
	info, err := root.Lstat(name)
	if err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a folder", name)
	}
	return nil // if it is missing, it will be created
}

// openCacheFolder creates and opens a folder and tries to write to it. It
// returns the folder and an error if the folder can only be read.
func openCacheFolder(root *os.Root, folder string) (*os.Root, error) {
	// Descriptors are biometric data: only this user may read them.
	makeErr := root.MkdirAll(folder, 0o700)
	sub, err := root.OpenRoot(folder)
	if err != nil {
		return nil, errors.Join(makeErr, err)
	}
	name, err := writeTemporary(sub, nil)
	if err != nil {
		return sub, err
	}
	return sub, sub.Remove(name)
}

// writable reports whether records are kept on disk.
func (c *cache) writable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.write != nil
}

// close closes the folders.
func (c *cache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.release()
	c.closeFolders()
}

func (c *cache) closeFolders() {
	for _, root := range c.read {
		root.Close()
	}
	c.read, c.write, c.loaded = nil, nil, map[string]bool{}
}

// refresh reads the segments that have not been read yet: all of them at a
// start, later those of other recognizers. It returns the number of damaged
// bytes.
func (c *cache) refresh() (damaged int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.index == nil {
		c.index = &cacheIndex{
			files: map[string]fileEntry{}, locations: map[ContentID]location{}, problems: map[ContentID]string{}, open: map[uint32]*os.File{},
		}
	}
	var errs []error
	for _, root := range c.read {
		n, err := c.readNew(root)
		damaged, errs = damaged+n, append(errs, err)
	}
	return damaged, errors.Join(errs...)
}

func (c *cache) readNew(root *os.Root) (damaged int, err error) {
	const tries = 3
	var errs []error
	for range tries {
		segments, err := segmentsIn(root)
		if err != nil {
			return damaged, err
		}
		vanished := false
		for _, s := range segments {
			if c.loaded[s.name] {
				continue
			}
			raw, err := s.load()
			if errors.Is(err, fs.ErrNotExist) {
				vanished = true // just merged by another recognizer: its records are in a new segment
				continue
			}
			c.loaded[s.name] = true
			if err != nil {
				errs = append(errs, err)
				continue
			}
			damaged += c.index.add(s, raw, c.model, c.scope)
		}
		if !vanished {
			break
		}
	}
	return damaged, errors.Join(errs...)
}

// add records what a segment holds. It returns how many of its bytes are
// damaged.
func (d *cacheIndex) add(s segment, raw []byte, model faces.Model, scope string) int {
	number := uint32(len(d.segments))
	d.segments = append(d.segments, s)
	return readRecords(raw, model, func(r record, at, _ int) {
		switch {
		case r.kind == kindDescriptors:
			d.locations[r.content] = location{segment: number, at: uint32(at)}
		case r.kind == kindProblem && r.scope == scope:
			d.problems[r.content] = r.text
		case r.kind == kindFile:
			d.files[r.file.name] = fileEntry{size: r.file.size, modified: r.file.modified, content: r.content}
		}
	})
}

// content returns the content of a file, if a file with this name, size and
// time has been seen before.
func (c *cache) content(f knownFile) (ContentID, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.index == nil {
		return ContentID{}, false
	}
	fact, ok := c.index.files[f.name]
	return fact.content, ok && fact.size == f.size && fact.modified == f.modified
}

// outcome returns the outcome of a content, if it is known.
func (c *cache) outcome(content ContentID) (outcome, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if out, ok := c.unsaved[content]; ok || c.index == nil {
		return out, ok
	}
	if at, ok := c.index.locations[content]; ok {
		if list, err := c.index.descriptors(at, c.model, content); err == nil {
			return outcome{descriptors: list}, true
		}
		delete(c.index.locations, content) // removed by another recognizer, or damaged meanwhile
	}
	text, ok := c.index.problems[content]
	return outcome{problem: problem{text: text}}, ok
}

// descriptors reads the descriptors of content stored at a place.
func (d *cacheIndex) descriptors(at location, model faces.Model, content ContentID) ([]faces.Descriptor, error) {
	file, ok := d.open[at.segment]
	if !ok {
		var err error
		if file, err = d.segments[at.segment].open(); err != nil {
			return nil, err
		}
		d.open[at.segment] = file
	}
	raw := make([]byte, recordHead+len(content)+maxPerRecord*4*model.Size)
	n, err := file.ReadAt(raw, int64(at.at))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	r, _, err := decodeRecord(raw[:n], model)
	if err != nil || r.kind != kindDescriptors || r.content != content {
		return nil, errInvalidRecord
	}
	return r.descriptors, nil
}

// putOutcome stores the outcome of a content.
func (c *cache) putOutcome(content ContentID, out outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unsaved[content] = out
	r := record{kind: kindDescriptors, content: content, descriptors: out.descriptors}
	if out.problem.text != "" {
		r = record{kind: kindProblem, content: content, scope: c.scope, text: out.problem.text}
	}
	c.pending = append(c.pending, r)
}

// putFile stores which content a file has.
func (c *cache) putFile(f knownFile, content ContentID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = append(c.pending, record{kind: kindFile, content: content, file: f})
}

// save writes the pending records to disk. If there is no folder to write to,
// they are kept in memory until release.
func (c *cache) save() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) == 0 || c.write == nil {
		return nil
	}
	w := segmentWriter{root: c.write, model: c.model, wrote: func(s segment, raw []byte) {
		c.loaded[s.name] = true
		if c.index != nil { // a copy of the picture must be found
			c.index.add(s, raw, c.model, c.scope)
		}
	}}
	for _, r := range c.pending {
		w.add(r)
	}
	if err := w.finish(); err != nil {
		return err
	}
	c.pending, c.unsaved = nil, map[ContentID]outcome{}
	return nil
}

// unload frees what was read and what could not be written. The gallery has
// all of it.
func (c *cache) unload() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.release()
}

func (c *cache) release() {
	if c.index != nil {
		for _, file := range c.index.open {
			file.Close()
		}
	}
	c.index, c.pending, c.unsaved = nil, nil, map[ContentID]outcome{}
}

// segmentsIn lists a folder's segments, sorted by name.
func segmentsIn(root *os.Root) ([]segment, error) {
	entries, err := fs.ReadDir(root.FS(), ".")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the folder was removed; the next write creates it again
	}
	if err != nil {
		return nil, fmt.Errorf("list the gallery cache: %w", err)
	}
	var list []segment
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), segmentSuffix) && e.Type().IsRegular() {
			list = append(list, segment{root: root, name: e.Name()})
		}
	}
	return list, nil
}

// open opens a segment. Without O_NONBLOCK, opening a named pipe of that name
// would wait for a writer.
func (s segment) open() (*os.File, error) {
	return s.root.OpenFile(s.name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// load reads a segment.
func (s segment) load() ([]byte, error) {
	file, err := s.open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxSegment:
		return nil, fmt.Errorf("gallery cache: %s is not a regular file or too large to be a segment", s.name)
	}
	raw := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	_, err = raw.ReadFrom(io.LimitReader(file, maxSegment+1))
	if err == nil && raw.Len() > maxSegment {
		return nil, fmt.Errorf("gallery cache: %s is still growing, so it is not a segment", s.name)
	}
	return raw.Bytes(), err
}

// segmentWriter writes records into as many segments as needed.
type segmentWriter struct {
	root  *os.Root
	model faces.Model
	wrote func(s segment, raw []byte)
	open  []byte
	err   error
}

func (w *segmentWriter) add(r record) {
	w.open = appendRecord(w.open, w.model.ID, r)
	if len(w.open) >= fullSegment {
		w.flush()
	}
}

func (w *segmentWriter) flush() {
	if len(w.open) == 0 || w.err != nil {
		return
	}
	sum := sha256.Sum256(w.open)
	name := hex.EncodeToString(sum[:16]) + segmentSuffix
	tmp, err := writeTemporary(w.root, w.open)
	if err == nil {
		err = w.root.Rename(tmp, name)
	}
	if err != nil {
		w.err = fmt.Errorf("write the gallery cache: %w", err)
		return
	}
	w.wrote(segment{root: w.root, name: name}, w.open)
	w.open = nil
}

func (w *segmentWriter) finish() error {
	w.flush()
	return w.err
}

// writeTemporary writes a file with a unique name, accessible to its owner
// only, and returns that name.
func writeTemporary(root *os.Root, raw []byte) (string, error) {
	name := temporary + rand.Text()
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = file.Write(raw)
	// Sync before the rename. Otherwise a power cut could leave an empty file
	// under the final name.
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return "", errors.Join(err, root.Remove(name))
	}
	return name, nil
}
