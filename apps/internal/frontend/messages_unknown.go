package frontend

// unknownWords are those of the pages of unknown groups.
func unknownWords() map[string]string {
	return map[string]string{}
}
