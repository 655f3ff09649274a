package models

// This file owns Fetch: the order of the steps, so that a folder is either a
// complete set or not a set at all, whatever stops the fetch.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// Errors of Fetch that call for different answers. Any other error is of this
// machine (a full disk, a folder that cannot be written) or the context's.
var (
	// ErrUnavailable means that the archives cannot be had: no network, or a
	// server that answers with an error. Another time may be better.
	ErrUnavailable = errors.New("model archives cannot be downloaded")
	// ErrChecksum means that an archive is not the one that the lock names.
	ErrChecksum = errors.New("checksum mismatch")
	// ErrTooLarge means that a file is larger than any model should be.
	ErrTooLarge = errors.New("file too large")
)

// lockPoll is how often a second fetch looks whether the first has finished.
const lockPoll = 200 * time.Millisecond

// FetchOptions tune Fetch. The zero value of each field means its default.
type FetchOptions struct {
	BaseURL string         // a mirror: where the archives are, by their file names
	Report  func(Progress) // hears how it goes, from Fetch's own goroutine; the last is the zero Progress

	ConnectTimeout time.Duration // for each of connecting and the TLS handshake; 10 s
	StallTimeout   time.Duration // without a single byte; 30 s
	Attempts       int           // for each archive; 4
	Backoff        time.Duration // before the second attempt, doubling; 1 s
	MaxArchive     int64         // bytes; 200 MB
	MaxUnpacked    int64         // bytes of one unpacked file; 500 MB
}

func (o FetchOptions) withDefaults() FetchOptions {
	setDefault(&o.ConnectTimeout, 10*time.Second)
	setDefault(&o.StallTimeout, 30*time.Second)
	setDefault(&o.Attempts, 4)
	setDefault(&o.Backoff, time.Second)
	setDefault(&o.MaxArchive, 200_000_000)
	setDefault(&o.MaxUnpacked, 500_000_000)
	if o.Report == nil {
		o.Report = func(Progress) {}
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// url returns where f's archive is to be had.
func (o FetchOptions) url(f File) string {
	if o.BaseURL == "" {
		return f.URL
	}
	return strings.TrimSuffix(o.BaseURL, "/") + "/" + f.archive()
}

// Fetch makes dir the complete set that lock describes; where it is that
// already, it touches neither disk nor network. A stopped fetch leaves the
// archives that it has, whole or in part, and the next one goes on from them;
// archives that somebody put into dir by hand are used in the same way. A set
// that was in dir before stays until everything new is there. Of several
// concurrent calls, in any process, one works and the others wait for it.
func Fetch(ctx context.Context, lock Lock, dir string, opts FetchOptions) error {
	if complete(dir, lock) {
		return nil
	}
	opts = opts.withDefaults()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("fetch models: %w", err)
	}
	unlock, err := exclude(ctx, dir, opts.Report)
	if err != nil {
		return fmt.Errorf("fetch models: %w", err)
	}
	defer unlock()
	defer opts.Report(Progress{})
	if complete(dir, lock) {
		return nil // the fetch that we waited for was successful
	}
	if err := download(ctx, lock, dir, opts); err != nil {
		return err
	}
	return install(ctx, lock, dir, opts)
}

// complete reports whether dir already is the set that lock describes.
func complete(dir string, lock Lock) bool {
	set, err := Load(dir)
	return err == nil && set.ID == lock.ID
}

// exclude waits until no other fetch works on dir. The lock file stays: to
// remove it would let a waiting fetch hold a lock that nobody else can see.
func exclude(ctx context.Context, dir string, report func(Progress)) (unlock func(), err error) {
	l := flock.New(filepath.Join(dir, ".fetch.lock"), flock.SetPermissions(0o644))
	got, err := l.TryLock()
	if err == nil && !got {
		report(Progress{Note: "another fetch is at work on " + dir + "; waiting for it"})
		_, err = l.TryLockContext(ctx, lockPoll)
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return func() { _ = l.Close() }, nil
}

func download(ctx context.Context, lock Lock, dir string, opts FetchOptions) error {
	d := newDownloader(opts)
	defer d.client.CloseIdleConnections()
	for _, f := range lock.Files {
		if err := d.archive(ctx, f, filepath.Join(dir, f.archive())); err != nil {
			return fmt.Errorf("fetch %s: %w", opts.url(f), err)
		}
	}
	return nil
}

// install unpacks the archives beside their targets and then puts all of them
// in place. The old manifest goes first and the new one comes last: a crash
// between the two leaves an incomplete set, never a mixed one.
func install(ctx context.Context, lock Lock, dir string, opts FetchOptions) error {
	defer removeTemps(lock, dir)
	for _, f := range lock.Files {
		opts.Report(Progress{Note: "unpacking " + f.archive()})
		archive, temp := filepath.Join(dir, f.archive()), tempName(dir, f)
		if err := unpack(ctx, archive, temp, opts.MaxUnpacked); err != nil {
			return fmt.Errorf("unpack %s: %w", f.archive(), err)
		}
	}
	if err := putInPlace(lock, dir); err != nil {
		return fmt.Errorf("install models: %w", err)
	}
	for _, f := range lock.Files {
		_ = os.Remove(filepath.Join(dir, f.archive())) // only takes room
	}
	return nil
}

func putInPlace(lock Lock, dir string) error {
	target := filepath.Join(dir, manifestName)
	if err := removeAny(target); err != nil {
		return err
	}
	for _, f := range lock.Files {
		if err := os.Rename(tempName(dir, f), filepath.Join(dir, f.Name)); err != nil {
			return err
		}
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	return writeManifest(target, lock.manifest())
}

// tempName is where f is unpacked to.
func tempName(dir string, f File) string { return filepath.Join(dir, f.Name+".tmp") }

// removeTemps clears up after an unpacking that failed.
func removeTemps(lock Lock, dir string) {
	for _, f := range lock.Files {
		_ = os.Remove(tempName(dir, f))
	}
}

func writeManifest(path string, m manifest) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	temp := path + ".tmp"
	defer os.Remove(temp)
	if err := writeSynced(temp, append(text, '\n')); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func writeSynced(path string, content []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDir makes the renames in dir last through a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
