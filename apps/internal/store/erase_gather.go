package store

import (
	"path"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/erasure"
	"github.com/rollcall-faces/rollcall/apps/internal/faces"
)

// gathered is all that the database has of a person.
type gathered struct {
	person      personRow
	merged      []int64  // ids of those who were merged into the person
	names       []string // of all of them
	known       []knownImageRow
	corrections []int64  // ids: about the person, or of a face of theirs
	contents    []string // SHA-256 of known pictures, and their first halves, in hexadecimal
	described   [][]byte // descriptors of the person's faces, as stored
	pictures    []gatheredPicture
	mentions    int // faces that only have the person as a candidate
}

// gatheredPicture is an image with faces of the person.
type gatheredPicture struct {
	row      imageRow
	faces    []faceRow
	places   []erasure.Place
	shows    bool
	answered bool
}

// describe adds a descriptor, whole and as its two columns have it: the search looks at
// one column at a time.
func (g *gathered) describe(first, rest []byte) {
	for _, part := range [][]byte{slices.Concat(first, rest), first, rest} {
		if len(part) > 0 {
			g.described = append(g.described, part)
		}
	}
}

func (g gathered) ids() []int64 { return append([]int64{g.person.ID}, g.merged...) }

func (g gathered) knownIDs() []int64 {
	ids := make([]int64, len(g.known))
	for i, k := range g.known {
		ids[i] = k.ID
	}
	return ids
}

func (g gathered) imageIDs() []int64 {
	ids := make([]int64, len(g.pictures))
	for i, p := range g.pictures {
		ids[i] = p.row.ID
	}
	return ids
}

func (g gathered) faceIDs() (ids []int64) {
	for _, p := range g.pictures {
		for _, f := range p.faces {
			ids = append(ids, f.ID)
		}
	}
	return ids
}

// gather reads all that the database has of a person.
func gather(tx *gorm.DB, person personRow) (gathered, error) {
	g := gathered{person: person, names: []string{person.Name}}
	for _, read := range []func(*gorm.DB, *gathered) error{gatherNames, gatherKnown, gatherFaces, gatherCorrections} {
		if err := read(tx, &g); err != nil {
			return g, err
		}
	}
	g.names = unique(g.names)
	return g, nil
}

// gatherNames finds who was merged into the person, and the names of all of them.
func gatherNames(tx *gorm.DB, g *gathered) error {
	into, err := standingMerges(tx)
	if err != nil {
		return err
	}
	for merged := range into {
		if follow(into, merged) == g.person.ID {
			g.merged = append(g.merged, merged)
		}
	}
	slices.Sort(g.merged)
	var merges []mergeRow
	if err := tx.Where("undone_at IS NULL AND (person_id IN ? OR merged_id IN ?)", g.ids(), g.ids()).Find(&merges).Error; err != nil {
		return err
	}
	for _, m := range merges {
		g.names = append(g.names, m.MergedName, m.PersonName)
		if m.NewName != "" {
			g.names = append(g.names, m.NewName)
		}
	}
	var folders []string
	if err := tx.Model(&personFolderRow{}).Where("person_id IN ?", g.ids()).Pluck("name", &folders).Error; err != nil {
		return err
	}
	g.names = append(g.names, folders...)
	return nil
}

func gatherKnown(tx *gorm.DB, g *gathered) error {
	if err := tx.Where("person_id IN ? AND image_name IS NOT NULL", g.ids()).Order("id").Find(&g.known).Error; err != nil {
		return err
	}
	// Of a file of others that was taken away from the person, the row stays, as nobody's.
	var taken []knownImageRow
	if err := tx.Where("person_id = 0 AND source = ? AND image_name IS NOT NULL", faces.SourceRemoved).Order("id").Find(&taken).Error; err != nil {
		return err
	}
	for _, k := range taken {
		if pathNames(k.ImageName, g.names) {
			g.known = append(g.known, k)
		}
	}
	for _, k := range g.known {
		if k.SHA256 != "" {
			g.contents = append(g.contents, k.SHA256, k.SHA256[:min(len(k.SHA256), 2*erasure.HalfContent)])
		}
	}
	// Files of folders have no hash in their row, but re-matching has seen them.
	var seen []string
	err := tx.Model(&rematchKnownRow{}).Where("person_id IN ?", g.ids()).Pluck("content_id", &seen).Error
	g.contents = append(g.contents, seen...)
	return err
}

