package frontend

import (
	"fmt"
	"maps"
	"strings"
)

// english returns the words of the templates, by key. Another language is another map
// with the same keys. A message with a number has two forms, key.one and key.other;
// %d and %s stand for values. The words for outcomes and faces are in words.go. The words
// of a page are in messages_PAGE.go.
func english() map[string]string {
	all := map[string]string{}
	for _, part := range []map[string]string{
		sharedWords(), imagesWords(), operationsWords(), peopleWords(), reviewWords(), unknownWords(), uploadWords(), settingsWords(), signInWords(),
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

		"problem.reload": "Reloading every %d seconds",
		"problem.home":   "Go to all pictures",

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
