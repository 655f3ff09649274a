package modelset

import (
	"compress/bzip2"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock" // a lock between processes that ends with its process
	"golang.org/x/sync/errgroup"
)

const (
	archiveSuffix = ".bz2"
	// maxUnpacked bounds a model file, in bytes. dlib's largest has 22 MB.
	maxUnpacked = 256 << 20
	// lockPoll is how often a process tries to get a lock held by another
	// process.
	lockPoll = 100 * time.Millisecond
)

// goFaceFiles are the file names that go-face loads.
func goFaceFiles() []string {
	return []string{
		"dlib_face_recognition_resnet_model_v1.dat",
		"mmod_human_face_detector.dat",
		"shape_predictor_5_face_landmarks.dat",
	}
}

// reference is the part of set.json about go-face's files.
type reference struct {
	Folder  string          `json:"folder"`
	Licence string          `json:"licence"`
	Files   []referenceFile `json:"files"`
}

type referenceFile struct {
	Name          string `json:"name"`
	SHA256        string `json:"sha256"`
	ArchiveSHA256 string `json:"archive_sha256"`
}

func (r reference) check(p *problems) {
	checkPath("reference.folder", r.Folder, p)
	if r.Licence == "" {
		p.addf(`"reference.licence" is missing`)
	}
	var names []string
	for i, f := range r.Files {
		names = append(names, f.Name)
		checkSum(fmt.Sprintf("reference.files[%d].sha256", i), f.SHA256, p)
		checkSum(fmt.Sprintf("reference.files[%d].archive_sha256", i), f.ArchiveSHA256, p)
	}
	slices.Sort(names)
	if want := goFaceFiles(); !slices.Equal(names, want) {
		p.addf(`"reference.files" has the names %q, but go-face loads %q`, names, want)
	}
}

// version identifies the content of the unpacked files.
func (r reference) version() string {
	h := sha256.New()
	for _, f := range r.Files {
		fmt.Fprintf(h, "%s %s\n", f.SHA256, f.Name)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// Reference returns a folder with the files that go-face loads. If the
// models' folder has them unpacked, it is that one; Load has checked them.
// Otherwise they are unpacked once into a folder below cache, which takes
// seconds. Files in the cache are compared with their checksums at each call,
// and damaged ones are unpacked again. If several processes call Reference at
// once, one of them unpacks and the others wait. An empty cache means a
// folder in the user's cache.
func (s Set) Reference(ctx context.Context, cache string) (string, error) {
	place := s.path(s.reference.Folder)
	if s.reference.unpackedIn(place) {
		return place, nil
	}
	cache, err := cacheFolder(cache)
	if err != nil {
		return "", err
	}
	target := filepath.Join(cache, "dlib-"+s.reference.version())
	if s.reference.verify(target) == nil {
		return target, nil
	}
	if err := s.fill(ctx, cache, target); err != nil {
		return "", fmt.Errorf("unpack the reference of model set %s into %s: %w", s.ID, cache, err)
	}
	return target, nil
}

func cacheFolder(cache string) (string, error) {
	if cache != "" {
		return filepath.Abs(cache)
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for unpacked models: %w; set ROLLCALL_MODEL_CACHE", err)
	}
	return filepath.Join(base, "rollcall", "models"), nil
}

// unpackedIn reports whether all files exist in dir.
func (r reference) unpackedIn(dir string) bool {
	for _, f := range r.Files {
		if _, err := os.Stat(filepath.Join(dir, f.Name)); err != nil {
			return false
		}
	}
	return true
}

// verify compares the files in dir with their checksums.
func (r reference) verify(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, f := range r.Files {
		if err := checkFile(root, f.Name, f.SHA256); err != nil {
			return err
		}
	}
	return nil
}

// fill creates target with the unpacked files, unless another process has
// done so meanwhile. It is renamed to target only when it is complete.
func (s Set) fill(ctx context.Context, cache, target string) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return fmt.Errorf("%w; set ROLLCALL_MODEL_CACHE to a folder that can be written", err)
	}
	// The lock file is never removed. If it were, two processes could hold
	// locks on two different files.
	lock := flock.New(filepath.Join(cache, ".lock"), flock.SetPermissions(0o644))
	if _, err := lock.TryLockContext(ctx, lockPoll); err != nil {
		return fmt.Errorf("lock the cache: %w", err)
	}
	defer lock.Close()
	if s.reference.verify(target) == nil {
		return nil
	}
	removeLeftovers(cache)
	temp, err := os.MkdirTemp(cache, unpackPrefix)
	if err != nil {
		return fmt.Errorf("%w; set ROLLCALL_MODEL_CACHE to a folder that can be written", err)
	}
	defer os.RemoveAll(temp)
	if err := s.unpackAll(ctx, temp); err != nil {
		return err
	}
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	return os.Rename(temp, target)
}

// unpackPrefix is the prefix of folders that are being filled.
const unpackPrefix = "unpacking-"

// removeLeftovers removes what killed processes left behind. The caller holds
// the lock, so no process is using it.
func removeLeftovers(cache string) {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), unpackPrefix) {
			_ = os.RemoveAll(filepath.Join(cache, e.Name())) // only takes room
		}
	}
}

func (s Set) unpackAll(ctx context.Context, dir string) error {
	root, err := os.OpenRoot(s.folder)
	if err != nil {
		return err
	}
	defer root.Close()
	group, ctx := errgroup.WithContext(ctx)
	for _, f := range s.reference.Files {
		group.Go(func() error {
			archive := path.Join(s.reference.Folder, f.Name+archiveSuffix)
			if err := unpack(ctx, root, archive, filepath.Join(dir, f.Name), f.SHA256); err != nil {
				return fmt.Errorf("unpack %s: %w", archive, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755) // other users may share the cache
}

// unpack writes the content of a bzip2 archive to target and syncs it to
// disk. It fails if the content does not have that SHA-256.
func unpack(ctx context.Context, root *os.Root, archive, target, sum string) (err error) {
	in, err := root.Open(filepath.FromSlash(archive))
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(target)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	plain := io.LimitReader(bzip2.NewReader(contextReader{ctx, in}), maxUnpacked)
	if err := checkContent(io.TeeReader(plain, out), target, sum); err != nil {
		return err
	}
	return out.Sync()
}

// contextReader returns an error once its context is done.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
