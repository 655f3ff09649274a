package browser

import _ "embed" // the file below

// axe is axe-core, which looks for faults of accessibility; see axe/README.md.
//
//go:embed axe/axe.min.js
var axe string
