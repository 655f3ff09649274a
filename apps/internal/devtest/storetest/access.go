package storetest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var accessTests = []test{
	{"an API key is kept without its secret", testKeys},
	{"a revoked API key stays revoked and listed", testRevoke},
	{"the last use of an API key moves forward only", testTouch},
	{"the next key to expire is one that is used, and was not made for a short time", testNextExpiry},
	{"users have one role each, and nobody gets an id again", testUsers},
	{"what somebody changes is in the audit log", testAudit},
	{"what somebody changes of people is in the audit log", testAuditOfPeople},
	{"what changes nothing is not in the audit log", testAuditOfNothing},
	{"a change that fails is not in the audit log", testAuditOfFailures},
	{"a new database asks for a key from the start", testOpenIngest},
}

// newKey stores a key.
func (b *bench) newKey(name string, scopes ...access.Scope) (access.Key, string) {
	b.Helper()
	made, text, err := access.NewKey(name, access.ScopesOf(scopes...), access.Limits{}, b.clock.Now(), time.Time{})
	b.must(err)
	k, err := b.store.AddKey(b.Context(), made)
	b.must(err)
	return k, text
}

func testKeys(b *bench) {
	rate := 2.5
	made, text, err := access.NewKey("ci", access.ScopesOf(access.Ingest, access.Read), access.Limits{Rate: &rate, Burst: 7, MaxBody: 1 << 40},
		b.clock.Now(), b.later(time.Hour))
	b.must(err)
	k, err := b.store.AddKey(b.Context(), made)
	b.must(err)
	made.Number = k.Number
	b.equal("the stored key", k, made)
	second, _ := b.newKey("other", access.Admin)
	read, err := b.store.Key(b.Context(), k.ID)
	b.must(err)
	b.equal("the key that is read", read, made)
	list, err := b.store.Keys(b.Context(), 0, 10)
	b.must(err)
	b.equal("all keys", list, []access.Key{second, k})
	list, err = b.store.Keys(b.Context(), second.Number, 10)
	b.must(err)
	b.equal("the next page", list, []access.Key{k})
	d, err := b.store.Directory(b.Context())
	b.must(err)
	b.equal("the directory", d, access.Directory{Keys: []access.Key{k, second}})
	_, secret, _ := access.ParseKey(text)
	if n := b.count("select count(*) from api_keys where secret_sha256 = ? or name = ?", []byte(secret), secret); n != 0 {
		b.Error("the secret is stored")
	}
	for _, id := range []string{"none", "", "A", "a'b", strings.Repeat("a", 40), "\xff"} {
		if _, err := b.store.Key(b.Context(), id); faces.ErrorCode(err) != faces.CodeMissing {
			b.Errorf("key %q: %v, want that there is none", id, err)
		}
		if _, err := b.store.RevokeKey(b.Context(), id); faces.ErrorCode(err) != faces.CodeMissing {
			b.Errorf("revoke %q: %v, want that there is none", id, err)
		}
	}
}

func testRevoke(b *bench) {
	k, _ := b.newKey("ci", access.Read)
	b.clock.advance(time.Minute)
	at := b.clock.Now()
	for range 2 {
		revoked, err := b.store.RevokeKey(b.Context(), k.ID)
		b.must(err)
		b.equal("revoked at", revoked.RevokedAt, at)
		b.clock.advance(time.Minute)
	}
	list, err := b.store.Keys(b.Context(), 0, 10)
	b.must(err)
	if len(list) != 1 || !list[0].RevokedAt.Equal(at) || list[0].UsableAt(at) {
		b.Errorf("listed: %+v", list)
	}
}

func testTouch(b *bench) {
	k, _ := b.newKey("ci", access.Read)
	other, _ := b.newKey("other", access.Read)
	late, early := b.later(time.Hour), b.later(time.Minute)
	for _, at := range []time.Time{late, early} {
		b.must(b.store.TouchKeys(b.Context(), map[string]time.Time{k.ID: at, "declared": at}))
	}
	got, err := b.store.Key(b.Context(), k.ID)
	b.must(err)
	b.equal("last used", got.LastUsedAt, late)
	got, err = b.store.Key(b.Context(), other.ID)
	b.must(err)
	b.equal("never used", got.LastUsedAt, time.Time{})
}