// pathNames reports whether a folder or the file of a path has one of the names, however
// it is spelled.
func pathNames(image string, names []string) bool {
	words := func(name string) []string { return slices.Sorted(slices.Values(erasure.Words(name))) }
	for _, part := range strings.Split(strings.TrimSuffix(image, path.Ext(image)), "/") {
		for _, name := range names {
			if of := words(name); part == name || len(of) > 0 && slices.Equal(words(part), of) {
				return true
			}
		}
	}
	return false
}

// gatherFaces finds the faces that are the person's: it was decided, or the person is
// the nearest one within the threshold.
func gatherFaces(tx *gorm.DB, g *gathered) error {
	models, err := modelsByID(tx)
	if err != nil {
		return err
	}
	var rows []faceRow
	q := tx.Omit("BestName", "SecondName").Where("best_person_id IN ?", g.ids()).Order("image_id, position")
	if err := q.Find(&rows).Error; err != nil {
		return err
	}
	byImage := map[int64]*gatheredPicture{}
	for _, f := range rows {
		reason := faces.Reason(f.Reason)
		decided := reason == faces.Identified
		if !decided && reason != faces.Uncertain && f.BestDistance > models[f.Model].Threshold {
			g.mentions++
			continue
		}
		p := byImage[f.ImageID]
		if p == nil {
			p = &gatheredPicture{row: imageRow{ID: f.ImageID}}
			byImage[f.ImageID] = p
		}
		p.faces = append(p.faces, f)
		p.places = append(p.places, erasure.Place{Box: f.box(), Model: f.Model})
		p.shows = p.shows || decided
		g.describe(f.Descriptor, f.DescriptorRest)
	}
	var said []correctionRow
	q = tx.Omit("PersonName").Where("person_id IN ? AND excludes = ? AND kind = '' AND undone_at IS NULL", g.ids(), false)
	if err := q.Order("id").Find(&said).Error; err != nil {
		return err
	}
	for _, c := range said { // its image may be processed just now
		p := byImage[c.ImageID]
		if p == nil {
			p = &gatheredPicture{row: imageRow{ID: c.ImageID}}
			byImage[c.ImageID] = p
		}
		p.shows = true
		box := faces.Box{X: c.X, Y: c.Y, Width: c.Width, Height: c.Height}
		if !slices.ContainsFunc(p.places, func(o erasure.Place) bool { return o.Box == box }) {
			p.places = append(p.places, erasure.Place{Box: box, Model: c.Model})
		}
	}
	var second int64
	if err := tx.Model(&faceRow{}).Where("second_person_id IN ?", g.ids()).Count(&second).Error; err != nil {
		return err
	}
	g.mentions += int(second)
	return gatherImages(tx, g, byImage)
}

