package uploads

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"syscall"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture/signature"
	"github.com/rollcall-faces/rollcall/apps/internal/wholefile"
)

const (
	// bufferSize is the memory that a file takes while it is received, in bytes.
	bufferSize = 128 << 10
	// measureEvery is how many bytes of a file are written between two looks at the
	// room on the volume.
	measureEvery = 16 << 20
)

// Batch is the files of one request. It is not safe for concurrent use.
type Batch struct {
	folder *Folder
	root   *os.Root
	work   *work
	prefix string
	count  int
	buffer []byte
	files  []*file // each content once
	byName map[string]*file
}

// file is one content.
type file struct {
	name string // relative to root
	temp string // relative to root; "" once it has been given away
	size int64
	made bool // by this batch
}

// Begin begins a batch. The caller must close it.
func (f *Folder) Begin() (*Batch, error) {
	if err := f.Problem(); err != nil {
		return nil, err
	}
	root, err := f.open()
	if err != nil {
		return nil, err
	}
	w, err := f.workFolder(root)
	if err != nil {
		return nil, fault(err)
	}
	return &Batch{
		folder: f, root: root, work: w, prefix: strconv.FormatUint(f.batches.Add(1), 10) + "-",
		buffer: make([]byte, bufferSize), byName: map[string]*file{},
	}, nil
}

// clientError is an error of reading what the client sends.
type clientError struct{ error }

// Unwrap returns what the reader returned.
func (e clientError) Unwrap() error { return e.error }

// IsClients reports whether an error of Add is that of its reader, after which no
// other file can be read.
func IsClients(err error) bool { return errors.As(err, new(clientError)) }

// Add writes a file to the work folder and returns the path that Publish gives it. If
// the file is refused, it reads no more of it, and nothing of it stays.
func (b *Batch) Add(from io.Reader) (string, error) {
	head := make([]byte, signature.Enough)
	n, err := io.ReadFull(from, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", clientError{err}
	}
	head = head[:n]
	format := signature.Of(head)
	switch {
	case n == 0:
		return "", faces.Fault(faces.UnsupportedFormat, "the file is empty; send a picture")
	case format == signature.Unknown:
		return "", faces.Fault(faces.UnsupportedFormat, "the file seems to be %s; send JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF", signature.Guess(head))
	}
	if err := b.folder.checkRoom(); err != nil {
		return "", err
	}
	temp, out, err := b.create()
	if err != nil {
		return "", fault(err)
	}
	sum, size, err := b.write(out, head, from)
	f := &file{temp: temp, size: size}
	if err == nil {
		f.name = path.Join(dir, sum[:2], sum+"."+string(format))
		err = b.keep(f, out)
	}
	if closed := out.Close(); err == nil { // a network file system may tell here that it is full
		err = closed
	}
	if err != nil {
		_ = b.root.Remove(temp)
		if IsClients(err) {
			return "", err
		}
		return "", fault(err)
	}
	if b.byName[f.name] == nil {
		b.byName[f.name] = f
		b.files = append(b.files, f)
	}
	return path.Join(b.folder.opts.UnknownPeople, f.name), nil
}

// create makes the next file in the work folder.
func (b *Batch) create() (string, *os.File, error) {
	b.count++
	base := b.prefix + strconv.Itoa(b.count)
	temp := path.Join(b.work.name, base)
	out, err := b.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	if !errors.Is(err, fs.ErrNotExist) {
		return temp, out, err
	}
	// Somebody has deleted the work folder.
	if b.work, err = b.folder.workFolder(b.root); err != nil {
		return "", nil, err
	}
	temp = path.Join(b.work.name, base)
	out, err = b.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode)
	return temp, out, err
}

// write copies head and the rest of from into a file, and returns their hash.
func (b *Batch) write(out *os.File, head []byte, from io.Reader) (sum string, size int64, err error) {
	h := sha256.New()
	if err := writeBoth(out, h, head); err != nil {
		return "", 0, err
	}
	size = int64(len(head))
	for measured := size; ; {
		n, readErr := from.Read(b.buffer)
		if size += int64(n); size > b.folder.opts.MaxFile {
			return "", 0, faces.Fault(faces.ImageTooLarge, "the file is larger than %d bytes (ROLLCALL_MAX_UPLOAD); send a smaller one", b.folder.opts.MaxFile)
		}
		if err := writeBoth(out, h, b.buffer[:n]); err != nil {
			return "", 0, err
		}
		switch {
		case errors.Is(readErr, io.EOF):
			return hex.EncodeToString(h.Sum(nil)), size, nil
		case readErr != nil:
			return "", 0, clientError{readErr}
		}
		if size-measured >= measureEvery {
			if err := b.folder.checkRoom(); err != nil {
				return "", 0, err
			}
			measured = size
		}
	}
}