func testNextExpiry(b *bench) {
	const day = 24 * time.Hour
	next := func() time.Time {
		b.Helper()
		at, err := b.store.NextKeyExpiry(b.Context(), b.later(-30*day), 14*day)
		b.must(err)
		return at
	}
	add := func(name string, lasts time.Duration) access.Key {
		b.Helper()
		made, _, err := access.NewKey(name, access.ScopesOf(access.Read), access.Limits{}, b.clock.Now(), b.later(lasts))
		b.must(err)
		k, err := b.store.AddKey(b.Context(), made)
		b.must(err)
		return k
	}
	forever, _ := b.newKey("forever", access.Read)
	short, unused, revoked, first, second := add("short", 13*day), add("unused", 40*day), add("revoked", 41*day), add("first", 60*day), add("second", 90*day)
	b.equal("none is used", next(), time.Time{})
	used := map[string]time.Time{}
	for _, k := range []access.Key{forever, short, revoked, first, second} {
		used[k.ID] = b.clock.Now()
	}
	b.must(b.store.TouchKeys(b.Context(), used))
	_, err := b.store.RevokeKey(b.Context(), revoked.ID)
	b.must(err)
	b.equal("the next", next(), first.ExpiresAt)
	b.must(b.store.TouchKeys(b.Context(), map[string]time.Time{unused.ID: b.clock.Now()}))
	b.equal("another one is used", next(), unused.ExpiresAt)
	b.clock.advance(61 * day)
	b.must(b.store.TouchKeys(b.Context(), map[string]time.Time{second.ID: b.clock.Now()}))
	b.equal("others have expired", next(), second.ExpiresAt)
	b.clock.advance(31 * day)
	b.equal("nobody uses it any more", next(), time.Time{})
}

func testUsers(b *bench) {
	set := func(name string, role access.Role) access.User {
		b.Helper()
		u, err := b.store.SetUser(b.Context(), name, role)
		b.must(err)
		return u
	}
	ada, bob := set("ada@example.org", access.Viewer), set("bob", access.AdminRole)
	begin := b.clock.Now()
	b.clock.advance(time.Minute)
	changed := set("ada@example.org", access.Reviewer)
	b.equal("the changed user", changed, access.User{ID: ada.ID, Name: ada.Name, Role: access.Reviewer, CreatedAt: begin, UpdatedAt: b.clock.Now()})
	read, err := b.store.User(b.Context(), ada.Name)
	b.must(err)
	b.equal("the user that is read", read, changed)
	list, err := b.store.Users(b.Context(), 0, 10)
	b.must(err)
	b.equal("all users", list, []access.User{bob, changed})
	upper := set("Ada@example.org", access.Viewer)
	if upper.ID == ada.ID {
		b.Error("names that differ in a capital letter are one user")
	}
	gone, err := b.store.DeleteUser(b.Context(), upper.Name)
	b.must(err)
	b.equal("the deleted user", gone, upper)
	if again := set(upper.Name, access.Viewer); again.ID <= upper.ID {
		b.Errorf("a new user has the id %d, a deleted one had %d", again.ID, upper.ID)
	}
	for _, name := range []string{"nobody", "", "a b", "a/b", strings.Repeat("a", 200), "\xff"} {
		if _, err := b.store.User(b.Context(), name); faces.ErrorCode(err) != faces.CodeMissing {
			b.Errorf("user %q: %v, want that there is none", name, err)
		}
		if _, err := b.store.DeleteUser(b.Context(), name); faces.ErrorCode(err) != faces.CodeMissing {
			b.Errorf("delete %q: %v, want that there is none", name, err)
		}
		if _, err := b.store.SetUser(b.Context(), name, access.Viewer); name != "nobody" && faces.ErrorCode(err) != faces.CodeInvalid {
			b.Errorf("set %q: %v, want that it is no name", name, err)
		}
	}
}

