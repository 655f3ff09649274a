package chaos

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/api"
)

const (
	uploaders    = 3
	mostFiles    = 4         // of one upload
	largestFile  = 1_500_000 // bytes
	uploadChunk  = 64 << 10
	mostChunkGap = 40 * time.Millisecond // so that a fault finds uploads half way
)

// uploading uploads files during the faults. Its paths are those of no post.
type uploading struct {
	url, folder string // of the receiver; of the uploaded files
	http        *http.Client
	report      *Report

	mu       sync.Mutex // guards the fields below
	tried    map[string]bool
	accepted map[string]int64 // ids by path
}

func newUploading(url, root string, report *Report) *uploading {
	return &uploading{
		url: url, folder: filepath.Join(root, "uploads"), report: report, http: &http.Client{Timeout: requestTimeout},
		tried: map[string]bool{}, accepted: map[string]int64{},
	}
}

// run uploads until ctx ends.
func (u *uploading) run(ctx context.Context, seed uint64) {
	var all sync.WaitGroup
	for n := range uploaders {
		rnd := rand.New(rand.NewPCG(seed, 200+uint64(n)))
		all.Go(func() {
			for ctx.Err() == nil {
				u.upload(ctx, rnd)
			}
		})
	}
	all.Wait()
}

// upload sends some files until they are accepted, or hangs up.
func (u *uploading) upload(ctx context.Context, rnd *rand.Rand) {
	files := make([][]byte, 1+rnd.IntN(mostFiles))
	for i := range files {
		files[i] = picture(rnd)
		u.try(u.pathOf(files[i]))
	}
	hangsUp := rnd.IntN(6) == 0
	for wait := retryPause; ctx.Err() == nil; wait = min(2*wait, maxRetryPause) {
		limit := requestTimeout
		if hangsUp {
			limit = 1 + rand.N(300*time.Millisecond)
		}
		entries, err := u.send(ctx, files, limit)
		var refused *api.Error
		switch {
		case err == nil:
			u.note(files, entries)
			return
		case errors.As(err, &refused) && refused.Status < http.StatusInternalServerError && refused.Code != api.CodeRequestTimeout:
			u.report.violate("an upload was refused: %v", err)
			return
		case errors.As(err, &refused):
			u.report.countAnswer(fmt.Sprintf("upload %d", refused.Status))
		case hangsUp:
			u.report.countAnswer("upload given up")
			return
		default:
			u.report.countAnswer("upload without an answer")
		}
		pause(ctx, wait/2+rand.N(wait))
	}
}

// picture returns a file that begins as a JPEG does.
func picture(rnd *rand.Rand) []byte {
	content := make([]byte, 10_000+rnd.IntN(largestFile))
	for i := range content {
		content[i] = byte(rnd.Uint32())
	}
	copy(content, "\xff\xd8\xff\xe0\x00\x10JFIF\x00")
	return content
}

// pathOf returns where a file is stored.
func (u *uploading) pathOf(content []byte) string {
	sum := sha256.Sum256(content)
	name := hex.EncodeToString(sum[:])
	return filepath.Join(u.folder, name[:2], name+".jpg")
}

// send sends one request, slowly.
func (u *uploading) send(ctx context.Context, files [][]byte, limit time.Duration) ([]api.PostedEntry, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for i, content := range files {
		part, err := form.CreateFormFile("file", fmt.Sprintf("%d.jpg", i))
		if err != nil {
			return nil, err
		}
		part.Write(content) //nolint:errcheck // it is memory
	}
	if err := form.Close(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.url+"/api/v1/images", &slowly{ctx, &body})
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	res, err := u.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusAccepted {
		var failure api.ErrorResponse
		if err := json.Unmarshal(text, &failure); err != nil {
			return nil, fmt.Errorf("%s: %w", res.Status, err)
		}
		return nil, &api.Error{Status: res.StatusCode, Code: failure.Error.Code, Message: failure.Error.Message}
	}
	var answer struct{ Images []api.PostedEntry }
	return answer.Images, json.Unmarshal(text, &answer)
}

// slowly reads in chunks, with a pause before each.
type slowly struct {
	ctx context.Context
	io.Reader
}

func (s *slowly) Read(p []byte) (int, error) {
	pause(s.ctx, rand.N(mostChunkGap))
	return s.Reader.Read(p[:min(len(p), uploadChunk)])
}

func (u *uploading) try(path string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.tried[path] = true
}

// note remembers what was accepted. An entry can be refused because a service is in
// the way; then the file was not accepted.
func (u *uploading) note(files [][]byte, entries []api.PostedEntry) {
	if len(entries) != len(files) {
		u.report.violate("%d files were uploaded, and %d entries answered", len(files), len(entries))
		return
	}
	u.report.countAnswer("upload 202")
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, e := range entries {
		want := u.pathOf(files[i])
		switch {
		case e.Error != nil && (e.Error.Code == api.CodeUnavailable || e.Error.Code == api.CodeInsufficientStorage):
			continue
		case e.Error != nil || e.Path != want || e.ID < 1:
			u.report.violate("the file of %s was answered with id %d, path %s, error %+v", want, e.ID, e.Path, e.Error)
			continue
		}
		if id, ok := u.accepted[want]; ok && id != e.ID {
			u.report.violate("%s was answered with id %d and with %d", want, id, e.ID)
		}
		u.accepted[want] = e.ID
	}
}

// judge checks that each accepted upload has its file, that no file is half there,
// and that no row is without its file. Outcomes are those of all other images.
func (u *uploading) judge(ctx context.Context, d *database) error {
	files, leftovers, err := u.files()
	if err != nil {
		return fmt.Errorf("look at the uploaded files: %w", err)
	}
	u.mu.Lock()
	accepted := maps.Clone(u.accepted)
	u.mu.Unlock()
	for path, id := range accepted {
		if !files[path] {
			u.report.violate("the upload of image %d was accepted, and its file %s is gone", id, path)
		}
	}
	rows, err := d.images(ctx)
	if err != nil {
		return err
	}
	withRow := map[string]bool{}
	for _, r := range rows {
		if strings.HasPrefix(r.path, u.folder+string(filepath.Separator)) {
			withRow[r.path] = true
			if !files[r.path] {
				u.report.violate("image %d has no file %s", r.id, r.path)
			}
		}
	}
	u.report.Uploads, u.report.UploadRows, u.report.UploadFiles, u.report.Leftovers = len(accepted), len(withRow), len(files), leftovers
	return nil
}

// files returns the uploaded files that have their names, and the number of files of
// interrupted requests, which the receiver deletes after a while.
func (u *uploading) files() (whole map[string]bool, leftovers int, err error) {
	whole = map[string]bool{}
	err = filepath.WalkDir(u.folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(u.folder, path)
		if err != nil {
			return err
		}
		if strings.HasPrefix(rel, ".") {
			leftovers++
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if u.pathOf(content) != path {
			u.report.violate("%s has %d bytes that are not those of its name", path, len(content))
		}
		whole[path] = true
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // nothing was uploaded
	}
	return whole, leftovers, err
}
