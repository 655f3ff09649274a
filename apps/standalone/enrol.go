package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// enrolEvery is how often the folders of known people are read.
const enrolEvery = 10 * time.Second

// enrolment enrols the pictures in the folders of known people (known/<person's
// name>/<files>). It runs once before the first image is processed, and then
// looks for changes.
func (s *system) enrolment() lifecycle.Part {
	warned := map[string]bool{}
	loop := newLoop(enrolEvery, func(ctx context.Context) {
		if err := s.enrol(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("known people not enrolled; the next try follows", "pause", enrolEvery, "error", err)
		}
		s.warnLoose(warned)
	})
	return lifecycle.Part{Name: "enrolment", Start: func(ctx context.Context, fail func(error)) error {
		if err := s.enrol(ctx); err != nil {
			return err
		}
		s.warnLoose(warned)
		return loop.start(ctx, fail)
	}, Stop: loop.stop}
}

// enrol makes the tables agree with the folders.
func (s *system) enrol(ctx context.Context) error {
	wanted, err := people(os.DirFS(s.known))
	if err != nil {
		return fmt.Errorf("list known people: %w", err)
	}
	e, err := s.store.SyncKnownImages(ctx, wanted, inPersonsFolder)
	if err != nil {
		return err
	}
	if changed(e) {
		s.log.Info("known people enrolled", "new people", strings.Join(e.PeopleAdded, ", "),
			"pictures added", len(e.ImagesAdded), "removed", len(e.ImagesRemoved), "moved", len(e.ImagesMoved),
			"folders taken for another spelling of a name", strings.Join(e.NamesJoined, ", "))
	}
	return nil
}

func changed(e store.Enrolment) bool {
	return len(e.PeopleAdded)+len(e.ImagesAdded)+len(e.ImagesRemoved)+len(e.ImagesMoved) > 0
}

// people returns the person of each picture, by the picture's path below root:
// the folder directly below root is the person's name.
func people(root fs.FS) (map[string]string, error) {
	owners := map[string]string{}
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name == ".":
			return nil
		case strings.HasPrefix(path.Base(name), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir() || !inPersonsFolder(name):
			return nil
		}
		person, _, _ := strings.Cut(name, "/")
		owners[name] = person
		return nil
	})
	return owners, err
}

// inPersonsFolder tells pictures enrolled by their folder from those that
// somebody enrolled by rows of their own.
func inPersonsFolder(image string) bool { return strings.Contains(image, "/") }

// warnLoose warns once about each picture that lies in no person's folder.
func (s *system) warnLoose(warned map[string]bool) {
	entries, err := os.ReadDir(s.known)
	if err != nil {
		return // enrol reports the same error
	}
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || warned[e.Name()] {
			continue
		}
		warned[e.Name()] = true
		s.log.Warn("a known picture is in no person's folder; it is ignored unless a row of person_images names it",
			"picture", e.Name(), "move it to", path.Join(s.known, "<person's name>", e.Name()))
	}
}