func writeBoth(out io.Writer, h hash.Hash, data []byte) error {
	_, _ = h.Write(data) // never fails
	_, err := out.Write(data)
	return err
}

// keep makes sure that the volume has a file, so that a crash cannot leave half of it.
// Content that is there already takes no room and no time a second time.
func (b *Batch) keep(f *file, out *os.File) error {
	if b.byName[f.name] != nil {
		return b.root.Remove(f.temp)
	}
	if isThere, _ := b.stored(f); isThere {
		second := f.temp + "=" // another name of the stored file, in case it is deleted before Confirm
		if b.root.Link(f.name, second) == nil {
			temp := f.temp
			f.temp = second
			return b.root.Remove(temp)
		}
	}
	return out.Sync()
}

// stored reports whether a file with the content is there. It opens the file, because
// a network file system may remember a name that somebody else has deleted.
func (b *Batch) stored(f *file) (bool, error) {
	info, err := b.root.Lstat(f.name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, faces.Errorf(faces.CodeUnavailable, "something that is no file is in the place of an uploaded file; look into uploads/ and delete it")
	}
	there, err := b.root.Open(f.name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer there.Close()
	return info.Size() == f.size, nil
}

// Publish gives the files their names. Afterwards they are on the volume, also after a
// crash. If it fails, Withdraw takes back what it has done.
func (b *Batch) Publish() error {
	folders := map[string]bool{}
	for _, f := range b.files {
		made, err := b.place(f)
		if err != nil {
			return fault(err)
		}
		f.made = made
		if made {
			folders[path.Dir(f.name)] = true
		}
	}
	if len(folders) == 0 {
		return nil
	}
	for name := range folders {
		if err := wholefile.SyncFolder(b.root, name); err != nil {
			return fault(err)
		}
	}
	return fault(errors.Join(wholefile.SyncFolder(b.root, dir), wholefile.SyncFolder(b.root, ".")))
}

// place makes sure that a file has its name, and reports whether it made it.
func (b *Batch) place(f *file) (made bool, err error) {
	isThere, err := b.stored(f)
	if err != nil || isThere {
		return false, err
	}
	if f.temp == "" {
		return false, fs.ErrNotExist
	}
	if err := b.root.MkdirAll(path.Dir(f.name), folderMode); err != nil {
		return false, err
	}
	err = b.root.Link(f.temp, f.name)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrExist): // somebody else was faster, or it is a damaged file
		if isThere, err := b.stored(f); err != nil || isThere {
			return false, err
		}
	case !isLinkUnsupported(err):
		return false, err
	}
	if err := b.root.Rename(f.temp, f.name); err != nil {
		return false, err
	}
	_ = b.root.Remove(f.temp) // between two names of one file, a renaming does nothing
	f.temp = ""
	return true, nil
}

// isLinkUnsupported reports whether a file system has no hard links.
func isLinkUnsupported(err error) bool {
	return slices.ContainsFunc([]error{syscall.EPERM, syscall.ENOTSUP, syscall.ENOSYS, syscall.EMLINK, syscall.EXDEV}, func(e error) bool {
		return errors.Is(err, e)
	})
}

// Confirm looks, once the rows are written, whether all files are there still, and
// puts back those that somebody has deleted meanwhile. missing are the paths of
// files that it could not put back.
func (b *Batch) Confirm(ctx context.Context) (missing []string, err error) {
	for _, f := range b.files {
		name := path.Join(b.folder.opts.UnknownPeople, f.name)
		made, wrong := b.place(f)
		if wrong == nil && made {
			_, wrong = b.folder.RemoveUnused(ctx, name) // the row may have been deleted, too
		}
		if wrong != nil {
			missing = append(missing, name)
			err = fault(wrong)
		}
	}
	return missing, err
}

// Close deletes what is left in the work folder.
func (b *Batch) Close() {
	for _, f := range b.files {
		if f.temp == "" {
			continue
		}
		if err := b.root.Remove(f.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			b.folder.opts.Log.Warn("cannot delete a file of an upload; it is deleted later", "file", f.temp, "error", err)
		}
	}
}
