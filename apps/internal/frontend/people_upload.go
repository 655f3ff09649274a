package frontend

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/rollcall-faces/rollcall/apps/api"
	"github.com/rollcall-faces/rollcall/apps/api/client"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/httpapi"
)

const (
	// maxKnownForm is the largest form with known pictures, in bytes. It passes through
	// and is not kept; the receiver limits each picture.
	maxKnownForm  = 1 << 30
	maxKnownFiles = 100
	maxKnownField = 1 << 10 // bytes of a field that is no file
)

// softReasons are the reasons against a known picture that people may overrule, as the
// receiver's parameter accept has them.
const softReasons = "too_small,blurred,turned_away,cut_off,looks_like_other"

// knownResult is what became of one file.
type knownResult struct {
	File   string
	Words  []string // why it was refused; nil if it was taken
	Accept string   // the reasons that may be overruled, if these are all; "" if not
	id     int64
}

// knownResults is the body of the page that says which files were refused.
type knownResults struct {
	personHead
	Added   int
	Broken  string // why the files after these were not sent on; "" if there are none
	Results []knownResult
}

// whyBroken says why files were not sent on: in the receiver's words, if they are for people.
func (s *Server) whyBroken(err error) string {
	if isRefusal(err) {
		return s.described(problemOf(err)).Text
	}
	return s.words("refused.away")
}

// addKnown adds known pictures: the files of a form, each sent on as it arrives.
func (s *Server) addKnown(c *gin.Context) {
	id, ok := pathID(c, "id")
	to := s.actAs(c)
	switch {
	case !ok:
		s.problem(c, pageMissing())
		return
	case to == nil || !s.mayChange(c):
		s.problem(c, readOnly())
		return
	}
	httpapi.LimitBody(c, maxKnownForm)
	if err := httpapi.Stream(c); err != nil {
		s.refusedBy(c, err)
		return
	}
	results, err := s.receiveKnown(c, to, id)
	added, last := 0, ""
	for _, r := range results {
		if r.Words == nil {
			added++
			last = strconv.FormatInt(r.id, 10)
		}
	}
	if err == nil || added > 0 {
		s.peopleChanged(nil)
	}
	switch {
	case err != nil && added == 0:
		s.personRefused(c, err)
		return
	case err != nil:
		s.log.WarnContext(c, "not all known pictures of a form were sent on", "person", id, "added", added, "error", err)
	case added == len(results):
		if added > 1 {
			last = "all"
		}
		s.goTo(c, personURL(id)+"?said=known-added&picture="+last)
		return
	}
	p, ok := s.profile(c, id)
	if !ok {
		return
	}
	v := knownResults{personHead: s.headOf(c, p, 0), Added: added, Results: results}
	code := http.StatusUnprocessableEntity
	if err != nil {
		code, v.Broken = http.StatusBadGateway, s.whyBroken(err)
	}
	s.render(c, code, "people-refused", page{Title: s.words("refused.title"), Section: "people", Body: v})
}

// receiveKnown reads a form and sends its files on. With an error it returns what became of
// the files before.
func (s *Server) receiveKnown(c *gin.Context, to *client.Client, person int64) (results []knownResult, err error) {
	parts, err := c.Request.MultipartReader()
	if err != nil {
		return nil, wrong("form.nofiles")
	}
	accept := ""
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return results, brokenForm(err)
		}
		switch {
		case part.FileName() != "" && len(results) == maxKnownFiles:
			return results, wrong("form.manyfiles", maxKnownFiles)
		case part.FileName() != "":
			r, err := s.sendKnown(c.Request.Context(), to, person, part, accept)
			if err != nil {
				return results, err
			}
			results = append(results, r)
		case part.FormName() == "accept":
			text, err := io.ReadAll(io.LimitReader(part, maxKnownField))
			if err != nil {
				return results, brokenForm(err)
			}
			accept = acceptOf(string(text))
		}
	}
	if len(results) == 0 {
		return nil, wrong("form.nofiles")
	}
	return results, nil
}

// acceptOf returns the reasons that a form overrules: all, or those it lists.
func acceptOf(text string) string {
	if text == "all" {
		return softReasons
	}
	return text
}

func brokenForm(err error) error {
	var ours *api.Error
	if errors.As(err, &ours) {
		return err
	}
	return wrong("form.broken")
}

// sendKnown sends one file on. What the receiver has against it is a result; an error is
// one of all files.
func (s *Server) sendKnown(ctx context.Context, to *client.Client, person int64, part *multipart.Part, accept string) (knownResult, error) {
	r := knownResult{File: visible(faces.Truncate(part.FileName(), shownFilter))}
	params := api.AddKnownPictureParams{}
	if accept != "" {
		params.Accept = &accept
	}
	content, w := io.Pipe()
	type answer struct {
		added api.AddedKnownPicture
		err   error
	}
	done := make(chan answer, 1)
	go func() { // so that nobody else reads the part: the receiver may answer before its end
		added, err := to.AddKnownPictureFrom(ctx, person, sentPart{content}, params)
		content.CloseWithError(errAnswered)
		done <- answer{added, err}
	}()
	_, broken := io.Copy(w, part)
	if errors.Is(broken, errAnswered) {
		broken = nil
	}
	w.CloseWithError(broken) // nil is the end of the file
	got := <-done
	if broken != nil {
		return r, brokenForm(broken)
	}
	if got.err == nil {
		if k := got.added.KnownPicture; k != nil {
			r.id = k.ID
		}
		return r, nil
	}
	return refusedKnown(r, got.err)
}

// sentPart is a file on its way to the receiver. Whoever sends it closes it when the receiver
// has answered, perhaps before its end.
type sentPart struct{ *io.PipeReader }

// Close implements io.Closer.
func (p sentPart) Close() error { return p.CloseWithError(errAnswered) }

var errAnswered = errors.New("the receiver has answered")

// refusedKnown adds the words of the receiver against a file.
func refusedKnown(r knownResult, err error) (knownResult, error) {
	var said *api.Error
	if !errors.As(err, &said) {
		return r, err
	}
	switch {
	case said.Code == api.CodePictureRefused:
		var soft []string
		for _, refusal := range said.Refusals {
			r.Words = append(r.Words, wordsOfRefusal(refusal))
			if strings.Contains(","+softReasons+",", ","+string(refusal.Reason)+",") {
				soft = append(soft, string(refusal.Reason))
			}
		}
		if len(soft) == len(said.Refusals) {
			r.Accept = strings.Join(soft, ",")
		}
	case said.Status == http.StatusNotFound, said.Status == http.StatusForbidden, said.Status == http.StatusUnauthorized, said.Status >= http.StatusInternalServerError:
		return r, err
	default:
		r.Words = []string{capital(visible(said.Message)) + "."}
	}
	if len(r.Words) == 0 {
		r.Words = []string{capital(visible(said.Message)) + "."}
	}
	return r, nil
}

// wordsOfRefusal are those of the receiver, in the one language of its API, with the name of
// the person whom the face looks like in place of the id.
func wordsOfRefusal(r api.Refusal) string {
	text := visible(r.Message)
	if r.Person != nil && r.Person.Name != "" {
		text = strings.Replace(text, "person "+strconv.FormatInt(r.Person.ID, 10), isolated(visible(r.Person.Name)), 1)
	}
	return capital(text) + "."
}
