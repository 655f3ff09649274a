package frontend

// signInWords are those of the pages of sign-in, users and sessions.
func signInWords() map[string]string {
	return map[string]string{ //nolint:gosec // words that people read, and no password
		"signin.title":        "Sign in",
		"signin.or":           "or with a password",
		"signin.name":         "User name",
		"signin.password":     "Password",
		"signin.noadmin":      "No admin can sign in yet. The frontend’s log has a one-time code.",
		"signin.first":        "Become the first admin",
		"signin.invited":      "You have an invitation code?",
		"signin.invited.link": "Choose your password",
		"signin.forgotten":    "Forgotten the password? An admin can invite you again.",
		"signin.with":         "Sign in with %s",

		"first.title":     "Welcome to Rollcall",
		"first.text":      "Nobody can sign in yet. Whoever has the one-time code becomes the first admin, and invites the others.",
		"first.code":      "One-time code",
		"first.name":      "Your user name",
		"first.name.help": "Letters, digits and . _ @ + : | = ~ - such as ada or ada@example.org",

		"invite.title": "Choose a password",
		"invite.text":  "An admin has sent you a link or a code. It works once.",
		"invite.code":  "Invitation code",
		"invite.set":   "Set password and sign in",

		"me":          "You",
		"me.sessions": "Your sessions and password",
		"me.out":      "Sign out",

		"password.new":    "New password",
		"password.again":  "The same password again",
		"password.least":  "At least %d characters. Several words are easy to remember.",
		"password.title":  "Change your password",
		"password.old":    "Current password",
		"password.change": "Change password",

		"sessions.user":        "User",
		"sessions.browser":     "Browser",
		"sessions.from":        "From",
		"sessions.began":       "Signed in",
		"sessions.used":        "Last used",
		"sessions.this":        "this browser",
		"sessions.out":         "Sign out %s, %s",
		"sessions.mine":        "Your sessions",
		"sessions.out.others":  "Sign out all my other browsers",
		"sessions.others":      "Sessions of other users",
		"sessions.others.none": "No other user is signed in.",
		"sessions.title":       "Signed in as %s",

		"users.title":          "Users",
		"users.link":           "Link",
		"users.code":           "Without JavaScript, the page asks for the code:",
		"users.add":            "Add a user",
		"users.role":           "Role",
		"users.add.invite":     "Add and invite",
		"users.all":            "All users",
		"users.by":             "Signs in by",
		"users.added":          "Added",
		"users.you":            "(you)",
		"users.role.change":    "Change",
		"users.again":          "Invite again",
		"users.delete":         "Delete…",
		"users.invite":         "Invite %s",
		"users.invite.text":    "Send them this link by a way that nobody else reads. It is shown this once, works once, and until %s.",
		"users.role.of":        "Role of %s",
		"users.role.change.of": "Change the role of %s",
		"users.again.of":       "Invite again: %s",
		"users.delete.of":      "Delete %s",

		"actions": "Actions",
	}
}
