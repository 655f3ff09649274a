package frontend

// operationsWords are those of the page of operations.
func operationsWords() map[string]string {
	return map[string]string{
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
	}
}
