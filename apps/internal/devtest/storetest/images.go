package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/store"
)

var imageTests = []test{
	{"HasOutcomes looks for an outcome that no service caused", hasOutcomes},
	{"an uploaded image keeps the first name of its file", uploadNames},
	{"AddImages keeps the order and finds what is there", addKeepsOrder},
	{"AddImages answers a new image", addAnswersNew},
	{"AddImages of new paths after known ones, and of both", addNewAndKnown},
	{"AddImages takes nothing", addNothing},
	{"AddImages takes more than one statement holds", addThousands},
	{"AddImages tells paths apart byte for byte", addByteForByte},
	{"AddImages takes the longest path and no longer one", addLongPaths},
	{"AddImages refuses what is not text", addNotText},
	{"AddImages from many at once gives each path one row", func(b *bench) { addConcurrently(b, 900) }}, // more than a statement's worth
	{"AddImages of few paths from many at once gives each path one row", func(b *bench) { addConcurrently(b, 60) }},
	{"AddImages adds all or nothing", addAllOrNothing},
	{"AddImages finds the original's row", addFindsOriginals},
	{"AddImages keeps an answer", addKeepsAnswer},
	{"Image that is not there", imageMissing},
	{"Image shows the status's reason where the original changed the status", imageShownReason},
	{"Picture and PictureOfFace", pictures},
	{"MarkPublished", markPublished},
}

func addKeepsOrder(b *bench) {
	first := b.add("/u/c.jpg", "/u/a.jpg", "/u/c.jpg", "/u/b.jpg")
	if first[0] != first[2] {
		b.Errorf("one path, posted twice in one call, got the ids %d and %d", first[0], first[2])
	}
	second := b.add("/u/b.jpg", "/u/d.jpg", "/u/c.jpg", "/u/a.jpg")
	b.equal("ids of known paths", []int64{second[0], second[2], second[3]}, []int64{first[3], first[0], first[1]})
	b.equal("rows", b.count("select count(*) from images"), 4)
	if !slices.IsSorted([]int64{first[0], first[1], first[3]}) {
		b.Errorf("new images got the ids %v, which are not in the order posted", first)
	}
}

func addAnswersNew(b *bench) {
	images, err := b.store.AddImages(b.Context(), []string{"/u/a.jpg"})
	b.must(err)
	now := b.clock.Now()
	b.equal("a new image", images, []faces.Image{{
		ID: images[0].ID, Path: "/u/a.jpg", Status: faces.Pending, Reason: faces.Queued, CreatedAt: now, UpdatedAt: now,
	}})
	if images[0].ID <= 0 {
		b.Errorf("its id is %d", images[0].ID)
	}
	b.equal("read again", asBefore(b.image(images[0].ID)), images[0])
}

// addNewAndKnown posts again and again: which paths are looked for first must not matter.
func addNewAndKnown(b *bench) {
	ids := map[string]int64{}
	for _, paths := range [][]string{
		{"/u/a.jpg"}, {"/u/a.jpg"}, {"/u/b.jpg"}, {"/u/c.jpg", "/u/a.jpg", "/u/d.jpg"}, {"/u/d.jpg", "/u/c.jpg"}, {"/u/e.jpg", "/u/f.jpg"}, {"/u/g.jpg", "/u/b.jpg"},
	} {
		images, err := b.store.AddImages(b.Context(), paths)
		b.must(err)
		for i, img := range images {
			if before, known := ids[paths[i]]; known && before != img.ID || img.Path != paths[i] {
				b.Errorf("%s got the id %d and the path %s, and before the id %d", paths[i], img.ID, img.Path, before)
			}
			ids[paths[i]] = img.ID
		}
	}
	b.equal("rows", b.count("select count(*) from images"), len(ids))
	b.equal("events", b.count("select count(*) from outbox")+b.count("select count(*) from events"), len(ids))
}

func addNothing(b *bench) {
	images, err := b.store.AddImages(b.Context(), nil)
	b.must(err)
	b.equal("images", images, []faces.Image(nil))
}

func addThousands(b *bench) {
	const n = 5000
	ids := b.addMany(n)
	if got := len(slices.Compact(sorted(ids))); got != n {
		b.Errorf("%d paths got %d ids", n, got)
	}
	b.equal("a path in the middle", b.image(ids[1234]).Path, "/unknown_people/1234.jpg")
	b.equal("posted again", b.addMany(n), ids)
	b.equal("rows", b.count("select count(*) from images"), n)
}

func addByteForByte(b *bench) {
	paths := []string{
		"a", "A", "a ", "a  ", " a", "a\t", "\u00e4" /* composed */, "a\u0308" /* decomposed */, "\u00df", "ss",
		"\u3042", "\u30a2", "🙂", "🙃", `a\`, `a'`, `a"`, "a%", "a_", "a;--", "",
	}
	ids := b.add(paths...)
	if got := len(slices.Compact(sorted(ids))); got != len(paths) {
		b.Errorf("%d different paths got %d ids: %v", len(paths), got, ids)
	}
	for i, id := range ids {
		b.equal("path", b.image(id).Path, paths[i])
	}
	b.equal("posted again", b.add(paths...), ids)
}

