package frontend

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const (
	// mostUploads is how many pictures the page of uploads shows: as many as its address
	// has room for, and a page answers soon.
	mostUploads = 100
	// mostAnswers is how many pictures a script may ask about at once.
	mostAnswers = 50
)

// uploadRoutes adds the pages of uploading pictures. POST /upload is beside /live, because
// it may take long.
func (s *Server) uploadRoutes(e *gin.Engine) {
	for path, h := range map[string]gin.HandlerFunc{"/upload": s.uploadPage, "/upload/answers": s.uploadAnswers} {
		e.GET(path, s.require(access.Reviewer), h)
		e.HEAD(path, s.require(access.Reviewer), h)
	}
}

// uploadView is the body of the page of uploads.
type uploadView struct {
	Rows    []uploadRow
	Refused []refusedFile
	Stored  string // URL of the page of the files that were taken; "" if this is it
}

// uploadRow is one uploaded picture.
type uploadRow struct {
	ID       int64
	URL      string
	Thumb    string // URL; "" if there is no picture
	Name     string
	Sentence string
	Outcome  outcome
	Waits    bool
}

// refusedFile is a file that the receiver did not take.
type refusedFile struct {
	Name string `json:"-"`
	Why  string `json:"why"`
	// Again says that the same file may be taken later.
	Again bool `json:"again,omitempty"`
}

// uploadPage answers with the page, and with the pictures that its address names.
func (s *Server) uploadPage(c *gin.Context) {
	if !s.mayChange(c) {
		s.problem(c, readOnly())
		return
	}
	rows, err := s.uploadRows(c.Request.Context(), imageIDs(c.Query("images"), mostUploads))
	if err != nil {
		s.failed(c, err)
		return
	}
	s.render(c, http.StatusOK, "upload", page{
		Title: s.words("upload.title"), Section: "upload", Body: uploadView{Rows: rows},
		Waiting: slices.ContainsFunc(rows, func(r uploadRow) bool { return r.Waits }),
	})
}

// uploadAnswers answers with the rows of some pictures, for the script of the page.
func (s *Server) uploadAnswers(c *gin.Context) {
	rows, err := s.uploadRows(c.Request.Context(), imageIDs(c.Query("images"), mostAnswers))
	if err != nil {
		s.failed(c, err)
		return
	}
	s.renderPart(c, "upload", "upload-rows", rows)
}

// imageIDs reads a list of ids. What is no id is left out.
func imageIDs(text string, most int) []int64 {
	var ids []int64
	for _, part := range strings.Split(text, ",") {
		id, err := strconv.ParseInt(part, 10, 64)
		if err == nil && id > 0 && !slices.Contains(ids, id) && len(ids) < most {
			ids = append(ids, id)
		}
	}
	return ids
}

// uploadRows reads pictures, in the order of their ids in the address.
func (s *Server) uploadRows(ctx context.Context, ids []int64) ([]uploadRow, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	images, err := s.store.SomeImages(ctx, ids)
	if err != nil {
		return nil, err
	}
	models, err := s.store.Models(ctx)
	if err != nil {
		return nil, err
	}
	rows := make([]uploadRow, len(images))
	for i, img := range images {
		rows[i] = s.uploadRow(img, models[img.Model])
	}
	return rows, nil
}

func (s *Server) uploadRow(img faces.Image, m faces.Model) uploadRow {
	row := uploadRow{
		ID: img.ID, URL: query{}.image(img.ID), Name: s.shownName(img),
		Sentence: s.sentence(img, m), Outcome: s.outcomeOf(img.Status, img.Reason), Waits: isWaiting(img),
	}
	if thumb := s.thumbnail(img); thumb != "" {
		row.Thumb = thumb + "?size=128"
	}
	return row
}

// uploadedFile is what became of a file, for the script of the page.
type uploadedFile struct {
	ID      int64        `json:"id,omitempty"`
	Refused *refusedFile `json:"refused,omitempty"`
}

// answerUpload says what became of each file: as JSON to the script, else by a page.
func (s *Server) answerUpload(c *gin.Context, entries []api.PostedEntry) {
	if wantsJSON(c) {
		files := make([]uploadedFile, len(entries))
		for i, e := range entries {
			files[i] = uploadedFile{ID: e.ID}
			if e.Error != nil {
				why := s.whyRefused(e)
				files[i].Refused = &why
			}
		}
		c.Header("Cache-Control", "no-store")
		c.JSON(http.StatusOK, gin.H{"files": files})
		return
	}
	var stored []string
	view := uploadView{}
	for _, e := range entries {
		if e.Error != nil {
			view.Refused = append(view.Refused, s.whyRefused(e))
		} else if id := strconv.FormatInt(e.ID, 10); !slices.Contains(stored, id) && len(stored) < mostUploads {
			stored = append(stored, id)
		}
	}
	address := "/upload"
	if len(stored) > 0 {
		address += "?images=" + strings.Join(stored, ",")
	}
	if len(view.Refused) == 0 {
		s.goTo(c, address)
		return
	}
	// Why a file was refused has no place in an address: anybody could write one.
	code := http.StatusUnprocessableEntity
	if len(stored) > 0 {
		code, view.Stored = http.StatusOK, address
	}
	s.render(c, code, "upload", page{Title: s.words("upload.title"), Section: "upload", Body: view})
}

// whyRefused says in words why a file was refused.
func (s *Server) whyRefused(e api.PostedEntry) refusedFile {
	f := refusedFile{Name: visible(e.Path)}
	f.Why, f.Again = s.uploadProblem(e.Error.Code, e.Error.Message)
	return f
}

// uploadProblem says in words why the receiver did not take a file, and whether it may take
// the same file later.
func (s *Server) uploadProblem(code api.ErrorCode, message string) (why string, again bool) {
	switch code {
	case api.CodeBodyTooLarge, api.CodeImageTooLarge:
		return s.words("upload.refused.large"), false
	case api.CodeUnsupportedFormat:
		return s.words("upload.refused.kind", visible(message)), false
	case api.CodeInsufficientStorage:
		return s.words("upload.refused.full"), true
	case api.CodeUnavailable, api.CodeRateLimited:
		return s.words("upload.refused.later"), true
	case api.CodeRequestTimeout:
		return s.words("upload.refused.slow"), true
	case api.CodeUnauthorized, api.CodeKeyExpired, api.CodeKeyRevoked:
		return s.words("problem.key.text"), true
	}
	return capital(visible(message)) + ".", code != api.CodeForbidden
}
