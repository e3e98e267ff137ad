// Package query turns the text of a question into a validated Plan, or refuses it with its place and what to write instead.
// docs/sql.md is the language for people; disclosure-control.md section 12 is its specification.
//
// The path of a text: scan (scan.go: hard limits before any C code sees it) -> parse (PostgreSQL's grammar, pg_query) ->
// allow-list over every node and field of the tree (allow.go: what is not listed is refused, so a newer parser fails closed)
// -> resolve against the catalogue (scope.go, from.go, where.go, output.go) -> bounds of one person's contribution
// (bounds.go) -> Plan. Text and tree are then dropped.
//
// Guaranteed: Compile is a pure function of catalogue and text: it reads no data, file, clock or network. A Plan holds
// catalogue objects and typed literals only; a literal fits its column's type and, where the catalogue lists codes, is one
// of them. Everything inside FROM and WHERE, derived tables and calculations too, is person-local (section 12.4): adding or removing a
// person changes that person's rows only, so Bounds holds for every database the import would accept. Calculations are total:
// their ranges are proved from the catalogue's bounds, and what may leave 62 bits is refused. Labels that a question declares
// itself (bin.go, choice.go) stand in its text, and so are public. Any text returns: no panic, no crash.
//
// Not guaranteed: that two texts with the same meaning get the same canonical form. A miss costs budget, never privacy
// (section 5.3). The C parser needs a thread stack of 8 MiB; CheckStack tells whether it has one.
package query
