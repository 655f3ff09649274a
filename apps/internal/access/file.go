package access

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
	"log/slog"
	"os"
	"time"
)

// maxFile is the largest file of keys in bytes. It bounds what a wrong path can
// make us read.
const maxFile = 1 << 20

// file is a file that declares keys.
type file struct {
	name string
	log  *slog.Logger
	last map[string]Key // what was read last
	why  string         // what was wrong the last time
}

// read returns the keys that the file declares now. A file that is gone declares
// none. One that is malformed declares what it did before: a slip of the hand shall
// not lock everybody out.
func (f *file) read(context.Context) (map[string]Key, error) {
	keys, err := ReadFile(f.name)
	switch {
	case err == nil:
		f.last, f.why = keys, ""
	case errors.Is(err, fs.ErrNotExist):
		f.last = nil
	}
	if err != nil && err.Error() != f.why {
		f.why = err.Error()
		f.log.Error("the file of API keys cannot be read", "kept", len(f.last), "error", err)
	}
	return f.last, nil
}

// declaration is one key of the file.
type declaration struct {
	Name      string     `json:"name"`
	Key       string     `json:"key"`    // the whole text, or else:
	ID        string     `json:"id"`     // the public part, and
	SHA256    string     `json:"sha256"` // the hash of the secret part, in hexadecimal
	Scopes    []string   `json:"scopes"`
	ExpiresAt *time.Time `json:"expires_at"`
	Limits    struct {
		Rate    *float64 `json:"requests_per_second"`
		Burst   int      `json:"burst"`
		MaxBody int64    `json:"max_body"`
	} `json:"limits"`
}

// ReadFile reads a file of declared keys, by their ids. Its errors name an entry by
// its number and never quote it.
func ReadFile(name string) (map[string]Key, error) {
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
		return map[string]Key{}, nil
	}
	var doc struct {
		Keys []declaration `json:"keys"`
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&doc); err != nil {
		return nil, fmt.Errorf(`%s is not JSON such as {"keys":[{"name":"ci","key":"…","scopes":["ingest"]}]}: %w`, name, withoutText(err))
	}
	keys := map[string]Key{}
	for i, d := range doc.Keys {
		k, err := d.key()
		if err == nil && keys[k.ID].ID != "" {
			err = fmt.Errorf("there is another key with the id %s", k.ID)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: key %d: %w", name, i+1, err)
		}
		keys[k.ID] = k
	}
	return keys, nil
}

// withoutText returns a decoding error that does not quote the file.
func withoutText(err error) error {
	var syntax *json.SyntaxError
	var wrongType *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("malformed at byte %d", syntax.Offset)
	case errors.As(err, &wrongType):
		return fmt.Errorf("%s has another type", wrongType.Field)
	default:
		return errors.New("it is cut off, or has a field that is not known, or a time not as 2030-01-31T00:00:00Z")
	}
}

func (d declaration) key() (Key, error) {
	k := Key{
		ID: d.ID, Name: d.Name, Limits: Limits{Rate: d.Limits.Rate, Burst: d.Limits.Burst, MaxBody: d.Limits.MaxBody},
	}
	var err error
	if k.Scopes, err = ParseScopes(d.Scopes); err != nil {
		return k, err
	}
	if d.ExpiresAt != nil {
		k.ExpiresAt = *d.ExpiresAt
	}
	if err := k.check(); err != nil {
		return k, err
	}
	switch {
	case d.Key != "" && (d.ID != "" || d.SHA256 != ""):
		return k, errors.New(`it has "key" and also "id" or "sha256"; give "key", or the two others`)
	case d.Key != "":
		id, secret, ok := ParseKey(d.Key)
		if !ok {
			return k, errors.New(`its "key" is not rollcall_ID_SECRET with 43 characters of base64url as the secret`)
		}
		k.ID, k.Hash = id, sha256.Sum256([]byte(secret))
		return k, nil
	case !IsID(d.ID):
		return k, fmt.Errorf(`it needs a "key", or an "id" of 1 to %d small letters, digits and - beside "sha256"`, MaxID)
	default:
		sum, err := hex.DecodeString(d.SHA256)
		if err != nil || copy(k.Hash[:], sum) != len(sum) || len(sum) != len(k.Hash) {
			return k, errors.New(`its "sha256" is not the SHA-256 of the secret part in hexadecimal`)
		}
		return k, nil
	}
}
