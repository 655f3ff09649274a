package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-faces/rollcall/apps/internal/access"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var consentTests = []test{
	{"A consent is recorded, renewed and withdrawn", consentRecorded},
	{"Nobody is matched outside of their consent, by the clock", consentByTheClock},
	{"With consent required, nobody without one is matched", consentRequired},
	{"A known picture of two people is nobody's while the first one's consent does not stand", consentOfShared},
	{"A result that was decided before the end of a consent names nobody after it", consentAtFinish},
	{"A re-match that began before the end of a consent writes nothing of it", consentAtRematch},
	{"Undoing a re-match does not bring back who is withheld", consentAtUndo},
	{"A correction does not bring back who is withheld", consentAtCorrection},
	{"The sweep takes answers back once the consent has ended for a while, and tells of it", consentSweep},
	{"The sweep leaves what people have said", consentSweepSaid},
	{"A merge keeps the stricter consent, and undoing it the own one", consentOfMerged},
	{"A merge tells of a consent that ends with it", mergeTellsOfConsent},
	{"Undoing a merge with somebody whose consent has ended is swept", undoMergeIsSwept},
	{"A deleted person's consent is gone", consentOfDeleted},
	{"Consents that lapse soon are listed", consentsLapsing},
}

func (b *bench) consent(person int64, until time.Time) {
	b.Helper()
	_, _, err := b.store.SetConsent(b.Context(), faces.Consent{Person: person, Basis: faces.BasisConsent, Until: until})
	b.must(err)
}

func (b *bench) withdraw(person int64) {
	b.Helper()
	_, err := b.store.WithdrawConsent(b.Context(), person)
	b.must(err)
}

// sweep sweeps until nothing is left to do.
func (b *bench) sweep() {
	b.Helper()
	token, ok := b.leaseRematch("sweeper", 0)
	b.equal("leased", ok, true)
	for more := true; more; {
		var err error
		more, err = b.store.SweepConsents(b.Context(), token)
		b.must(err)
	}
	b.must(b.store.FreeRematch(b.Context(), token))
}

