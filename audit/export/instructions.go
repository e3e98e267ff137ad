package export

import _ "embed"

// instructions is VERIFY.md: an independent verifier, tested against every export the tests write.
//
//go:embed verify.md
var instructions []byte
