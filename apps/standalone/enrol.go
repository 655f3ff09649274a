package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/picturefiles"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/lifecycle"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// enrolEvery is how often the folders of known people are read.
const enrolEvery = 10 * time.Second

// enrolment enrols the pictures in the folders of known people (known/<person's
// name>/<files>). It runs once before the first image is processed, and then
// looks for changes.
func (s *system) enrolment() lifecycle.Part {
	e := &enroller{system: s, told: map[string]bool{}}
	loop := newLoop(enrolEvery, func(ctx context.Context) {
		if err := e.enrol(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("known people not enrolled; the next try follows", "pause", enrolEvery, "error", err)
		}
	})
	return lifecycle.Part{Name: "enrolment", Start: func(ctx context.Context, fail func(error)) (err error) {
		if e.folder, err = picturefiles.Open(s.known, "known people"); err != nil {
			return err
		}
		if err := e.enrol(ctx); err != nil {
			return err
		}
		return loop.start(ctx, fail)
	}, Stop: func(ctx context.Context) error { return errors.Join(loop.stop(ctx), e.folder.Close()) }}
}

// enroller keeps the tables like the folders of known people.
type enroller struct {
	*system
	folder *picturefiles.Folder
	told   map[string]bool // what has been logged
}

// enrol makes the tables agree with the folders. It changes nothing while the
// folder of all is away or has nothing in it, which looks the same: the people
// of a volume that is not mounted are not forgotten.
func (e *enroller) enrol(ctx context.Context) error {
	if err := e.folder.Follow(); err != nil {
		return err
	}
	wanted, err := e.people(ctx)
	if err != nil {
		return fmt.Errorf("list known people: %w", err)
	}
	switch empty, err := e.folder.Empty(); {
	case err != nil:
		return fmt.Errorf("list known people: %w", err)
	case empty:
		e.once("empty", func() {
			e.log.Info("the folder of known people is empty: nobody is enrolled, and nobody is removed", "folder", e.known)
		})
		return nil
	}
	if err := e.folder.Follow(); err != nil { // it went while it was listed
		return err
	}
	result, err := e.store.SyncKnownImages(ctx, wanted, inPersonsFolder)
	if err != nil {
		return err
	}
	if changed(result) {
		// No names: a log outlives the erasure of a person.
		e.log.Info("known people enrolled", "new people", len(result.PeopleAdded),
			"pictures added", len(result.ImagesAdded), "removed", len(result.ImagesRemoved), "moved", len(result.ImagesMoved),
			"folders taken for another spelling of a name", len(result.NamesJoined))
	}
	if n := len(result.NamesGone) + result.FoldersErased; n > 0 {
		e.once(fmt.Sprint("gone/", n), func() {
			e.log.Info("folders of people who were deleted or erased are passed over; add a person of that name by the API to use one", "folders", n)
		})
	}
	return nil
}

// once calls log for the first time that it is called with this key.
func (e *enroller) once(key string, log func()) {
	if !e.told[key] {
		e.told[key] = true
		log()
	}
}

func changed(e store.Enrolment) bool {
	return len(e.PeopleAdded)+len(e.ImagesAdded)+len(e.ImagesRemoved)+len(e.ImagesMoved) > 0
}

// people returns the person of each picture, by the picture's path below the
// folder of all: the folder directly below that is the person's name. It passes
// over what is a system's and not a person's, and warns once about the rest; the
// recognizer lists all problems.
func (e *enroller) people(ctx context.Context) (map[string]string, error) {
	owners := map[string]string{}
	err := e.folder.Walk(ctx, func(found picturefiles.Entry) {
		switch {
		case strings.HasPrefix(found.Name, faces.WrittenFolder+"/"):
			// The API enrols these.
		case found.Problem != "":
			e.once(found.Name, func() {
				e.log.Warn("passed over among the known people", "name", found.Name, "error", found.Problem)
			})
		case found.Link && !e.isFile(found.Name):
			// The recognizer lists it as a problem.
		case !inPersonsFolder(found.Name):
			e.once(found.Name, func() {
				e.log.Warn("a known picture is in no person's folder; it is ignored unless a row of person_images names it",
					"picture", found.Name, "move it to", path.Join(e.known, "<person's name>", found.Name))
			})
		default:
			owners[found.Name], _, _ = strings.Cut(found.Name, "/")
		}
	}, func(string) {})
	return owners, err
}

func (e *enroller) isFile(name string) bool {
	info, err := e.folder.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// inPersonsFolder tells pictures enrolled by their folder from those that
// somebody enrolled by rows of their own.
func inPersonsFolder(image string) bool { return strings.Contains(image, "/") }
