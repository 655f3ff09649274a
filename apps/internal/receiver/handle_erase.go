package receiver

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/eraser"
	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// ErasureStore is the part of the database that erases people.
type ErasureStore interface {
	PlanErasure(ctx context.Context, r store.EraseRequest) (erasure.Plan, error)
	Erase(ctx context.Context, r store.EraseRequest, record func(erasure.Entry) error) (done erasure.Receipt, left []string, err error)
	Erasure(ctx context.Context, id string) (erasure.Receipt, error)
	Erasures(ctx context.Context, before string, limit int) ([]erasure.Receipt, error)
	eraser.Store
}

// openErasures makes the part that carries out erasures.
func (s *Server) openErasures() {
	opts := s.opts.Erasures
	opts.KnownPeople = s.opts.KnownPeople
	s.erasures = eraser.New(s.store, erasedFiles{s}, opts, s.log)
}

// Erasures returns what carries out erasures. Its Part must start before what enrols
// people.
func (s *Server) Erasures() *eraser.Eraser { return s.erasures }

// erasePerson erases a person, or says what that would do. It takes no idempotency key:
// its answer has names of files, which must not be kept, and a repeated request gets the
// erasure that is under way.
func (s *Server) erasePerson(c *gin.Context) error {
	id, version, err := readVersion(c)
	if err != nil {
		return err
	}
	var body api.EraseRequest
	if err := httpapi.ReadStrictJSON(c, &body); err != nil {
		return err
	}
	r := store.EraseRequest{ID: erasure.NewID(), Person: id, Version: version, Images: erasure.Keep}
	if body.Images != nil {
		r.Images = erasure.Policy(*body.Images)
	}
	if r.Images != erasure.Keep && r.Images != erasure.Delete {
		return api.Errorf(api.CodeInvalidRequest, `"images" must be keep or delete, not %q`, httpapi.Shorten(string(r.Images)))
	}
	ctx := c.Request.Context()
	if body.DryRun != nil && *body.DryRun {
		plan, err := s.store.PlanErasure(ctx, r)
		if err != nil {
			return err
		}
		c.JSON(http.StatusOK, api.ErasurePlan{Counts: plan.Counts, KeptImages: append([]int64{}, plan.Kept...), LeftFiles: append([]string{}, plan.LeftFiles...)})
		return nil
	}
	recorded := false
	done, left, err := s.store.Erase(ctx, r, func(e erasure.Entry) error {
		err := s.erasures.Ledger().Write(e)
		recorded = recorded || err == nil
		return err
	})
	if err != nil && recorded { // the entry is the decision
		s.erasures.Wake()
		return faces.Errorf(faces.CodeUnavailable, "the erasure %s is in the ledger and will be carried out within a minute; look at GET /api/v1/erasures/%[1]s", r.ID).WithCause(err)
	}
	if err != nil {
		return err
	}
	s.renderings.forget()
	s.erasures.Wake()
	s.log.Info("a person is being erased", "erasure", done.ID, "person", id, "request_id", httpapi.RequestID(c))
	c.Header("Location", s.opts.BasePath+"/api/v1/erasures/"+done.ID)
	c.JSON(http.StatusAccepted, api.StartedErasure{Erasure: wireErasure(done), LeftFiles: append([]string{}, left...)})
	return nil
}

func (s *Server) listErasures(c *gin.Context) error {
	limit, err := httpapi.ReadLimit(c)
	if err != nil {
		return err
	}
	after := c.Query("after")
	if after != "" {
		if err := erasure.CheckID(after); err != nil {
			return err
		}
	}
	list, err := s.store.Erasures(c.Request.Context(), after, limit+1)
	if err != nil {
		return err
	}
	var next *string
	if len(list) > limit {
		list = list[:limit]
		next = &list[limit-1].ID
	}
	c.JSON(http.StatusOK, api.ErasureList{Erasures: mapped(list, wireErasure), Next: next})
	return nil
}

func (s *Server) getErasure(c *gin.Context) error {
	id := c.Param("id")
	if err := erasure.CheckID(id); err != nil {
		return err
	}
	one, err := s.store.Erasure(c.Request.Context(), id)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, wireErasure(one))
	return nil
}

// getErasureLedger answers with all entries that the database has.
func (s *Server) getErasureLedger(c *gin.Context) error {
	body := api.ErasureLedger{Entries: []map[string]any{}}
	for after := int64(0); ; {
		list, next, err := s.store.ErasureEntries(c.Request.Context(), after)
		if err != nil {
			return err
		}
		for _, e := range list {
			text, err := json.Marshal(e)
			if err != nil {
				return err
			}
			var entry map[string]any
			if err := json.Unmarshal(text, &entry); err != nil {
				return err
			}
			body.Entries = append(body.Entries, entry)
		}
		if after = next; next == 0 {
			break
		}
	}
	c.JSON(http.StatusOK, body)
	return nil
}

