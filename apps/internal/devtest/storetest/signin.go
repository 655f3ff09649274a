package storetest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

var signInTests = []test{
	{"a session has its user as the user is now", testSession},
	{"a session that is revoked stays revoked", testSessionRevoked},
	{"sessions are listed and revoked by user", testSessionLists},
	{"a new password ends the sessions", testPassword},
	{"a stronger hash does not undo a new password", testRehash},
	{"an identity is linked to a user who cannot sign in yet", testIdentity},
	{"who can sign in is known", testCanSignIn},
	{"a one-time code works once", testCodes},
	{"of many who use a code at once, one gets in", testCodeRace},
	{"a deleted user leaves no way in", testDeletedUser},
	{"what has expired is swept", testSweepSignIn},
}

func (b *bench) user(name string, role access.Role) access.User {
	b.Helper()
	u, err := b.store.SetUser(b.Context(), name, role)
	b.must(err)
	return u
}

// session stores a session of a user that lasts for an hour.
func (b *bench) session(u access.User, token string) access.Session {
	b.Helper()
	x := access.Session{
		Token: access.HashOf(token), UserID: u.ID, Role: u.Role, Way: access.ByPassword, Address: "192.0.2.7", Browser: "Firefox/1 ☺",
		ExpiresAt: b.later(time.Hour), EndsAt: b.later(2 * time.Hour),
	}
	b.must(b.store.AddSession(b.Context(), x))
	found, err := b.store.Session(b.Context(), x.Token)
	b.must(err)
	x.ID, x.CreatedAt, x.SeenAt = found.ID, b.clock.Now(), b.clock.Now()
	b.equal("the stored session", found.Session, x)
	return x
}

// gone fails the test if a session can be found.
func (b *bench) gone(what string, token access.Hash) {
	b.Helper()
	if x, err := b.store.Session(b.Context(), token); faces.ErrorCode(err) != faces.CodeMissing {
		b.Errorf("%s: got %+v, %v", what, x, err)
	}
}

func testSession(b *bench) {
	ada := b.user("ada", access.Reviewer)
	x := b.session(ada, "one")
	ada = b.user("ada", access.Viewer)
	found, err := b.store.Session(b.Context(), x.Token)
	b.must(err)
	b.equal("session and user", found, access.SessionOf{Session: x, User: ada})
	b.gone("another token", access.HashOf("two"))
	b.clock.advance(59 * time.Minute)
	renewed := x
	renewed.Token, renewed.Role, renewed.ExpiresAt = access.HashOf("renewed"), access.Viewer, b.later(time.Hour)
	b.must(b.store.ChangeSession(b.Context(), x.Token, renewed))
	b.gone("the old token", x.Token)
	renewed.SeenAt = b.clock.Now()
	found, err = b.store.Session(b.Context(), renewed.Token)
	b.must(err)
	b.equal("the renewed session", found.Session, renewed)
	b.clock.advance(time.Hour)
	b.gone("an expired session", renewed.Token)
	if err := b.store.AddSession(b.Context(), access.Session{Token: access.HashOf("x"), UserID: 99, ExpiresAt: b.later(time.Hour), EndsAt: b.later(time.Hour)}); faces.ErrorCode(err) != faces.CodeMissing {
		b.Errorf("a session of nobody: %v", err)
	}
}

func testSessionRevoked(b *bench) {
	x := b.session(b.user("ada", access.Viewer), "one")
	b.must(b.store.DeleteSession(b.Context(), x.Token))
	b.must(b.store.DeleteSession(b.Context(), x.Token))
	if err := b.store.ChangeSession(b.Context(), x.Token, x); faces.ErrorCode(err) != faces.CodeMissing {
		b.Errorf("a request that was under way: %v", err)
	}
	b.gone("the session", x.Token)
}

