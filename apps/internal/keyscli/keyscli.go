// Package keyscli is the command that makes, lists and revokes API keys, as
// receiver and standalone have it.
package keyscli

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Database is how a program finds its database.
type Database struct {
	// Flags adds flags. It may be nil.
	Flags func(*flag.FlagSet)
	// Read reads the settings. It may be nil.
	Read func(*config.Reader)
	// Open opens the database, after Read.
	Open func() (*store.Store, error)
}

// Spec returns the command keys of a program. database returns a new Database at
// each call.
func Spec(program string, database func() Database) command.Spec {
	return command.Spec{
		Name:    "keys",
		About:   "keys makes, lists and revokes the API keys in the database: choose one of its commands.",
		Example: program + " keys create -name camera -scopes ingest",
		Read:    func(*config.Reader) {},
		Run: func(context.Context, io.Writer, io.Writer) error {
			return errors.New("choose a command: create, list or revoke")
		},
		Commands: []command.Spec{create(program, database()), list(program, database()), revoke(program, database())},
	}
}

// on completes the Spec of a command that works on a database.
func on(d Database, s command.Spec, run func(ctx context.Context, db *store.Store, stdout io.Writer) error) command.Spec {
	own := s.Flags
	s.Flags = func(f *flag.FlagSet) {
		if own != nil {
			own(f)
		}
		if d.Flags != nil {
			d.Flags(f)
		}
	}
	s.Read = func(r *config.Reader) {
		if d.Read != nil {
			d.Read(r)
		}
	}
	s.Run = func(ctx context.Context, stdout, _ io.Writer) error {
		db, err := d.Open()
		if err != nil {
			return err
		}
		defer db.Close()
		if err := db.CheckSchema(ctx); err != nil {
			return err
		}
		return run(access.WithActor(ctx, access.Actor{}), db, stdout)
	}
	return s
}

// wanted is the key that the flags ask for.
type wanted struct {
	name, scopes string
	expires      time.Duration
	rate         float64
	burst        int
	maxBody      int64
	declare      bool
}

// unset is the rate of a key that has none of its own.
const unset = -1

func (w *wanted) flags(f *flag.FlagSet) {
	f.StringVar(&w.name, "name", "", "what the key is for")
	f.StringVar(&w.scopes, "scopes", "", "comma-separated `scopes`: ingest, read, people, admin, act")
	f.DurationVar(&w.expires, "expires", 0, "time after which the key is refused, such as 8760h; 0: never")
	f.Float64Var(&w.rate, "rate", unset, "requests per second; 0: any number; -1: the receiver's setting")
	f.IntVar(&w.burst, "burst", 0, "requests at once; 0: as many as in a second")
	f.Int64Var(&w.maxBody, "max-body", 0, "maximum size of a request body, in `bytes`; 0: the receiver's")
	f.BoolVar(&w.declare, "declare", false, "store nothing; print the key, and its entry for the file of declared keys")
}

// key makes the key and returns it with its text.
func (w *wanted) key(now time.Time) (access.Key, string, error) {
	scopes, err := access.ParseScopes(strings.Split(w.scopes, ","))
	if err != nil {
		return access.Key{}, "", fmt.Errorf("-scopes: %w", err)
	}
	limits := access.Limits{Burst: w.burst, MaxBody: w.maxBody}
	if w.rate != unset {
		limits.Rate = &w.rate
	}
	until := time.Time{}
	if w.expires != 0 {
		until = now.Add(w.expires).UTC().Truncate(time.Second)
	}
	return access.NewKey(w.name, scopes, limits, now, until)
}

func create(program string, d Database) command.Spec {
	var w wanted
	stored := on(d, command.Spec{
		Name: "create",
		About: "create makes an API key and prints it, this once. Every receiver takes it at once.\n" +
			"With -declare it stores nothing and needs no database: it prints the key and, on the next line,\n" +
			"its entry for the file that ROLLCALL_KEYS_FILE names.",
		Example: program + " keys create -name camera -scopes ingest -expires 8760h",
		Flags:   w.flags,
	}, func(ctx context.Context, db *store.Store, stdout io.Writer) error {
		k, text, err := w.key(time.Now())
		if err != nil {
			return err
		}
		if _, err := db.AddKey(ctx, k); err != nil {
			return err
		}
		fmt.Fprintln(stdout, text)
		return nil
	})
	s := stored
	s.Read = func(r *config.Reader) {
		if !w.declare {
			stored.Read(r)
		}
	}
	s.Run = func(ctx context.Context, stdout, stderr io.Writer) error {
		if !w.declare {
			return stored.Run(ctx, stdout, stderr)
		}
		k, text, err := w.key(time.Now())
		if err != nil {
			return err
		}
		fmt.Fprintln(stdout, text)
		return declare(stdout, k)
	}
	return s
}

// declare prints the entry of a key for the file of declared keys. It has the hash
// only.
func declare(w io.Writer, k access.Key) error {
	entry := struct {
		Name      string         `json:"name"`
		ID        string         `json:"id"`
		SHA256    string         `json:"sha256"`
		Scopes    []access.Scope `json:"scopes"`
		ExpiresAt *time.Time     `json:"expires_at,omitempty"`
		Limits    map[string]any `json:"limits,omitempty"`
	}{Name: k.Name, ID: k.ID, SHA256: hex.EncodeToString(k.Hash[:]), Scopes: k.Scopes.List(), Limits: map[string]any{}}
	if !k.ExpiresAt.IsZero() {
		entry.ExpiresAt = &k.ExpiresAt
	}
	if k.Limits.Rate != nil {
		entry.Limits["requests_per_second"] = *k.Limits.Rate
	}
	if k.Limits.Burst != 0 {
		entry.Limits["burst"] = k.Limits.Burst
	}
	if k.Limits.MaxBody != 0 {
		entry.Limits["max_body"] = k.Limits.MaxBody
	}
	return json.NewEncoder(w).Encode(entry)
}

func list(program string, d Database) command.Spec {
	return on(d, command.Spec{
		Name:    "list",
		About:   "list prints the API keys in the database, newest first, without their secrets.",
		Example: program + " keys list",
	}, func(ctx context.Context, db *store.Store, stdout io.Writer) error {
		const page = 100
		w := tabwriter.NewWriter(stdout, 2, 8, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tNAME\tSCOPES\tCREATED\tEXPIRES\tREVOKED\tLAST USED")
		for before := int64(0); ; {
			keys, err := db.Keys(ctx, before, page)
			if err != nil {
				return err
			}
			for _, k := range keys {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Scopes,
					shown(k.CreatedAt), shown(k.ExpiresAt), shown(k.RevokedAt), shown(k.LastUsedAt))
			}
			if len(keys) < page {
				return w.Flush()
			}
			before = keys[len(keys)-1].Number
		}
	})
}

func shown(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func revoke(program string, d Database) command.Spec {
	var id string
	return on(d, command.Spec{
		Name:    "revoke",
		About:   "revoke revokes an API key in the database for ever. Every receiver refuses it within 5 seconds.",
		Example: program + " keys revoke -id q5xvbm2a",
		Flags: func(f *flag.FlagSet) {
			f.StringVar(&id, "id", "", "the key's id, which is the first column of: "+program+" keys list")
		},
	}, func(ctx context.Context, db *store.Store, stdout io.Writer) error {
		k, err := db.RevokeKey(ctx, id)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "API key %s (%s) is revoked\n", k.ID, k.Name)
		return nil
	})
}
