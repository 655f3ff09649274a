package webhooks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

const (
	// maxFile bounds what a wrong path can make us read.
	maxFile  = 1 << 20
	maxName  = 100
	readAge  = time.Second // a file is read again after this time
	maxHooks = 100
)

// declared is a webhook that a file declares.
type declared struct {
	faces.Webhook
	secrets []Secret
}

// file is a file that declares webhooks.
type file struct {
	name string
	log  *slog.Logger

	mu   sync.Mutex // guards the fields below
	at   time.Time  // when it was read last
	last []declared
	why  string                   // what was wrong the last time
	rows map[string]faces.Webhook // as they were stored, by name
}

// read returns what the file declares now. A file that is gone or malformed declares
// what it did before: the webhooks' rows stay, too.
func (f *file) read() ([]declared, error) {
	if f.name == "" {
		return nil, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.at) < readAge {
		return f.last, nil
	}
	f.at = time.Now()
	list, err := ReadFile(f.name)
	switch {
	case err == nil:
		f.last, f.why = list, ""
	case err.Error() != f.why:
		f.why = err.Error()
		f.log.Error("the file of webhooks cannot be read", "kept", len(f.last), "error", err)
	}
	return f.last, nil
}

func (f *file) isStored(d declared) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	row, ok := f.rows[d.Name]
	return ok && row.URL == d.URL && slices.Equal(row.Types, d.Types)
}

func (f *file) stored(d declared) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.rows == nil {
		f.rows = map[string]faces.Webhook{}
	}
	f.rows[d.Name] = d.Webhook
}

// ReadFile reads a file of declared webhooks. Its errors name an entry by its number
// and never quote it.
func ReadFile(name string) ([]declared, error) {
	in, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	var doc struct {
		Webhooks []struct {
			Name     string            `json:"name"`
			URL      string            `json:"url"`
			Secret   string            `json:"secret"`
			Previous string            `json:"previous_secret"`
			Types    []faces.EventType `json:"types"`
		} `json:"webhooks"`
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf(`%s is not JSON such as {"webhooks":[{"name":"hr","url":"https://…","secret":"whsec_…"}]}`, name)
	}
	if len(doc.Webhooks) > maxHooks {
		return nil, fmt.Errorf("%s declares more than %d webhooks", name, maxHooks)
	}
	var list []declared
	for i, w := range doc.Webhooks {
		one := declared{Webhook: faces.Webhook{Name: w.Name, URL: w.URL, Types: w.Types, Declared: true}}
		err := Check(one.Webhook)
		if slices.ContainsFunc(list, func(o declared) bool { return o.Name == w.Name }) {
			err = errors.New("another one has its name")
		}
		for _, text := range []string{w.Secret, w.Previous} {
			if err != nil || text == "" && len(one.secrets) > 0 {
				break
			}
			var s Secret
			s, err = ParseSecret(text)
			one.secrets = append(one.secrets, s)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: webhook %d: %w", name, i+1, err)
		}
		list = append(list, one)
	}
	return list, nil
}

// CheckFile returns an error if the file is there and wrong.
func CheckFile(name string, target Target) error {
	list, err := ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for i, w := range list {
		if err := target.CheckURL(w.URL); err != nil {
			return fmt.Errorf("%s: webhook %d: %s", name, i+1, faces.ErrorMessage(err))
		}
	}
	return err
}

// Check returns an error with CodeInvalid if a webhook has no good name, or types that
// do not exist.
func Check(w faces.Webhook) error {
	if w.Name == "" || len(w.Name) > maxName {
		return faces.Errorf(faces.CodeInvalid, "a webhook needs a name of at most %d bytes", maxName)
	}
	for i, t := range w.Types {
		if !slices.Contains(faces.EventTypes(), t) || slices.Contains(w.Types[:i], t) {
			return faces.Errorf(faces.CodeInvalid, "type %d of the webhook is no type of events, or is there twice", i+1)
		}
	}
	return nil
}