func testSessionLists(b *bench) {
	ada, bob := b.user("ada", access.Viewer), b.user("bob", access.Viewer)
	var adas []access.Session
	for _, token := range []string{"1", "2", "3"} {
		adas = append(adas, b.session(ada, token))
		b.clock.advance(time.Second)
	}
	bobs := b.session(bob, "4")
	ids := func(userID int64) (list []int64) {
		found, err := b.store.Sessions(b.Context(), userID, 10)
		b.must(err)
		for _, x := range found {
			list = append(list, x.ID)
		}
		return list
	}
	b.equal("ada's", ids(ada.ID), []int64{adas[2].ID, adas[1].ID, adas[0].ID})
	b.equal("all", ids(0), []int64{bobs.ID, adas[2].ID, adas[1].ID, adas[0].ID})
	if err := b.store.RevokeSession(b.Context(), bobs.ID, ada.ID); faces.ErrorCode(err) != faces.CodeMissing {
		b.Errorf("ada revokes bob's: %v", err)
	}
	ctx := b.asked()
	b.must(b.store.RevokeSession(ctx, adas[0].ID, ada.ID))
	b.must(b.store.RevokeOtherSessions(ctx, ada.ID, adas[1].Token))
	b.equal("ada's in the end", ids(ada.ID), []int64{adas[1].ID})
	b.must(b.store.RevokeSession(ctx, bobs.ID, 0))
	b.equal("all in the end", ids(0), []int64{adas[1].ID})
	b.equal("the log", b.actions(), []string{
		fmt.Sprintf("session.revoke session %d", adas[0].ID), fmt.Sprintf("session.revoke session %d", adas[2].ID), fmt.Sprintf("session.revoke session %d", bobs.ID),
	})
}

func testPassword(b *bench) {
	ada := b.user("ada", access.Viewer)
	b.user("Ada", access.AdminRole)
	hash := func(name string) string {
		b.Helper()
		u, hash, err := b.store.Password(b.Context(), name)
		b.must(err)
		if u.Name != name {
			b.Errorf("the password of %s is that of %s", name, u.Name)
		}
		return hash
	}
	b.equal("before", hash("ada"), "")
	ctx := b.asked()
	for _, h := range []string{"one", "two"} {
		x := b.session(ada, h)
		b.must(b.store.SetPassword(ctx, ada.ID, h))
		b.equal("the hash", hash("ada"), h)
		b.gone("a session of before", x.Token)
	}
	b.equal("of another user", hash("Ada"), "")
	for _, name := range []string{"nobody", "", "\xff", "a b"} {
		if _, _, err := b.store.Password(b.Context(), name); faces.ErrorCode(err) != faces.CodeMissing {
			b.Errorf("%q: %v", name, err)
		}
	}
	if err := b.store.SetPassword(b.Context(), 99, "x"); faces.ErrorCode(err) != faces.CodeMissing {
		b.Errorf("of nobody: %v", err)
	}
	b.equal("the log", b.actions(), slices.Repeat([]string{fmt.Sprintf("user.password user %d", ada.ID)}, 2))
}

func testRehash(b *bench) {
	ada := b.user("ada", access.Viewer)
	b.must(b.store.SetPassword(b.Context(), ada.ID, "new"))
	x := b.session(ada, "one")
	b.must(b.store.RehashPassword(b.Context(), ada.ID, "old", "old, stronger"))
	b.must(b.store.RehashPassword(b.Context(), ada.ID, "new", "new, stronger"))
	_, hash, err := b.store.Password(b.Context(), "ada")
	b.must(err)
	b.equal("the hash", hash, "new, stronger")
	_, err = b.store.Session(b.Context(), x.Token)
	b.must(err)
}

