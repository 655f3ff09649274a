package frontend

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// reviewKind is a kind of question.
type reviewKind byte

// The kinds of questions, in the order in which they are asked: what settles most comes
// first. A face that is uncertain in a picture that shows somebody known is doubtful; it
// has no place among the uncertain pictures.
const (
	askGroup     reviewKind = 'g'
	askUncertain reviewKind = 'u'
	askDoubtful  reviewKind = 'd'
	askSingle    reviewKind = 's'
)

// reviewKinds returns the kinds that a choice of the reviewer shows; all for a choice
// that does not exist.
func reviewKinds(only string) []reviewKind {
	switch only {
	case onlyGroups:
		return []reviewKind{askGroup}
	case onlyUncertain:
		return []reviewKind{askUncertain, askDoubtful}
	case onlySingle:
		return []reviewKind{askSingle}
	default:
		return []reviewKind{askGroup, askUncertain, askDoubtful, askSingle}
	}
}

// What a reviewer may choose to be asked.
const (
	onlyGroups    = "groups"
	onlyUncertain = "uncertain"
	onlySingle    = "single"
)

// reviewPlace is a question and its place in the queue. It is in the address: from there
// the queue goes on even when the question is answered and gone.
type reviewPlace struct {
	kind  reviewKind
	order int64 // faces of a group, certainty of an image, or the nearest person of a face and one, as nobody is -1
	image int64 // 0 for a group
	id    int64 // of the face, or the key of the group
}

// String is the place as it is in an address: g14-17, or u967-1234-42.
func (p reviewPlace) String() string {
	text := string(p.kind) + strconv.FormatInt(p.order, 10)
	if p.kind != askGroup {
		text += "-" + strconv.FormatInt(p.image, 10)
	}
	return text + "-" + strconv.FormatInt(p.id, 10)
}

// question names the question wherever it is in the queue.
func (p reviewPlace) question() string {
	if p.kind == askGroup {
		return "g" + strconv.FormatInt(p.id, 10)
	}
	return "f" + strconv.FormatInt(p.id, 10)
}

// parseReviewPlace is the reverse of String.
func parseReviewPlace(text string) (p reviewPlace, ok bool) {
	if len(text) < 2 || len(text) > 70 {
		return p, false
	}
	p.kind = reviewKind(text[0])
	fields := map[reviewKind][]*int64{
		askGroup: {&p.order, &p.id}, askUncertain: {&p.order, &p.image, &p.id},
		askDoubtful: {&p.order, &p.image, &p.id}, askSingle: {&p.order, &p.image, &p.id},
	}[p.kind]
	parts := strings.Split(text[1:], "-")
	if len(fields) == 0 || len(parts) != len(fields) {
		return reviewPlace{}, false
	}
	for i, part := range parts {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil || n < 0 {
			return reviewPlace{}, false
		}
		*fields[i] = n
	}
	return p, true
}

// maxSkipped is how many skipped questions an address remembers. The oldest are forgotten
// first: they come again a little earlier.
const maxSkipped = 60

// reviewTrail is what the address says beside the question.
type reviewTrail struct {
	Only    string        // the kinds of questions to ask; "" for all
	skipped []reviewPlace // that come back at the end, oldest first
	Anyway  bool          // also ask what is in front of other reviewers
}

func parseReviewTrail(get func(name string) string) (t reviewTrail) {
	if only := get("only"); len(reviewKinds(only)) < len(reviewKinds("")) {
		t.Only = only
	}
	t.Anyway = get("anyway") == "1"
	text := get("skipped")
	if len(text) > maxSkipped*70 {
		return t
	}
	for part := range strings.SplitSeq(text, "_") {
		if p, ok := parseReviewPlace(part); ok && len(t.skipped) < maxSkipped {
			t.skipped = append(t.skipped, p)
		}
	}
	return t
}

// has reports whether a question was skipped.
func (t reviewTrail) has(question string) bool {
	return slices.ContainsFunc(t.skipped, func(p reviewPlace) bool { return p.question() == question })
}

// with returns the trail after a question was skipped.
func (t reviewTrail) with(p reviewPlace) reviewTrail {
	t.skipped = append(t.without(p).skipped, p)
	t.skipped = t.skipped[max(0, len(t.skipped)-maxSkipped):]
	return t
}

// without returns the trail after a skipped question came back.
func (t reviewTrail) without(p reviewPlace) reviewTrail {
	t.skipped = slices.DeleteFunc(slices.Clone(t.skipped), func(old reviewPlace) bool { return old.question() == p.question() })
	return t
}

func (t reviewTrail) skippedText() string {
	list := make([]string, len(t.skipped))
	for i, p := range t.skipped {
		list[i] = p.String()
	}
	return strings.Join(list, "_")
}

// URL returns the address of a question; nil is the first one. more adds to the query.
func (t reviewTrail) URL(p *reviewPlace, more ...string) string {
	v := url.Values{}
	for name, value := range map[string]string{"only": t.Only, "skipped": t.skippedText()} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if t.Anyway {
		v.Set("anyway", "1")
	}
	for i := 0; i+1 < len(more); i += 2 {
		if more[i+1] != "" {
			v.Set(more[i], more[i+1])
		}
	}
	address := "/review"
	if p != nil {
		address += "/" + p.String()
	}
	if len(v) > 0 {
		address += "?" + v.Encode()
	}
	return address
}
