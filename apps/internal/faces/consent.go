package faces

import (
	"fmt"
	"slices"
	"time"
)

// ConsentBasis is why a person may be recognized. The names are those of the EU's
// General Data Protection Regulation, article 6, which other laws share.
type ConsentBasis string

// The bases.
const (
	BasisConsent             ConsentBasis = "consent"
	BasisContract            ConsentBasis = "contract"
	BasisLegalObligation     ConsentBasis = "legal_obligation"
	BasisVitalInterests      ConsentBasis = "vital_interests"
	BasisPublicTask          ConsentBasis = "public_task"
	BasisLegitimateInterests ConsentBasis = "legitimate_interests"
)

// ConsentBases returns all bases.
func ConsentBases() []ConsentBasis {
	return []ConsentBasis{BasisConsent, BasisContract, BasisLegalObligation, BasisVitalInterests, BasisPublicTask, BasisLegitimateInterests}
}

// ConsentState is whether a consent stands.
type ConsentState string

// The states. A person is matched while their consent is given.
const (
	ConsentNone      ConsentState = "none"      // nobody has recorded one
	ConsentUpcoming  ConsentState = "upcoming"  // it begins later
	ConsentGiven     ConsentState = "given"     //
	ConsentLapsed    ConsentState = "lapsed"    // its time is over
	ConsentWithdrawn ConsentState = "withdrawn" //
)

// Consent says that a person may be recognized, for a time. It has ids and
// enumerations only.
type Consent struct {
	Person    int64
	Basis     ConsentBasis
	From      time.Time
	Until     time.Time // zero: no end
	Withdrawn time.Time // zero: not withdrawn
	Recorded  time.Time
	KeyID     string // of who recorded it; empty if no key was needed
	UserID    int64  // 0 if the key acted for itself
}

// State returns the state of the consent at a time.
func (c Consent) State(now time.Time) ConsentState {
	switch {
	case c.Person == 0:
		return ConsentNone
	case !c.Withdrawn.IsZero():
		return ConsentWithdrawn
	case !c.Until.IsZero() && !now.Before(c.Until):
		return ConsentLapsed
	case now.Before(c.From):
		return ConsentUpcoming
	default:
		return ConsentGiven
	}
}

// Check returns an error if the consent cannot be recorded.
func (c Consent) Check() error {
	if !slices.Contains(ConsentBases(), c.Basis) {
		return Errorf(CodeInvalid, "%.40q is no basis of a consent; use one of %s", c.Basis, joined(ConsentBases()))
	}
	if !c.Until.IsZero() && !c.Until.After(c.From) {
		return Errorf(CodeInvalid, "the consent ends at %s, before it begins at %s", c.Until.UTC().Format(time.RFC3339), c.From.UTC().Format(time.RFC3339))
	}
	for _, t := range []time.Time{c.From, c.Until} {
		if !t.IsZero() && (t.Year() < 1970 || t.Year() > 9000) {
			return Errorf(CodeInvalid, "%s is no time of a consent; send one such as 2027-01-31T00:00:00Z", t.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

func joined[T ~string](list []T) string {
	text := ""
	for i, v := range list {
		if i > 0 {
			text += ", "
		}
		text += string(v)
	}
	return text
}

// Without returns an outcome that names nobody of the withheld people, whatever was
// decided: their faces are of nobody known. What people have said about a face stays.
// m is the model set of the faces.
func (o Outcome) Without(withheld func(person int64) bool, m Model) Outcome {
	if !o.Reason.IsAnswer() {
		return o
	}
	list, changed := slices.Clone(o.Faces), false
	for i := range list {
		changed = list[i].withhold(withheld) || changed
	}
	if changed {
		o.Faces = list
		o.Reason, o.Person = Conclude(list, m)
	}
	return o
}

// withhold removes the withheld people from a face's decision, and reports whether
// there were any.
func (f *Face) withhold(withheld func(person int64) bool) bool {
	is := func(c *Candidate) bool { return c != nil && withheld(c.Person.ID) }
	if !is(f.Best) && !is(f.Second) {
		return false
	}
	if is(f.Best) {
		f.Best, f.Second, f.MatchedImage = nil, nil, ""
	} else {
		f.Second = nil
	}
	if f.Confirmed {
		return true
	}
	if f.Best == nil {
		f.Person = nil
		if f.Reason == Identified || f.Reason == Uncertain {
			f.Reason = UnknownPerson
		}
	}
	return true
}

// String returns the consent in words, without a name.
func (c Consent) String() string { return fmt.Sprintf("consent of person %d (%s)", c.Person, c.Basis) }