func testIdentity(b *bench) {
	ada, bob := b.user("ada", access.Viewer), b.user("bob", access.AdminRole)
	b.must(b.store.SetPassword(b.Context(), bob.ID, "x"))
	one, two := access.HashOf("one"), access.HashOf("two")
	if _, err := b.store.Identity(b.Context(), one); faces.ErrorCode(err) != faces.CodeMissing {
		b.Errorf("an unknown identity: %v", err)
	}
	for range 2 { // the second changes nothing
		b.must(b.store.LinkIdentity(b.asked(), ada.ID, one))
	}
	found, err := b.store.Identity(b.Context(), one)
	b.must(err)
	b.equal("whose it is", found, ada)
	for what, id := range map[string]int64{"a user with an identity": ada.ID, "a user with a password": bob.ID} {
		if err := b.store.LinkIdentity(b.Context(), id, two); faces.ErrorCode(err) != faces.CodeConflict {
			b.Errorf("%s: %v", what, err)
		}
	}
	if err := b.store.LinkIdentity(b.Context(), 99, two); faces.ErrorCode(err) != faces.CodeMissing {
		b.Errorf("nobody: %v", err)
	}
	b.equal("the log", b.actions(), []string{fmt.Sprintf("user.link user %d", ada.ID)})
}

func testCanSignIn(b *bench) {
	is := func(what string, admin, anybody bool) {
		b.Helper()
		a, any, err := b.store.CanSignIn(b.Context())
		b.must(err)
		if a != admin || any != anybody {
			b.Errorf("%s: admin %v, anybody %v", what, a, any)
		}
	}
	is("nobody is there", false, false)
	root, ada := b.user("root", access.AdminRole), b.user("ada", access.Viewer)
	is("nobody has a password", false, false)
	b.must(b.store.SetPassword(b.Context(), ada.ID, "x"))
	is("a viewer has", false, true)
	b.must(b.store.LinkIdentity(b.Context(), root.ID, access.HashOf("root")))
	is("an admin has an identity", true, true)
	code, _ := access.NewCode(access.Invite, ada.ID, b.clock.Now())
	b.must(b.store.AddCode(b.Context(), code))
	list, err := b.store.Accounts(b.Context(), 10)
	b.must(err)
	b.equal("the accounts", list, []access.Account{{User: ada, Password: true, Invited: true}, {User: root, Provider: true}})
	b.user("root", access.Viewer)
	is("the admin is a viewer now", false, true)
}

func testCodes(b *bench) {
	ada, bob := b.user("ada", access.Viewer), b.user("bob", access.Viewer)
	ctx := b.asked()
	add := func(kind access.CodeKind, id int64) (access.Hash, string) {
		b.Helper()
		c, text := access.NewCode(kind, id, b.clock.Now())
		b.must(b.store.AddCode(ctx, c))
		return c.Hash, text
	}
	works := func(what string, kind access.CodeKind, code access.Hash, want bool) {
		b.Helper()
		if _, err := b.store.CodeUser(b.Context(), kind, code); (err == nil) != want || err != nil && faces.ErrorCode(err) != faces.CodeMissing {
			b.Errorf("%s: %v", what, err)
		}
	}
	old, _ := add(access.Invite, ada.ID)
	invite, text := add(access.Invite, ada.ID)
	works("an invitation that another one replaced", access.Invite, old, false)
	works("an invitation", access.Invite, invite, true)
	works("an invitation as a first admin's code", access.FirstAdmin, invite, false)
	u, err := b.store.CodeUser(b.Context(), access.Invite, access.CodeHash(" "+text+"\n"))
	b.must(err)
	b.equal("whose it is", u, ada)
	if err := b.store.UseCode(ctx, access.FirstAdmin, invite, bob.ID, "x"); faces.ErrorCode(err) != faces.CodeMissing {
		b.Errorf("an invitation makes an admin: %v", err)
	}
	b.must(b.store.UseCode(ctx, access.Invite, invite, bob.ID, "ada's")) // it is ada's, whoever is named
	works("a used invitation", access.Invite, invite, false)
	if err := b.store.UseCode(ctx, access.Invite, invite, 0, "again"); faces.ErrorCode(err) != faces.CodeMissing {
		b.Errorf("an invitation works twice: %v", err)
	}
	for name, want := range map[string]string{"ada": "ada's", "bob": ""} {
		_, hash, err := b.store.Password(b.Context(), name)
		b.must(err)
		b.equal("the password of "+name, hash, want)
	}
	first, _ := add(access.FirstAdmin, 0)
	second, _ := add(access.FirstAdmin, 0) // of another dashboard
	works("one dashboard's code", access.FirstAdmin, first, true)
	b.must(b.store.UseCode(ctx, access.FirstAdmin, second, bob.ID, "bob's"))
	works("the other dashboard's code, after one was used", access.FirstAdmin, first, false)
	late, _ := add(access.Invite, bob.ID)
	b.clock.advance(72 * time.Hour)
	works("an expired invitation", access.Invite, late, false)
	if err := b.store.UseCode(ctx, access.Invite, late, bob.ID, "late"); faces.ErrorCode(err) != faces.CodeMissing {
		b.Errorf("an expired invitation works: %v", err)
	}
	for range 30 {
		add(access.FirstAdmin, 0)
	}
	if n := b.count("select count(*) from sign_in_codes where kind = 'first_admin'"); n > 20 {
		b.Errorf("%d codes of the first admin are kept", n)
	}
}

