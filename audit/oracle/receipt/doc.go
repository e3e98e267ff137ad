// Package receipt checks a receipt of ours with the standard library, golang.org/x/mod/sumdb/note and transparency-dev code
// alone. It imports nothing of ours, on purpose: this is what a stranger can do from the specification.
package receipt
