package frontend

// uploadWords are those of the page of uploads.
func uploadWords() map[string]string {
	return map[string]string{}
}