// replayErasureLedger carries out the entries that the database does not know. All are
// checked before the first is carried out.
func (s *Server) replayErasureLedger(c *gin.Context) error {
	var body api.ErasureLedger
	if err := httpapi.ReadStrictJSON(c, &body); err != nil {
		return err
	}
	entries := make([]erasure.Entry, len(body.Entries))
	for i, entry := range body.Entries {
		text, err := json.Marshal(entry)
		if err != nil {
			return err
		}
		if entries[i], err = erasure.Decode(text); err != nil {
			return api.Errorf(api.CodeInvalidRequest, "entry %d cannot be read; send the ledger as GET answered it", i+1)
		}
	}
	var done api.ReplayedErasures
	for _, e := range entries {
		if err := s.erasures.Ledger().Write(e); err != nil {
			return err
		}
		known, err := s.store.ReplayErasure(c.Request.Context(), e)
		if err != nil {
			return err
		}
		if known {
			done.Known++
			continue
		}
		done.Replayed++
	}
	s.erasures.Wake()
	s.log.Info("the ledger of erasures was replayed", "erasures", done.Replayed, "known", done.Known, "request_id", httpapi.RequestID(c))
	c.JSON(http.StatusOK, done)
	return nil
}

// erasedFiles are the files that Rollcall wrote, for the job of an erasure.
type erasedFiles struct{ server *Server }

// ForgetRenderings implements eraser.Files.
func (f erasedFiles) ForgetRenderings() { f.server.renderings.forget() }

// EraseKnown implements eraser.Files. It finds the files by their names, which are those
// of their content: the rows are gone.
func (f erasedFiles) EraseKnown(ctx context.Context, e erasure.Entry) (n int, err error) {
	if f.server.known.folder == "" {
		return 0, nil
	}
	root, err := f.server.known.open()
	if err != nil {
		return 0, err
	}
	defer root.Close()
	names, contents := setOf(e.Files), setOf(e.Contents)
	var found []string
	err = fs.WalkDir(root.FS(), faces.WrittenFolder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		sum, _, _ := strings.Cut(path.Base(name), ".")
		if names[e.Salt.OfFile(name)] || contents[e.Salt.OfHex(sum)] {
			found = append(found, name)
		}
		return ctx.Err()
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	used, err := f.server.store.ListedPictures(ctx, found)
	if err != nil {
		return 0, err
	}
	for _, name := range found {
		if used[name] { // somebody who is there has the picture; it must not lose its name, even for a moment
			continue
		}
		if err := f.server.known.remove(ctx, name, f.server.store.ListedPictures); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// EraseUploads implements eraser.Files. A file whose image is still there stays.
func (f erasedFiles) EraseUploads(ctx context.Context, e erasure.Entry) (n int, err error) {
	if e.Images != erasure.Delete {
		return 0, nil
	}
	paths := map[erasure.Mark]bool{}
	for _, p := range e.Pictures {
		if p.Shows {
			paths[p.Path] = true
		}
	}
	// A deletion that was interrupted has left a file under another name.
	if err := f.server.uploads.Tidy(ctx); err != nil {
		return 0, err
	}
	files, err := f.server.uploads.Files(ctx)
	if err != nil {
		return 0, err
	}
	for _, name := range files {
		if !paths[e.Salt.OfPath(name)] {
			continue
		}
		gone, err := f.server.uploads.RemoveUnused(ctx, name)
		if err != nil {
			return n, err
		}
		if gone {
			n++
		}
	}
	return n, nil
}

func setOf(marks []erasure.Mark) map[erasure.Mark]bool {
	set := make(map[erasure.Mark]bool, len(marks))
	for _, m := range marks {
		set[m] = true
	}
	delete(set, erasure.Mark{})
	return set
}

func wireErasure(e erasure.Receipt) api.Erasure {
	return api.Erasure{
		ID: e.ID, PersonID: e.PersonID, Images: api.ErasureImages(e.Images), State: api.ErasureState(e.State),
		Counts: e.Counts, KeptImages: append([]int64{}, e.Kept...), LeftFiles: e.LeftFiles, Found: append([]string{}, e.Found...),
		CreatedAt: e.CreatedAt.UTC(), ErasedAt: timeOrNull(e.ErasedAt), VerifiedAt: timeOrNull(e.VerifiedAt),
	}
}
