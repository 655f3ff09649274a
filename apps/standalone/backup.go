package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rollcall-faces/rollcall/apps/internal/backup"
	"github.com/rollcall-faces/rollcall/apps/internal/backupcli"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// machine is where the commands backup and restore find database and folders.
func machine() backupcli.System {
	var data, known, unknown string
	var s settings
	return backupcli.System{
		Flags: func(f *flag.FlagSet) {
			f.StringVar(&data, "data", "data", "`folder` of the database")
			f.StringVar(&known, "known", "", "`folder` of known people, as standalone is started with")
			f.StringVar(&unknown, "unknown", "", "`folder` of the pictures, as standalone is started with")
		},
		Read: func(r *config.Reader) {
			s.known = cmp.Or(known, r.String("KNOWN_PEOPLE", "", "same as -known"))
			s.unknown = cmp.Or(unknown, r.String("UNKNOWN_PEOPLE", "", "same as -unknown"))
			s.data = absolute(r, data)
		},
		Open: func(create bool) (*store.Store, error) {
			file := filepath.Join(s.data, databaseFile)
			if _, err := os.Stat(file); err != nil && !create {
				return nil, fmt.Errorf("standalone has not run with this folder yet: %w", err)
			}
			return store.OpenSQLite(file)
		},
		Folders: s.backupFolders,
		Lock: func() (func() error, error) {
			if err := os.MkdirAll(s.data, 0o700); err != nil {
				return nil, s.badData(err)
			}
			return lockData(s.data)
		},
	}
}

// backupFolders returns the folders that standalone uses with these settings. Those of the
// samples are made, if they are not there.
func (s *settings) backupFolders() (backup.Folders, error) {
	if (s.known == "") != (s.unknown == "") {
		return backup.Folders{}, errors.New("set both -known and -unknown, or neither if standalone runs on the samples")
	}
	known, unknown := s.known, s.unknown
	if known == "" {
		dir := filepath.Join(s.data, "samples")
		known, unknown = filepath.Join(dir, "known"), filepath.Join(dir, "unknown")
		if err := errors.Join(os.MkdirAll(known, 0o750), os.MkdirAll(unknown, 0o750)); err != nil {
			return backup.Folders{}, s.badData(err)
		}
	}
	var err error
	if known, err = pictureFolder("-known (KNOWN_PEOPLE)", known); err != nil {
		return backup.Folders{}, err
	}
	if unknown, err = pictureFolder("-unknown (UNKNOWN_PEOPLE)", unknown); err != nil {
		return backup.Folders{}, err
	}
	return backup.Folders{KnownPeople: known, UnknownPeople: unknown}, nil
}
