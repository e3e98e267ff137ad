// Package engine keeps the rows. Import checks files against a catalogue and stores them as an immutable data version; Open
// opens a version read-only and locked down; Run executes a validated plan on it and seals the exact cells in a protect.Raw.
//
// Attach puts a version into a schema of PostgreSQL instead, sealed against changes, and OpenVersion opens either kind: the plans, the
// loop and the integers are the same.
//
// Guaranteed, each tested:
//
//   - A version holds only values the catalogue allows: types, bounds, codes, patterns, NULLs, uniqueness, rows per person and
//     values fixed per person were verified when it was imported (disclosure-control.md section 6.2: no proof, no F0).
//   - The engine executes only SQL written here from a plan: identifiers are the catalogue's, literals are bound. The database
//     refuses files, network, extensions, settings and writes (stack.md section 10.1).
//   - A person counts with at most Bounds.Groups groups and, in each, within the bounds of the plan's items; groups are chosen
//     by a rank keyed per query, never by arrival order (section 6.3). Person order is checked and a violation fails the query.
//   - All arithmetic is exact on integers, and proved in range before the first row is read.
//   - No error carries a value or a message of the database, which may quote values.
//   - A version in PostgreSQL answers only while its rows are those whose digest the manifest holds, as far as seals and daily checks
//     tell (docs/design/engine.md), and while the role that reads them can change nothing; over a network, only with a verified
//     certificate.
//   - An import that fails or dies leaves the earlier versions as they were, and no file that could be activated.
//
// Not guaranteed: secrecy of the rows from whoever may read the state directory. The person key is not stored in a version,
// but persons.duckdb beside it maps keyed digests of person keys to ordinals and persons.key holds the key of the digests:
// whoever has both can test a guess. In PostgreSQL, neither secrecy nor integrity against whoever is root there. Execution time
// depends on the data; the gateway's response slots hide it.
package engine