func addLongPaths(b *bench) {
	for _, letter := range []string{"a", "ä", "写", "🙂"} {
		longest := "/" + strings.Repeat(letter, faces.MaxPathLength-1)
		id := b.add(longest)[0]
		b.equal("posted again", b.add(longest)[0], id)
		if got := b.image(id).Path; got != longest {
			b.Errorf("a path of %d times %q came back as %d bytes", faces.MaxPathLength-1, letter, len(got))
		}
		_, err := b.store.AddImages(b.Context(), []string{"/u/fine.jpg", longest + letter})
		b.equal("code for a longer one", faces.ErrorCode(err), faces.CodeInvalid)
	}
	b.equal("rows", b.count("select count(*) from images"), 4)
}

func addNotText(b *bench) {
	_, err := b.store.AddImages(b.Context(), []string{"/u/\xff.jpg"})
	b.equal("code", faces.ErrorCode(err), faces.CodeInvalid)
}

func addConcurrently(b *bench, paths int) {
	const posts = 8
	var mu sync.Mutex // guards seen
	seen := map[string]map[int64]bool{}
	inParallel(posts, func(i int) {
		random := rand.New(rand.NewPCG(uint64(i), 1))
		var part []string
		for _, p := range random.Perm(paths)[:paths*2/3] {
			part = append(part, fmt.Sprintf("/u/%d.jpg", p))
		}
		images, err := b.store.AddImages(b.Context(), part)
		if err != nil {
			b.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for j, img := range images {
			if img.Path != part[j] {
				b.Errorf("for %s came %s", part[j], img.Path)
			}
			if seen[img.Path] == nil {
				seen[img.Path] = map[int64]bool{}
			}
			seen[img.Path][img.ID] = true
		}
	})
	for path, ids := range seen {
		if len(ids) != 1 {
			b.Errorf("%s has the ids %v", path, ids)
		}
	}
	b.equal("rows", b.count("select count(*) from images"), len(seen))
	b.equal("events", b.count("select count(*) from outbox where type = 'image.accepted'"), len(seen))
	b.equal("images with an event", b.count("select count(distinct image_id) from outbox"), len(seen))
}

func addAllOrNothing(b *bench) {
	paths := make([]string, 3000)
	for i := range paths {
		paths[i] = fmt.Sprintf("/u/%d.jpg", i)
	}
	_, err := b.store.AddImages(b.cancelled(), paths)
	if err == nil {
		b.Error("no error from a context that has ended")
	}
	b.equal("rows", b.count("select count(*) from images"), 0)

	// Ended while it is at work: how far it got is left to chance, so that only
	// all and nothing may be seen.
	ctx, cancel := newCountdown(b.Context(), 12)
	defer cancel()
	_, err = b.store.AddImages(ctx, paths)
	want := 0
	if err == nil {
		want = len(paths)
	}
	b.equal("rows", b.count("select count(*) from images"), want)
}

func addFindsOriginals(b *bench) {
	b.exec("insert into images (path, person, status) values (?, -1, 0)", "/u/a.jpg")
	img := b.list(filterAll)[0]
	b.equal("reason", img.Reason, faces.Queued)
	b.equal("person", img.Person, (*faces.Person)(nil))
	for name, at := range map[string]time.Time{"created_at": img.CreatedAt, "updated_at": img.UpdatedAt} {
		if off := time.Since(at).Abs(); off > 10*time.Minute {
			b.Errorf("%s is %s, which is %s off", name, at, off)
		}
	}
	b.equal("posted again", b.add("/u/a.jpg"), []int64{img.ID})
	claimed := b.tryClaim(img.ID).Claimed
	if len(claimed) != 1 || claimed[0].Path != "/u/a.jpg" || claimed[0].Attempts != 1 {
		b.Errorf("claiming it gave %+v", claimed)
	}
}

func addKeepsAnswer(b *bench) {
	id := b.add("/u/a.jpg")[0]
	b.fail(id, faces.CorruptImage, time.Time{})
	before := b.image(id)
	b.clock.advance(time.Hour)
	images, err := b.store.AddImages(b.Context(), []string{"/u/b.jpg", "/u/a.jpg"})
	b.must(err)
	b.equal("the answer", images[1], asBefore(before))
	b.equal("read again", b.image(id), before)
}

func imageMissing(b *bench) {
	_, err := b.store.Image(b.Context(), 4711)
	b.equal("code", faces.ErrorCode(err), faces.CodeMissing)
	b.equal("message", faces.ErrorMessage(err), "there is no image 4711")
}

func pictures(b *bench) {
	id := b.add("/u/other.jpg", "/u/a.jpg")[1]
	p, err := b.store.Picture(b.Context(), id)
	b.must(err)
	b.equal("nobody has looked", p, store.Picture{Path: "/u/a.jpg"})
	file := faces.File{Size: 17, Modified: 1_700_000_000_123_456_789, SHA256: strings.Repeat("ab", 32)}
	box := faces.Box{X: 7, Y: 8, Width: 90, Height: 100}
	b.finish(store.Result{Lease: b.claim(id)[0], File: file, Outcome: faces.Outcome{
		Reason: faces.UnknownPerson, Faces: []faces.Face{{Box: faces.Box{Width: 1, Height: 1}, Reason: faces.UnknownPerson}, {Box: box, Reason: faces.UnknownPerson}},
	}})
	p, err = b.store.Picture(b.Context(), id)
	b.must(err)
	b.equal("the whole picture", p, store.Picture{Path: "/u/a.jpg", File: file})
	p, err = b.store.PictureOfFace(b.Context(), b.image(id).Faces[1].ID)
	b.must(err)
	b.equal("a face", p, store.Picture{Path: "/u/a.jpg", File: file, Face: box})
	_, err = b.store.Picture(b.Context(), 4711)
	b.equal("no image", []any{faces.ErrorCode(err), faces.ErrorMessage(err)}, []any{faces.CodeMissing, "there is no image 4711"})
	_, err = b.store.PictureOfFace(b.Context(), 4711)
	b.equal("no face", []any{faces.ErrorCode(err), faces.ErrorMessage(err)}, []any{faces.CodeMissing, "there is no face 4711"})
}

func imageShownReason(b *bench) {
	id := b.add("/u/a.jpg")[0]
	anna := b.person("Anna")
	for _, c := range []struct {
		status faces.Status
		reason faces.Reason
		person *faces.Person
	}{
		{faces.Processed, faces.Identified, &faces.Person{ID: anna, Name: "Anna"}},
		{faces.Failed, faces.Internal, nil},
		{faces.Processing, faces.NoReason, nil},
		{faces.Pending, faces.Queued, nil},
	} {
		b.exec("update images set status = ?, person = ? where id = ?", int(c.status), anna, id)
		img := b.image(id)
		b.equal("reason of "+c.status.String(), img.Reason, c.reason)
		b.equal("person of "+c.status.String(), img.Person, c.person)
	}
	b.exec("update images set status = 1, person = null where id = ?", id)
	b.equal("no person", b.image(id).Person, (*faces.Person)(nil))
	b.exec("update images set status = 1, person = 4711 where id = ?", id)
	b.equal("a person that is gone", b.image(id).Person, &faces.Person{ID: 4711})
}

func markPublished(b *bench) {
	ids := b.addMany(3)
	at := b.later(time.Minute + 789) // more exact than a database is
	b.must(b.store.MarkPublished(b.Context(), ids[:2], at))
	b.must(b.store.MarkPublished(b.Context(), nil, at))
	got := []time.Time{b.image(ids[0]).PublishedAt, b.image(ids[1]).PublishedAt, b.image(ids[2]).PublishedAt}
	want := []time.Time{b.later(time.Minute), b.later(time.Minute), {}}
	if diff := cmp.Diff(want, got); diff != "" {
		b.Errorf("published at (-want +got):\n%s", diff)
	}
}

func uploadNames(b *bench) {
	posted := b.add("/u/posted.jpg")[0]
	long := strings.Repeat("語", 85) // 255 bytes
	add := func(paths, names []string) []string {
		b.Helper()
		images, err := b.store.AddUploads(b.Context(), paths, names)
		b.must(err)
		var got []string
		for _, img := range images {
			b.equal("stored", b.image(img.ID).FileName, img.FileName)
			got = append(got, img.FileName)
		}
		return got
	}
	b.equal("at first", add([]string{"/u/a.jpg", "/u/b.jpg", "/u/a.jpg"}, []string{"Ada's.jpg", long, "second.jpg"}), []string{"Ada's.jpg", long, "Ada's.jpg"})
	b.equal("again", add([]string{"/u/b.jpg", "/u/c.jpg"}, []string{"other.jpg", ""}), []string{long, ""})
	b.equal("without a name before", add([]string{"/u/c.jpg", "/u/posted.jpg"}, []string{"👩\u200d👧.jpg", "p.jpg"}), []string{"👩\u200d👧.jpg", "p.jpg"})
	b.equal("posted again", b.add("/u/posted.jpg"), []int64{posted})
	b.equal("listed", b.list(filterAll)[0].FileName, "👩\u200d👧.jpg")
}

func hasOutcomes(b *bench) {
	is := func(what string, want bool) {
		b.Helper()
		has, err := b.store.HasOutcomes(b.Context())
		b.must(err)
		b.equal(what, has, want)
	}
	is("no image", false)
	ids := b.addMany(4)
	is("queued", false)
	b.fail(ids[0], faces.RecognizerUnavailable, time.Time{})
	is("a service failed", false)
	b.claim(ids[1])
	is("processing", false)
	b.fail(ids[2], faces.NotFound, time.Time{})
	is("no such file", true)
	b.exec("delete from images where id = ?", ids[2])
	is("deleted", false)
	b.finish(store.Result{Lease: b.claim(ids[3])[0], Outcome: faces.Outcome{Reason: faces.NoFace}})
	is("an answer", true)
}
