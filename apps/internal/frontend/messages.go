package frontend

import "maps"

// english returns English. Another language is another value like it: a catalogue with the
// same keys, and a rule for its plural forms.
func english() *language {
	return &language{tag: "en", messages: englishWords(), form: func(n int64) string {
		if n == 1 {
			return "one"
		}
		return "other"
	}}
}

// englishWords returns all that the dashboard says, by key. The words of a page are in
// messages_PAGE.go. %d and %s stand for values; a language that needs another order writes
// %[2]s. A message about a number has a key for each form, in English key.one and key.other.
func englishWords() map[string]string {
	all := map[string]string{}
	for _, part := range []map[string]string{
		sharedWords(), formsWords(), problemsWords(), outcomesWords(), facesWords(), imagesWords(), operationsWords(), peopleWords(), reviewWords(), unknownWords(), uploadWords(), settingsWords(), signInWords(),
	} {
		maps.Copy(all, part)
	}
	return all
}

// sharedWords are those of more than one page.
func sharedWords() map[string]string {
	return map[string]string{
		"title":          "%s – Rollcall",
		"skip":           "Skip to content",
		"brand":          "Rollcall, all pictures",
		"nav":            "Main",
		"nav.images":     "Images",
		"nav.people":     "People",
		"nav.review":     "Review",
		"nav.unknown":    "Unknown",
		"nav.upload":     "Upload",
		"nav.operations": "Operations",
		"nav.settings":   "Settings",
		"nav.help":       "Keyboard shortcuts",
		"foot":           "Rollcall %s",
		"close":          "Close",
		"undo":           "Undo",
		"stale":          "This page could not be updated; trying again.",
		"age.minutes":    "%d min ago",
		"age.hours":      "%d h ago",
		"unsent":         "The dashboard did not answer. Nothing was saved; try again.",
		"unsure":         "The dashboard did not answer. It may have been saved; look again.",
		"unread":         "The dashboard did not answer. Try again in a moment.",

		"label":            "%s: %s", // a name for a control, and what it is about
		"list.and":         "%s and %s",
		"list.or":          "%s or %s",
		"list.more":        "%s, %s",
		"number.separator": ",", // of thousands
		"number.percent":   "%s %%",
		"bytes.b":          "%s B",
		"bytes.kb":         "%s kB",
		"bytes.mb":         "%s MB",
		"bytes.gb":         "%s GB",
		"bytes.tb":         "%s TB",
		"bytes.pb":         "%s PB",
		"bytes.eb":         "%s EB",

		"ago.never":       "–",
		"ago.now":         "just now",
		"ago.seconds":     "%d s ago",
		"ago.yesterday":   "yesterday",
		"ago.days.one":    "%d day ago",
		"ago.days.other":  "%d days ago",
		"date":            "%[1]d %[2]s %[3]d", // day, month, year
		"took.millis":     "%d ms",
		"took.seconds":    "%s s",
		"took.about":      "%d min",
		"took.minutes":    "%[1]d min %[2]d s",
		"took.hours":      "%[1]d h %[2]d min",
		"month.january":   "Jan",
		"month.february":  "Feb",
		"month.march":     "Mar",
		"month.april":     "Apr",
		"month.may":       "May",
		"month.june":      "Jun",
		"month.july":      "Jul",
		"month.august":    "Aug",
		"month.september": "Sep",
		"month.october":   "Oct",
		"month.november":  "Nov",
		"month.december":  "Dec",

		"person.nameless": "person %d",
		"role.viewer":     "viewer",
		"role.reviewer":   "reviewer",
		"role.admin":      "admin",

		"problem.short":        "%s. %s", // the title and the text of a problem
		"problem.reload.one":   "Reloading every second",
		"problem.reload.other": "Reloading every %d seconds",
		"problem.home":         "Go to all pictures",

		"help.title":    "Keyboard shortcuts",
		"help.anywhere": "Anywhere",
		"help.images":   "Images",
		"help.picture":  "A picture",
		"help.help":     "Show this help",
		"help.search":   "Search",
		"help.go":       "Go to %s",
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
