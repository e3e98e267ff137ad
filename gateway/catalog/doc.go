// Package catalog says what data exists and what may be asked of it: datasets, tables, the person key, columns with their
// roles, code lists and bounds, declared joins, and how much one person can contribute. docs/catalog.md describes the file.
//
// Guaranteed: a *Dataset returned by Load or Parse is complete and consistent. Every name is unique and usable in SQL
// unquoted, every group column has a public domain or is explicitly private, every measure is bounded so that sums stay
// exact, every unique set and join refers to columns that exist, and Digest identifies all of it, code lists included.
// A Dataset never changes after that, so it may be shared between goroutines.
//
// Not guaranteed here: that the rows obey it. Import verifies every declared fact (type, code, bound, uniqueness, rows per
// person, per-person values) and refuses data that do not; the planner's proofs rest on that. Nor can this package tell
// whether bounds and code lists were copied from the data, which the custodian must not do (disclosure control, section 2).
package catalog
