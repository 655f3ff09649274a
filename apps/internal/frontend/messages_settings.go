package frontend

// settingsWords are those of the pages of settings.
func settingsWords() map[string]string {
	return map[string]string{}
}
