package models

// This file owns the part of an archive that is on disk already: its bytes,
// and beside them the validator of the file on the server that they are of.

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
)

// partial is an archive that is being downloaded to path.
type partial struct{ path string }

func (p partial) validatorPath() string { return p.path + ".etag" }

// state returns how many bytes there are and the validator of their source. A
// part without a validator counts as nothing: nobody could tell whether the
// server still has the file that it is of.
func (p partial) state() (have int64, validator string) {
	text, err := os.ReadFile(p.validatorPath())
	if err != nil || len(text) == 0 {
		return 0, ""
	}
	info, err := os.Stat(p.path)
	if err != nil {
		return 0, ""
	}
	return info.Size(), string(text)
}

// restart empties the part and remembers the validator of what will come. The
// old validator goes first, so that a crash never leaves it beside new bytes.
func (p partial) restart(validator string) error {
	if err := p.discard(); err != nil {
		return err
	}
	if err := os.WriteFile(p.path, nil, 0o644); err != nil {
		return err
	}
	return os.WriteFile(p.validatorPath(), []byte(validator), 0o644)
}

// append adds at most limit bytes of r. What was read before an error stays.
func (p partial) append(r io.Reader, limit int64) error {
	f, err := os.OpenFile(p.path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = copyAtMost(f, r, limit)
	return errors.Join(err, f.Close())
}

// keepAs makes the part, which is whole now, the file at path.
func (p partial) keepAs(path string) error {
	if err := os.Rename(p.path, path); err != nil {
		return err
	}
	return removeAny(p.validatorPath())
}

// discard removes the part.
func (p partial) discard() error {
	return errors.Join(removeAny(p.validatorPath()), removeAny(p.path))
}

// removeAny removes a file that need not be there.
func removeAny(path string) error {
	err := os.Remove(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// sumOf returns the SHA-256 of a file in hexadecimal.
func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
