package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rollcall-faces/rollcall/apps/api"
)

func (a *app) keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke API keys",
		Long:  "Makes, lists and revokes API keys. Your own key needs the scope admin.",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.keysCreate(), a.keysList(), a.keysRevoke())
	return cmd
}

var scopes = []api.KeyScope{api.ScopeIngest, api.ScopeRead, api.ScopePeople, api.ScopeAdmin, api.ScopeAct}

type keyFlags struct {
	scopes  []string
	expires time.Duration
	file    string
}

func (a *app) keysCreate() *cobra.Command {
	var f keyFlags
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an API key and write it into a file",
		Long: `Makes an API key. NAME says what it is for. The key is shown this once: it is written into
the file of --out, which only you can read and which must not be there yet. It is never
printed.`,
		Example: `  rollcall keys create "camera at the door" --scopes ingest --out camera.key
  rollcall keys create laptop --scopes read,people --expires 720h --out laptop.key`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.createKey(cmd.Context(), args[0], f) },
	}
	cmd.Flags().StringSliceVar(&f.scopes, "scopes", nil, "what the key may do: "+strings.Join(words(scopes), ", "))
	cmd.Flags().DurationVar(&f.expires, "expires", 0, "after what time it is refused, such as 720h; 0: never")
	cmd.Flags().StringVar(&f.file, "out", "", "`file` to write the key into")
	_ = cmd.RegisterFlagCompletionFunc("scopes", cobra.FixedCompletions(words(scopes), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// createKey opens the file first: a key that cannot be written is of no use, and
// stays valid.
func (a *app) createKey(ctx context.Context, name string, f keyFlags) (err error) {
	if f.file == "" || len(f.scopes) == 0 {
		return usageError{errors.New("name the scopes by --scopes and the file for the key by --out")}
	}
	want := api.KeyRequest{Name: name}
	for _, s := range f.scopes {
		want.Scopes = append(want.Scopes, api.KeyScope(s))
	}
	if f.expires > 0 {
		at := time.Now().Add(f.expires).UTC()
		want.ExpiresAt = &at
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(f.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("make the file of the key: %w", err)
	}
	key, err := c.CreateKey(ctx, want)
	if err != nil {
		return errors.Join(err, out.Close(), os.Remove(f.file))
	}
	_, err = out.WriteString(key.Text + "\n")
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("write the key %s, which you should revoke: %w", key.ID, err)
	}
	return a.show(key.Key, func(w io.Writer) { fmt.Fprintf(w, "Key %s is in %s.\n", clean(key.ID), f.file) })
}

func (a *app) keysList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List API keys, also those that are revoked or have expired",
		Example: "  rollcall keys list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			keys, params := []api.Key{}, api.ListKeysParams{Limit: given(1000)}
			for more := true; more; more = params.After != nil {
				page, err := c.ListKeys(cmd.Context(), params)
				if err != nil {
					return err
				}
				keys = append(keys, page.Keys...)
				params.After = page.Next
			}
			return a.show(map[string]any{"keys": keys}, func(w io.Writer) {
				table(w, "ID SCOPES STATE USED NAME", func(row func(...any)) {
					for _, k := range keys {
						row(k.ID, strings.Join(words(k.Scopes), ","), keyState(k, time.Now()), day(k.LastUsedAt), k.Name)
					}
				})
			})
		},
	}
}

func keyState(k api.Key, now time.Time) string {
	switch {
	case k.RevokedAt != nil:
		return "revoked"
	case k.ExpiresAt == nil:
		return "valid"
	case k.ExpiresAt.Before(now):
		return "expired"
	default:
		return "until " + day(k.ExpiresAt)
	}
}

func day(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Format(time.DateOnly)
}

func (a *app) keysRevoke() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "Revoke an API key for ever",
		Long:    "Revokes an API key for ever. Every receiver refuses it within seconds.",
		Example: "  rollcall keys list\n  rollcall keys revoke Vt2kd81m",
		Args:    cobra.ExactArgs(1),
	}
	yes := addYes(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		key, err := c.GetKey(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if err := a.confirm(fmt.Sprintf("Key %s, %s, is revoked for ever.", key.ID, key.Name), *yes); err != nil {
			return err
		}
		if key, err = c.RevokeKey(cmd.Context(), args[0]); err != nil {
			return err
		}
		return a.show(key, func(w io.Writer) { fmt.Fprintf(w, "Key %s is revoked.\n", clean(key.ID)) })
	}
	return cmd
}