func testCodeRace(b *bench) {
	c, _ := access.NewCode(access.FirstAdmin, 0, b.clock.Now())
	b.must(b.store.AddCode(b.Context(), c))
	var in atomic.Int64
	var all sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		u := b.user(name, access.AdminRole)
		all.Go(func() {
			if b.store.UseCode(b.Context(), access.FirstAdmin, c.Hash, u.ID, "x") == nil {
				in.Add(1)
			}
		})
	}
	all.Wait()
	b.equal("who got in", in.Load(), int64(1))
	b.equal("passwords", b.count("select count(*) from user_passwords"), 1)
}

func testDeletedUser(b *bench) {
	ada, bob := b.user("ada", access.AdminRole), b.user("bob", access.Viewer)
	for _, u := range []access.User{ada, bob} {
		b.must(b.store.LinkIdentity(b.Context(), u.ID, access.HashOf(u.Name)))
		b.must(b.store.SetPassword(b.Context(), u.ID, "x"))
		c, _ := access.NewCode(access.Invite, u.ID, b.clock.Now())
		b.must(b.store.AddCode(b.Context(), c))
		b.session(u, u.Name)
	}
	_, err := b.store.DeleteUser(b.Context(), "ada")
	b.must(err)
	for _, table := range []string{"sessions", "user_passwords", "user_identities", "sign_in_codes"} {
		b.equal(table+" of ada", b.count("select count(*) from "+table+" where user_id = ?", ada.ID), 0)
		b.equal(table+" of bob", b.count("select count(*) from "+table+" where user_id = ?", bob.ID), 1)
	}
}

func testSweepSignIn(b *bench) {
	ada := b.user("ada", access.Viewer)
	b.session(ada, "one")
	c, _ := access.NewCode(access.FirstAdmin, 0, b.clock.Now())
	b.must(b.store.AddCode(b.Context(), c))
	b.clock.advance(30 * time.Minute)
	kept := b.session(ada, "two")
	b.clock.advance(30 * time.Minute)
	b.must(b.store.SweepSignIn(b.Context()))
	b.equal("sessions", b.count("select count(*) from sessions"), 1)
	b.equal("codes", b.count("select count(*) from sign_in_codes"), 1)
	_, err := b.store.Session(b.Context(), kept.Token)
	b.must(err)
	b.clock.advance(48 * time.Hour)
	b.must(b.store.SweepSignIn(b.Context()))
	b.equal("rows in the end", b.count("select (select count(*) from sessions) + (select count(*) from sign_in_codes)"), 0)
}
