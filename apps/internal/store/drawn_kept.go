package store

import (
	"slices"
	"time"

	"gorm.io/gorm"

	"github.com/rollcall-faces/rollcall/apps/internal/faces"
	"github.com/rollcall-faces/rollcall/apps/internal/history"
)

// keptFaces are drawn faces that were described before their images were answered
// anew, by image and place.
type keptFaces map[int64]map[faces.Box]faceRow

// drawnToKeep returns the described faces among those that were drawn in the very files
// of the results. It reads what the results are about to replace.
func drawnToKeep(tx *gorm.DB, results []Result) (keptFaces, error) {
	kept := keptFaces{}
	files := map[int64]string{}
	var ids []int64
	for _, r := range results {
		for _, f := range r.Faces {
			if f.Drawn && r.File.SHA256 != "" && files[r.ImageID] == "" {
				files[r.ImageID] = r.File.SHA256
				ids = append(ids, r.ImageID)
			}
		}
	}
	for part := range chunks(ids) {
		var images []imageRow
		if err := tx.Select("id", "file_sha256").Where("id IN ?", part).Find(&images).Error; err != nil {
			return nil, err
		}
		same := map[int64]bool{}
		for _, img := range images {
			same[img.ID] = img.FileSHA256 == files[img.ID]
		}
		var rows []faceRow
		err := tx.Omit("BestName", "SecondName").Where("image_id IN ? AND drawn = ? AND model <> ''", part, true).Find(&rows).Error
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if !same[r.ImageID] {
				continue
			}
			if kept[r.ImageID] == nil {
				kept[r.ImageID] = map[faces.Box]faceRow{}
			}
			kept[r.ImageID][r.box()] = r
		}
	}
	return kept, nil
}

// into gives the row of a drawn face the description that it had, and the decision too
// where no correction decides.
func (k keptFaces) into(row faceRow) faceRow {
	old, ok := k[row.ImageID][row.box()]
	if !ok {
		return row
	}
	row.Descriptor, row.DescriptorRest = splitDescriptor(slices.Concat(old.Descriptor, old.DescriptorRest))
	row.Model, row.Gallery = old.Model, old.Gallery
	row.Landmarks = old.Landmarks
	row.QualityScore, row.QualitySize, row.QualitySharpness = old.QualityScore, old.QualitySize, old.QualitySharpness
	row.QualityYaw, row.QualityRoll = old.QualityYaw, old.QualityRoll
	row.QualityDetection, row.QualityCutOff = old.QualityDetection, old.QualityCutOff
	if row.Corrected != history.NotCorrected || old.Corrected != history.NotCorrected {
		return row
	}
	row.Reason = old.Reason
	row.BestPersonID, row.BestDistance, row.MatchedImage, row.BestParts = old.BestPersonID, old.BestDistance, old.MatchedImage, old.BestParts
	row.SecondPersonID, row.SecondDistance, row.SecondImage, row.SecondParts = old.SecondPersonID, old.SecondDistance, old.SecondImage, old.SecondParts
	return row
}

// describeAgain has the drawn faces of images described where they need it, and matched
// again.
func describeAgain(tx *gorm.DB, images []int64, now time.Time) error {
	for part := range chunks(images) {
		err := tx.Model(&correctionRow{}).Where("image_id IN ? AND kind = ? AND undone_at IS NULL", part, faces.SaysDrawn).
			UpdateColumns(map[string]any{"describe_at": now, "pending": true, "changed_at": now}).Error
		if err != nil {
			return err
		}
	}
	return nil
}
