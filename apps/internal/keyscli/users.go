package keyscli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/command"
	"github.com/rollcall-faces/rollcall/apps/internal/platform/config"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

// Users returns the command users of a program: the way back for an admin who cannot
// sign in any more. database returns a new Database at each call.
func Users(program string, database func() Database) command.Spec {
	return command.Spec{
		Name:    "users",
		About:   "users lists those who sign in to the dashboard, and invites them: choose one of its commands.",
		Example: program + " users invite -name ada -role admin",
		Read:    func(*config.Reader) {},
		Run: func(context.Context, io.Writer, io.Writer) error {
			return errors.New("choose a command: invite or list")
		},
		Commands: []command.Spec{invite(program, database()), listUsers(program, database())},
	}
}

func invite(program string, d Database) command.Spec {
	var name, role string
	return on(d, command.Spec{
		Name: "invite",
		About: "invite prints a one-time code with which a user chooses a password on the page /invite of the\n" +
			"dashboard, also if they have lost theirs. -role adds the user, or changes the user's role.",
		Example: program + " users invite -name ada -role admin",
		Flags: func(f *flag.FlagSet) {
			f.StringVar(&name, "name", "", "the user's name")
			f.StringVar(&role, "role", "", "viewer, reviewer or admin; empty: the `role` that the user has")
		},
	}, func(ctx context.Context, db *store.Store, stdout io.Writer) error {
		u, err := findUser(ctx, db, name, role)
		if err != nil {
			return err
		}
		c, text := access.NewCode(access.Invite, u.ID, time.Now())
		if err := db.AddCode(ctx, c); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s\n%s (%s) enters this code on the page /invite of the dashboard. It works once, until %s.\n",
			text, u.Name, u.Role, shown(c.ExpiresAt))
		return nil
	})
}

// findUser returns a user, after giving them the role, if it is not "".
func findUser(ctx context.Context, db *store.Store, name, role string) (access.User, error) {
	if err := access.CheckUserName(name); err != nil {
		return access.User{}, fmt.Errorf("-name: %w", err)
	}
	if role == "" {
		u, err := db.User(ctx, name)
		if faces.ErrorCode(err) == faces.CodeMissing {
			return u, fmt.Errorf("%w; add -role to make this user", err)
		}
		return u, err
	}
	r, err := access.ParseRole(role)
	if err != nil {
		return access.User{}, fmt.Errorf("-role: %w", err)
	}
	return db.SetUser(ctx, name, r)
}

func listUsers(program string, d Database) command.Spec {
	return on(d, command.Spec{
		Name:    "list",
		About:   "list prints the users by name, and what they can sign in with.",
		Example: program + " users list",
	}, func(ctx context.Context, db *store.Store, stdout io.Writer) error {
		const most = 10_000
		list, err := db.Accounts(ctx, most)
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(stdout, 2, 8, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tROLE\tPASSWORD\tSIGN-IN SERVICE\tINVITED\tCREATED")
		yes := map[bool]string{true: "yes", false: "-"}
		for _, a := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", a.Name, a.Role, yes[a.Password], yes[a.Provider], yes[a.Invited], shown(a.CreatedAt))
		}
		return w.Flush()
	})
}