// asked returns a context of a request.
func (b *bench) asked() context.Context {
	return access.WithActor(b.Context(), access.Actor{KeyID: "cam1", UserID: 7, RequestID: requestID})
}

// actions returns what the audit log has of the request, oldest first.
func (b *bench) actions() []string {
	b.Helper()
	entries, err := b.store.Audit(b.Context(), 0, 100)
	b.must(err)
	list := make([]string, 0, len(entries))
	for _, e := range entries {
		b.equal("who", e.Actor, access.Actor{KeyID: "cam1", UserID: 7, RequestID: requestID})
		b.equal("when", e.At, b.clock.Now())
		list = append([]string{string(e.Action) + " " + e.Target + " " + strings.Join(e.TargetIDs, ",")}, list...)
	}
	return list
}

func testAudit(b *bench) {
	ctx := b.asked()
	face := b.anyFace()
	done, err := b.store.CorrectFace(ctx, faces.Statement{FaceID: face, Name: "Ada"})
	b.must(err)
	_, err = b.store.UndoCorrection(ctx, done.Correction.ID, "")
	b.must(err)
	more := b.add("b.jpg", "c.jpg")
	for _, l := range b.claim(more...) {
		b.finish(store.Result{Lease: l, Outcome: faces.Outcome{Reason: faces.NoFace}})
	}
	_, err = b.store.Retry(ctx, store.RetryFilter{Reasons: []faces.Reason{faces.NoFace}})
	b.must(err)
	_, err = b.store.RequestRematch(ctx, history.CauseRequest, false, true)
	b.must(err)
	_, err = b.store.RequestRescan(ctx, "", false)
	b.must(err)
	for _, to := range []history.RescanState{history.RescanPaused, history.RescanWaiting, history.RescanCancelled} {
		_, err = b.store.ChangeRescanState(ctx, b.newest("rescans"), to)
		b.must(err)
	}
	made, _, err := access.NewKey("ci", access.ScopesOf(access.Read), access.Limits{}, b.clock.Now(), time.Time{})
	b.must(err)
	_, err = b.store.AddKey(ctx, made)
	b.must(err)
	_, err = b.store.RevokeKey(ctx, made.ID)
	b.must(err)
	user, err := b.store.SetUser(ctx, "ada", access.Viewer)
	b.must(err)
	_, err = b.store.DeleteUser(ctx, "ada")
	b.must(err)
	rescan := fmt.Sprintf(" rescan %d", b.newest("rescans"))
	b.equal("the log", b.actions(), []string{
		fmt.Sprintf("person.create person %d", b.personID("Ada")), fmt.Sprintf("face.correct correction %d", done.Correction.ID),
		fmt.Sprintf("correction.undo correction %d", done.Correction.ID), fmt.Sprintf("image.retry image %d,%d", more[0], more[1]),
		fmt.Sprintf("rematch.create rematch %d", b.newest("rematches")),
		"rescan.create" + rescan, "rescan.pause" + rescan, "rescan.resume" + rescan, "rescan.cancel" + rescan,
		"key.create key " + made.ID, "key.revoke key " + made.ID, fmt.Sprintf("user.set user %d", user.ID), fmt.Sprintf("user.delete user %d", user.ID),
	})
	all, err := b.store.Audit(b.Context(), 0, 100) // newest first
	b.must(err)
	page, err := b.store.Audit(b.Context(), all[1].ID, 1)
	b.must(err)
	if len(page) != 1 || page[0].ID != all[2].ID {
		b.Errorf("a page: %+v", page)
	}
}

// anyFace returns the id of a face of a new image.
func (b *bench) anyFace() int64 {
	b.Helper()
	ids := b.add("a.jpg")
	b.finish(store.Result{Lease: b.claim(ids...)[0], Outcome: faces.Outcome{Reason: faces.UnknownPerson, Model: "m", Faces: []faces.Face{
		{Box: faces.Box{Width: 9, Height: 9}, Descriptor: faces.Descriptor{1}, Reason: faces.UnknownPerson, Model: "m"},
	}}})
	return b.image(ids[0]).Faces[0].ID
}

