package receiver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picture/signature"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/wholefile"
)

// sweepAge is how old a file without a row is before it is swept away. Younger
// ones may be about to get their row.
const sweepAge = time.Hour

// knownFiles writes known pictures into the folder KNOWN_PEOPLE, below
// faces.WrittenFolder, by the SHA-256 of their content.
type knownFiles struct {
	folder string // KNOWN_PEOPLE; empty: this receiver has none
}

// open opens the folder. os.Root refuses paths and links that lead out of it.
func (k knownFiles) open() (*os.Root, error) {
	if k.folder == "" {
		return nil, api.Errorf(api.CodeUnavailable, "this receiver has no folder of known people; set KNOWN_PEOPLE")
	}
	root, err := os.OpenRoot(k.folder)
	if err != nil {
		return nil, fmt.Errorf("%w (open the folder of known people: %w)",
			api.Errorf(api.CodeUnavailable, "the folder of known people cannot be opened; is its volume mounted?"), err)
	}
	return root, nil
}

// read reads a file of a client's choice, of at most limit bytes. The files that
// Rollcall writes are no choice: their rows say whose they are.
func (k knownFiles) read(name string, limit int64) (knownPicture, error) {
	if k.folder == "" {
		_, err := k.open()
		return knownPicture{}, err
	}
	folder, err := picturefiles.Open(k.folder, "known people")
	if err != nil {
		_, err := k.open()
		return knownPicture{}, err
	}
	defer folder.Close()
	clean := path.Clean("/" + strings.TrimPrefix(name, k.folder+"/"))[1:]
	if clean == faces.WrittenFolder || strings.HasPrefix(clean, faces.WrittenFolder+"/") {
		return knownPicture{}, api.Errorf(api.CodePathNotAllowed, "the folder %s has what was sent to the API; send the picture itself", faces.WrittenFolder)
	}
	switch info, err := folder.Stat(clean); {
	case err != nil:
		return knownPicture{}, pictureProblem(err)
	case info.Size() > limit:
		return knownPicture{}, api.Errorf(api.CodeBodyTooLarge, "the picture is larger than %d bytes; enrol a smaller copy of it", limit)
	}
	content, err := folder.Read(clean)
	return knownPicture{content: content, name: clean}, pictureProblem(err)
}

// write writes a file whole or not at all. A file with this content that is there
// already is kept.
func (k knownFiles) write(content []byte) (name, sum string, err error) {
	name, sum = writtenName(content)
	root, err := k.open()
	if err != nil {
		return "", "", err
	}
	defer root.Close()
	if info, err := root.Stat(name); err == nil && info.Size() == int64(len(content)) {
		return name, sum, nil
	}
	err = wholefile.Write(root, name, content)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return "", "", api.Errorf(api.CodeInsufficientStorage, "the volume of known people is full; make room, and send the picture again")
	}
	if err != nil {
		return "", "", fmt.Errorf("%w (write a known picture: %w)",
			api.Errorf(api.CodeUnavailable, "the folder of known people cannot be written to"), err)
	}
	return name, sum, nil
}

// writtenName returns where a file of this content is written, and the SHA-256 in
// hexadecimal.
func writtenName(content []byte) (name, sum string) {
	digest := sha256.Sum256(content)
	sum = hex.EncodeToString(digest[:])
	return path.Join(faces.WrittenFolder, sum[:2], sum+extension(content)), sum
}

// remove deletes a file that Rollcall wrote, unless it has a row again: it puts the
// file aside, looks, and puts it back. A file that is gone is no error. listed tells
// which files have a row.
func (k knownFiles) remove(ctx context.Context, name string, listed listedFunc) error {
	if !strings.HasPrefix(name, faces.WrittenFolder+"/") {
		return fmt.Errorf("%s is not below %s", name, faces.WrittenFolder)
	}
	root, err := k.open()
	if err != nil {
		return err
	}
	defer root.Close()
	aside := path.Join(path.Dir(name), ".del-"+rand.Text())
	if err := root.Rename(name, aside); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("delete a known picture: %w", err)
	}
	keep, err := listed(ctx, []string{name})
	if err != nil || keep[name] {
		return errors.Join(err, root.Rename(aside, name)) // when in doubt, keep it
	}
	return wrapRemoval(root.Remove(aside))
}

func wrapRemoval(err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("delete a known picture: %w", err)
}

// listedFunc returns which known pictures, by name, have a row.
type listedFunc func(ctx context.Context, names []string) (map[string]bool, error)

// sweep deletes files without a row: a program that was killed between file and
// row, or between row and file, left them. listed tells which files have a row.
func (k knownFiles) sweep(ctx context.Context, now time.Time, listed listedFunc) (n int, err error) {
	root, err := k.open()
	if err != nil {
		return 0, err
	}
	defer root.Close()
	var old []string
	err = fs.WalkDir(root.FS(), faces.WrittenFolder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && now.Sub(info.ModTime()) > sweepAge {
			old = append(old, name)
		}
		return ctx.Err()
	})
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // nothing was ever written
	}
	if err != nil {
		return 0, fmt.Errorf("list the written known pictures: %w", err)
	}
	keep, err := listed(ctx, old)
	if err != nil {
		return 0, err
	}
	for _, name := range old {
		if keep[name] {
			continue
		}
		if err := k.remove(ctx, name, listed); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// extension returns the extension of a picture's name, for people who look at the
// folder; no program needs it.
func extension(content []byte) string {
	if format := signature.Of(content); format != signature.Unknown {
		return "." + string(format)
	}
	return ".picture"
}
