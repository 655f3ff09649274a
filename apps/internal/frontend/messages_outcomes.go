package frontend

// outcomesWords are those about what became of an image.
func outcomesWords() map[string]string {
	return map[string]string{
		"status.pending":    "pending",
		"status.processed":  "processed",
		"status.failed":     "Failed",
		"status.processing": "In progress",

		"outcome.queued":                 "Waiting",
		"outcome.identified":             "Identified",
		"outcome.unknown_person":         "Unknown person",
		"outcome.uncertain":              "Uncertain",
		"outcome.no_face":                "No face",
		"outcome.too_small":              "Too small",
		"outcome.blurred":                "Blurred",
		"outcome.turned_away":            "Turned away",
		"outcome.cut_off":                "Cut off",
		"outcome.ignored":                "Ignored",
		"outcome.not_a_face":             "Not a face",
		"outcome.not_found":              "File not found",
		"outcome.corrupt_image":          "Damaged file",
		"outcome.unsupported_format":     "Unsupported format",
		"outcome.image_too_large":        "Too large",
		"outcome.path_not_allowed":       "Path not allowed",
		"outcome.recognizer_unavailable": "Recognizer unavailable",
		"outcome.timeout":                "Timed out",
		"outcome.internal":               "Internal error",

		"sentence.processing": "This picture is being processed.",
		"sentence.queued":     "This picture is waiting in the queue.",
		"sentence.dismissed":  "No face in this picture counts: somebody said so.",
		"sentence.noface":     "There is no face in this picture.",

		// A sentence about people has clauses, each of which could be one. The first one
		// gets a capital letter. The %s of clause.here is one name, or several.
		"clause.here.one":        "%s is in this picture",
		"clause.here.other":      "%s are in this picture",
		"clause.somebody":        "somebody known is in this picture",
		"clause.either":          "one face could be %s or %s, too close to call",
		"clause.poor":            "one face could be %s, but is %s", // %[2]s is one of poor
		"clause.like":            "one more face looks like %s",
		"clause.others.one":      "%d other face is unknown",
		"clause.others.other":    "%d other faces are unknown",
		"clause.strangers.one":   "there is %d face in this picture, and it is nobody known",
		"clause.strangers.other": "there are %d faces in this picture, and none of them is known",
		"clause.more":            "%s; %s",
		"clause.end":             "%s.",

		"short.maybe":         "%s?",
		"short.either":        "%s or %s?",
		"short.unknown.one":   "%d unknown",
		"short.unknown.other": "%d unknown",
		"short.ignored.one":   "%d ignored",
		"short.ignored.other": "%d ignored",
		"short.with":          "with %s",
		"short.and":           "%s with %s",
		"short.warning":       "%s; %s",

		"failure.not_found":                    "There is no file at this path.",
		"failure.corrupt_image":                "The file is damaged: it cannot be decoded.",
		"failure.unsupported_format":           "The file is not in a format that Rollcall reads.",
		"failure.image_too_large":              "The picture is larger than the configured limit.",
		"failure.path_not_allowed":             "The path leaves the folder of pictures.",
		"failure.recognizer_unavailable.one":   "The recognizer could not be reached.",
		"failure.recognizer_unavailable.other": "The recognizer could not be reached in %d attempts.",
		"failure.timeout.one":                  "The recognizer did not answer in time.",
		"failure.timeout.other":                "The recognizer did not answer in time in %d attempts.",
		"failure.internal.one":                 "An error in Rollcall prevented an answer.",
		"failure.internal.other":               "An error in Rollcall prevented an answer in %d attempts.",

		"next.permanent": "It is not retried automatically, because the result would be the same. After you fix the file, retry it with: redeemer -id %d",
		"next.transient": "The picture is not the cause. The redeemer retries it a few times, with growing pauses.",
		"next.answer":    "This is an answer, not a failure. When the known people change, this picture is matched again.",
	}
}

// facesWords are those about why a face has its reason.
func facesWords() map[string]string {
	return map[string]string{
		"why.confirmed":    "a person said who it is",
		"why.ignored":      "a person said that this face is to be ignored",
		"why.not_a_face":   "a person said that this is not a face",
		"why.drawn":        "a person drew it; it is not compared with the known people yet",
		"why.alone":        "there is no known person near this face",
		"why.distance":     "distance %s",
		"why.within":       "distance %s, within the threshold of %s",
		"why.far":          "distance %s, beyond the threshold of %s but within %s, and the second person is more than %s farther",
		"why.close":        "too close to call: the second person is only %s farther",
		"why.close.margin": "too close to call: the second person is only %s farther, at least %s is needed",
		"why.taken":        "distance %s, but another face of this picture fits the same person better",
		"why.nearest":      "the nearest known person is at distance %s",
		"why.beyond":       "the nearest known person is at distance %s, beyond the threshold of %s",
		"why.beyond.far":   "the nearest known person is at distance %s, beyond the threshold of %s; up to %s is near enough only where the second person is more than %s farther",
		"why.end":          "%s.",

		// What a face is that is not good enough; also in clause.poor.
		"poor.too_small":          "too small to be named",
		"poor.cut_off":            "cut off by the edge of the picture",
		"poor.turned_away":        "turned too far to a side to be named",
		"poor.blurred":            "too blurred to be named",
		"poor.measured.size":      "too small to be named: %s px, at least %s are needed",
		"poor.measured.cut_off":   "cut off by the edge of the picture: %s %% of the face is outside, at most %s %% may be",
		"poor.measured.yaw":       "turned too far to a side to be named: about %s°, at most %s° are allowed",
		"poor.measured.sharpness": "too blurred to be named: sharpness %s, at least %s is needed",
		"poor.measured.detection": "not clear enough to be named: the detector's score is %s, at least %s is needed",

		"quality":           "%s of 1: %d px, sharpness %s, turned %s°, tilted %s°",
		"quality.cutoff":    "%s %% outside the picture",
		"quality.detection": "detector's score %s",

		"near.very":   "very near",
		"near.near":   "near",
		"near.just":   "just near enough",
		"near.beyond": "just too far",
		"near.far":    "far",

		"face.unknown":        "Unknown",
		"face.place":          "%s at %s",
		"face.place.drawn":    "%s at %s, drawn by hand",
		"face.bar":            "distance %s",
		"face.bar.threshold":  "distance %s, threshold %s",
		"face.said.confirmed": "who this is",
		"face.said.ignored":   "to be ignored",
		"face.said.notface":   "not a face",
		"face.said.not":       "who this is not",
		"face.network":        "network %d",
		"face.parts":          "%s %s", // a network and its distance
		"face.omitted.one":    "%d smaller face was found but left out: the number of faces per picture is limited.",
		"face.omitted.other":  "%d smaller faces were found but left out: the number of faces per picture is limited.",
		"face.second.is":      "Next nearest: %s at %s",
		"face.second.farther": "Next nearest: %s at %s, %s farther",
		"face.second.must":    "Next nearest: %s at %s, %s farther (must be %s)",
		"face.nearest.parts":  "%s: %s",
		"history.is":          "%s is %s",
		"history.not":         "%s is not %s",
		"history.ignore":      "%s is to be ignored",
		"history.noface":      "%s is not a face",
		"history.drawn":       "%s was drawn by hand",
		"history.undo":        "Undo: %s",
		"history.in":          "the face in %s",
	}
}