func testAuditOfPeople(b *bench) {
	ctx := b.asked()
	ada, err := b.store.AddPerson(ctx, "Ada")
	b.must(err)
	bob, err := b.store.AddPerson(ctx, "Bob")
	b.must(err)
	hidden := true
	for range 2 { // the second changes nothing
		_, err = b.store.ChangePerson(ctx, ada.ID, faces.AnyVersion, faces.ProfileChange{Hidden: &hidden})
		b.must(err)
	}
	picture := faces.Enrolled{KnownImage: faces.KnownImage{Name: "Ada/1.jpg", PersonID: ada.ID}, Source: faces.SourceUpload, SHA256: "ab"}
	for range 2 {
		_, _, err = b.store.AddKnownPicture(ctx, picture)
		b.must(err)
	}
	known := b.newest("person_images")
	_, err = b.store.DeleteKnownPicture(ctx, ada.ID, known)
	b.must(err)
	m, _, err := b.store.MergePeople(ctx, store.MergeRequest{Person: ada.ID, Merged: bob.ID, PersonVersion: faces.AnyVersion, MergedVersion: faces.AnyVersion})
	b.must(err)
	_, _, err = b.store.UndoMerge(ctx, m.ID)
	b.must(err)
	_, err = b.store.DeletePerson(ctx, bob.ID, faces.AnyVersion)
	b.must(err)
	if _, err := b.store.AddPerson(ctx, "ada"); err == nil {
		b.Error("a second Ada is added")
	}
	b.equal("the log", b.actions(), []string{
		fmt.Sprintf("person.create person %d", ada.ID), fmt.Sprintf("person.create person %d", bob.ID), fmt.Sprintf("person.change person %d", ada.ID),
		fmt.Sprintf("known_picture.create known_picture %d", known), fmt.Sprintf("known_picture.delete known_picture %d", known),
		fmt.Sprintf("merge.create merge %d", m.ID), fmt.Sprintf("merge.undo merge %d", m.ID), fmt.Sprintf("person.delete person %d", bob.ID),
	})
}

func testAuditOfNothing(b *bench) {
	ctx := b.asked()
	face := b.anyFace()
	for range 2 {
		_, err := b.store.CorrectFace(ctx, faces.Statement{FaceID: face, Name: "Ada"})
		b.must(err)
	}
	for range 2 {
		_, err := b.store.UndoCorrection(ctx, b.newest("corrections"), "")
		b.must(err)
	}
	_, err := b.store.Retry(ctx, store.RetryFilter{IDs: []int64{99}})
	b.must(err)
	_, err = b.store.RequestRescan(b.Context(), "", false) // nobody asked: no actor
	b.must(err)
	for range 2 {
		_, err = b.store.ChangeRescanState(ctx, b.newest("rescans"), history.RescanPaused)
		b.must(err)
	}
	b.equal("the log", b.actions(), []string{
		fmt.Sprintf("person.create person %d", b.personID("Ada")), fmt.Sprintf("face.correct correction %d", b.newest("corrections")),
		fmt.Sprintf("correction.undo correction %d", b.newest("corrections")), fmt.Sprintf("rescan.pause rescan %d", b.newest("rescans")),
	})
}

func testAuditOfFailures(b *bench) {
	ctx := b.asked()
	if _, err := b.store.CorrectFace(ctx, faces.Statement{FaceID: 99, Name: "Ada"}); err == nil {
		b.Error("a face that is not there is corrected")
	}
	if _, err := b.store.ChangeRescanState(ctx, 9, history.RescanPaused); err == nil {
		b.Error("a rescan that is not there is paused")
	}
	if _, err := b.store.RevokeKey(ctx, "none"); err == nil {
		b.Error("a key that is not there is revoked")
	}
	b.equal("the log", b.actions(), []string{})
}

func testOpenIngest(b *bench) {
	b.add("a.jpg")
	open, err := b.store.KeepsOpenIngest(b.Context())
	b.must(err)
	if open {
		b.Error("the routes of the original are open")
	}
}

// requestID is the id of a request of asked.
const requestID = "8e03978e-40d5-43dd-bc93-6894a57f9324"