func consentRecorded(b *bench) {
	anna := b.newPerson("Anna")
	c, state, err := b.store.Consent(b.Context(), anna)
	b.must(err)
	b.equal("at first", c, faces.Consent{})
	b.equal("state", state, faces.ConsentNone)
	_, err = b.store.WithdrawConsent(b.Context(), anna)
	b.code("withdraw none", err, faces.CodeMissing)

	_, state, err = b.store.SetConsent(b.asked(), faces.Consent{Person: anna, Basis: faces.BasisContract, Until: b.later(time.Hour)})
	b.must(err)
	b.equal("state", state, faces.ConsentGiven)
	c, _, err = b.store.Consent(b.Context(), anna)
	b.must(err)
	b.equal("recorded", c, faces.Consent{
		Person: anna, Basis: faces.BasisContract, From: b.clock.Now(), Until: b.later(time.Hour), Recorded: b.clock.Now(), KeyID: "cam1", UserID: 7,
	})
	b.clock.advance(time.Hour)
	_, state, err = b.store.Consent(b.Context(), anna)
	b.must(err)
	b.equal("state", state, faces.ConsentLapsed)

	_, state, err = b.store.SetConsent(b.Context(), faces.Consent{Person: anna, Basis: faces.BasisConsent, From: b.later(time.Hour)})
	b.must(err)
	b.equal("state", state, faces.ConsentUpcoming)
	b.withdraw(anna)
	b.clock.advance(2 * time.Hour)
	c, state, err = b.store.Consent(b.Context(), anna)
	b.must(err)
	b.equal("withdrawn", c.Withdrawn, b.later(-2*time.Hour))
	b.equal("state", state, faces.ConsentWithdrawn)
	b.withdraw(anna) // again
	b.consent(anna, time.Time{})
	_, state, err = b.store.Consent(b.Context(), anna)
	b.must(err)
	b.equal("renewed", state, faces.ConsentGiven)

	for what, bad := range map[string]faces.Consent{
		"no basis":          {Person: anna},
		"another basis":     {Person: anna, Basis: "because"},
		"it ends at once":   {Person: anna, Basis: faces.BasisConsent, From: b.clock.Now(), Until: b.clock.Now()},
		"it ended long ago": {Person: anna, Basis: faces.BasisConsent, Until: b.later(-time.Hour)},
		"year 9999":         {Person: anna, Basis: faces.BasisConsent, Until: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		_, _, err := b.store.SetConsent(b.Context(), bad)
		b.code(what, err, faces.CodeInvalid)
	}
	_, _, err = b.store.SetConsent(b.Context(), faces.Consent{Person: 99, Basis: faces.BasisConsent})
	b.code("nobody", err, faces.CodeMissing)
	_, _, err = b.store.Consent(b.Context(), 99)
	b.code("nobody", err, faces.CodeMissing)
}

// matched returns the people of the known pictures anna.jpg and bob.jpg, by all three
// ways in which they are read.
func (b *bench) matched() string {
	b.Helper()
	owners, err := b.store.Owners(b.Context(), []string{"anna.jpg", "bob.jpg"})
	b.must(err)
	all, err := b.store.AllOwners(b.Context())
	b.must(err)
	b.equal("AllOwners and Owners", all, owners)
	n, err := b.store.CountKnownPeople(b.Context(), 10)
	b.must(err)
	b.equal("CountKnownPeople", n, len(owners))
	withheld, err := b.store.Withheld(b.Context())
	b.must(err)
	b.equal("Withheld", len(withheld), 2-len(owners))
	text := ""
	for _, image := range []string{"anna.jpg", "bob.jpg"} {
		if p, ok := owners[image]; ok {
			text += p.Name + " "
		}
	}
	return text
}

func consentByTheClock(b *bench) {
	b.sync(map[string]string{"anna.jpg": "anna", "bob.jpg": "bob"}, nothing)
	anna := b.personID("anna")
	b.equal("without a record", b.matched(), "anna bob ")
	_, _, err := b.store.SetConsent(b.Context(), faces.Consent{Person: anna, Basis: faces.BasisConsent, From: b.later(time.Hour), Until: b.later(2 * time.Hour)})
	b.must(err)
	for _, step := range []struct {
		advance time.Duration
		want    string
	}{{time.Hour - time.Microsecond, "bob "}, {time.Microsecond, "anna bob "}, {time.Hour - time.Microsecond, "anna bob "}, {time.Microsecond, "bob "}} {
		b.clock.advance(step.advance)
		b.equal(fmt.Sprint("at ", b.clock.Now()), b.matched(), step.want)
	}
	b.consent(anna, time.Time{})
	b.equal("renewed", b.matched(), "anna bob ")
	b.withdraw(anna)
	b.equal("withdrawn", b.matched(), "bob ")
}

func consentRequired(b *bench) {
	b.sync(map[string]string{"anna.jpg": "anna", "bob.jpg": "bob"}, nothing)
	id := b.answered("/u/a.jpg", []any{"anna", 0.25}, []any{"bob", 0.25})
	store.WithConsentRequired(true)(b.store)
	b.equal("without records", b.matched(), "")
	b.consent(b.personID("anna"), b.later(time.Hour))
	b.equal("anna consents", b.matched(), "anna ")
	b.sweep()
	b.equal("swept", shows(b.image(id)), "anna, unknown_person, image of anna")
	b.clock.advance(time.Hour)
	b.equal("lapsed", b.matched(), "")
	b.clock.advance(time.Minute)
	b.sweep()
	b.equal("swept", shows(b.image(id)), "unknown_person, unknown_person, unknown_person")
}

func consentOfShared(b *bench) {
	bob, anna := b.person("Bob"), b.person("Anna")
	for _, p := range []int64{bob, anna} { // as an original's table can have it
		b.exec("insert into person_images (image_name, person_id) values ('both.jpg', ?)", p)
	}
	b.equal("owner", b.known("both.jpg"), map[string]string{"both.jpg": "Bob"})
	b.consent(bob, time.Time{})
	b.withdraw(bob)
	b.equal("owner", b.known("both.jpg"), map[string]string{})
	all, err := b.store.AllOwners(b.Context())
	b.must(err)
	b.equal("all", all, map[string]faces.Person{})
}

func consentAtFinish(b *bench) {
	b.sync(map[string]string{"anna.jpg": "anna", "bob.jpg": "bob"}, nothing)
	b.must(b.store.UseModel(b.Context(), newModel))
	anna := b.personID("anna")
	b.consent(anna, b.later(time.Hour))
	ids := b.add("/u/a.jpg", "/u/b.jpg")
	leases := b.claim(ids...)
	decided := []faces.Outcome{b.seenBy(newModel, "anna"), b.seenBy(newModel, "anna", "bob")}
	b.clock.advance(time.Hour) // the leases have not been taken over
	b.finish(store.Result{Lease: leases[0], Outcome: decided[0]}, store.Result{Lease: leases[1], Outcome: decided[1]})
	b.equal("of anna", shows(b.image(ids[0])), "unknown_person, unknown_person")
	b.equal("of both", shows(b.image(ids[1])), "unknown_person, bob, image of bob")
	b.equal("named", b.count("select count(*) from faces where best_person_id = ? or second_person_id = ?", anna, anna), 0)
	var seen int64
	for _, e := range b.sequenced(seen) {
		for _, id := range e.People {
			if id == anna {
				b.Errorf("event %+v names somebody whose consent has lapsed", e)
			}
		}
	}
	again := b.claimAgain(ids[1])
	b.finish(store.Result{Lease: again, Outcome: decided[1]})
	b.equal("of a rescan", shows(b.image(ids[1])), "unknown_person, bob, image of bob")
}

// claimAgain leases an image that is processed again.
func (b *bench) claimAgain(id int64) store.Lease {
	b.Helper()
	b.rescans(false, id)
	return b.claimRescan(id).Lease
}

func consentAtRematch(b *bench) {
	id := b.answered("/u/a.jpg", []any{"anna", 0.25, "bob", 0.75})
	bob := b.personID("bob")
	b.consent(bob, b.later(time.Minute))
	token, _ := b.leaseRematch("one", 0)
	change := b.toBob(id)
	job := b.job(token, true)
	b.clock.advance(time.Minute)
	token, _ = b.leaseRematch("one", token)
	_, _, err := b.store.StepRematch(b.Context(), token, job, history.Step{Changes: []history.Change{change}, Seek: 1})
	b.code("a step", err, faces.CodeConflict)
	_, err = b.store.SetAnswers(b.Context(), token, []history.Change{change}, nil, "")
	b.code("SetAnswers", err, faces.CodeConflict)
	b.equal("shows", shows(b.image(id)), "anna, image of anna")
	b.consent(bob, time.Time{})
	_, _, err = b.store.StepRematch(b.Context(), token, job, history.Step{Changes: []history.Change{change}, Seek: 1})
	b.must(err)
	b.equal("shows", shows(b.image(id)), "bob, image of bob")
}

func consentAtUndo(b *bench) {
	id := b.answered("/u/a.jpg", []any{"anna", 0.25, "bob", 0.75})
	token, _ := b.leaseRematch("one", 0)
	job := b.job(token, true)
	_, _, err := b.store.StepRematch(b.Context(), token, job, history.Step{Changes: []history.Change{b.toBob(id)}, Seek: 1})
	b.must(err)
	b.consent(b.personID("anna"), time.Time{})
	b.withdraw(b.personID("anna"))
	_, err = b.store.UndoApplied(b.Context(), token, job, 10)
	b.must(err)
	b.equal("shows", shows(b.image(id)), "bob, image of bob")
}

func consentAtCorrection(b *bench) {
	id := b.answered("/u/a.jpg", []any{"anna", 0.25, "bob", 0.75})
	face := b.image(id).Faces[0].ID
	done := b.correct(faces.Statement{FaceID: face, Not: true, PersonID: b.personID("anna")})
	b.equal("not anna", shows(b.image(id)), "unknown_person, unknown_person")
	b.consent(b.personID("anna"), time.Time{})
	b.withdraw(b.personID("anna"))
	_, err := b.store.UndoCorrection(b.Context(), done.Correction.ID, "")
	b.must(err)
	b.equal("undone", shows(b.image(id)), "unknown_person, unknown_person")
}

func consentSweep(b *bench) {
	both := b.answered("/u/both.jpg", []any{"anna", 0.25, "bob", 0.75}, []any{"bob", 0.125, "anna", 0.9})
	alone := b.answered("/u/alone.jpg", []any{"anna", 0.25})
	unsure := b.answered("/u/unsure.jpg", []any{"anna", 0.25, "bob", 0.26})
	again := b.answered("/u/again.jpg", []any{"anna", 0.25})
	b.exec("update images set status = 0, reason = 'queued' where id = ?", again) // as an original's program does it
	before := b.image(both)
	anna := b.personID("anna")
	b.consent(anna, b.later(time.Hour))
	var seen int64
	b.told(&seen)
	b.clock.advance(time.Hour)
	b.sweep()
	b.equal("told of the lapse at once", b.told(&seen), []string{fmt.Sprintf("person.consent person %d anna", anna)})
	b.equal("a re-match comes first", shows(b.image(alone)), "anna, image of anna")
	b.clock.advance(time.Minute)
	b.sweep()
	b.equal("both", shows(b.image(both)), "unknown_person, bob, image of bob")
	b.equal("bob", b.image(both).Faces[1].Best.Distance, before.Faces[1].Best.Distance)
	b.equal("alone", shows(b.image(alone)), "unknown_person, unknown_person")
	b.equal("unsure", shows(b.image(unsure)), "unknown_person, unknown_person")
	b.equal("named", b.count("select count(*) from faces where best_person_id = ? or second_person_id = ?", anna, anna), 0)
	b.equal("images", b.count("select count(*) from images where person = ? and status = 1", anna), 0)
	b.equal("told", b.told(&seen), []string{
		fmt.Sprintf("image.changed by consent image %d /u/both.jpg identified bob", both),
		fmt.Sprintf("image.changed by consent image %d /u/alone.jpg unknown_person", alone),
		fmt.Sprintf("image.changed by consent image %d /u/unsure.jpg unknown_person", unsure),
	})
	b.sweep()
	b.equal("told again", b.told(&seen), []string(nil))
	b.equal("swept", b.count("select count(*) from consents where swept = 1"), 1)
	b.consent(anna, b.later(time.Hour))
	b.equal("to be swept again", b.count("select count(*) from consents where swept = 1"), 0)
}

func consentSweepSaid(b *bench) {
	id := b.answered("/u/a.jpg", []any{"anna", 0.25}, []any{"anna", 0.375})
	face := b.image(id).Faces[1].ID
	b.correct(faces.Statement{FaceID: face, PersonID: b.personID("anna")})
	b.consent(b.personID("anna"), time.Time{})
	b.withdraw(b.personID("anna"))
	b.clock.advance(time.Minute)
	b.sweep()
	b.equal("shows", shows(b.image(id)), "unknown_person, anna, image of anna")
	b.equal("confirmed", b.image(id).Faces[1].Confirmed, true)
}

func consentOfMerged(b *bench) {
	stays, goes := b.newPerson("Ada"), b.newPerson("Ada King")
	b.enrol(stays, "1.jpg")
	b.enrol(goes, "2.jpg")
	b.consent(stays, b.later(time.Hour))
	b.consent(goes, time.Time{})
	b.withdraw(goes)
	m := b.merge(stays, goes)
	b.equal("merged", len(b.known("1.jpg", "2.jpg")), 0)
	b.consent(stays, time.Time{})
	b.equal("renewed", len(b.known("1.jpg", "2.jpg")), 2)
	_, _, err := b.store.UndoMerge(b.Context(), m.ID)
	b.must(err)
	b.equal("undone", b.known("1.jpg", "2.jpg"), map[string]string{"1.jpg": "Ada"})
	b.merge(stays, goes)
	b.clock.advance(time.Hour)
	b.sweep()
	_, err = b.store.DeletePerson(b.Context(), stays, faces.AnyVersion)
	b.must(err)
	b.equal("left", b.count("select count(*) from consents"), 0)
}

func mergeTellsOfConsent(b *bench) {
	var seen int64
	for name, c := range map[string]struct {
		own, theirs string // "", "given", "withdrawn"
		told        bool
	}{
		"theirs is withdrawn":          {"given", "withdrawn", true},
		"own is withdrawn":             {"withdrawn", "given", false},
		"both stand":                   {"given", "given", false},
		"none, and theirs ended":       {"", "withdrawn", true},
		"theirs is none":               {"given", "", false},
		"both were withdrawn":          {"withdrawn", "withdrawn", false},
		"own is none and theirs stand": {"", "given", true},
	} {
		stays, goes := b.newPerson("Stays "+name), b.newPerson("Goes "+name)
		for person, state := range map[int64]string{stays: c.own, goes: c.theirs} {
			if state != "" {
				b.consent(person, time.Time{})
			}
			if state == "withdrawn" {
				b.withdraw(person)
			}
		}
		b.told(&seen)
		b.merge(stays, goes)
		event := fmt.Sprintf("person.consent person %d Stays %s", stays, name)
		b.equal(name, slices.Contains(b.told(&seen), event), c.told)
	}
}

func undoMergeIsSwept(b *bench) {
	own := b.answered("/u/1.jpg", []any{"bob", 0.25})
	bob, anna := b.personID("bob"), b.newPerson("anna")
	b.enrol(anna, "anna/1.jpg")
	b.consent(anna, time.Time{})
	b.withdraw(anna)
	b.clock.advance(time.Minute)
	b.sweep()
	b.equal("swept", b.count("select count(*) from consents where swept = 1"), 1)
	m := b.merge(bob, anna)
	b.consent(bob, time.Time{})
	image := b.answered("/u/2.jpg", []any{"bob", 0.25})
	b.exec("update faces set matched_image = 'anna/1.jpg' where image_id = ?", image)
	b.clock.advance(time.Hour)
	_, _, err := b.store.UndoMerge(b.Context(), m.ID)
	b.must(err)
	b.equal("back", shows(b.image(image)), "anna, image of anna")
	b.sweep()
	b.equal("a re-match comes first", shows(b.image(image)), "anna, image of anna")
	b.clock.advance(time.Minute)
	b.sweep()
	b.equal("the one who is back", shows(b.image(image)), "unknown_person, unknown_person")
	b.equal("the one who stayed", shows(b.image(own)), "bob, image of bob")
	b.equal("named", b.count("select count(*) from faces where best_person_id = ?", anna), 0)
}

func consentOfDeleted(b *bench) {
	anna := b.newPerson("Anna")
	b.consent(anna, time.Time{})
	_, err := b.store.DeletePerson(b.Context(), anna, faces.AnyVersion)
	b.must(err)
	b.equal("consents", b.count("select count(*) from consents"), 0)
}

func consentsLapsing(b *bench) {
	var people []int64
	for i := range 5 {
		people = append(people, b.newPerson(fmt.Sprint("P", i)))
	}
	day := 24 * time.Hour
	b.consent(people[0], b.later(10*day))
	b.consent(people[1], b.later(40*day))
	b.consent(people[2], time.Time{})
	b.consent(people[3], b.later(10*day))
	b.withdraw(people[3])
	b.consent(people[4], b.later(time.Minute))
	list := func(within time.Duration, after int64, limit int) (ids []int64) {
		b.Helper()
		found, err := b.store.Consents(b.Context(), within, after, limit)
		b.must(err)
		for _, c := range found {
			ids = append(ids, c.Person)
		}
		return ids
	}
	b.equal("all", list(0, 0, 0), people)
	b.equal("a page", list(0, people[1], 2), people[2:4])
	b.equal("within 30 days", list(30*day, 0, 0), []int64{people[0], people[4]})
	b.equal("within 40 days", list(40*day, 0, 0), []int64{people[0], people[1], people[4]})
	b.clock.advance(time.Hour)
	b.equal("lapsed", list(30*day, 0, 0), []int64{people[0]})
	found, err := b.store.Consents(b.Context(), 0, people[3], 0)
	b.must(err)
	b.equal("with name and state", fmt.Sprint(found[0].Name, found[0].State), fmt.Sprint("P4", faces.ConsentLapsed))
}

var auditTests = []test{
	{"The audit log is read by thing and time", auditOfThing},
	{"No name gets into the audit log", auditHasNoNames},
}

func auditOfThing(b *bench) {
	ctx := b.asked()
	note := func(ids ...int64) {
		b.Helper()
		_, err := b.store.Retry(ctx, store.RetryFilter{IDs: ids})
		b.must(err)
		b.clock.advance(time.Hour)
	}
	var ids []int64
	for i := range 12 {
		ids = append(ids, b.answered(fmt.Sprintf("/u/%d.jpg", i), []any{"anna", 0.25}))
	}
	start := b.clock.Now()
	note(ids[0], ids[1])  // 1,2
	note(ids[10], ids[1]) // 2,11
	note(ids[11])         // 12
	note(ids[0])          // 1
	entries := func(f store.AuditFilter) (list []string) {
		b.Helper()
		found, err := b.store.AuditOf(b.Context(), f)
		b.must(err)
		for _, e := range found {
			list = append(list, fmt.Sprint(e.TargetIDs))
		}
		return list
	}
	// The ids are 1, 2, 11 and 12 where they follow each other.
	of := func(i int) string { return fmt.Sprint(ids[i]) }
	one, two := "["+of(0)+"]", "["+of(0)+" "+of(1)+"]"
	eleven, twelve := "["+of(1)+" "+of(10)+"]", "["+of(11)+"]"
	for id, want := range map[string][]string{
		of(0): {one, two}, of(1): {eleven, two}, of(10): {eleven}, of(11): {twelve}, "%": nil, "_": nil, "": {one, twelve, eleven, two},
	} {
		b.equal("of image "+id, entries(store.AuditFilter{Target: "image", TargetID: id}), want)
	}
	b.equal("of people", entries(store.AuditFilter{Target: "person"}), []string(nil))
	b.equal("since", entries(store.AuditFilter{Since: start.Add(2 * time.Hour)}), []string{one, twelve})
	b.equal("until", entries(store.AuditFilter{Until: start.Add(time.Hour)}), []string{two})
	b.equal("a page", entries(store.AuditFilter{Limit: 1, Before: b.newest("audit_log")}), []string{twelve})
}

func auditHasNoNames(b *bench) {
	for request, want := range map[string]string{
		requestID: requestID, "0123456789abcdef": "0123456789abcdef", "ada": "", "Ada.Lovelace-1852-0123456789": "", "deadbeefdeadbeef": "", "": "",
	} {
		ctx := access.WithActor(b.Context(), access.Actor{KeyID: "cam1", RequestID: request})
		_, err := b.store.AddPerson(ctx, "Ada "+fmt.Sprint(b.count("select count(*) from person")))
		b.must(err)
		list, err := b.store.Audit(b.Context(), 0, 1)
		b.must(err)
		b.equal("request id "+request, list[0].RequestID, want)
	}
}