func gatherImages(tx *gorm.DB, g *gathered, byImage map[int64]*gatheredPicture) error {
	ids := make([]int64, 0, len(byImage))
	for id := range byImage {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for part := range chunks(ids) {
		var rows []imageRow
		err := tx.Select("id", "path", "status", "reason", "file_sha256").Where("id IN ?", part).Order("id").Find(&rows).Error
		if err != nil {
			return err
		}
		for _, r := range rows {
			p := byImage[r.ID]
			p.row, p.answered = r, r.image().Reason.IsAnswer()
			g.pictures = append(g.pictures, *p)
		}
	}
	return nil
}

// gatherCorrections finds what was said about the person, and all that was said about
// their faces: it has the descriptor of the face.
func gatherCorrections(tx *gorm.DB, g *gathered) error {
	var about []int64
	if err := tx.Model(&correctionRow{}).Where("person_id IN ?", g.ids()).Pluck("id", &about).Error; err != nil {
		return err
	}
	byImage := map[int64][]correctionRow{}
	for part := range chunks(g.imageIDs()) {
		var rows []correctionRow
		if err := tx.Omit("PersonName").Where("image_id IN ?", part).Order("id").Find(&rows).Error; err != nil {
			return err
		}
		for _, r := range rows {
			byImage[r.ImageID] = append(byImage[r.ImageID], r)
		}
	}
	for _, p := range g.pictures {
		for _, r := range atPlaces(byImage[p.row.ID], p.places) {
			about = append(about, r.ID)
		}
	}
	g.corrections = unique(about)
	for part := range chunks(g.corrections) {
		var rows []correctionRow
		err := tx.Select("descriptor", "descriptor_rest").Where("id IN ? AND excludes = ?", part, false).Find(&rows).Error
		if err != nil {
			return err
		}
		for _, r := range rows {
			g.describe(r.Descriptor, r.DescriptorRest)
		}
	}
	return nil
}

// atPlaces returns the corrections of an image at one of the places.
func atPlaces(rows []correctionRow, places []erasure.Place) (at []correctionRow) {
	boxes := make([]faces.Box, len(rows))
	for i, r := range rows {
		boxes[i] = faces.Box{X: r.X, Y: r.Y, Width: r.Width, Height: r.Height}
	}
	for i, r := range rows {
		// One at a time, because several corrections are of one face.
		if (erasure.Places{r.ImageID: places}).Drops(r.ImageID, boxes[i:i+1])[0] {
			at = append(at, r)
		}
	}
	return at
}

// plan says what would go and stay.
func (g gathered) plan(images erasure.Policy) erasure.Plan {
	p := erasure.Plan{Counts: map[string]int{
		"people": 1, "known_pictures": len(g.known), "faces": len(g.faceIDs()), "corrections": len(g.corrections),
		"mentions": g.mentions, "places": 0, "names": len(g.names), "images": 0, "known_files": 0,
	}}
	for _, k := range g.known {
		if faces.EnrolSource(k.Source).Written() {
			p.Counts["known_files"]++
		} else {
			p.LeftFiles = append(p.LeftFiles, k.ImageName)
		}
	}
	for _, picture := range g.pictures {
		switch {
		case images == erasure.Delete && picture.shows:
			p.Counts["images"]++
			continue
		case picture.shows:
			p.Kept = append(p.Kept, picture.row.ID)
		}
		p.Counts["places"] += len(picture.places)
	}
	return p
}

// entry is what the ledger keeps.
func (g gathered) entry(r EraseRequest, salt erasure.Salt, now time.Time) erasure.Entry {
	e := erasure.Entry{ID: r.ID, Salt: salt, PersonID: r.Person, Merged: g.merged, Images: r.Images, At: now}
	for _, name := range g.names {
		if mark := salt.OfName(name); !slices.Contains(e.Names, mark) {
			e.Names = append(e.Names, mark)
		}
	}
	for _, k := range g.known {
		e.Files = append(e.Files, salt.OfFile(k.ImageName))
	}
	for _, sum := range g.contents {
		if mark := salt.OfHex(sum); mark != (erasure.Mark{}) {
			e.Contents = append(e.Contents, mark)
		}
	}
	for _, d := range g.described {
		mark, _ := salt.OfDescriptor(d)
		e.Descriptors = append(e.Descriptors, mark)
	}
	e.Contents, e.Descriptors = unique(e.Contents), unique(e.Descriptors)
	for _, p := range g.pictures {
		e.Pictures = append(e.Pictures, erasure.Picture{
			ImageID: p.row.ID, Path: salt.OfPath(p.row.Path), Content: salt.OfHex(p.row.FileSHA256), Shows: p.shows, Places: p.places,
		})
	}
	return e
}
