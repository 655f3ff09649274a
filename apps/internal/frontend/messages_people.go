package frontend

// peopleWords are those of the pages of people.
func peopleWords() map[string]string {
	return map[string]string{}
}
