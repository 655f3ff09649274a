package frontend

import (
	"fmt"
	"strings"
)

// english returns the words of the templates, by key. Another language is another map
// with the same keys. A message with a number has two forms, key.one and key.other;
// %d and %s stand for values. The words for outcomes and faces are in words.go.
func english() map[string]string {
	return map[string]string{
		"title":          "%s – Rollcall",
		"skip":           "Skip to content",
		"brand":          "Rollcall, all pictures",
		"nav":            "Main",
		"nav.images":     "Images",
		"nav.operations": "Operations",
		"nav.help":       "Keyboard shortcuts",
		"foot":           "Rollcall %s",
		"close":          "Close",
		"undo":           "Undo",
		"stale":          "This page could not be updated; trying again.",

		"images.title":         "Images",
		"images.search":        "Search in paths",
		"images.search.button": "Search",
		"images.filters":       "Filters",
		"images.filters.apply": "Apply",
		"images.from":          "From",
		"images.to":            "To",
		"images.dates":         "Dates are UTC.",
		"images.order":         "Order",
		"images.order.newest":  "Newest first",
		"images.order.unsure":  "Uncertain first",
		"images.view":          "View",
		"images.view.grid":     "Grid",
		"images.view.table":    "Table",
		"images.outcome":       "Outcome",
		"images.failures":      "Kinds of failure",
		"images.invalid":       "A part of this address is not valid",
		"images.ignored":       "and was ignored:",
		"images.caption":       "Images, newest first",
		"images.new.one":       "1 new image",
		"images.new.other":     "%d new images",
		"images.inwork.one":    "%d picture is being processed; this page updates itself.",
		"images.inwork.other":  "%d pictures are being processed; this page updates itself.",
		"images.pages":         "Pages",
		"images.newer":         "← Newer",
		"images.older":         "Older →",
		"images.further":       "Look further →",
		"images.attempts":      "%d attempts",
		"images.nobody":        "nobody known",
		"images.only":          "Show only pictures of %s",

		"column.id": "ID", "column.picture": "Picture", "column.who": "Who", "column.outcome": "Outcome",
		"column.model": "Model", "column.added": "Added",

		"tag":                "Filters",
		"tag.person":         "Person",
		"tag.person.remove":  "Show everybody",
		"tag.text":           "Path contains",
		"tag.text.remove":    "Do not search",
		"tag.status":         "Status",
		"tag.status.remove":  "Show every status",
		"tag.time":           "Added",
		"tag.time.remove":    "Show every time",
		"empty.none":         "No picture matches",
		"empty.none.text":    "No picture matches all filters.",
		"empty.none.all":     "Show all pictures",
		"empty.further":      "Nothing among the pictures looked at so far",
		"empty.further.text": "There are many pictures, and none of those looked at matches all filters.",
		"empty.first":        "No pictures yet",
		"empty.first.put":    "Put a picture into",
		"empty.first.folder": "the folder of unknown people",
		"empty.first.ask":    ", then ask who is in it:",
		"empty.first.hint":   "The answer appears here a moment later. A path may be relative to that folder.",

		"picture.back":         "← All pictures",
		"picture.previous":     "Previous",
		"picture.next":         "Next",
		"picture.neighbours":   "Neighbours",
		"picture.damaged":      "The file is damaged but could be read:",
		"picture.of":           "The picture with its faces",
		"picture.where":        "Where the faces are in the picture",
		"picture.drawing":      "Drawing of where the faces are, %d × %d px like the picture.",
		"picture.faces.one":    "%d face",
		"picture.faces.other":  "%d faces",
		"picture.download":     "Download",
		"picture.retry":        "Retry",
		"picture.boxes":        "Boxes",
		"picture.draw":         "Draw a face",
		"picture.draw.how":     "Drag over the face, from the forehead to the chin. By keyboard: arrows move the box, Shift with arrows changes its size.",
		"picture.draw.x":       "Left",
		"picture.draw.y":       "Top",
		"picture.draw.width":   "Width",
		"picture.draw.height":  "Height",
		"picture.draw.name":    "Who is it? (may stay empty)",
		"picture.draw.save":    "Save the face",
		"picture.about":        "About this picture",
		"picture.history":      "History",
		"picture.history.none": "Nobody has said anything about this picture.",
		"picture.said":         "Saved",
		"picture.undone":       "Undone",

		"about.image": "Image", "about.path": "Path", "about.status": "Status", "about.reason": "Reason",
		"about.detail": "Detail", "about.size": "Size", "about.attempts": "Attempts", "about.model": "Model",
		"about.same": "Same path as", "about.same.image": "image %d", "about.added": "Added", "about.queued": "Queued",
		"about.changed": "Changed",

		"history.face": "Face %d",
		"history.lost": "A face that is no longer found",

		"face.face":       "Face",
		"face.crop":       "Face %d, cut out",
		"face.known":      "Known picture of %s",
		"face.here":       "This picture",
		"face.distance":   "Distance",
		"face.threshold":  "threshold %s",
		"face.nearest":    "Nearest",
		"face.picture":    "Known picture",
		"face.second":     "Next nearest",
		"face.second.at":  "at %s",
		"face.farther":    "%s farther",
		"face.must":       "must be %s",
		"face.position":   "Position",
		"face.quality":    "Quality",
		"face.correction": "Correction",
		"face.alone":      "There was no known person to compare this face with.",
		"face.details":    "Details",
		"face.yes":        "Yes, this is %s",
		"face.name":       "This is…",
		"face.name.label": "Who is face %d?",
		"face.name.save":  "Save",
		"face.not":        "Not %s",
		"face.ignore":     "Ignore",
		"face.none":       "Not a face",
		"face.undo":       "Undo",
		"face.undo.label": "Undo what was said about face %d",
		"face.actions":    "Correct face %d",

		"operations.title":    "Operations",
		"operations.outcomes": "Pictures by outcome",
		"operations.problems": "Problems",
		"operations.well":     "No picture has failed.",
		"operations.model":    "Model set in use",
		"operations.waiting":  "Waiting or in progress",
		"operations.answered": "Answered",
		"operations.failed":   "Failed",
		"operations.all":      "All pictures",
		"operations.pictures": "Pictures",
		"operations.share":    "Share",

		"model.none":      "No picture has been answered yet; the model set appears here after the first answer.",
		"model.model":     "Model",
		"model.threshold": "Threshold",
		"model.margin":    "Margin",
		"model.far":       "Far",
		"model.far.text":  "%v if the second person is more than %v farther",

		"problem.reload": "Reloading every %d seconds",
		"problem.home":   "Go to all pictures",

		"help.title":    "Keyboard shortcuts",
		"help.anywhere": "Anywhere",
		"help.images":   "Images",
		"help.picture":  "A picture",
		"help.help":     "Show this help",
		"help.search":   "Search",
		"help.go":       "Go to images, operations",
		"help.escape":   "Close, or leave a field",
		"help.move":     "Next, previous picture",
		"help.open":     "Open the picture",
		"help.view":     "Grid or table",
		"help.face":     "Next, previous face",
		"help.yes":      "Yes, it is the suggested person",
		"help.not":      "No, not this person",
		"help.name":     "Say who it is",
		"help.ignore":   "Ignore the face",
		"help.none":     "It is not a face",
		"help.draw":     "Draw a missed face",
		"help.undo":     "Undo the last correction",
	}
}

// words returns a message, with its values. A key without a message is a fault of ours,
// which a test finds; a page is still of use with the key itself.
func (s *Server) words(key string, values ...any) string {
	text, ok := s.messages[key]
	if !ok {
		return key
	}
	if len(values) == 0 {
		return text
	}
	return fmt.Sprintf(text, values...)
}

// counted returns the form of a message for n things.
func (s *Server) counted(key string, n any) string {
	form := key + ".other"
	if fmt.Sprint(n) == "1" {
		form = key + ".one"
	}
	if !strings.Contains(s.messages[form], "%") {
		return s.words(form)
	}
	return s.words(form, n)
}
